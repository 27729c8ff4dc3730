//! Commands of the API, the intake and the evidence server to the owner of all calls.

use std::{fmt, str::FromStr};

use ife_message::{Escalate, IfMessage, MessageError};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{
    decisions::DecisionView,
    notice::Notified,
    record::MessageKey,
    refusal::Refusal,
    view::{
        CallDetail, CallMessage, CallView, EvidenceError, EvidenceState, Health, LogHealth,
        RoomView,
    },
};

/// Q.850 cause by which the dialplan reports that another bridge has the call: invalid call
/// reference, which no expert's phone gives.
pub const TAKEN_ELSEWHERE: u16 = 81;
/// Seconds that a message's timestamp may differ from this host's clock; an id is remembered for
/// longer than that.
pub const TIMESTAMP_WINDOW_S: u64 = 300;

/// `initiate_call`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct InitiateCall {
    /// Id of the expert in the registry.
    pub expert_id: String,
    /// Hazard name.
    pub hazard_type: String,
    /// Paths below the evidence roots, or http(s) URIs.
    #[serde(default)]
    pub evidence_files: Vec<String>,
    /// The council's conference; the configured one when absent.
    #[serde(default)]
    pub conversation_id: Option<String>,
    /// Made by the bridge when absent.
    #[serde(default)]
    pub trace_id: Option<String>,
    /// Why the expert is called: a sentence.
    #[serde(default)]
    pub reason: Option<String>,
    /// The question that the expert decides.
    #[serde(default)]
    pub question: Option<String>,
    /// The answers that the question offers.
    #[serde(default)]
    pub options: Vec<String>,
}

/// `bridge_external_call`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct BridgeExternalCall {
    /// The call to join.
    pub sip_call_id: String,
    /// The conference to join it to.
    pub council_call_id: String,
    /// Must be the expert of that call.
    pub external_expert_id: String,
}

/// Answer of `bridge_external_call`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Bridged {
    /// `bridged`.
    pub status: String,
    /// Where the H.323 segment goes.
    pub h323_endpoint: String,
    /// `confbridge:<room>:<Uniqueid>` or `h323:<ChannelId>`.
    pub mcu_participant_id: String,
}

/// `terminate_call`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Terminated {
    /// `terminated` when every leg was seen to end, `hangup_unconfirmed` when one was not, or
    /// `not_found`.
    pub status: String,
    /// The call.
    pub call_id: String,
    /// From answer to end; 0 when never answered.
    pub duration_seconds: u64,
}

/// `approve_external_call`: the gate without a call.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ApproveExternalCall {
    /// Id of the expert in the registry.
    pub expert_id: String,
    /// Hazard name.
    pub hazard: String,
    /// With `signature`: the trace id that it covers.
    #[serde(default)]
    pub trace_id: Option<String>,
    /// An X-IF-Signature value to check, `base` parts only.
    #[serde(default)]
    pub signature: Option<String>,
}

/// Answer of `approve_external_call`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Approval {
    /// The verdict.
    pub approved: bool,
    /// Public reason.
    pub reason: String,
    /// Gate that rejected.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gate: Option<String>,
    /// The expert's entry in the registry, when known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expert_info: Option<ExpertInfo>,
}

/// Public part of a registry entry.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ExpertInfo {
    /// Id.
    pub expert_id: String,
    /// Name.
    pub name: String,
    /// Hazards the expert answers for.
    pub hazards: Vec<String>,
    /// `active` or `suspended`.
    pub status: String,
}

/// Admission of a guardian to a council room.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct GuardianAdmission {
    /// Name of the terminal in the configuration.
    pub terminal_id: String,
    /// The conference.
    pub call_id: String,
    /// `ROUTINE`, `ESCALATE` or `EMERGENCY`.
    pub call_type: String,
    /// Asked for, in bit/s.
    pub bandwidth_bps: u64,
    /// Whether personal data will be shown.
    pub has_pii: bool,
    /// RFC 3339.
    pub timestamp: String,
    /// Ed25519 over the JCS form of the request without `signature`, base64.
    pub signature: String,
    /// `ed25519:<base64>`; must be the configured one.
    pub public_key: String,
}

/// Answer to a guardian.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Admission {
    /// Whether the terminal may join.
    pub confirmed: bool,
    /// INVALID_SIGNATURE, NOT_REGISTERED, PII_POLICY_VIOLATION, BANDWIDTH_EXCEEDED,
    /// CAPACITY_EXCEEDED or GATEKEEPER_ERROR.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reject_reason: Option<String>,
    /// The guardian's own links to the evidence of the calls of the room.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub evidence: Vec<GuardianLink>,
}

/// The link of a guardian to the evidence of one call.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct GuardianLink {
    /// The call.
    pub call_id: String,
    /// Its trace id.
    pub trace_id: String,
    /// Single-use link for the guardian's browser.
    pub evidence_link: String,
}

/// A guardian who was admitted asks for links to the evidence of the calls of the room.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct GuardianEvidence {
    /// Name of the terminal in the configuration.
    pub terminal_id: String,
    /// The conference of the admission.
    pub call_id: String,
    /// RFC 3339; later than that of each earlier request of the guardian.
    pub timestamp: String,
    /// Ed25519 over the JCS form of the request without `signature`, base64.
    pub signature: String,
    /// `ed25519:<base64>`; must be the configured one.
    pub public_key: String,
}

/// Links of a guardian.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct GuardianLinks {
    /// One for each call of the room that has evidence.
    pub evidence: Vec<GuardianLink>,
}

/// A message that was delivered before, in this process or in another one, is gone on with.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Resume {
    /// Number of experts, from the first, who were called already.
    pub tried: u8,
    /// The gateway's note about the call to continue. The gateway refuses an outdated note.
    pub takes: Option<Note>,
}

/// A call that another bridge, or an earlier process, may have begun.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GatewayView {
    /// Its name.
    pub call_id: String,
    /// A bridge's channel of that call is there.
    pub is_live: bool,
    /// This bridge remembers the message or its call.
    pub is_known: bool,
    /// The expert's place in a room, when seen there.
    pub participant: Option<String>,
    /// The gateway's note.
    pub note: Option<Note>,
    /// The expert who was called last, id and name, as this bridge's registry has it.
    pub expert: Option<(String, String)>,
}

/// The gateway's note about a call, written by the dialplan when an expert is called:
/// `<node>:<number of the expert, from 1>`, then `:answered`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note {
    /// As it was read.
    pub text: String,
    /// The bridge that called.
    pub node: String,
    /// Number of experts, from the first, who were called or passed over.
    pub tried: u8,
    /// The last of them answered.
    pub answered: bool,
}

impl Note {
    /// Reads a note; `None` for any other text.
    pub fn parse(text: &str) -> Option<Note> {
        let mut parts = text.split(':');
        let node = parts.next().filter(|node| !node.is_empty())?;
        let tried = parts.next()?.parse().ok()?;
        let answered = match parts.next() {
            None => false,
            Some("answered") => true,
            Some(_) => return None,
        };
        Some(Note {
            text: text.to_owned(),
            node: node.to_owned(),
            tried,
            answered,
        })
    }
}

impl FromStr for Note {
    type Err = ();

    fn from_str(text: &str) -> Result<Note, ()> {
        Note::parse(text).ok_or(())
    }
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// What can be done to a room.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RoomCommand {
    /// Makes it and dials the guardians.
    Create(String),
    /// One room.
    Show(String),
    /// All rooms.
    List,
    /// Mutes or unmutes a participant.
    Mute {
        /// The room.
        room: String,
        /// Its member.
        participant: String,
        /// Or unmute.
        muted: bool,
    },
    /// Removes a participant.
    Remove {
        /// The room.
        room: String,
        /// Its member.
        participant: String,
    },
    /// Ends the conference for all.
    End(String),
}

/// An escalation of a registered agent, whose signature was checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Escalation {
    /// The message.
    pub message: MessageKey,
    /// Its request.
    pub request: Escalate,
}

impl Escalation {
    /// Reads a message.
    ///
    /// # Errors
    /// The member that keeps it from being an escalation.
    pub fn of(message: &IfMessage) -> Result<Escalation, MessageError> {
        Ok(Escalation {
            request: Escalate::from_message(message)?,
            message: MessageKey {
                source: message.source.clone(),
                id: message.id.clone(),
            },
        })
    }
}

/// The way of an answer to its request, usable once.
pub struct Reply<T>(Box<dyn FnOnce(Result<T, Refusal>) + Send>);

impl<T> Reply<T> {
    /// Returns a reply that hands its answer to `take`, which must not wait.
    pub fn new(take: impl FnOnce(Result<T, Refusal>) + Send + 'static) -> Reply<T> {
        Reply(Box::new(take))
    }

    /// Answers the request.
    pub fn respond(self, result: Result<T, Refusal>) {
        (self.0)(result);
    }
}

impl<T> fmt::Debug for Reply<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Reply")
    }
}

/// A decision, by the way that it came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Submission {
    /// By the API.
    Api {
        /// The call that it was sent to.
        call_id: String,
        /// The signed statement.
        text: Vec<u8>,
    },
    /// By the page of an expert, in the browser that redeemed the link.
    Page {
        /// The call of the link.
        call_id: String,
        /// The expert of the link.
        expert_id: String,
        /// The signed statement.
        text: Vec<u8>,
    },
    /// By keys on the phone of the expert; the bridge makes the statement and signs it.
    Phone {
        /// The call.
        call_id: String,
        /// The meaning of the keys: one of the choices.
        choice: String,
    },
}

impl Submission {
    /// The call that it was sent to.
    pub fn call_id(&self) -> &str {
        match self {
            Submission::Api { call_id, .. }
            | Submission::Page { call_id, .. }
            | Submission::Phone { call_id, .. } => call_id,
        }
    }
}

/// One request to the engine.
#[derive(Debug)]
pub enum Command {
    /// The expert of a call accepts it on the page.
    Accept {
        /// The call.
        call_id: String,
        /// The expert of the page's link.
        expert_id: String,
        /// Answers when Asterisk has the order.
        reply: Reply<()>,
    },
    /// Answers when the expert's leg has an outcome or the call is connected, as in `wait`.
    Escalate {
        /// The escalation.
        escalation: Box<Escalation>,
        /// Answer at `connected` or failure, instead of at `inviting`.
        wait: bool,
        /// It was delivered before, and no bridge has an answer.
        resume: Option<Resume>,
        /// The call.
        reply: Reply<CallView>,
    },
    /// The gateway's knowledge of the call that a message asks for.
    GatewayView(Box<Escalation>, Reply<GatewayView>),
    /// The intake's connection is up, or not.
    IntakeUp(bool),
    /// `initiate_call`.
    Initiate(InitiateCall, Reply<CallView>),
    /// `terminate_call`.
    Terminate(String, Reply<Terminated>),
    /// `bridge_external_call`.
    Bridge(BridgeExternalCall, Reply<Bridged>),
    /// `approve_external_call`.
    Approve(ApproveExternalCall, Reply<Approval>),
    /// All calls that are live or ended lately.
    Calls(Reply<Vec<CallView>>),
    /// One call.
    Call(String, Reply<CallDetail>),
    /// A decision about a call.
    Decide(Submission, Reply<DecisionView>),
    /// The agent whose message asked for a call; `None` for a call of another kind, and for none.
    Owner(String, Reply<Option<String>>),
    /// Rooms.
    Room(RoomCommand, Reply<Vec<RoomView>>),
    /// A guardian asks to join.
    Admit(GuardianAdmission, Reply<Admission>),
    /// A guardian who was admitted asks for links.
    Links(GuardianEvidence, Reply<GuardianLinks>),
    /// How the parts are.
    Health(Reply<Health>),
    /// State of a call's evidence, from the evidence server.
    Evidence {
        /// The call.
        call_id: String,
        /// The guardian whose session it is; absent for the expert's.
        guardian: Option<String>,
        /// As it was when absent.
        state: Option<EvidenceState>,
        /// For the call's history.
        detail: String,
        /// What cannot be had.
        errors: Vec<EvidenceError>,
    },
    /// A message between agents and the expert of the call.
    Said(String, Box<CallMessage>),
    /// The message of that id was shown to the expert.
    Shown {
        /// The call.
        call_id: String,
        /// The message.
        id: String,
    },
    /// A notification of an expert is over.
    Notified(Box<Notified>),
    /// State of the witness log, from the task that reads it.
    WitnessLog(LogHealth),
    /// No new calls; the reply comes when none is being set up any more. Connected ones live on in
    /// Asterisk, for the next process to take over.
    Drain(Reply<()>),
}
