//! Calls that another bridge began, whose message has come to this one: what the gateway can tell of them.

use ife_ami::{Action, model::Known, session::Outcome, value::DialToken};
use ife_call::Backend;
use ife_witness::entry::{Direction, Event as Entry};
use tracing::info;

use super::{
    Engine,
    answers::Asked,
    legs::{Bridges, hex_of},
};
use crate::{
    handle::{Escalation, Note, Reply, Whereabouts, respond},
    refusal::{ErrorName, Refusal},
    witness::Fact,
};

/// Family of the gateway's database that holds the notes.
const NOTES: &str = "ife-call";

impl Engine {
    /// Looks for the call's channels, and asks the gateway for its note.
    pub(super) fn whereabouts(&mut self, message: Box<Escalation>, reply: Reply<Whereabouts>) {
        match self.ask_note(&message) {
            Ok((asked, found)) => {
                let asking = Asked::Note(Box::new(found), message, reply);
                self.asked.insert(asked, asking);
            }
            Err(refusal) => respond(reply, Err(refusal)),
        }
    }

    fn ask_note(
        &mut self,
        message: &Escalation,
    ) -> Result<(ife_ami::ActionId, Whereabouts), Refusal> {
        let call_id = message.request.call_id();
        let asked = self.ask_note_of(&call_id)?;
        let found = Whereabouts {
            is_known: self.ledger.message(&message.message).is_some()
                || self.is_call_known(&call_id),
            call_id,
            is_live: false,
            participant: None,
            note: None,
            expert: None,
        };
        Ok((asked, found))
    }

    /// Asks the gateway for its note about a call.
    pub(super) fn ask_note_of(&mut self, call_id: &str) -> Result<ife_ami::ActionId, Refusal> {
        let unavailable = |why: String| Refusal::new(ErrorName::Unavailable, why);
        let token = |text: &str| DialToken::parse(text).map_err(|e| unavailable(e.to_string()));
        let (family, key) = (token(NOTES)?, token(hex_of(call_id))?);
        let asked = self.ami.submit(&Action::DbGet { family, key });
        asked.map_err(|error| unavailable(error.to_string()))
    }

    /// The gateway's answer: the note, none, or why it cannot be had.
    pub(super) fn note_of(outcome: &Outcome) -> Result<Option<Note>, Refusal> {
        let why = match outcome {
            Outcome::List(rows) => {
                let value = rows.iter().find_map(|row| row.view().first("Val"));
                let text = value.and_then(|value| std::str::from_utf8(value).ok());
                return Ok(text.and_then(Note::parse));
            }
            Outcome::Error(words) if words.to_string().contains("not found") => return Ok(None),
            Outcome::Error(words) => format!("Asterisk says: {words}"),
            Outcome::Success(_) | Outcome::Queued | Outcome::ListTooLong => {
                "Asterisk's answer cannot be read".to_owned()
            }
            Outcome::TimedOut | Outcome::Lost => "Asterisk does not answer".to_owned(),
        };
        Err(Refusal::new(ErrorName::Unavailable, why))
    }

    /// What was found, once the gateway has answered. That an expert is with the council is witnessed before it is told.
    pub(super) fn tell_whereabouts(
        &mut self,
        mut found: Whereabouts,
        message: &Escalation,
        note: Option<Note>,
    ) -> Whereabouts {
        found.note = note;
        let channel = self.channel_of(&found.call_id);
        found.is_live = channel.is_some();
        let place = channel.and_then(|known| {
            let room = known.room.as_ref()?;
            let id = &known.channel.uniqueid;
            let participant = self.council.participant(room.as_str(), id, None);
            participant.map(|participant| (room.as_str().to_owned(), participant))
        });
        found.expert = self.expert_called(message, found.note.as_ref());
        let answered = found.note.as_ref().is_some_and(|note| note.answered);
        if place.is_some() || answered {
            self.witness_elsewhere(&found, message, place.is_some());
        }
        if let Some((room, participant)) = place {
            found.participant = Some(participant);
            if self.council.proof() == Backend::Room {
                self.open_room(&room, Some(message.request.trace_id.as_str()));
            }
        }
        found
    }

    fn channel_of(&self, call_id: &str) -> Option<&Known> {
        let wanted = Bridges::Expert(hex_of(call_id));
        let mut channels = self.model.channels();
        channels.find(|known| Bridges::parse(&known.channel.uniqueid) == Some(wanted))
    }

    fn expert_called(&self, message: &Escalation, note: Option<&Note>) -> Option<(String, String)> {
        let escalate = &message.request;
        let hazard = escalate.hazards.first()?;
        let experts = self.experts_named(escalate.expert_id.as_deref(), hazard);
        let last = usize::from(note?.tried).checked_sub(1)?;
        let id = experts.get(last)?;
        Some((id.clone(), self.expert_name(id)))
    }

    fn witness_elsewhere(&mut self, found: &Whereabouts, message: &Escalation, in_room: bool) {
        let node = found.note.as_ref().map_or("another", |note| &note.node);
        let seen = if in_room {
            "in the room"
        } else {
            "noted as answered"
        };
        info!(call_id = %found.call_id, "a call of bridge {node} is {seen}");
        let detail = format!("call of bridge {node}, which has not told its outcome: {seen}");
        let event = if in_room {
            Entry::CouncilJoin
        } else {
            Entry::Connected
        };
        let expert = found.expert.as_ref().map(|(id, _)| id.as_str());
        let fact = Fact {
            trace_id: Some(message.request.trace_id.as_str()),
            call_id: Some(&found.call_id),
            direction: Some(Direction::ToExpert),
            expert,
            ..Fact::new(event, &detail)
        };
        // The call is there already: no entry can keep it from being placed.
        let _ = self.witness.record(&fact, false);
    }
}
