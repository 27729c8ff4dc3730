//! Counters: each process adds to cache lines of its own, readers sum them up.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// Words of one process: four cache lines, the first two words of which identify the process.
pub(super) const SLOT_WORDS: usize = 32;

/// The counters; the numbers are word indices.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(usize)]
pub(crate) enum Counter {
    Approved = 2,
    Errors = 3,
    WitnessQueued = 4,
    WitnessDropped = 5,
    WitnessWaits = 6,
    Reloads = 7,
    ReloadFailures = 8,
    ReplayFull = 9,
    CallsFull = 10,
    BucketsFull = 11,
    RefusalsOmitted = 12,
    /// Not a count but the tables of keys that the process keeps.
    KeyTables = 13,
    NotForGate = 14,
    OverloadRefused = 15,
    /// The first of 14: one per gate.
    Rejected = 16,
}

const PROCESS_ID: usize = 0;
const MAPPED_GENERATION: usize = 1;

/// Counters, process ids and mapped registries of all processes.
pub(crate) struct Counters<'a> {
    pub(super) words: &'a [AtomicU64],
}

impl Counters<'_> {
    /// Adds one for process `slot`.
    pub(crate) fn add(&self, slot: usize, counter: Counter) {
        self.words[slot * SLOT_WORDS + counter as usize].fetch_add(1, Relaxed);
    }

    /// Adds one rejection by the gate of this number.
    pub(crate) fn add_rejected(&self, slot: usize, gate: usize) {
        self.words[slot * SLOT_WORDS + Counter::Rejected as usize + gate].fetch_add(1, Relaxed);
    }

    pub(crate) fn sum(&self, counter: Counter) -> u64 {
        self.sum_word(counter as usize)
    }

    /// Returns the sum of rejections by the gate of this number.
    pub(crate) fn sum_rejected(&self, gate: usize) -> u64 {
        self.sum_word(Counter::Rejected as usize + gate)
    }

    /// Notes how many tables of keys process `slot` keeps.
    pub(crate) fn set_key_tables(&self, slot: usize, tables: usize) {
        self.words[slot * SLOT_WORDS + Counter::KeyTables as usize].store(tables as u64, Relaxed);
    }

    /// Sets every counter to 0. Concurrent increments may be lost.
    pub(crate) fn reset(&self) {
        for slot in self.words.chunks_exact(SLOT_WORDS) {
            let counts = slot.iter().enumerate().skip(Counter::Approved as usize);
            for (_, word) in counts.filter(|(index, _)| *index != Counter::KeyTables as usize) {
                word.store(0, Relaxed);
            }
        }
    }

    /// Notes the process that has this slot and the registry that it maps; 0 for none.
    pub(crate) fn set_mapped(&self, slot: usize, process_id: u64, generation: u64) {
        self.words[slot * SLOT_WORDS + PROCESS_ID].store(process_id, Relaxed);
        self.words[slot * SLOT_WORDS + MAPPED_GENERATION]
            .store(generation, std::sync::atomic::Ordering::SeqCst);
    }

    /// Returns the oldest registry that a living process maps.
    pub(crate) fn oldest_mapped(&self, is_alive: impl Fn(u64) -> bool) -> Option<u64> {
        let mapped = self.words.chunks_exact(SLOT_WORDS).filter_map(|slot| {
            let generation = slot[MAPPED_GENERATION].load(std::sync::atomic::Ordering::SeqCst);
            (generation != 0 && is_alive(slot[PROCESS_ID].load(Relaxed))).then_some(generation)
        });
        mapped.min()
    }

    fn sum_word(&self, index: usize) -> u64 {
        self.words
            .chunks_exact(SLOT_WORDS)
            .map(|slot| slot[index].load(Relaxed))
            .fold(0, u64::wrapping_add)
    }
}
