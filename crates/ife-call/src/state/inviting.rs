//! The called leg is there.

use ife_words::{Direction, Event};

use super::{State, calling};
use crate::call::Call;
use crate::plan::Backend;

pub(super) fn entered(call: &mut Call) {
    let event = match (call.plan.direction, call.plan.backend) {
        (Direction::ToExpert, Backend::Room | Backend::Mcu) => Event::Invite,
        (Direction::ToCouncil, Backend::Room) => Event::Trying,
        (Direction::ToCouncil, Backend::Mcu) => Event::H323Setup,
    };
    call.witness(event);
}

pub(super) fn next(call: &mut Call) -> Option<State> {
    let ringing = call.facts.leg(call.called_leg()).ringing;
    calling(call).or_else(|| ringing.then_some(State::Ringing))
}
