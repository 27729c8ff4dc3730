//! Over, not in good order.

use ife_words::Event;

use super::State;
use super::ended::leave_council;
use crate::call::Call;
use crate::output::Output;

pub(super) fn entered(call: &mut Call) {
    leave_council(call);
    if let State::Failed(reason) = &call.state {
        let entry = call.entry(Event::Failed).because(reason);
        call.output(Output::Witness(entry));
    }
}
