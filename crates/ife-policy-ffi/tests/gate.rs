//! The gate through its C ABI: decisions, entries, and the state of calls.

use ::ife_policy::abi::*;
use sha2::{Digest, Sha256};

use ife_witness::ring::{Mark, RingSet};

mod support;

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

/// Logs events until the ring is full; returns how many.
fn fill_ring(gate: &Gate, msg: &ife_message) -> usize {
    (0..)
        .find(|_| gate.log(msg, "INVITE") == IFE_WITNESS_FULL)
        .expect("a ring has an end")
}

#[test]
fn required_refuses_calls_when_the_ring_is_full_and_undoes_them() {
    let mut b = bench("required-full", |_| {});
    let (stuffing, stuffing_invite) = call(100);
    fill_ring(&b.gate, &message(&stuffing, &stuffing_invite));
    let before = b.gate.stats();
    let (call, invite) = call_to(NARROW_EXPERT, 1);
    let verdict = b.gate.check(&message(&call, &invite));
    assert_eq!(
        (
            verdict.approved,
            verdict.gate,
            verdict.code,
            verdict.witnessed
        ),
        (0, IFE_GATE_WITNESS, 503, 0)
    );
    assert!(verdict.retry_after_s > 0);
    let after = b.gate.stats();
    assert_eq!(after.active_calls, 0);
    assert_eq!(after.rejected[IFE_GATE_WITNESS as usize], 1);
    assert_eq!(after.approved, before.approved);
    assert_eq!(b.gate.experts()[1]["active_calls"], 0);
    b.ring.discard();
    let (call, invite) = call_to(NARROW_EXPERT, 2);
    assert_eq!(b.gate.check(&message(&call, &invite)).approved, 1);
}

#[test]
fn refusals_leave_room_for_calls_and_calls_for_their_events() {
    let mut b = bench("reserve", |_| {});
    let (stuffing, stuffing_invite) = call(100);
    let stuffing = message(&stuffing, &stuffing_invite);
    let whole = fill_ring(&b.gate, &stuffing);
    let stuff = |percent: usize| {
        for _ in 0..whole * percent / 100 {
            assert_eq!(b.gate.log(&stuffing, "INVITE"), IFE_OK);
        }
    };
    b.ring.discard();
    stuff(80);
    let (first, first_invite) = call(1);
    let first = message(&first, &first_invite);
    let refused = b.gate.check(&ife_message {
        hazard: header("ethics"),
        ..first
    });
    assert_eq!(
        (refused.gate, refused.witnessed),
        (IFE_GATE_HAZARD, 0),
        "refusals use three quarters"
    );
    assert_eq!(b.gate.check(&first).approved, 1, "calls use seven eighths");
    stuff(10);
    let (second, second_invite) = call(2);
    let verdict = b.gate.check(&message(&second, &second_invite));
    assert_eq!(
        (verdict.approved, verdict.gate, verdict.code),
        (0, IFE_GATE_WITNESS, 503)
    );
    assert_eq!(b.gate.log(&first, "BYE"), IFE_OK, "events use all of it");
}

#[test]
fn a_refused_stranger_writes_little_into_the_log() {
    let mut b = bench("stranger", |_| {});
    let long = "x".repeat(5000);
    let (call, invite) = call(1);
    let mut msg = message(&call, &invite);
    (msg.call_id, msg.from_uri, msg.to_uri, msg.ruri) =
        (text(&long), text(&long), text(&long), text(&long));
    msg.trace_id = header(&long);
    assert_eq!(b.gate.check(&msg).approved, 0);
    let entries = b.ring.calls();
    assert!(
        entries[0].bytes.len() < 1500,
        "{} bytes",
        entries[0].bytes.len()
    );
    assert_eq!(entries[0].text("call_id"), &long[..128]);
    assert_eq!(
        entries[0].text("message_sha256"),
        hex(&Sha256::digest(&invite))
    );
}

#[test]
fn a_flood_of_refusals_writes_a_bounded_part_and_one_entry_about_the_rest() {
    const REFUSALS: usize = 500;
    let b = bench("refusals", |setup| setup.refusals_per_s = 1);
    let (call, invite) = call(1);
    let mut msg = message(&call, &invite);
    msg.hazard = header("ethics");
    let mut witnessed = 0;
    for n in 0..REFUSALS {
        // Not a retransmission, which has no entry at all.
        msg.cseq = n as u32;
        let verdict = b.gate.check(&msg);
        assert_eq!((verdict.approved, verdict.gate), (0, IFE_GATE_HAZARD));
        witnessed += verdict.witnessed as usize;
    }
    // A burst of a hundred seconds' worth, and one or two for the time that this took.
    assert!((100..200).contains(&witnessed), "{witnessed}");
    assert_eq!(b.gate.log(&msg, "REJECTED"), IFE_WITNESS_OMITTED);
    let (reply, bye) = (reply(&msg, 200, "OK", "t"), "BYE");
    assert_eq!(b.gate.log(&reply, bye), IFE_OK, "not a refusal");
    let omitted = b.gate.stats().refusals_omitted as usize;
    assert_eq!(witnessed + omitted, REFUSALS + 1);
    assert_eq!(
        b.gate.stats().rejected[IFE_GATE_HAZARD as usize] as usize,
        REFUSALS
    );

    // A fresh, valid signature is a party's: its decision is written.
    let (good, good_invite) = self::call(2);
    let verdict = b.gate.check(&message(&good, &good_invite));
    assert_eq!((verdict.approved, verdict.witnessed), (1, 1));

    let Bench { gate, mut ring, .. } = b;
    drop(gate);
    let mut entries = ring.drain();
    assert_eq!(
        entries.pop().map(|e| e.text("event").to_owned()),
        Some("STOP".into())
    );
    let sums: Vec<_> = entries
        .iter()
        .filter(|e| !e.json["omitted"].is_null())
        .collect();
    let counted: u64 = sums
        .iter()
        .map(|e| e.json["omitted"]["count"].as_u64().expect("a number"))
        .sum();
    assert_eq!(counted as usize, omitted);
    for entry in sums {
        assert_eq!(entry.text("event"), "REJECTED");
        let omitted = &entry.json["omitted"];
        assert!(omitted["first"].as_str() <= omitted["last"].as_str());
        assert!(omitted["last"].as_str() <= Some(entry.text("time")));
    }
    let own = |e: &&support::gate::Logged| e.text("gate") == "hazard";
    assert_eq!(entries.iter().filter(own).count(), witnessed);
}

#[test]
fn best_effort_lets_calls_pass_and_leaves_a_provable_hole() {
    let mut b = bench("best-effort", |setup| setup.required = false);
    let (stuffing, stuffing_invite) = call(100);
    fill_ring(&b.gate, &message(&stuffing, &stuffing_invite));
    let last = b.ring.drain().last().expect("entries").seq;
    // fill_ring's last event used up one number.
    fill_ring(&b.gate, &message(&stuffing, &stuffing_invite));
    let (call, invite) = call(1);
    let verdict = b.gate.check(&message(&call, &invite));
    assert_eq!((verdict.approved, verdict.witnessed), (1, 0));
    assert!(b.gate.stats().witness_dropped >= 2);
    let entries = b.ring.drain();
    assert_eq!(
        entries[0].seq,
        last + 2,
        "the number of the dropped event is missing"
    );
    let (next, next_invite) = self::call(2);
    assert_eq!(b.gate.check(&message(&next, &next_invite)).witnessed, 1);
    let after = b.ring.drain();
    assert_eq!(
        after[0].seq,
        entries.last().expect("entries").seq + 3,
        "so are those of the event and the decision"
    );
}

#[test]
fn a_call_waits_for_the_disk_and_is_refused_when_it_is_late() {
    let mut b = bench("late", |setup| setup.wait_ms = 30);
    let (call, invite) = call(1);
    let verdict = b.gate.check(&message(&call, &invite));
    assert_eq!(
        (verdict.approved, verdict.gate, verdict.code),
        (0, IFE_GATE_WITNESS, 503)
    );
    assert!(b.gate.find(&call.call_id).is_none());
    assert_eq!(b.gate.stats().witness_waits, 1);
    let entries = b.ring.calls();
    let said: Vec<_> = entries
        .iter()
        .map(|e| (e.text("event"), e.text("gate")))
        .collect();
    assert_eq!(said, [("APPROVED", ""), ("REJECTED", "witness")]);
    assert_eq!(verdict.seq, entries[1].seq);
}

#[test]
fn a_call_passes_once_its_decision_is_on_disk() {
    let Bench {
        gate,
        mut ring,
        dir: _dir,
        ..
    } = bench("in-time", |setup| setup.wait_ms = 5000);
    let stop = std::sync::atomic::AtomicBool::new(false);
    let (call, invite) = call(1);
    let msg = message(&call, &invite);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !stop.load(std::sync::atomic::Ordering::Relaxed) {
                ring.discard();
                std::thread::yield_now();
            }
        });
        let verdict = gate.check(&msg);
        assert_eq!((verdict.approved, verdict.witnessed), (1, 2));
        // The same INVITE again: its entry is on disk already.
        assert_eq!(gate.check(&msg).witnessed, 2);
        stop.store(true, std::sync::atomic::Ordering::Relaxed);
    });
}

#[test]
fn best_effort_does_not_refuse_what_is_late() {
    let b = bench("late-best-effort", |setup| {
        setup.wait_ms = 20;
        setup.required = false;
    });
    let (call, invite) = call(1);
    let verdict = b.gate.check(&message(&call, &invite));
    assert_eq!((verdict.approved, verdict.witnessed), (1, 1));
}

#[test]
fn shadow_mode_says_where_a_refused_call_would_have_gone() {
    let mut b = bench("shadow", |setup| setup.shadow = true);
    let ((refused, invite), (approved, another)) = (call(1), call(2));
    let verdict = b.gate.check(&ife_message {
        hazard: header("ethics"),
        ..message(&refused, &invite)
    });
    assert_eq!((verdict.approved, verdict.gate), (0, IFE_GATE_HAZARD));
    assert_eq!(
        of_buffer(&verdict.expert_contact),
        "sip:phone@127.0.0.1:5070"
    );
    let entries = b.ring.calls();
    assert_eq!(entries[0].json["shadow"], true);
    let verdict = b.gate.check(&message(&approved, &another));
    assert_eq!(verdict.approved, 1);
    assert!(
        b.ring
            .calls()
            .last()
            .expect("an entry")
            .json
            .get("shadow")
            .is_none()
    );
}

/// Returns a script's data to relay a call that only shadow mode lets pass.
fn target(verdict: &ife_verdict) -> (u32, String, String) {
    let contact = of_buffer(&verdict.expert_contact);
    (verdict.direction, of_buffer(&verdict.expert), contact)
}

fn to_expert() -> (u32, String, String) {
    let contact = "sip:phone@127.0.0.1:5070".to_owned();
    (IFE_DIRECTION_TO_EXPERT, EXPERT.to_owned(), contact)
}

#[test]
fn a_late_call_that_shadow_mode_lets_pass_keeps_its_target() {
    let b = bench("shadow-late", |setup| {
        setup.shadow = true;
        setup.wait_ms = 30;
    });
    // The first one is late; the second one meets a writer that stalls.
    for n in [1, 2] {
        let (call, invite) = call(n);
        let verdict = b.gate.check(&message(&call, &invite));
        assert_eq!((verdict.approved, verdict.gate), (0, IFE_GATE_WITNESS));
        assert_eq!(target(&verdict), to_expert(), "call {n}");
        assert_eq!(of_buffer(&verdict.hazard), "safety");
        assert_eq!(of_buffer(&verdict.trace_id), call.trace_id);
    }
}

#[test]
fn shadow_mode_names_the_target_of_every_refusal() {
    let b = bench("shadow-targets", |setup| setup.shadow = true);
    let (call, invite) = call(1);
    let msg = message(&call, &invite);
    let none = ife_header::default();
    let refusals = [
        (
            IFE_GATE_HEADERS,
            ife_message {
                trace_id: none,
                ..msg
            },
        ),
        (
            IFE_GATE_HEADERS,
            ife_message {
                hazard: header("?"),
                ..msg
            },
        ),
        (
            IFE_GATE_REGISTRY,
            ife_message {
                from_uri: text("sip:else@elsewhere.example"),
                ..msg
            },
        ),
        (
            IFE_GATE_SOURCE,
            ife_message {
                peer_ip: text("192.0.2.1"),
                ..msg
            },
        ),
        (
            IFE_GATE_SIGNATURE,
            ife_message {
                signature: none,
                ..msg
            },
        ),
    ];
    for (gate, msg) in &refusals {
        let verdict = b.gate.check(msg);
        assert_eq!((verdict.approved, verdict.gate), (0, *gate));
        assert_eq!(target(&verdict), to_expert(), "gate {gate}");
    }
}

#[test]
fn shadow_mode_names_the_target_as_far_as_it_is_known() {
    let b = bench("shadow-known", |setup| setup.shadow = true);
    let (call, invite) = call(1);
    let msg = message(&call, &invite);
    // Another INVITE of a call under way.
    assert_eq!(b.gate.check(&msg).approved, 1);
    let second = b.gate.check(&ife_message {
        cseq: msg.cseq + 1,
        ..msg
    });
    assert_eq!((second.gate, second.code), (IFE_GATE_QUOTA, 486));
    assert_eq!(target(&second), to_expert());
    let unknown = b.gate.check(&ife_message {
        ruri: text("sip:nobody@external.advisor"),
        ..msg
    });
    assert_eq!(unknown.gate, IFE_GATE_REGISTRY);
    assert_eq!(
        target(&unknown),
        (IFE_DIRECTION_UNKNOWN, String::new(), String::new())
    );
    let from = text("sip:expert-safety@external.advisor");
    let to_council = b.gate.check(&ife_message {
        from_uri: from,
        ruri: text(support::CALLER),
        hazard: ife_header::default(),
        ..msg
    });
    assert_eq!(to_council.gate, IFE_GATE_HEADERS);
    assert_eq!(
        target(&to_council),
        (IFE_DIRECTION_TO_COUNCIL, EXPERT.to_owned(), String::new())
    );
}

#[test]
fn a_refusal_that_is_carried_out_has_no_contact() {
    let b = bench("no-contact", |setup| setup.wait_ms = 30);
    let (call, invite) = call(1);
    let verdict = b.gate.check(&message(&call, &invite));
    assert_eq!(verdict.gate, IFE_GATE_WITNESS);
    assert_eq!(of_buffer(&verdict.expert), EXPERT);
    assert_eq!(of_buffer(&verdict.expert_contact), "");
}

fn images(setup: &Setup) -> Vec<String> {
    let names = std::fs::read_dir(&setup.state_dir).expect("readable");
    let mut names: Vec<_> = names
        .filter_map(|entry| entry.expect("readable").file_name().into_string().ok())
        .collect();
    names.retain(|name| name.starts_with("registry.") && !name.ends_with(".lock"));
    names.sort();
    names
}

#[test]
fn workers_follow_a_reload_and_its_old_image_goes_when_nobody_maps_it() {
    let b = bench("reload", |_| {});
    let second = Gate::open(&b.setup).expect("opened");
    assert_eq!(second.attach(1), IFE_OK);
    let old = images(&b.setup);
    std::fs::write(&b.setup.registry, support::registry_yaml(5)).expect("writable");
    let generation = second.reload().expect("a good registry");
    assert!(images(&b.setup).contains(&format!("registry.{generation}.img")));
    assert!(
        images(&b.setup).len() > 1,
        "the first worker still maps {old:?}"
    );
    let (call, invite) = call(1);
    assert_eq!(b.gate.check(&message(&call, &invite)).approved, 1);
    assert_eq!(images(&b.setup), [format!("registry.{generation}.img")]);
    assert_eq!(b.gate.experts().as_array().map(Vec::len), Some(7));
    assert_eq!(
        (
            b.gate.stats().registry_generation,
            b.gate.stats().registry_experts
        ),
        (generation, 7)
    );
}

#[test]
fn a_key_in_use_has_a_table_that_the_statistics_show_until_the_next_reload() {
    let b = bench("tables", |_| {});
    let tables = |n| {
        let (call, invite) = call(n);
        assert_eq!(b.gate.check(&message(&call, &invite)).approved, 1);
        b.gate.stats().key_tables
    };
    assert_eq!([tables(1), tables(2), tables(3)], [0, 1, 1]);
    b.gate.reset_stats();
    let stats = b.gate.stats();
    assert_eq!((stats.approved, stats.key_tables), (0, 1));
    assert!((100_000..110_000).contains(&stats.key_table_bytes));
    b.gate.reload().expect("the same registry");
    let stats = b.gate.stats();
    assert_eq!((stats.key_tables, stats.key_table_bytes), (0, 0));
    assert_eq!([tables(4), tables(5)], [0, 1]);
}

#[test]
fn a_reload_is_refused_while_another_process_is_at_it() {
    let b = bench("busy", |_| {});
    let other = lock_as_another_process(&b.setup.state_dir.join("registry.lock"));
    assert_eq!(
        b.gate.reload().err().map(|(code, _)| code),
        Some(IFE_REGISTRY_BUSY)
    );
    drop(other);
    assert!(b.gate.reload().is_ok(), "the lock dies with its holder");
}

#[test]
fn a_registry_image_that_cannot_be_mapped_leaves_the_old_one_in_force() {
    let b = bench("unmappable", |_| {});
    let second = Gate::open(&b.setup).expect("opened");
    let generation = second.reload().expect("a good registry");
    std::fs::write(
        b.setup.state_dir.join(format!("registry.{generation}.img")),
        b"damaged",
    )
    .expect("writable");
    let (call, invite) = call(1);
    assert_eq!(b.gate.check(&message(&call, &invite)).approved, 1);
}

#[test]
fn a_registry_with_an_error_refuses_to_open_and_says_where() {
    let dir = TempDir::new("bad-registry");
    let setup = Setup::new(&dir);
    std::fs::write(&setup.registry, "version: 1\nhazards: []\n").expect("writable");
    let Err((code, text)) = Gate::open(&setup) else {
        panic!("opened")
    };
    assert_eq!(code, IFE_REGISTRY_INVALID);
    assert!(text.contains("registry.yaml:"), "{text}");
}

#[test]
fn a_contact_that_is_the_servers_own_address_is_refused_at_open_and_at_reload() {
    let dir = TempDir::new("own-contact");
    let setup = Setup::new(&dir);
    let gate = Gate::attached(&setup);
    let good = std::fs::read_to_string(&setup.registry).expect("readable");
    let bad = good.replacen("sip:phone@127.0.0.1:5070", "sip:phone@198.51.100.1", 1);
    assert_ne!(good, bad);
    std::fs::write(&setup.registry, bad).expect("writable");
    let (code, text) = gate.reload().expect_err("refused");
    assert_eq!(code, IFE_REGISTRY_INVALID);
    assert!(text.contains("own address"), "{text}");
    drop(gate);
    let opened = Gate::open(&setup).err().map(|(code, _)| code);
    assert_eq!(opened, Some(IFE_REGISTRY_INVALID));
}

#[test]
fn a_registry_that_is_no_regular_file_is_refused_at_once() {
    let dir = TempDir::new("odd-registry");
    for path in ["/dev/zero", "/dev/shm"] {
        let setup = Setup {
            registry: path.into(),
            ..Setup::new(&dir)
        };
        let Err((code, text)) = Gate::open(&setup) else {
            panic!("opened {path}")
        };
        assert_eq!(code, IFE_REGISTRY_INVALID);
        assert!(text.contains("not a regular file"), "{text}");
    }
}

#[test]
fn a_state_directory_that_everybody_may_write_to_is_refused() {
    use std::os::unix::fs::PermissionsExt;
    let dir = TempDir::new("open-state");
    let setup = Setup::new(&dir);
    std::fs::create_dir_all(&setup.state_dir).expect("there is room");
    for (mode, is_fine) in [
        (0o777, false),
        (0o1777, false),
        (0o702, false),
        (0o3770, true),
    ] {
        let permissions = std::fs::Permissions::from_mode(mode);
        std::fs::set_permissions(&setup.state_dir, permissions).expect("ours");
        match Gate::open(&setup) {
            Ok(_) => assert!(is_fine, "{mode:o}"),
            Err((code, text)) => {
                assert!(!is_fine, "{mode:o}: {text}");
                assert_eq!(code, IFE_STATE_DIR);
                assert!(text.contains("chmod 3770"), "{text}");
            }
        }
    }
}

#[test]
fn a_state_directory_on_disk_is_refused() {
    let dir = TempDir::new("on-disk");
    let on_disk = std::env::temp_dir().join(format!("ife-on-disk-{}", std::process::id()));
    let setup = Setup {
        state_dir: on_disk.clone(),
        ..Setup::new(&dir)
    };
    let outcome = Gate::open(&setup).err();
    let _ = std::fs::remove_dir_all(&on_disk);
    let Some((code, text)) = outcome else {
        panic!("opened in {}", on_disk.display())
    };
    assert_eq!(code, IFE_STATE_DIR);
    assert!(text.contains("tmpfs"), "{text}");
}

#[test]
fn another_replay_size_is_refused_while_the_state_is_in_use() {
    let b = bench("in-use", |_| {});
    let other = Setup {
        replay_slots: 2048,
        ..b.setup.clone()
    };
    assert_eq!(
        Gate::open(&other).err().map(|(code, _)| code),
        Some(IFE_STATE_FORMAT)
    );
    let (setup, dir) = (b.setup.clone(), b.dir);
    drop(b.gate);
    assert_eq!(
        Gate::attached(&Setup {
            replay_slots: 2048,
            ..setup
        })
        .stats()
        .replay_slots,
        2048
    );
    drop(dir);
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
fn a_stalled_writer_does_not_hold_every_call_for_the_whole_deadline() {
    const CALLS: usize = 30;
    let mut b = bench("stalled", |setup| setup.wait_ms = 100);
    for n in 0..CALLS {
        let (call, invite) = call(n);
        let verdict = b.gate.check(&message(&call, &invite));
        assert_eq!(
            (verdict.approved, verdict.gate, verdict.witnessed),
            (0, IFE_GATE_WITNESS, 1)
        );
    }
    let waits = b.gate.stats().witness_waits as usize;
    assert!((1..CALLS).contains(&waits), "{waits} of {CALLS} waited");
    let entries = b.ring.calls();
    let approvals = entries
        .iter()
        .filter(|e| e.text("event") == "APPROVED")
        .count();
    assert_eq!(
        (approvals, entries.len()),
        (waits, waits + CALLS),
        "who does not wait is not approved first"
    );
    // The writer moves again and announces it: the next call of any worker waits for it, at once.
    let rings = RingSet::open(&b.setup.state_dir).expect("no other writer");
    rings.set_mark(Mark {
        log_id: 1,
        size: entries.len() as u64,
    });
    let Bench {
        gate,
        mut ring,
        dir: _dir,
        ..
    } = b;
    let stop = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !stop.load(std::sync::atomic::Ordering::Relaxed) {
                ring.discard();
                std::thread::yield_now();
            }
        });
        let (call, invite) = call(1000);
        let verdict = gate.check(&message(&call, &invite));
        stop.store(true, std::sync::atomic::Ordering::Relaxed);
        assert_eq!((verdict.approved, verdict.witnessed), (1, 2));
    });
}

#[test]
fn an_entry_that_nobody_saw_reach_the_disk_approves_nothing_again() {
    let b = bench("unseen", |_| {});
    let (call, invite) = call(1);
    let msg = message(&call, &invite);
    assert_eq!(b.gate.check(&msg).approved, 1);
    drop(b.gate);
    // As if the worker had been killed while it waited.
    let gate = Gate::attached(&Setup {
        wait_ms: 20,
        ..b.setup.clone()
    });
    let again = gate.check(&msg);
    assert_eq!(
        (again.approved, again.gate, again.code),
        (0, IFE_GATE_WITNESS, 503)
    );
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
fn a_registry_image_that_others_could_have_written_is_not_mapped() {
    use std::os::unix::fs::PermissionsExt;
    let b = bench("foreign-image", |_| {});
    let second = Gate::open(&b.setup).expect("opened");
    std::fs::write(&b.setup.registry, support::registry_yaml(5)).expect("writable");
    let generation = second.reload().expect("a good registry");
    let image = b.setup.state_dir.join(format!("registry.{generation}.img"));
    let set_mode = |mode| {
        std::fs::set_permissions(&image, std::fs::Permissions::from_mode(mode)).expect("ours")
    };
    set_mode(0o660);
    assert_eq!(
        b.gate.experts().as_array().map(Vec::len),
        Some(2),
        "the old one stays in use"
    );
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
