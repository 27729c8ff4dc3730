//! A call that moves from one room to another.

use ife_ami::value::RoomName;

use super::Slot;
use crate::{context::Context, record::Line, timers};

/// A move to another room: the old one is left meanwhile, which is no end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Moving {
    to: RoomName,
    pub(super) timer: timers::Key,
}

impl Slot {
    /// Notes that the call is in a room, which may be the one that it moves to.
    pub(crate) fn joined(&mut self, cx: &mut Context, room: &RoomName) {
        self.record.room = room.clone();
        self.name_participant(cx);
        if let Some(moving) = self.moving.take_if(|moving| moving.to == *room) {
            cx.timers.remove(moving.timer);
        }
        cx.remember(&Line::Room {
            call_id: self.record.call_id.to_string(),
            room: room.clone(),
        });
    }

    /// The room that the call is in or moves to.
    pub(crate) fn headed_for(&self) -> &RoomName {
        let moving = self.moving.as_ref();
        moving.map_or(&self.record.room, |moving| &moving.to)
    }

    pub(crate) fn is_moving(&self) -> bool {
        self.moving.is_some()
    }

    /// Notes a move to another room, in place of an earlier one.
    pub(crate) fn set_moving(&mut self, cx: &mut Context, to: RoomName, timer: timers::Key) {
        self.step(cx.now, format!("on the way to room {to}"));
        if let Some(replaced) = self.moving.replace(Moving { to, timer }) {
            cx.timers.remove(replaced.timer);
        }
    }

    /// Ends a move that failed; false when there is none.
    pub(crate) fn move_failed(&mut self, cx: &mut Context, why: &str) -> bool {
        let Some(moving) = self.moving.take() else {
            return false;
        };
        self.step(cx.now, format!("not in room {}: {why}", moving.to));
        cx.timers.remove(moving.timer);
        true
    }
}
