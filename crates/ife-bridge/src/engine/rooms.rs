//! Council rooms of the `confbridge` backend.
//!
//! A room that was asked for stays until it is ended. A room that a call opened ends with its last call: nobody hangs up for a guardian's terminal.

use ife_ami::{
    Action, ActionId,
    value::{ChannelName, RoomName, Uniqueid},
};
use ife_call::{Backend, Cause, Input, Leg};

use super::{
    CallId, Engine,
    answers::{Asked, Muting},
    guardians::Room,
    legs::{Bridges, Ours, Part},
};
use crate::{
    council::context,
    handle::{Reply, RoomCommand, respond},
    refusal::{ErrorName, Refusal},
    store::Line,
    view::{Event, Participant, RoomView},
};

/// So many rooms may be asked for and not ended.
const ROOMS_ASKED_MAX: usize = 1_000;

impl Engine {
    pub(super) fn on_room_command(&mut self, command: RoomCommand, reply: Reply<Vec<RoomView>>) {
        let result = match command {
            RoomCommand::List => Ok(self.list_rooms()),
            RoomCommand::Show(room) => self.known_room(&room).map(|()| vec![self.room_view(&room)]),
            RoomCommand::Create(room) => self.create_room(&room),
            RoomCommand::End(room) => self.end_room(&room),
            RoomCommand::Remove { room, participant } => {
                self.remove_participant(&room, &participant)
            }
            RoomCommand::Mute {
                room,
                participant,
                muted,
            } => match self.mute(&room, &participant, muted) {
                Ok((asked, muting)) => {
                    self.asked.insert(asked, Asked::Mute(muting, reply));
                    return;
                }
                Err(refusal) => Err(refusal),
            },
        };
        respond(reply, result);
    }

    fn create_room(&mut self, room: &str) -> Result<Vec<RoomView>, Refusal> {
        if room.len() > 64 || RoomName::parse(room).is_err() {
            return Err(Refusal::field(
                "call_id",
                "must be 1 to 64 of [0-9A-Za-z_.-]",
            ));
        }
        if self.ledger.rooms_asked().len() >= ROOMS_ASKED_MAX {
            return Err(Refusal::new(
                ErrorName::CapacityExceeded,
                "as many rooms as may be asked for are open; end one of them",
            ));
        }
        if self.ledger.ask_room(room, true) {
            let room = room.to_owned();
            self.remember(&Line::RoomAsked { room });
        }
        self.open_room(room, None);
        Ok(vec![self.room_view(room)])
    }

    /// Rooms that were asked for in the time of an earlier process. Guardians who are there are found by the first comparison.
    pub(super) fn reopen_rooms(&mut self) {
        for room in self.ledger.rooms_asked() {
            let asked_for = true;
            let open = Room {
                asked_for,
                ..Room::default()
            };
            self.rooms.insert(room.clone(), open);
        }
    }

    /// Opens a room and calls its guardians; does nothing when it is open.
    pub(super) fn open_room(&mut self, room: &str, trace_id: Option<&str>) {
        if let Some(open) = self.rooms.get_mut(room) {
            open.asked_for = self.ledger.is_room_asked(room);
            return;
        }
        let new = Room {
            asked_for: self.ledger.is_room_asked(room),
            trace_id: trace_id.map(str::to_owned),
            ..Room::default()
        };
        self.rooms.insert(room.to_owned(), new);
        self.call_guardians(room);
        self.tell_room(room);
    }

    /// A room that a call opened ends with its last call.
    pub(super) fn close_if_over(&mut self, room: &str) {
        if self.is_wanted(room) {
            return;
        }
        let Some(open) = self.rooms.get_mut(room) else {
            return;
        };
        let timers = open.drop_retries();
        let legs = open.legs();
        timers.into_iter().for_each(|key| self.timers.remove(key));
        if legs.is_empty() {
            self.rooms.remove(room);
            self.tell_room(room);
        }
        legs.into_iter()
            .for_each(|channel| self.hang_up_channel(channel));
    }

    /// Guardians belong there: the room was asked for, or a call goes there.
    pub(super) fn is_wanted(&self, room: &str) -> bool {
        let asked_for = self.rooms.get(room).is_some_and(|open| open.asked_for);
        asked_for || self.is_in_use(room)
    }

    /// A call of this bridge goes there, or an expert is there: whom any bridge called, or who called in.
    pub(super) fn is_in_use(&self, room: &str) -> bool {
        let mut calls = self.calls.values();
        let mut channels = self.model.channels();
        calls.any(|slot| slot.is_live() && slot.record.room == room)
            || channels.any(|known| {
                known.room.as_ref().is_some_and(|at| at.as_str() == room)
                    && match Bridges::parse(&known.channel.uniqueid) {
                        Some(Bridges::Expert(_)) => true,
                        Some(Bridges::Guardian(_)) => false,
                        None => {
                            known.channel.context.as_bytes() == context::FROM_KAMAILIO.as_bytes()
                        }
                    }
            })
    }

    pub(super) fn room_ended(&mut self, room: &str) {
        self.admitted.remove(room);
        self.close_if_over(room);
        self.tell_room(room);
    }

    fn end_room(&mut self, room: &str) -> Result<Vec<RoomView>, Refusal> {
        self.known_room(room)?;
        if let Some(open) = self.rooms.get_mut(room) {
            open.asked_for = false;
        }
        if self.ledger.ask_room(room, false) {
            let room = room.to_owned();
            self.remember(&Line::RoomOver { room });
        }
        let live = self
            .calls
            .iter()
            .filter(|(_, slot)| slot.is_live() && slot.record.room == room);
        let calls: Vec<CallId> = live.map(|(id, _)| id.clone()).collect();
        calls.iter().for_each(|id| self.feed(id, Input::UserHangup));
        let others: Vec<Uniqueid> = self
            .members(room)
            .into_iter()
            .filter(|id| self.legs.place(id).is_none())
            .collect();
        others
            .into_iter()
            .for_each(|channel| self.hang_up_channel(channel));
        self.close_if_over(room);
        Ok(Vec::new())
    }

    fn remove_participant(
        &mut self,
        room: &str,
        participant: &str,
    ) -> Result<Vec<RoomView>, Refusal> {
        let channel = self.member(room, participant)?;
        let call = self.legs.place(&channel).map(|place| place.call.clone());
        match call {
            Some(call) => self.feed(&call, Input::UserHangup),
            None => self.hang_up_channel(channel),
        }
        Ok(vec![self.room_view(room)])
    }

    fn mute(
        &mut self,
        room: &str,
        participant: &str,
        muted: bool,
    ) -> Result<(ActionId, Muting), Refusal> {
        if self.council.proof() == Backend::Mcu {
            return Err(Refusal::new(
                ErrorName::Conflict,
                "the MCU alone can mute its participants",
            ));
        }
        let id = self.member(room, participant)?;
        let known = self.model.channel(&id);
        let name = known.map(|known| known.channel.name.clone());
        let (Some(name), Ok(in_room)) = (name, RoomName::parse(room)) else {
            return Err(no_such_participant());
        };
        let action = mute_action(in_room, name, muted);
        let asked = self
            .ami
            .submit(&action)
            .map_err(|error| Refusal::new(ErrorName::Unavailable, error.to_string()))?;
        let room = room.to_owned();
        let muting = Muting {
            room,
            channel: id,
            muted,
        };
        Ok((asked, muting))
    }

    pub(super) fn hang_up_channel(&mut self, channel: Uniqueid) {
        let cause = Cause::NORMAL.value();
        if let Ok(asked) = self.ami.submit(&Action::Hangup { channel, cause }) {
            self.asked.insert(asked, Asked::Nothing);
        }
    }

    /// Channels in a room.
    pub(super) fn members(&self, room: &str) -> Vec<Uniqueid> {
        match self.council.proof() {
            Backend::Room => {
                let room = RoomName::parse(room).ok();
                let members = room.and_then(|room| {
                    self.model
                        .members(&room)
                        .map(|all| all.map(|known| known.channel.uniqueid.clone()).collect())
                });
                members.unwrap_or_default()
            }
            Backend::Mcu => {
                let joined = self
                    .calls
                    .values()
                    .filter(|slot| slot.is_live() && slot.record.room == room);
                joined
                    .filter_map(|slot| slot.mcu.clone().filter(|_| slot.participant.is_some()))
                    .collect()
            }
        }
    }

    fn member(&self, room: &str, participant: &str) -> Result<Uniqueid, Refusal> {
        self.known_room(room)?;
        let members = self.members(room);
        let found = members
            .into_iter()
            .find(|id| self.participant_id(room, id) == participant);
        found.ok_or_else(no_such_participant)
    }

    fn participant_id(&self, room: &str, channel: &Uniqueid) -> String {
        match self.council.proof() {
            Backend::Room => format!("confbridge:{room}:{channel}"),
            Backend::Mcu => format!("h323:{channel}"),
        }
    }

    fn known_room(&self, room: &str) -> Result<(), Refusal> {
        let in_model = self.model.rooms().any(|known| known.as_str() == room);
        if in_model || self.rooms.contains_key(room) || self.is_in_use(room) {
            Ok(())
        } else {
            Err(Refusal::new(ErrorName::NotFound, "no such room"))
        }
    }

    fn list_rooms(&self) -> Vec<RoomView> {
        let mut names: Vec<&str> = self.model.rooms().map(RoomName::as_str).collect();
        names.extend(self.rooms.keys().map(String::as_str));
        names.sort_unstable();
        names.dedup();
        names.into_iter().map(|room| self.room_view(room)).collect()
    }

    pub(super) fn room_view(&self, room: &str) -> RoomView {
        let members = self.members(room);
        let participants: Vec<Participant> = members
            .iter()
            .map(|id| self.participant(room, id))
            .collect();
        RoomView {
            call_id: room.to_owned(),
            backend: self.council.name().to_owned(),
            participant_count: u32::try_from(participants.len()).unwrap_or(u32::MAX),
            max_participants: self.limits.council_max,
            participants,
        }
    }

    fn participant(&self, room: &str, channel: &Uniqueid) -> Participant {
        let place = self
            .legs
            .place(channel)
            .filter(|place| place.part == Part::Primary);
        let slot = place.and_then(|place| self.calls.get(&place.call));
        let is_expert = |leg: Leg| match leg {
            Leg::Expert(_) => true,
            Leg::Council => self.council.proof() == Backend::Mcu,
        };
        let expert = slot.filter(|_| place.is_some_and(|place| is_expert(place.leg)));
        let (role, name) = match (expert, self.names.parse(channel)) {
            (Some(slot), _) => {
                let expert = slot.call.expert().map(ToString::to_string);
                ("expert", expert.unwrap_or_default())
            }
            (None, Some(Ours::Guardian { name })) => ("guardian", name),
            // A terminal that joined by itself: whatever name it gives, nobody has checked it.
            (None, _) => ("guardian", "unknown".to_owned()),
        };
        Participant {
            id: self.participant_id(room, channel),
            role: role.to_owned(),
            name,
            muted: self.muted.contains(channel),
        }
    }

    /// How many are in a room.
    pub(super) fn head_count(&self, room: &str) -> usize {
        self.members(room).len()
    }

    pub(super) fn tell_room(&mut self, room: &str) {
        self.note_h323(room);
        // Nobody may be listening.
        let _ = self.events.send(Event::Room(self.room_view(room)));
    }
}

fn mute_action(room: RoomName, channel: ChannelName, muted: bool) -> Action {
    if muted {
        Action::ConfbridgeMute { room, channel }
    } else {
        Action::ConfbridgeUnmute { room, channel }
    }
}

fn no_such_participant() -> Refusal {
    Refusal::new(ErrorName::NotFound, "no such participant")
}
