//! The publishing thread: writes tiles and checkpoints without delaying acknowledgements.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender, SyncSender};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::writer::{PublishError, Publisher, Written};

use super::status::{Published, Shared};
use super::{DaemonError, unix_ms};

/// Durable bytes waiting to be published, beyond which the writer waits. Counted in bytes, because
/// thousands of small batches may arrive during one checkpoint.
const WAITING_BYTES_MAX: usize = 32 * 1024 * 1024;

/// Buffers kept for reuse.
const SPARE_MAX: usize = 8;

/// The writer's handle of the thread.
pub(super) struct Publishing {
    batches: Option<Sender<Written>>,
    waiting_bytes: Arc<AtomicUsize>,
    spare: Receiver<Vec<u8>>,
    thread: Option<JoinHandle<Result<(), PublishError>>>,
    shared: Arc<Shared>,
}

impl Publishing {
    /// Starts the thread.
    ///
    /// # Errors
    /// The thread cannot be started.
    pub(super) fn spawn(publisher: Publisher, interval: Duration) -> io::Result<Self> {
        let (batches, incoming) = mpsc::channel();
        let (used, spare) = mpsc::sync_channel(SPARE_MAX);
        let waiting_bytes = Arc::new(AtomicUsize::new(0));
        let shared = Arc::new(Shared::default());
        let mut thread = Thread {
            publisher,
            interval,
            incoming,
            waiting_bytes: Arc::clone(&waiting_bytes),
            used,
            shared: Arc::clone(&shared),
            last: None,
        };
        let thread = std::thread::Builder::new().spawn(move || thread.run())?;
        Ok(Self {
            batches: Some(batches),
            waiting_bytes,
            spare,
            thread: Some(thread),
            shared,
        })
    }

    /// Sends a batch; blocks while too much is waiting, unless the thread has ended.
    pub(super) fn send(&self, written: Written) {
        let Some(batches) = &self.batches else { return };
        while self.waiting_bytes.load(Ordering::Relaxed) > WAITING_BYTES_MAX && !self.has_ended() {
            std::thread::sleep(Duration::from_millis(1));
        }
        self.waiting_bytes
            .fetch_add(written.batch.len(), Ordering::Relaxed);
        let _ = batches.send(written);
    }

    pub(super) fn spare_buffer(&self) -> Vec<u8> {
        self.spare.try_recv().unwrap_or_default()
    }

    pub(super) fn has_ended(&self) -> bool {
        self.thread.as_ref().is_none_or(JoinHandle::is_finished)
    }

    /// The published state, for other threads.
    pub(super) fn shared(&self) -> Arc<Shared> {
        Arc::clone(&self.shared)
    }

    pub(super) fn published(&self) -> Published {
        self.shared.get()
    }

    /// Waits until all batches are published. An error is kept for [`finish`](Self::finish).
    pub(super) fn drain(&mut self) {
        self.batches = None;
        while !self.has_ended() {
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    /// Publishes all batches and ends the thread.
    pub(super) fn finish(&mut self) -> Result<(), DaemonError> {
        self.batches = None;
        match self.thread.take().map(JoinHandle::join) {
            None => Ok(()),
            Some(Ok(result)) => Ok(result?),
            Some(Err(_)) => Err(DaemonError::Panic),
        }
    }
}

struct Thread {
    publisher: Publisher,
    interval: Duration,
    incoming: Receiver<Written>,
    waiting_bytes: Arc<AtomicUsize>,
    used: SyncSender<Vec<u8>>,
    shared: Arc<Shared>,
    last: Option<Instant>,
}

impl Thread {
    fn run(&mut self) -> Result<(), PublishError> {
        // Publishes entries that the last writer left unpublished.
        self.publish(true)?;
        loop {
            match self.incoming.recv_timeout(self.until_due()) {
                Ok(written) => self.take(written)?,
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return self.publish(false),
            }
            if self.until_due().is_zero() || self.publisher.is_backlogged() {
                self.publish(false)?;
            }
        }
    }

    /// Returns the time until unpublished entries are due.
    fn until_due(&self) -> Duration {
        if self.publisher.size() == self.publisher.published() {
            return Duration::from_secs(3600);
        }
        self.last.map_or(Duration::ZERO, |last| {
            self.interval.saturating_sub(last.elapsed())
        })
    }

    fn take(&mut self, written: Written) -> Result<(), PublishError> {
        self.waiting_bytes
            .fetch_sub(written.batch.len(), Ordering::Relaxed);
        self.publisher.append(&written.batch)?;
        if let Some(closed) = written.closed {
            self.publisher.retire(closed);
        }
        // A full queue holds enough spare buffers.
        let _ = self.used.try_send(written.batch);
        Ok(())
    }

    fn publish(&mut self, force: bool) -> Result<(), PublishError> {
        self.publisher.publish(unix_ms() / 1000, force)?;
        self.last = Some(Instant::now());
        let (size, root) = (self.publisher.published(), self.publisher.root());
        self.shared.set(Published {
            size,
            root,
            unix_ms: unix_ms(),
        });
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::path::Path;
    use std::sync::Mutex;

    use super::*;
    use crate::note::{KeyKind, SigningKey};
    use crate::store::{Disk, Store};
    use crate::tile::TreeBuilder;
    use crate::wal::frame::{self, Kind, Origin};
    use crate::writer::Keys;

    /// A disk whose syncs wait for a mutex.
    struct GatedDisk(Arc<Mutex<()>>);

    impl Disk for GatedDisk {
        fn sync(&self, _file: &File) -> io::Result<()> {
            drop(self.0.lock());
            Ok(())
        }

        fn sync_dir(&self, _path: &Path) -> io::Result<()> {
            Ok(())
        }
    }

    fn batch(index: u64) -> Written {
        let origin = Origin {
            producer: "p",
            ring_id: 1,
            epoch: 1,
            seq: index,
        };
        let mut batch = Vec::new();
        let start = frame::begin(origin.producer, &mut batch);
        batch.extend_from_slice(b"{}");
        frame::finish(start, Kind::Entry, index, index, &origin, &mut batch);
        Written {
            batch,
            closed: None,
        }
    }

    #[test]
    fn thousands_of_small_batches_do_not_wait_for_a_checkpoint() {
        let dir =
            std::env::temp_dir().join(format!("ife-witness-publishing-{}", std::process::id()));
        let key =
            |name: &str, kind| SigningKey::from_seed(name, kind, &[1; 32]).expect("good name");
        let keys = Keys {
            log: key("log.example", KeyKind::Log),
            cosigner: key("co.example", KeyKind::Cosigner),
        };
        let gate = Arc::new(Mutex::new(()));
        let store = Store::open(&dir, Arc::new(GatedDisk(Arc::clone(&gate)))).expect("open");
        let publisher = Publisher::new(store, keys, TreeBuilder::new());
        let closed = gate.lock().expect("no panic");
        let mut publishing = Publishing::spawn(publisher, Duration::from_millis(1)).expect("spawn");
        let (done, sent) = mpsc::channel();
        let sender = std::thread::spawn(move || {
            (0..3_000).for_each(|index| publishing.send(batch(index)));
            let _ = done.send(());
            publishing.drain();
            (publishing.published().size, publishing.finish().is_ok())
        });
        let in_time = sent.recv_timeout(Duration::from_secs(60));
        drop(closed);
        assert_eq!(sender.join().expect("no panic"), (3_000, true));
        std::fs::remove_dir_all(dir).expect("remove");
        in_time.expect("sent while the disk stood still");
    }
}
