//! Layout of ring files and the doorbell. All integers are native: the files never leave the host.
//!
//! ```text
//! ring file:  64 KiB header | data area (capacity bytes, a power of two)
//! record:     len u32 | crc32c u32 | epoch u64 | seq u64 | len bytes | zeros to a multiple of 8
//! ```
//! The CRC covers epoch, seq and the bytes. `head` and `tail` count bytes since the file was
//! created and never wrap.

use std::sync::atomic::{AtomicU32, AtomicU64};

/// Bytes before the data area, and size of the doorbell file. The largest page size of Linux, so
/// that the data area can be mapped separately.
pub(crate) const HEADER_SIZE: usize = 64 * 1024;

/// Bounds of the data area; the lower one holds several of the largest records.
pub(crate) const CAPACITY_MIN: usize = 64 * 1024;
pub(crate) const CAPACITY_MAX: usize = 1 << 30;

/// `"IFERING1"` as a native integer.
pub(crate) const MAGIC: u64 = u64::from_ne_bytes(*b"IFERING1");

/// Bytes of a record before the entry.
pub(crate) const RECORD_HEADER: usize = 24;

/// A producer's name is 1 to 48 of `[a-z0-9-]`.
pub(crate) const NAME_LEN_MAX: usize = 48;

/// The header, grouped by writing process; each group has cache lines of its own.
#[repr(C)]
pub(crate) struct Header {
    pub(crate) fixed: Fixed,
    pub(crate) producer: ProducerLine,
    pub(crate) consumer: ConsumerLine,
}

/// Written once, before the file is linked.
#[repr(C, align(128))]
pub(crate) struct Fixed {
    pub(crate) magic: AtomicU64,
    pub(crate) capacity: AtomicU64,
    /// Random; distinguishes this file from an earlier one of the same name.
    pub(crate) ring_id: AtomicU64,
}

/// Written by the owner.
#[repr(C, align(128))]
pub(crate) struct ProducerLine {
    /// End of the last complete record.
    pub(crate) tail: AtomicU64,
    /// Sequence number of the next record. Stored before `tail`, so that no number is used twice.
    pub(crate) next_seq: AtomicU64,
    pub(crate) epoch: AtomicU64,
    /// Sequence numbers used up without a record.
    pub(crate) skipped: AtomicU64,
    pub(crate) pid: AtomicU32,
    /// Threads in `wait_durable`. Too high after a kill, which costs a system call for each batch.
    pub(crate) waiters: AtomicU32,
}

/// Written by the writer.
#[repr(C, align(128))]
pub(crate) struct ConsumerLine {
    /// Records before this position are on disk.
    pub(crate) head: AtomicU64,
    /// Every sequence number below is on disk or reported missing.
    pub(crate) durable_seq: AtomicU64,
    /// Futex of the waiters; changes with `durable_seq`.
    pub(crate) durable_word: AtomicU32,
    /// The writer found damage and reads no more.
    pub(crate) closed: AtomicU32,
}

/// The doorbell file; valid when all zero.
#[repr(C, align(128))]
pub(crate) struct DoorbellPage {
    /// Futex of the writer; changes when a producer wakes it.
    pub(crate) word: AtomicU32,
    /// `ASLEEP`, `DOZING` or 0.
    pub(crate) sleeping: AtomicU32,
    /// Changes when a ring file appears.
    pub(crate) rings_changed: AtomicU32,
    pub(crate) writer_pid: AtomicU32,
    /// Time of the writer's last iteration, unix ms.
    pub(crate) writer_seen_ms: AtomicU64,
    /// Id of the writer's log (see `Mark`), and its entries on disk.
    pub(crate) log_id: AtomicU64,
    pub(crate) log_size: AtomicU64,
    /// Greatest epoch in the log: new epochs are above it, even if the clock was set back.
    pub(crate) epoch_floor: AtomicU64,
    /// CRC32C of `log_id` and `log_size`, of the last two marks: one of them matches at any moment.
    pub(crate) mark_crc: [AtomicU64; 2],
}

const _: () = assert!(size_of::<Header>() == 3 * 128 && size_of::<DoorbellPage>() <= HEADER_SIZE);

/// Bytes that a record with an entry of `len` bytes occupies.
pub(crate) const fn record_size(len: usize) -> usize {
    (RECORD_HEADER + len).next_multiple_of(8)
}

/// Head of a record, as in the ring.
#[derive(Clone, Copy)]
pub(crate) struct RecordHead {
    pub(crate) len: u32,
    pub(crate) crc: u32,
    pub(crate) epoch: u64,
    pub(crate) seq: u64,
}

impl RecordHead {
    pub(crate) fn to_bytes(self) -> [u8; RECORD_HEADER] {
        let mut bytes = [0; RECORD_HEADER];
        bytes[..4].copy_from_slice(&self.len.to_ne_bytes());
        bytes[4..8].copy_from_slice(&self.crc.to_ne_bytes());
        bytes[8..16].copy_from_slice(&self.epoch.to_ne_bytes());
        bytes[16..].copy_from_slice(&self.seq.to_ne_bytes());
        bytes
    }

    pub(crate) fn from_bytes(bytes: &[u8; RECORD_HEADER]) -> Self {
        let [l0, l1, l2, l3, c0, c1, c2, c3, rest @ ..] = *bytes;
        let [e0, e1, e2, e3, e4, e5, e6, e7, seq @ ..] = rest;
        Self {
            len: u32::from_ne_bytes([l0, l1, l2, l3]),
            crc: u32::from_ne_bytes([c0, c1, c2, c3]),
            epoch: u64::from_ne_bytes([e0, e1, e2, e3, e4, e5, e6, e7]),
            seq: u64::from_ne_bytes(seq),
        }
    }
}

/// CRC32C of a record.
pub(crate) fn record_crc(epoch: u64, seq: u64, entry: &[u8]) -> u32 {
    let mut numbers = [0u8; 16];
    numbers[..8].copy_from_slice(&epoch.to_ne_bytes());
    numbers[8..].copy_from_slice(&seq.to_ne_bytes());
    crc32c::crc32c_append(crc32c::crc32c(&numbers), entry)
}
