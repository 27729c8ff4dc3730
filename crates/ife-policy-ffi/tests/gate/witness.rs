//! The ring of the witness: full, late, stalled or flooded, by both modes.

use super::*;

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
