//! What is due when. One queue for all calls; a timer that is replaced or not needed any more leaves it at once.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use ife_call::{Leg, Timer};

use super::CallId;

/// Where a timer stands in the queue.
pub(super) type Key = (Instant, u64);

/// What is due.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Due {
    /// A timer of a call's machine.
    Call(CallId, Timer),
    /// A leg's end that waits for the phone's own channel has waited long enough.
    LegEnd(CallId, Leg),
    /// Nothing of a call that is over can show itself any more.
    Forget(CallId),
    /// A call should be in another room by now.
    Moved(CallId),
    /// A guardian who could not be had is called again.
    Guardian {
        /// Into which room.
        room: String,
        /// Their name in the configuration.
        name: String,
    },
}

#[derive(Debug, Default)]
pub(super) struct Timers {
    queue: BTreeMap<Key, Due>,
    serial: u64,
}

impl Timers {
    pub(super) fn add(&mut self, now: Instant, after: Duration, due: Due) -> Key {
        self.serial += 1;
        let key = (now + after, self.serial);
        self.queue.insert(key, due);
        key
    }

    pub(super) fn remove(&mut self, key: Key) {
        self.queue.remove(&key);
    }

    pub(super) fn next_due(&self) -> Option<Instant> {
        self.queue.keys().next().map(|(at, _)| *at)
    }

    pub(super) fn pop_due(&mut self, now: Instant) -> Option<Due> {
        let entry = self.queue.first_entry()?;
        (entry.key().0 <= now).then(|| entry.remove())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_due_comes_in_order_and_what_is_removed_never() {
        let (mut timers, now) = (Timers::default(), Instant::now());
        let due = |name: &str| Due::Forget(name.into());
        timers.add(now, Duration::from_secs(2), due("later"));
        timers.add(now, Duration::from_secs(1), due("first"));
        timers.add(now, Duration::from_secs(1), due("second"));
        let gone = timers.add(now, Duration::from_secs(1), due("gone"));
        timers.remove(gone);
        let then = now + Duration::from_secs(1);
        assert_eq!(timers.pop_due(now), None);
        assert_eq!(timers.pop_due(then), Some(due("first")));
        assert_eq!(timers.pop_due(then), Some(due("second")));
        assert_eq!(timers.pop_due(then), None);
        assert_eq!(timers.next_due(), Some(now + Duration::from_secs(2)));
    }
}
