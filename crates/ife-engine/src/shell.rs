//! The engine's orders to the process around it.

use std::{fmt, time::Duration};

use ife_call::{Acceptance, Cause};
use ife_message::{Briefing, decision::Assurance};
use ife_witness::entry::{self, Direction, Evidence};
use serde::{Deserialize, Serialize};

use crate::{
    notice::Notice,
    record::Line,
    view::{Event, Health},
};

/// The process around the engine: connection, store, witness, evidence, subscribers and metrics.
/// No method waits.
pub trait Shell: fmt::Debug + Send {
    /// Opens a connection to Asterisk; its input comes under this number. The connection before it
    /// is closed.
    fn connect(&mut self, number: u64);

    /// Closes the connection to Asterisk, without a word of it.
    fn disconnect(&mut self);

    /// Writes to Asterisk. False when the connection is gone, or its peer has stopped reading.
    fn write(&mut self, bytes: Vec<u8>) -> bool;

    /// Stores a record. With a token, [`crate::Action::Stored`] follows.
    ///
    /// # Errors
    /// The store takes no records.
    fn store(&mut self, line: &Line, token: Option<u64>) -> Result<(), Refused>;

    /// Whether the store wants to be written anew.
    fn wants_rewrite(&self) -> bool;

    /// Writes the store anew.
    fn rewrite(&mut self, lines: Vec<Line>);

    /// Witnesses a fact.
    ///
    /// # Errors
    /// A `decision` that must be witnessed is not.
    fn witness(&mut self, fact: &Fact<'_>, decision: bool) -> Result<(), Refused>;

    /// Whether facts are taken and a writer is there to log them.
    fn is_witness_healthy(&self) -> bool;

    /// Whether records are stored; after a failed write none is until the next start.
    fn is_store_healthy(&self) -> bool;

    /// Makes a single-use link to a call's evidence; `None` without evidence.
    fn offer_evidence(&mut self, about: About) -> Option<String>;

    /// Ends all sessions of a guardian, and all unused links.
    fn end_evidence(&mut self, guardian: &str);

    /// Makes what an expert hears after the answer, and returns each prompt's file, as Asterisk
    /// plays it: without its ending. Nothing without speech. The briefing's file may be written
    /// later, while the phone rings.
    fn speak(&mut self, spoken: &Spoken<'_>) -> Vec<Said>;

    /// Notifies an expert of a call by the ways of the notice;
    /// [`crate::command::Command::Notified`] follows for each of them. False when too much is under
    /// way: then none follows.
    fn notify(&mut self, notice: Notice) -> bool;

    /// Gives up the notices of a call that are not delivered yet.
    fn withdraw(&mut self, call_id: &str);

    /// Publishes an event to all subscribers.
    fn publish(&mut self, event: Event);

    /// Counts, or observes a duration.
    fn measure(&mut self, measure: Measure<'_>);

    /// Fills a buffer with random bytes. False without a source of randomness.
    fn random(&mut self, bytes: &mut [u8]) -> bool;
}

/// A part of the shell does not take an order; it logs the reason.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Refused;

/// One entry of the witness log, without the members that the ring adds.
#[derive(Debug, Clone, Copy)]
pub struct Fact<'a> {
    /// What happened.
    pub event: entry::Event,
    /// Correlates everything about one escalation.
    pub trace_id: Option<&'a str>,
    /// The bridge's name of the call.
    pub call_id: Option<&'a str>,
    /// Which way the call goes.
    pub direction: Option<Direction>,
    /// Hazard name.
    pub hazard: Option<&'a str>,
    /// Expert id.
    pub expert: Option<&'a str>,
    /// A gate's verdict.
    pub approved: Option<bool>,
    /// The gate that decided.
    pub gate: Option<&'a str>,
    /// SIP status.
    pub code: Option<u16>,
    /// Key id of the signature that the call goes out with.
    pub kid: Option<&'a str>,
    /// One word: why a call, an attempt or a leg is over.
    pub reason: Option<&'a str>,
    /// Q.850 cause of a release.
    pub cause: Option<Cause>,
    /// By which means an expert accepted a call, or declined it.
    pub means: Option<Acceptance>,
    /// Number of the attempt to reach an expert.
    pub attempt: Option<u8>,
    /// State of the call.
    pub state: Option<&'static str>,
    /// The council's room.
    pub room: Option<&'a str>,
    /// Name of a guardian.
    pub guardian: Option<&'a str>,
    /// The members of a decision.
    pub decision: Option<Decided<'a>>,
    /// The evidence session that it is about.
    pub evidence: Option<&'a Evidence<'a>>,
    /// Way to notify an expert of a call.
    pub channel: Option<&'static str>,
    /// One word: the end of a notification, or how far a message has come.
    pub outcome: Option<&'static str>,
    /// A member of the room, as the API names it.
    pub participant: Option<&'a str>,
    /// Bytes of a message.
    pub size: Option<u64>,
    /// SHA-256 of a message.
    pub message_sha256: Option<[u8; 32]>,
    /// For a person; may be empty.
    pub detail: &'a str,
}

/// The members of an entry about a decision.
#[derive(Debug, Clone, Copy, Default)]
pub struct Decided<'a> {
    /// The choice.
    pub choice: Option<&'a str>,
    /// What signed.
    pub assurance: Option<Assurance>,
    /// SHA-256 of the text.
    pub text_sha256: Option<[u8; 32]>,
    /// SHA-256 of the signed bytes.
    pub sha256: Option<[u8; 32]>,
}

impl<'a> Fact<'a> {
    /// With nothing but a detail.
    pub fn new(event: entry::Event, detail: &'a str) -> Fact<'a> {
        Fact {
            event,
            trace_id: None,
            call_id: None,
            direction: None,
            hazard: None,
            expert: None,
            approved: None,
            gate: None,
            code: None,
            kid: None,
            reason: None,
            cause: None,
            means: None,
            attempt: None,
            state: None,
            room: None,
            guardian: None,
            decision: None,
            evidence: None,
            channel: None,
            outcome: None,
            participant: None,
            size: None,
            message_sha256: None,
            detail,
        }
    }
}

/// What an expert is called about.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct About {
    /// The bridge's name of the call.
    pub call_id: String,
    /// Correlates everything about one escalation.
    pub trace_id: String,
    /// Hazard name.
    pub hazard: String,
    /// Id of the expert in the registry.
    pub expert_id: String,
    /// The guardian whose link it is; absent for the expert's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub guardian: Option<String>,
    /// Who escalated.
    pub caller: String,
    /// The council's AOR.
    pub council: String,
    /// The text for the expert.
    #[serde(default, skip_serializing_if = "Briefing::is_empty")]
    pub briefing: Briefing,
    /// Whether the expert accepts the call on the page.
    #[serde(default)]
    pub accepts_here: bool,
    /// Paths below the roots, or URIs, as the escalation named them.
    pub files: Vec<String>,
}

ife_words::words! {
    /// Something that an expert hears on the phone. The word is the name of its recording.
    #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
    pub enum Prompt {
        /// Who calls and why. Made for each call.
        Briefing = "briefing",
        /// Which keys there are.
        Menu = "menu",
        /// Where the call is accepted by page, and which keys there are.
        Page = "page",
        /// The call is accepted.
        Accepted = "accepted",
        /// It is declined.
        Declined = "declined",
        /// It is passed on to the next expert.
        PassedOn = "passed_on",
        /// No key came.
        NoKey = "no_key",
        /// That key means nothing.
        WrongKey = "wrong_key",
        /// A choice with its number. One for each choice of a call.
        Choice = "choice",
        /// Which key confirms a decision.
        Confirm = "confirm",
        /// The decision is taken.
        Decided = "decided",
        /// The decision is not taken.
        NotDecided = "not_decided",
    }
}

/// Content of the briefing of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Spoken<'a> {
    /// Domain of the council.
    pub council: &'a str,
    /// Hazard name.
    pub hazard: &'a str,
    /// The message's reason.
    pub reason: Option<&'a str>,
    /// The choices by key, at most nine.
    pub choices: &'a [String],
}

/// A prompt of a call, and its file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Said {
    /// Which prompt.
    pub prompt: Prompt,
    /// Number of a choice, from 1.
    pub number: Option<u8>,
    /// Path without ending.
    pub file: String,
}

/// Something to count, or a duration to observe.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Measure<'a> {
    /// The gate is asked about a call; [`Measure::Decision`] follows.
    GateAsked,
    /// The gate's answer.
    Decision {
        /// Whether it approved.
        approved: bool,
    },
    /// From the request to the expert's phone ringing.
    Ringing(Duration),
    /// An expert's reply, provisional or final, by SIP status.
    Response(u16),
    /// A call or an attempt failed, by SIP status.
    Failure(u16),
    /// A call ended.
    Over {
        /// Expert of the registry, or `unknown`.
        expert: &'a str,
        /// Hazard of the registry, or `unknown`.
        hazard: &'a str,
        /// `ended` or the reason of the failure.
        result: &'static str,
        /// From answer to end, if answered.
        talked: Option<Duration>,
    },
    /// Asterisk could not play what an expert should have heard.
    PromptFailed,
    /// A call ended without proof that its legs have.
    HangupUnconfirmed,
    /// A call to a guardian failed.
    GuardianFailed {
        /// Name in the configuration.
        guardian: &'a str,
        /// The word for the cause, or the reason that no call was placed.
        reason: &'static str,
    },
    /// A notification of an expert is over.
    Notified {
        /// `webhook` or `mail`.
        channel: &'static str,
        /// The word for its end.
        outcome: &'static str,
    },
    /// A party without admission came to a room.
    UnknownParty {
        /// The measure: `removed`, `muted` or `admitted`.
        done: &'static str,
    },
    /// The state of all parts.
    Health {
        /// The parts.
        health: &'a Health,
        /// Events of Asterisk that were dropped so far.
        events_dropped: u64,
    },
}
