//! Errors of rings.

use std::io;
use std::path::PathBuf;

/// Reasons why a ring or its directory cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum RingError {
    /// The state directory is not on tmpfs, so stores would stall the producers.
    #[error(
        "{} is on a file system of type {magic:#x}, not on tmpfs: a store to a disk-backed page \
         can stall for hundreds of milliseconds. Choose a state directory under /run, or mount a \
         tmpfs there",
        path.display()
    )]
    NotMemory {
        /// The state directory.
        path: PathBuf,
        /// `f_type` of statfs(2).
        magic: u64,
    },
    /// The producer's name is not usable as a file name.
    #[error("producer name {name:?} is not 1 to 48 of a-z, 0-9 and -, or is the writer's own")]
    Name {
        /// The name given.
        name: String,
    },
    /// The ring's size is not usable.
    #[error("ring capacity {capacity} is not a power of two from 64 KiB to 1 GiB")]
    Capacity {
        /// The capacity given, in bytes.
        capacity: usize,
    },
    /// A living process owns the file.
    #[error("{} is in use by process {pid}", path.display())]
    InUse {
        /// The ring; the doorbell if another writer runs.
        path: PathBuf,
        /// Process id of the owner; 0 if unknown.
        pid: u32,
    },
    /// The file is not a ring of this version.
    #[error(
        "{} is not a usable ring: {what}. Delete it once nothing needs its records",
        path.display()
    )]
    Damaged {
        /// The ring.
        path: PathBuf,
        /// The error.
        what: &'static str,
    },
    /// A system call failed.
    #[error("cannot {action} {}", path.display())]
    Io {
        /// The operation, a verb.
        action: &'static str,
        /// Its path.
        path: PathBuf,
        /// The system call's error.
        source: io::Error,
    },
}

impl RingError {
    pub(crate) fn io(
        action: &'static str,
        path: impl Into<PathBuf>,
    ) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::Io {
            action,
            path,
            source,
        }
    }
}

/// Reasons why an entry is not accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PushError {
    /// The writer is too slow or does not run.
    #[error("the ring is full")]
    Full,
    /// Over [`ENTRY_SIZE_MAX`](crate::entry::ENTRY_SIZE_MAX).
    #[error("the entry is over 16 KiB")]
    TooLarge,
    /// This process is a fork of the owner.
    #[error("this process is a fork of the ring's owner")]
    NotOwner,
    /// The writer closed the ring because of damage; attach again.
    #[error("the writer has closed the ring")]
    Closed,
}

/// Reasons why an entry is not known to be on disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WaitError {
    /// Not on disk within the timeout; it may still be written.
    #[error("not on disk in time")]
    Timeout,
    /// No entry has this number.
    #[error("no entry has this number")]
    NotPushed,
    /// The writer closed the ring because of damage.
    #[error("the writer has closed the ring")]
    Closed,
}
