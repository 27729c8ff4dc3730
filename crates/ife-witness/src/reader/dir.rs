//! A log directory. Only this part of the reader opens files: read-only, with bounded lengths.

use std::fs::{File, OpenOptions};
use std::io::{self, Read as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use super::{LogError, Problem};
use crate::checkpoint::{self, Checkpoint, SignedCheckpoint};
use crate::merkle::Hash;
use crate::note::{NOTE_LEN_MAX, VerifierKey};
use crate::proof::{ProofError, TileTree, TlogProof};
use crate::tile::{self, ENTRY_LEN_MAX, TILE_LEN, TILE_WIDTH, Tile, TileKind};

/// Largest bundle in bytes.
const BUNDLE_LEN_MAX: usize = TILE_WIDTH as usize * (2 + ENTRY_LEN_MAX);

/// A directory laid out as in C2SP tlog-tiles. Keeps no file open.
#[derive(Debug, Clone)]
pub struct LogDir {
    root: PathBuf,
}

impl LogDir {
    /// Creates a handle of the log below `root`; opens nothing yet.
    pub fn new(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into() }
    }

    /// Returns the directory.
    pub fn path(&self) -> &Path {
        &self.root
    }

    /// Returns the path of the public checkpoint.
    pub fn checkpoint_path(&self) -> PathBuf {
        self.root.join("checkpoint")
    }

    /// Reads the public checkpoint's note.
    ///
    /// # Errors
    /// [`Problem::Read`].
    pub fn note(&self) -> Result<Vec<u8>, LogError> {
        let (path, mut bytes) = (self.checkpoint_path(), Vec::new());
        // One byte over the limit is read, so that the note's own error reports the length.
        match read_into(&path, NOTE_LEN_MAX + 1, &mut bytes) {
            Ok(()) => Ok(bytes),
            Err(error) => Err(LogError::new(path, 0, Problem::Read(error))),
        }
    }

    /// Reads and verifies the public checkpoint.
    ///
    /// # Errors
    /// [`Problem::Read`], [`Problem::Checkpoint`].
    pub fn checkpoint(&self, keys: &[VerifierKey]) -> Result<SignedCheckpoint, LogError> {
        let opened = checkpoint::open(&self.note()?, keys);
        opened.map_err(|error| LogError::new(self.checkpoint_path(), 0, error.into()))
    }

    /// Reads the head of the log: verified by `keys`, or trusted if there are none.
    ///
    /// # Errors
    /// [`Problem::Read`], [`Problem::Checkpoint`].
    pub fn head(&self, keys: &[VerifierKey]) -> Result<Checkpoint, LogError> {
        if !keys.is_empty() {
            return Ok(self.checkpoint(keys)?.checkpoint);
        }
        let read = checkpoint::open_unverified(&self.note()?);
        read.map_err(|error| LogError::new(self.checkpoint_path(), 0, error.into()))
    }

    /// Reads a tile's file, up to the size of a full one.
    ///
    /// # Errors
    /// The file system's errors; `InvalidData` for a longer file or anything but a regular file.
    pub fn read(&self, tile: &Tile) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        self.read_into(tile, &mut bytes)?;
        Ok(bytes)
    }

    /// As [`read`](Self::read), into `bytes`, whose content is replaced.
    pub(crate) fn read_into(&self, tile: &Tile, bytes: &mut Vec<u8>) -> io::Result<()> {
        let limit = match tile.kind {
            TileKind::Hashes { .. } => TILE_LEN,
            TileKind::Entries => BUNDLE_LEN_MAX,
        };
        read_into(&self.root.join(tile.path()), limit, bytes)
    }

    /// Reads the hashes of a tile, from the full tile if the partial one is missing.
    ///
    /// # Errors
    /// [`Problem::Read`], [`Problem::Length`].
    pub fn hashes(&self, tile: &Tile) -> Result<Vec<u8>, LogError> {
        tile::load_hashes(|tile| self.read(tile), tile)
            .map_err(|error| LogError::tile(&self.root, error))
    }

    /// Reads exactly `tile.width` entries, from the full bundle if the partial one is missing.
    ///
    /// # Errors
    /// [`Problem::Read`], [`Problem::Cut`], [`Problem::Entries`].
    pub fn entries(&self, tile: &Tile) -> Result<Vec<u8>, LogError> {
        tile::load_entries(|tile| self.read(tile), tile)
            .map_err(|error| LogError::tile(&self.root, error))
    }

    /// Returns the index of the entry with this leaf hash in a log of `size` entries, from the
    /// level 0 tiles of these numbers, in their order.
    ///
    /// # Errors
    /// As [`hashes`](Self::hashes).
    pub fn place_of(
        &self,
        leaf: &Hash,
        size: u64,
        tiles: impl IntoIterator<Item = u64>,
    ) -> Result<Option<u64>, LogError> {
        for first in tiles.into_iter().map(|number| number * TILE_WIDTH) {
            let Some(tile) = tile::tile_of(0, first, size) else {
                continue;
            };
            let hashes = self.hashes(&tile)?;
            if let Some(place) = hashes.chunks_exact(32).position(|hash| hash == leaf) {
                return Ok(Some(first + place as u64));
            }
        }
        Ok(None)
    }

    /// Returns the Merkle tree of `size` leaves over the directory's tiles.
    pub fn tree(&self, size: u64) -> TileTree<impl FnMut(&Tile) -> io::Result<Vec<u8>> + '_> {
        TileTree::new(size, |tile: &Tile| self.read(tile))
    }

    /// Returns entry `index` and the proof that it is in the log, already verified by `keys`.
    pub fn prove(
        &self,
        index: u64,
        keys: &[VerifierKey],
    ) -> Result<(TlogProof, Vec<u8>), ProveError> {
        let note = self.note()?;
        let opened = checkpoint::open(&note, keys);
        let signed =
            opened.map_err(|error| LogError::new(self.checkpoint_path(), 0, error.into()))?;
        let size = signed.checkpoint.size;
        let hashes = self.tree(size).inclusion(index)?;
        let entry = super::entry(self, size, index)?.ok_or(ProofError::Index { index, size })?;
        // A checkpoint that opened is UTF-8.
        let checkpoint = String::from_utf8_lossy(&note).into_owned();
        let proof = TlogProof {
            extra: None,
            index,
            hashes,
            checkpoint,
        };
        proof.verify(&entry, keys)?;
        Ok((proof, entry))
    }
}

/// Reasons why an entry cannot be proved.
#[derive(Debug, thiserror::Error)]
pub enum ProveError {
    /// A file is missing or damaged.
    #[error(transparent)]
    Log(#[from] LogError),
    /// There is no such entry, or the tiles do not lead to the signed root.
    #[error(transparent)]
    Proof(#[from] ProofError),
}

fn read_into(path: &Path, limit: usize, bytes: &mut Vec<u8>) -> io::Result<()> {
    let refused = |what| io::Error::new(io::ErrorKind::InvalidData, what);
    bytes.clear();
    let file = open(path)?;
    let found = file.metadata()?;
    if !found.is_file() {
        return Err(refused("not a regular file"));
    }
    // A hint only: the file may grow while it is read.
    bytes.reserve(usize::try_from(found.len()).map_or(limit, |len| len.min(limit)) + 1);
    file.take(limit as u64 + 1).read_to_end(bytes)?;
    if bytes.len() > limit {
        return Err(refused("longer than this kind of file can be"));
    }
    Ok(())
}

/// Does not block if the path is a pipe.
fn open(path: &Path) -> io::Result<File> {
    OpenOptions::new()
        .read(true)
        .custom_flags(libc::O_NONBLOCK | libc::O_NOCTTY)
        .open(path)
}
