//! Whether it is worth waiting for the disk, shared by all workers.
//!
//! ```text
//! 0 (the writer moves) --a wait timed out without any progress--> time of the next probe, ms
//!         ^--------------a wait succeeded, or an entry pushed since is on disk--------'
//! ```
//!
//! While the writer stalls, every decision would hold a worker for the whole deadline, and requests of other calls would queue up behind
//! it. So one worker a second tries, and the others do not wait.

use std::sync::atomic::{AtomicU64, Ordering::SeqCst};

/// Time between two decisions that wait in spite of it.
const PROBE_MS: u64 = 1000;

/// What a decision may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Turn {
    /// Wait for the disk.
    Wait,
    /// Not wait: it would be in vain.
    Skip,
}

/// The word in shared memory.
pub(crate) struct Stall<'a>(pub(super) &'a AtomicU64);

impl Stall<'_> {
    /// `durable_push_ms`: when this worker pushed its last entry, if that is on disk.
    pub(crate) fn turn(&self, now_ms: u64, durable_push_ms: impl FnOnce() -> Option<u64>) -> Turn {
        let next_probe_ms = self.0.load(SeqCst);
        if next_probe_ms == 0 {
            return Turn::Wait;
        }
        let timed_out_ms = next_probe_ms.saturating_sub(PROBE_MS);
        if durable_push_ms().is_some_and(|pushed_ms| pushed_ms > timed_out_ms) {
            self.progressed();
            return Turn::Wait;
        }
        let is_due = now_ms >= next_probe_ms;
        let is_ours = || {
            self.0
                .compare_exchange(next_probe_ms, now_ms + PROBE_MS, SeqCst, SeqCst)
                .is_ok()
        };
        if is_due && is_ours() {
            Turn::Wait
        } else {
            Turn::Skip
        }
    }

    /// A wait ended in vain and nothing at all reached the disk meanwhile.
    pub(crate) fn timed_out(&self, now_ms: u64) {
        self.0.fetch_max(now_ms + PROBE_MS, SeqCst);
    }

    /// Something reached the disk.
    pub(crate) fn progressed(&self) {
        if self.0.load(SeqCst) != 0 {
            self.0.store(0, SeqCst);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_probe_a_second_until_something_moves() {
        let word = AtomicU64::new(0);
        let stall = Stall(&word);
        let idle = || None;
        assert_eq!(stall.turn(5_000, idle), Turn::Wait);
        stall.timed_out(5_500);
        assert_eq!(stall.turn(5_501, idle), Turn::Skip);
        assert_eq!(stall.turn(6_500, idle), Turn::Wait, "the probe");
        assert_eq!(
            stall.turn(6_501, idle),
            Turn::Skip,
            "somebody else's turn was it"
        );
        assert_eq!(
            stall.turn(6_502, || Some(5_400)),
            Turn::Skip,
            "on disk before the writer stalled"
        );
        assert_eq!(
            stall.turn(6_503, || Some(6_501)),
            Turn::Wait,
            "pushed since, and on disk"
        );
        assert_eq!(stall.turn(6_504, idle), Turn::Wait);
        stall.timed_out(7_000);
        stall.progressed();
        assert_eq!(stall.turn(7_001, idle), Turn::Wait);
    }
}
