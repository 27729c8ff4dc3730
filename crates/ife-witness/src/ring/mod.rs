//! Rings in shared memory: they pass entries to the writer without a lock or a system call.
//!
//! A ring has one producer process and one consumer, the writer. It lies on tmpfs, fully allocated.
//! A record is complete before the tail moves, and the head moves over a record only when it is on
//! disk, so either side may be killed at any instruction:
//!
//! ```text
//!            head            position             tail
//!   ..........|==================|==================|..........
//!     free      read, not on disk     not yet read      free
//! ```
//!
//! - The owner holds the file's OFD lock; the kernel releases it when the owner dies. A forked
//!   child is not the owner.
//! - Every attachment begins a new epoch. Sequence numbers continue across epochs, so that the last
//!   owner's lost records show as a gap.
//! - The writer reads at least once; (ring, sequence number) makes that exactly once.

mod consumer;
mod doorbell;
mod error;
mod file;
mod layout;
mod map;
mod observer;
mod producer;
mod remains;
mod set;
pub(crate) mod sys;

pub use consumer::{Consumer, Damage, Orphan, Record};
pub use doorbell::{Mark, WriterSeen, writer_seen};
pub use error::{PushError, RingError, WaitError};
pub use observer::Observer;
pub use producer::{CAPACITY_DEFAULT, Producer, RingConfig, Waiter};
pub use remains::{Fate, RecordEnd, Remains};
pub use set::RingSet;

/// The producer of the writer's own entries; not allowed as a ring's name.
pub const WRITER_PRODUCER: &str = "witnessd";
