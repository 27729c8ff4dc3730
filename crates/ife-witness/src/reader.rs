//! Reading of a log directory: checkpoint, tiles and entries, in any order or while it grows.
//!
//! All bytes are untrusted: lengths are bounded before reading, and errors name file and offset.
//! Never writes, and trusts a checkpoint only as far as the given keys go.

use std::collections::VecDeque;
use std::ops::Range;

use crate::note::VerifierKey;
use crate::tile::{self, TILE_WIDTH, bundle_of};

mod dir;
mod error;

pub use self::dir::{LogDir, ProveError};
pub use self::error::{LogError, Problem};

/// An entry with its index in the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Indexed {
    /// Position in the log, from 0.
    pub index: u64,
    /// The entry's bytes.
    pub entry: Vec<u8>,
}

/// Returns the entries `range` of a log of `size` entries, in order. Reads one bundle at a time.
///
/// Does not check entries against the tree, as [`verify_log`](crate::verify::verify_log) does.
#[must_use]
pub fn entries(dir: &LogDir, size: u64, range: Range<u64>) -> Entries<'_> {
    Entries {
        dir,
        size,
        next: range.start,
        end: range.end.min(size),
        read: VecDeque::new(),
    }
}

/// Returns one entry of a log of `size` entries; `None` beyond the size.
///
/// # Errors
/// [`LogError`], with the bundle and the offset.
pub fn entry(dir: &LogDir, size: u64, index: u64) -> Result<Option<Vec<u8>>, LogError> {
    let found = entries(dir, size, index..index.saturating_add(1))
        .next()
        .transpose()?;
    Ok(found.map(|indexed| indexed.entry))
}

/// Iterator over entries; ends after the first error.
#[derive(Debug)]
pub struct Entries<'d> {
    dir: &'d LogDir,
    size: u64,
    next: u64,
    end: u64,
    read: VecDeque<Indexed>,
}

impl Iterator for Entries<'_> {
    type Item = Result<Indexed, LogError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.read.is_empty() && self.next < self.end {
            match bundle(self.dir, self.size, self.next, self.end) {
                Ok(read) => self.read = read,
                Err(error) => {
                    self.next = self.end;
                    return Some(Err(error));
                }
            }
            self.next = (self.next / TILE_WIDTH + 1) * TILE_WIDTH;
        }
        self.read.pop_front().map(Ok)
    }
}

/// Returns the entries of `from..end` in the bundle that holds `from`.
fn bundle(dir: &LogDir, size: u64, from: u64, end: u64) -> Result<VecDeque<Indexed>, LogError> {
    let Some(tile) = bundle_of(from, size) else {
        return Ok(VecDeque::new());
    };
    let bytes = dir.entries(&tile)?;
    let first = tile.index * TILE_WIDTH;
    let all = (first..)
        .zip(tile::entries(&bytes))
        .skip((from - first) as usize);
    // `LogDir::entries` has checked the bundle, so it contains no error.
    let wanted = all
        .take_while(|(index, _)| *index < end)
        .filter_map(|(index, entry)| {
            entry.ok().map(|(_, entry)| Indexed {
                index,
                entry: entry.to_vec(),
            })
        });
    Ok(wanted.collect())
}

/// Follows a growing log: each [`poll`](Self::poll) returns newly published entries.
#[derive(Debug)]
pub struct Tail<'d> {
    dir: &'d LogDir,
    keys: &'d [VerifierKey],
    next: u64,
    size: u64,
}

impl<'d> Tail<'d> {
    /// Starts at entry `next`. Checkpoints are verified by `keys`, or trusted if there are none.
    #[must_use]
    pub fn new(dir: &'d LogDir, keys: &'d [VerifierKey], next: u64) -> Self {
        Self {
            dir,
            keys,
            next,
            size: 0,
        }
    }

    /// Returns the next entries, at most one bundle; empty if there are none. Never waits.
    ///
    /// # Errors
    /// [`LogError`]; [`Problem::Shrunk`] for a checkpoint smaller than an earlier one.
    pub fn poll(&mut self) -> Result<Vec<Indexed>, LogError> {
        if self.next >= self.size {
            let size = self.dir.head(self.keys)?.size;
            if size < self.size {
                let problem = Problem::Shrunk {
                    before: self.size,
                    size,
                };
                return Err(LogError::new(self.dir.checkpoint_path(), 0, problem));
            }
            self.size = size;
        }
        if self.next >= self.size {
            return Ok(Vec::new());
        }
        let read = bundle(self.dir, self.size, self.next, self.size)?;
        self.next += read.len() as u64;
        Ok(read.into())
    }
}
