//! The expert's leg is on its way to the council.

use super::{State, asked_to_end, detail, end, expert_left_first, fail};
use crate::call::Call;
use crate::output::{Output, TimerKind, WitnessEvent};
use crate::plan::{Backend, Direction};
use crate::reason::{EndReason, FailReason};

pub(super) fn entered(call: &mut Call) {
    let event = match (call.plan.direction, call.plan.backend) {
        (Direction::Out, Backend::Mcu) => WitnessEvent::H323Setup,
        (Direction::In, Backend::Mcu) | (Direction::Out | Direction::In, Backend::Room) => {
            WitnessEvent::Trying
        }
    };
    call.witness(event, detail(call));
    if call.is_joined() || call.expert_facts().gone.is_some() {
        return;
    }
    call.start_timer(TimerKind::Join, call.plan.policy.join_max);
    let leg = call.expert_leg();
    match (call.plan.direction, call.plan.backend) {
        // The MCU was dialled from this leg and has answered; now the leg itself is.
        (Direction::In, Backend::Mcu) => call.output(Output::Answer(leg)),
        (Direction::Out, Backend::Mcu) if call.facts.council.there => {}
        (Direction::Out, Backend::Room | Backend::Mcu) | (Direction::In, Backend::Room) => {
            call.output(Output::JoinCouncil(leg));
        }
    }
}

pub(super) fn next(call: &mut Call) -> Option<State> {
    if call.is_joined() {
        return Some(State::Connected);
    }
    if let Some(state) = asked_to_end(call) {
        return Some(state);
    }
    let (expert, council) = (call.expert_facts(), call.facts.council);
    if expert_left_first(call) {
        let unseen = expert.gone.is_some_and(|gone| gone.unseen);
        return Some(match (call.plan.direction, unseen) {
            (Direction::Out, false) => fail(call, FailReason::ExpertLeftEarly),
            (Direction::Out, true) => fail(call, FailReason::Unseen),
            (Direction::In, false) => end(call, EndReason::ExpertLeft),
            (Direction::In, true) => end(call, EndReason::Unseen),
        });
    }
    if let Some(gone) = council.gone {
        let (class, cause) = (council.class_of_end(gone.cause), gone.cause);
        return Some(if gone.unseen {
            fail(call, FailReason::Unseen)
        } else {
            fail(call, FailReason::Council { class, cause })
        });
    }
    if let Some(cause) = call.facts.join_refused {
        let class = cause.class();
        return Some(fail(call, FailReason::Council { class, cause }));
    }
    if call.facts.has_expired(TimerKind::Join) && !call.facts.link_down {
        return Some(fail(call, FailReason::CouncilTimeout));
    }
    None
}
