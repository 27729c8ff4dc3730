//! Another process's ring, observed: which of its records are on disk.

use std::path::Path;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use super::doorbell::Doorbell;
use super::map::RingMap;
use super::{Fate, RecordEnd, Remains, RingError, file, sys};

/// A mapped ring of another process. Stays valid, and shows the last state, when its owner dies.
pub struct Observer {
    map: RingMap,
    doorbell: Doorbell,
}

impl Observer {
    /// Opens the ring of `producer`.
    ///
    /// # Errors
    /// The name is invalid, or a file is absent, not accessible or not a ring.
    pub fn open(state_dir: &Path, producer: &str) -> Result<Self, RingError> {
        file::check_name(producer)?;
        let dir = state_dir.join(file::RINGS_DIR);
        let doorbell = Doorbell::open(&dir)?;
        let path = file::ring_path(&dir, producer);
        let file = file::open_shared(&path, false).map_err(RingError::io("open", &path))?;
        let map = file::open_map(&file, &path)?;
        Ok(Self { map, doorbell })
    }

    /// Returns the fate of a record of the present owner; `None` for one of another owner.
    pub fn fate(&self, end: RecordEnd) -> Option<Fate> {
        Remains::of(self.map.header()).fate(end)
    }

    /// Waits until the record is on disk, at most for `timeout`; returns whether it is. A ring that
    /// the writer closed, and a record of another owner, end the wait at once.
    pub fn wait(&self, end: RecordEnd, timeout: Duration) -> bool {
        match self.fate(end) {
            Some(Fate::OnDisk) => return true,
            Some(Fate::InRing) => {}
            Some(Fate::NotPushed) | None => return false,
        }
        if timeout.is_zero() {
            return false;
        }
        let waiters = &self.map.header().producer.waiters;
        // As in `Producer::wait_durable`.
        waiters.fetch_add(1, Ordering::SeqCst);
        self.doorbell.ring_to_wait();
        let is_on_disk = self.sleep_until_on_disk(end, timeout);
        // The next owner's attachment has cleared the word.
        let _ = waiters.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |n| n.checked_sub(1));
        is_on_disk
    }

    fn sleep_until_on_disk(&self, end: RecordEnd, timeout: Duration) -> bool {
        let consumer = &self.map.header().consumer;
        let start = Instant::now();
        loop {
            let word = consumer.durable_word.load(Ordering::SeqCst);
            match self.fate(end) {
                Some(Fate::OnDisk) => return true,
                Some(Fate::InRing) if consumer.closed.load(Ordering::Acquire) == 0 => {}
                Some(Fate::InRing | Fate::NotPushed) | None => return false,
            }
            let left = timeout.saturating_sub(start.elapsed());
            if left.is_zero() {
                return false;
            }
            sys::futex_wait(&consumer.durable_word, word, left);
        }
    }
}
