//! The budget of entries about unauthenticated refusals, per source and in all, and the count of
//! those omitted; shared by all workers.
//!
//! Any sender can cause refusals, at any rate, from forged source addresses; an entry for each
//! could fill the disk. So refusals have a budget. Those above it are counted, with the instants of
//! the first and the last, and one entry sums them up, at most every [`SUMMARY_MS`].
//!
//! A keyed hash chooses a source's bucket. Two sources with one bucket share a budget, so the table
//! is never full, however many addresses are forged. Counts are subtracted after the summary is
//! written: a worker killed in between makes the next summary count some twice, never less.

use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed, Ordering::SeqCst};

use ife_guard::{Now, Token};

use super::bucket::{charge, has_token};
use super::hash::Key;
use super::step::step;

/// Time from the first omitted refusal to the summary, and between two summaries.
const SUMMARY_MS: u64 = 5_000;
/// Largest burst, in seconds of the rate.
const BURST_S: u32 = 100;
/// One source gets this fraction of the whole budget.
const SOURCE_SHARE: u32 = 5;

const BUCKETS: usize = 1024;
/// Number of recent refusals that are known again.
const RECENT: usize = 4096;
/// How long a retransmission may follow its request, seconds: 64 x T1 of RFC 3261.
const RECENT_S: u64 = 32;
/// Words of the table: one cache line for all, the sources, the recent refusals.
pub(super) const WORDS: usize = FIRST_RECENT + RECENT;

const TOTAL: usize = 0;
const COUNT: usize = 1;
const FIRST_NS: usize = 2;
const LAST_NS: usize = 3;
/// When the next summary may be written, ms.
const DUE_MS: usize = 4;
const FIRST_BUCKET: usize = 8;
const FIRST_RECENT: usize = FIRST_BUCKET + BUCKETS;

/// The budget and the count of omitted refusals.
pub(crate) struct Refusals<'a> {
    pub(super) words: &'a [AtomicU64],
    pub(super) key: Key,
}

/// Refusals without an entry of their own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Omitted {
    pub(crate) count: u64,
    pub(crate) first_unix_ns: u64,
    pub(crate) last_unix_ns: u64,
}

impl Refusals<'_> {
    /// Returns true if a refusal of `source` may be written; false when the budget of `rate_per_s`
    /// in all, or the source's share of it, is spent.
    pub(crate) fn may_write(&self, source: IpAddr, rate_per_s: u32, now: Now) -> bool {
        let now_us = now.mono_ms * 1000;
        let take = |word: &AtomicU64, rate: u32| {
            charge(word, rate, rate.saturating_mul(BURST_S), now_us) == Token::Taken
        };
        // The source's own budget first: a source above its share takes nothing from the others.
        take(self.bucket(source), (rate_per_s / SOURCE_SHARE).max(1))
            && take(&self.words[TOTAL], rate_per_s)
    }

    /// Like [`Self::may_write`], but takes nothing.
    pub(crate) fn has_budget(&self, source: IpAddr, rate_per_s: u32, now: Now) -> bool {
        let now_us = now.mono_ms * 1000;
        let has = |word: &AtomicU64, rate: u32| {
            has_token(word, rate, rate.saturating_mul(BURST_S), now_us)
        };
        has(self.bucket(source), (rate_per_s / SOURCE_SHARE).max(1))
            && has(&self.words[TOTAL], rate_per_s)
    }

    /// Notes a refusal that is not written.
    pub(crate) fn omit(&self, now: Now, unix_ns: u64) {
        self.words[LAST_NS].fetch_max(unix_ns, SeqCst);
        step();
        // The first of a series sets its beginning. A worker killed before that makes the series
        // appear to begin earlier.
        if self.words[COUNT].fetch_add(1, SeqCst) == 0 {
            step();
            self.words[FIRST_NS].store(unix_ns, SeqCst);
            self.words[DUE_MS].fetch_max(now.mono_ms + SUMMARY_MS, SeqCst);
        } else {
            self.words[FIRST_NS].fetch_min(unix_ns, SeqCst);
        }
    }

    /// Returns the summary to write, to one caller alone; `at_once` at the end of a process.
    pub(crate) fn due(&self, now_ms: u64, at_once: bool) -> Option<Omitted> {
        if self.words[COUNT].load(Relaxed) == 0 {
            return None;
        }
        let due_ms = self.words[DUE_MS].load(SeqCst);
        if now_ms < due_ms && !at_once {
            return None;
        }
        step();
        // The worker that moves the time on writes the summary.
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

    /// Subtracts a summary that is in the log.
    pub(crate) fn written(&self, omitted: &Omitted) {
        step();
        let left = self.words[COUNT]
            .fetch_update(SeqCst, SeqCst, |count| {
                Some(count.saturating_sub(omitted.count))
            })
            .map_or(0, |before| before.saturating_sub(omitted.count));
        if left > 0 {
            // Some were omitted while the summary was written, or at its last instant.
            let _ = self.words[FIRST_NS].compare_exchange(
                omitted.first_unix_ns,
                omitted.last_unix_ns,
                SeqCst,
                SeqCst,
            );
        }
    }

    /// Returns true if the refusal with this identity has an entry that is not older than a
    /// retransmission can be. Later refusals may displace one: then a retransmission has an entry
    /// as well.
    pub(crate) fn is_recent(&self, identity: &[u8], now: Now) -> bool {
        let (word, tag) = self.recent(identity);
        let known = word.load(Relaxed);
        let age_s = (now.mono_ms / 1000).wrapping_sub(known & u64::from(u32::MAX));
        known >> 32 == tag && age_s < RECENT_S
    }

    /// Notes that the refusal with this identity has an entry.
    pub(crate) fn remember(&self, identity: &[u8], now: Now) {
        let (word, tag) = self.recent(identity);
        let now_s = (now.mono_ms / 1000) & u64::from(u32::MAX);
        word.store(tag << 32 | now_s, Relaxed);
    }

    fn recent(&self, identity: &[u8]) -> (&AtomicU64, u64) {
        let hash = self.key.hash(identity);
        let index = hash.high as usize % RECENT;
        (&self.words[FIRST_RECENT + index], hash.low >> 32 | 1)
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
