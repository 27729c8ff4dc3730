//! Inclusion and consistency proofs (RFC 9162), computed from tiles, stored in tlog-proof files.
//!
//! Pure: the caller passes a function that loads tiles. A proof is worthless until it is verified.

use thiserror::Error;

use crate::checkpoint::CheckpointError;
use crate::merkle::{Hash, empty_root, node_hash};
use crate::tile::TileError;

mod file;
mod tree;

pub use self::file::TlogProof;
pub use self::tree::TileTree;

/// Largest number of hashes in a proof.
pub const PROOF_LEN_MAX: usize = 63;

/// Verifies that `leaf` is entry `index` of a tree of `size` leaves (RFC 9162 section 2.1.3.2).
///
/// # Errors
/// [`ProofError::Index`], [`ProofError::Length`], [`ProofError::Root`].
pub fn verify_inclusion(
    leaf: &Hash,
    index: u64,
    size: u64,
    proof: &[Hash],
    root: &Hash,
) -> Result<(), ProofError> {
    if index >= size {
        return Err(ProofError::Index { index, size });
    }
    let (mut node, mut last, mut hash) = (index, size - 1, *leaf);
    for sibling in proof {
        if last == 0 {
            return Err(ProofError::Length);
        }
        if node & 1 == 1 || node == last {
            hash = node_hash(sibling, &hash);
            // A node without a right sibling moves up unchanged until it is a right child.
            while node & 1 == 0 && node != 0 {
                node >>= 1;
                last >>= 1;
            }
        } else {
            hash = node_hash(&hash, sibling);
        }
        node >>= 1;
        last >>= 1;
    }
    match (last, hash == *root) {
        (0, true) => Ok(()),
        (0, false) => Err(ProofError::Root),
        _ => Err(ProofError::Length),
    }
}

/// Verifies that the new tree begins with the old one (RFC 9162 section 2.1.4.2).
///
/// Every tree begins with itself and with the empty tree; the proof is empty then, and the root of
/// the empty tree must be `SHA-256("")`.
///
/// # Errors
/// [`ProofError::Shrunk`], [`ProofError::Length`], [`ProofError::Root`].
pub fn verify_consistency(
    old_size: u64,
    old_root: &Hash,
    new_size: u64,
    new_root: &Hash,
    proof: &[Hash],
) -> Result<(), ProofError> {
    if old_size > new_size {
        return Err(ProofError::Shrunk { old_size, new_size });
    }
    if old_size == 0 || old_size == new_size {
        let same = if old_size == new_size {
            old_root == new_root
        } else {
            true
        };
        let empty = old_size > 0 || *old_root == empty_root();
        return match (proof.is_empty(), same && empty) {
            (false, _) => Err(ProofError::Length),
            (true, false) => Err(ProofError::Root),
            (true, true) => Ok(()),
        };
    }
    // If the old tree is one full subtree of the new one, the proof omits its root.
    let (first, path) = if old_size.is_power_of_two() {
        (old_root, proof)
    } else {
        proof.split_first().ok_or(ProofError::Length)?
    };
    let shared = (old_size - 1).trailing_ones();
    let (mut node, mut last) = ((old_size - 1) >> shared, (new_size - 1) >> shared);
    let (mut old_hash, mut new_hash) = (*first, *first);
    for hash in path {
        if last == 0 {
            return Err(ProofError::Length);
        }
        if node & 1 == 1 || node == last {
            old_hash = node_hash(hash, &old_hash);
            new_hash = node_hash(hash, &new_hash);
            while node & 1 == 0 && node != 0 {
                node >>= 1;
                last >>= 1;
            }
        } else {
            new_hash = node_hash(&new_hash, hash);
        }
        node >>= 1;
        last >>= 1;
    }
    match (last, old_hash == *old_root && new_hash == *new_root) {
        (0, true) => Ok(()),
        (0, false) => Err(ProofError::Root),
        _ => Err(ProofError::Length),
    }
}

/// Reasons why there is no proof, or why it is not valid.
#[derive(Debug, Error)]
pub enum ProofError {
    /// A tile that the proof needs is missing or malformed.
    #[error(transparent)]
    Tile(#[from] TileError),
    /// No such entry.
    #[error("entry {index} is not in a log of {size} entries")]
    Index {
        /// Entry, from 0.
        index: u64,
        /// Entries in the tree.
        size: u64,
    },
    /// The newer tree is smaller.
    #[error("the log had {old_size} entries and has {new_size}: it was cut")]
    Shrunk {
        /// Entries before.
        old_size: u64,
        /// Entries after.
        new_size: u64,
    },
    /// Too few or too many hashes.
    #[error("the proof has the wrong number of hashes")]
    Length,
    /// The hashes do not lead to the root.
    #[error("the proof does not lead to the root")]
    Root,
    /// Not a tlog-proof file.
    #[error("line {line}: {expected} expected")]
    File {
        /// Line, from 1.
        line: usize,
        /// The expected content.
        expected: &'static str,
    },
    /// The checkpoint in the file is not valid.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;
    use std::io;

    use super::*;
    use crate::merkle::{leaf_hash, root_of};
    use crate::tile::{Tile, TreeBuilder};

    /// Returns the roots at every size, the leaves, and the files of a log of `count` entries.
    fn log(count: u64) -> (Vec<Hash>, Vec<Hash>, HashMap<Tile, Vec<u8>>) {
        let (mut builder, mut full) = (TreeBuilder::new(), Vec::new());
        let (mut roots, mut leaves) = (vec![empty_root()], Vec::new());
        for i in 0..count {
            let leaf = leaf_hash(&i.to_be_bytes());
            builder
                .append(&i.to_be_bytes(), leaf, &mut full)
                .expect("short entry");
            roots.push(builder.root());
            leaves.push(leaf);
        }
        let mut files: HashMap<_, _> = full
            .into_iter()
            .map(|file| (file.tile, file.bytes))
            .collect();
        files.extend(
            builder
                .partials()
                .map(|(tile, bytes)| (tile, bytes.to_vec())),
        );
        (roots, leaves, files)
    }

    fn tree(
        size: u64,
        files: &HashMap<Tile, Vec<u8>>,
    ) -> TileTree<impl FnMut(&Tile) -> io::Result<Vec<u8>>> {
        TileTree::new(size, |tile: &Tile| {
            files
                .get(tile)
                .cloned()
                .ok_or_else(|| io::ErrorKind::NotFound.into())
        })
    }

    #[test]
    fn every_inclusion_proof_verifies_and_only_at_its_place() {
        for size in 1..=40 {
            let (roots, leaves, files) = log(size);
            let (mut tree, root) = (tree(size, &files), roots[size as usize]);
            for index in 0..size {
                let proof = tree.inclusion(index).expect("in the log");
                let leaf = &leaves[index as usize];
                verify_inclusion(leaf, index, size, &proof, &root).expect("proved");
                for other in (0..=size).filter(|other| *other != index) {
                    assert!(verify_inclusion(leaf, other, size, &proof, &root).is_err());
                }
                assert!(verify_inclusion(leaf, index, size, &proof, &[0; 32]).is_err());
                let longer = [&proof[..], &[root]].concat();
                assert!(verify_inclusion(leaf, index, size, &longer, &root).is_err());
                for cut in 0..proof.len() {
                    assert!(verify_inclusion(leaf, index, size, &proof[..cut], &root).is_err());
                    let mut forged = proof.clone();
                    forged[cut][0] ^= 1;
                    assert!(verify_inclusion(leaf, index, size, &forged, &root).is_err());
                }
            }
        }
    }

    #[test]
    fn every_consistency_proof_verifies_and_forged_ones_do_not() {
        for size in 0..=40u64 {
            let (roots, _, files) = log(size);
            let (mut tree, root) = (tree(size, &files), roots[size as usize]);
            for old in 0..=size {
                let proof = tree.consistency(old).expect("old tree is a beginning");
                let old_root = &roots[old as usize];
                verify_consistency(old, old_root, size, &root, &proof).expect("proved");
                assert!(verify_consistency(old, &[1; 32], size, &root, &proof).is_err());
                assert!(verify_consistency(size + 1, old_root, size, &root, &proof).is_err());
                // The empty tree is consistent with any root.
                assert!(
                    old == 0 && size > 0
                        || verify_consistency(old, old_root, size, &[1; 32], &proof).is_err()
                );
                let longer = [&proof[..], &[root]].concat();
                assert!(verify_consistency(old, old_root, size, &root, &longer).is_err());
                for cut in 0..proof.len() {
                    assert!(verify_consistency(old, old_root, size, &root, &proof[..cut]).is_err());
                    let mut forged = proof.clone();
                    forged[cut][31] ^= 1;
                    assert!(verify_consistency(old, old_root, size, &root, &forged).is_err());
                }
            }
        }
    }

    #[test]
    fn proofs_across_tile_levels() {
        let size = 66_000;
        let (roots, leaves, files) = log(size);
        let (mut tree, root) = (tree(size, &files), roots[size as usize]);
        assert_eq!(tree.root().expect("every tile is there"), root);
        for index in [
            0, 1, 255, 256, 257, 511, 512, 65_535, 65_536, 65_791, 65_792, 65_999,
        ] {
            let proof = tree.inclusion(index).expect("in the log");
            verify_inclusion(&leaves[index as usize], index, size, &proof, &root).expect("proved");
        }
        for old in [
            1, 255, 256, 257, 300, 65_535, 65_536, 65_537, 65_900, 66_000,
        ] {
            let proof = tree.consistency(old).expect("a beginning");
            verify_consistency(old, &roots[old as usize], size, &root, &proof).expect("proved");
        }
    }

    #[test]
    fn a_smaller_tree_is_proved_from_the_same_full_tiles() {
        let (roots, leaves, files) = log(600);
        let mut smaller = tree(512, &files);
        let proof = smaller.inclusion(300).expect("full tiles suffice");
        verify_inclusion(&leaves[300], 300, 512, &proof, &roots[512]).expect("proved");
        assert_eq!(root_of(&leaves[..512]), roots[512]);
    }

    #[test]
    fn an_entry_outside_the_tree_has_no_proof() {
        let (_, _, files) = log(3);
        assert!(matches!(
            tree(3, &files).inclusion(3),
            Err(ProofError::Index { index: 3, size: 3 })
        ));
        assert!(matches!(
            tree(3, &files).consistency(4),
            Err(ProofError::Shrunk {
                old_size: 4,
                new_size: 3
            })
        ));
        let error = tree(300, &files)
            .inclusion(0)
            .expect_err("tiles are missing");
        assert_eq!(error.to_string(), "tile/0/001.p/44: cannot be read");
    }

    #[test]
    fn extreme_sizes_do_not_overflow() {
        let hash = [3; 32];
        for proof in [vec![], vec![hash; 63], vec![hash; 64], vec![hash; 200]] {
            for index in [0, 1, u64::MAX - 1] {
                assert!(verify_inclusion(&hash, index, u64::MAX, &proof, &hash).is_err());
            }
            for old in [1, 1 << 63, u64::MAX - 1] {
                assert!(verify_consistency(old, &hash, u64::MAX, &hash, &proof).is_err());
            }
        }
    }
}
