//! The gate has approved, and the order to call is out.

use ife_words::{Direction, Event};

use super::{State, calling, fail};
use crate::call::Call;
use crate::output::{Output, TimerKind};
use crate::plan::Backend;
use crate::reason::FailReason;

pub(super) fn entered(call: &mut Call) {
    call.stop_timer(TimerKind::Gate);
    call.witness(Event::Approved);
    call.invited = !call.facts.link_down;
    if !call.invited {
        return;
    }
    call.start_timer(TimerKind::Setup, call.plan.policy.setup_max);
    let leg = call.expert_leg();
    match (call.plan.direction, call.plan.backend) {
        (Direction::ToExpert, Backend::Room | Backend::Mcu) => call.originate(),
        (Direction::ToCouncil, Backend::Room) => {
            if !call.expert_facts().up {
                call.output(Output::Answer(leg));
            }
        }
        (Direction::ToCouncil, Backend::Mcu) => {
            if !call.facts.council.there {
                call.output(Output::JoinCouncil(leg));
            }
        }
    }
}

pub(super) fn next(call: &mut Call) -> Option<State> {
    if !call.invited {
        return Some(fail(call, FailReason::GatewayDown));
    }
    let there = call.facts.leg(call.called_leg()).there;
    calling(call).or_else(|| there.then_some(State::Inviting))
}
