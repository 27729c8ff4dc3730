//! Carries out the engine's orders.

use std::{
    sync::{Arc, OnceLock},
    time::Instant,
};

use ife_engine::{
    notice::Notice,
    shell::{About, Fact, Measure, Refused, Said, Shell as Orders, Spoken},
};
use tokio::sync::broadcast;
use tracing::warn;

use crate::{
    ami::Ami,
    clock,
    evidence::EvidenceDesk,
    metrics::{
        CallLabels, Decision, GuardianLabels, Metrics, Notification, Status, UnknownPartyLabels,
    },
    notify::Notifier,
    speech::Speech,
    store::{Line, Store},
    view::{Event, Health},
    witness::Witness,
};

#[derive(Debug)]
pub(super) struct Shell {
    ami: Ami,
    store: Store,
    witness: Witness,
    metrics: Arc<Metrics>,
    evidence: Arc<OnceLock<EvidenceDesk>>,
    speech: Arc<OnceLock<Speech>>,
    notifier: Notifier,
    events: broadcast::Sender<Event>,
    /// When the gate was asked.
    gate_asked: Option<Instant>,
}

impl Shell {
    pub(super) fn new(
        ami: Ami,
        store: Store,
        witness: Witness,
        metrics: Arc<Metrics>,
        (evidence, speech): (Arc<OnceLock<EvidenceDesk>>, Arc<OnceLock<Speech>>),
        notifier: Notifier,
        events: broadcast::Sender<Event>,
    ) -> Shell {
        Shell {
            ami,
            store,
            witness,
            metrics,
            evidence,
            speech,
            notifier,
            events,
            gate_asked: None,
        }
    }

    fn measure_health(&self, health: &Health, events_dropped: u64) {
        let metrics = &self.metrics;
        metrics.active.set(i64::from(health.active_calls));
        metrics.ami_up.set(i64::from(health.ami));
        let kamailio = health.kamailio.map_or(-1, i64::from);
        metrics.kamailio_up.set(kamailio);
        metrics.stuck_channels.set(health.stuck_channels.into());
        metrics.store_up.set(i64::from(health.store));
        let unknown = health.unknown_parties;
        metrics.unknown_parties_present.set(unknown.into());
        metrics.witness_up.set(i64::from(health.witness));
        metrics.witness_dropped.set(self.witness.dropped());
        metrics.ami_dropped.set(events_dropped);
    }
}

impl Orders for Shell {
    fn connect(&mut self, number: u64) {
        self.ami.connect(number);
    }

    fn disconnect(&mut self) {
        self.ami.disconnect();
    }

    fn write(&mut self, bytes: Vec<u8>) -> bool {
        self.ami.write(bytes)
    }

    fn store(&mut self, line: &Line, token: Option<u64>) -> Result<(), Refused> {
        self.store.append(line, token).map_err(|_| Refused)
    }

    fn wants_rewrite(&self) -> bool {
        self.store.wants_rewrite()
    }

    fn rewrite(&mut self, lines: Vec<Line>) {
        if let Err(error) = self.store.rewrite(lines) {
            warn!("the store cannot be written anew: {error}");
        }
    }

    fn witness(&mut self, fact: &Fact<'_>, decision: bool) -> Result<(), Refused> {
        let entry = self.witness.record(fact, decision);
        entry.map(|_| ()).map_err(|_| Refused)
    }

    fn is_witness_healthy(&self) -> bool {
        self.witness.is_healthy(clock::unix_ms())
    }

    fn is_store_healthy(&self) -> bool {
        self.store.is_healthy()
    }

    fn offer_evidence(&mut self, about: About) -> Option<String> {
        self.evidence.get()?.offer(about)
    }

    fn end_evidence(&mut self, guardian: &str) {
        if let Some(desk) = self.evidence.get() {
            desk.end(guardian);
        }
    }

    fn speak(&mut self, spoken: &Spoken<'_>) -> Vec<Said> {
        let speech = self.speech.get();
        speech.map_or_else(Vec::new, |speech| speech.speak(spoken))
    }

    fn notify(&mut self, notice: Notice) -> bool {
        self.notifier.tell(notice)
    }

    fn withdraw(&mut self, call_id: &str) {
        self.notifier.withdraw(call_id);
    }

    fn publish(&mut self, event: Event) {
        // Fails without a subscriber.
        let _ = self.events.send(event);
    }

    fn measure(&mut self, measure: Measure<'_>) {
        let metrics = &self.metrics;
        match measure {
            Measure::GateAsked => self.gate_asked = Some(Instant::now()),
            Measure::Decision { approved } => {
                if let Some(asked) = self.gate_asked.take() {
                    metrics.decision_s.observe(asked.elapsed().as_secs_f64());
                }
                let result = if approved { "approved" } else { "rejected" };
                let result = result.to_owned();
                metrics.decisions.get_or_create(&Decision { result }).inc();
            }
            Measure::Ringing(waited) => metrics.ringing_s.observe(waited.as_secs_f64()),
            Measure::Response(status_code) => {
                let labels = Status { status_code };
                metrics.responses.get_or_create(&labels).inc();
            }
            Measure::Failure(status_code) => {
                let labels = Status { status_code };
                metrics.errors.get_or_create(&labels).inc();
            }
            Measure::Over {
                expert,
                hazard,
                result,
                talked,
            } => {
                let labels = CallLabels {
                    expert_id: expert.to_owned(),
                    hazard: hazard.to_owned(),
                    result: result.to_owned(),
                };
                metrics.calls.get_or_create(&labels).inc();
                if let Some(talked) = talked {
                    metrics.call_duration_s.observe(talked.as_secs_f64());
                }
            }
            Measure::PromptFailed => {
                metrics.prompts_failed.inc();
            }
            Measure::HangupUnconfirmed => {
                metrics.hangups_unconfirmed.inc();
            }
            Measure::GuardianFailed { guardian, reason } => {
                let guardian = guardian.to_owned();
                let labels = GuardianLabels { guardian, reason };
                metrics.guardian_failures.get_or_create(&labels).inc();
            }
            Measure::Notified { channel, outcome } => {
                let labels = Notification { channel, outcome };
                metrics.notifications.get_or_create(&labels).inc();
            }
            Measure::UnknownParty { done } => {
                let labels = UnknownPartyLabels { done };
                metrics.unknown_parties.get_or_create(&labels).inc();
            }
            Measure::Health {
                health,
                events_dropped,
            } => self.measure_health(health, events_dropped),
        }
    }

    fn random(&mut self, bytes: &mut [u8]) -> bool {
        getrandom::fill(bytes).is_ok()
    }
}
