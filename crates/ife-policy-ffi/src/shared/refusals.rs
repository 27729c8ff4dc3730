//! How many refusals of strangers may be written to the log, per source and in all, and what was not written; shared by all workers.
//!
//! Anybody can be refused, at any rate, from any address that he cares to write into a datagram: an entry for each would let him fill the
//! disk. So refusals have a budget. What is over it is counted, with the instants of the first and the last, and written as one entry
//! for all of them, at most every [`SUMMARY_MS`].
//!
//! A source's bucket is chosen by a keyed hash and may be another source's too: then the two share a budget. So the table is never full, however
//! many addresses are made up. Counts are added before and taken off after the summary is written: a worker killed in between
//! makes the next summary count some once more, never less.

use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed, Ordering::SeqCst};

use ife_guard::{Now, Token};

use super::bucket::charge;
use super::hash::Key;
use super::step::step;

/// Time from the first refusal that is omitted to the summary, and between two summaries.
const SUMMARY_MS: u64 = 5_000;
/// Seconds' worth of refusals that may come at once.
const BURST_S: u32 = 100;
/// One source gets this part of what all get together.
const SOURCE_SHARE: u32 = 5;

const BUCKETS: usize = 1024;
/// Words of the table: one cache line for all, then the sources.
pub(super) const WORDS: usize = FIRST_BUCKET + BUCKETS;

const TOTAL: usize = 0;
const COUNT: usize = 1;
const FIRST_NS: usize = 2;
const LAST_NS: usize = 3;
/// When the next summary may be written, ms.
const DUE_MS: usize = 4;
const FIRST_BUCKET: usize = 8;

/// The budget and what exceeded it.
pub(crate) struct Refusals<'a> {
    pub(super) words: &'a [AtomicU64],
    pub(super) key: Key,
}

/// Refusals that were not written one by one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Omitted {
    pub(crate) count: u64,
    pub(crate) first_unix_ns: u64,
    pub(crate) last_unix_ns: u64,
}

impl Refusals<'_> {
    /// True if a refusal of `source` may be written; false when the budget of `rate_per_s` in all, or the source's share of it, is spent.
    pub(crate) fn may_write(&self, source: IpAddr, rate_per_s: u32, now: Now) -> bool {
        let now_us = now.mono_ms * 1000;
        let take = |word: &AtomicU64, rate: u32| {
            charge(word, rate, rate.saturating_mul(BURST_S), now_us) == Token::Taken
        };
        // The source's own first: whoever is over his share takes nothing from the others.
        take(self.bucket(source), (rate_per_s / SOURCE_SHARE).max(1))
            && take(&self.words[TOTAL], rate_per_s)
    }

    /// Notes a refusal that is not written.
    pub(crate) fn omit(&self, now: Now, unix_ns: u64) {
        self.words[LAST_NS].fetch_max(unix_ns, SeqCst);
        step();
        // The first of a series sets its beginning; killed before that, the series seems to begin earlier than it did.
        if self.words[COUNT].fetch_add(1, SeqCst) == 0 {
            step();
            self.words[FIRST_NS].store(unix_ns, SeqCst);
            self.words[DUE_MS].fetch_max(now.mono_ms + SUMMARY_MS, SeqCst);
        } else {
            self.words[FIRST_NS].fetch_min(unix_ns, SeqCst);
        }
    }

    /// What is to be written now, to this caller alone; `at_once` at the end of a process that may be the last.
    pub(crate) fn due(&self, now_ms: u64, at_once: bool) -> Option<Omitted> {
        if self.words[COUNT].load(Relaxed) == 0 {
            return None;
        }
        let due_ms = self.words[DUE_MS].load(SeqCst);
        if now_ms < due_ms && !at_once {
            return None;
        }
        step();
        // Whoever moves the time on writes the summary.
        self.words[DUE_MS]
            .compare_exchange(due_ms, now_ms + SUMMARY_MS, SeqCst, SeqCst)
            .ok()?;
        step();
        let count = self.words[COUNT].load(SeqCst);
        let last_unix_ns = self.words[LAST_NS].load(SeqCst);
        let first_unix_ns = self.words[FIRST_NS].load(SeqCst).min(last_unix_ns);
        (count > 0).then_some(Omitted {
            count,
            first_unix_ns,
            last_unix_ns,
        })
    }

    /// This summary is in the log.
    pub(crate) fn written(&self, omitted: &Omitted) {
        step();
        let left = self.words[COUNT]
            .fetch_update(SeqCst, SeqCst, |count| {
                Some(count.saturating_sub(omitted.count))
            })
            .map_or(0, |before| before.saturating_sub(omitted.count));
        if left > 0 {
            // Omitted while the summary was written: after its last one, or at that instant.
            let _ = self.words[FIRST_NS].compare_exchange(
                omitted.first_unix_ns,
                omitted.last_unix_ns,
                SeqCst,
                SeqCst,
            );
        }
    }

    fn bucket(&self, source: IpAddr) -> &AtomicU64 {
        let octets = match source {
            IpAddr::V4(v4) => v4.to_ipv6_mapped().octets(),
            IpAddr::V6(v6) => v6.octets(),
        };
        let index = self.key.hash(&octets).high as usize % BUCKETS;
        &self.words[FIRST_BUCKET + index]
    }
}
