//! The writer's half of one ring.

use std::cell::Cell;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;

use super::layout::{RECORD_HEADER, RecordHead, record_crc, record_size};
use super::map::RingMap;
use super::{RingError, file, sys};
use crate::entry::{ENTRY_SIZE_MAX, NUMBER_MAX};

/// A record whose bytes [`Consumer::read`] appended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Record {
    /// Epoch of the owner that wrote it.
    pub epoch: u64,
    /// Sequence number.
    pub seq: u64,
    /// Bytes appended.
    pub len: usize,
}

/// The ring's content is not valid.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{what} at ring position {at}")]
pub struct Damage {
    /// Bytes since the ring was created.
    pub at: u64,
    /// The error.
    pub what: &'static str,
}

/// Reads one ring. Only [`acknowledge`](Self::acknowledge) frees the space of its records.
pub struct Consumer {
    path: PathBuf,
    producer: String,
    file: File,
    map: RingMap,
    /// Position of the next record; at or after the head.
    position: u64,
    /// When the ring was first found without an owner.
    orphaned_ns: Cell<Option<u64>>,
}

impl Consumer {
    /// Opens the ring of `producer` in `rings_dir`.
    ///
    /// # Errors
    /// The file is not a ring of this version, or not accessible.
    pub fn open(rings_dir: &Path, producer: &str) -> Result<Self, RingError> {
        let path = file::ring_path(rings_dir, producer);
        let file = file::open_shared(&path, false).map_err(RingError::io("open", &path))?;
        let map = file::open_map(&file, &path)?;
        if map.header().consumer.closed.load(Ordering::Relaxed) != 0 {
            return Err(RingError::Damaged {
                path,
                what: "it was closed for damage",
            });
        }
        let position = map.header().consumer.head.load(Ordering::Relaxed);
        Ok(Self {
            path,
            producer: producer.to_owned(),
            file,
            map,
            position,
            orphaned_ns: Cell::new(None),
        })
    }

    /// Returns the producer's name.
    pub fn producer(&self) -> &str {
        &self.producer
    }

    /// Returns the path of the file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Returns the random id that distinguishes this ring from an earlier one of the same producer.
    pub fn ring_id(&self) -> u64 {
        self.map.header().fixed.ring_id.load(Ordering::Relaxed)
    }

    /// Returns the bound below which every sequence number was acknowledged as durable.
    pub fn durable_seq(&self) -> u64 {
        self.map
            .header()
            .consumer
            .durable_seq
            .load(Ordering::Relaxed)
    }

    /// Returns the epoch of the last owner.
    pub fn epoch(&self) -> u64 {
        self.map.header().producer.epoch.load(Ordering::Relaxed)
    }

    /// Returns the owner's next sequence number, final once the owner died or the ring is closed.
    pub fn next_seq(&self) -> u64 {
        self.map.header().producer.next_seq.load(Ordering::Acquire)
    }

    /// Returns the bytes of unread records.
    pub fn waiting_bytes(&self) -> u64 {
        let tail = self.map.header().producer.tail.load(Ordering::Acquire);
        tail.wrapping_sub(self.position)
    }

    /// Returns whether there is an unread record.
    pub fn has_unread(&self) -> bool {
        self.map.header().producer.tail.load(Ordering::Acquire) != self.position
    }

    /// Returns whether there is an unread record whose producer waits for the disk.
    pub fn has_waiters(&self) -> bool {
        self.has_unread() && self.map.header().producer.waiters.load(Ordering::SeqCst) != 0
    }

    /// Returns whether every record that was read is acknowledged.
    pub fn is_acknowledged(&self) -> bool {
        self.map.header().consumer.head.load(Ordering::Relaxed) == self.position
    }

    /// Appends the next record to `out`. After an error `out` is unchanged; do not read again.
    ///
    /// # Errors
    /// The ring's content is not valid.
    pub fn read(&mut self, out: &mut Vec<u8>) -> Result<Option<Record>, Damage> {
        let damage = |what| Damage {
            at: self.position,
            what,
        };
        let available = self
            .map
            .header()
            .producer
            .tail
            .load(Ordering::Acquire)
            .wrapping_sub(self.position);
        if available == 0 {
            return Ok(None);
        }
        if available > self.map.capacity() as u64 || available < RECORD_HEADER as u64 {
            return Err(damage("impossible tail"));
        }
        let head = RecordHead::from_bytes(&self.map.read_array(self.position));
        let len = head.len as usize;
        if len > ENTRY_SIZE_MAX || record_size(len) as u64 > available {
            return Err(damage("impossible record length"));
        }
        let start = out.len();
        self.map
            .read(self.position.wrapping_add(RECORD_HEADER as u64), len, out);
        if record_crc(head.epoch, head.seq, &out[start..]) != head.crc {
            out.truncate(start);
            return Err(damage("wrong checksum"));
        }
        if head.seq > NUMBER_MAX || head.epoch > NUMBER_MAX {
            out.truncate(start);
            return Err(damage("impossible number"));
        }
        self.position = self.position.wrapping_add(record_size(len) as u64);
        Ok(Some(Record {
            epoch: head.epoch,
            seq: head.seq,
            len,
        }))
    }

    /// Frees the space of the records read and wakes their waiters. These records must be on disk,
    /// and every number below `next_seq` must be on disk or reported missing.
    pub fn acknowledge(&self, next_seq: u64) {
        let header = self.map.header();
        header
            .consumer
            .durable_seq
            .store(next_seq, Ordering::Release);
        header.consumer.head.store(self.position, Ordering::Release);
        self.wake();
    }

    /// Closes the ring, so that its producer's pushes and waits fail, and renames the file.
    ///
    /// # Errors
    /// The file cannot be renamed.
    pub fn quarantine(&self) -> io::Result<PathBuf> {
        self.map
            .header()
            .consumer
            .closed
            .store(1, Ordering::Release);
        self.wake();
        let aside = self
            .path
            .with_extension(format!("damaged-{:016x}", self.ring_id()));
        fs::rename(&self.path, &aside).map(|()| aside)
    }

    fn wake(&self) {
        let header = self.map.header();
        header.consumer.durable_word.fetch_add(1, Ordering::SeqCst);
        if header.producer.waiters.load(Ordering::SeqCst) != 0 {
            sys::futex_wake(&header.consumer.durable_word);
        }
    }

    /// Locks a ring without an owner against attachment; dropping the result unlocks it.
    ///
    /// # Errors
    /// The lock cannot be queried or taken.
    pub fn orphan(&self) -> io::Result<Option<Orphan<'_>>> {
        if sys::is_locked(&self.file)? || !sys::try_lock(&self.file)? {
            self.orphaned_ns.set(None);
            return Ok(None);
        }
        Ok(Some(Orphan { ring: self }))
    }
}

/// A ring without a living owner, held by the writer.
pub struct Orphan<'a> {
    ring: &'a Consumer,
}

impl Orphan<'_> {
    /// Returns the sequence number after the owner's last one.
    pub fn next_seq(&self) -> u64 {
        self.ring.next_seq()
    }

    /// Returns whether every record is read and acknowledged.
    pub fn is_drained(&self) -> bool {
        !self.ring.has_unread() && self.ring.is_acknowledged()
    }

    /// Returns the time, in ns, since the first call for this owner's death. `now_ns`: now.
    pub fn age_ns(&self, now_ns: u64) -> u64 {
        let since_ns = self.ring.orphaned_ns.get().unwrap_or(now_ns);
        self.ring.orphaned_ns.set(Some(since_ns));
        now_ns.saturating_sub(since_ns)
    }

    /// Deletes the file. The next attachment creates a new ring.
    ///
    /// # Errors
    /// The file cannot be removed.
    pub fn remove(self) -> io::Result<()> {
        if file::has_path(&self.ring.file, &self.ring.path)? {
            fs::remove_file(&self.ring.path)
        } else {
            Ok(())
        }
    }
}

impl Drop for Orphan<'_> {
    fn drop(&mut self) {
        // If this fails, producers cannot attach until the writer closes the file.
        let _ = sys::unlock(&self.ring.file);
    }
}
