//! Errors in a log's files, with the file and the position in it.

use std::io;
use std::path::{Path, PathBuf};

use thiserror::Error;

use crate::checkpoint::CheckpointError;
use crate::tile::{BundleError, TileError};

/// An error in a file of a log.
#[derive(Debug, Error)]
#[error("{}: offset {offset}: {problem}", path.display())]
pub struct LogError {
    /// The file.
    pub path: PathBuf,
    /// Position in the file, in bytes.
    pub offset: u64,
    /// The error.
    #[source]
    pub problem: Problem,
}

impl LogError {
    pub(crate) fn new(path: impl Into<PathBuf>, offset: u64, problem: Problem) -> Self {
        Self {
            path: path.into(),
            offset,
            problem,
        }
    }

    pub(crate) fn tile(dir: &Path, error: TileError) -> Self {
        match error {
            TileError::Load { path, source } => Self::new(dir.join(path), 0, Problem::Read(source)),
            TileError::Length { path, len, want } => Self::new(
                dir.join(path),
                len.min(want) as u64,
                Problem::Length { len, want },
            ),
            TileError::Bundle { path, source } => {
                let offset = match source {
                    BundleError::Cut { offset, .. } => offset as u64,
                    BundleError::TooLong { .. } => 0,
                };
                Self::new(dir.join(path), offset, Problem::Cut)
            }
            TileError::Entries {
                path,
                offset,
                found,
                want,
            } => Self::new(
                dir.join(path),
                offset as u64,
                Problem::Entries { found, want },
            ),
        }
    }
}

/// The kind of error, shown after the file's path and the offset.
#[derive(Debug, Error)]
pub enum Problem {
    /// The file is missing or cannot be read.
    #[error("cannot be read: {0}")]
    Read(io::Error),
    /// A hash tile of the wrong length.
    #[error("{len} bytes where {want} belong")]
    Length {
        /// Bytes found.
        len: usize,
        /// Bytes that the tile's width requires.
        want: usize,
    },
    /// An entry bundle that ends inside an entry.
    #[error("the bundle ends inside an entry")]
    Cut,
    /// An entry bundle with too few or too many entries.
    #[error("{found} entries where {want} belong")]
    Entries {
        /// Entries found.
        found: usize,
        /// Entries expected.
        want: usize,
    },
    /// The checkpoint is malformed or lacks a valid signature.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// One of the given keys did not sign.
    #[error("{name} has not signed")]
    Unsigned {
        /// Name of the key.
        name: String,
    },
    /// The log is smaller than it was.
    #[error(
        "the log had {before} entries and has {size}: its tail was cut, or the checkpoint rolled \
         back"
    )]
    Shrunk {
        /// Entries according to an earlier checkpoint.
        before: u64,
        /// Entries according to this checkpoint.
        size: u64,
    },
    /// The log does not begin with an earlier log.
    #[error(
        "the log's first {size} entries are not those of the earlier checkpoint: history was \
         rewritten"
    )]
    Forked {
        /// Entries according to the earlier checkpoint.
        size: u64,
    },
    /// Another log's checkpoint.
    #[error("this is the log {found}, the earlier checkpoint is of {expected}")]
    Origin {
        /// Origin in this checkpoint.
        found: String,
        /// Origin in the earlier one.
        expected: String,
    },
    /// The entries do not match the signed root.
    #[error("the entries do not have the root that this checkpoint states")]
    Root,
    /// A hash in a tile that does not match the entries.
    #[error("not the hash of entries {first} to {last}")]
    Hash {
        /// First entry below the hash.
        first: u64,
        /// Last entry below the hash.
        last: u64,
    },
    /// A partial tile that is not a prefix of the full one.
    #[error("differs from the beginning of the full tile")]
    Partial,
    /// An entry that is not canonical JSON or lacks a member.
    #[error("entry {index}: {what}")]
    Entry {
        /// The entry's index in the log.
        index: u64,
        /// The error.
        what: &'static str,
    },
    /// An entry whose sequence number is out of order.
    #[error("entry {index}: {what}")]
    Order {
        /// The entry's index in the log.
        index: u64,
        /// The error, with the numbers.
        what: String,
    },
}
