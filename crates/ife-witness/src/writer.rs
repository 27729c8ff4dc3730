//! The writer: moves entries to the WAL, one fdatasync for each batch, then acknowledges them.
//!
//! ```text
//!   rings --drain--> batch --write, fdatasync--> WAL --acknowledge--> rings
//!                      |
//!                      +--> publisher: tiles, signed checkpoints
//! ```
//!
//! A record may be read twice (after a kill between fdatasync and acknowledgement); it is logged
//! once, because the WAL holds the next number expected from every ring.

mod batch;
mod publisher;

use crate::entry::{Event, Gap};
use crate::ring::{Consumer, Damage, Mark, RingError, RingSet, WRITER_PRODUCER};
use crate::store::{Store, StoreError};
use crate::wal::{Closed, Producers, Spare, Wal};
use batch::{Batch, Identity};

pub use batch::Counts;
pub use publisher::{Keys, PublishError, Publisher};

/// Larger gaps in a damaged ring's own count are ignored.
const GAP_COUNT_MAX: u64 = 1 << 32;

/// Time for which the ring of a dead owner stays. A producer that is started again finds out which
/// entries its predecessor pushed; a SIP request is repeated for 32 s (RFC 3261 17.1.1.2).
const RING_KEPT_NS: u64 = 60_000_000_000;

/// Configuration of the writer.
#[derive(Clone, Debug)]
pub struct WriterConfig {
    /// Name of this host in the log.
    pub node: String,
    /// Size from which a batch takes no more records.
    pub batch_bytes: usize,
    /// Free disk space below which the writer reads nothing, so that the rings fill up.
    pub free_bytes_min: u64,
}

/// The outcome of one step.
#[derive(Debug)]
pub enum Step {
    /// Nothing to do.
    Idle,
    /// The disk is nearly full; nothing is read.
    Stalled {
        /// Free bytes.
        free: u64,
    },
    /// A batch is durable and acknowledged; the publisher is next.
    Wrote(Written),
}

/// A durable batch.
#[derive(Debug)]
pub struct Written {
    /// Its frames, for [`Publisher::append`].
    pub batch: Vec<u8>,
    /// A segment that it closed, for [`Publisher::retire`].
    pub closed: Option<Closed>,
}

/// An event for the daemon's own log.
#[derive(Debug, thiserror::Error)]
pub enum Notice {
    /// A file among the rings is unusable; the other rings stay in use.
    #[error("a ring cannot be opened")]
    Unusable(#[source] RingError),
    /// A ring is damaged and was renamed.
    #[error("the ring of {producer} is damaged and was set aside: its process must attach again")]
    Damaged {
        /// Name of the producer.
        producer: String,
        /// The damage.
        #[source]
        damage: Damage,
    },
    /// Sequence numbers of a producer are missing.
    #[error("{count} entries of producers are missing and reported as GAP")]
    Missing {
        /// Number of missing sequence numbers.
        count: u64,
    },
    /// A dead producer's ring cannot be removed.
    #[error("the ring of {producer}, which has no owner, cannot be removed")]
    Remove {
        /// Name of the producer.
        producer: String,
        /// The system call's error.
        #[source]
        source: std::io::Error,
    },
}

/// Reasons why the writer must stop; unacknowledged records are still in the rings.
#[derive(Debug, thiserror::Error)]
pub enum WriterError {
    /// A file operation failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A ring has acknowledged numbers that the log lacks.
    #[error(
        "{} was acknowledged up to number {durable_seq}, but the log has its entries only up to \
         {next_seq}: the log directory is older than this host's rings. Restore the newer log \
         directory; or, to go on with the loss on record, stop the producer and delete this ring",
        path.display()
    )]
    RolledBack {
        /// The ring.
        path: std::path::PathBuf,
        /// Bound acknowledged in the ring.
        durable_seq: u64,
        /// Next number according to the log.
        next_seq: u64,
    },
}

/// Owns the reading side of the rings and the WAL. After an error it must not be used again.
pub struct Writer {
    config: WriterConfig,
    store: Store,
    log_id: u64,
    rings: RingSet,
    wal: Wal,
    producers: Producers,
    own: Identity,
    batch: Batch,
    /// Rings read in this step, to be acknowledged.
    read: Vec<usize>,
    /// First ring of the next step; rotates for fairness.
    turn: usize,
    notices: Vec<Notice>,
    total: Counts,
}

impl Writer {
    /// Creates a writer at the end of the WAL. `now_ms` is the least epoch of its own entries.
    #[must_use]
    pub fn new(
        config: WriterConfig,
        store: Store,
        log_id: u64,
        rings: RingSet,
        wal: Wal,
        producers: Producers,
        now_ms: u64,
    ) -> Self {
        rings.raise_epoch_floor(producers.epoch_max());
        let known = producers.state(WRITER_PRODUCER);
        let own = Identity {
            node: config.node.clone(),
            epoch: known.map_or(now_ms, |state| now_ms.max(state.epoch + 1)),
            next_seq: known.map_or(0, |state| state.next_seq),
        };
        Self {
            config,
            store,
            log_id,
            rings,
            wal,
            producers,
            own,
            batch: Batch::new(),
            read: Vec::new(),
            turn: 0,
            notices: Vec::new(),
            total: Counts::default(),
        }
    }

    /// Returns the number of entries on disk.
    pub fn size(&self) -> u64 {
        self.wal.next_index()
    }

    /// Returns the duration of the last batch's fdatasync.
    pub fn last_sync(&self) -> std::time::Duration {
        self.wal.last_sync()
    }

    /// As [`Wal::wants_spare`], but `None` if the disk is too full.
    pub fn wants_spare(&self) -> Result<Option<(Store, u64)>, WriterError> {
        let Some((store, bytes)) = self.wal.wants_spare() else {
            return Ok(None);
        };
        let fits = store.free_bytes()? / 2 > self.config.free_bytes_min.saturating_add(bytes);
        Ok(fits.then_some((store, bytes)))
    }

    /// See [`Wal::set_spare`].
    pub fn set_spare(&mut self, spare: Spare) {
        self.wal.set_spare(spare);
    }

    /// Returns the counts since the start.
    pub fn counts(&self) -> Counts {
        self.total
    }

    /// Returns the rings.
    pub fn rings(&self) -> &RingSet {
        &self.rings
    }

    /// Takes the notices since the last call.
    pub fn take_notices(&mut self) -> Vec<Notice> {
        std::mem::take(&mut self.notices)
    }

    /// Returns the free bytes of the disk if they are too few to write.
    pub fn lack_of_space(&self) -> Result<Option<u64>, WriterError> {
        let free = self.store.free_bytes()?;
        Ok((free < self.config.free_bytes_min).then_some(free))
    }

    /// Returns the bytes of unread records in all rings.
    pub fn waiting_bytes(&mut self) -> Result<u64, WriterError> {
        self.open_rings(true)?;
        Ok(self.rings.waiting_bytes())
    }

    /// Opens new rings, reads records, makes them durable and acknowledges them.
    ///
    /// `buffer` is reused for the batch. `now_ns` is the time of GAP entries.
    pub fn step(&mut self, now_ns: u64, buffer: Vec<u8>) -> Result<Step, WriterError> {
        self.open_rings(false)?;
        if !self.rings.has_unread() {
            return Ok(Step::Idle);
        }
        let free = self.store.free_bytes()?;
        if free < self.config.free_bytes_min {
            return Ok(Step::Stalled { free });
        }
        let before = self.begin(buffer);
        self.drain(now_ns);
        self.commit(&before)
    }

    /// Logs an event of the writer itself.
    pub fn log(&mut self, event: Event, detail: &str, now_ns: u64) -> Result<Step, WriterError> {
        let before = self.begin(Vec::new());
        self.batch
            .own_event(event, detail, &mut self.producers, &mut self.own, now_ns);
        self.commit(&before)
    }

    /// Opens unannounced rings and removes drained rings of dead producers, about once a second.
    pub fn maintain(&mut self, now_ns: u64) -> Result<Step, WriterError> {
        self.open_rings(true)?;
        let before = self.begin(Vec::new());
        let mut at = 0;
        while at < self.rings.rings.len() {
            if self.maintain_ring(at, now_ns) {
                let ring = self.rings.rings.swap_remove(at);
                self.producers.set_gone(ring.producer());
            } else {
                at += 1;
            }
        }
        self.commit(&before)
    }

    fn begin(&mut self, buffer: Vec<u8>) -> Option<Producers> {
        self.batch.begin(self.wal.next_index(), buffer);
        self.read.clear();
        // A segment's snapshot must not include the batch after it.
        self.wal.will_rotate().then(|| self.producers.clone())
    }

    fn open_rings(&mut self, force: bool) -> Result<(), WriterError> {
        let known = self.rings.rings.len();
        let errors = self.rings.scan(force);
        self.notices
            .extend(errors.into_iter().map(Notice::Unusable));
        for ring in &self.rings.rings[known..] {
            let (durable_seq, ring_id) = (ring.durable_seq(), ring.ring_id());
            let next_seq = self
                .producers
                .expected(ring.producer(), ring_id, durable_seq);
            if durable_seq > next_seq {
                return Err(WriterError::RolledBack {
                    path: ring.path().to_owned(),
                    durable_seq,
                    next_seq,
                });
            }
        }
        Ok(())
    }

    fn drain(&mut self, now_ns: u64) {
        let count = self.rings.rings.len();
        let quota = (self.config.batch_bytes / count.max(1)).max(64 * 1024);
        self.turn = self.turn.wrapping_add(1);
        let mut damaged = Vec::new();
        for at in (0..count).map(|n| (n + self.turn) % count) {
            if self.batch.frames.len() >= self.config.batch_bytes {
                break;
            }
            let ring = &mut self.rings.rings[at];
            match self
                .batch
                .drain(ring, &mut self.producers, &mut self.own, now_ns, quota)
            {
                Ok(true) => self.read.push(at),
                Ok(false) => {}
                Err(damage) => damaged.push((at, damage)),
            }
        }
        damaged.sort_by_key(|(at, _)| std::cmp::Reverse(*at));
        for (at, damage) in damaged {
            self.set_aside(at, damage, now_ns);
        }
    }

    /// Closes a damaged ring. Its valid records go to disk; the rest of the ring is lost.
    fn set_aside(&mut self, at: usize, damage: Damage, now_ns: u64) {
        // No more acknowledgements: closing the ring ends its waits.
        let ring = self.rings.rings.remove(at);
        self.read.retain(|read| *read != at);
        self.read
            .iter_mut()
            .filter(|read| **read > at)
            .for_each(|read| *read -= 1);
        let producer = ring.producer().to_owned();
        if let Err(source) = ring.quarantine() {
            self.notices.push(Notice::Remove {
                producer: producer.clone(),
                source,
            });
        }
        let first_seq = self
            .producers
            .expected(&producer, ring.ring_id(), ring.durable_seq());
        let count = ring
            .next_seq()
            .checked_sub(first_seq)
            .filter(|count| *count < GAP_COUNT_MAX)
            .unwrap_or(0);
        let gap = Gap {
            producer: &producer,
            epoch: ring.epoch(),
            first_seq,
            count,
        };
        let detail = format!("ring damaged: {damage}");
        self.batch.close_gap(
            gap,
            ring.ring_id(),
            Some(&detail),
            &mut self.producers,
            &mut self.own,
            now_ns,
        );
        self.notices.push(Notice::Damaged { producer, damage });
    }

    /// Returns true if the ring was removed.
    fn maintain_ring(&mut self, at: usize, now_ns: u64) -> bool {
        let ring = &self.rings.rings[at];
        let orphan = match ring.orphan() {
            Ok(Some(orphan)) if orphan.is_drained() => orphan,
            Ok(_) => return false,
            Err(source) => {
                self.notices.push(Notice::Remove {
                    producer: ring.producer().to_owned(),
                    source,
                });
                return false;
            }
        };
        let first_seq =
            self.producers
                .expected(ring.producer(), ring.ring_id(), ring.durable_seq());
        let count = orphan.next_seq().saturating_sub(first_seq);
        if count > 0 {
            // The owner skipped entries or died in a push. Its ring is removed later.
            let gap = Gap {
                producer: ring.producer(),
                epoch: ring.epoch(),
                first_seq,
                count,
            };
            self.batch.close_gap(
                gap,
                ring.ring_id(),
                None,
                &mut self.producers,
                &mut self.own,
                now_ns,
            );
            self.read.push(at);
            return false;
        }
        if orphan.age_ns(now_ns) < RING_KEPT_NS {
            return false;
        }
        match orphan.remove() {
            Ok(()) => true,
            Err(source) => {
                self.notices.push(Notice::Remove {
                    producer: ring.producer().to_owned(),
                    source,
                });
                false
            }
        }
    }

    /// Makes the batch durable, then acknowledges it to the producers.
    fn commit(&mut self, before: &Option<Producers>) -> Result<Step, WriterError> {
        let mut step = Step::Idle;
        if !self.batch.frames.is_empty() {
            let snapshot = before.as_ref().unwrap_or(&self.producers);
            let closed = self
                .wal
                .append(&self.batch.frames, self.batch.entries, snapshot)?;
            self.rings.set_mark(Mark {
                log_id: self.log_id,
                size: self.wal.next_index(),
            });
            step = Step::Wrote(Written {
                batch: std::mem::take(&mut self.batch.frames),
                closed,
            });
        }
        for &at in &self.read {
            let ring: &Consumer = &self.rings.rings[at];
            let next_seq =
                self.producers
                    .expected(ring.producer(), ring.ring_id(), ring.durable_seq());
            self.rings.raise_epoch_floor(
                self.producers
                    .state(ring.producer())
                    .map_or(0, |state| state.epoch),
            );
            ring.acknowledge(next_seq);
        }
        self.count();
        Ok(step)
    }

    fn count(&mut self) {
        let counts = std::mem::take(&mut self.batch.counts);
        self.total.entries += counts.entries;
        self.total.duplicates += counts.duplicates;
        self.total.missing += counts.missing;
        if counts.missing > 0 {
            self.notices.push(Notice::Missing {
                count: counts.missing,
            });
        }
    }
}
