//! Over, not in good order.

use super::ended::leave_council;
use super::{State, detail};
use crate::call::Call;
use crate::output::WitnessEvent;

pub(super) fn entered(call: &mut Call) {
    leave_council(call);
    if let State::Failed(reason) = &call.state {
        let words = format!("{} reason={reason}", detail(call));
        call.witness(WitnessEvent::Failed, words);
    }
}
