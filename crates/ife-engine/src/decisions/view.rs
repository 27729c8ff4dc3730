//! Decisions as the API shows them.

use ife_message::{
    Decision,
    decision::{Assurance, Attestation, CHOICES, Record, sha256_of},
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::view::CallView;

/// Whether the expert of a call has decided.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum DecisionState {
    /// Not yet, and the time for it lasts.
    #[default]
    Open,
    /// Yes; a later decision may replace it until the time for it has passed.
    Decided,
    /// No, and the time for it has passed.
    NoDecision,
}

/// The expert's decision in force, in short.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct DecisionBrief {
    /// One of the options, or `approve`, `deny`, `modify` or `abstain`.
    pub choice: String,
    /// `passkey`, `key`, `link` or `phone`.
    #[schema(value_type = String)]
    pub assurance: Assurance,
    /// RFC 3339; when it was signed.
    pub time: String,
}

/// One decision with all that a third party needs to check it, see docs/decision.md.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct DecisionView {
    /// The signed statement.
    #[schema(value_type = Object)]
    pub decision: Decision,
    /// The bridge's signed word for it.
    #[schema(value_type = Object)]
    pub attestation: Attestation,
    /// A later decision of the same party is in force.
    #[serde(default)]
    pub replaced: bool,
}

/// Required members of a decision about a call, as long as one is taken.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct DecisionAsked {
    /// For `council`.
    pub council: String,
    /// For `choice`: one of these.
    pub choices: Vec<String>,
    /// For `question_sha256`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub question_sha256: Option<String>,
    /// For `assurance`: one of these is enough for the hazard.
    #[schema(value_type = Vec<String>)]
    pub assurance: Vec<Assurance>,
    /// Passkeys of the expert, for `kid`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub passkeys: Vec<PasskeyAsked>,
    /// RFC 3339; known once the call has ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<String>,
}

/// A passkey that may sign.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PasskeyAsked {
    /// Credential id, base64url.
    pub id: String,
    /// The domain of its page.
    pub rp_id: String,
}

/// A decision, or the end of the time for one, as an event.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct DecisionEvent {
    /// The call.
    pub call_id: String,
    /// Its trace id.
    pub trace_id: String,
    /// The expert.
    pub expert_id: String,
    /// Whether the expert has decided.
    pub decision_state: DecisionState,
    /// The decision that was just taken, of the expert or of a guardian.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub record: Option<DecisionView>,
}

/// Returns the choices that a call offers.
pub(crate) fn choices(call: &CallView) -> Vec<String> {
    choices_of(&call.options)
}

/// Returns the choices of a call with these options.
pub(crate) fn choices_of(options: &[String]) -> Vec<String> {
    if options.is_empty() {
        CHOICES.map(str::to_owned).to_vec()
    } else {
        options.to_vec()
    }
}

/// Returns the hash of the call's question.
pub(crate) fn question_sha256(call: &CallView) -> Option<String> {
    call.question.as_deref().map(sha256_of)
}

pub(super) fn brief(record: &Record) -> DecisionBrief {
    DecisionBrief {
        choice: record.decision.choice.clone(),
        assurance: record.decision.assurance,
        time: record.decision.time.clone(),
    }
}

/// Returns the records with what replaced what, in the order in which they came.
pub(super) fn views(records: &[Record]) -> Vec<DecisionView> {
    let is_replaced = |at: usize, record: &Record| {
        let later = records.iter().skip(at + 1);
        later
            .filter(|later| is_same_party(&later.decision, &record.decision))
            .count()
            > 0
    };
    let all = records.iter().enumerate();
    all.map(|(at, record)| DecisionView {
        decision: record.decision.clone(),
        attestation: record.attestation.clone(),
        replaced: is_replaced(at, record),
    })
    .collect()
}

pub(super) fn is_same_party(a: &Decision, b: &Decision) -> bool {
    (a.role, &a.party) == (b.role, &b.party)
}
