//! Answers of the bridge, as far as they are shown. Everything that is unknown or missing
//! is passed over: a newer bridge must not silence an older `ifectl`. With `--json` the answer is
//! printed as it came.

use serde::Deserialize;

use crate::text::harmless;

/// One call.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub(super) struct Call {
    pub(super) call_id: String,
    pub(super) origin: String,
    pub(super) expert_id: String,
    pub(super) expert_name: String,
    pub(super) sip_call_state: String,
    pub(super) h323_state: String,
    pub(super) evidence_state: String,
    pub(super) trace_id: String,
    pub(super) hazard: String,
    pub(super) call_reason: Option<String>,
    pub(super) question: Option<String>,
    pub(super) options: Vec<String>,
    pub(super) council_call_id: String,
    pub(super) started: String,
    pub(super) answered: Option<String>,
    pub(super) accepted_by: Option<String>,
    pub(super) ended: Option<String>,
    pub(super) mcu_participant_id: Option<String>,
    pub(super) evidence_link: Option<String>,
    pub(super) guardian_evidence: Vec<Viewer>,
    pub(super) reason: Option<String>,
    pub(super) end: Option<End>,
    pub(super) cause: Option<u64>,
    pub(super) h323_segment: String,
    pub(super) decision_state: String,
    pub(super) decision: Option<Decision>,
}

/// Why a call ended.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub(super) struct End {
    pub(super) word: String,
    pub(super) gate: Option<String>,
    pub(super) sip: Option<u64>,
}

/// The evidence session of a guardian.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub(super) struct Viewer {
    pub(super) guardian: String,
    pub(super) evidence_state: String,
}

/// The expert's decision in force.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub(super) struct Decision {
    pub(super) choice: String,
    pub(super) assurance: String,
    pub(super) time: String,
}

impl Call {
    /// Whether it has not ended.
    pub(super) fn is_live(&self) -> bool {
        self.ended.is_none() && !matches!(self.sip_call_state.as_str(), "ended" | "failed")
    }

    /// `council_left, cause 16`; empty while it lives.
    pub(super) fn end(&self) -> String {
        let Some(end) = &self.end else {
            // Of an earlier version.
            return harmless(self.reason.as_deref().unwrap_or_default());
        };
        let gate = end.gate.as_deref().map(|gate| format!("gate {gate}"));
        let cause = self.cause.map(|cause| format!("cause {cause}"));
        let sip = end.sip.map(|sip| format!("SIP {sip}"));
        let parts = [Some(end.word.clone()), gate, cause, sip];
        harmless(&parts.into_iter().flatten().collect::<Vec<_>>().join(", "))
    }
}

/// One step of a call's history.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub(super) struct Step {
    pub(super) time: String,
    pub(super) state: String,
    pub(super) detail: String,
    pub(super) attempt: Option<u8>,
    pub(super) expert_id: Option<String>,
}

/// One call with its history.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub(super) struct CallDetail {
    #[serde(flatten)]
    pub(super) call: Call,
    pub(super) history: Vec<Step>,
}

/// A council room.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub(super) struct Room {
    pub(super) call_id: String,
    pub(super) backend: String,
    pub(super) participant_count: u64,
    pub(super) max_participants: u64,
    pub(super) participants: Vec<Participant>,
}

/// A member of a room.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub(super) struct Participant {
    pub(super) id: String,
    pub(super) role: String,
    pub(super) name: String,
    pub(super) muted: bool,
}

/// `terminate_call`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub(super) struct Terminated {
    pub(super) status: String,
    pub(super) call_id: String,
    pub(super) duration_seconds: u64,
}

/// Parts of the bridge.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub(super) struct Health {
    pub(super) ami: bool,
    pub(super) witness: bool,
    /// Not there where NATS is not configured.
    pub(super) nats: Option<bool>,
    pub(super) draining: bool,
}

/// Problem details (RFC 9457) with the members of the contract.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub(super) struct Problem {
    pub(super) title: String,
    pub(super) status: u16,
    pub(super) detail: String,
    pub(super) code: String,
    pub(super) field: Option<String>,
    pub(super) gate: Option<String>,
}
