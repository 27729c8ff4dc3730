//! What can go wrong with rings.

use std::io;
use std::path::PathBuf;

/// A ring or its directory cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum RingError {
    /// Rings on a disk file system would stall their producers.
    #[error(
        "{} is on a file system of type {magic:#x}, not on tmpfs: a store to a disk-backed page can stall for hundreds of \
         milliseconds. Choose a state directory under /run, or mount a tmpfs there",
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
        /// As given.
        name: String,
    },
    /// The ring's size is not usable.
    #[error("ring capacity {capacity} is not a power of two from 64 KiB to 1 GiB")]
    Capacity {
        /// As given, in bytes.
        capacity: usize,
    },
    /// A living process holds it.
    #[error("{} is in use by process {pid}", path.display())]
    InUse {
        /// The ring, or the doorbell if there is a second writer.
        path: PathBuf,
        /// As its owner stated; 0 if it did not.
        pid: u32,
    },
    /// The file is not a ring of this version.
    #[error("{} is not a usable ring: {what}. Delete it once nothing needs its records", path.display())]
    Damaged {
        /// The ring.
        path: PathBuf,
        /// What is wrong.
        what: &'static str,
    },
    /// The operating system refused.
    #[error("cannot {action} {}", path.display())]
    Io {
        /// A verb.
        action: &'static str,
        /// On what.
        path: PathBuf,
        /// Why.
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

/// An entry was not accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PushError {
    /// The writer does not keep up or does not run.
    #[error("the ring is full")]
    Full,
    /// Over [`ENTRY_SIZE_MAX`](crate::entry::ENTRY_SIZE_MAX).
    #[error("the entry is over 16 KiB")]
    TooLarge,
    /// This process is a fork of the owner.
    #[error("this process is a fork of the ring's owner")]
    NotOwner,
    /// The writer found damage in the ring and reads it no more; attach again.
    #[error("the writer has closed the ring")]
    Closed,
}

/// An entry is not known to be on disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WaitError {
    /// Not within the time allowed; it may still come.
    #[error("not on disk in time")]
    Timeout,
    /// No entry has this number yet.
    #[error("no entry has this number")]
    NotPushed,
    /// The writer found damage in the ring and reads it no more.
    #[error("the writer has closed the ring")]
    Closed,
}
