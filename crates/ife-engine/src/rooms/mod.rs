//! Council rooms of the `confbridge` backend, with their guardians, admissions and mutes.
//!
//! A room that was asked for stays until it is ended. A room that a call opened ends with its last
//! call, because nothing else ends the leg of a guardian's terminal.

mod admission;
mod commands;
mod guardians;
mod links;
mod members;
mod notes;

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use ife_ami::value::{RoomName, Uniqueid};
use ife_call::{Backend, Leg};
use ife_witness::entry;

use crate::{
    calls::Calls,
    context::Context,
    record::Line,
    refusal::{ErrorName, Refusal},
    roll::Role,
    shell::Fact,
    timers,
    view::{Event, Participant, RoomView},
};
use guardians::Called;
use links::Links;
use notes::Notes;

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
    /// Ends of admissions, by guardian.
    admission_ends: BTreeMap<String, timers::Key>,
    links: Links,
    notes: Notes,
    /// Experts' channels whose calls cannot be read.
    unreadable: BTreeSet<Uniqueid>,
    /// Members who left lately.
    left: VecDeque<Uniqueid>,
    /// Members whose mute has changed since the current comparison began.
    mute_changed: BTreeSet<Uniqueid>,
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
        self.links = Links::from(cx.now.unix_s());
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
        self.show(cx, room);
        self.find_members(cx, calls, room);
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
            self.settle(cx);
            self.publish(cx, calls, room);
        }
        legs.into_iter().for_each(|channel| cx.end_channel(channel));
    }

    /// Whether guardians belong there: the room was asked for, or a call goes there.
    fn is_wanted(&self, cx: &Context, calls: &Calls, room: &RoomName) -> bool {
        let asked_for = self.open.get(room).is_some_and(|open| open.asked_for);
        asked_for || calls.uses(&cx.model, room)
    }

    /// Follows the start of a conference in Asterisk.
    pub(crate) fn started(&mut self, cx: &mut Context, calls: &mut Calls, room: &RoomName) {
        if self.is_ours(cx, calls, room) {
            self.show(cx, room);
        }
        self.publish(cx, calls, room);
    }

    /// Follows the end of a conference in Asterisk.
    pub(crate) fn ended(&mut self, cx: &mut Context, calls: &mut Calls, room: &RoomName) {
        self.close_if_over(cx, calls, room);
        self.settle(cx);
        self.publish(cx, calls, room);
    }

    /// Whether a conference at the gateway is a room of the council.
    fn is_ours(&self, cx: &Context, calls: &Calls, room: &RoomName) -> bool {
        match cx.settings.council.backend {
            Backend::Room => {}
            Backend::Mcu => return false,
        }
        *room == cx.settings.default_room
            || self.open.contains_key(room)
            || cx.ledger.roll.has_room(room)
            || cx.ledger.is_room_asked(room)
            || calls.uses(&cx.model, room)
            || members::has_admitted(&cx.model, room)
    }

    /// Witnesses that a room is open, unless the log has it.
    fn show(&self, cx: &mut Context, room: &RoomName) {
        if cx.ledger.roll.has_room(room) {
            return;
        }
        let open = self.open.get(room);
        let trace_id = open.and_then(|open| open.trace_id.clone());
        cx.ledger.roll.add_room(room.clone(), trace_id.clone());
        witness(cx, room, Fact::new(entry::Event::RoomOpen, ""));
        let room = room.clone();
        cx.remember(&Line::RoomOpen { room, trace_id });
    }

    /// Witnesses the end of every room that is neither open here nor at the gateway.
    fn settle(&self, cx: &mut Context) {
        if !self.notes.is_caught_up() {
            return;
        }
        let is_over =
            |room: &&RoomName| !self.open.contains_key(*room) && cx.model.members(room).is_none();
        let over: Vec<RoomName> = cx.ledger.roll.rooms().filter(is_over).cloned().collect();
        for room in over {
            witness(cx, &room, Fact::new(entry::Event::RoomEnd, ""));
            cx.ledger.roll.remove_room(&room);
            cx.remember(&Line::RoomEnd { room });
        }
    }

    /// Channels of a room's members.
    fn members(&self, cx: &Context, calls: &Calls, room: &RoomName) -> Vec<Uniqueid> {
        match cx.settings.council.backend {
            Backend::Room => {
                let members = cx.ledger.roll.members_of(room);
                members.map(|member| member.channel.clone()).collect()
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
        if cx.ledger.roll.has_room(room) || calls.uses(&cx.model, room) {
            Ok(())
        } else {
            Err(no_such_room())
        }
    }

    fn list(&self, cx: &Context, calls: &Calls) -> Vec<RoomView> {
        let rooms = cx.ledger.roll.rooms();
        rooms.map(|room| self.view(cx, calls, room)).collect()
    }

    pub(crate) fn view(&self, cx: &Context, calls: &Calls, room: &RoomName) -> RoomView {
        let members = self.members(cx, calls, room);
        let participants: Vec<Participant> = members
            .iter()
            .map(|channel| participant(cx, calls, room, channel))
            .collect();
        RoomView {
            call_id: room.to_string(),
            backend: cx.settings.council.name().to_owned(),
            participant_count: u32::try_from(participants.len()).unwrap_or(u32::MAX),
            max_participants: cx.settings.limits.council_max,
            participants,
        }
    }

    /// Publishes a room as it is.
    pub(crate) fn publish(&self, cx: &mut Context, calls: &mut Calls, room: &RoomName) {
        self.note_h323(cx, calls, room);
        let view = self.view(cx, calls, room);
        cx.shell.publish(Event::Room(view));
    }
}

/// Witnesses an event of a room, under the trace id of the call that opened it unless the event
/// has one.
fn witness(cx: &mut Context, room: &RoomName, fact: Fact<'_>) {
    let trace_id = cx.ledger.roll.trace_of(room).map(str::to_owned);
    cx.witness(&Fact {
        trace_id: fact.trace_id.or(trace_id.as_deref()),
        room: Some(room.as_str()),
        ..fact
    });
}

/// A participant as the API shows it.
fn participant(cx: &Context, calls: &Calls, room: &RoomName, channel: &Uniqueid) -> Participant {
    let id = participant_id(cx, room, channel);
    match cx.ledger.roll.member(channel) {
        Some(member) => Participant {
            id,
            role: member.role.as_str().to_owned(),
            name: member.name.clone(),
            muted: member.muted,
        },
        // A leg to an MCU.
        None => {
            let place = calls.place(channel);
            let slot = place.and_then(|place| calls.get(&place.call));
            Participant {
                id,
                role: Role::Expert.as_str().to_owned(),
                name: slot.map_or("", |slot| slot.expert_id()).to_owned(),
                muted: false,
            }
        }
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
