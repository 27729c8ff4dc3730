//! State that all workers share: one file on tmpfs, mapped before the fork, fixed layout, atomics only.
//!
//! No table takes a lock, allocates or needs a sweeper: time and memory per call are bounded, and a worker killed at any instruction
//! leaves every table usable. What its death may leave behind expires.

mod bucket;
pub(crate) mod calls;
pub(crate) mod counters;
mod file;
pub(crate) mod hash;
pub(crate) mod layout;
pub(crate) mod legacy;
mod probe;
pub(crate) mod quota;
pub(crate) mod refusals;
mod replay;
pub(crate) mod stall;
mod step;
#[cfg(test)]
mod tests;

use std::sync::atomic::{AtomicU64, Ordering::SeqCst};

use self::bucket::Buckets;
use self::calls::Calls;
use self::counters::Counters;
pub(crate) use self::file::{Birth, Opened};
use self::hash::Key;
use self::layout::{Layout, header, hot};
use self::quota::{Limit, Quota, Seat};
use self::refusals::Refusals;
use self::replay::Replay;
use self::stall::Stall;
pub(crate) use self::step::step;
#[cfg(test)]
pub(crate) use self::step::testing;
use crate::sys::Map;

/// The mapped file.
pub(crate) struct Shared {
    map: Map,
    layout: Layout,
    key: Key,
}

impl Shared {
    fn new(map: Map, layout: Layout) -> Self {
        let words = map.words(0, 64);
        let key = Key(
            words[header::KEY_0].load(SeqCst),
            words[header::KEY_1].load(SeqCst),
        );
        Self { map, layout, key }
    }

    /// Makes ready for use by this process: call it after the fork.
    pub(crate) fn populate(&self) {
        self.map.populate();
    }

    fn part(&self, part: layout::Part) -> &[AtomicU64] {
        self.map.words(part.offset, part.words)
    }

    fn word(&self, index: usize) -> &AtomicU64 {
        &self.map.words(0, 64)[index]
    }

    /// Signatures seen.
    pub(crate) fn replay(&self) -> Replay<'_> {
        Replay {
            control: self.part(self.layout.replay_control),
            data: self.part(self.layout.replay_data),
            clock_s: self.word(hot::REPLAY_CLOCK_S),
            iat_floor_s: self.word(hot::IAT_FLOOR_S),
            key: self.key,
        }
    }

    /// Token buckets of sources.
    pub(crate) fn buckets(&self) -> Buckets<'_> {
        Buckets {
            words: self.part(self.layout.buckets),
            key: self.key,
        }
    }

    /// Seats of experts.
    pub(crate) fn quota(&self) -> Quota<'_> {
        Quota {
            experts: self.part(self.layout.experts),
            blocks: self.part(self.layout.blocks),
            blocks_used: self.word(hot::BLOCKS_USED),
            experts_used: self.word(hot::EXPERTS_USED),
            key: self.key,
        }
    }

    /// Calls approved here.
    pub(crate) fn calls(&self) -> Calls<'_> {
        Calls {
            control: self.part(self.layout.call_control),
            data: self.part(self.layout.call_data),
            key: self.key,
        }
    }

    /// Whether the witness writer stalls.
    pub(crate) fn stall(&self) -> Stall<'_> {
        Stall {
            next_probe_ms: self.word(hot::WITNESS_STALL),
            log_size: self.word(hot::WITNESS_STALL_SIZE),
        }
    }

    /// The budget of entries about refused strangers.
    pub(crate) fn refusals(&self) -> Refusals<'_> {
        Refusals {
            words: self.part(self.layout.refusals),
            key: self.key,
        }
    }

    /// Counters of all processes.
    pub(crate) fn counters(&self) -> Counters<'_> {
        Counters {
            words: self.part(self.layout.counters),
        }
    }

    /// Slots of the replay table.
    pub(crate) fn replay_slots(&self) -> u64 {
        self.layout.replay_slots as u64
    }

    /// Number of the registry image in force; 0 before the first.
    pub(crate) fn generation(&self) -> u64 {
        self.word(hot::GENERATION).load(SeqCst)
    }

    /// Puts a registry image in force.
    pub(crate) fn publish(&self, generation: u64, experts: u64, unix_s: u64) {
        self.word(hot::REGISTRY_EXPERTS).store(experts, SeqCst);
        self.word(hot::REGISTRY_LOADED_UNIX_S).store(unix_s, SeqCst);
        self.word(hot::GENERATION).store(generation, SeqCst);
    }

    /// Experts of the registry in force, and when it was loaded (unix s).
    pub(crate) fn registry_facts(&self) -> (u64, u64) {
        (
            self.word(hot::REGISTRY_EXPERTS).load(SeqCst),
            self.word(hot::REGISTRY_LOADED_UNIX_S).load(SeqCst),
        )
    }

    /// When the state was made or the counters were last reset, unix s.
    pub(crate) fn started_unix_s(&self) -> u64 {
        self.word(hot::STARTED_UNIX_S).load(SeqCst)
    }

    /// Sets the counters to 0.
    pub(crate) fn reset_counters(&self, unix_s: u64) {
        self.counters().reset();
        self.word(hot::STARTED_UNIX_S).store(unix_s, SeqCst);
    }

    /// For a sole owner: makes room when slots of experts run low, or finishes what a killed owner began.
    ///
    /// Calls under way get their seats again. Per-minute seats are forgotten.
    fn rebuild_quotas(&self, now_s: u64) {
        let quota = self.quota();
        let rebuilding = self.word(hot::REBUILDING);
        if rebuilding.load(SeqCst) == 0 && !quota.runs_low() {
            return;
        }
        rebuilding.store(1, SeqCst);
        quota.clear();
        self.calls().reseat(now_s, |expert, tag, expires_s| {
            let expert = quota.expert(expert)?;
            // No limit: these calls are under way, whatever the registry says.
            match quota.claim(expert, Limit::Concurrent, u32::MAX, tag, expires_s, now_s) {
                quota::Claim::Seat(seat) => Some(seat),
                quota::Claim::AllHeld { .. } | quota::Claim::Full => None,
            }
        });
        rebuilding.store(0, SeqCst);
    }

    /// Gives the seat of an ended call back.
    pub(crate) fn release(&self, seat: Option<(Seat, u32)>) {
        if let Some((seat, tag)) = seat {
            self.quota().release(seat, tag);
        }
    }
}
