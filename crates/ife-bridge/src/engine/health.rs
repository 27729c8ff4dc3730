//! How the parts are, and whether a drain is done.

use tracing::warn;

use super::Engine;
use crate::{
    clock,
    handle::respond,
    view::{Event, Health, LogHealth},
};

impl Engine {
    /// Looks at every part, and tells what has changed.
    pub(super) fn look_at_health(&mut self) {
        let active = self.calls.values().filter(|slot| slot.is_live()).count();
        let health = Health {
            ami: self.ami.is_up(),
            kamailio: self.probe.kamailio.filter(|_| self.ami.is_up()),
            stuck_channels: self.stuck_channels(),
            witness: self.witness.is_healthy(clock::unix_ms()),
            nats: self.intake_up,
            log: self.log,
            active_calls: u32::try_from(active).unwrap_or(u32::MAX),
            draining: self.draining.is_some(),
        };
        let metrics = &self.metrics;
        metrics.active.set(i64::from(health.active_calls));
        metrics.ami_up.set(i64::from(health.ami));
        let kamailio = health.kamailio.map_or(-1, i64::from);
        metrics.kamailio_up.set(kamailio);
        metrics.stuck_channels.set(health.stuck_channels.into());
        metrics.witness_up.set(i64::from(health.witness));
        metrics.witness_dropped.set(self.witness.dropped());
        metrics.ami_dropped.set(self.ami.dropped());
        let told = Health {
            active_calls: self.health.active_calls,
            ..health.clone()
        };
        if told != self.health {
            if self.health.witness && !health.witness {
                warn!("the witness takes no entries, or its writer is gone");
            }
            // Nobody may be listening.
            let _ = self.events.send(Event::Health(health.clone()));
        }
        self.health = health;
        self.settle_drain();
    }

    /// The reader of the log tells how it is, several times a second.
    pub(super) fn on_witness_log(&mut self, log: LogHealth) {
        if std::mem::replace(&mut self.log, log) != log {
            self.look_at_health();
        }
    }

    /// Draining is done when no call is being set up: connected ones live on in Asterisk and are taken over by the next process.
    fn settle_drain(&mut self) {
        let in_setup = self.calls.values().any(|slot| {
            let state = slot.call.state();
            slot.is_live() && *state != ife_call::State::Connected
        });
        if in_setup || !self.awaiting.is_empty() {
            return;
        }
        for reply in self.draining.iter_mut().flat_map(std::mem::take) {
            respond(reply, Ok(()));
        }
    }
}
