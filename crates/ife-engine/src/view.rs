//! Views of calls, rooms and health: the shapes of the HTTP API, of events and of
//! `ifectl`.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::decisions::{DecisionAsked, DecisionBrief, DecisionEvent, DecisionState, DecisionView};

/// States of a leg, and of the call as `sip_call_state`, in their order; `unknown` is an honest
/// answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[expect(
    missing_docs,
    reason = "the names are those of the state machine, see ife-call"
)]
pub enum CallState {
    Received,
    Approved,
    Inviting,
    Ringing,
    Answered,
    Briefing,
    Accepted,
    Bridging,
    Connected,
    Ending,
    Ended,
    Failed,
    Unknown,
}

impl CallState {
    /// Whether the call is over.
    pub fn is_over(self) -> bool {
        self == CallState::Ended || self == CallState::Failed
    }
}

/// State of a call's evidence session.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum EvidenceState {
    /// No session.
    #[default]
    None,
    /// The link is out.
    Offered,
    /// The expert's channel is open, or was.
    Open,
    /// The expert verified all files.
    Verified,
    /// Files were not verified, or none can be had.
    Failed,
}

/// One call, as `GET /v1/calls` lists it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct CallView {
    /// `sip-call-` and 16 hex digits of SHA-256(trace id).
    pub call_id: String,
    /// `escalation` (we call the expert) or `expert` (the expert called us).
    pub origin: String,
    /// Id of the expert in the registry.
    pub expert_id: String,
    /// Their name.
    pub expert_name: String,
    /// The call's state.
    pub sip_call_state: CallState,
    /// State of the H.323 leg to the MCU. With `confbridge`, of the room's H.323 legs, from the
    /// expert's answer on: `connected` when a guardian is in the room, `inviting`, `ringing` or
    /// `bridging` while one is on the way, `failed` when none could be had (they are called again),
    /// `ended` when they have left or the call is over, `received` while none was asked for.
    pub h323_state: CallState,
    /// State of the evidence session.
    pub evidence_state: EvidenceState,
    /// Correlates everything about one escalation.
    pub trace_id: String,
    /// Hazard name.
    pub hazard: String,
    /// Why the expert is called: the message's `reason`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub call_reason: Option<String>,
    /// The question that the expert decides.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub question: Option<String>,
    /// The answers that the question offers.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub options: Vec<String>,
    /// Council conference.
    pub council_call_id: String,
    /// RFC 3339, UTC.
    pub started: String,
    /// RFC 3339, UTC; when the expert answered.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub answered: Option<String>,
    /// How the expert who was called has accepted: `key`, `page` or `none` (to answer is to
    /// accept).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub accepted_by: Option<String>,
    /// RFC 3339, UTC.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ended: Option<String>,
    /// `confbridge:<room>:<Uniqueid>` or `h323:<ChannelId>`, once the join was seen.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mcu_participant_id: Option<String>,
    /// Single-use link for the expert's browser.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub evidence_link: Option<String>,
    /// Evidence that could not be had; the call went on (WEBRTC_EVIDENCE_FAILED).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub evidence_errors: Vec<EvidenceError>,
    /// Evidence sessions of guardians, by name; the links themselves are in no view.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub guardian_evidence: Vec<GuardianView>,
    /// Why it ended or failed, for people; `end` is for programs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Why it ended or failed. A call that ended under an earlier version has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub end: Option<CallEnd>,
    /// Q.850 cause of the end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cause: Option<u16>,
    /// What an operator must know of the H.323 segment.
    pub h323_segment: String,
    /// `open`, `decided` or `no_decision`.
    #[serde(default)]
    pub decision_state: DecisionState,
    /// The expert's decision in force.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decision: Option<DecisionBrief>,
}

/// Why a call ended or failed; its Q.850 cause is `cause` of the call.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct CallEnd {
    /// One word, such as `council_left`, `expert_busy` or `refused`.
    pub word: String,
    /// The gate that refused the call.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gate: Option<String>,
    /// The SIP status that the gate gave, or the expert's phone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sip: Option<u16>,
}

/// The evidence session of a guardian.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct GuardianView {
    /// Name in the configuration.
    pub guardian: String,
    /// `offered`, `open`, `verified` or `failed`.
    pub evidence_state: EvidenceState,
}

/// A file that an escalation named and that could not be offered or sent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct EvidenceError {
    /// Its name, without a path.
    pub name: String,
    /// `not_found`, `not_allowed`, `not_a_file`, `bad_name`, `too_large`, `too_many`,
    /// `type_not_allowed`, `unreachable`, `http_status`, `timeout`, `no_space`, `changed`,
    /// `unreadable` or `unavailable`.
    pub code: String,
}

/// Something that happened on an evidence channel.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct EvidenceEvent {
    /// `webrtc_answer_created`, `datachannel_open`, `ifmessage_sent`, `ifmessage_shown`,
    /// `ifmessage_received` or `peer_disconnected`.
    pub event: String,
    /// The call.
    pub call_id: String,
    /// Its trace id.
    pub trace_id: String,
    /// The expert.
    pub expert_id: String,
    /// The guardian whose channel it is; absent for the expert's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub guardian: Option<String>,
    /// Id of the message in `messages` of the call.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message_id: Option<String>,
    /// The message of `ifmessage_sent` and `ifmessage_received`; signature, order and binding were
    /// checked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<serde_json::Value>,
}

/// An expert or guardian whose evidence channel is open.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct EvidencePeer {
    /// The call.
    pub call_id: String,
    /// Its trace id.
    pub trace_id: String,
    /// The expert of the call.
    pub expert_id: String,
    /// The guardian whose channel it is; absent for the expert's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub guardian: Option<String>,
    /// Key that signs the peer's messages, `ed25519:<base64>`.
    pub public_key: String,
    /// RFC 3339, UTC.
    pub connected: String,
}

ife_words::words! {
    /// How far a message between agents and an expert has come.
    #[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
    #[serde(rename_all = "snake_case")]
    pub enum MessageState {
        /// To the expert: on the channel.
        Sent = "sent",
        /// To the expert: the page has shown it.
        Shown = "shown",
        /// Of the expert: here, and published to subscribers.
        Taken = "taken",
    }
}

/// A message to one expert, and how far it has come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivery {
    /// The expert.
    pub peer: EvidencePeer,
    /// Id of the message.
    pub message_id: String,
    /// `sent` or `shown`.
    pub state: MessageState,
}

/// A message between agents and the expert of a call.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct CallMessage {
    /// Its id, unique among those to or of one expert; empty where the expert's side gave none.
    pub id: String,
    /// `to_expert` or `to_council`.
    pub direction: String,
    /// RFC 3339, UTC.
    pub time: String,
    /// How far it has come.
    pub state: MessageState,
    /// Bytes of its canonical JSON.
    pub size: usize,
    /// SHA-256 of them, lower-case hex.
    pub sha256: String,
    /// The message itself; absent for the older ones of a call with more than 64 KiB of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    pub message: Option<serde_json::Value>,
}

/// One step of a call's history.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Step {
    /// RFC 3339, UTC, milliseconds.
    pub time: String,
    /// The state reached.
    pub state: CallState,
    /// The observation.
    pub detail: String,
    /// The attempt, from 0; of a step that is in the witness log too.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attempt: Option<u8>,
    /// The expert of that attempt.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expert_id: Option<String>,
}

/// One call with its history, as `GET /v1/calls/{id}` answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct CallDetail {
    /// The call.
    #[serde(flatten)]
    pub call: CallView,
    /// Oldest first, at most 64.
    pub history: Vec<Step>,
    /// Decisions of the expert and of guardians, in the order in which they came.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub decisions: Vec<DecisionView>,
    /// Required members of a decision, as long as one is taken.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub asked: Option<DecisionAsked>,
    /// Messages between agents and the expert, oldest first, at most 400.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub messages: Vec<CallMessage>,
}

/// A council room.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RoomView {
    /// Name of the conference.
    pub call_id: String,
    /// Which backend.
    pub backend: String,
    /// Members.
    pub participant_count: u32,
    /// The council's limit.
    pub max_participants: u32,
    /// Who is in it.
    pub participants: Vec<Participant>,
}

/// A member of a room.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Participant {
    /// `confbridge:<room>:<Uniqueid>` or `h323:<ChannelId>`.
    pub id: String,
    /// `expert`, `guardian` or `unknown`.
    pub role: String,
    /// Expert id, or the guardian's name in the configuration.
    pub name: String,
    /// Whether the room hears them.
    pub muted: bool,
}

/// An event of `GET /v1/events`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Event {
    /// A call changed; the whole of it.
    Call(Box<CallView>),
    /// A room changed; the whole of it.
    Room(RoomView),
    /// A part of the bridge went up or down.
    Health(Health),
    /// Something happened on an evidence channel.
    Evidence(Box<EvidenceEvent>),
    /// A decision was taken, or the time for one has passed.
    Decision(Box<DecisionEvent>),
}

/// Parts of the bridge.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Health {
    /// AMI session is up.
    pub ami: bool,
    /// Asterisk reaches Kamailio, by its own probes; null before the first one, and where Asterisk
    /// does not probe.
    pub kamailio: Option<bool>,
    /// Channels of calls that are over, ordered to hang up again and again, and there still.
    pub stuck_channels: u32,
    /// The witness ring takes entries.
    pub witness: bool,
    /// Calls can be stored. After a failed write the bridge takes no calls until it restarts.
    pub store: bool,
    /// Messages are taken from NATS, and no part of it is at fault; null where it is not
    /// configured.
    pub nats: Option<bool>,
    /// Result of checking the witness log against its signatures. It refuses no call; `mismatch` is
    /// an alarm.
    pub log: LogHealth,
    /// Calls that have not ended.
    pub active_calls: u32,
    /// Parties in rooms that were neither called nor admitted: a person must look.
    #[serde(default)]
    pub unknown_parties: u32,
    /// New calls are refused: the bridge drains before it stops.
    pub draining: bool,
}

impl Health {
    /// Returns why no call can be placed, if so.
    pub fn obstacle(&self, witness_required: bool) -> Option<&'static str> {
        if self.draining {
            Some("the bridge is about to stop")
        } else if !self.ami {
            Some("the bridge is not connected to Asterisk")
        } else if self.kamailio == Some(false) {
            Some("Asterisk does not reach Kamailio")
        } else if !self.store {
            Some("calls cannot be stored")
        } else if witness_required && !self.witness {
            Some("the witness is down")
        } else {
            None
        }
    }
}

/// How the witness log is, as the bridge reads it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum LogHealth {
    /// No `witness_log` in the configuration.
    #[default]
    Off,
    /// Not read yet.
    Starting,
    /// Signatures, history and all entries that were read are as signed.
    Verified,
    /// It cannot be read, or its checkpoint is not signed by the configured keys.
    Unreadable,
    /// The log contradicts a signed head: a person must look.
    Mismatch,
}
