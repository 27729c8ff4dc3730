//! The producer's half.

use std::fs::File;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant, SystemTime};

use super::doorbell::Doorbell;
use super::layout::{CAPACITY_MIN, Header, RECORD_HEADER, RecordHead, record_crc, record_size};
use super::map::{ForkGuard, RingMap};
use super::{PushError, RingError, WaitError, file, sys};
use crate::entry::{ENTRY_SIZE_MAX, NUMBER_MAX};

/// Data area of a ring unless told otherwise: about 7,000 entries of 500 bytes.
pub const CAPACITY_DEFAULT: usize = 4 * 1024 * 1024;

const _: () = assert!(record_size(ENTRY_SIZE_MAX) * 3 < CAPACITY_MIN);

/// Which ring to attach to.
#[derive(Clone, Copy, Debug)]
pub struct RingConfig<'a> {
    /// Directory on tmpfs that producers and writer share.
    pub state_dir: &'a Path,
    /// Unique on this host: 1 to 48 of `[a-z0-9-]`.
    pub producer: &'a str,
    /// Data area in bytes, a power of two; 0 for [`CAPACITY_DEFAULT`]. A ring that exists keeps its own.
    pub capacity: usize,
}

/// The one process that may write to a ring. Not for two threads at once: `push` needs `&mut`.
pub struct Producer {
    shared: Arc<Shared>,
    epoch: u64,
    // Own copies of the words in the header, and the last head seen.
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
    /// Opens or makes the ring, becomes its owner and begins a new epoch. Records that an earlier owner left stay.
    ///
    /// Allocates and touches all memory, so that a push never faults and never fails for lack of memory. Waits up to 200 ms if
    /// the writer is removing the ring of a dead owner. Call it after forking.
    ///
    /// # Errors
    /// The state directory is not on tmpfs or not usable, the name is not valid, or a living process owns the ring.
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
        // The clock keeps epochs apart when a restart of the host took the rings; ring and log do when the clock went back.
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

    /// This attachment's number, greater than that of every earlier owner.
    #[must_use]
    pub fn epoch(&self) -> u64 {
        self.epoch
    }

    /// The number that the next [`push`](Self::push) or [`skip`](Self::skip) uses up. Counts on through epochs.
    #[must_use]
    pub fn next_seq(&self) -> u64 {
        self.next_seq
    }

    /// Hands an encoded entry to the writer; returns its sequence number. No system call unless the writer sleeps.
    ///
    /// # Errors
    /// See [`PushError`]; on every error the sequence number is still free.
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
        // Killed between these two stores: the number is used up and the writer reports it missing.
        line.next_seq.store(self.next_seq, Ordering::Release);
        line.tail.store(self.tail, Ordering::Release);
        self.shared.doorbell.ring();
        Ok(seq)
    }

    /// Uses up a sequence number without an entry, so that what was dropped is provable; returns it.
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
    ///
    /// # Errors
    /// See [`WaitError`].
    pub fn wait_durable(&self, seq: u64, timeout: Duration) -> Result<(), WaitError> {
        self.shared.wait_durable(seq, timeout)
    }

    /// Waits for this ring from other threads while this one pushes.
    #[must_use]
    pub fn waiter(&self) -> Waiter {
        Waiter {
            shared: Arc::clone(&self.shared),
        }
    }

    /// Share of the ring in use, in bytes, and its size.
    #[must_use]
    pub fn usage(&self) -> (u64, u64) {
        (
            file::used(self.shared.header()),
            self.shared.map.capacity() as u64,
        )
    }

    /// Entries in the log, of whatever producer, as its writer said last: it moves as long as the writer does.
    #[must_use]
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
        // A head beyond our tail is damage: full is the safe answer.
        room(self.tail, self.head).is_some_and(|room| room >= size)
    }
}

/// Waits for entries of one [`Producer`] to reach the disk; clone it freely.
#[derive(Clone)]
pub struct Waiter {
    shared: Arc<Shared>,
}

impl Waiter {
    /// Returns once the entry `seq` is on disk, at the latest after `timeout`.
    ///
    /// # Errors
    /// See [`WaitError`].
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
        // Pairs with `Consumer::acknowledge`: either it sees us, or we see the new word.
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
