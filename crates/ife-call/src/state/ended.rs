//! Over, in good order.

use ife_words::Event;

use super::{State, detail};
use crate::call::Call;
use crate::plan::Backend;

pub(super) fn entered(call: &mut Call) {
    leave_council(call);
    if let State::Ended(reason) = call.state {
        let words = format!("{} reason={reason}", detail(call));
        call.witness(Event::Terminated, words);
    }
}

/// What is told of a call that had reached the council, whichever way it is over.
pub(super) fn leave_council(call: &mut Call) {
    if call.is_joined() {
        call.witness(Event::CouncilLeave, detail(call));
    }
    if call.plan.backend == Backend::Mcu
        && let Some(gone) = call.facts.council.gone
    {
        let words = format!("{} cause={}", detail(call), gone.cause);
        call.witness(Event::H323Released, words);
    }
}
