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

/// A notification of an expert.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct Notification {
    /// `webhook` or `mail`.
    pub channel: &'static str,
    /// `delivered`, or the reason why not.
    pub outcome: &'static str,
}

/// A guardian who could not be had.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct GuardianLabels {
    /// Name in the configuration.
    pub guardian: String,
    /// Class of the cause, or why no call was placed.
    pub reason: &'static str,
}

/// A party that was neither called nor admitted.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct UnknownPartyLabels {
    /// `refused`, `removed`, `muted` or `admitted`.
    pub done: &'static str,
}

/// Declares the metrics: a line of documentation, which is the help text, the field, its type, its
/// name for Prometheus, and how it begins.
macro_rules! metrics {
    ($(#[doc = $help:literal] $field:ident: $kind:ty = $name:literal, $new:expr;)*) => {
        /// All of the bridge's metrics. Labels are names of the registry and codes, so their number
        /// is bounded.
        #[derive(Debug)]
        pub struct Metrics {
            registry: Registry,
            $(#[doc = $help] pub $field: $kind,)*
        }

        impl Default for Metrics {
            fn default() -> Metrics {
                let mut registry = Registry::default();
                $(let $field: $kind = $new;
                registry.register($name, $help.trim(), $field.clone());)*
                Metrics { registry, $($field,)* }
            }
        }
    };
}

metrics! {
    /// Calls that are over
    calls: Family<CallLabels, Counter> = "sip_calls", <_>::default();
    /// From answer to end
    call_duration_s: Histogram = "sip_call_duration_seconds",
        Histogram::new([1.0, 10.0, 60.0, 300.0, 900.0, 1_800.0, 3_600.0, 14_400.0]);
    /// Calls that failed, by SIP status
    errors: Family<Status, Counter> = "sip_errors", <_>::default();
    /// Calls under way
    active: Gauge = "sip_active_calls", <_>::default();
    /// Answers of the gate
    decisions: Family<Decision, Counter> = "sip_policy_decisions", <_>::default();
    /// What an answer of the gate takes
    decision_s: Histogram = "sip_policy_eval_duration_seconds",
        Histogram::new([0.000_05, 0.000_1, 0.000_25, 0.001, 0.01, 0.1]);
    /// Replies of experts by SIP status
    responses: Family<Status, Counter> = "sip_responses", <_>::default();
    /// From the request to the expert's phone ringing
    ringing_s: Histogram = "ife_bridge_ringing_seconds",
        Histogram::new([0.02, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0]);
    /// 1 while the AMI session is up
    ami_up: Gauge = "ife_bridge_ami_up", <_>::default();
    /// 1 while Asterisk reaches Kamailio, 0 while it does not, -1 while that is not known
    kamailio_up: Gauge = "ife_bridge_kamailio_up", <_>::default();
    /// Channels of calls that are over and do not hang up
    stuck_channels: Gauge = "ife_bridge_stuck_channels", <_>::default();
    /// 1 while calls can be stored
    store_up: Gauge = "ife_bridge_store_up", <_>::default();
    /// Briefings that Asterisk could not play
    prompts_failed: Counter = "ife_bridge_prompts_failed", <_>::default();
    /// Calls whose end could not be confirmed
    hangups_unconfirmed: Counter = "ife_bridge_hangups_unconfirmed", <_>::default();
    /// Messages of the intake by what became of them
    intake: Family<Intake, Counter> = "ife_bridge_nats_messages", <_>::default();
    /// Messages that are worked on
    intake_in_flight: Gauge = "ife_bridge_nats_in_flight", <_>::default();
    /// 1 while messages are taken from the stream
    intake_up: Gauge = "ife_bridge_nats_up", <_>::default();
    /// 1 while the witness takes entries
    witness_up: Gauge = "ife_bridge_witness_up", <_>::default();
    /// Entries that could not be witnessed
    witness_dropped: Gauge<u64, AtomicU64> = "ife_bridge_witness_dropped", <_>::default();
    /// AMI events dropped because the bridge was too slow
    ami_dropped: Gauge<u64, AtomicU64> = "ife_bridge_ami_events_dropped", <_>::default();
    /// Calls to guardians that failed
    guardian_failures: Family<GuardianLabels, Counter> = "ife_bridge_guardian_failures",
        <_>::default();
    /// Notifications of experts by what became of them
    notifications: Family<Notification, Counter> = "ife_bridge_notifications", <_>::default();
    /// Parties that came to a room and were neither called nor admitted, by what was done
    unknown_parties: Family<UnknownPartyLabels, Counter> = "ife_bridge_unknown_parties",
        <_>::default();
    /// Such parties that are in rooms
    unknown_parties_present: Gauge = "ife_bridge_unknown_parties_present", <_>::default();
    /// Connections closed at once: their source, or the listener, had as many as it may
    connections_refused: Counter = "ife_bridge_connections_refused", <_>::default();
}

impl Metrics {
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
