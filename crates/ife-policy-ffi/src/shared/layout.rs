//! The layout of `shared.bin`. It follows from two numbers, so another file size is recognised.

use super::calls::RECORD_WORDS;
use super::counters::SLOT_WORDS as COUNTER_WORDS;
use super::quota::{BLOCK_WORDS, EXPERT_WORDS};
use super::refusals::WORDS as REFUSAL_WORDS;
use super::replay::DATA_WORDS;

/// Changes whenever the meaning of a word changes.
pub(super) const VERSION: u64 = 5;
/// "IFESHM" and two spare bytes.
pub(super) const MAGIC: u64 = u64::from_le_bytes(*b"IFESHM\0\0");

/// Words of the first page, written once when the file is made.
pub(super) mod header {
    pub(crate) const MAGIC: usize = 0;
    pub(crate) const VERSION: usize = 1;
    pub(crate) const LAYOUT_HASH: usize = 2;
    pub(crate) const KEY_0: usize = 3;
    pub(crate) const KEY_1: usize = 4;
    pub(crate) const BOOT_ID: usize = 5;
    pub(crate) const BIRTH_UNIX_S: usize = 6;
    /// Written last: the file is whole.
    pub(crate) const COMPLETE: usize = 7;
}

/// Words of the first page that change, one cache line each.
pub(super) mod hot {
    /// Second of the never-jumping clock that the replay table has reached.
    pub(crate) const REPLAY_CLOCK_S: usize = 16;
    /// Least iat for which the replay table is complete.
    pub(crate) const IAT_FLOOR_S: usize = 24;
    pub(crate) const GENERATION: usize = 32;
    pub(crate) const REGISTRY_EXPERTS: usize = 40;
    pub(crate) const REGISTRY_LOADED_UNIX_S: usize = 41;
    pub(crate) const STARTED_UNIX_S: usize = 42;
    /// See [`Stall`](super::stall::Stall).
    pub(crate) const WITNESS_STALL: usize = 56;
    pub(crate) const WITNESS_STALL_SIZE: usize = 57;
    /// Blocks of seats handed out.
    pub(crate) const BLOCKS_USED: usize = 48;
    /// Expert slots in use.
    pub(crate) const EXPERTS_USED: usize = 49;
    /// Not 0 while quotas are being rebuilt.
    pub(crate) const REBUILDING: usize = 50;
}

const PAGE: usize = 4096;

/// Fewest and most replay slots that a caller may ask for.
pub(crate) const REPLAY_SLOTS_MIN: usize = 1 << 10;
pub(crate) const REPLAY_SLOTS_MAX: usize = 1 << 24;
/// The number that 0 stands for.
pub(crate) const REPLAY_SLOTS_DEFAULT: usize = 1 << 18;
/// Largest number of processes.
pub(crate) const PROCESSES_MAX: usize = 4096;

/// A part of the file: byte offset and length in words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Part {
    pub(super) offset: usize,
    pub(super) words: usize,
}

/// Sizes and offsets of all tables.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Layout {
    pub(super) replay_slots: usize,
    pub(super) counters: Part,
    pub(super) refusals: Part,
    pub(super) replay_control: Part,
    pub(super) replay_data: Part,
    pub(super) buckets: Part,
    pub(super) experts: Part,
    pub(super) blocks: Part,
    pub(super) call_control: Part,
    pub(super) call_data: Part,
    pub(super) len: usize,
}

impl Layout {
    /// Returns the layout for `replay_slots`, a power of two in the permitted range, and
    /// `processes`, 1 to [`PROCESSES_MAX`].
    ///
    /// The other tables grow with the replay table: 1/4 as many calls and sources, 1/2 as many
    /// experts.
    pub(crate) fn new(replay_slots: usize, processes: usize) -> Self {
        assert!(
            replay_slots.is_power_of_two()
                && (REPLAY_SLOTS_MIN..=REPLAY_SLOTS_MAX).contains(&replay_slots)
        );
        assert!((1..=PROCESSES_MAX).contains(&processes));
        let mut len = PAGE;
        let mut part = |words: usize| {
            let offset = len;
            len += (words * 8).next_multiple_of(PAGE);
            Part { offset, words }
        };
        let calls = replay_slots / 4;
        Self {
            replay_slots,
            counters: part(processes * COUNTER_WORDS),
            refusals: part(REFUSAL_WORDS),
            replay_control: part(replay_slots),
            replay_data: part(replay_slots * DATA_WORDS),
            buckets: part(replay_slots / 4 * 2),
            experts: part(replay_slots / 2 * EXPERT_WORDS),
            blocks: part(replay_slots / 32 * BLOCK_WORDS),
            call_control: part(calls),
            call_data: part(calls * RECORD_WORDS),
            len,
        }
    }

    /// Returns a number that changes with every size, offset and the version.
    pub(super) fn fingerprint(&self) -> u64 {
        let parts = [
            self.counters,
            self.refusals,
            self.replay_control,
            self.replay_data,
            self.buckets,
            self.experts,
            self.blocks,
            self.call_control,
            self.call_data,
        ];
        let mut bytes = Vec::with_capacity(176);
        for number in [VERSION as usize, self.replay_slots, self.len]
            .into_iter()
            .chain(parts.into_iter().flat_map(|part| [part.offset, part.words]))
        {
            bytes.extend_from_slice(&(number as u64).to_le_bytes());
        }
        // A fingerprint is not secret, so a fixed key suffices.
        super::hash::Key(VERSION, MAGIC).hash(&bytes).low
    }
}
