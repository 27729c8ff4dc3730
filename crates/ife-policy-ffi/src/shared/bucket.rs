//! Token buckets per source address, shared by all workers.
//!
//! A bucket is one word: the time at which it will be full again (GCRA). A full bucket is as good as none, so its slot may be given to
//! another source at any time; no sweeper is needed and a killed worker leaves nothing behind. Two workers that enter a new source at the
//! same instant may make two buckets of it: one is used, the other fills up and is given away.

use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use ife_guard::{Now, Token};

use super::hash::Key;
use super::probe::Lines;
use super::step::step;

const SLOTS_PER_LINE: usize = 4;
const LINES_MAX: usize = 16;
const TRIES: usize = 64;

/// The table: per slot the hash of the source and the time (us) at which its bucket is full again.
pub(crate) struct Buckets<'a> {
    pub(super) words: &'a [AtomicU64],
    pub(super) key: Key,
}

impl Buckets<'_> {
    /// See [`ife_guard::State::take_token`].
    pub(crate) fn take(&self, source: IpAddr, rate_per_s: u32, burst: u32, now: Now) -> Token {
        let now_us = now.mono_ms * 1000;
        match self.bucket(source, now_us) {
            Some(full_at_us) => charge(full_at_us, rate_per_s, burst, now_us),
            None => Token::TableFull,
        }
    }

    /// The bucket of `source`, made if need be.
    fn bucket(&self, source: IpAddr, now_us: u64) -> Option<&AtomicU64> {
        let octets = match source {
            IpAddr::V4(v4) => v4.to_ipv6_mapped().octets(),
            IpAddr::V6(v6) => v6.octets(),
        };
        let hash = self.key.hash(&octets);
        let name = hash.low | 1;
        'search: for _ in 0..TRIES {
            let mut free = None;
            'lines: for line in Lines::new(hash, self.words.len() / 2, SLOTS_PER_LINE, LINES_MAX) {
                for slot in line..line + SLOTS_PER_LINE {
                    let (owner, full_at_us) = (&self.words[2 * slot], &self.words[2 * slot + 1]);
                    step();
                    let found = owner.load(Relaxed);
                    if found == name {
                        return Some(full_at_us);
                    }
                    if free.is_none() && (found == 0 || full_at_us.load(Relaxed) <= now_us) {
                        free = Some((owner, found, full_at_us));
                    }
                    if found == 0 {
                        break 'lines;
                    }
                }
            }
            let (owner, found, full_at_us) = free?;
            step();
            if owner
                .compare_exchange(found, name, Relaxed, Relaxed)
                .is_err()
            {
                continue 'search;
            }
            return Some(full_at_us);
        }
        None
    }
}

pub(super) fn charge(full_at_us: &AtomicU64, rate_per_s: u32, burst: u32, now_us: u64) -> Token {
    let interval_us = 1_000_000 / u64::from(rate_per_s.max(1));
    let capacity_us = interval_us * u64::from(burst.max(1));
    let mut before = full_at_us.load(Relaxed);
    for _ in 0..TRIES {
        // Clamped at both ends: empty is as empty as it gets, even if the rate was lower when the bucket was charged.
        let after = before.clamp(now_us, now_us + capacity_us) + interval_us;
        let over_us = after.saturating_sub(now_us + capacity_us);
        if over_us > 0 {
            // At most a few seconds: one interval.
            return Token::Empty {
                retry_after_s: u32::try_from(over_us.div_ceil(1_000_000)).unwrap_or(u32::MAX),
            };
        }
        step();
        match full_at_us.compare_exchange(before, after, Relaxed, Relaxed) {
            Ok(_) => return Token::Taken,
            Err(other) => before = other,
        }
    }
    Token::Empty { retry_after_s: 1 }
}
