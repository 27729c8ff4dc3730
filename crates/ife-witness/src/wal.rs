//! The write-ahead log: durable segments of frames in `private/wal`, named by their first index.
//!
//! A segment begins with a snapshot of the producers, so recovery needs no older one. The rest of
//! the file was filled with zeros and synced beforehand, so that a batch changes no metadata: its
//! fdatasync is one write and one flush, and never waits for the file system's journal.

pub(crate) mod frame;
mod producers;
pub(crate) mod scan;

use std::fs::File;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::store::{Store, StoreError};
use frame::{Kind, Origin};

pub use producers::{Producers, State};
pub use scan::{Scan, Segment, WalError, segments};

/// Size of one write of zeros.
const BLOCK: usize = 1024 * 1024;

static ZEROS: [u8; BLOCK] = [0; BLOCK];

/// A file of zeros for the next segment.
pub struct Spare {
    path: PathBuf,
    file: File,
    len: u64,
}

impl Spare {
    /// Creates a file for segments of `segment_bytes`. Pauses after each MiB for batches.
    pub fn prepare(store: &Store, segment_bytes: u64, pause: Duration) -> Result<Self, StoreError> {
        Self::with_len(store, segment_bytes + segment_bytes / 16, pause)
    }

    fn with_len(store: &Store, len: u64, pause: Duration) -> Result<Self, StoreError> {
        let (path, file) = store.create_private()?;
        fill(store, &path, &file, 0, len, pause)?;
        Ok(Self { path, file, len })
    }
}

/// Writes zeros from `from` to `to`, durably.
fn fill(
    store: &Store,
    path: &Path,
    file: &File,
    from: u64,
    to: u64,
    pause: Duration,
) -> Result<(), StoreError> {
    let mut at = from;
    while at < to {
        let len = (to - at).min(BLOCK as u64) as usize;
        store.write_at(path, file, &ZEROS[..len], at)?;
        at += len as u64;
        if !pause.is_zero() {
            store.sync(path, file)?;
            std::thread::sleep(pause);
        }
    }
    store.sync(path, file)
}

/// A segment that gets no more frames.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Closed {
    /// The file.
    pub path: PathBuf,
    /// First index after the segment.
    pub end: u64,
}

/// The segment that receives batches. Every error is a failed system call.
pub struct Wal {
    store: Store,
    log_id: u64,
    /// Size from which a segment is closed before the next batch.
    segment_bytes: u64,
    path: PathBuf,
    file: File,
    /// Position of the next frame.
    offset: u64,
    /// End of the durable zeros.
    zeroed: u64,
    next_index: u64,
    last_sync: Duration,
    /// File for the next segment; without it, the rotation takes longer.
    spare: Option<Spare>,
}

impl Wal {
    /// Creates the segment that begins at `first_index` from `spare`.
    pub fn create(
        store: Store,
        log_id: u64,
        segment_bytes: u64,
        first_index: u64,
        producers: &Producers,
        spare: Spare,
    ) -> Result<Self, StoreError> {
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
        store.write_at(&spare.path, &spare.file, &head, 0)?;
        store.sync(&spare.path, &spare.file)?;
        let path = store.wal_dir().join(segment_name(first_index));
        store.publish(&spare.path, &path)?;
        let offset = head.len() as u64;
        Ok(Self {
            store,
            log_id,
            segment_bytes,
            path,
            file: spare.file,
            offset,
            zeroed: spare.len.max(offset),
            next_index: first_index,
            last_sync: Duration::ZERO,
            spare: None,
        })
    }

    /// Opens the last segment for writing at the end of its scan.
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
        if scan.torn {
            // No part of an unacknowledged batch may be read later.
            fill(
                &store,
                &path,
                &file,
                scan.end_offset,
                scan.file_len,
                Duration::ZERO,
            )?;
        }
        Ok(Self {
            store,
            log_id,
            segment_bytes,
            path,
            file,
            offset: scan.end_offset,
            zeroed: scan.file_len.max(scan.end_offset),
            next_index: scan.end_index,
            last_sync: Duration::ZERO,
            spare: None,
        })
    }

    /// Returns the index of the next entry.
    pub fn next_index(&self) -> u64 {
        self.next_index
    }

    /// Returns the duration of the last batch's fdatasync.
    pub fn last_sync(&self) -> Duration {
        self.last_sync
    }

    /// Returns whether the next batch begins a new segment.
    pub fn will_rotate(&self) -> bool {
        self.offset >= self.segment_bytes
    }

    /// Makes a batch of frames durable: one write, one fdatasync. Rotates first if the segment is
    /// long enough; `before` must then be the producers' states without this batch.
    ///
    /// # Errors
    /// A system call failed. The batch may be on disk; this process must write no more.
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
            self.zeroed = end + BLOCK as u64;
        }
        let start = Instant::now();
        self.store.sync(&self.path, &self.file)?;
        self.last_sync = start.elapsed();
        self.offset = end;
        self.next_index += entries;
        Ok(closed)
    }

    /// Returns the arguments of [`Spare::prepare`] if there is no file for the next segment.
    pub fn wants_spare(&self) -> Option<(Store, u64)> {
        self.spare
            .is_none()
            .then(|| (self.store.clone(), self.segment_bytes))
    }

    /// Sets the file for the next segment.
    pub fn set_spare(&mut self, spare: Spare) {
        self.spare = Some(spare);
    }

    fn rotate(&mut self, producers: &Producers) -> Result<Closed, StoreError> {
        let spare = match self.spare.take() {
            Some(spare) => spare,
            None => Spare::with_len(
                &self.store,
                self.segment_bytes.min(BLOCK as u64),
                Duration::ZERO,
            )?,
        };
        let (store, index) = (self.store.clone(), self.next_index);
        let next = Self::create(
            store,
            self.log_id,
            self.segment_bytes,
            index,
            producers,
            spare,
        )?;
        let old = std::mem::replace(self, next);
        Ok(Closed {
            path: old.path,
            end: index,
        })
    }
}

fn segment_name(first_index: u64) -> String {
    format!("{first_index:020}.wal")
}
