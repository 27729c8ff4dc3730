//! Council rooms of the `confbridge` backend, with their guardians, admissions and mutes.
//!
//! A room that was asked for stays until it is ended. A room that a call opened ends with its last
//! call, because nothing else ends the leg of a guardian's terminal.

mod admission;
mod commands;
mod guardians;

use std::collections::{BTreeMap, HashSet};

use ife_ami::{
    model::Snapshot,
    value::{RoomName, Uniqueid},
};
use ife_call::{Backend, Leg};
use ife_witness::entry::Event as Entry;

use crate::{
    calls::{Calls, Ours, Part},
    context::Context,
    refusal::{ErrorName, Refusal},
    shell::Fact,
    view::{Event, Participant, RoomView},
};
use admission::Admissions;
use guardians::Called;

/// Longest name of a room in the API.
const NAME_LEN_MAX: usize = 64;

/// A room that the bridge opened.
#[derive(Debug, Default)]
struct Room {
    /// Asked for through the API; otherwise it ends with its last call.
    asked_for: bool,
    /// Trace id of the call that opened it.
    trace_id: Option<String>,
    /// Guardians who were called, by name.
    called: BTreeMap<String, Called>,
}

/// Owner of all rooms.
#[derive(Debug, Default)]
pub(crate) struct Rooms {
    open: BTreeMap<RoomName, Room>,
    admissions: Admissions,
    muted: HashSet<Uniqueid>,
}

/// Reads a room's name out of a request.
pub(crate) fn room_name(field: &'static str, name: &str) -> Result<RoomName, Refusal> {
    let room = RoomName::parse(name).ok();
    room.filter(|_| name.len() <= NAME_LEN_MAX)
        .ok_or_else(|| Refusal::field(field, "must be 1 to 64 of [0-9A-Za-z_.-]"))
}

impl Rooms {
    /// Opens the rooms that were asked for in an earlier process. Guardians who are there are found
    /// by the first comparison.
    pub(crate) fn reopen(&mut self, cx: &Context) {
        for room in cx.ledger.rooms_asked() {
            let open = Room {
                asked_for: true,
                ..Room::default()
            };
            self.open.insert(room.clone(), open);
        }
    }

    /// Opens a room and calls its guardians; does nothing when it is open.
    pub(crate) fn open(
        &mut self,
        cx: &mut Context,
        calls: &mut Calls,
        room: &RoomName,
        trace_id: Option<&str>,
    ) {
        let asked_for = cx.ledger.is_room_asked(room);
        if let Some(open) = self.open.get_mut(room) {
            open.asked_for = asked_for;
            return;
        }
        let new = Room {
            asked_for,
            trace_id: trace_id.map(str::to_owned),
            ..Room::default()
        };
        self.open.insert(room.clone(), new);
        self.call_guardians(cx, calls, room);
        self.publish(cx, calls, room);
    }

    /// Closes a room that is wanted no more, and ends the legs of its guardians.
    pub(crate) fn close_if_over(&mut self, cx: &mut Context, calls: &mut Calls, room: &RoomName) {
        if self.is_wanted(cx, calls, room) {
            return;
        }
        let Some(open) = self.open.get_mut(room) else {
            return;
        };
        let (retries, legs) = (open.take_retries(), open.dismiss());
        retries.into_iter().for_each(|key| cx.timers.remove(key));
        if legs.is_empty() {
            self.open.remove(room);
            self.publish(cx, calls, room);
        }
        legs.into_iter().for_each(|channel| cx.end_channel(channel));
    }

    /// Whether guardians belong there: the room was asked for, or a call goes there.
    fn is_wanted(&self, cx: &Context, calls: &Calls, room: &RoomName) -> bool {
        let asked_for = self.open.get(room).is_some_and(|open| open.asked_for);
        asked_for || calls.uses(&cx.model, room)
    }

    /// Follows the end of a conference in Asterisk.
    pub(crate) fn ended(&mut self, cx: &mut Context, calls: &mut Calls, room: &RoomName) {
        self.admissions.forget(room);
        self.close_if_over(cx, calls, room);
        self.publish(cx, calls, room);
    }

    /// Notes and witnesses that a participant was muted, or is no longer.
    pub(crate) fn note_mute(
        &mut self,
        cx: &mut Context,
        calls: &Calls,
        room: &RoomName,
        channel: &Uniqueid,
        muted: bool,
    ) {
        let (has_changed, event) = if muted {
            (self.muted.insert(channel.clone()), Entry::Mute)
        } else {
            (self.muted.remove(channel), Entry::Unmute)
        };
        if has_changed {
            self.witness_participant(cx, calls, room, channel, event);
        }
    }

    pub(crate) fn forget_mute(&mut self, channel: &Uniqueid) {
        self.muted.remove(channel);
    }

    /// Takes over the mutes of a snapshot.
    pub(crate) fn note_muted(&mut self, snapshot: &Snapshot) {
        let members = snapshot.rooms.iter().flat_map(|room| &room.members);
        self.muted = members
            .filter(|member| member.muted)
            .map(|member| member.channel.uniqueid.clone())
            .collect();
    }

    /// Channels in a room.
    fn members(&self, cx: &Context, calls: &Calls, room: &RoomName) -> Vec<Uniqueid> {
        match cx.settings.council.backend {
            Backend::Room => {
                let members = cx.model.members(room);
                let ids = members.map(|all| all.map(|known| known.channel.uniqueid.clone()));
                ids.map(Iterator::collect).unwrap_or_default()
            }
            Backend::Mcu => calls
                .live_in(room)
                .filter(|slot| slot.participant().is_some())
                .filter_map(|slot| slot.channel(Leg::Council).cloned())
                .collect(),
        }
    }

    fn member(
        &self,
        cx: &Context,
        calls: &Calls,
        room: &RoomName,
        participant: &str,
    ) -> Result<Uniqueid, Refusal> {
        self.known(cx, calls, room)?;
        let members = self.members(cx, calls, room);
        let found = members
            .into_iter()
            .find(|id| participant_id(cx, room, id) == participant);
        found.ok_or_else(no_such_participant)
    }

    fn known(&self, cx: &Context, calls: &Calls, room: &RoomName) -> Result<(), Refusal> {
        let in_model = cx.model.rooms().any(|known| known == room);
        if in_model || self.open.contains_key(room) || calls.uses(&cx.model, room) {
            Ok(())
        } else {
            Err(no_such_room())
        }
    }

    fn list(&self, cx: &Context, calls: &Calls) -> Vec<RoomView> {
        let mut names: Vec<&RoomName> = cx.model.rooms().chain(self.open.keys()).collect();
        names.sort_unstable();
        names.dedup();
        let views = names.into_iter().map(|room| self.view(cx, calls, room));
        views.collect()
    }

    pub(crate) fn view(&self, cx: &Context, calls: &Calls, room: &RoomName) -> RoomView {
        let members = self.members(cx, calls, room);
        let participants: Vec<Participant> = members
            .iter()
            .map(|id| self.participant(cx, calls, room, id))
            .collect();
        RoomView {
            call_id: room.to_string(),
            backend: cx.settings.council.name().to_owned(),
            participant_count: u32::try_from(participants.len()).unwrap_or(u32::MAX),
            max_participants: cx.settings.limits.council_max,
            participants,
        }
    }

    fn participant(
        &self,
        cx: &Context,
        calls: &Calls,
        room: &RoomName,
        channel: &Uniqueid,
    ) -> Participant {
        let is_expert = |leg: Leg| match leg {
            Leg::Expert(_) => true,
            Leg::Council => cx.settings.council.backend == Backend::Mcu,
        };
        let place = calls.place(channel);
        let place = place.filter(|place| place.part == Part::Primary && is_expert(place.leg));
        let expert = place.and_then(|place| calls.get(&place.call));
        let (role, name) = match (expert, cx.names.parse(channel)) {
            (Some(slot), _) => ("expert", slot.expert_id().to_owned()),
            (None, Some(Ours::Guardian { name })) => ("guardian", name),
            // A terminal that joined by itself: the name that it gives is not checked.
            (None, _) => ("guardian", "unknown".to_owned()),
        };
        Participant {
            id: participant_id(cx, room, channel),
            role: role.to_owned(),
            name,
            muted: self.muted.contains(channel),
        }
    }

    /// Publishes a room as it is.
    pub(crate) fn publish(&self, cx: &mut Context, calls: &mut Calls, room: &RoomName) {
        self.note_h323(cx, calls, room);
        let view = self.view(cx, calls, room);
        cx.shell.publish(Event::Room(view));
    }

    /// Witnesses an event about one participant: an expert's is one of the call's.
    fn witness_participant(
        &self,
        cx: &mut Context,
        calls: &Calls,
        room: &RoomName,
        channel: &Uniqueid,
        event: Entry,
    ) {
        let participant = self.participant(cx, calls, room, channel);
        let place = calls.place(channel);
        let record = place.and_then(|place| Some(calls.get(&place.call)?.record()));
        let is_expert = participant.role == "expert";
        let fact = Fact {
            trace_id: record.map(|record| record.trace_id.as_str()),
            call_id: record.map(|record| record.call_id.as_str()),
            expert: is_expert.then_some(participant.name.as_str()),
            guardian: (!is_expert).then_some(participant.name.as_str()),
            ..Fact::new(event, &participant.id)
        };
        self.witness(cx, room, fact);
    }

    fn witness(&self, cx: &mut Context, room: &RoomName, fact: Fact<'_>) {
        let open = self.open.get(room);
        let of_room = open.and_then(|room| room.trace_id.as_deref());
        cx.witness(&Fact {
            trace_id: fact.trace_id.or(of_room),
            room: Some(room.as_str()),
            ..fact
        });
    }
}

fn participant_id(cx: &Context, room: &RoomName, channel: &Uniqueid) -> String {
    match cx.settings.council.backend {
        Backend::Room => format!("confbridge:{room}:{channel}"),
        Backend::Mcu => format!("h323:{channel}"),
    }
}

fn no_such_room() -> Refusal {
    Refusal::new(ErrorName::NotFound, "no such room")
}

fn no_such_participant() -> Refusal {
    Refusal::new(ErrorName::NotFound, "no such participant")
}
