//! Asked for; the gate has not said anything.

use ife_words::{Direction, Event};

use super::{State, asked_to_end, attempt_failed, caller_gone, fail};
use crate::call::Call;
use crate::input::Verdict;
use crate::output::{Output, TimerKind, Witnessed};
use crate::reason::FailReason;

pub(super) fn entered(call: &mut Call) {
    let event = match call.plan.direction {
        Direction::ToExpert => Event::Escalate,
        Direction::ToCouncil => Event::Invite,
    };
    call.witness(event);
    if let Some(expert) = call.expert().cloned() {
        call.start_timer(TimerKind::Gate, call.plan.policy.gate_max);
        call.output(Output::AskGate {
            attempt: call.attempt,
            expert,
        });
    }
}

pub(super) fn next(call: &mut Call) -> Option<State> {
    if call.expert().is_none() {
        return Some(fail(call, FailReason::NoExpert));
    }
    if let Some(state) = asked_to_end(call).or_else(|| caller_gone(call)) {
        return Some(state);
    }
    match call.facts.verdict.clone() {
        Some(Verdict::Approved) => Some(State::Approved),
        Some(Verdict::Refused { gate, code, reason }) => {
            call.output(Output::Witness(Witnessed {
                refused: Some((gate, code)),
                ..call.entry(Event::Rejected)
            }));
            let why = FailReason::Refused { gate, code, reason };
            Some(match call.plan.direction {
                Direction::ToExpert => attempt_failed(call, why),
                Direction::ToCouncil => fail(call, why),
            })
        }
        None if call.facts.has_expired(TimerKind::Gate) => {
            Some(fail(call, FailReason::GateTimeout))
        }
        None => None,
    }
}
