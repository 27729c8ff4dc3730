//! The indexing thread: makes the runs by which readers find a trace. Nothing waits for it, and its
//! failures change nothing but the time that a search takes.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use tracing::{debug, warn};

use crate::places;
use crate::reader::LogDir;
use crate::store::Store;

use super::status::Shared;

/// How often the size of the log is looked at.
const POLL_INTERVAL: Duration = Duration::from_millis(250);
/// Time until a run that failed is tried again.
const RETRY_INTERVAL: Duration = Duration::from_secs(60);

/// The handle of the thread.
pub(super) struct Indexing {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Indexing {
    /// Starts the thread. It makes no file while less than `free_bytes_min` are free.
    ///
    /// # Errors
    /// The thread cannot be started.
    pub(super) fn spawn(
        store: Store,
        published: Arc<Shared>,
        free_bytes_min: u64,
    ) -> io::Result<Self> {
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let thread = std::thread::Builder::new().spawn(move || {
            let dir = LogDir::new(store.root());
            let mut from = 0;
            while !stopped.load(Ordering::Relaxed) {
                let has_space = store.free_bytes().is_ok_and(|free| free > free_bytes_min);
                let pause = if has_space {
                    step(&dir, published.get().size, &mut from)
                } else {
                    RETRY_INTERVAL
                };
                sleep(pause, &stopped);
            }
        })?;
        Ok(Self {
            stop,
            thread: Some(thread),
        })
    }
}

/// Ends the thread, at the latest after the run that it makes.
impl Drop for Indexing {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            // It has logged why it panicked.
            let _ = thread.join();
        }
    }
}

/// Makes a run, if one is due. Returns the time to the next step.
fn step(dir: &LogDir, size: u64, from: &mut u64) -> Duration {
    let begun = Instant::now();
    match places::make_next(dir, size, from) {
        Ok(None) => POLL_INTERVAL,
        Ok(Some(block)) => {
            debug!(first = block.first(), end = block.end(), "indexed");
            // Half of a core at most, while a log without an index gets one.
            begun.elapsed()
        }
        Err(error) => {
            warn!("the index cannot be made, so searches take longer: {error}");
            RETRY_INTERVAL
        }
    }
}

fn sleep(pause: Duration, stopped: &AtomicBool) {
    let end = Instant::now() + pause;
    while !stopped.load(Ordering::Relaxed) {
        let left = end.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return;
        }
        std::thread::sleep(left.min(POLL_INTERVAL));
    }
}
