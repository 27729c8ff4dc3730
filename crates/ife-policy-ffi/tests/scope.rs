//! Requests that are not for the gate, and requests that come again or have no answer.

use ::ife_policy::abi::*;

mod support;

use support::gate::{Gate, Ring, Setup, header, message, text};
use support::{CALLER, EXPERT, SignedCall, TempDir};

const ALICE: &str = "sip:alice@198.51.100.1";
const BOB: &str = "sip:bob@198.51.100.1:5060";

struct Bench {
    gate: Gate,
    ring: Ring,
    _dir: TempDir,
}

fn bench(name: &str, registry_only: bool) -> Bench {
    let dir = TempDir::new(name);
    let setup = Setup {
        registry_only,
        ..Setup::new(&dir)
    };
    let gate = Gate::attached(&setup);
    let ring = gate.ring(0);
    Bench {
        gate,
        ring,
        _dir: dir,
    }
}

/// Returns a request of Alice to Bob without any header of the gate.
fn ordinary(of: &ife_message) -> ife_message {
    ife_message {
        from_uri: text(ALICE),
        to_uri: text(BOB),
        ruri: text(BOB),
        trace_id: ife_header::default(),
        hazard: ife_header::default(),
        signature: ife_header::default(),
        ..*of
    }
}

#[test]
fn a_request_of_others_is_not_for_the_gate_and_leaves_nothing() {
    let mut b = bench("scope-others", true);
    let call = SignedCall::new(1, EXPERT, 5);
    let invite = call.invite();
    let base = message(&call, &invite);
    let others = ordinary(&base);
    let before = b.gate.stats();
    for method in ["INVITE", "MESSAGE", "OPTIONS", "REGISTER", "ACK"] {
        for to_tag in ["", "a-tag"] {
            let msg = ife_message {
                method: text(method),
                to_tag: text(to_tag),
                ..others
            };
            assert!(b.gate.is_not_for_gate(&msg), "{method} {to_tag}");
            assert_eq!(b.gate.log(&msg, "REJECTED"), IFE_NOT_FOR_GATE, "{method}");
        }
    }
    let reply = ife_message {
        status_code: 180,
        to_tag: text("b"),
        ..others
    };
    assert_eq!(b.gate.log(&reply, "RINGING"), IFE_NOT_FOR_GATE);
    assert!(b.ring.calls().is_empty());
    let after = b.gate.stats();
    assert_eq!(after.not_for_gate, 10);
    assert_eq!(after.rejected, before.rejected);
    assert_eq!(
        (after.active_calls, after.replay_used, after.witness_queued),
        (0, 0, before.witness_queued)
    );
}

#[test]
fn a_request_that_names_a_party_anywhere_is_for_the_gate() {
    let b = bench("scope-parties", true);
    let call = SignedCall::new(1, EXPERT, 5);
    let invite = call.invite();
    let base = message(&call, &invite);
    let others = ordinary(&base);
    let expert = format!("sip:{EXPERT}");
    let spelled = expert.to_uppercase().replace("SIP:", "sip:");
    let route = [text(&expert)];
    let by = |change: fn(&mut ife_message, ife_str)| {
        let mut msg = others;
        change(&mut msg, text(&spelled));
        msg
    };
    let mut routed = others;
    (routed.routes, routed.route_count) = (route.as_ptr(), 1);
    let cases = [
        ("From", by(|msg, uri| msg.from_uri = uri)),
        ("Request-URI", by(|msg, uri| msg.ruri = uri)),
        ("the other Request-URI", by(|msg, uri| msg.other_ruri = uri)),
        ("Route", routed),
        (
            "hazard",
            ife_message {
                hazard: header("safety"),
                ..others
            },
        ),
        (
            "another X-IF header",
            ife_message {
                if_header_count: 1,
                ..others
            },
        ),
        (
            "an unreadable message",
            ife_message {
                from_uri: text(""),
                ..others
            },
        ),
    ];
    for (what, msg) in cases {
        for to_tag in ["", "made-up"] {
            let msg = ife_message {
                to_tag: text(to_tag),
                ..msg
            };
            assert_eq!(b.gate.check(&msg).approved, 0, "{what} {to_tag}");
        }
    }
    let only_to = by(|msg, uri| msg.to_uri = uri);
    assert!(b.gate.is_not_for_gate(&only_to), "To decides nothing");
    assert_eq!(b.gate.check(&base).approved, 1);
}

#[test]
fn every_request_is_for_a_gate_of_scope_all() {
    let b = bench("scope-all", false);
    let call = SignedCall::new(1, EXPERT, 5);
    let invite = call.invite();
    let others = ordinary(&message(&call, &invite));
    assert!(!b.gate.is_not_for_gate(&others));
    assert_eq!(b.gate.explain_result(&others), IFE_OK);
}

#[test]
fn an_explanation_has_the_scope_of_the_decision() {
    let b = bench("scope-explain", true);
    let call = SignedCall::new(1, EXPERT, 5);
    let invite = call.invite();
    let base = message(&call, &invite);
    let others = ordinary(&base);
    assert_eq!(b.gate.explain_result(&others), IFE_NOT_FOR_GATE);
    assert_eq!(b.gate.stats().not_for_gate, 0, "nothing is counted");
    let with_header = ife_message {
        hazard: header("safety"),
        ..others
    };
    let in_dialog = ife_message {
        to_tag: text("a-tag"),
        ..others
    };
    for msg in [base, with_header, in_dialog] {
        assert_eq!(b.gate.explain_result(&msg), IFE_OK);
    }
}

#[test]
fn a_stray_reply_of_others_is_not_for_the_gate() {
    let b = bench("scope-replies", true);
    let call = SignedCall::new(1, EXPERT, 5);
    let invite = call.invite();
    let base = message(&call, &invite);
    let reply = ife_message {
        status_code: 200,
        to_tag: text("b"),
        ruri: text(""),
        ..ordinary(&base)
    };
    assert_eq!(b.gate.reply_result(&reply, "192.0.2.9"), IFE_NOT_FOR_GATE);
    let of_council = ife_message {
        from_uri: text(CALLER),
        ..reply
    };
    assert_eq!(b.gate.reply_result(&of_council, "192.0.2.9"), IFE_NOT_FOUND);
    assert_eq!(b.gate.check(&base).approved, 1);
    assert_eq!(
        b.gate.reply_result(&reply, "192.0.2.9"),
        IFE_NOT_FOUND,
        "a call's Call-ID"
    );
}

#[test]
fn a_refused_request_that_comes_again_has_one_entry() {
    let mut b = bench("scope-again", true);
    let call = SignedCall::new(1, EXPERT, 5);
    let invite = call.invite();
    let msg = ife_message {
        signature: ife_header::default(),
        ..message(&call, &invite)
    };
    for _ in 0..6 {
        assert_eq!(b.gate.check(&msg).code, 428);
    }
    assert_eq!(b.ring.calls().len(), 1);
    // Another attempt, another source and another answer have their own.
    let next = ife_message { cseq: 2, ..msg };
    let elsewhere = ife_message {
        peer_ip: text("127.0.0.9"),
        ..msg
    };
    let otherwise = ife_message {
        hazard: header("ethics"),
        ..msg
    };
    for msg in [next, elsewhere, otherwise] {
        b.gate.check(&msg);
    }
    assert_eq!(b.ring.calls().len(), 3);
    assert_eq!(b.gate.stats().rejected[IFE_GATE_SIGNATURE as usize], 8);
}

#[test]
fn an_ack_of_no_approved_dialog_is_refused_without_an_entry() {
    for registry_only in [true, false] {
        let mut b = bench("scope-ack", registry_only);
        let call = SignedCall::new(1, EXPERT, 5);
        let invite = call.invite();
        let msg = ife_message {
            method: text("ACK"),
            to_tag: text("of-a-refusal"),
            ..message(&call, &invite)
        };
        let verdict = b.gate.check(&msg);
        assert_eq!((verdict.approved, verdict.gate), (0, IFE_GATE_DIALOG));
        assert!(b.ring.calls().is_empty());
        assert_eq!(b.gate.stats().rejected[IFE_GATE_DIALOG as usize], 0);
    }
}
