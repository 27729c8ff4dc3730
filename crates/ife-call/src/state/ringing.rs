//! The called leg rings.

use ife_words::Event;

use super::{State, calling};
use crate::call::Call;
use crate::output::TimerKind;

pub(super) fn entered(call: &mut Call) {
    call.stop_timer(TimerKind::Setup);
    call.start_timer(TimerKind::Ring, call.plan.policy.ring_max);
    call.witness(Event::Ringing);
}

pub(super) fn next(call: &mut Call) -> Option<State> {
    calling(call)
}
