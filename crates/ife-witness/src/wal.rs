//! The write-ahead log: what makes an entry durable. Segments of frames in `private/wal`, named by their first index.
//!
//! A segment begins with a snapshot of the producers, so recovery needs no older one. Everything after the last frame is zeros,
//! written ahead in blocks, so that the usual batch changes no metadata and its fdatasync is one write and one flush.

pub(crate) mod frame;
pub(crate) mod scan;

use std::fs::File;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use crate::store::{Store, StoreError};
use crate::writer::Producers;
use frame::{Kind, Origin};

pub use scan::{Scan, Segment, WalError, segments};

/// Zeros written ahead at a time.
const AHEAD: usize = 1024 * 1024;

static ZEROS: [u8; AHEAD] = [0; AHEAD];

/// A segment that gets no more frames.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Closed {
    /// The file.
    pub path: PathBuf,
    /// First index after it.
    pub end: u64,
}

/// The segment that grows.
pub struct Wal {
    store: Store,
    log_id: u64,
    /// A segment of this size or more is closed before the next batch.
    segment_bytes: u64,
    path: PathBuf,
    file: File,
    /// Where the next frame goes.
    offset: u64,
    /// Zeros are on disk up to here.
    zeroed: u64,
    next_index: u64,
    last_sync: Duration,
}

impl Wal {
    /// Makes the segment that begins at `first_index` and becomes its writer.
    ///
    /// # Errors
    /// The system calls'.
    pub fn create(
        store: Store,
        log_id: u64,
        segment_bytes: u64,
        first_index: u64,
        producers: &Producers,
    ) -> Result<Self, StoreError> {
        let (new, file) = store.create_private()?;
        let origin = Origin {
            producer: "",
            ring_id: 0,
            epoch: 0,
            seq: 0,
        };
        let mut head = Vec::new();
        let start = frame::begin(origin.producer, &mut head);
        head.extend_from_slice(&producers.to_snapshot(log_id));
        frame::finish(
            start,
            Kind::Snapshot,
            first_index,
            first_index,
            &origin,
            &mut head,
        );
        let offset = head.len() as u64;
        store.write_at(&new, &file, &head, 0)?;
        store.write_at(&new, &file, &ZEROS, offset)?;
        store.sync(&new, &file)?;
        let path = store.wal_dir().join(segment_name(first_index));
        store.publish(&new, &path)?;
        let zeroed = offset + AHEAD as u64;
        Ok(Self {
            store,
            log_id,
            segment_bytes,
            path,
            file,
            offset,
            zeroed,
            next_index: first_index,
            last_sync: Duration::ZERO,
        })
    }

    /// Takes up the last segment where its scan ended.
    ///
    /// # Errors
    /// The file cannot be opened.
    pub fn resume(
        store: Store,
        log_id: u64,
        segment_bytes: u64,
        last: &Segment,
        scan: &Scan,
    ) -> Result<Self, StoreError> {
        let path = last.path.clone();
        let file = File::options()
            .read(true)
            .write(true)
            .open(&path)
            .map_err(StoreError::new("open", &path))?;
        let mut wal = Self {
            store,
            log_id,
            segment_bytes,
            path,
            file,
            offset: scan.end_offset,
            zeroed: scan.file_len.max(scan.end_offset),
            next_index: scan.end_index,
            last_sync: Duration::ZERO,
        };
        if scan.torn {
            wal.wipe(scan.file_len)?;
        }
        Ok(wal)
    }

    /// Overwrites what a batch that was never acknowledged left, so that no part of it can come back later.
    fn wipe(&mut self, file_len: u64) -> Result<(), StoreError> {
        let mut at = self.offset;
        while at < file_len {
            let len = (file_len - at).min(AHEAD as u64) as usize;
            self.store
                .write_at(&self.path, &self.file, &ZEROS[..len], at)?;
            at += len as u64;
        }
        self.store.sync(&self.path, &self.file)
    }

    /// Index of the next entry.
    #[must_use]
    pub fn next_index(&self) -> u64 {
        self.next_index
    }

    /// How long the last batch's fdatasync took.
    #[must_use]
    pub fn last_sync(&self) -> Duration {
        self.last_sync
    }

    /// Whether the next batch begins a new segment.
    #[must_use]
    pub fn will_rotate(&self) -> bool {
        self.offset >= self.segment_bytes
    }

    /// Makes a batch of frames durable: one write, one fdatasync. A long enough segment is closed first; `before` are
    /// then the producers' states without this batch.
    ///
    /// # Errors
    /// The system calls'. Whether the batch is on disk is then not known, and this process must write no more.
    pub fn append(
        &mut self,
        batch: &[u8],
        entries: u64,
        before: &Producers,
    ) -> Result<Option<Closed>, StoreError> {
        let closed = if self.will_rotate() {
            Some(self.rotate(before)?)
        } else {
            None
        };
        self.store
            .write_at(&self.path, &self.file, batch, self.offset)?;
        let end = self.offset + batch.len() as u64;
        if end > self.zeroed {
            self.store.write_at(&self.path, &self.file, &ZEROS, end)?;
            self.zeroed = end + AHEAD as u64;
        }
        let start = Instant::now();
        self.store.sync(&self.path, &self.file)?;
        self.last_sync = start.elapsed();
        self.offset = end;
        self.next_index += entries;
        Ok(closed)
    }

    fn rotate(&mut self, producers: &Producers) -> Result<Closed, StoreError> {
        let next = Self::create(
            self.store.clone(),
            self.log_id,
            self.segment_bytes,
            self.next_index,
            producers,
        )?;
        let old = std::mem::replace(self, next);
        Ok(Closed {
            path: old.path,
            end: self.next_index,
        })
    }
}

fn segment_name(first_index: u64) -> String {
    format!("{first_index:020}.wal")
}
