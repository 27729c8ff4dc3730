//! The gate through its C ABI: decisions, entries, and the state of calls.

use ::ife_policy::abi::*;
use sha2::{Digest, Sha256};

use ife_witness::ring::{Mark, RingSet};

mod overload;
mod registry;
mod shadow;
#[path = "../support/mod.rs"]
mod support;
mod witness;

use support::gate::{Gate, Ring, Setup, header, lock_as_another_process, message, of_buffer, text};
use support::{EXPERT, NARROW_EXPERT, SignedCall, TempDir};

/// An open, attached gate in a directory of its own.
struct Bench {
    gate: Gate,
    ring: Ring,
    setup: Setup,
    dir: TempDir,
}

fn bench(name: &str, change: impl FnOnce(&mut Setup)) -> Bench {
    let dir = TempDir::new(name);
    let mut setup = Setup::new(&dir);
    change(&mut setup);
    let gate = Gate::attached(&setup);
    let ring = gate.ring(0);
    Bench {
        gate,
        ring,
        setup,
        dir,
    }
}

/// A signed call and its INVITE.
fn call(n: usize) -> (SignedCall, String) {
    call_to(EXPERT, n)
}

fn call_to(expert: &str, n: usize) -> (SignedCall, String) {
    let call = SignedCall::new(n, expert, 5);
    let invite = call.invite();
    (call, invite)
}

fn reply<'a>(invite: &ife_message, code: u32, reason: &'a str, to_tag: &'a str) -> ife_message {
    ife_message {
        status_code: code,
        reason_phrase: text(reason),
        to_tag: text(to_tag),
        ..*invite
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

#[test]
fn an_approval_is_witnessed_with_everything_it_stands_on() {
    let mut b = bench("approval", |_| {});
    let (call, invite) = call(1);
    let verdict = b.gate.check(&message(&call, &invite));
    assert_eq!(
        (verdict.approved, verdict.witnessed, verdict.code),
        (1, 1, 200)
    );
    let entries = b.ring.calls();
    let [entry] = &entries[..] else {
        panic!("{} entries", entries.len())
    };
    let leaf: [u8; 32] = Sha256::new()
        .chain_update([0])
        .chain_update(&entry.bytes)
        .finalize()
        .into();
    assert_eq!(verdict.leaf_hash, leaf);
    assert_eq!(verdict.seq, entry.seq);
    let body = &invite[invite.find("v=0").expect("a body")..];
    for (member, expected) in [
        ("event", "APPROVED"),
        ("verdict", "approved"),
        ("trace_id", &call.trace_id),
        ("call_id", &call.call_id),
        ("hazard", "safety"),
        ("expert", EXPERT),
        ("kid", "council-test"),
        ("direction", "to_expert"),
        ("from", "sip:council@council.example"),
        ("ruri", &call.callee),
        ("peer", "udp:127.0.0.1:5062"),
        ("node", "node1"),
        ("producer", "test-0"),
        ("sdp", body),
        ("sdp_sha256", &hex(&Sha256::digest(body))),
        ("message_sha256", &hex(&Sha256::digest(&invite))),
        ("gate", ""),
    ] {
        assert_eq!(entry.text(member), expected, "{member}");
    }
}

#[test]
fn a_rejection_is_witnessed_with_its_gate_and_without_the_text_of_its_offer() {
    let mut b = bench("rejection", |_| {});
    let (call, invite) = call(1);
    let mut msg = message(&call, &invite);
    msg.hazard = header("ethics");
    let verdict = b.gate.check(&msg);
    assert_eq!(
        (verdict.approved, verdict.gate, verdict.code),
        (0, IFE_GATE_HAZARD, 403)
    );
    let entries = b.ring.calls();
    let entry = &entries[0];
    assert_eq!(
        (entry.text("event"), entry.text("gate")),
        ("REJECTED", "hazard")
    );
    assert_eq!(entry.json["code"], 403);
    assert!(entry.json.get("shadow").is_none());
    assert!(entry.json.get("sdp").is_none() && entry.json.get("sdp_sha256").is_none());
}

#[test]
fn the_same_invite_again_has_one_entry_also_after_a_restart() {
    let mut b = bench("again", |_| {});
    let (call, invite) = call(1);
    let msg = message(&call, &invite);
    let first = b.gate.check(&msg);
    let again = b.gate.check(&msg);
    assert_eq!(
        (again.approved, again.seq, again.leaf_hash),
        (1, first.seq, first.leaf_hash)
    );
    drop(b.gate);
    let gate = Gate::attached(&b.setup);
    let after = gate.check(&msg);
    assert_eq!((after.approved, after.leaf_hash), (1, first.leaf_hash));
    assert_eq!(b.ring.calls().len(), 1);
}

#[test]
fn another_invite_of_a_call_waits_until_the_first_has_failed() {
    let mut b = bench("second", |_| {});
    let (call, invite) = call(1);
    let msg = message(&call, &invite);
    let first = b.gate.check(&msg);
    // It would ring the phone again, for the same seat.
    let resend = ife_message { cseq: 2, ..msg };
    let second = b.gate.check(&resend);
    assert_eq!(
        (second.approved, second.gate, second.code),
        (0, IFE_GATE_QUOTA, 486)
    );
    // The first INVITE failed, for example for missing credentials.
    let challenge = reply(&msg, 401, "Unauthorized", "callee");
    assert_eq!(b.gate.log(&challenge, "FAILED"), IFE_OK);
    b.ring.calls();
    let resent = b.gate.check(&resend);
    assert_eq!(resent.approved, 1);
    assert_ne!(resent.leaf_hash, first.leaf_hash);
    assert_eq!(b.ring.calls().len(), 1);
}

#[test]
fn events_say_what_the_call_is_and_what_the_reply_was() {
    let mut b = bench("events", |_| {});
    let (call, invite) = call(1);
    let msg = message(&call, &invite);
    b.gate.check(&msg);
    b.ring.discard();
    let mut ringing = reply(&msg, 180, "Ringing", "callee");
    // Header fields of the far side do not count.
    ringing.trace_id = header("another-trace-id");
    ringing.hazard = ife_header::default();
    assert_eq!(b.gate.log(&ringing, "RINGING"), IFE_OK);
    let mut made_here = reply(&msg, 408, "Request Timeout", "");
    made_here.peer_ip = text("");
    made_here.raw = text("");
    assert_eq!(b.gate.log(&made_here, "FAILED"), IFE_OK);
    let entries = b.ring.calls();
    let (ringing, failed) = (&entries[0], &entries[1]);
    assert_eq!(ringing.text("trace_id"), call.trace_id);
    assert_eq!(
        (ringing.text("hazard"), ringing.text("expert")),
        ("safety", EXPERT)
    );
    assert_eq!(
        (ringing.json["code"].as_u64(), ringing.text("reason")),
        (Some(180), "Ringing")
    );
    assert_eq!(failed.json["code"], 408);
    assert!(failed.json.get("peer").is_none() && failed.json.get("message_sha256").is_none());
    assert!(failed.json.get("sdp").is_none() && ringing.json.get("sdp").is_some());
}

#[test]
fn a_script_may_witness_a_refusal_of_its_own_but_no_approval() {
    let mut b = bench("script", |_| {});
    let (call, invite) = call(1);
    let msg = message(&call, &invite);
    assert_eq!(b.gate.log(&msg, "REJECTED"), IFE_OK);
    assert_eq!(b.gate.log(&msg, "APPROVED"), IFE_INVALID_PARAMETER);
    let entries = b.ring.calls();
    assert_eq!(entries.len(), 1);
    assert_eq!(
        (entries[0].text("verdict"), entries[0].text("gate")),
        ("rejected", "")
    );
}

#[test]
fn a_slot_is_freed_by_the_end_of_its_call_and_by_nothing_else() {
    let b = bench("slots", |_| {});
    let held = || b.gate.experts()[1]["active_calls"].as_u64();
    let start = |n| {
        let (call, invite) = call_to(NARROW_EXPERT, n);
        assert_eq!(b.gate.check(&message(&call, &invite)).approved, 1);
        (call, invite)
    };
    let (first, first_invite) = start(1);
    let msg = message(&first, &first_invite);
    assert_eq!(held(), Some(1));
    b.gate
        .log(&reply(&msg, 180, "Ringing", "callee"), "RINGING");
    b.gate.log(&msg, "CANCEL");
    assert_eq!(held(), Some(1), "a cancelled call may still be answered");
    b.gate.log(&reply(&msg, 200, "OK", "callee"), "CONNECTED");
    b.gate
        .log(&reply(&msg, 488, "Not Acceptable Here", "callee"), "FAILED");
    assert_eq!(held(), Some(1), "a failed re-INVITE ends nothing");
    let bye = |from: &'static str| ife_message {
        method: text("BYE"),
        from_tag: text(from),
        to_tag: text(&first.from_tag),
        ..msg
    };
    let answer = |code| ife_message {
        status_code: code,
        ..bye("callee")
    };
    b.gate.log(&bye("callee"), "BYE");
    assert_eq!(
        held(),
        Some(1),
        "a BYE alone ends nothing: it may be refused"
    );
    b.gate.log(&answer(500), "TERMINATED");
    assert_eq!(held(), Some(1), "the hang-up was refused");
    b.gate.log(&bye("callee"), "BYE");
    b.gate.log(&answer(200), "TERMINATED");
    assert_eq!(held(), Some(0));
    b.gate.log(&answer(200), "TERMINATED");

    let (second, second_invite) = start(2);
    b.gate.log(
        &reply(
            &message(&second, &second_invite),
            486,
            "Busy Here",
            "callee",
        ),
        "FAILED",
    );
    assert_eq!(held(), Some(0));
    let (third, third_invite) = start(3);
    b.gate.log(&message(&third, &third_invite), "TERMINATED");
    assert_eq!(held(), Some(0));
    assert_eq!(b.gate.stats().active_calls, 0);
}

#[test]
fn explain_names_every_gate_and_spends_nothing() {
    let b = bench("explain", |_| {});
    let (call, invite) = call(1);
    let msg = message(&call, &invite);
    let reports = b.gate.explain(&msg);
    let gates: Vec<_> = reports
        .as_array()
        .expect("an array")
        .iter()
        .filter_map(|r| r["gate"].as_str())
        .collect();
    assert_eq!(gates.len(), 10, "{gates:?}");
    let refused = b.gate.explain(&ife_message {
        hazard: header("ethics"),
        ..msg
    });
    assert!(
        refused
            .as_array()
            .expect("an array")
            .iter()
            .any(|r| r["gate"] == "hazard" && r["code"] == 403)
    );
    assert_eq!(b.gate.stats().replay_used, 0);
    assert_eq!(b.gate.check(&msg).approved, 1);
}

#[test]
fn processes_say_when_they_begin_and_end() {
    let mut b = bench("own", |_| {});
    b.gate.reload().expect("a good registry");
    drop(b.gate);
    let events: Vec<_> = b
        .ring
        .drain()
        .iter()
        .map(|e| e.text("event").to_owned())
        .collect();
    assert_eq!(events, ["START", "RELOAD", "STOP"]);
}

#[test]
fn a_cancel_of_another_caller_or_invite_touches_no_call() {
    let mut b = bench("cancel", |_| {});
    let (call, invite) = call(1);
    let msg = message(&call, &invite);
    b.gate.check(&msg);
    b.ring.discard();
    let cancel = ife_message {
        method: text("CANCEL"),
        ..msg
    };
    for (from_tag, cseq, is_the_callers) in [
        ("", 1, false),
        ("stranger", 1, false),
        (&*call.from_tag, 2, false),
        (&*call.from_tag, 1, true),
    ] {
        assert_eq!(
            b.gate.log(
                &ife_message {
                    from_tag: text(from_tag),
                    cseq,
                    ..cancel
                },
                "CANCEL"
            ),
            IFE_OK
        );
        let entries = b.ring.calls();
        let belongs = entries[0].text("trace_id") == call.trace_id;
        assert_eq!(belongs, is_the_callers, "{from_tag} {cseq}");
    }
}

#[test]
fn an_operator_can_free_the_slot_of_a_call_whose_end_was_never_seen() {
    let mut b = bench("release", |_| {});
    let (call, invite) = call_to(NARROW_EXPERT, 1);
    let msg = message(&call, &invite);
    b.gate.check(&msg);
    b.gate.log(&reply(&msg, 200, "OK", "callee"), "CONNECTED");
    b.ring.discard();
    assert_eq!(b.gate.release("another-call"), IFE_NOT_FOUND);
    assert_eq!(b.gate.experts()[1]["active_calls"], 1);
    assert_eq!(b.gate.release(&call.call_id), IFE_OK);
    assert_eq!(b.gate.experts()[1]["active_calls"], 0);
    assert_eq!(b.gate.release(&call.call_id), IFE_NOT_FOUND);
    let entries = b.ring.calls();
    assert_eq!(entries.len(), 1);
    assert_eq!(
        (entries[0].text("event"), entries[0].text("trace_id")),
        ("TERMINATED", &*call.trace_id)
    );
    assert_eq!(entries[0].text("detail"), "released by an operator");
}

#[test]
fn an_answer_after_the_end_does_not_revive_a_call_without_a_slot() {
    let b = bench("late-answer", |_| {});
    let (call, invite) = call_to(NARROW_EXPERT, 1);
    let msg = message(&call, &invite);
    b.gate.check(&msg);
    b.gate
        .log(&reply(&msg, 486, "Busy Here", "branch1"), "FAILED");
    b.gate.log(&reply(&msg, 200, "OK", "branch2"), "CONNECTED");
    assert_eq!(b.gate.stats().active_calls, 0);
    let bye = ife_message {
        method: text("BYE"),
        to_tag: text("branch2"),
        ..msg
    };
    assert_eq!(
        b.gate.check(&bye).approved,
        1,
        "it can be hung up while it lingers"
    );
}
