//! The expert's leg is on its way to the council.

use ife_words::{Direction, Event};

use super::{State, asked_to_end, end, expert_left_first, fail, without_session};
use crate::call::Call;
use crate::output::{Output, TimerKind};
use crate::plan::Backend;
use crate::reason::{EndReason, FailReason};

pub(super) fn entered(call: &mut Call) {
    let event = match (call.plan.direction, call.plan.backend) {
        (Direction::ToExpert, Backend::Mcu) => Event::H323Setup,
        (Direction::ToCouncil, Backend::Mcu)
        | (Direction::ToExpert | Direction::ToCouncil, Backend::Room) => Event::Trying,
    };
    call.witness(event);
    if call.is_joined() || call.expert_facts().gone.is_some() {
        return;
    }
    call.start_timer(TimerKind::Join, call.plan.policy.join_max);
    let leg = call.expert_leg();
    match (call.plan.direction, call.plan.backend) {
        // The MCU was dialled from this leg and has answered; now the leg itself is.
        (Direction::ToCouncil, Backend::Mcu) => call.output(Output::Answer(leg)),
        (Direction::ToExpert, Backend::Mcu) if call.facts.council.there => {}
        (Direction::ToExpert, Backend::Room | Backend::Mcu)
        | (Direction::ToCouncil, Backend::Room) => {
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
            (Direction::ToExpert, false) => match without_session(expert) {
                Some(why) => fail(call, why),
                None => fail(call, FailReason::ExpertLeftEarly),
            },
            (Direction::ToExpert, true) => fail(call, FailReason::Unseen),
            (Direction::ToCouncil, false) => end(call, EndReason::ExpertLeft),
            (Direction::ToCouncil, true) => end(call, EndReason::Unseen),
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
