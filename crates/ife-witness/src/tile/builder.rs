//! The growing edge of the log: entries in, files of full and partial tiles out.
//!
//! Kinds of method: bare getters; `append` in; files out through a `Vec` or iterator that the
//! caller drains. Memory: the current entry bundle, and at most 255 hashes for each level.

use std::io;

use thiserror::Error;

use super::{
    BundleError, LEVELS_MAX, TILE_WIDTH, Tile, TileError, TileKind, bundle, level_len,
    load_entries, load_hashes, partial_width, partials,
};
use crate::merkle::{Frontier, Hash, SIZE_MAX, leaf_hash};

/// A file of the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TileFile {
    /// Name of the file: [`Tile::path`].
    pub tile: Tile,
    /// The whole content.
    pub bytes: Vec<u8>,
}

/// The hash tiles of a growing tree, without the entries.
#[derive(Debug, Clone, Default)]
pub struct HashTree {
    frontier: Frontier,
    /// For each level, the hashes of the partial tile.
    edge: [Vec<u8>; LEVELS_MAX as usize],
}

impl HashTree {
    /// Returns the empty tree.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Returns the number of leaves.
    pub fn size(&self) -> u64 {
        self.frontier.size()
    }

    /// Returns the root of the tree.
    pub fn root(&self) -> Hash {
        self.frontier.root()
    }

    /// Appends a leaf hash; calls `full` with each tile that it completes, lowest level first.
    pub fn append(&mut self, leaf: Hash, mut full: impl FnMut(Tile, &[u8])) {
        self.edge[0].extend_from_slice(&leaf);
        let size = self.frontier.size() + 1;
        let Self { frontier, edge } = self;
        frontier.push_with(leaf, |height, node| {
            if !height.is_multiple_of(8) {
                return;
            }
            // A node of height 8·l completes the tile of level l - 1 and is the next hash of level
            // l.
            let level = (height / 8) as usize;
            let below = (level - 1) as u8;
            let index = level_len(below, size) / TILE_WIDTH - 1;
            full(
                Tile::full(TileKind::Hashes { level: below }, index),
                &edge[level - 1],
            );
            edge[level - 1].clear();
            if let Some(hashes) = edge.get_mut(level) {
                hashes.extend_from_slice(node);
            }
        });
    }

    /// Returns the partial hash tiles.
    pub fn partials(&self) -> impl Iterator<Item = (Tile, &[u8])> {
        partials(self.size()).filter_map(|tile| match tile.kind {
            TileKind::Hashes { level } => Some((tile, self.edge[usize::from(level)].as_slice())),
            TileKind::Entries => None,
        })
    }

    /// Restores a tree of `size` leaves from its partial tiles, which `load` reads.
    fn resume(
        size: u64,
        mut load: impl FnMut(&Tile) -> io::Result<Vec<u8>>,
    ) -> Result<Self, ResumeError> {
        if size > SIZE_MAX {
            return Err(ResumeError::TooBig { size });
        }
        let mut tree = Self::new();
        let mut nodes = Vec::new();
        for level in (0..LEVELS_MAX).rev() {
            let width = usize::from(partial_width(level, size));
            if width == 0 {
                continue;
            }
            let tile = Tile {
                kind: TileKind::Hashes { level },
                index: level_len(level, size) / 256,
                width: width as u16,
            };
            let bytes = load_hashes(&mut load, &tile)?;
            let mut within = Frontier::new();
            for hash in bytes.as_chunks::<32>().0 {
                within.push(*hash);
            }
            nodes.extend_from_slice(within.nodes());
            tree.edge[usize::from(level)] = bytes;
        }
        tree.frontier = Frontier::from_nodes(size, nodes).ok_or(ResumeError::TooBig { size })?;
        Ok(tree)
    }
}

/// The writer's state of the log: the hash tiles' edge and the current entry bundle.
#[derive(Debug, Clone, Default)]
pub struct TreeBuilder {
    tree: HashTree,
    bundle: Vec<u8>,
}

impl TreeBuilder {
    /// Returns the empty log.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Restores the log at `size` from its partial bundle and tiles, at most nine files.
    ///
    /// `load` reads a file. If a partial file is missing, the full one, whose beginning is the
    /// same, is loaded. Lengths are checked, and that the bundle's entries hash to the level 0
    /// tile. The caller compares the root with a signed checkpoint.
    ///
    /// # Errors
    /// [`ResumeError`] names the file.
    pub fn resume(
        size: u64,
        mut load: impl FnMut(&Tile) -> io::Result<Vec<u8>>,
    ) -> Result<Self, ResumeError> {
        let tree = HashTree::resume(size, &mut load)?;
        let mut builder = Self {
            tree,
            bundle: Vec::new(),
        };
        if let Some(tile) = partials(size).find(|tile| tile.kind == TileKind::Entries) {
            let bytes = load_entries(&mut load, &tile)?;
            builder.bundle = checked_bundle(&tile, bytes, &builder.tree.edge[0])?;
        }
        Ok(builder)
    }

    /// Returns the number of entries.
    pub fn size(&self) -> u64 {
        self.tree.size()
    }

    /// Returns the root.
    pub fn root(&self) -> Hash {
        self.tree.root()
    }

    /// Appends an entry; pushes completed files onto `full`: bundle, then tiles upward.
    ///
    /// `leaf` must be [`leaf_hash`] of `entry`, which the writer has already computed.
    ///
    /// # Errors
    /// [`BundleError::TooLong`] for an entry over 65,535 bytes; nothing is appended.
    pub fn append(
        &mut self,
        entry: &[u8],
        leaf: Hash,
        full: &mut Vec<TileFile>,
    ) -> Result<(), BundleError> {
        bundle::push(&mut self.bundle, entry)?;
        let size = self.size() + 1;
        if size.is_multiple_of(TILE_WIDTH) {
            let tile = Tile::full(TileKind::Entries, size / TILE_WIDTH - 1);
            // The next bundle has about the same size: one allocation replaces a dozen.
            let next = Vec::with_capacity(self.bundle.len());
            full.push(TileFile {
                tile,
                bytes: std::mem::replace(&mut self.bundle, next),
            });
        }
        self.tree.append(leaf, |tile, bytes| {
            full.push(TileFile {
                tile,
                bytes: bytes.to_vec(),
            })
        });
        Ok(())
    }

    /// Returns the partial files, the bundle first, to be written before this size's checkpoint.
    pub fn partials(&self) -> impl Iterator<Item = (Tile, &[u8])> {
        let entries = partials(self.size()).find(|tile| tile.kind == TileKind::Entries);
        entries
            .map(|tile| (tile, self.bundle.as_slice()))
            .into_iter()
            .chain(self.tree.partials())
    }
}

/// Returns the partial bundle after checking that its entries hash to `leaves`.
fn checked_bundle(tile: &Tile, bytes: Vec<u8>, leaves: &[u8]) -> Result<Vec<u8>, ResumeError> {
    for (leaf, entry) in leaves
        .as_chunks::<32>()
        .0
        .iter()
        .zip(bundle::entries(&bytes))
    {
        let (offset, entry) = entry.map_err(|source| TileError::Bundle {
            path: tile.path(),
            source,
        })?;
        if leaf_hash(entry) != *leaf {
            return Err(ResumeError::Leaf {
                path: tile.path(),
                offset,
            });
        }
    }
    Ok(bytes)
}

/// Reasons why the writer cannot resume from the log's files. Every message begins with the file.
#[derive(Debug, Error)]
pub enum ResumeError {
    /// A file is missing or does not match its name.
    #[error(transparent)]
    Tile(#[from] TileError),
    /// An entry that does not match its leaf hash.
    #[error("{path}: offset {offset}: the entry does not hash to its leaf in the level 0 tile")]
    Leaf {
        /// Path below the log directory.
        path: String,
        /// Where the entry begins.
        offset: usize,
    },
    /// More leaves than [`SIZE_MAX`].
    #[error("a log of {size} entries is beyond the limit of 2^63")]
    TooBig {
        /// The requested size.
        size: u64,
    },
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;
    use crate::merkle::root_of;

    /// Appends `count` entries, published at the sizes in `publish`; returns files and leaves.
    fn build(count: u64, publish: &[u64]) -> (TreeBuilder, HashMap<String, Vec<u8>>, Vec<Hash>) {
        let (mut builder, mut files, mut leaves) = (TreeBuilder::new(), HashMap::new(), Vec::new());
        for i in 0..count {
            let entry = format!("entry {i}");
            let leaf = leaf_hash(entry.as_bytes());
            let mut full = Vec::new();
            builder
                .append(entry.as_bytes(), leaf, &mut full)
                .expect("short entry");
            leaves.push(leaf);
            files.extend(full.into_iter().map(|file| (file.tile.path(), file.bytes)));
            if publish.contains(&(i + 1)) {
                files.extend(
                    builder
                        .partials()
                        .map(|(tile, bytes)| (tile.path(), bytes.to_vec())),
                );
            }
        }
        (builder, files, leaves)
    }

    fn loader(files: &HashMap<String, Vec<u8>>) -> impl FnMut(&Tile) -> io::Result<Vec<u8>> {
        |tile| {
            files
                .get(&tile.path())
                .cloned()
                .ok_or_else(|| io::ErrorKind::NotFound.into())
        }
    }

    #[test]
    fn full_tiles_hold_the_roots_of_the_tiles_below() {
        let (builder, files, leaves) = build(70_000, &[70_000]);
        assert_eq!(builder.root(), root_of(&leaves));
        assert_eq!(
            files.len(),
            273 * 2 + 2 + 1 + 2,
            "bundles and level 0 with partials, level 1 with its partial, level 2"
        );
        for (index, group) in leaves.chunks(256).enumerate() {
            let width = group.len() as u16;
            let path = Tile {
                kind: TileKind::Hashes { level: 0 },
                index: index as u64,
                width,
            }
            .path();
            assert_eq!(files[&path], group.concat(), "{path}");
        }
        let level_1: Vec<Hash> = leaves.chunks_exact(256).map(root_of).collect();
        assert_eq!(files["tile/1/000"], level_1[..256].concat());
        assert_eq!(files["tile/1/001.p/17"], level_1[256..].concat());
        assert_eq!(files["tile/2/000.p/1"], root_of(&level_1[..256]));
    }

    #[test]
    fn size_256_is_a_full_tile_and_one_hash_above() {
        let (_, files, _) = build(256, &[256]);
        let mut paths: Vec<_> = files.keys().map(String::as_str).collect();
        paths.sort_unstable();
        assert_eq!(paths, ["tile/0/000", "tile/1/000.p/1", "tile/entries/000"]);
    }

    #[test]
    fn resuming_at_any_published_size_gives_the_same_builder() {
        let sizes = [
            0, 1, 2, 255, 256, 257, 511, 512, 65_535, 65_536, 65_537, 66_000,
        ];
        let (_, files, leaves) = build(66_000, &sizes);
        for size in sizes {
            let resumed = TreeBuilder::resume(size, loader(&files)).expect("every file is there");
            assert_eq!(
                (resumed.size(), resumed.root()),
                (size, root_of(&leaves[..size as usize])),
                "size {size}"
            );
            let (straight, ..) = build(size, &[]);
            assert!(straight.partials().eq(resumed.partials()), "size {size}");
        }
    }

    #[test]
    fn a_removed_partial_is_replaced_by_the_full_tile() {
        let (_, mut files, leaves) = build(300, &[]);
        files.extend(build(256, &[256]).1);
        let resumed = TreeBuilder::resume(200, loader(&files)).expect("the full tile stands in");
        assert_eq!(resumed.root(), root_of(&leaves[..200]));
        assert_eq!(
            resumed
                .partials()
                .map(|(tile, _)| tile.path())
                .collect::<Vec<_>>(),
            ["tile/entries/000.p/200", "tile/0/000.p/200"]
        );
    }

    #[test]
    fn damaged_files_are_refused_by_name() {
        let (_, files, _) = build(3, &[3]);
        for (path, change, expected) in [
            (
                "tile/0/000.p/3",
                &[0u8][..],
                "tile/0/000.p/3: offset 1: 1 bytes where 96 belong",
            ),
            (
                "tile/entries/000.p/3",
                b"\x00\x09entry",
                "tile/entries/000.p/3: offset 0: the bundle ends inside entry 0 of the bundle",
            ),
            (
                "tile/entries/000.p/3",
                b"\x00\x07entry 0",
                "tile/entries/000.p/3: offset 9: ends here with 1 entries where 3 belong",
            ),
            (
                "tile/entries/000.p/3",
                b"\x00\x07entry 1\x00\0\0\0",
                "tile/entries/000.p/3: offset 2: \
                 the entry does not hash to its leaf in the level 0 tile",
            ),
        ] {
            let mut files = files.clone();
            files.insert(path.to_owned(), change.to_vec());
            let error = TreeBuilder::resume(3, loader(&files)).expect_err("damaged");
            assert_eq!(error.to_string(), expected);
        }
        let error = TreeBuilder::resume(3, |_| Err(io::ErrorKind::NotFound.into()))
            .expect_err("nothing there");
        assert_eq!(error.to_string(), "tile/0/000.p/3: cannot be read");
    }

    #[test]
    fn too_long_an_entry_appends_nothing() {
        let (mut builder, _, leaves) = build(5, &[]);
        let mut full = Vec::new();
        let long = vec![0; 70_000];
        assert!(builder.append(&long, leaf_hash(&long), &mut full).is_err());
        assert_eq!((builder.size(), builder.root()), (5, root_of(&leaves)));
    }
}
