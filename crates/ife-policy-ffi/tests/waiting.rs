//! Decisions that wait for the disk in another place than the deciding one.

use ::ife_policy::abi::*;
use ife_witness::ring::{Mark, RingSet};

mod support;

use support::gate::{Gate, Ring, Setup, message, of_buffer, text};
use support::{EXPERT, NARROW_EXPERT, SignedCall, TempDir};

struct Bench {
    gate: Gate,
    ring: Ring,
    setup: Setup,
    _dir: TempDir,
}

fn bench(name: &str, change: impl FnOnce(&mut Setup)) -> Bench {
    let dir = TempDir::new(name);
    let mut setup = Setup::new(&dir);
    setup.wait_ms = 5_000;
    change(&mut setup);
    let gate = Gate::attached(&setup);
    let ring = gate.ring(0);
    Bench {
        gate,
        ring,
        setup,
        _dir: dir,
    }
}

fn call_to(expert: &str, n: usize) -> (SignedCall, String) {
    let call = SignedCall::new(n, expert, 5);
    let invite = call.invite();
    (call, invite)
}

fn call(n: usize) -> (SignedCall, String) {
    call_to(EXPERT, n)
}

fn events(ring: &mut Ring) -> Vec<(String, String)> {
    let of = |entry: &support::gate::Logged| {
        (
            entry.text("event").to_owned(),
            entry.text("gate").to_owned(),
        )
    };
    ring.calls().iter().map(of).collect()
}

fn named(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    let owned = |(event, gate): &(&str, &str)| ((*event).to_owned(), (*gate).to_owned());
    pairs.iter().map(owned).collect()
}

#[test]
fn a_decision_waits_until_its_entry_is_on_disk() {
    let mut b = bench("waiting-in-time", |_| {});
    let (call, invite) = call(1);
    let msg = message(&call, &invite);
    let begun = b.gate.begin(&msg);
    let (verdict, ticket) = &begun;
    assert_eq!(
        (
            verdict.approved,
            verdict.witnessed,
            ticket.waits,
            ticket.began
        ),
        (1, 1, 1, 1)
    );
    assert_eq!(b.gate.stats().approved, 0, "it is not decided yet");
    assert_eq!(b.gate.wait(ticket, 0), IFE_WITNESS_TIMEOUT);
    assert_eq!(b.gate.wait(ticket, 1), IFE_WITNESS_TIMEOUT);
    assert_eq!(events(&mut b.ring), named(&[("APPROVED", "")]));
    assert_eq!(b.gate.wait(ticket, 5_000), IFE_OK);
    let settled = b.gate.settle(&msg, &begun, false);
    assert_eq!((settled.approved, settled.witnessed), (1, 2));
    assert_eq!(
        (settled.seq, settled.leaf_hash),
        (verdict.seq, verdict.leaf_hash)
    );
    assert_eq!(
        of_buffer(&settled.expert_contact),
        of_buffer(&verdict.expert_contact)
    );
    let stats = b.gate.stats();
    assert_eq!(
        (stats.approved, stats.witness_waits, stats.active_calls),
        (1, 1, 1)
    );
    // The same INVITE again has nothing to wait for.
    let (again, ticket) = b.gate.begin(&msg);
    assert_eq!((again.approved, again.witnessed, ticket.waits), (1, 2, 0));
}

#[test]
fn another_process_waits_for_the_entry() {
    let mut b = bench("waiting-elsewhere", |_| {});
    let (call, invite) = call(1);
    let msg = message(&call, &invite);
    let begun = b.gate.begin(&msg);
    let other = Gate::open(&b.setup).expect("the same state");
    assert_eq!(other.attach(1), IFE_OK);
    assert_eq!(other.wait(&begun.1, 0), IFE_WITNESS_TIMEOUT);
    std::thread::scope(|scope| {
        scope.spawn(|| b.ring.discard());
        assert_eq!(other.wait(&begun.1, 5_000), IFE_OK);
    });
    assert_eq!(other.settle(&msg, &begun, false).witnessed, 2);
    assert_eq!(
        b.gate.begin(&msg).0.witnessed,
        2,
        "the record says so to all"
    );
}

#[test]
fn a_late_decision_is_refused_and_frees_its_seat() {
    let mut b = bench("waiting-late", |setup| setup.wait_ms = 30);
    let (call, invite) = call(1);
    let msg = message(&call, &invite);
    let begun = b.gate.begin(&msg);
    let settled = b.gate.settle(&msg, &begun, false);
    assert_eq!(
        (settled.approved, settled.gate, settled.code),
        (0, IFE_GATE_WITNESS, 503)
    );
    assert!(settled.retry_after_s > 0);
    assert_eq!(of_buffer(&settled.trace_id), call.trace_id);
    assert!(b.gate.find(&call.call_id).is_none());
    let entries = b.ring.calls();
    let said: Vec<_> = entries
        .iter()
        .map(|e| (e.text("event"), e.text("gate"), e.text("trace_id")))
        .collect();
    assert_eq!(
        said,
        [
            ("APPROVED", "", &*call.trace_id),
            ("REJECTED", "witness", &*call.trace_id)
        ]
    );
    assert_eq!(settled.seq, entries[1].seq);
    let stats = b.gate.stats();
    assert_eq!((stats.approved, stats.rejected[11]), (0, 1));
    assert_eq!(stats.active_calls, 0);
}

#[test]
fn what_shadow_mode_lets_pass_after_a_wait_keeps_its_target() {
    for (name, shadow, give_up) in [
        ("waiting-late-shadow", true, false),
        ("waiting-full-shadow", true, true),
        ("waiting-late-enforced", false, false),
    ] {
        let b = bench(name, |setup| setup.shadow = shadow);
        let (call, invite) = call(1);
        let msg = message(&call, &invite);
        let begun = b.gate.begin(&msg);
        assert_eq!(begun.1.waits, 1);
        let settled = b.gate.settle(&msg, &begun, give_up);
        assert_eq!((settled.approved, settled.gate), (0, IFE_GATE_WITNESS));
        let contact = if shadow {
            "sip:phone@127.0.0.1:5070"
        } else {
            ""
        };
        assert_eq!(of_buffer(&settled.expert_contact), contact, "{name}");
        assert_eq!(settled.direction, IFE_DIRECTION_TO_EXPERT);
        assert_eq!(of_buffer(&settled.expert), EXPERT);
        assert_eq!(of_buffer(&settled.hazard), "safety");
        assert_eq!(of_buffer(&settled.trace_id), call.trace_id);
    }
}

#[test]
fn the_seats_of_calls_that_wait_are_held_and_given_back() {
    let b = bench("waiting-seats", |_| {});
    let calls: Vec<_> = (0..3).map(|n| call_to(NARROW_EXPERT, n)).collect();
    let invites: Vec<_> = calls.iter().map(|(c, i)| message(c, i)).collect();
    let first = b.gate.begin(&invites[0]);
    assert_eq!(b.gate.begin(&invites[1]).1.waits, 1);
    let (third, ticket) = b.gate.begin(&invites[2]);
    assert_eq!(
        (third.approved, third.gate, ticket.waits),
        (0, IFE_GATE_QUOTA, 0)
    );
    assert_eq!(b.gate.settle(&invites[0], &first, true).approved, 0);
    assert_eq!(b.gate.stats().active_calls, 1);
}

#[test]
fn best_effort_approves_what_is_late_or_given_up() {
    let b = bench("waiting-best-effort", |setup| setup.required = false);
    for (n, give_up) in [(1, false), (2, true)] {
        let (call, invite) = call(n);
        let msg = message(&call, &invite);
        // The first wait that is late marks a stall: then nothing waits.
        let begun = b.gate.begin(&msg);
        if begun.1.waits == 1 {
            let settled = b.gate.settle(&msg, &begun, give_up);
            assert_eq!((settled.approved, settled.witnessed), (1, 1));
        }
        assert!(b.gate.find(&call.call_id).is_some());
    }
    assert_eq!(b.gate.stats().approved, 2);
}

#[test]
fn a_server_that_cannot_wait_refuses_and_marks_no_stall() {
    let mut b = bench("waiting-given-up", |_| {});
    let (first, invite) = call(1);
    let msg = message(&first, &invite);
    let begun = b.gate.begin(&msg);
    b.ring.discard();
    let settled = b.gate.settle(&msg, &begun, true);
    assert_eq!((settled.approved, settled.code), (0, 503));
    assert!(of_buffer(&settled.detail).contains("one more call"));
    let (second, invite) = call(2);
    let begun = b.gate.begin(&message(&second, &invite));
    assert_eq!(begun.1.waits, 1, "the writer does not stall");
}

#[test]
fn a_stalled_writer_ends_the_waits_of_later_calls_at_once() {
    let b = bench("waiting-stalled", |_| {});
    let (first, invite) = call(1);
    let msg = message(&first, &invite);
    let begun = b.gate.begin(&msg);
    b.gate.settle(&msg, &begun, false);
    let (second, invite) = call(2);
    let (verdict, ticket) = b.gate.begin(&message(&second, &invite));
    assert_eq!((verdict.approved, ticket.waits), (0, 0));
    let rings = RingSet::open(&b.setup.state_dir).expect("no other writer");
    rings.set_mark(Mark { log_id: 1, size: 9 });
    let (third, invite) = call(3);
    assert_eq!(b.gate.begin(&message(&third, &invite)).1.waits, 1);
}

#[test]
fn a_retransmission_waits_for_the_same_entry() {
    let mut b = bench("waiting-repeat", |_| {});
    let (call, invite) = call(1);
    let msg = message(&call, &invite);
    let first = b.gate.begin(&msg);
    let again = b.gate.begin(&msg);
    assert_eq!((again.1.waits, again.1.began), (1, 0));
    assert_eq!(again.1.position, first.1.position);
    assert_eq!(again.0.seq, first.0.seq);
    // What only repeats a decision does not end its call.
    assert_eq!(b.gate.settle(&msg, &again, true).approved, 0);
    assert!(b.gate.find(&call.call_id).is_some());
    b.ring.discard();
    assert_eq!(b.gate.settle(&msg, &first, false).witnessed, 2);
}

#[test]
fn a_call_that_was_cancelled_while_it_waited_has_no_second_end() {
    let mut b = bench("waiting-cancelled", |_| {});
    let (call, invite) = call(1);
    let msg = message(&call, &invite);
    let begun = b.gate.begin(&msg);
    let failed = ife_message {
        status_code: 487,
        reason_phrase: text("Request Terminated"),
        ..msg
    };
    assert_eq!(b.gate.log(&failed, "FAILED"), IFE_OK);
    assert_eq!(b.gate.settle(&msg, &begun, false).approved, 0);
    assert_eq!(
        events(&mut b.ring),
        named(&[("APPROVED", ""), ("FAILED", "")])
    );
}

#[test]
fn nothing_waits_without_witness_wait_ms_or_after_a_refusal() {
    let b = bench("waiting-none", |setup| setup.wait_ms = 0);
    let (call, invite) = call(1);
    let msg = message(&call, &invite);
    let (verdict, ticket) = b.gate.begin(&msg);
    assert_eq!((verdict.approved, ticket.waits), (1, 0));
    let unsigned = ife_message {
        signature: ife_header::default(),
        call_id: text("another"),
        ..msg
    };
    let (verdict, ticket) = b.gate.begin(&unsigned);
    assert_eq!((verdict.code, ticket.waits), (428, 0));
    assert_eq!(b.gate.stats().approved, 1);
}

#[test]
fn an_invented_ticket_is_an_error_or_never_on_disk() {
    let b = bench("waiting-invented", |_| {});
    let (call, invite) = call(1);
    let (_, good) = b.gate.begin(&message(&call, &invite));
    assert_eq!(
        b.gate.wait(&ife_ticket::default(), 0),
        IFE_INVALID_PARAMETER
    );
    let far = ife_ticket {
        process_no: 70_000,
        ..good
    };
    assert_eq!(b.gate.wait(&far, 0), IFE_INVALID_PARAMETER);
    for other in [
        ife_ticket {
            process_no: 9,
            ..good
        },
        ife_ticket {
            epoch: good.epoch + 1,
            ..good
        },
        ife_ticket {
            position: u64::MAX,
            ..good
        },
    ] {
        assert_eq!(b.gate.wait(&other, 1), IFE_WITNESS_TIMEOUT);
    }
}
