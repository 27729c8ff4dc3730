//! Calls that another bridge began, whose message has come to this one, by what the gateway knows
//! of them.

use ife_ami::{
    Action, ActionId,
    model::Known,
    session::Outcome,
    value::{DialToken, RoomName},
};
use ife_call::Backend;
use ife_witness::entry::{Direction, Event};
use tracing::info;

use crate::{
    Engine,
    calls::{Bridges, hex_of},
    command::{Escalation, GatewayView, Note, Reply},
    context::{Asked, Context},
    refusal::{ErrorName, Refusal},
    requests::experts_named,
    shell::Fact,
};

/// Family of the gateway's database that holds the notes.
const NOTES: &str = "ife-call";

impl Engine {
    /// Looks for the call's channels, and asks the gateway for its note.
    pub(crate) fn gateway_view(&mut self, escalation: Box<Escalation>, reply: Reply<GatewayView>) {
        let call_id = escalation.request.call_id();
        let is_known =
            self.cx.ledger.message(&escalation.message).is_some() || self.is_call_known(&call_id);
        match ask_note_of(&mut self.cx, &call_id) {
            Ok(asked) => {
                let found = Box::new(GatewayView {
                    call_id,
                    is_live: false,
                    is_known,
                    participant: None,
                    note: None,
                    expert: None,
                });
                let note = Asked::Note(found, escalation, reply);
                self.cx.expect_answer(asked, note);
            }
            Err(refusal) => reply.respond(Err(refusal)),
        }
    }

    /// Reads the gateway's answer: the note, none, or why it cannot be had.
    pub(crate) fn note_of(outcome: &Outcome) -> Result<Option<Note>, Refusal> {
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
        Err(unavailable(why))
    }

    /// Completes the finding, once the gateway has answered. An expert in the council is
    /// witnessed before the answer is given.
    pub(crate) fn complete_gateway_view(
        &mut self,
        mut found: GatewayView,
        escalation: &Escalation,
        note: Option<Note>,
    ) -> GatewayView {
        found.note = note;
        let (cx, trace_id) = (&mut self.cx, escalation.request.trace_id.as_str());
        let channel = channel_of(cx, &found.call_id);
        found.is_live = channel.is_some();
        let place = channel.and_then(|known| place_of(cx, known));
        found.expert = expert_called(cx, escalation, found.note.as_ref());
        let answered = found.note.as_ref().is_some_and(|note| note.answered);
        if place.is_some() || answered {
            witness_elsewhere(cx, &found, trace_id, place.is_some());
        }
        if let Some((room, participant)) = place {
            found.participant = Some(participant);
            match cx.settings.council.backend {
                Backend::Room => self.rooms.open(cx, &mut self.calls, &room, Some(trace_id)),
                Backend::Mcu => {}
            }
        }
        found
    }
}

/// Asks the gateway for its note about a call.
pub(crate) fn ask_note_of(cx: &mut Context, call_id: &str) -> Result<ActionId, Refusal> {
    let token = |text: &str| DialToken::parse(text).map_err(|error| unavailable(error.to_string()));
    let (family, key) = (token(NOTES)?, token(hex_of(call_id))?);
    cx.submit(&Action::DbGet { family, key })
        .map_err(|error| unavailable(error.to_string()))
}

/// The channel of the expert of a call that any bridge began.
fn channel_of<'a>(cx: &'a Context, call_id: &str) -> Option<&'a Known> {
    let wanted = Bridges::Expert(hex_of(call_id));
    let mut channels = cx.model.channels();
    channels.find(|known| Bridges::parse(&known.channel.uniqueid) == Some(wanted))
}

/// The room of an expert's channel, and the expert's name in it.
fn place_of(cx: &Context, known: &Known) -> Option<(RoomName, String)> {
    let room = known.room.as_ref()?;
    let id = &known.channel.uniqueid;
    let participant = cx.settings.council.participant(room, id, None)?;
    Some((room.clone(), participant))
}

fn expert_called(
    cx: &Context,
    escalation: &Escalation,
    note: Option<&Note>,
) -> Option<(String, String)> {
    let request = &escalation.request;
    let hazard = request.hazards.first()?;
    let experts = experts_named(cx, request.expert_id.as_deref(), hazard);
    let last = usize::from(note?.tried).checked_sub(1)?;
    let id = experts.get(last)?;
    Some((id.clone(), cx.expert_name(id)))
}

fn witness_elsewhere(cx: &mut Context, found: &GatewayView, trace_id: &str, in_room: bool) {
    let node = found.note.as_ref().map_or("another", |note| &note.node);
    let (event, seen) = if in_room {
        (Event::CouncilJoin, "in the room")
    } else {
        (Event::Connected, "noted as answered")
    };
    info!(call_id = %found.call_id, "a call of bridge {node} is {seen}");
    let detail = format!("call of bridge {node}, which has not told its outcome: {seen}");
    cx.witness(&Fact {
        trace_id: Some(trace_id),
        call_id: Some(&found.call_id),
        direction: Some(Direction::ToExpert),
        expert: found.expert.as_ref().map(|(id, _)| id.as_str()),
        ..Fact::new(event, &detail)
    });
}

fn unavailable(why: String) -> Refusal {
    Refusal::new(ErrorName::Unavailable, why)
}
