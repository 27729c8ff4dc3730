//! The guard's state, kept in shared memory.

use std::net::IpAddr;

use ife_guard::{Begin, CallKey, CallLimits, Now, Sight, State, Token};

use crate::shared::Shared;
use crate::shared::calls::{self, Begun};
use crate::shared::counters::Counter;
use crate::shared::legacy::Legacy;
use crate::shared::quota::{Claim, Limit, Seat};

/// Seconds after which a per-minute seat is free again.
const MINUTE_S: u64 = 60;

/// One decision's view of the shared state.
pub(crate) struct WorkerState<'a> {
    shared: &'a Shared,
    legacy: Option<&'a Legacy>,
    slot: usize,
    begun: Option<Begun>,
}

impl<'a> WorkerState<'a> {
    /// Makes a view; `slot` is this process's slot of counters.
    pub(crate) fn new(shared: &'a Shared, legacy: Option<&'a Legacy>, slot: usize) -> Self {
        Self {
            shared,
            legacy,
            slot,
            begun: None,
        }
    }

    /// Returns the record of the call that this decision began.
    pub(crate) fn begun(&self) -> Option<Begun> {
        self.begun
    }

    fn count(&self, counter: Counter) {
        self.shared.counters().add(self.slot, counter);
    }

    fn seats(
        &self,
        expert: u64,
        limits: CallLimits,
        tag: u32,
        now_s: u64,
    ) -> Result<(Seat, Option<Seat>), Begin> {
        let quota = self.shared.quota();
        let Some(expert) = quota.expert(expert) else {
            return Err(Begin::TableFull);
        };
        let until_s = now_s + u64::from(limits.lease_s);
        let seat = match quota.claim(
            expert,
            Limit::Concurrent,
            limits.concurrent,
            tag,
            until_s,
            now_s,
        ) {
            Claim::Seat(seat) => seat,
            Claim::AllHeld { .. } => return Err(Begin::TooManyConcurrent),
            Claim::Full => return Err(Begin::TableFull),
        };
        if limits.per_minute == 0 {
            return Ok((seat, None));
        }
        match quota.claim(
            expert,
            Limit::PerMinute,
            limits.per_minute,
            tag,
            now_s + MINUTE_S,
            now_s,
        ) {
            Claim::Seat(minute) => Ok((seat, Some(minute))),
            Claim::AllHeld { earliest_s } => {
                quota.release(seat, tag);
                // At most MINUTE_S + 1.
                let retry_after_s = u32::try_from(earliest_s.max(1)).unwrap_or(u32::MAX);
                Err(Begin::TooManyPerMinute { retry_after_s })
            }
            Claim::Full => {
                quota.release(seat, tag);
                Err(Begin::TableFull)
            }
        }
    }

    fn begin(&mut self, expert: u64, call: &CallKey, limits: CallLimits, now_s: u64) -> Begin {
        let calls = self.shared.calls();
        if calls.under_way(call, now_s).is_some() {
            return Begin::Already;
        }
        let tag = calls.seat_tag(call);
        let (seat, minute) = match self.seats(expert, limits, tag, now_s) {
            Ok(seats) => seats,
            Err(refused) => return refused,
        };
        let answer = match calls.begin(call, expert, seat, now_s + u64::from(limits.lease_s), now_s)
        {
            calls::Begin::Begun(begun) => {
                self.begun = Some(begun);
                return Begin::Started;
            }
            calls::Begin::Already => Begin::Already,
            calls::Begin::Full => Begin::TableFull,
        };
        let quota = self.shared.quota();
        quota.release(seat, tag);
        if let Some(minute) = minute {
            quota.release(minute, tag);
        }
        answer
    }
}

impl State for WorkerState<'_> {
    fn take_token(&mut self, source: IpAddr, rate_per_s: u32, burst: u32, now: Now) -> Token {
        let token = self.shared.buckets().take(source, rate_per_s, burst, now);
        if token == Token::TableFull {
            self.count(Counter::BucketsFull);
        }
        token
    }

    fn first_sight(
        &mut self,
        key: &[u8; 32],
        attempt: u64,
        iat: u64,
        expires_unix_s: u64,
        now: Now,
    ) -> Sight {
        let sight = self
            .shared
            .replay()
            .first_sight(key, attempt, iat, expires_unix_s, now);
        if sight == Sight::TableFull {
            self.count(Counter::ReplayFull);
        }
        sight
    }

    fn legacy_first_sight(&mut self, key: &[u8; 32], attempt: u64, now: Now) -> Sight {
        let Some(legacy) = self.legacy else {
            return Sight::Unavailable;
        };
        let sight = legacy.first_sight(key, attempt, now);
        if sight == Sight::TableFull {
            self.count(Counter::ReplayFull);
        }
        sight
    }

    fn begin_call(&mut self, expert: u64, call: &CallKey, limits: CallLimits, now: Now) -> Begin {
        let answer = self.begin(expert, call, limits, now.mono_ms / 1000);
        if answer == Begin::TableFull {
            self.count(Counter::CallsFull);
        }
        answer
    }

    fn abort_call(&mut self, call: &CallKey) {
        self.begun = None;
        // A lease that has expired needs no abort, so any early time serves.
        abort_call(self.shared, call, 0);
    }
}

/// Frees the record and the seat of a call that must not go on.
pub(crate) fn abort_call(shared: &Shared, call: &CallKey, now_s: u64) {
    let calls = shared.calls();
    if let Some(call_ref) = calls.under_way(call, now_s) {
        shared.release(calls.abort(call_ref));
    }
}
