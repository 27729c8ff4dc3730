//! Token buckets per source address, shared by all workers.
//!
//! A bucket is one word: the time at which it will be full again (GCRA). A full bucket equals none,
//! so its slot may pass to another source at any time; no sweeper is needed and a killed worker
//! leaves nothing behind. Two workers that enter a new source at the same instant may make two
//! buckets of it: one is used, the other fills up and is reused.

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

    /// Returns the bucket of `source`, made if needed.
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
            // The new source does not pay for tokens that the last source took in between.
            full_at_us.fetch_min(now_us, Relaxed);
            return Some(full_at_us);
        }
        None
    }
}

/// What one more token makes of a bucket.
struct Charged {
    full_at_us: u64,
    /// Above 0: the bucket is empty.
    over_us: u64,
}

fn charged(before: u64, rate_per_s: u32, burst: u32, now_us: u64) -> Charged {
    let interval_us = 1_000_000 / u64::from(rate_per_s.max(1));
    let capacity_us = interval_us * u64::from(burst.max(1));
    // Clamped at both ends, also if the rate was lower when the bucket was charged.
    let full_at_us = before.clamp(now_us, now_us + capacity_us) + interval_us;
    Charged {
        full_at_us,
        over_us: full_at_us.saturating_sub(now_us + capacity_us),
    }
}

/// Returns true if [`charge`] would take a token.
pub(super) fn has_token(full_at_us: &AtomicU64, rate_per_s: u32, burst: u32, now_us: u64) -> bool {
    charged(full_at_us.load(Relaxed), rate_per_s, burst, now_us).over_us == 0
}

pub(super) fn charge(full_at_us: &AtomicU64, rate_per_s: u32, burst: u32, now_us: u64) -> Token {
    let mut before = full_at_us.load(Relaxed);
    for _ in 0..TRIES {
        let Charged {
            full_at_us: after,
            over_us,
        } = charged(before, rate_per_s, burst, now_us);
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

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::rc::Rc;
    use std::sync::Arc;

    use super::super::step::testing::with_hook;
    use super::*;

    const BURST: u32 = 3;

    fn take(words: &[AtomicU64], source: IpAddr) -> Token {
        let key = Key(1, 2);
        let now = Now {
            unix_ms: 0,
            mono_ms: 100_000,
        };
        Buckets { words, key }.take(source, 1, BURST, now)
    }

    #[test]
    fn a_source_does_not_pay_for_the_last_one_in_its_slot() {
        let [old, new] = ["192.0.2.1", "192.0.2.2"].map(|text| text.parse().expect("an address"));
        // One line, so that both sources search the same slots.
        let words: Arc<Vec<AtomicU64>> =
            Arc::new((0..2 * SLOTS_PER_LINE).map(|_| AtomicU64::new(0)).collect());
        let name = |source: IpAddr| {
            take(&words, source);
            words[0].load(Relaxed)
        };
        let owner = name(old);
        words[1].store(0, Relaxed);
        // The old source empties its bucket just before the new one takes the slot over.
        let (steps, shared) = (Rc::new(Cell::new(0)), Arc::clone(&words));
        let hook = move || {
            steps.set(steps.get() + 1);
            if steps.get() == 3 {
                while take(&shared, old) == Token::Taken {}
            }
        };
        let first = with_hook(hook, || take(&words, new));
        assert_ne!(words[0].load(Relaxed), owner, "the slot is the new one's");
        assert_eq!(first, Token::Taken);
        for _ in 1..BURST {
            assert_eq!(take(&words, new), Token::Taken);
        }
        assert_eq!(take(&words, new), Token::Empty { retry_after_s: 1 });
    }
}
