//! The H.323 legs of a room, as its calls show them.

use ife_ami::{
    event::ChannelState,
    value::{RoomName, Uniqueid},
};
use ife_call::Backend;

use super::{GuardianLeg, Rooms};
use crate::{calls::Calls, context::Context, roll::Role, view::CallState};

impl Rooms {
    /// Measures the H.323 legs of a room, for every call that goes there.
    pub(crate) fn note_h323(&self, cx: &mut Context, calls: &mut Calls, room: &RoomName) {
        match cx.settings.council.backend {
            Backend::Room => {}
            Backend::Mcu => return,
        }
        let measured = self.measure_h323(cx, room);
        for slot in calls.live_in_mut(room) {
            if slot.set_h323(measured) {
                slot.publish(cx);
            }
        }
    }

    /// State of the room's H.323 leg that is furthest, `received` when there is none to be had.
    fn measure_h323(&self, cx: &Context, room: &RoomName) -> CallState {
        let guardians = cx.ledger.roll.members_of(room);
        let mut guardians = guardians.filter(|member| member.role == Role::Guardian);
        if guardians.any(|member| is_h323(cx, &member.channel)) {
            return CallState::Connected;
        }
        let open = self.open.get(room);
        let called = open.into_iter().flat_map(|open| open.called.values());
        let states = called.map(|called| match &called.leg {
            Some(leg) => leg_state(cx, leg),
            None if called.failures > 0 => CallState::Failed,
            None => CallState::Ended,
        });
        // A leg that may still come counts for more than one that is gone.
        let furthest = states.max_by_key(|state| (!state.is_over(), *state));
        furthest.unwrap_or(CallState::Received)
    }
}

fn is_h323(cx: &Context, channel: &Uniqueid) -> bool {
    let known = cx.model.channel(channel);
    known.is_some_and(|known| known.channel.name.driver() == b"OOH323")
}

fn leg_state(cx: &Context, leg: &GuardianLeg) -> CallState {
    let known = cx.model.channel(&leg.channel);
    if known.is_some_and(|known| known.channel.state == ChannelState::Up) {
        CallState::Bridging
    } else if cx.model.is_ringing(&leg.channel) {
        CallState::Ringing
    } else {
        CallState::Inviting
    }
}
