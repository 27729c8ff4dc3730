//! What all parts of the engine share: settings, the gate, Asterisk as it is known, memory, timers,
//! and the way to the shell.

use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

use ife_ami::{
    Action, ActionId, Model, Output,
    session::{Outcome, SubmitError},
    value::{RoomName, Uniqueid, VarName},
};
use ife_call::{Cause, Leg};
use ife_witness::entry::Event;
use ife_words::hex;
use tracing::warn;

use crate::{
    calls::{CallId, Names},
    command::{Admission, Escalation, GatewayView, Reply},
    gate::Gate,
    gateway::{FromLink, Gateway},
    ledger::Ledger,
    record::Line,
    roll::Admitted,
    settings::Settings,
    shell::{Fact, Shell},
    time::Now,
    timers::{self, Due, Timers},
    view::RoomView,
};

/// The question or order that an answer of Asterisk belongs to.
#[derive(Debug)]
pub(crate) enum Asked {
    /// To call an expert.
    Originate(CallId, Leg),
    /// To end a leg.
    Hangup(CallId, Leg),
    /// To call a guardian.
    Guardian(Uniqueid),
    /// The context in which the expert on a channel accepted.
    Acceptance(Uniqueid),
    /// The subject of an incoming channel.
    Incoming(Uniqueid),
    /// The record of an own channel whose call the store does not have.
    Stray(Uniqueid),
    /// The gateway's note about a call that is taken over and has no channel.
    Called(CallId),
    /// To mute a participant, or not; the answer is the room.
    Mute {
        /// The room.
        room: RoomName,
        /// Its member.
        channel: Uniqueid,
        /// Or unmute.
        muted: bool,
        /// The way of the answer.
        reply: Reply<Vec<RoomView>>,
    },
    /// To give the dialplan an admission; with the signed time of its request, Unix nanoseconds.
    Admission(Admitted, u64, Reply<Admission>),
    /// The gateway's notes of parties that came and went.
    Notes,
    /// To move a call to another room.
    Move(CallId),
    /// The gateway's note about the call of a message that was delivered before.
    Note(Box<GatewayView>, Box<Escalation>, Reply<GatewayView>),
    /// The contact that is Kamailio.
    Aor,
    /// The result of the last probe of it.
    Contact,
    /// An order whose result changes nothing here.
    Nothing,
}

#[derive(Debug)]
pub(crate) struct Context {
    /// The time of the action that is applied.
    pub(crate) now: Now,
    pub(crate) settings: Settings,
    pub(crate) names: Names,
    pub(crate) gate: Gate,
    /// Asterisk's channels and rooms.
    pub(crate) model: Model,
    pub(crate) ledger: Ledger,
    pub(crate) timers: Timers,
    pub(crate) shell: Box<dyn Shell>,
    gateway: Gateway,
    asked: HashMap<ActionId, Asked>,
    numbers: u64,
}

impl Context {
    pub(crate) fn new(
        now: Now,
        settings: Settings,
        gate: Gate,
        ledger: Ledger,
        gateway: ife_ami::Config,
        shell: Box<dyn Shell>,
    ) -> Context {
        Context {
            now,
            names: Names::new(&settings.node),
            settings,
            gate,
            model: Model::new(),
            ledger,
            timers: Timers::default(),
            shell,
            gateway: Gateway::new(gateway, now.at),
            asked: HashMap::new(),
            numbers: 0,
        }
    }

    /// Whether Asterisk is connected and takes orders.
    pub(crate) fn is_connected(&self) -> bool {
        self.gateway.is_up()
    }

    /// Events of Asterisk that were dropped.
    pub(crate) fn events_dropped(&self) -> u64 {
        self.gateway.dropped()
    }

    pub(crate) fn next_due(&self) -> Option<Instant> {
        let due = [self.gateway.next_due(), self.timers.next_due()];
        due.into_iter().flatten().min()
    }

    pub(crate) fn on_link(&mut self, number: u64, said: FromLink) {
        self.gateway
            .on_link(self.now.at, &mut *self.shell, number, said);
    }

    /// Lets the session act on the time.
    pub(crate) fn on_time(&mut self) {
        self.gateway.on_time(self.now.at);
    }

    pub(crate) fn poll_output(&mut self) -> Option<Output> {
        self.gateway.poll_output(self.now.at, &mut *self.shell)
    }

    /// Asks or orders Asterisk; the answer is found by [`Context::answered`].
    pub(crate) fn ask(&mut self, action: &Action, asked: Asked) -> Result<(), SubmitError> {
        let id = self.submit(action)?;
        self.expect_answer(id, asked);
        Ok(())
    }

    /// Asks or orders Asterisk; [`Context::expect_answer`] has to follow.
    pub(crate) fn submit(&mut self, action: &Action) -> Result<ActionId, SubmitError> {
        self.gateway.submit(self.now.at, &mut *self.shell, action)
    }

    pub(crate) fn expect_answer(&mut self, id: ActionId, asked: Asked) {
        self.asked.insert(id, asked);
    }

    /// What an answer belongs to.
    pub(crate) fn answered(&mut self, id: ActionId) -> Option<Asked> {
        self.asked.remove(&id)
    }

    /// Asks a channel for a variable that the dialplan or the bridge set.
    pub(crate) fn ask_variable(&mut self, channel: &Uniqueid, name: &str, asked: Asked) {
        let Ok(name) = VarName::parse(name) else {
            return;
        };
        let channel = Some(channel.clone());
        // The next comparison asks again.
        let _ = self.ask(&Action::Getvar { channel, name }, asked);
    }

    /// Orders a channel to end, if Asterisk is connected.
    pub(crate) fn hang_up(&mut self, channel: Uniqueid, cause: Cause, asked: Asked) {
        let cause = cause.value();
        let _ = self.ask(&Action::Hangup { channel, cause }, asked);
    }

    /// Orders a channel to end that no call waits for.
    pub(crate) fn end_channel(&mut self, channel: Uniqueid) {
        self.hang_up(channel, Cause::NORMAL, Asked::Nothing);
    }

    pub(crate) fn after(&mut self, after: Duration, due: Due) -> timers::Key {
        self.timers.add(self.now.at, after, due)
    }

    /// Stores a record that no answer waits for: Asterisk has its content.
    pub(crate) fn remember(&mut self, line: &Line) {
        if self.shell.store(line, None).is_err() {
            warn!("not stored: the store takes no records");
        }
    }

    /// Witnesses a fact that no call depends on. One that is dropped is counted.
    pub(crate) fn witness(&mut self, fact: &Fact<'_>) {
        let _ = self.shell.witness(fact, false);
    }

    /// Witnesses something about the bridge itself.
    pub(crate) fn note(&mut self, event: Event, detail: &str) {
        self.witness(&Fact::new(event, detail));
    }

    /// A number that was not given before.
    pub(crate) fn number(&mut self) -> u64 {
        self.numbers += 1;
        self.numbers
    }

    /// The registry's name of an expert; the id if it does not know the expert.
    pub(crate) fn expert_name(&self, id: &str) -> String {
        let expert = self.gate.expert(id);
        expert.map_or_else(|| id.to_owned(), |expert| expert.name.clone())
    }

    /// A trace id for an escalation that brings none: 128 random bits.
    pub(crate) fn new_trace_id(&mut self) -> String {
        let mut bytes = [0; 16];
        if !self.shell.random(&mut bytes) {
            // The time stands in for randomness; a trace id is no secret.
            let unix_ns = u128::from(self.now.unix_ms) * 1_000_000;
            bytes = (unix_ns + u128::from(self.number())).to_be_bytes();
        }
        hex::text(&bytes)
    }
}

/// The value in an answer to a question for one.
pub(crate) fn value_of(outcome: &Outcome) -> Option<&[u8]> {
    match outcome {
        Outcome::Success(message) => message.view().first("Value"),
        Outcome::Queued
        | Outcome::List(_)
        | Outcome::Error(_)
        | Outcome::ListTooLong
        | Outcome::TimedOut
        | Outcome::Lost => None,
    }
}

/// Why an order was not done.
pub(crate) fn problem_of(outcome: &Outcome) -> Option<String> {
    match outcome {
        Outcome::Success(_) | Outcome::Queued | Outcome::List(_) => None,
        Outcome::Error(words) => Some(format!("Asterisk says: {words}")),
        Outcome::ListTooLong => Some("the list is too long".to_owned()),
        Outcome::TimedOut => Some("Asterisk does not answer".to_owned()),
        Outcome::Lost => Some("the connection to Asterisk was lost".to_owned()),
    }
}
