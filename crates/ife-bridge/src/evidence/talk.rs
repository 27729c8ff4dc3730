//! Messages between agents and the expert of a session: taken within bounds, each an entry of the
//! log, passed on, and noted as shown.

use std::time::Instant;

use ife_evidence::{Body, Heard, Measured, TalkError};
use ife_witness::entry::{self, Direction};
use ife_words::time;
use serde_json::{Map, Value};
use tokio::sync::oneshot;

use super::{case::Case, drive::World};
use crate::{
    clock,
    handle::Command,
    view::{CallMessage, Event, EvidenceEvent, EvidencePeer, MessageState},
    witness::Fact,
};

/// A message that went to an expert.
#[derive(Debug)]
pub(super) struct Saying {
    pub(super) peer: EvidencePeer,
    pub(super) message_id: String,
    /// Ends with the news that the message was shown; is dropped with the session.
    pub(super) shown: oneshot::Receiver<()>,
}

impl Case {
    /// Sends a message of an agent to the expert; `None` without an open channel.
    pub(super) fn say_to_expert(
        &mut self,
        message: &Map<String, Value>,
        now: Instant,
        world: &mut World,
    ) -> Option<Result<Saying, TalkError>> {
        let connection = self.connection.as_ref()?;
        let (peer, number) = (connection.peer.clone()?, connection.number);
        let (message_id, measured) = match self.talk.say(number, message, now) {
            Ok(said) => said,
            Err(error) => return Some(Err(error)),
        };
        self.say(&Body::Agent {
            id: Some(message_id.clone()),
            message: message.clone(),
        });
        let (tell, shown) = oneshot::channel();
        self.waiters.push((message_id.clone(), tell));
        self.note_said(Direction::ToExpert, MessageState::Sent, &measured, world);
        let said = self.said(
            &message_id,
            Direction::ToExpert,
            MessageState::Sent,
            &measured,
            message,
        );
        let call_id = self.grant.about.call_id.clone();
        world.engine.tell(Command::Said(call_id, Box::new(said)));
        self.publish_said("ifmessage_sent", &message_id, Some(message.clone()), world);
        Some(Ok(Saying {
            peer,
            message_id,
            shown,
        }))
    }

    /// The expert's side has shown a message.
    pub(super) fn shown(&mut self, id: &str, world: &mut World) {
        let Some(measured) = self.talk.shown(id) else {
            return;
        };
        if let Some(place) = self.waiters.iter().position(|(waiting, _)| waiting == id) {
            let _ = self.waiters.swap_remove(place).1.send(());
        }
        self.note_said(Direction::ToExpert, MessageState::Shown, &measured, world);
        world.engine.tell(Command::Shown {
            call_id: self.grant.about.call_id.clone(),
            id: id.to_owned(),
        });
        self.publish_said("ifmessage_shown", id, None, world);
    }

    /// Sends again the messages not yet shown, to a peer who has come back.
    pub(super) fn say_unshown(&mut self) {
        let waiting: Vec<Body> = self.talk.unshown().collect();
        for body in &waiting {
            self.say(body);
        }
    }

    /// A message of the expert for agents. It is taken once the engine has it.
    pub(super) fn heard(
        &mut self,
        id: Option<String>,
        message: Map<String, Value>,
        now: Instant,
        world: &mut World,
    ) {
        if self.grant.about.guardian.is_some() {
            return self.say_not_taken(id, "not_expert", "only the expert of the call writes here");
        }
        let measured = match self.talk.hear(id.as_deref(), &message, now) {
            Ok(Heard::New(measured)) => measured,
            Ok(Heard::Again) => return self.say_taken(id),
            Err(error) => return self.say_not_taken(id, error.as_str(), &error.to_string()),
        };
        let name = id.clone().unwrap_or_default();
        let state = MessageState::Taken;
        let said = self.said(&name, Direction::ToCouncil, state, &measured, &message);
        let call_id = self.grant.about.call_id.clone();
        if !world.engine.tell(Command::Said(call_id, Box::new(said))) {
            self.talk.unhear(id.as_deref());
            return self.say_not_taken(id, "busy", "the bridge has too much to do");
        }
        self.note_said(Direction::ToCouncil, state, &measured, world);
        self.publish_said("ifmessage_received", &name, Some(message), world);
        self.say_taken(id);
    }

    fn say_taken(&mut self, id: Option<String>) {
        if let Some(id) = id {
            self.say(&Body::Taken { id });
        }
    }

    fn say_not_taken(&mut self, id: Option<String>, code: &str, text: &str) {
        self.say(&Body::NotTaken {
            id,
            code: code.to_owned(),
            text: text.to_owned(),
        });
    }

    fn said(
        &self,
        id: &str,
        direction: Direction,
        state: MessageState,
        measured: &Measured,
        message: &Map<String, Value>,
    ) -> CallMessage {
        CallMessage {
            id: id.to_owned(),
            direction: direction.as_str().to_owned(),
            time: time::of_ms(clock::unix_ms()),
            state,
            size: measured.size,
            sha256: measured.sha256_text(),
            message: Some(Value::Object(message.clone())),
        }
    }

    fn note_said(
        &mut self,
        direction: Direction,
        state: MessageState,
        measured: &Measured,
        world: &mut World,
    ) {
        let about = &self.grant.about;
        let fact = Fact {
            trace_id: Some(&about.trace_id),
            call_id: Some(&about.call_id),
            hazard: Some(&about.hazard),
            expert: Some(&about.expert_id),
            direction: Some(direction),
            outcome: Some(state.as_str()),
            size: u64::try_from(measured.size).ok(),
            message_sha256: Some(measured.sha256),
            ..Fact::new(entry::Event::Message, "")
        };
        // No call depends on it, and losses are counted.
        let _ = world.witness.record(&fact, false);
    }

    pub(super) fn publish_said(
        &self,
        event: &str,
        id: &str,
        message: Option<Map<String, Value>>,
        world: &World,
    ) {
        let about = &self.grant.about;
        world
            .engine
            .publish(Event::Evidence(Box::new(EvidenceEvent {
                event: event.to_owned(),
                call_id: about.call_id.clone(),
                trace_id: about.trace_id.clone(),
                expert_id: about.expert_id.clone(),
                guardian: about.guardian.clone(),
                message_id: Some(id.to_owned()).filter(|id| !id.is_empty()),
                message: message.map(Value::Object),
            })));
    }
}
