//! Entries read from the log together with the answer whether they are under a signed head.
//!
//! One proof covers a whole bundle: the path of any leaf of a hash tile is made of all the other
//! leaves of that tile, so when it leads to the signed root, every hash of the tile is one that was
//! signed; an entry is included when its own hash is the one at its place.

use std::{collections::BTreeMap, io};

use ife_witness::{
    checkpoint::Checkpoint,
    merkle::{Hash, leaf_hash},
    proof::{TileTree, verify_inclusion},
    reader::{LogDir, LogError},
    tile::{self, TILE_WIDTH, Tile, bundle_of, tile_of},
};

/// An entry, and what became of checking it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checked {
    /// Position in the log, from 0.
    pub index: u64,
    /// Its bytes.
    pub bytes: Vec<u8>,
    /// RFC 6962 hash of these bytes.
    pub leaf: Hash,
    /// Why it contradicts the signed head; `None` when it does not.
    pub problem: Option<String>,
}

/// Reads entries of one log at one checkpoint whose signature has been verified.
pub struct Reader<'d, F> {
    dir: &'d LogDir,
    head: &'d Checkpoint,
    tree: TileTree<F>,
}

/// A reader over a directory.
pub fn reader<'d>(
    dir: &'d LogDir,
    head: &'d Checkpoint,
) -> Reader<'d, impl FnMut(&Tile) -> io::Result<Vec<u8>> + 'd> {
    Reader {
        dir,
        head,
        tree: dir.tree(head.size),
    }
}

impl<F: FnMut(&Tile) -> io::Result<Vec<u8>>> Reader<'_, F> {
    /// Returns the entries at these places, in the order of the log.
    ///
    /// # Errors
    /// [`LogError`]: a bundle cannot be read.
    pub fn places(&mut self, places: &[u64]) -> Result<Vec<Checked>, LogError> {
        let mut bundles: BTreeMap<u64, Vec<u64>> = BTreeMap::new();
        for place in places {
            bundles.entry(place / TILE_WIDTH).or_default().push(*place);
        }
        let mut all = Vec::new();
        for places in bundles.values() {
            all.extend(self.bundle(places[0], |index| places.contains(&index))?);
        }
        Ok(all)
    }

    /// The entries of the bundle that holds entry `index`, those that `wanted` lists. None beyond
    /// the checkpoint.
    ///
    /// # Errors
    /// [`LogError`]: the bundle cannot be read. A bundle that differs from the signed one is an
    /// answer, not an error.
    pub fn bundle(
        &mut self,
        index: u64,
        wanted: impl Fn(u64) -> bool,
    ) -> Result<Vec<Checked>, LogError> {
        let Some(bundle) = bundle_of(index, self.head.size) else {
            return Ok(Vec::new());
        };
        let bytes = self.dir.entries(&bundle)?;
        let signed = self.signed(index);
        let first = bundle.index * TILE_WIDTH;
        let entries = (first..).zip(tile::entries(&bytes));
        let checked = entries
            .filter(|(index, _)| wanted(*index))
            .filter_map(|(index, entry)| {
                // `LogDir::entries` has walked the bundle, so that no error is left in it.
                let (_, entry) = entry.ok()?;
                let leaf = leaf_hash(entry);
                let place = (index - first) as usize;
                let problem = match &signed {
                    Err(why) => Some(why.clone()),
                    Ok(hashes) if hashes.get(place) != Some(&leaf) => {
                        Some("the entry is not the one that was signed".to_owned())
                    }
                    Ok(_) => None,
                };
                Some(Checked {
                    index,
                    bytes: entry.to_vec(),
                    leaf,
                    problem,
                })
            });
        Ok(checked.collect())
    }

    /// The leaf hashes of the tile that holds `index`, proved to be below the signed root.
    fn signed(&mut self, index: u64) -> Result<Vec<Hash>, String> {
        let (size, root) = (self.head.size, &self.head.root);
        let tile = tile_of(0, index, size).ok_or("beyond the checkpoint")?;
        let bytes = self.dir.hashes(&tile).map_err(|error| error.to_string())?;
        let hashes: Vec<Hash> = bytes
            .chunks_exact(32)
            .filter_map(|hash| hash.try_into().ok())
            .collect();
        let leaf = hashes
            .get((index % TILE_WIDTH) as usize)
            .ok_or("the hash tile is too short")?;
        self.tree
            .inclusion(index)
            .and_then(|proof| verify_inclusion(leaf, index, size, &proof, root))
            .map_err(|error| format!("the hash tile is not what was signed: {error}"))?;
        Ok(hashes)
    }
}
