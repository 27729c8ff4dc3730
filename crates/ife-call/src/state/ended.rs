//! Over, in good order.

use ife_words::Event;

use super::State;
use crate::call::Call;
use crate::output::{Output, Witnessed};
use crate::plan::Backend;

pub(super) fn entered(call: &mut Call) {
    leave_council(call);
    if let State::Ended(reason) = call.state {
        call.output(Output::Witness(Witnessed {
            reason: Some(reason.to_string()),
            ..call.entry(Event::Terminated)
        }));
    }
}

/// What is told of a call that had reached the council, whichever way it is over.
pub(super) fn leave_council(call: &mut Call) {
    if call.is_joined() {
        call.witness(Event::CouncilLeave);
    }
    if call.plan.backend == Backend::Mcu
        && let Some(gone) = call.facts.council.gone
    {
        call.output(Output::Witness(Witnessed {
            cause: Some(gone.cause),
            ..call.entry(Event::H323Released)
        }));
    }
}
