//! State in hash maps: the reference for every [`State`], for tests and decisions without a proxy.

use std::collections::HashMap;
use std::net::IpAddr;

use crate::state::{
    Begin, CallKey, CallLimits, Now, SAME_ATTEMPT_REPEATS_MAX, SAME_ATTEMPT_WINDOW_MS, Sight,
    State, Token,
};

const MINUTE_MS: u64 = 60_000;

/// [`State`] of one process, lost with it.
#[derive(Clone, Debug)]
pub struct MemoryState {
    /// Limit of entries in each table.
    capacity: usize,
    /// Signatures made before this instant are refused.
    born_unix_ms: u64,
    buckets: HashMap<IpAddr, Bucket>,
    sights: HashMap<[u8; 32], Seen>,
    spent: HashMap<[u8; 32], Seen>,
    calls: HashMap<CallKey, Call>,
    /// Starts of the last minute, per expert.
    starts: HashMap<u64, Vec<u64>>,
}

#[derive(Clone, Copy, Debug)]
struct Bucket {
    /// Thousandths of a token.
    level: u64,
    at_ms: u64,
}

#[derive(Clone, Copy, Debug)]
struct Seen {
    attempt: u64,
    first_ms: u64,
    repeats: u32,
    expires_unix_s: u64,
}

#[derive(Clone, Copy, Debug)]
struct Call {
    expert: u64,
    lease_ends_ms: u64,
}

impl MemoryState {
    /// Returns an empty state, of any age, without bounds.
    #[must_use]
    pub fn new() -> Self {
        Self {
            capacity: usize::MAX,
            born_unix_ms: 0,
            buckets: HashMap::new(),
            sights: HashMap::new(),
            spent: HashMap::new(),
            calls: HashMap::new(),
            starts: HashMap::new(),
        }
    }

    /// Returns an empty state that begins at this instant.
    #[must_use]
    pub fn born(now: Now) -> Self {
        Self {
            born_unix_ms: now.unix_ms,
            ..Self::new()
        }
    }

    /// Limits the entries of each table.
    #[must_use]
    pub fn with_capacity(capacity: usize) -> Self {
        Self {
            capacity,
            ..Self::new()
        }
    }

    /// Frees the slot of a call that ended.
    pub fn end_call(&mut self, call: &CallKey) {
        self.calls.remove(call);
    }

    /// Returns the number of an expert's calls that hold a slot.
    pub fn active_calls(&self, expert: u64, now: Now) -> usize {
        self.calls
            .values()
            .filter(|call| call.expert == expert && call.lease_ends_ms > now.mono_ms)
            .count()
    }
}

impl Default for MemoryState {
    fn default() -> Self {
        Self::new()
    }
}

impl State for MemoryState {
    fn take_token(&mut self, source: IpAddr, rate_per_s: u32, burst: u32, now: Now) -> Token {
        let (rate, full) = (u64::from(rate_per_s), u64::from(burst) * 1000);
        if !self.buckets.contains_key(&source) && self.buckets.len() >= self.capacity {
            return Token::TableFull;
        }
        let bucket = self.buckets.entry(source).or_insert(Bucket {
            level: full,
            at_ms: now.mono_ms,
        });
        // A token a second is a thousandth of a token a millisecond.
        let gained = now
            .mono_ms
            .saturating_sub(bucket.at_ms)
            .saturating_mul(rate);
        bucket.level = bucket.level.saturating_add(gained).min(full);
        bucket.at_ms = now.mono_ms;
        if bucket.level >= 1000 {
            bucket.level -= 1000;
            return Token::Taken;
        }
        let wait_ms = (1000 - bucket.level).div_ceil(rate.max(1));
        Token::Empty {
            retry_after_s: u32::try_from(wait_ms.div_ceil(1000)).unwrap_or(u32::MAX),
        }
    }

    fn first_sight(
        &mut self,
        key: &[u8; 32],
        attempt: u64,
        iat: u64,
        expires_unix_s: u64,
        now: Now,
    ) -> Sight {
        if iat.saturating_mul(1000) < self.born_unix_ms {
            return Sight::BornLater;
        }
        self.sights
            .retain(|_, seen| seen.expires_unix_s > now.unix_s());
        sight(
            &mut self.sights,
            self.capacity,
            key,
            Seen {
                attempt,
                first_ms: now.mono_ms,
                repeats: 0,
                expires_unix_s,
            },
        )
    }

    fn legacy_first_sight(&mut self, key: &[u8; 32], attempt: u64, now: Now) -> Sight {
        let seen = Seen {
            attempt,
            first_ms: now.mono_ms,
            repeats: 0,
            expires_unix_s: u64::MAX,
        };
        sight(&mut self.spent, self.capacity, key, seen)
    }

    fn begin_call(&mut self, expert: u64, call: &CallKey, limits: CallLimits, now: Now) -> Begin {
        self.calls
            .retain(|_, call| call.lease_ends_ms > now.mono_ms);
        if self.calls.contains_key(call) {
            return Begin::Already;
        }
        if self.active_calls(expert, now) >= limits.concurrent as usize {
            return Begin::TooManyConcurrent;
        }
        if self.calls.len() >= self.capacity {
            return Begin::TableFull;
        }
        let starts = self.starts.entry(expert).or_default();
        starts.retain(|start| start + MINUTE_MS > now.mono_ms);
        if limits.per_minute > 0 {
            if starts.len() >= limits.per_minute as usize {
                let free_ms = starts
                    .iter()
                    .min()
                    .map_or(0, |first| first + MINUTE_MS - now.mono_ms);
                return Begin::TooManyPerMinute {
                    retry_after_s: free_ms.div_ceil(1000).max(1) as u32,
                };
            }
            starts.push(now.mono_ms);
        }
        let lease_ends_ms = now.mono_ms + 1000 * u64::from(limits.lease_s);
        self.calls.insert(
            *call,
            Call {
                expert,
                lease_ends_ms,
            },
        );
        Begin::Started
    }

    fn abort_call(&mut self, call: &CallKey) {
        self.calls.remove(call);
    }
}

fn sight(table: &mut HashMap<[u8; 32], Seen>, capacity: usize, key: &[u8; 32], new: Seen) -> Sight {
    let full = table.len() >= capacity;
    match table.get_mut(key) {
        Some(seen) => {
            let soon = new.first_ms.saturating_sub(seen.first_ms) <= SAME_ATTEMPT_WINDOW_MS;
            if seen.attempt != new.attempt || !soon || seen.repeats >= SAME_ATTEMPT_REPEATS_MAX {
                return Sight::Replayed;
            }
            seen.repeats += 1;
            Sight::SameAttempt
        }
        None if full => Sight::TableFull,
        None => {
            table.insert(*key, new);
            Sight::Fresh
        }
    }
}
