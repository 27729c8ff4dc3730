//! Gates with state: flood, replay and quota, and who spends it.

mod common;

use common::{Call, NOW, NOW_S, at, decide_with};
use ife_guard::{Gate, MemoryState, Transport};

type Change = fn(&mut Call);

#[test]
fn flood() {
    let mut state = MemoryState::new();
    let mut call = Call::to_expert();
    call.signature = None;
    for _ in 0..20 {
        assert_eq!(decide_with(&mut state, &call, NOW).gate, Gate::Signature);
    }
    let verdict = decide_with(&mut state, &call, NOW);
    assert_eq!(
        (
            verdict.approved,
            verdict.gate,
            verdict.code,
            verdict.retry_after_s
        ),
        (false, Gate::Flood, 503, 1)
    );
    call.peer = "127.0.0.2:5070";
    assert_eq!(
        decide_with(&mut state, &call, NOW).gate,
        Gate::Signature,
        "another source has its own bucket"
    );
    call.peer = "127.0.0.1:5070";
    assert_eq!(
        decide_with(&mut state, &call, at(1)).gate,
        Gate::Signature,
        "the bucket fills again"
    );
}

#[test]
fn flood_is_charged_only_by_whom_the_earlier_gates_let_pass() {
    let mut state = MemoryState::new();
    let mut call = Call::to_expert();
    call.transport = Transport::Tcp;
    for _ in 0..50 {
        assert_eq!(decide_with(&mut state, &call, NOW).gate, Gate::Source);
    }
    assert!(decide_with(&mut state, &Call::to_expert(), NOW).approved);
}

#[test]
fn replay() {
    let first = Call::to_expert();
    let cases: &[(&str, Change, u64)] = &[
        ("from elsewhere", |c| c.peer = "127.0.0.2:5070", 0),
        (
            "with another From tag",
            |c| c.from_tag = b"tag-9".to_vec(),
            0,
        ),
        ("later", |_| {}, 33),
    ];
    for (name, change, seconds) in cases {
        let mut state = MemoryState::new();
        assert!(decide_with(&mut state, &first, NOW).approved);
        let mut call = first.clone();
        change(&mut call);
        let verdict = decide_with(&mut state, &call, at(*seconds));
        assert_eq!(
            (verdict.approved, verdict.gate, verdict.code),
            (false, Gate::Replay, 403),
            "{name}: {verdict:?}"
        );
    }
}

#[test]
fn a_resend_over_a_new_connection_is_the_same_attempt() {
    let mut state = MemoryState::new();
    let mut call = Call::to_expert();
    assert!(decide_with(&mut state, &call, NOW).approved);
    // Another ephemeral port, as for a new TCP connection, and another CSeq after the challenge.
    call.peer = "127.0.0.1:49152";
    call.cseq += 1;
    assert!(decide_with(&mut state, &call, at(1)).approved);
}

#[test]
fn a_signature_that_does_not_cover_the_call_id_is_spent_all_the_same() {
    let mut state = MemoryState::new();
    let mut call = Call::to_expert();
    call.sign("council-base", NOW_S, "base");
    assert!(decide_with(&mut state, &call, NOW).approved);
    call.call_id = b"another@127.0.0.1".to_vec();
    assert_eq!(decide_with(&mut state, &call, NOW).gate, Gate::Replay);
}

#[test]
fn the_same_attempt_passes_three_times_more() {
    let mut state = MemoryState::new();
    let mut call = Call::to_expert();
    for (again, seconds) in [0, 1, 16, 32].into_iter().enumerate() {
        call.cseq += 1;
        let verdict = decide_with(&mut state, &call, at(seconds));
        assert!(verdict.approved, "{again}: {verdict:?}");
        assert_eq!(verdict.call_started, again == 0);
    }
    assert_eq!(decide_with(&mut state, &call, at(32)).gate, Gate::Replay);
}

#[test]
fn a_table_born_later_refuses() {
    let mut call = Call::to_expert();
    let mut state = MemoryState::born(at(0));
    call.sign("council-1", NOW_S - 1, "base,cid");
    let verdict = decide_with(&mut state, &call, at(5));
    assert_eq!((verdict.gate, verdict.code), (Gate::Replay, 403));
    call.sign("council-1", NOW_S, "base,cid");
    assert!(decide_with(&mut state, &call, at(5)).approved);
}

#[test]
fn full_tables_refuse() {
    let mut state = MemoryState::with_capacity(1);
    assert!(decide_with(&mut state, &Call::number(1), NOW).approved);
    let verdict = decide_with(&mut state, &Call::number(2), NOW);
    assert_eq!(
        (verdict.gate, verdict.code, verdict.retry_after_s),
        (Gate::Replay, 503, 5)
    );
    let mut elsewhere = Call::number(1);
    elsewhere.peer = "127.0.0.2:5070";
    let verdict = decide_with(&mut state, &elsewhere, NOW);
    assert_eq!(
        (verdict.gate, verdict.code, verdict.retry_after_s),
        (Gate::Flood, 503, 5)
    );
}

#[test]
fn quota_per_minute() {
    let mut state = MemoryState::new();
    for number in 1..=3 {
        let verdict = decide_with(&mut state, &Call::number(number), NOW);
        assert!(verdict.approved, "{number}: {verdict:?}");
        state.end_call(&verdict.call_key);
    }
    let verdict = decide_with(&mut state, &Call::number(4), at(10));
    assert_eq!(
        (verdict.gate, verdict.code, verdict.retry_after_s),
        (Gate::Quota, 503, 50)
    );
    assert!(decide_with(&mut state, &Call::number(5), at(60)).approved);
}

#[test]
fn quota_of_concurrent_calls_counts_both_directions() {
    let mut state = MemoryState::new();
    assert!(decide_with(&mut state, &Call::number(1), NOW).approved);
    let mut second = Call::to_council();
    second.call_id = b"call-9@192.0.2.10".to_vec();
    second.sign("safety-1", NOW_S, "base,cid,sdp");
    let second = decide_with(&mut state, &second, NOW);
    assert!(second.approved, "{second:?}");
    let verdict = decide_with(&mut state, &Call::number(2), NOW);
    assert_eq!(
        (verdict.gate, verdict.code, verdict.reason),
        (Gate::Quota, 486, "Busy Here")
    );
    state.end_call(&second.call_key);
    assert!(decide_with(&mut state, &Call::number(3), NOW).approved);
}

#[test]
fn one_call_id_does_not_share_its_slot_among_calls() {
    let mut state = MemoryState::new();
    assert!(decide_with(&mut state, &Call::number(1), NOW).approved);
    let mut other = Call::number(1);
    other.trace_id = Some(b"trace-other".to_vec());
    other.sign("council-1", NOW_S, "base,cid");
    let verdict = decide_with(&mut state, &other, NOW);
    assert_eq!(
        (verdict.gate, verdict.code),
        (Gate::Quota, 486),
        "{verdict:?}"
    );
}

#[test]
fn a_resend_after_a_challenge_is_not_charged_again() {
    let mut state = MemoryState::new();
    let first = decide_with(&mut state, &Call::number(1), NOW);
    for resend in 0..3 {
        state.end_call(&first.call_key);
        let verdict = decide_with(&mut state, &Call::number(1), at(1));
        assert!(
            verdict.approved && verdict.call_started,
            "{resend}: {verdict:?}"
        );
    }
    state.end_call(&first.call_key);
    for number in 2..=3 {
        let verdict = decide_with(&mut state, &Call::number(number), at(2));
        assert!(verdict.approved, "{number}: {verdict:?}");
        state.end_call(&verdict.call_key);
    }
    assert_eq!(decide_with(&mut state, &Call::number(4), at(2)).code, 503);
}

#[test]
fn quota_is_charged_only_after_authentication() {
    let mut state = MemoryState::new();
    for number in 1..=9 {
        let mut call = Call::number(number);
        call.signature = Call::to_council().signature;
        assert_eq!(decide_with(&mut state, &call, NOW).gate, Gate::Signature);
    }
    assert!(decide_with(&mut state, &Call::number(1), NOW).approved);
}

#[test]
fn legacy_signature_is_spent_for_ever() {
    let mut state = MemoryState::new();
    let mut call = Call::to_expert();
    call.sign_legacy("council-legacy", "expert-safety@external.advisor");
    let verdict = decide_with(&mut state, &call, NOW);
    assert!(verdict.approved, "{verdict:?}");
    assert_eq!(verdict.kid.as_str(), "council-legacy");
    let year_s = 365 * 24 * 3600;
    let verdict = decide_with(&mut state, &call, at(year_s));
    assert_eq!((verdict.gate, verdict.code), (Gate::Replay, 403));
    call.sign_legacy("council-legacy", "expert-pool");
    assert_eq!(decide_with(&mut state, &call, NOW).code, 438);
}
