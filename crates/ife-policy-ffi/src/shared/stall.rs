//! Whether waiting for the disk is worthwhile, shared by all workers.
//!
//! ```text
//! 0 (the writer moves) --a wait timed out and the log did not grow--> time of the next probe, ms
//!         ^--------------a wait succeeded, or the log has grown-----------'
//! ```
//!
//! While the writer stalls, every decision would hold a worker for the whole deadline and delay
//! requests of other calls. So one worker per second probes, and the others do not wait. The writer
//! publishes the size of the log in the doorbell's page: the first batch that it syncs ends the
//! stall for all workers at once.

use std::sync::atomic::{AtomicU64, Ordering::SeqCst};

/// Time between two decisions that wait during a stall.
const PROBE_MS: u64 = 1000;

/// The way a decision takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Turn {
    /// Wait for the disk.
    Wait,
    /// Do not wait: it would be in vain.
    Skip,
}

/// Two words in shared memory. They change separately: a mixed pair costs one wait too many.
pub(crate) struct Stall<'a> {
    pub(super) next_probe_ms: &'a AtomicU64,
    /// Entries on disk when the writer was found to stall.
    pub(super) log_size: &'a AtomicU64,
}

impl Stall<'_> {
    /// Returns the way of a decision. `log_size`: entries on disk, from the writer.
    pub(crate) fn turn(&self, now_ms: u64, log_size: u64) -> Turn {
        let next_probe_ms = self.next_probe_ms.load(SeqCst);
        if next_probe_ms == 0 {
            return Turn::Wait;
        }
        // Another size, not a larger one: a new log begins small.
        if log_size != self.log_size.load(SeqCst) {
            self.progressed();
            return Turn::Wait;
        }
        let is_due = now_ms >= next_probe_ms;
        let is_ours = || {
            self.next_probe_ms
                .compare_exchange(next_probe_ms, now_ms + PROBE_MS, SeqCst, SeqCst)
                .is_ok()
        };
        if is_due && is_ours() {
            Turn::Wait
        } else {
            Turn::Skip
        }
    }

    /// Notes that a wait timed out while the log stayed at `log_size` entries.
    pub(crate) fn timed_out(&self, now_ms: u64, log_size: u64) {
        self.log_size.store(log_size, SeqCst);
        self.next_probe_ms.fetch_max(now_ms + PROBE_MS, SeqCst);
    }

    /// Notes that an entry reached the disk.
    pub(crate) fn progressed(&self) {
        if self.next_probe_ms.load(SeqCst) != 0 {
            self.next_probe_ms.store(0, SeqCst);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_probe_a_second_until_the_log_grows() {
        let words = [AtomicU64::new(0), AtomicU64::new(0)];
        let stall = Stall {
            next_probe_ms: &words[0],
            log_size: &words[1],
        };
        assert_eq!(stall.turn(5_000, 70), Turn::Wait);
        stall.timed_out(5_500, 70);
        assert_eq!(stall.turn(5_501, 70), Turn::Skip);
        assert_eq!(stall.turn(6_500, 70), Turn::Wait, "the probe");
        assert_eq!(
            stall.turn(6_501, 70),
            Turn::Skip,
            "it was another worker's turn"
        );
        assert_eq!(stall.turn(6_502, 71), Turn::Wait, "the log has grown");
        assert_eq!(stall.turn(6_503, 71), Turn::Wait, "for everybody");
        stall.timed_out(7_000, 71);
        assert_eq!(stall.turn(7_001, 71), Turn::Skip);
        assert_eq!(stall.turn(7_002, 1), Turn::Wait, "another log");
        stall.timed_out(8_000, 1);
        stall.progressed();
        assert_eq!(stall.turn(8_001, 1), Turn::Wait);
    }
}
