//! The called leg is there.

use super::{State, calling, detail};
use crate::call::Call;
use crate::output::WitnessEvent;
use crate::plan::{Backend, Direction};

pub(super) fn entered(call: &mut Call) {
    let event = match (call.plan.direction, call.plan.backend) {
        (Direction::Out, Backend::Room | Backend::Mcu) => WitnessEvent::Invite,
        (Direction::In, Backend::Room) => WitnessEvent::Trying,
        (Direction::In, Backend::Mcu) => WitnessEvent::H323Setup,
    };
    call.witness(event, detail(call));
}

pub(super) fn next(call: &mut Call) -> Option<State> {
    let ringing = call.facts.leg(call.called_leg()).ringing;
    calling(call).or_else(|| ringing.then_some(State::Ringing))
}
