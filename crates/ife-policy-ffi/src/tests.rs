//! Bugs made on purpose at each step of a call: contained, refused, undone, logged once.

use std::cell::Cell;
use std::rc::Rc;

use crate::abi::{IFE_GATE_INTERNAL, IFE_OK, IFE_PANIC};
use crate::shared::testing::with_hook;

mod killed;
#[path = "../tests/support/mod.rs"]
mod support;

use support::gate::{Gate, Setup, message};
use support::{EXPERT, SignedCall, TempDir};

/// Panics at step `n`; the cell is set if the step was reached.
fn panic_at(n: usize) -> (impl FnMut() + 'static, Rc<Cell<bool>>) {
    let reached = Rc::new(Cell::new(false));
    let (seen, mut step) = (Rc::clone(&reached), 0);
    let hook = move || {
        step += 1;
        if step == n {
            seen.set(true);
            panic!("made on purpose");
        }
    };
    (hook, reached)
}

#[test]
fn a_panic_anywhere_in_a_check_refuses_the_call_and_keeps_nothing_of_it() {
    let dir = TempDir::new("panic-check");
    let gate = Gate::attached(&Setup::new(&dir));
    let mut ring = gate.ring(0);
    let mut panics = 0;
    for n in 1.. {
        let call = SignedCall::new(n, EXPERT, 5);
        let invite = call.invite();
        let msg = message(&call, &invite);
        let (hook, reached) = panic_at(n);
        let verdict = with_hook(hook, || gate.check(&msg));
        if !reached.get() {
            break;
        }
        panics += 1;
        assert_eq!(
            (verdict.approved, verdict.gate, verdict.code),
            (0, IFE_GATE_INTERNAL, 500),
            "step {n}"
        );
        assert!(gate.find(&call.call_id).is_none(), "step {n}");
        let entries = ring.calls();
        assert_eq!(
            entries.last().map(|e| e.text("gate")),
            Some("internal"),
            "step {n}"
        );
    }
    assert!(panics > 20, "{panics}");
    let stats = gate.stats();
    assert_eq!(
        (stats.errors, stats.rejected[IFE_GATE_INTERNAL as usize]),
        (panics, panics)
    );
    assert_eq!(
        (stats.approved, stats.active_calls),
        (1, 1),
        "the last one, in which nothing panicked"
    );
}

#[test]
fn a_panic_in_an_event_is_an_error_and_the_next_one_works() {
    let dir = TempDir::new("panic-log");
    let gate = Gate::attached(&Setup::new(&dir));
    let call = SignedCall::new(1, EXPERT, 5);
    let invite = call.invite();
    let msg = message(&call, &invite);
    let (hook, reached) = panic_at(1);
    assert_eq!(with_hook(hook, || gate.log(&msg, "INVITE")), IFE_PANIC);
    assert!(reached.get());
    assert_eq!(gate.log(&msg, "INVITE"), IFE_OK);
    assert_eq!(gate.stats().errors, 1);
}
