//! The producer's half of one ring.

use std::fs::File;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant, SystemTime};

use super::doorbell::Doorbell;
use super::layout::{CAPACITY_MIN, Header, RECORD_HEADER, RecordHead, record_crc, record_size};
use super::map::{ForkGuard, RingMap};
use super::{PushError, RecordEnd, RingError, WaitError, file, sys};
use crate::entry::{ENTRY_SIZE_MAX, NUMBER_MAX};

/// Default size of a ring's data area: about 7,000 entries of 500 bytes.
pub const CAPACITY_DEFAULT: usize = 4 * 1024 * 1024;

const _: () = assert!(record_size(ENTRY_SIZE_MAX) * 3 < CAPACITY_MIN);

/// Configuration of a ring.
#[derive(Clone, Copy, Debug)]
pub struct RingConfig<'a> {
    /// Directory on tmpfs, shared by producers and writer.
    pub state_dir: &'a Path,
    /// Unique on this host: 1 to 48 of `[a-z0-9-]`.
    pub producer: &'a str,
    /// Data area in bytes, a power of two; 0 for [`CAPACITY_DEFAULT`]. Ignored if the ring exists.
    pub capacity: usize,
}

/// The only process that may write to a ring. `push` needs `&mut`: one thread at a time.
pub struct Producer {
    shared: Arc<Shared>,
    epoch: u64,
    // Private copies of the words in the header, and the last head read.
    tail: u64,
    next_seq: u64,
    head: u64,
}

struct Shared {
    map: RingMap,
    doorbell: Doorbell,
    fork_guard: ForkGuard,
    /// Holds the owner's lock until dropped.
    _owner: File,
}

impl Producer {
    /// Opens or creates the ring, owns it and begins an epoch. Records of earlier owners stay.
    ///
    /// Allocates and touches all memory, so that a push never faults or runs out of memory. Waits
    /// up to 200 ms while the writer removes the ring of a dead owner. Call it after forking.
    ///
    /// # Errors
    /// The state directory is unusable, the name is invalid, or a living process owns the ring.
    pub fn attach(config: &RingConfig<'_>) -> Result<Self, RingError> {
        file::check_name(config.producer)?;
        let capacity = if config.capacity == 0 {
            CAPACITY_DEFAULT
        } else {
            config.capacity
        };
        file::check_capacity(capacity)?;
        let dir = file::rings_dir(config.state_dir)?;
        let doorbell = Doorbell::open(&dir)?;
        let (owner, map) = file::own(&dir, config.producer, capacity)?;
        let path = file::ring_path(&dir, config.producer);
        if map.header().consumer.closed.load(Ordering::Acquire) != 0 {
            return Err(RingError::Damaged {
                path,
                what: "the writer found damage in it",
            });
        }
        map.touch();
        let fork_guard = ForkGuard::new().map_err(RingError::io("guard against forks of", path))?;
        let shared = Arc::new(Shared {
            map,
            doorbell,
            fork_guard,
            _owner: owner,
        });
        let producer = Self::begin_epoch(shared);
        producer.shared.doorbell.ring_appeared();
        Ok(producer)
    }

    fn begin_epoch(shared: Arc<Shared>) -> Self {
        let header = shared.header();
        let line = &header.producer;
        let now_ms = SystemTime::now()
            .duration_since(SystemTime::UNIX_EPOCH)
            .map_or(0, |d| d.as_millis());
        // The clock separates epochs if the rings were lost; ring and log do if it was set back.
        let before = line
            .epoch
            .load(Ordering::Relaxed)
            .max(shared.doorbell.epoch_floor());
        let epoch = u64::try_from(now_ms)
            .unwrap_or(0)
            .max(before.saturating_add(1))
            .min(NUMBER_MAX);
        line.epoch.store(epoch, Ordering::Relaxed);
        line.pid.store(std::process::id(), Ordering::Relaxed);
        line.waiters.store(0, Ordering::Relaxed);
        let (tail, next_seq) = (
            line.tail.load(Ordering::Relaxed),
            line.next_seq.load(Ordering::Relaxed),
        );
        let head = header.consumer.head.load(Ordering::Acquire);
        Self {
            shared,
            epoch,
            tail,
            next_seq,
            head,
        }
    }

    /// Returns this attachment's epoch, greater than that of every earlier owner.
    pub fn epoch(&self) -> u64 {
        self.epoch
    }

    /// Returns the number of the next [`push`](Self::push) or [`skip`](Self::skip), across epochs.
    pub fn next_seq(&self) -> u64 {
        self.next_seq
    }

    /// Returns the end of the record that a push of `len` bytes would write next.
    pub fn record_end(&self, len: usize) -> RecordEnd {
        RecordEnd {
            epoch: self.epoch,
            position: self.tail.wrapping_add(record_size(len) as u64),
        }
    }

    /// Appends an entry; returns its sequence number. No system call unless the writer sleeps.
    ///
    /// # Errors
    /// [`PushError`]; the sequence number stays free.
    pub fn push(&mut self, entry: &[u8]) -> Result<u64, PushError> {
        self.check_usable()?;
        if entry.len() > ENTRY_SIZE_MAX {
            return Err(PushError::TooLarge);
        }
        let size = record_size(entry.len()) as u64;
        if !self.has_room(size) {
            return Err(PushError::Full);
        }
        let (map, seq) = (&self.shared.map, self.next_seq);
        let crc = record_crc(self.epoch, seq, entry);
        let head = RecordHead {
            len: entry.len() as u32,
            crc,
            epoch: self.epoch,
            seq,
        };
        map.write(self.tail, &head.to_bytes());
        map.write(self.tail.wrapping_add(RECORD_HEADER as u64), entry);
        self.next_seq += 1;
        self.tail = self.tail.wrapping_add(size);
        let line = &map.header().producer;
        // A kill between these two stores uses up the number, and the writer reports it missing.
        line.next_seq.store(self.next_seq, Ordering::Release);
        line.tail.store(self.tail, Ordering::Release);
        self.shared.doorbell.ring();
        Ok(seq)
    }

    /// Uses up and returns a sequence number without an entry, as proof of a dropped one.
    ///
    /// # Errors
    /// [`PushError::NotOwner`] or [`PushError::Closed`].
    pub fn skip(&mut self) -> Result<u64, PushError> {
        self.check_usable()?;
        let seq = self.next_seq;
        self.next_seq += 1;
        let line = &self.shared.header().producer;
        line.next_seq.store(self.next_seq, Ordering::Release);
        line.skipped.fetch_add(1, Ordering::Relaxed);
        Ok(seq)
    }

    /// As [`Waiter::wait_durable`].
    pub fn wait_durable(&self, seq: u64, timeout: Duration) -> Result<(), WaitError> {
        self.shared.wait_durable(seq, timeout)
    }

    /// Returns a handle by which other threads wait for this ring's entries.
    pub fn waiter(&self) -> Waiter {
        Waiter {
            shared: Arc::clone(&self.shared),
        }
    }

    /// Returns the bytes in use and the size of the data area.
    pub fn usage(&self) -> (u64, u64) {
        (
            file::used(self.shared.header()),
            self.shared.map.capacity() as u64,
        )
    }

    /// Returns the number of entries in the log, of all producers, as last published by the writer.
    pub fn log_size(&self) -> u64 {
        self.shared.doorbell.mark().size
    }

    fn check_usable(&self) -> Result<(), PushError> {
        if !self.shared.fork_guard.is_owner() {
            return Err(PushError::NotOwner);
        }
        if self.shared.header().consumer.closed.load(Ordering::Relaxed) != 0 {
            return Err(PushError::Closed);
        }
        Ok(())
    }

    fn has_room(&mut self, size: u64) -> bool {
        let capacity = self.shared.map.capacity() as u64;
        let room = |tail: u64, head: u64| capacity.checked_sub(tail.wrapping_sub(head));
        if room(self.tail, self.head).is_some_and(|room| room >= size) {
            return true;
        }
        self.head = self.shared.header().consumer.head.load(Ordering::Acquire);
        // A head beyond the tail is damage; reporting a full ring is safe.
        room(self.tail, self.head).is_some_and(|room| room >= size)
    }
}

/// Waits until entries of one [`Producer`] are on disk.
#[derive(Clone)]
pub struct Waiter {
    shared: Arc<Shared>,
}

impl Waiter {
    /// Blocks until the entry `seq` is on disk, at most for `timeout`.
    pub fn wait_durable(&self, seq: u64, timeout: Duration) -> Result<(), WaitError> {
        self.shared.wait_durable(seq, timeout)
    }
}

impl Shared {
    fn header(&self) -> &Header {
        self.map.header()
    }

    fn is_durable(&self, seq: u64) -> bool {
        self.header().consumer.durable_seq.load(Ordering::Acquire) > seq
    }

    fn wait_durable(&self, seq: u64, timeout: Duration) -> Result<(), WaitError> {
        if self.is_durable(seq) {
            return Ok(());
        }
        if seq >= self.header().producer.next_seq.load(Ordering::Acquire) {
            return Err(WaitError::NotPushed);
        }
        let waiters = &self.header().producer.waiters;
        // Pairs with `Consumer::acknowledge`: it sees this waiter, or this thread the new word.
        waiters.fetch_add(1, Ordering::SeqCst);
        self.doorbell.ring_to_wait();
        let result = self.sleep_until_durable(seq, timeout);
        waiters.fetch_sub(1, Ordering::SeqCst);
        result
    }

    fn sleep_until_durable(&self, seq: u64, timeout: Duration) -> Result<(), WaitError> {
        let consumer = &self.header().consumer;
        let start = Instant::now();
        loop {
            let word = consumer.durable_word.load(Ordering::SeqCst);
            if self.is_durable(seq) {
                return Ok(());
            }
            if consumer.closed.load(Ordering::Acquire) != 0 {
                return Err(WaitError::Closed);
            }
            let left = timeout.saturating_sub(start.elapsed());
            if left.is_zero() {
                return Err(WaitError::Timeout);
            }
            sys::futex_wait(&consumer.durable_word, word, left);
        }
    }
}
