//! Why the daemon ends, and whether a restart can help.

use std::error::Error;
use std::io::ErrorKind;
use std::process::ExitCode;

use super::keys::KeysError;
use crate::recovery::Refusal;
use crate::ring::RingError;
use crate::store::StoreError;
use crate::writer::{PublishError, WriterError};

/// Reasons why the daemon ends other than by a signal.
#[derive(Debug, thiserror::Error)]
pub enum DaemonError {
    /// Recovery refused; a restart does not help.
    #[error("refused to start")]
    Refused(#[source] Box<Refusal>),
    /// The keys are unusable.
    #[error("refused to start: the keys are unusable")]
    Keys(#[from] KeysError),
    /// The rings are unusable.
    #[error("refused to start: the rings are unusable")]
    Rings(#[from] RingError),
    /// The log directory or a file beside it cannot be used.
    #[error("cannot start")]
    Setup(#[from] StoreError),
    /// Signals cannot be caught.
    #[error("cannot catch signals")]
    Signals(#[source] std::io::Error),
    /// The WAL cannot be written.
    #[error("the write-ahead log cannot be written")]
    Writer(#[from] WriterError),
    /// Tiles or checkpoints cannot be written.
    #[error("the log cannot be published")]
    Publish(#[from] PublishError),
    /// The daemon was stopped before all entries were on disk.
    #[error(
        "stopped, but {bytes} bytes of entries are not on disk: {why}. They wait in the rings; \
         start ife-witnessd again before the host is shut down"
    )]
    Left {
        /// Bytes of records in the rings.
        bytes: u64,
        /// The reason.
        why: &'static str,
    },
    /// A thread cannot be started.
    #[error("cannot begin a thread")]
    Thread(#[source] std::io::Error),
    /// A thread panicked.
    #[error("a thread panicked")]
    Panic,
}

impl DaemonError {
    /// Returns 3 if a restart cannot help; 1 if the host failed, which may be temporary.
    pub(super) fn exit_code(&self) -> ExitCode {
        ExitCode::from(if self.is_host_failure() { 1 } else { 3 })
    }

    fn is_host_failure(&self) -> bool {
        match self {
            Self::Refused(refusal) => is_failed_system_call(refusal.as_ref()),
            Self::Keys(KeysError::Random(_)) => true,
            Self::Keys(keys) => is_failed_system_call(keys),
            Self::Rings(rings) => is_failed_system_call(rings),
            // A rolled-back log may also be detected when a ring appears; a restart refuses again.
            Self::Writer(WriterError::RolledBack { .. }) => false,
            Self::Setup(_)
            | Self::Signals(_)
            | Self::Thread(_)
            | Self::Writer(WriterError::Store(_))
            | Self::Publish(_)
            | Self::Left { .. }
            | Self::Panic => true,
        }
    }
}

/// Returns whether a system call's failure caused the refusal, rather than a file's content.
///
/// A missing (ENOENT) or short file counts as content.
pub(super) fn is_failed_system_call(error: &(dyn Error + 'static)) -> bool {
    let mut cause = Some(error);
    while let Some(error) = cause {
        if let Some(io) = error.downcast_ref::<std::io::Error>() {
            return !matches!(
                io.kind(),
                ErrorKind::NotFound | ErrorKind::UnexpectedEof | ErrorKind::InvalidData
            );
        }
        cause = error.source();
    }
    false
}
