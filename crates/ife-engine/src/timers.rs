//! Deadlines of all calls in one queue. A timer that is replaced or not needed leaves it at once.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use ife_ami::value::RoomName;
use ife_call::{Leg, Timer};

use crate::calls::CallId;

/// Where a timer stands in the queue.
pub(crate) type Key = (Instant, u64);

/// The event of a deadline.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Due {
    /// A timer of a call's machine.
    Call(CallId, Timer),
    /// The end of a leg has waited long enough for that of the phone's own channel.
    LegEnd(CallId, Leg),
    /// No leg of a call that ended can show itself any more.
    Forget(CallId),
    /// The time for a decision about a call that ended has passed.
    Undecided(CallId),
    /// A call has not joined another room in time.
    Moved(CallId),
    /// The time of a guardian's admission is over.
    Admission(String),
    /// A guardian is called again.
    Guardian {
        /// The room.
        room: RoomName,
        /// Name in the configuration.
        name: String,
    },
}

#[derive(Debug, Default)]
pub(crate) struct Timers {
    queue: BTreeMap<Key, Due>,
    serial: u64,
}

impl Timers {
    pub(crate) fn add(&mut self, now: Instant, after: Duration, due: Due) -> Key {
        self.serial += 1;
        let key = (now + after, self.serial);
        self.queue.insert(key, due);
        key
    }

    pub(crate) fn remove(&mut self, key: Key) {
        self.queue.remove(&key);
    }

    pub(crate) fn next_due(&self) -> Option<Instant> {
        self.queue.keys().next().map(|(at, _)| *at)
    }

    pub(crate) fn pop_due(&mut self, now: Instant) -> Option<Due> {
        let entry = self.queue.first_entry()?;
        (entry.key().0 <= now).then(|| entry.remove())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timers_come_in_order_and_a_removed_one_never() {
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
