//! State of all parts, whether a drain is done, and two measurements of readiness: the path from
//! Asterisk to Kamailio, and channels that stay after their hang-up.
//!
//! Asterisk probes the contact of its AOR for Kamailio (`qualify_frequency`); the bridge reads the
//! result of the last probe.

use std::time::{Duration, Instant};

use ife_ami::{
    Action, Model,
    value::{DialToken, Uniqueid},
};
use ife_call::State;
use tracing::{info, warn};

use crate::{
    calls::{Calls, Slot},
    command::Reply,
    context::{Asked, Context},
    rooms::Rooms,
    settings::Settings,
    shell::Measure,
    view::{Event, Health, LogHealth},
};

/// Between two questions to Asterisk.
const ASK_EVERY: Duration = Duration::from_secs(2);

/// Owner of the state of all parts.
#[derive(Debug)]
pub(crate) struct HealthWatch {
    shown: Health,
    aor: DialToken,
    /// Name of the contact behind the AOR's own name, once Asterisk has reported it.
    contact: Option<DialToken>,
    asked: Option<Instant>,
    /// Result of the last probe; `None` before the first answer, and if Asterisk does not probe.
    kamailio: Option<bool>,
    /// Channels that were given up on and are there still.
    stuck: Vec<Uniqueid>,
    /// As reported by the reader of the log.
    log: LogHealth,
    /// Whether the intake is connected; `None` without one.
    intake_up: Option<bool>,
    /// Requests to drain; `None` before the first.
    draining: Option<Vec<Reply<()>>>,
}

impl HealthWatch {
    pub(crate) fn new(settings: &Settings) -> HealthWatch {
        let intake_up = settings.has_intake.then_some(false);
        HealthWatch {
            shown: Health {
                ami: false,
                kamailio: None,
                stuck_channels: 0,
                witness: false,
                store: true,
                nats: intake_up,
                log: LogHealth::Off,
                active_calls: 0,
                unknown_parties: 0,
                draining: false,
            },
            aor: settings.sip_aor.clone(),
            contact: None,
            asked: None,
            kamailio: None,
            stuck: Vec::new(),
            log: LogHealth::Off,
            intake_up,
            draining: None,
        }
    }

    /// As last looked at.
    pub(crate) fn shown(&self) -> &Health {
        &self.shown
    }

    pub(crate) fn is_draining(&self) -> bool {
        self.draining.is_some()
    }

    pub(crate) fn drain(&mut self, reply: Reply<()>) {
        self.draining.get_or_insert_default().push(reply);
    }

    pub(crate) fn set_intake(&mut self, up: bool) {
        self.intake_up = Some(up);
    }

    /// Takes the state of the log. True when it is another one.
    pub(crate) fn set_log(&mut self, log: LogHealth) -> bool {
        std::mem::replace(&mut self.log, log) != log
    }

    /// Looks at every part, and publishes a change.
    pub(crate) fn look(&mut self, cx: &mut Context, calls: &Calls, is_stored: bool) {
        let active = calls.live().count();
        let ami = cx.is_connected();
        let health = Health {
            ami,
            kamailio: self.kamailio.filter(|_| ami),
            stuck_channels: self.stuck_channels(&cx.model),
            witness: cx.shell.is_witness_healthy(),
            store: cx.shell.is_store_healthy(),
            nats: self.intake_up,
            log: self.log,
            active_calls: u32::try_from(active).unwrap_or(u32::MAX),
            unknown_parties: Rooms::unknown_parties(cx),
            draining: self.is_draining(),
        };
        cx.shell.measure(Measure::Health {
            health: &health,
            events_dropped: cx.events_dropped(),
        });
        let told = Health {
            active_calls: self.shown.active_calls,
            ..health.clone()
        };
        if told != self.shown {
            if self.shown.witness && !health.witness {
                warn!("the witness takes no entries, or its writer is gone");
            }
            cx.shell.publish(Event::Health(health.clone()));
        }
        self.shown = health;
        self.settle_drain(calls, is_stored);
    }

    /// Answers requests to drain when no call is being set up: connected ones live on in Asterisk
    /// and are taken over by the next process.
    fn settle_drain(&mut self, calls: &Calls, is_stored: bool) {
        let in_setup = calls.live().any(|slot| *slot.state() != State::Connected);
        if in_setup || !is_stored {
            return;
        }
        for reply in self.draining.iter_mut().flat_map(std::mem::take) {
            reply.respond(Ok(()));
        }
    }

    /// Asks Asterisk for the state of its contact, every other second at most.
    pub(crate) fn ask_contact(&mut self, cx: &mut Context) {
        let now = cx.now.at;
        let waits = self.asked.is_some_and(|asked| now < asked + ASK_EVERY);
        if waits || !cx.is_connected() {
            return;
        }
        let aor = self.aor.clone();
        let (action, asked) = match self.contact.clone() {
            Some(hash) => (Action::PjsipContact { aor, hash }, Asked::Contact),
            None => (Action::PjsipAor { aor }, Asked::Aor),
        };
        if cx.ask(&action, asked).is_ok() {
            self.asked = Some(now);
        }
    }

    /// Takes the contacts of the AOR for Kamailio. As shipped it has one; the first counts.
    pub(crate) fn on_aor(&mut self, cx: &mut Context, contacts: &[u8]) {
        let first = contacts.split(|byte| *byte == b',').next();
        let first = first.and_then(|first| std::str::from_utf8(first).ok());
        let hash = first.and_then(|first| first.split_once("@@"));
        self.contact = hash.and_then(|(_, hash)| DialToken::parse(hash).ok());
        if self.contact.is_some() {
            self.asked = None;
            self.ask_contact(cx);
        }
    }

    /// Takes the result of the last probe. True when it is another one.
    pub(crate) fn on_contact(&mut self, status: &[u8]) -> bool {
        if status.is_empty() {
            // The contact is gone: PJSIP was loaded anew.
            self.contact = None;
        }
        let found = is_reachable(status);
        if self.kamailio == found {
            return false;
        }
        match found {
            Some(true) => info!("Asterisk reaches Kamailio"),
            Some(false) => warn!("Asterisk does not reach Kamailio: its probes are not answered"),
            None => {}
        }
        self.kamailio = found;
        true
    }

    /// Whether Asterisk's probes show that Kamailio is not reached.
    pub(crate) fn is_kamailio_lost(&self) -> bool {
        self.kamailio == Some(false)
    }

    fn stuck_channels(&mut self, model: &Model) -> u32 {
        self.stuck.retain(|id| model.channel(id).is_some());
        u32::try_from(self.stuck.len()).unwrap_or(u32::MAX)
    }

    /// Notes the channels that a call leaves at its end: they will not go.
    pub(crate) fn note_stuck(&mut self, cx: &Context, slot: &Slot) {
        for channel in slot.channels() {
            if cx.model.channel(channel).is_some() && !self.stuck.contains(channel) {
                warn!(
                    call_id = %slot.id(),
                    "channel {channel} does not hang up; see `core show channels` at Asterisk"
                );
                self.stuck.push(channel.clone());
            }
        }
    }
}

/// Reads a contact's status; `None` when it was not probed.
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
