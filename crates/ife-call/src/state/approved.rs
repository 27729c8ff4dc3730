//! The gate has approved, and the order to call is out.

use super::{State, calling, detail, fail};
use crate::call::Call;
use crate::output::{Output, TimerKind, WitnessEvent};
use crate::plan::{Backend, Direction};
use crate::reason::FailReason;

pub(super) fn entered(call: &mut Call) {
    call.stop_timer(TimerKind::Gate);
    call.witness(WitnessEvent::Approved, detail(call));
    call.invited = !call.facts.link_down;
    if !call.invited {
        return;
    }
    call.start_timer(TimerKind::Setup, call.plan.policy.setup_max);
    let leg = call.expert_leg();
    match (call.plan.direction, call.plan.backend) {
        (Direction::Out, Backend::Room | Backend::Mcu) => call.originate(),
        (Direction::In, Backend::Room) => {
            if !call.expert_facts().up {
                call.output(Output::Answer(leg));
            }
        }
        (Direction::In, Backend::Mcu) => {
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
