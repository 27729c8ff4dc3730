//! The called leg has answered. Left as soon as the order to join the council can be given.

use ife_words::{Direction, Event};

use super::{State, asked_to_end};
use crate::call::Call;
use crate::output::TimerKind;
use crate::plan::Backend;

pub(super) fn entered(call: &mut Call) {
    call.stop_timer(TimerKind::Setup);
    call.stop_timer(TimerKind::Ring);
    let event = match (call.plan.direction, call.plan.backend) {
        (Direction::ToCouncil, Backend::Mcu) => Event::H323Connected,
        (Direction::ToExpert, Backend::Room | Backend::Mcu)
        | (Direction::ToCouncil, Backend::Room) => Event::Connected,
    };
    call.witness(event);
}

pub(super) fn next(call: &mut Call) -> Option<State> {
    if let Some(state) = asked_to_end(call) {
        return Some(state);
    }
    // A leg that is gone already is for `Bridging` to judge, in sight or not.
    let can_go_on = !call.facts.link_down || call.expert_facts().gone.is_some();
    can_go_on.then_some(State::Bridging)
}
