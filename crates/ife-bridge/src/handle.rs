//! The engine's front door: what the API, the intake and the evidence server may ask of the one task that owns all calls.

use ife_message::IfMessage;
use serde::{Deserialize, Serialize};
use tokio::sync::{broadcast, mpsc, oneshot};
use utoipa::ToSchema;

use crate::{
    refusal::{ErrorName, Refusal},
    view::{CallDetail, CallView, Event, EvidenceError, Health, LogHealth, RoomView},
};

/// Commands that may wait for the engine; more are refused with 503.
pub const COMMANDS_MAX: usize = 256;
/// Q.850 cause by which the dialplan says that another bridge has the call (invalid call reference; no expert's phone gives it).
pub const TAKEN_ELSEWHERE: u16 = 81;
/// Events that a slow subscriber may be behind before it misses some.
pub const EVENTS_MAX: usize = 1_024;

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
    /// `terminated` when every leg was seen to end, `hangup_unconfirmed` when one was not, or `not_found`.
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
    /// What the registry says of the expert, when known.
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
    /// INVALID_SIGNATURE, NOT_REGISTERED, PII_POLICY_VIOLATION, BANDWIDTH_EXCEEDED, CAPACITY_EXCEEDED or GATEKEEPER_ERROR.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reject_reason: Option<String>,
}

/// A message that was delivered before, in this process or in another one, is gone on with.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Resume {
    /// The first so many experts were called already.
    pub tried: u8,
    /// What the gateway says of the call that is gone on with. It lets nobody call whose word is out of date.
    pub takes: Option<String>,
}

/// A call that another bridge, or an earlier process, may have begun.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Whereabouts {
    /// Its name.
    pub call_id: String,
    /// A bridge's channel of that call is there.
    pub is_live: bool,
    /// This bridge remembers the message or its call.
    pub is_known: bool,
    /// The expert's place in a room, when seen there.
    pub participant: Option<String>,
    /// What the gateway noted.
    pub note: Option<Note>,
    /// The expert who was called last, id and name, as this bridge's registry has it.
    pub expert: Option<(String, String)>,
}

/// The gateway's note about a call, written by the dialplan when an expert is called: `<node>:<experts called>`, then `:answered`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note {
    /// As it was read.
    pub text: String,
    /// The bridge that called.
    pub node: String,
    /// How many experts it called, one after the other.
    pub tried: u8,
    /// The last of them answered.
    pub answered: bool,
}

impl Note {
    /// Reads a note; `None` for what is not one.
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

/// A reply that the engine owes.
pub type Reply<T> = oneshot::Sender<Result<T, Refusal>>;

/// Answers a request, whose sender may have gone.
pub(crate) fn respond<T>(reply: Reply<T>, result: Result<T, Refusal>) {
    drop(reply.send(result));
}

/// One request to the engine.
#[derive(Debug)]
pub enum Command {
    /// A message whose signature was checked. Answers when the expert's leg has an outcome or the call is connected, as `wait` says.
    Escalate {
        /// The message.
        message: Box<IfMessage>,
        /// Answer at `connected` or failure, instead of at `inviting`.
        wait: bool,
        /// It was delivered before, and no bridge has an answer.
        resume: Option<Resume>,
        /// The call.
        reply: Reply<CallView>,
    },
    /// What the gateway knows of the call that a message asks for.
    Whereabouts(Box<IfMessage>, Reply<Whereabouts>),
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
    /// The agent whose message asked for a call; `None` for a call of another kind, and for none.
    Owner(String, Reply<Option<String>>),
    /// Rooms.
    Room(RoomCommand, Reply<Vec<RoomView>>),
    /// A guardian asks to join.
    Admit(GuardianAdmission, Reply<Admission>),
    /// How the parts are.
    Health(Reply<Health>),
    /// The evidence server tells how a call's evidence stands.
    Evidence {
        /// The call.
        call_id: String,
        /// `offered`, `open`, `verified` or `failed`; as it was when absent.
        state: Option<String>,
        /// For the call's history.
        detail: String,
        /// What cannot be had.
        errors: Vec<EvidenceError>,
    },
    /// The task that reads the witness log tells how it is.
    WitnessLog(LogHealth),
    /// No new calls; the reply comes when none is being set up any more. Connected ones live on in Asterisk, for the next process to take over.
    Drain(Reply<()>),
}

/// A cheap handle to the engine.
#[derive(Debug, Clone)]
pub struct EngineHandle {
    commands: mpsc::Sender<Command>,
    events: broadcast::Sender<Event>,
}

impl EngineHandle {
    /// The handle, and the engine's end of it.
    pub fn new() -> (
        EngineHandle,
        mpsc::Receiver<Command>,
        broadcast::Sender<Event>,
    ) {
        let (commands, receiver) = mpsc::channel(COMMANDS_MAX);
        let (events, _) = broadcast::channel(EVENTS_MAX);
        let handle = EngineHandle {
            commands,
            events: events.clone(),
        };
        (handle, receiver, events)
    }

    /// Asks, and waits for the answer. The engine bounds every wait; a full queue is refused at once.
    pub async fn ask<T>(&self, command: impl FnOnce(Reply<T>) -> Command) -> Result<T, Refusal> {
        let (reply, answer) = oneshot::channel();
        self.commands
            .try_send(command(reply))
            .map_err(|_| Refusal {
                retry_after_s: Some(1),
                ..Refusal::new(ErrorName::Unavailable, "the engine has too much to do")
            })?;
        answer
            .await
            .map_err(|_| Refusal::new(ErrorName::Unavailable, "the engine has stopped"))?
    }

    /// Tells something that needs no answer; dropped when the queue is full.
    pub fn tell(&self, command: Command) {
        let _ = self.commands.try_send(command);
    }

    /// Tells everybody who follows the events.
    pub fn publish(&self, event: Event) {
        // Nobody may be listening.
        let _ = self.events.send(event);
    }

    /// Live events from here on.
    pub fn subscribe(&self) -> broadcast::Receiver<Event> {
        self.events.subscribe()
    }
}
