//! Measures two parts of readiness: the path from Asterisk to Kamailio, and channels that stay
//! after their hang-up.
//!
//! Asterisk probes the contact of its AOR for Kamailio (`qualify_frequency`); the bridge reads the
//! result of the last probe.

use std::time::{Duration, Instant};

use ife_ami::{
    Action,
    value::{DialToken, Uniqueid, ValueError},
};
use ife_call::{Cause, Input, Leg, Seen};
use tracing::{info, warn};

use super::{CallId, Engine, answers::Asked};

/// Between two questions to Asterisk.
const ASK_EVERY: Duration = Duration::from_secs(2);

/// Results of both measurements.
#[derive(Debug)]
pub(super) struct Probe {
    aor: DialToken,
    /// What names the contact behind the AOR's own name, once Asterisk has told it.
    contact: Option<DialToken>,
    asked: Option<Instant>,
    /// What the last probe of the way has found; `None` before the first answer, and where Asterisk does not probe.
    pub(super) kamailio: Option<bool>,
    /// Channels that were told to hang up as often as may be, and are there still.
    stuck: Vec<Uniqueid>,
}

impl Probe {
    pub(super) fn new(aor: &str) -> Result<Probe, ValueError> {
        Ok(Probe {
            aor: DialToken::parse(aor)?,
            contact: None,
            asked: None,
            kamailio: None,
            stuck: Vec::new(),
        })
    }
}

impl Engine {
    /// Asks Asterisk for the state of its contact, every other second at most.
    pub(super) fn ask_contact(&mut self) {
        let now = Instant::now();
        let waits = self
            .probe
            .asked
            .is_some_and(|asked| now < asked + ASK_EVERY);
        if waits || !self.ami.is_up() {
            return;
        }
        let aor = self.probe.aor.clone();
        let (action, asked) = match self.probe.contact.clone() {
            Some(hash) => (Action::PjsipContact { aor, hash }, Asked::Contact),
            None => (Action::PjsipAor { aor }, Asked::Aor),
        };
        if let Ok(id) = self.ami.submit(&action) {
            self.probe.asked = Some(now);
            self.asked.insert(id, asked);
        }
    }

    /// The contacts of the AOR for Kamailio. As shipped it has one; the first counts.
    pub(super) fn on_aor(&mut self, contacts: &[u8]) {
        let first = contacts.split(|byte| *byte == b',').next();
        let first = first.and_then(|first| std::str::from_utf8(first).ok());
        let hash = first.and_then(|first| first.split_once("@@"));
        self.probe.contact = hash.and_then(|(_, hash)| DialToken::parse(hash).ok());
        if self.probe.contact.is_some() {
            self.probe.asked = None;
            self.ask_contact();
        }
    }

    /// What the last probe has found.
    pub(super) fn on_contact(&mut self, status: &[u8]) {
        if status.is_empty() {
            // No such contact any more: PJSIP was loaded anew.
            self.probe.contact = None;
        }
        let found = is_reachable(status);
        if self.probe.kamailio != found {
            match found {
                Some(true) => info!("Asterisk reaches Kamailio"),
                Some(false) => {
                    warn!("Asterisk does not reach Kamailio: its probes are not answered")
                }
                None => {}
            }
            self.probe.kamailio = found;
            self.look_at_health();
        }
    }

    /// Channels that were given up on and are there still.
    pub(super) fn stuck_channels(&mut self) -> u32 {
        let model = &self.model;
        self.probe.stuck.retain(|id| model.channel(id).is_some());
        u32::try_from(self.probe.stuck.len()).unwrap_or(u32::MAX)
    }

    /// A call is over: its channels that are there still will not go.
    pub(super) fn note_stuck(&mut self, id: &CallId) {
        let Some(slot) = self.calls.get(id) else {
            return;
        };
        let legs = slot.legs.iter().flat_map(|leg| [&leg.channel, &leg.sip]);
        let channels = legs.chain([&slot.mcu]).flatten();
        let there = channels.filter(|channel| self.model.channel(channel).is_some());
        let new: Vec<Uniqueid> = there
            .filter(|channel| !self.probe.stuck.contains(channel))
            .cloned()
            .collect();
        for channel in &new {
            warn!(call_id = %id, "channel {channel} does not hang up; see `core show channels` at Asterisk");
        }
        self.probe.stuck.extend(new);
    }

    /// An answered phone whose channel is gone while Kamailio cannot be reached may not have got its BYE.
    pub(super) fn look_if_told(&mut self, call: &CallId, leg: Leg) {
        let answered = self
            .calls
            .get(call)
            .is_some_and(|slot| slot.answered_ms.is_some());
        if answered && self.probe.kamailio == Some(false) {
            self.feed(call, Input::Leg(leg, Seen::Untold));
        }
    }

    /// Asterisk does not know the channel that was to be hung up: the leg is gone, unless its phone is there.
    pub(super) fn no_such_leg(&mut self, call: &CallId, leg: Leg) {
        self.end_held(call, leg);
        if !self.is_phone_there(call, leg) {
            self.look_if_told(call, leg);
            self.feed(call, Input::Leg(leg, Seen::Gone(Cause::UNKNOWN)));
        }
    }
}

/// What a contact's status says; `None` when it was not probed.
fn is_reachable(status: &[u8]) -> Option<bool> {
    match status {
        b"Reachable" | b"Avail" => Some(true),
        b"Unreachable" | b"Unavail" => Some(false),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_contact_that_is_not_probed_is_neither_up_nor_down() {
        let cases: [(&[u8], Option<bool>); 5] = [
            (b"Reachable", Some(true)),
            (b"Unreachable", Some(false)),
            (b"NonQualified", None),
            (b"Unknown", None),
            (b"", None),
        ];
        for (status, wanted) in cases {
            assert_eq!(is_reachable(status), wanted);
        }
    }
}
