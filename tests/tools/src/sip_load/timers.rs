//! Points in time at which a call has something to do.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::{Duration, Instant};

/// First interval of a repetition (T1 of RFC 3261).
pub(crate) const FIRST: Duration = Duration::from_millis(500);
/// Longest interval of a repetition, INVITEs excepted (T2).
pub(crate) const LONGEST: Duration = Duration::from_secs(4);
/// Time after which nothing is repeated (64 times T1).
pub(crate) const GIVE_UP: Duration = Duration::from_secs(32);

/// The calls to look at, by time. A call that has gone on meanwhile has nothing to do.
#[derive(Default)]
pub(crate) struct Timers(BinaryHeap<Reverse<(Instant, usize)>>);

impl Timers {
    pub(crate) fn set(&mut self, at: Instant, number: usize) {
        self.0.push(Reverse((at, number)));
    }

    /// Takes the next call whose time has come.
    pub(crate) fn due(&mut self, now: Instant) -> Option<usize> {
        let Reverse((at, number)) = *self.0.peek()?;
        (at <= now).then(|| {
            self.0.pop();
            number
        })
    }
}
