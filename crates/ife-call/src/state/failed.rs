//! Over, not in good order.

use ife_words::Event;

use super::ended::leave_council;
use super::{State, detail};
use crate::call::Call;

pub(super) fn entered(call: &mut Call) {
    leave_council(call);
    if let State::Failed(reason) = &call.state {
        let words = format!("{} reason={reason}", detail(call));
        call.witness(Event::Failed, words);
    }
}
