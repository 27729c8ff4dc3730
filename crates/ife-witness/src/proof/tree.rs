//! A Merkle tree over tiles: roots of ranges, and proofs from them (RFC 6962 section 2.1).

use std::collections::HashMap;
use std::io;

use super::ProofError;
use crate::merkle::{Hash, empty_root, node_hash, root_of};
use crate::tile::{Tile, load_hashes, tile_of};

/// Tiles in the cache: a proof reads about two for each of eight levels.
const CACHE_MAX: usize = 64;

/// A tree of a given size over a function that loads tiles.
///
/// Loads each tile once and caches a bounded number of them.
pub struct TileTree<F> {
    size: u64,
    load: F,
    cache: HashMap<Tile, Vec<u8>>,
}

impl<F: FnMut(&Tile) -> io::Result<Vec<u8>>> TileTree<F> {
    /// Creates a tree of `size` leaves, at most [`SIZE_MAX`](crate::merkle::SIZE_MAX).
    pub fn new(size: u64, load: F) -> Self {
        Self {
            size,
            load,
            cache: HashMap::new(),
        }
    }

    /// Returns the root, computed from the tiles along the right edge.
    ///
    /// # Errors
    /// [`ProofError::Tile`].
    pub fn root(&mut self) -> Result<Hash, ProofError> {
        if self.size == 0 {
            Ok(empty_root())
        } else {
            self.range(0, self.size)
        }
    }

    /// Returns the inclusion proof of entry `index`: `PATH(m, D[n])`, the leaf's sibling first.
    ///
    /// # Errors
    /// [`ProofError::Index`], [`ProofError::Tile`].
    pub fn inclusion(&mut self, index: u64) -> Result<Vec<Hash>, ProofError> {
        if index >= self.size {
            return Err(ProofError::Index {
                index,
                size: self.size,
            });
        }
        let mut proof = Vec::new();
        let (mut start, mut end) = (0, self.size);
        while end - start > 1 {
            let middle = start + split(end - start);
            if index < middle {
                proof.push(self.range(middle, end)?);
                end = middle;
            } else {
                proof.push(self.range(start, middle)?);
                start = middle;
            }
        }
        proof.reverse();
        Ok(proof)
    }

    /// Returns the proof that the tree begins with the one of `old_size` leaves: `PROOF(m, D[n])`.
    /// Empty if that is 0 or the tree's size.
    ///
    /// # Errors
    /// [`ProofError::Shrunk`], [`ProofError::Tile`].
    pub fn consistency(&mut self, old_size: u64) -> Result<Vec<Hash>, ProofError> {
        if old_size > self.size {
            return Err(ProofError::Shrunk {
                old_size,
                new_size: self.size,
            });
        }
        let mut proof = Vec::new();
        if old_size == 0 || old_size == self.size {
            return Ok(proof);
        }
        let (mut start, mut end) = (0, self.size);
        while old_size != end {
            let middle = start + split(end - start);
            if old_size <= middle {
                proof.push(self.range(middle, end)?);
                end = middle;
            } else {
                proof.push(self.range(start, middle)?);
                start = middle;
            }
        }
        // The verifier knows the last subtree only if it is the whole old tree.
        if start > 0 {
            proof.push(self.range(start, end)?);
        }
        proof.reverse();
        Ok(proof)
    }

    /// Returns `MTH(D[start:end])`; a subtree at least as large must begin at `start`.
    fn range(&mut self, start: u64, end: u64) -> Result<Hash, ProofError> {
        let (mut at, mut roots) = (start, Vec::new());
        while at < end {
            let height = (end - at).ilog2();
            roots.push(self.node(height, at >> height)?);
            at += 1 << height;
        }
        let mut from_right = roots.into_iter().rev();
        // The range is not empty, so there is a last root.
        let last = from_right.next().unwrap_or_else(empty_root);
        Ok(from_right.fold(last, |right, left| node_hash(&left, &right)))
    }

    /// Returns the `index`-th node of a height; it must be complete in this tree.
    fn node(&mut self, height: u32, index: u64) -> Result<Hash, ProofError> {
        let (level, within) = ((height / 8) as u8, height % 8);
        let first = index << within;
        let last = first + ((1 << within) - 1);
        let missing = ProofError::Index {
            index: last,
            size: self.size,
        };
        let tile = tile_of(level, last, self.size).ok_or(missing)?;
        if !self.cache.contains_key(&tile) {
            if self.cache.len() >= CACHE_MAX {
                self.cache.clear();
            }
            let bytes = load_hashes(&mut self.load, &tile)?;
            self.cache.insert(tile, bytes);
        }
        let hashes = self
            .cache
            .get(&tile)
            .map_or(&[][..], |bytes| bytes.as_chunks::<32>().0);
        let position = (first % 256) as usize;
        // `load_hashes` returned `width` hashes, and `tile_of` chose a sufficient width.
        let nodes = hashes
            .get(position..position + (1 << within))
            .unwrap_or(&[]);
        Ok(root_of(nodes))
    }
}

/// Returns the largest power of two below `len`, which is at least 2.
fn split(len: u64) -> u64 {
    1 << (len - 1).ilog2()
}
