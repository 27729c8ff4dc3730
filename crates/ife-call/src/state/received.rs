//! Asked for; the gate has not said anything.

use super::{State, asked_to_end, attempt_failed, caller_gone, detail, fail};
use crate::call::Call;
use crate::input::Verdict;
use crate::output::{Output, TimerKind, WitnessEvent};
use crate::plan::Direction;
use crate::reason::FailReason;

pub(super) fn entered(call: &mut Call) {
    let event = match call.plan.direction {
        Direction::Out => WitnessEvent::Escalate,
        Direction::In => WitnessEvent::Invite,
    };
    call.witness(event, detail(call));
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
            let words = format!("{} gate={gate} code={code}", detail(call));
            call.witness(WitnessEvent::Rejected, words);
            let why = FailReason::Refused { gate, code, reason };
            Some(match call.plan.direction {
                Direction::Out => attempt_failed(call, why),
                Direction::In => fail(call, why),
            })
        }
        None if call.facts.has_expired(TimerKind::Gate) => {
            Some(fail(call, FailReason::GateTimeout))
        }
        None => None,
    }
}
