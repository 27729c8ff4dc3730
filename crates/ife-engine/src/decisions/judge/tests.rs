use ife_message::{
    PrivateKey,
    decision::{Attestation, VERSION, sha256_of},
};
use ife_words::time::of_ms;

use super::*;

const NOW_MS: u64 = 1_790_000_000_000;
const QUESTION: &str = "May valve 1 stay open?";
const ALL: [Assurance; 4] = Assurance::ALL;

fn key() -> PrivateKey {
    PrivateKey::from_seed("expert-safety-1", &[1; 32]).expect("a name")
}

fn call() -> CallView {
    serde_json::from_value(serde_json::json!({
        "call_id": "sip-call-52fa7bc7a2bb55ce",
        "origin": "escalation",
        "expert_id": "expert-safety@external.advisor",
        "expert_name": "Dr. Safety",
        "sip_call_state": "connected",
        "h323_state": "received",
        "evidence_state": "none",
        "trace_id": "a2f9c3b8d1e5",
        "hazard": "safety",
        "question": QUESTION,
        "options": ["yes", "no"],
        "council_call_id": "council",
        "started": "2026-09-21T14:13:20Z",
        "h323_segment": "",
    }))
    .expect("a call")
}

fn decision() -> Decision {
    Decision {
        v: VERSION.to_owned(),
        call_id: call().call_id,
        trace_id: call().trace_id,
        council: "sip:council@council.example".to_owned(),
        role: Role::Expert,
        party: call().expert_id,
        choice: "no".to_owned(),
        question_sha256: Some(sha256_of(QUESTION)),
        text: None,
        text_sha256: None,
        time: of_ms(NOW_MS),
        assurance: Assurance::Key,
        kid: key().name().to_owned(),
        public_key: None,
        signature: None,
    }
}

fn circumstances<'a>(call: &'a CallView, earlier: &'a [Record]) -> Circumstances<'a> {
    Circumstances {
        call,
        council: "sip:council@council.example",
        is_late: false,
        enough: &ALL,
        way: &[Assurance::Key],
        earlier,
        now_ms: NOW_MS,
    }
}

/// The reason why a decision that was changed, and then signed, is not taken.
fn reason(change: impl Fn(&mut Decision), at: &Circumstances<'_>) -> Option<(Why, String)> {
    let mut decision = decision();
    change(&mut decision);
    decision.sign(&key()).expect("it is well-formed");
    let text = serde_json::to_vec(&decision).expect("JSON");
    let decision = read(&text).expect("it reads back");
    let verify = |decision: &Decision| decision.verify(&key().public_key()).is_ok();
    let judged = judge(&decision, at, |name| name == "guardian-1", verify);
    judged
        .err()
        .map(|not| (not.why, not.field.unwrap_or_default()))
}

fn record(time: String) -> Record {
    let mut decision = decision();
    decision.time = time;
    decision.sign(&key()).expect("it is well-formed");
    let attestation = Attestation::of(&decision, of_ms(NOW_MS), &key()).expect("attested");
    Record {
        decision,
        attestation,
    }
}

#[test]
fn a_decision_is_taken() {
    let call = call();
    assert_eq!(reason(|_| {}, &circumstances(&call, &[])), None);
    let guardian = |d: &mut Decision| {
        d.role = Role::Guardian;
        d.party = "guardian-1".to_owned();
    };
    assert_eq!(reason(guardian, &circumstances(&call, &[])), None);
}

#[test]
fn each_refusal_has_its_reason_and_field() {
    let call = call();
    type Change = fn(&mut Decision);
    let cases: [(Change, Why, &str); 11] = [
        (|d| d.call_id.push('0'), Why::WrongCall, "call_id"),
        (|d| d.trace_id.push('0'), Why::WrongCall, "trace_id"),
        (|d| d.council.push('0'), Why::WrongCall, "council"),
        (
            |d| d.party = "expert-ethics@external.advisor".to_owned(),
            Why::WrongParty,
            "party",
        ),
        (|d| d.role = Role::Guardian, Why::WrongParty, "party"),
        (
            |d| {
                d.assurance = Assurance::Link;
                d.public_key = Some(key().public_key().to_string());
            },
            Why::Assurance,
            "assurance",
        ),
        (
            |d| d.choice = "approve".to_owned(),
            Why::WrongChoice,
            "choice",
        ),
        (
            |d| d.question_sha256 = None,
            Why::WrongQuestion,
            "question_sha256",
        ),
        (
            |d| d.text_sha256 = Some("0".repeat(64)),
            Why::Malformed,
            "text",
        ),
        (|d| d.time = of_ms(NOW_MS - 301_000), Why::Stale, "time"),
        (|d| d.time = of_ms(NOW_MS + 301_000), Why::Stale, "time"),
    ];
    for (change, why, field) in cases {
        let found = reason(change, &circumstances(&call, &[]));
        assert_eq!(found, Some((why, field.to_owned())));
    }
}

#[test]
fn the_circumstances_refuse() {
    let call = call();
    let usual = circumstances(&call, &[]);
    let late = Circumstances {
        is_late: true,
        ..usual
    };
    assert_eq!(reason(|_| {}, &late), Some((Why::Late, String::new())));
    let strict = Circumstances {
        enough: &[Assurance::Passkey],
        ..usual
    };
    let found = reason(|_| {}, &strict);
    assert_eq!(found, Some((Why::Assurance, "assurance".to_owned())));
}

#[test]
fn a_decision_is_good_once_and_a_later_one_replaces_it() {
    let call = call();
    let earlier = [record(of_ms(NOW_MS))];
    let at = circumstances(&call, &earlier);
    let found = reason(|_| {}, &at);
    assert_eq!(found, Some((Why::Replayed, "time".to_owned())));
    let before = |d: &mut Decision| d.time = of_ms(NOW_MS - 1);
    assert_eq!(
        reason(before, &at),
        Some((Why::Replayed, "time".to_owned()))
    );
    let later = |d: &mut Decision| d.time = of_ms(NOW_MS + 1);
    assert_eq!(reason(later, &at), None);
}

#[test]
fn a_call_keeps_a_bounded_number_of_decisions() {
    let call = call();
    let times = (0..DECISIONS_MAX as u64).map(|ago| record(of_ms(NOW_MS - 1 - ago)));
    let earlier: Vec<Record> = times.collect();
    let found = reason(|_| {}, &circumstances(&call, &earlier));
    assert_eq!(found, Some((Why::TooMany, String::new())));
}

#[test]
fn a_forged_decision_is_refused() {
    let call = call();
    let mut decision = decision();
    decision.sign(&key()).expect("it is well-formed");
    decision.choice = "yes".to_owned();
    let verify = |decision: &Decision| decision.verify(&key().public_key()).is_ok();
    let judged = judge(&decision, &circumstances(&call, &[]), |_| false, verify);
    assert_eq!(judged.map_err(|not| not.why), Err(Why::Forged));
}

#[test]
fn what_is_no_decision_is_told_by_its_member() {
    let cases: [(&[u8], Option<&str>); 4] = [
        (b"{}", Some("v")),
        (b"{\"v\":\"if-decision-v1\",\"x\":1}", Some("x")),
        (b"nonsense", None),
        (&[b' '; 20_000], None),
    ];
    for (text, field) in cases {
        let not = read(text).expect_err("it is none");
        assert_eq!((not.why, not.field.as_deref()), (Why::Malformed, field));
    }
}
