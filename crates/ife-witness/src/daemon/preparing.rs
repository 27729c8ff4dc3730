//! A thread that prepares the next WAL segment, so that the writer never waits for it.

use std::thread::{Builder, JoinHandle};
use std::time::Duration;

use crate::store::StoreError;
use crate::wal::Spare;
use crate::writer::{Writer, WriterError};

use super::DaemonError;

/// Pause after each MiB of zeros; a segment takes about a second.
const PAUSE: Duration = Duration::from_millis(10);

#[derive(Default)]
pub(super) struct Preparing {
    thread: Option<JoinHandle<Result<Spare, StoreError>>>,
}

impl Preparing {
    /// Starts a thread if the writer has no spare, and passes a finished spare to it. Cheap.
    pub(super) fn maintain(&mut self, writer: &mut Writer) -> Result<(), DaemonError> {
        match self.thread.take() {
            Some(thread) if !thread.is_finished() => self.thread = Some(thread),
            Some(thread) => {
                let spare = thread.join().map_err(|_| DaemonError::Panic)?;
                writer.set_spare(spare.map_err(WriterError::from)?);
            }
            None => {
                if let Some((store, bytes)) = writer.wants_spare()? {
                    let prepare = move || Spare::prepare(&store, bytes, PAUSE);
                    let thread = Builder::new().spawn(prepare);
                    self.thread = Some(thread.map_err(DaemonError::Thread)?);
                }
            }
        }
        Ok(())
    }
}
