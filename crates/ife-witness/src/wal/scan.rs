//! Reads the write-ahead log back and distinguishes an incomplete batch from damage.

use std::fs;
use std::path::PathBuf;

use super::Producers;
use super::frame::{self, Frame, Kind};
use crate::store::{Store, StoreError};

/// A segment file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Segment {
    /// Index of the first entry.
    pub first_index: u64,
    /// The file.
    pub path: PathBuf,
}

/// Result of scanning a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Scan {
    /// First index after the segment.
    pub end_index: u64,
    /// Position of the next frame.
    pub end_offset: u64,
    /// Length of the file.
    pub file_len: u64,
    /// Bytes other than zero follow the last frame: a batch that was never acknowledged.
    pub torn: bool,
}

/// Reasons why the write-ahead log is unusable. Every message names the place and a remedy.
#[derive(Debug, thiserror::Error)]
pub enum WalError {
    /// A file operation failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A frame that was durable is damaged.
    #[error(
        "{} is damaged at offset {offset}: entry {index} was on disk before ({proof}) and is not \
         readable now. Restore the log directory from a copy that has it, or start a new log in an \
         empty directory with a new key",
        path.display()
    )]
    Damaged {
        /// The segment.
        path: PathBuf,
        /// Byte offset of the bad frame.
        offset: u64,
        /// Index of the entry expected there.
        index: u64,
        /// Evidence that the entry was durable.
        proof: &'static str,
    },
    /// The segment's first frame is not the expected snapshot.
    #[error(
        "{} is not a segment of this log at offset 0: {what}. Restore the log directory from a \
         copy",
        path.display()
    )]
    Foreign {
        /// The segment.
        path: PathBuf,
        /// The error.
        what: &'static str,
    },
}

/// Returns the segments on disk, oldest first.
///
/// # Errors
/// The directory cannot be listed.
pub fn segments(store: &Store) -> Result<Vec<Segment>, StoreError> {
    let dir = store.wal_dir();
    let mut found = Vec::new();
    for entry in fs::read_dir(&dir).map_err(StoreError::new("list", &dir))? {
        let path = entry.map_err(StoreError::new("list", &dir))?.path();
        let name = path
            .file_name()
            .and_then(|name| name.to_str())
            .unwrap_or_default();
        let first = name
            .strip_suffix(".wal")
            .filter(|digits| digits.len() == 20)
            .and_then(|digits| digits.parse().ok());
        if let Some(first_index) = first {
            found.push(Segment { first_index, path });
        }
    }
    found.sort_by_key(|segment| segment.first_index);
    Ok(found)
}

/// Evidence of durable entries, by which an invalid frame is judged.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Known {
    /// Entries below were signed.
    pub(crate) signed: u64,
    /// Entries below were acknowledged, according to the doorbell.
    pub(crate) acknowledged: u64,
    /// First index of the next segment, if any.
    pub(crate) next_segment: Option<u64>,
}

impl Segment {
    /// Reads the segment, passes every frame after the first to `each`, and judges its end.
    pub(crate) fn scan<E: From<WalError>>(
        &self,
        log_id: u64,
        known: Known,
        producers: &mut Producers,
        mut each: impl FnMut(&Frame<'_>) -> Result<(), E>,
    ) -> Result<Scan, E> {
        let bytes = fs::read(&self.path)
            .map_err(StoreError::new("read", &self.path))
            .map_err(WalError::from)?;
        let mut offset = self.begin(&bytes, log_id, producers)?;
        let mut index = self.first_index;
        while let Some((frame, size)) = frame::parse(&bytes[offset..]) {
            if frame.index != index || frame.kind == Kind::Snapshot {
                break;
            }
            apply(&frame, producers);
            each(&frame)?;
            index += u64::from(frame.kind == Kind::Entry);
            offset += size;
        }
        let torn = self.judge_end(&bytes, offset, index, known)?;
        Ok(Scan {
            end_index: index,
            end_offset: offset as u64,
            file_len: bytes.len() as u64,
            torn,
        })
    }

    /// Checks the snapshot at the beginning; returns the offset after it.
    fn begin(
        &self,
        bytes: &[u8],
        log_id: u64,
        producers: &mut Producers,
    ) -> Result<usize, WalError> {
        let foreign = |what| WalError::Foreign {
            path: self.path.clone(),
            what,
        };
        let (first, size) =
            frame::parse(bytes).ok_or_else(|| foreign("its first frame is not whole"))?;
        if first.kind != Kind::Snapshot || first.index != self.first_index {
            return Err(foreign("its first frame is another one's"));
        }
        let (id, snapshot) = Producers::from_snapshot(first.payload)
            .ok_or_else(|| foreign("its snapshot is of another version"))?;
        if id != log_id {
            return Err(foreign("it was written under another origin or key"));
        }
        *producers = snapshot;
        Ok(size)
    }

    /// Judges a missing frame at `offset`: the log's end, unless entry `index` was once durable.
    fn judge_end(
        &self,
        bytes: &[u8],
        offset: usize,
        index: u64,
        known: Known,
    ) -> Result<bool, WalError> {
        let damaged = |proof| {
            Err(WalError::Damaged {
                path: self.path.clone(),
                offset: offset as u64,
                index,
                proof,
            })
        };
        match known.next_segment {
            Some(next) if next == index => return Ok(false),
            Some(_) => return damaged("a later segment follows"),
            None => {}
        }
        if index < known.signed {
            return damaged("a signed checkpoint covers it");
        }
        if index < known.acknowledged {
            return damaged("it was acknowledged to its producer");
        }
        let rest = &bytes[offset..];
        let Some(first) = rest.iter().position(|&b| b != 0) else {
            return Ok(false);
        };
        // A valid frame of a later batch proves that the batch before it was durable.
        let later = (first / 8 * 8..rest.len())
            .step_by(8)
            .filter_map(|at| frame::parse(&rest[at..]))
            .any(|(frame, _)| frame.batch > index);
        if later {
            damaged("a later batch follows")
        } else {
            Ok(true)
        }
    }
}

fn apply(frame: &Frame<'_>, producers: &mut Producers) {
    let origin = &frame.origin;
    let next_seq = match frame.kind {
        Kind::Entry => origin.seq + 1,
        Kind::Moved => origin.seq,
        Kind::Snapshot => return,
    };
    producers.set(origin.producer, origin.ring_id, origin.epoch, next_seq);
}
