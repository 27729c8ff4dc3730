//! Requests about rooms.

use ife_ami::{
    Action,
    value::{RoomName, Uniqueid},
};
use ife_call::{Backend, Input};
use ife_witness::entry::Event;

use super::{Rooms, members::witness_member, no_such_participant, no_such_room, room_name};
use crate::{
    Engine,
    calls::{CallId, Calls},
    command::{Reply, RoomCommand},
    context::{Asked, Context},
    record::Line,
    refusal::{ErrorName, Refusal},
    view::RoomView,
};

/// Rooms that may be asked for and not ended.
const ROOMS_ASKED_MAX: usize = 1_000;

impl Engine {
    pub(crate) fn on_room_command(&mut self, command: RoomCommand, reply: Reply<Vec<RoomView>>) {
        let (rooms, cx, calls) = (&mut self.rooms, &mut self.cx, &mut self.calls);
        // A text that is no name of a room is that of no room.
        let parse = |room: &str| RoomName::parse(room).map_err(|_| no_such_room());
        let result = match command {
            RoomCommand::List => Ok(rooms.list(cx, calls)),
            RoomCommand::Show(room) => parse(&room).and_then(|room| {
                rooms.known(cx, calls, &room)?;
                Ok(vec![rooms.view(cx, calls, &room)])
            }),
            RoomCommand::Create(room) => {
                room_name("call_id", &room).and_then(|room| rooms.create(cx, calls, &room))
            }
            RoomCommand::End(room) => parse(&room).and_then(|room| self.end_room(&room)),
            RoomCommand::Remove { room, participant } => {
                parse(&room).and_then(|room| self.remove_participant(&room, &participant))
            }
            RoomCommand::Mute {
                room,
                participant,
                muted,
            } => {
                let channel = parse(&room).and_then(|room| {
                    let channel = rooms.mutable(cx, calls, &room, &participant)?;
                    Ok((room, channel))
                });
                match channel {
                    Ok((room, channel)) => return mute(cx, room, channel, muted, reply),
                    Err(refusal) => Err(refusal),
                }
            }
        };
        reply.respond(result);
    }

    fn end_room(&mut self, room: &RoomName) -> Result<Vec<RoomView>, Refusal> {
        self.rooms.known(&self.cx, &self.calls, room)?;
        self.rooms.stop_asking(&mut self.cx, room);
        let calls: Vec<CallId> = self
            .calls
            .live_in(room)
            .map(|slot| slot.id().clone())
            .collect();
        calls.iter().for_each(|id| self.feed(id, Input::UserHangup));
        let (rooms, cx, calls) = (&mut self.rooms, &mut self.cx, &mut self.calls);
        let others = rooms.members(cx, calls, room).into_iter();
        others
            .filter(|id| calls.place(id).is_none())
            .for_each(|channel| cx.end_channel(channel));
        rooms.close_if_over(cx, calls, room);
        Ok(Vec::new())
    }

    fn remove_participant(
        &mut self,
        room: &RoomName,
        participant: &str,
    ) -> Result<Vec<RoomView>, Refusal> {
        let channel = self
            .rooms
            .member(&self.cx, &self.calls, room, participant)?;
        let member = self.rooms.identify(&self.cx, &self.calls, &channel, room);
        witness_member(&mut self.cx, &member, Event::Remove, None, "");
        let call = self.calls.place(&channel).map(|place| place.call.clone());
        match call {
            Some(call) => self.feed(&call, Input::UserHangup),
            None => self.cx.end_channel(channel),
        }
        Ok(vec![self.rooms.view(&self.cx, &self.calls, room)])
    }
}

impl Rooms {
    fn create(
        &mut self,
        cx: &mut Context,
        calls: &mut Calls,
        room: &RoomName,
    ) -> Result<Vec<RoomView>, Refusal> {
        if cx.ledger.rooms_asked().len() >= ROOMS_ASKED_MAX {
            return Err(Refusal::new(
                ErrorName::CapacityExceeded,
                "as many rooms as may be asked for are open; end one of them",
            ));
        }
        if cx.ledger.ask_room(room, true) {
            cx.remember(&Line::RoomAsked { room: room.clone() });
        }
        self.open(cx, calls, room, None);
        Ok(vec![self.view(cx, calls, room)])
    }

    fn stop_asking(&mut self, cx: &mut Context, room: &RoomName) {
        if let Some(open) = self.open.get_mut(room) {
            open.asked_for = false;
        }
        if cx.ledger.ask_room(room, false) {
            cx.remember(&Line::RoomOver { room: room.clone() });
        }
    }

    /// The room after Asterisk has muted a member, or not; its own event may come later.
    pub(crate) fn on_muted(
        &mut self,
        cx: &mut Context,
        calls: &Calls,
        room: &RoomName,
        (channel, muted): (&Uniqueid, bool),
    ) -> Vec<RoomView> {
        self.note_mute(cx, channel, muted);
        vec![self.view(cx, calls, room)]
    }

    /// The channel of a participant whom the bridge can mute.
    fn mutable(
        &self,
        cx: &Context,
        calls: &Calls,
        room: &RoomName,
        participant: &str,
    ) -> Result<Uniqueid, Refusal> {
        match cx.settings.council.backend {
            Backend::Room => self.member(cx, calls, room, participant),
            Backend::Mcu => Err(Refusal::new(
                ErrorName::Conflict,
                "the MCU alone can mute its participants",
            )),
        }
    }
}

/// Orders the mute; the answer to the order is the answer to the request.
fn mute(
    cx: &mut Context,
    room: RoomName,
    channel: Uniqueid,
    muted: bool,
    reply: Reply<Vec<RoomView>>,
) {
    let Some(name) = cx
        .model
        .channel(&channel)
        .map(|known| known.channel.name.clone())
    else {
        return reply.respond(Err(no_such_participant()));
    };
    let action = if muted {
        Action::ConfbridgeMute {
            room: room.clone(),
            channel: name,
        }
    } else {
        Action::ConfbridgeUnmute {
            room: room.clone(),
            channel: name,
        }
    };
    match cx.submit(&action) {
        Ok(id) => cx.expect_answer(
            id,
            Asked::Mute {
                room,
                channel,
                muted,
                reply,
            },
        ),
        Err(error) => {
            let refusal = Refusal::new(ErrorName::Unavailable, error.to_string());
            reply.respond(Err(refusal));
        }
    }
}
