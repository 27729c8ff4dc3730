//! State that all workers share: one file on tmpfs, mapped before the fork, fixed layout, atomics
//! only.
//!
//! No table takes a lock, allocates or needs a sweeper: time and memory per call are bounded, and a
//! worker killed at any instruction leaves every table usable. Its unfinished claims expire.

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
pub(crate) mod tests;

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

    /// Enters the pages into this process's page tables. For use after the fork.
    pub(crate) fn populate(&self) {
        self.map.populate();
    }

    fn part(&self, part: layout::Part) -> &[AtomicU64] {
        self.map.words(part.offset, part.words)
    }

    fn word(&self, index: usize) -> &AtomicU64 {
        &self.map.words(0, 64)[index]
    }

    pub(crate) fn replay(&self) -> Replay<'_> {
        Replay {
            control: self.part(self.layout.replay_control),
            data: self.part(self.layout.replay_data),
            clock_s: self.word(hot::REPLAY_CLOCK_S),
            iat_floor_s: self.word(hot::IAT_FLOOR_S),
            key: self.key,
        }
    }

    pub(crate) fn buckets(&self) -> Buckets<'_> {
        Buckets {
            words: self.part(self.layout.buckets),
            key: self.key,
        }
    }

    pub(crate) fn quota(&self) -> Quota<'_> {
        Quota {
            experts: self.part(self.layout.experts),
            blocks: self.part(self.layout.blocks),
            blocks_used: self.word(hot::BLOCKS_USED),
            experts_used: self.word(hot::EXPERTS_USED),
            key: self.key,
        }
    }

    /// Returns the calls that the gate approved.
    pub(crate) fn calls(&self) -> Calls<'_> {
        Calls {
            control: self.part(self.layout.call_control),
            data: self.part(self.layout.call_data),
            key: self.key,
        }
    }

    /// Returns the state of the witness writer's stall.
    pub(crate) fn stall(&self) -> Stall<'_> {
        Stall {
            next_probe_ms: self.word(hot::WITNESS_STALL),
            log_size: self.word(hot::WITNESS_STALL_SIZE),
        }
    }

    /// Returns the budget of entries about unauthenticated refusals.
    pub(crate) fn refusals(&self) -> Refusals<'_> {
        Refusals {
            words: self.part(self.layout.refusals),
            key: self.key,
        }
    }

    pub(crate) fn counters(&self) -> Counters<'_> {
        Counters {
            words: self.part(self.layout.counters),
        }
    }

    pub(crate) fn replay_slots(&self) -> u64 {
        self.layout.replay_slots as u64
    }

    /// Returns the number of the registry image in force; 0 before the first.
    pub(crate) fn generation(&self) -> u64 {
        self.word(hot::GENERATION).load(SeqCst)
    }

    /// Puts a registry image in force.
    pub(crate) fn publish(&self, generation: u64, experts: u64, unix_s: u64) {
        self.word(hot::REGISTRY_EXPERTS).store(experts, SeqCst);
        self.word(hot::REGISTRY_LOADED_UNIX_S).store(unix_s, SeqCst);
        self.word(hot::GENERATION).store(generation, SeqCst);
    }

    /// Returns the number of experts of the registry in force, and when it was loaded (unix s).
    pub(crate) fn registry_facts(&self) -> (u64, u64) {
        (
            self.word(hot::REGISTRY_EXPERTS).load(SeqCst),
            self.word(hot::REGISTRY_LOADED_UNIX_S).load(SeqCst),
        )
    }

    /// Returns when the state was made or the counters were last reset, unix s.
    pub(crate) fn started_unix_s(&self) -> u64 {
        self.word(hot::STARTED_UNIX_S).load(SeqCst)
    }

    pub(crate) fn reset_counters(&self, unix_s: u64) {
        self.counters().reset();
        self.word(hot::STARTED_UNIX_S).store(unix_s, SeqCst);
    }

    /// Clears and rebuilds the quotas when slots of experts run low, or when a killed owner left
    /// them half rebuilt. For a sole owner.
    ///
    /// Calls under way get seats again. Per-minute seats are lost.
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
            // No limit: these calls are under way already.
            match quota.claim(expert, Limit::Concurrent, u32::MAX, tag, expires_s, now_s) {
                quota::Claim::Seat(seat) => Some(seat),
                quota::Claim::AllHeld { .. } | quota::Claim::Full => None,
            }
        });
        rebuilding.store(0, SeqCst);
    }

    /// Returns the seat of an ended call.
    pub(crate) fn release(&self, seat: Option<(Seat, u32)>) {
        if let Some((seat, tag)) = seat {
            self.quota().release(seat, tag);
        }
    }
}
