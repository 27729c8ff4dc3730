//! Legs are being ended: each open one is ordered to hang up until it is seen to be gone. One that has left the room gets a moment to do so
//! by itself.

use ife_words::Event;

use super::{State, connected::who_left};
use crate::call::Call;
use crate::output::TimerKind;
use crate::reason::{EndReason, FailReason};

pub(super) fn entered(call: &mut Call) {
    for kind in [
        TimerKind::Gate,
        TimerKind::Setup,
        TimerKind::Ring,
        TimerKind::Join,
        TimerKind::Call,
    ] {
        call.stop_timer(kind);
    }
    let event = if call.expert_facts().up {
        Event::Bye
    } else {
        Event::Cancel
    };
    call.witness(event);
    call.hangup_rounds = 0;
    if call.expert_facts().left && !call.facts.user_hangup {
        // It ends by itself. To be hung up now would keep its dialplan from saying that it was removed.
        call.start_timer(TimerKind::Hangup, call.plan.policy.hangup_retry);
    } else {
        order(call);
    }
}

pub(super) fn next(call: &mut Call) -> Option<State> {
    if call.open_legs().next().is_none() {
        return Some(reached(call));
    }
    if !call.facts.has_expired(TimerKind::Hangup) {
        return None;
    }
    if call.hangup_rounds < call.plan.policy.hangup_tries.max(1) {
        order(call);
        return None;
    }
    // A failed call does not say that its legs are gone, an ended one does.
    Some(match call.goal.clone() {
        State::Failed(reason) => State::Failed(reason),
        State::Received
        | State::Approved
        | State::Inviting
        | State::Ringing
        | State::Answered
        | State::Bridging
        | State::Connected
        | State::Ending
        | State::Ended(_) => State::Failed(FailReason::HangupUnconfirmed),
    })
}

fn order(call: &mut Call) {
    call.hangup_rounds += 1;
    call.hang_up_open_legs();
    call.start_timer(TimerKind::Hangup, call.plan.policy.hangup_retry);
}

/// Whether the expert was to be told of the end and may not know it.
fn is_untold(call: &Call) -> bool {
    let expert = call.expert_facts();
    expert.untold && !expert.leaving && !expert.lost
}

/// The goal, with the reason corrected where it was seen late whose leaving it was.
fn reached(call: &Call) -> State {
    match call.goal {
        State::Ended(_) if is_untold(call) => State::Failed(FailReason::HangupUnconfirmed),
        State::Ended(
            reason @ (EndReason::ExpertLeft | EndReason::ExpertLost | EndReason::CouncilLeft),
        ) => State::Ended(who_left(call, reason)),
        State::Received
        | State::Approved
        | State::Inviting
        | State::Ringing
        | State::Answered
        | State::Bridging
        | State::Connected
        | State::Ending
        | State::Ended(EndReason::UserHangup | EndReason::TooLong | EndReason::Unseen)
        | State::Failed(_) => call.goal.clone(),
    }
}
