//! Council rooms of the `confbridge` backend, and the guardians who are called into them.
//!
//! A room that was asked for stays until it is ended. A room that a call opened ends with its last call: nobody hangs up for a guardian's terminal.

use std::collections::BTreeMap;

use ife_ami::{
    Action, ActionId,
    action::{DialString, Originate},
    model::Known,
    value::{ChannelName, DialToken, RoomName, Uniqueid, ValueError, Variable},
};
use ife_call::{Backend, Cause, Input, Leg};
use ife_witness::entry::Event as Entry;
use tracing::warn;

use super::{
    CallId, Engine,
    answers::{Asked, Muting},
    legs::{Bridges, Ours, Part},
};
use crate::{
    clock,
    config::Guardian,
    council::context,
    handle::{Reply, RoomCommand, respond},
    refusal::{ErrorName, Refusal},
    view::{Event, Participant, RoomView},
    witness::Fact,
};

/// A room that the bridge opened.
#[derive(Debug, Default)]
pub(super) struct Room {
    /// Asked for through the API; otherwise it ends with its last call.
    asked_for: bool,
    /// Of the call that opened it.
    trace_id: Option<String>,
    /// Channels of guardians who were called, by name.
    called: BTreeMap<String, GuardianLeg>,
}

#[derive(Debug)]
struct GuardianLeg {
    channel: Uniqueid,
    /// Seen by Asterisk; until then a comparison proves nothing.
    there: bool,
}

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
        self.open_room(room, None);
        if let Some(open) = self.rooms.get_mut(room) {
            open.asked_for = true;
        }
        Ok(vec![self.room_view(room)])
    }

    /// Opens a room and calls its guardians; does nothing when it is open.
    pub(super) fn open_room(&mut self, room: &str, trace_id: Option<&str>) {
        if self.rooms.contains_key(room) {
            return;
        }
        let new = Room {
            trace_id: trace_id.map(str::to_owned),
            ..Room::default()
        };
        self.rooms.insert(room.to_owned(), new);
        if self.council.proof() == Backend::Room {
            for guardian in self.guardians.clone() {
                self.call_guardian(room, &guardian);
            }
        }
        self.tell_room(room);
    }

    fn call_guardian(&mut self, room: &str, guardian: &Guardian) {
        let Some(peer) = &guardian.peer else {
            return;
        };
        // Another bridge at this gateway may have called them.
        let calls_them = |known: &Known| {
            let id = &known.channel.uniqueid;
            let is_here = known.room.as_ref().is_none_or(|at| at.as_str() == room);
            is_here
                && self.names.parse(id).is_none()
                && Bridges::parse(id) == Some(Bridges::Guardian(&guardian.name))
        };
        if self.model.channels().any(calls_them) {
            return;
        }
        if self.guardian_legs() >= self.limits.h323_legs_max {
            warn!(guardian = %guardian.name, "not called: as many H.323 legs as the gateway takes");
            return;
        }
        let trace_id = self.rooms.get(room).and_then(|room| room.trace_id.clone());
        self.tokens += 1;
        let number = clock::unix_ms() * 1_000 + self.tokens % 1_000;
        let order = self.guardian_order(room, guardian, peer, trace_id.as_deref(), number);
        let Ok(order) = order else {
            warn!(guardian = %guardian.name, "not called: a name cannot be dialled");
            return;
        };
        let channel = Uniqueid::from(&order.channel_id);
        match self.ami.submit(&Action::Originate(Box::new(order))) {
            Ok(asked) => {
                self.asked.insert(asked, Asked::Guardian(channel.clone()));
                let there = false;
                let leg = GuardianLeg { channel, there };
                if let Some(open) = self.rooms.get_mut(room) {
                    open.called.insert(guardian.name.clone(), leg);
                }
                self.witness_guardian(Entry::H323Setup, &guardian.name, room, None);
            }
            Err(error) => warn!(guardian = %guardian.name, "not called: {error}"),
        }
    }

    fn guardian_order(
        &self,
        room: &str,
        guardian: &Guardian,
        peer: &str,
        trace_id: Option<&str>,
        number: u64,
    ) -> Result<Originate, ValueError> {
        let exten = guardian.alias.as_deref().unwrap_or(&guardian.name);
        let mut variables = vec![Variable::channel("IFE_ROOM", room)?];
        if let Some(trace_id) = trace_id {
            variables.push(Variable::channel("CALLER_H323ID", trace_id)?);
        }
        Ok(Originate {
            channel: DialString::Ooh323 {
                exten: DialToken::parse(exten)?,
                peer: DialToken::parse(peer)?,
            },
            channel_id: self.names.guardian(&guardian.name, number)?,
            other_channel_id: None,
            destination: Self::place(context::GUARDIAN, "join")?,
            ring_timeout: self.limits.policy.ring_max,
            caller: None,
            variables,
        })
    }

    /// H.323 legs of guardians who were called.
    pub(super) fn guardian_legs(&self) -> u32 {
        let legs: usize = self.rooms.values().map(|room| room.called.len()).sum();
        u32::try_from(legs).unwrap_or(u32::MAX)
    }

    fn room_of_guardian(&self, channel: &Uniqueid) -> Option<(String, String)> {
        self.rooms.iter().find_map(|(room, open)| {
            let mut called = open.called.iter();
            let (name, _) = called.find(|(_, leg)| leg.channel == *channel)?;
            Some((room.clone(), name.clone()))
        })
    }

    pub(super) fn guardian_appeared(&mut self, channel: &Uniqueid) {
        if let Some((room, name)) = self.room_of_guardian(channel)
            && let Some(leg) = self
                .rooms
                .get_mut(&room)
                .and_then(|open| open.called.get_mut(&name))
        {
            leg.there = true;
        }
    }

    pub(super) fn guardian_up(&mut self, channel: &Uniqueid) {
        if let Some((room, name)) = self.room_of_guardian(channel) {
            self.witness_guardian(Entry::H323Connected, &name, &room, None);
        }
    }

    pub(super) fn guardian_joined(&mut self, channel: &Uniqueid, room: &str) {
        let Some(Ours::Guardian { name }) = self.names.parse(channel) else {
            return;
        };
        let of_a_call = self.is_in_use(room);
        // Called by an earlier process: the room was asked for there, unless its call lives on.
        let open = self.rooms.entry(room.to_owned()).or_insert_with(|| Room {
            asked_for: !of_a_call,
            ..Room::default()
        });
        let channel = channel.clone();
        open.called.insert(
            name.clone(),
            GuardianLeg {
                channel,
                there: true,
            },
        );
        self.witness_guardian(Entry::CouncilJoin, &name, room, None);
    }

    pub(super) fn guardian_left(&mut self, channel: &Uniqueid, room: &str) {
        if let Some(Ours::Guardian { name }) = self.names.parse(channel) {
            self.witness_guardian(Entry::CouncilLeave, &name, room, None);
        }
    }

    pub(super) fn guardian_gone(&mut self, channel: &Uniqueid, cause: Option<u8>) {
        let Some((room, name)) = self.room_of_guardian(channel) else {
            return;
        };
        if let Some(open) = self.rooms.get_mut(&room) {
            open.called.remove(&name);
        }
        self.witness_guardian(Entry::H323Released, &name, &room, cause);
        self.tell_room(&room);
    }

    /// Guardians whose channel a comparison does not find are gone.
    pub(super) fn guardians_in_step(&mut self) {
        let called = self.rooms.values().flat_map(|room| room.called.values());
        let gone: Vec<Uniqueid> = called
            .filter(|leg| leg.there && self.model.channel(&leg.channel).is_none())
            .map(|leg| leg.channel.clone())
            .collect();
        gone.iter()
            .for_each(|channel| self.guardian_gone(channel, None));
        let rooms: Vec<String> = self.rooms.keys().cloned().collect();
        rooms.iter().for_each(|room| self.close_if_over(room));
    }

    fn witness_guardian(&mut self, event: Entry, name: &str, room: &str, cause: Option<u8>) {
        let trace_id = self.rooms.get(room).and_then(|room| room.trace_id.clone());
        let cause = cause
            .map(|cause| format!(" cause={cause}"))
            .unwrap_or_default();
        let detail = format!("guardian={name} room={room}{cause}");
        let fact = Fact {
            trace_id: trace_id.as_deref(),
            ..Fact::new(event, &detail)
        };
        // No call depends on it, and what is dropped is counted.
        let _ = self.witness.record(&fact, false);
    }

    /// A room that a call opened ends with its last call.
    pub(super) fn close_if_over(&mut self, room: &str) {
        let Some(open) = self.rooms.get(room) else {
            return;
        };
        if open.asked_for || self.is_in_use(room) {
            return;
        }
        let legs: Vec<Uniqueid> = open
            .called
            .values()
            .map(|leg| leg.channel.clone())
            .collect();
        let has_legs = !legs.is_empty();
        legs.into_iter()
            .for_each(|channel| self.hang_up_channel(channel));
        if !has_legs {
            self.rooms.remove(room);
            self.tell_room(room);
        }
    }

    /// A call of this bridge goes there, or an expert whom any bridge called is there.
    fn is_in_use(&self, room: &str) -> bool {
        let mut calls = self.calls.values();
        let mut channels = self.model.channels();
        calls.any(|slot| slot.is_live() && slot.record.room == room)
            || channels.any(|known| {
                known.room.as_ref().is_some_and(|at| at.as_str() == room)
                    && match Bridges::parse(&known.channel.uniqueid) {
                        Some(Bridges::Expert(_)) => true,
                        Some(Bridges::Guardian(_)) | None => false,
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

    fn hang_up_channel(&mut self, channel: Uniqueid) {
        let cause = Cause::NORMAL.value();
        if let Ok(asked) = self.ami.submit(&Action::Hangup { channel, cause }) {
            self.asked.insert(asked, Asked::Nothing);
        }
    }

    /// Channels in a room.
    fn members(&self, room: &str) -> Vec<Uniqueid> {
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

    pub(super) fn tell_room(&self, room: &str) {
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
