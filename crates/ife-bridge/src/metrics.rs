//! Prometheus metrics under the names of the interface contract.

use std::sync::atomic::AtomicU64;

use prometheus_client::{
    encoding::{EncodeLabelSet, text::encode},
    metrics::{counter::Counter, family::Family, gauge::Gauge, histogram::Histogram},
    registry::Registry,
};

/// Labels of a call.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct CallLabels {
    /// Id of the expert in the registry.
    pub expert_id: String,
    /// Hazard name.
    pub hazard: String,
    /// `ended` or why it failed.
    pub result: String,
}

/// A SIP status.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct Status {
    /// For example `486`.
    pub status_code: u16,
}

/// A verdict.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct Decision {
    /// `approved` or `rejected`.
    pub result: String,
}

/// What became of a message of the intake.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct Intake {
    /// `connected`, `rejected`, `dead_letter`, or `returned` to the stream.
    pub result: &'static str,
}

/// A guardian who could not be had.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct GuardianLabels {
    /// Name in the configuration.
    pub guardian: String,
    /// What the cause says, or why no call was placed.
    pub reason: &'static str,
}

/// All of the bridge's metrics. Labels are names of the registry and codes, so their number is
/// bounded.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    /// Calls that are over.
    pub calls: Family<CallLabels, Counter>,
    /// From answer to end.
    pub call_duration_s: Histogram,
    /// Calls that failed, by SIP status.
    pub errors: Family<Status, Counter>,
    /// Calls under way.
    pub active: Gauge,
    /// The gate's answers.
    pub decisions: Family<Decision, Counter>,
    /// What a gate's answer takes.
    pub decision_s: Histogram,
    /// Replies of experts, provisional ones included.
    pub responses: Family<Status, Counter>,
    /// From the request to the expert's phone ringing.
    pub ringing_s: Histogram,
    /// 1 while the AMI session is up.
    pub ami_up: Gauge,
    /// 1 while Asterisk reaches Kamailio, 0 while it does not, -1 while that is not known.
    pub kamailio_up: Gauge,
    /// Channels of calls that are over and do not hang up.
    pub stuck_channels: Gauge,
    /// 1 while calls can be stored.
    pub store_up: Gauge,
    /// Calls whose end could not be confirmed.
    pub hangups_unconfirmed: Counter,
    /// Messages of the intake, by what became of them.
    pub intake: Family<Intake, Counter>,
    /// Messages that are worked on.
    pub intake_in_flight: Gauge,
    /// 1 while messages are taken from the stream.
    pub intake_up: Gauge,
    /// 1 while the witness takes entries and its writer lives.
    pub witness_up: Gauge,
    /// Entries that could not be witnessed.
    pub witness_dropped: Gauge<u64, AtomicU64>,
    /// Events of AMI dropped because the bridge was too slow; a resync follows.
    pub ami_dropped: Gauge<u64, AtomicU64>,
    /// Calls to guardians that failed.
    pub guardian_failures: Family<GuardianLabels, Counter>,
    /// Connections that were closed at once, because there were as many as there may be.
    pub connections_refused: Counter,
}

impl Default for Metrics {
    fn default() -> Metrics {
        let metrics = Metrics {
            registry: Registry::default(),
            calls: Family::default(),
            call_duration_s: Histogram::new([
                1.0, 10.0, 60.0, 300.0, 900.0, 1_800.0, 3_600.0, 14_400.0,
            ]),
            errors: Family::default(),
            active: Gauge::default(),
            decisions: Family::default(),
            decision_s: Histogram::new([0.000_05, 0.000_1, 0.000_25, 0.001, 0.01, 0.1]),
            responses: Family::default(),
            ringing_s: Histogram::new([0.02, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0]),
            ami_up: Gauge::default(),
            kamailio_up: Gauge::default(),
            stuck_channels: Gauge::default(),
            store_up: Gauge::default(),
            hangups_unconfirmed: Counter::default(),
            intake: Family::default(),
            intake_in_flight: Gauge::default(),
            intake_up: Gauge::default(),
            witness_up: Gauge::default(),
            witness_dropped: Gauge::default(),
            ami_dropped: Gauge::default(),
            guardian_failures: Family::default(),
            connections_refused: Counter::default(),
        };
        metrics.registered()
    }
}

impl Metrics {
    fn registered(mut self) -> Metrics {
        let to = &mut self.registry;
        to.register("sip_calls", "Calls that are over", self.calls.clone());
        to.register(
            "sip_call_duration_seconds",
            "From answer to end",
            self.call_duration_s.clone(),
        );
        to.register(
            "sip_errors",
            "Calls that failed, by SIP status",
            self.errors.clone(),
        );
        to.register("sip_active_calls", "Calls under way", self.active.clone());
        to.register(
            "sip_policy_decisions",
            "Answers of the gate",
            self.decisions.clone(),
        );
        to.register(
            "sip_policy_eval_duration_seconds",
            "What an answer of the gate takes",
            self.decision_s.clone(),
        );
        to.register(
            "sip_responses",
            "Replies of experts by SIP status",
            self.responses.clone(),
        );
        to.register(
            "ife_bridge_ringing_seconds",
            "From the request to the expert's phone ringing",
            self.ringing_s.clone(),
        );
        to.register(
            "ife_bridge_ami_up",
            "1 while the AMI session is up",
            self.ami_up.clone(),
        );
        to.register(
            "ife_bridge_kamailio_up",
            "1 while Asterisk reaches Kamailio, 0 while it does not, -1 while that is not known",
            self.kamailio_up.clone(),
        );
        to.register(
            "ife_bridge_stuck_channels",
            "Channels of calls that are over and do not hang up",
            self.stuck_channels.clone(),
        );
        to.register(
            "ife_bridge_store_up",
            "1 while calls can be stored",
            self.store_up.clone(),
        );
        to.register(
            "ife_bridge_hangups_unconfirmed",
            "Calls whose end could not be confirmed",
            self.hangups_unconfirmed.clone(),
        );
        to.register(
            "ife_bridge_nats_messages",
            "Messages of the intake by what became of them",
            self.intake.clone(),
        );
        to.register(
            "ife_bridge_nats_in_flight",
            "Messages that are worked on",
            self.intake_in_flight.clone(),
        );
        to.register(
            "ife_bridge_nats_up",
            "1 while messages are taken from the stream",
            self.intake_up.clone(),
        );
        to.register(
            "ife_bridge_witness_up",
            "1 while the witness takes entries",
            self.witness_up.clone(),
        );
        to.register(
            "ife_bridge_witness_dropped",
            "Entries that could not be witnessed",
            self.witness_dropped.clone(),
        );
        to.register(
            "ife_bridge_ami_events_dropped",
            "AMI events dropped because the bridge was too slow",
            self.ami_dropped.clone(),
        );
        to.register(
            "ife_bridge_guardian_failures",
            "Calls to guardians that failed",
            self.guardian_failures.clone(),
        );
        to.register(
            "ife_bridge_connections_refused",
            "Connections closed at once: their source, or the listener, had as many as it may",
            self.connections_refused.clone(),
        );
        self
    }

    /// OpenMetrics text.
    pub fn text(&self) -> String {
        let mut text = String::new();
        // Writing to a String cannot fail.
        let _ = encode(&mut text, &self.registry);
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_the_contract() {
        let metrics = Metrics::default();
        metrics
            .errors
            .get_or_create(&Status { status_code: 486 })
            .inc();
        metrics
            .responses
            .get_or_create(&Status { status_code: 180 })
            .inc();
        let result = "approved".to_owned();
        metrics.decisions.get_or_create(&Decision { result }).inc();
        let labels = CallLabels {
            expert_id: "e".into(),
            hazard: "safety".into(),
            result: "ended".into(),
        };
        metrics.calls.get_or_create(&labels).inc();
        let text = metrics.text();
        let lines = [
            "sip_calls_total{expert_id=\"e\",hazard=\"safety\",result=\"ended\"} 1",
            "sip_call_duration_seconds_count 0",
            "sip_errors_total{status_code=\"486\"} 1",
            "sip_active_calls 0",
            "sip_policy_decisions_total{result=\"approved\"} 1",
            "sip_policy_eval_duration_seconds_count 0",
            "sip_responses_total{status_code=\"180\"} 1",
        ];
        for line in lines {
            assert!(text.contains(line), "{line} is not in:\n{text}");
        }
    }
}
