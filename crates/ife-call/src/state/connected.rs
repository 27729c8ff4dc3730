//! The expert is in the council.

use ife_words::{Direction, Event};

use super::{State, asked_to_end, end, fail, without_session};
use crate::call::Call;
use crate::facts::Gone;
use crate::output::TimerKind;
use crate::plan::Backend;
use crate::reason::EndReason;

pub(super) fn entered(call: &mut Call) {
    call.stop_timer(TimerKind::Join);
    call.start_timer(TimerKind::Call, call.plan.policy.call_max);
    if (call.plan.direction, call.plan.backend) == (Direction::ToExpert, Backend::Mcu) {
        call.witness(Event::H323Connected);
    }
    call.witness(Event::CouncilJoin);
}

pub(super) fn next(call: &mut Call) -> Option<State> {
    if let Some(state) = asked_to_end(call) {
        return Some(state);
    }
    let expert = call.expert_facts();
    // The way to the council may be up before the gateway looks at the answer's SDP.
    if let Some(why) = without_session(expert) {
        return Some(fail(call, why));
    }
    if let Some(gone) = expert.gone {
        let reason = who_left(call, EndReason::ExpertLeft);
        return Some(end(call, reason_of(gone, reason)));
    }
    if let Some(gone) = call.facts.council.gone {
        let reason = who_left(call, EndReason::CouncilLeft);
        return Some(end(call, reason_of(gone, reason)));
    }
    if expert.left {
        // An expert who hangs up leaves the room first; `Ending` corrects the reason if a removal is seen later.
        let reason = who_left(call, EndReason::ExpertLeft);
        return Some(end(call, reason));
    }
    if call.facts.has_expired(TimerKind::Call) && !call.facts.link_down {
        return Some(end(call, EndReason::TooLong));
    }
    None
}

/// Whichever side hangs up, the gateway ends the other one's leg too, and which of the two is seen to be gone first is chance. Only the far
/// side of the one that hung up has asked for the end, and only a leg that was removed lives to say so.
pub(super) fn who_left(call: &Call, otherwise: EndReason) -> EndReason {
    let expert = call.expert_facts();
    // A phone that vanished asks for no end, but the gateway, which ends its leg, seems to do so in its name.
    if expert.lost {
        return EndReason::ExpertLost;
    }
    match (expert.leaving, call.facts.council.leaving || expert.removed) {
        (true, false) => EndReason::ExpertLeft,
        (false, true) => EndReason::CouncilLeft,
        (true, true) | (false, false) => otherwise,
    }
}

fn reason_of(gone: Gone, seen: EndReason) -> EndReason {
    if gone.unseen { EndReason::Unseen } else { seen }
}
