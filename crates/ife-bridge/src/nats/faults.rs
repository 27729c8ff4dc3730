//! What keeps messages from being worked off: a part of NATS that is missing, full or forbidden. It
//! is logged once, and the bridge is not ready meanwhile.

use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use tokio::sync::Notify;
use tracing::{error, info};

/// A fault that a delivery has met is over when no other delivery meets it for so long: the message
/// may have gone to another bridge.
const LAPSE: Duration = Duration::from_secs(15);

/// Where the fault is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Part {
    /// The server is out of reach.
    Connection,
    /// A stream, the consumer or the bucket is missing or not as it must be.
    Setup,
    /// The bucket of claims takes nothing.
    Claims,
    /// Dead letters are not stored.
    DeadLetters,
    /// Outcomes are not published.
    Outcomes,
}

impl Part {
    /// As the log names it.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Part::Connection => "connection",
            Part::Setup => "setup",
            Part::Claims => "claims",
            Part::DeadLetters => "dead_letters",
            Part::Outcomes => "outcomes",
        }
    }

    /// What does not happen while it lasts.
    fn consequence(self) -> &'static str {
        match self {
            Part::Connection | Part::Setup => "no messages are taken",
            Part::Claims => "a claim cannot be written",
            Part::DeadLetters => "a dead letter is not stored",
            Part::Outcomes => "an outcome cannot be told",
        }
    }

    /// Whether deliveries alone see it.
    fn lapses(self) -> bool {
        match self {
            Part::Connection | Part::Setup | Part::Claims => false,
            Part::DeadLetters | Part::Outcomes => true,
        }
    }
}

#[derive(Debug)]
struct Fault {
    why: String,
    seen: Instant,
}

/// The faults of the moment.
#[derive(Debug)]
pub(super) struct Faults {
    open: Mutex<BTreeMap<Part, Fault>>,
    claims: Notify,
}

impl Faults {
    /// Not connected yet.
    pub(super) fn new(now: Instant) -> Faults {
        let (why, seen) = (String::new(), now);
        Faults {
            open: Mutex::new(BTreeMap::from([(Part::Connection, Fault { why, seen })])),
            claims: Notify::new(),
        }
    }

    /// Notes a fault. True when it is new; each reason is logged once.
    pub(super) fn begin(&self, part: Part, why: String, now: Instant) -> bool {
        if part == Part::Claims {
            self.claims.notify_one();
        }
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let known = open.get(&part).map(|fault| fault.why.clone());
        if known.as_ref() != Some(&why) && !why.is_empty() {
            error!(part = part.as_str(), "{}: {why}", part.consequence());
        }
        open.insert(part, Fault { why, seen: now });
        known.is_none()
    }

    /// It works again.
    pub(super) fn end(&self, part: Part) {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(fault) = open.remove(&part)
            && !fault.why.is_empty()
        {
            info!(part = part.as_str(), "NATS is in order again");
        }
    }

    /// Ends the faults that no delivery meets any more.
    pub(super) fn lapse(&self, now: Instant) {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        open.retain(|part, fault| !part.lapses() || now.duration_since(fault.seen) < LAPSE);
    }

    /// Whether there is none.
    pub(super) fn is_clear(&self) -> bool {
        let open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        open.is_empty()
    }

    /// Returns when a claim could not be written.
    pub(super) async fn claims_failed(&self) {
        self.claims.notified().await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_that_only_deliveries_see_lapses_and_others_last_until_they_end() {
        let start = Instant::now();
        let faults = Faults::new(start);
        faults.end(Part::Connection);
        assert!(faults.begin(Part::Outcomes, "full".into(), start));
        assert!(!faults.begin(Part::Outcomes, "full".into(), start));
        faults.begin(Part::Claims, "gone".into(), start);
        faults.lapse(start + LAPSE / 2);
        assert!(!faults.is_clear());
        faults.end(Part::Claims);
        assert!(!faults.is_clear());
        faults.lapse(start + LAPSE);
        assert!(faults.is_clear());
        faults.begin(Part::Setup, "no stream".into(), start);
        faults.lapse(start + LAPSE * 100);
        assert!(!faults.is_clear());
    }
}
