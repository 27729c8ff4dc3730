//! The fate of a dead owner's records.

use std::path::Path;
use std::sync::atomic::Ordering;

use super::layout::Header;
use super::{RingError, file};

/// The end of a record in a ring, as its owner knows it before the push.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RecordEnd {
    /// Epoch of the owner; never 0.
    pub epoch: u64,
    /// Bytes since the ring was created.
    pub position: u64,
}

/// What became of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// Its owner died before the push.
    NotPushed,
    /// It is in the ring, and the writer will log it.
    InRing,
    /// It is in the log, on disk.
    OnDisk,
}

/// The words of a ring whose owner is dead.
#[derive(Clone, Copy, Debug)]
pub struct Remains {
    epoch: u64,
    tail: u64,
    head: u64,
}

impl Remains {
    /// Reads the ring of `producer`, whose owner is dead. The caller makes sure that no process
    /// attaches meanwhile: the next owner's records would count as the dead one's.
    ///
    /// # Errors
    /// The name is invalid, or the file is absent, not accessible or not a ring.
    pub fn read(state_dir: &Path, producer: &str) -> Result<Self, RingError> {
        file::check_name(producer)?;
        let path = file::ring_path(&state_dir.join(file::RINGS_DIR), producer);
        let file = file::open_shared(&path, false).map_err(RingError::io("open", &path))?;
        let map = file::open_map(&file, &path)?;
        Ok(Self::of(map.header()))
    }

    pub(super) fn of(header: &Header) -> Self {
        let (owner, writer) = (&header.producer, &header.consumer);
        Self {
            epoch: owner.epoch.load(Ordering::Acquire),
            tail: owner.tail.load(Ordering::Acquire),
            head: writer.head.load(Ordering::Acquire),
        }
    }

    /// Returns the fate of a record of the last owner; `None` if another owner has come since.
    pub fn fate(&self, end: RecordEnd) -> Option<Fate> {
        if end.epoch != self.epoch {
            None
        } else if end.position <= self.head {
            Some(Fate::OnDisk)
        } else if end.position <= self.tail {
            Some(Fate::InRing)
        } else {
            Some(Fate::NotPushed)
        }
    }
}
