use tokio::sync::mpsc::unbounded_channel;

use super::*;
use crate::{
    refusal::{ErrorName, Refusal},
    store::{Answer, MessageKey, Origin},
};

fn record(number: u32) -> CallRecord {
    CallRecord {
        call_id: format!("sip-call-{number:016x}").into(),
        origin: Origin::Escalation,
        trace_id: format!("trace-{number:04}").parse().expect("a trace id"),
        hazard: "safety".parse().expect("a hazard"),
        experts: vec!["expert-safety@external.advisor".into()],
        attempt: 0,
        room: "council".parse().expect("a room"),
        started_ms: u64::from(number),
        briefing: Default::default(),
        evidence_files: Vec::new(),
        channel: None,
        message: Some(key(number)),
        takes: None,
        signature: None,
    }
}

fn key(number: u32) -> MessageKey {
    MessageKey {
        source: "if://agent/guard".into(),
        id: format!("m-{number}"),
    }
}

fn refusal() -> Answer {
    Answer::Refused(Box::new(Refusal {
        gate: Some("hazard"),
        ..Refusal::new(ErrorName::PolicyRejected, "Hazard Not Allowed")
    }))
}

fn open(dir: &Path) -> (Store, Ledger, Vec<CallRecord>) {
    Store::open(dir, unbounded_channel().0).expect("it opens")
}

#[test]
fn what_was_stored_is_there_after_a_restart() {
    let dir = tempfile::tempdir().expect("a directory");
    let (tell, mut told) = unbounded_channel();
    let (mut store, ..) = Store::open(dir.path(), tell).expect("it opens");
    store
        .append(&Line::Call(Box::new(record(1))), Some(7))
        .expect("there is room");
    assert_eq!(told.blocking_recv(), Some((7, true)));
    let attempt = Line::Attempt {
        call_id: record(1).call_id.to_string(),
        attempt: 2,
    };
    store.append(&attempt, None).expect("there is room");
    let answer = Line::Answer {
        message: key(1),
        call_id: record(1).call_id.to_string(),
        at_ms: 5,
        answer: refusal(),
    };
    store.append(&answer, None).expect("there is room");
    drop(store);

    for _ in 0..2 {
        let (_, ledger, live) = open(dir.path());
        assert_eq!(live.len(), 1);
        assert_eq!(
            (live[0].attempt, &*live[0].call_id),
            (2, "sip-call-0000000000000001")
        );
        let remembered = ledger.message(&key(1)).expect("it was accepted");
        assert_eq!(remembered.answer(), Some(refusal()));
    }
}

#[test]
fn a_torn_last_line_is_dropped_and_any_other_damage_is_told() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join(FILE);
    let good = text(&Line::Call(Box::new(record(1))));
    fs::write(&path, format!("{good}{}", &good[..40])).expect("there is room");
    assert_eq!(open(dir.path()).2.len(), 1);

    fs::write(&path, format!("{good}{}\n{good}", &good[..40])).expect("there is room");
    let error = Store::open(dir.path(), unbounded_channel().0).expect_err("line 2 is damaged");
    assert!(
        matches!(error, StoreError::Damaged { line: 2, .. }),
        "{error}"
    );
}

#[test]
fn messages_are_forgotten_only_when_old_enough() {
    let mut ledger = Ledger::default();
    for number in 0..8_192 {
        assert!(ledger.accept(key(number), "c".into(), u64::from(number)));
    }
    assert!(
        !ledger.accept(key(9_000), "c".into(), 100_000),
        "all may come again"
    );
    assert!(ledger.accept(key(9_000), "c".into(), 700_000));
    assert!(ledger.message(&key(0)).is_none());
    assert!(ledger.message(&key(1)).is_some());
}

#[test]
fn a_disk_that_fails_is_told_and_never_tried_again() {
    let dir = tempfile::tempdir().expect("a directory");
    let (tell, mut told) = unbounded_channel();
    let (jobs, queue) = sync_channel(8);
    for token in [1, 2] {
        let line = text(&Line::Call(Box::new(record(1))));
        jobs.try_send(Job::Append {
            line,
            token: Some(token),
        })
        .expect("there is room");
        if token == 1 {
            // A rewrite into a directory that is not there fails as a full disk does.
            jobs.try_send(Job::Rewrite(Vec::new()))
                .expect("there is room");
        }
    }
    drop(jobs);
    let file = File::open("/dev/null").expect("it is there");
    let has_failed = AtomicBool::new(false);
    write_all(&dir.path().join("gone"), file, &queue, &tell, &has_failed);
    assert!(has_failed.into_inner());
    assert_eq!(told.try_recv(), Ok((1, false)));
    assert_eq!(told.try_recv(), Ok((2, false)));
}

#[test]
fn a_store_that_failed_is_not_healthy() {
    let dir = tempfile::tempdir().expect("a directory");
    let (tell, mut told) = unbounded_channel();
    let (mut store, ..) = Store::open(dir.path(), tell).expect("a store");
    assert!(store.is_healthy());
    std::fs::remove_dir_all(dir.path()).expect("it is there");
    store.rewrite(Vec::new()).expect("it is queued");
    let line = Line::Call(Box::new(record(1)));
    store.append(&line, Some(1)).expect("it is queued");
    assert_eq!(told.blocking_recv(), Some((1, false)));
    assert!(!store.is_healthy());
}

#[test]
fn no_line_has_the_token_of_an_evidence_link() {
    let call: crate::view::CallView = serde_json::from_value(serde_json::json!({
        "call_id": "sip-call-0000000000000001", "origin": "escalation", "expert_id": "e",
        "expert_name": "e",
        "sip_call_state": "ended", "h323_state": "ended", "evidence_state": "offered",
        "trace_id": "trace-0001",
        "hazard": "safety", "council_call_id": "council", "started": "", "h323_segment": "",
        "evidence_link": "https://bridge.example/e/session#SECRET"
    }))
    .expect("a call");
    let answer = Line::Answer {
        message: key(1),
        call_id: call.call_id.clone(),
        at_ms: 5,
        answer: Answer::Call(Box::new(call.clone())),
    };
    let history = Vec::new();
    let ended = Line::Ended(Box::new(crate::view::CallDetail {
        call,
        history,
        decisions: Vec::new(),
        asked: None,
        messages: Vec::new(),
    }));
    let dir = tempfile::tempdir().expect("a directory");
    let (mut store, ..) = open(dir.path());
    store.append(&answer, None).expect("there is room");
    store.append(&ended, None).expect("there is room");
    store.rewrite(vec![answer, ended]).expect("written");
    drop(store);
    for entry in std::fs::read_dir(dir.path()).expect("a directory") {
        let bytes = std::fs::read(entry.expect("an entry").path()).expect("a file");
        let text = String::from_utf8_lossy(&bytes);
        assert!(!text.contains("SECRET"), "{text}");
    }
}

#[test]
fn lines_of_an_earlier_version_are_read_and_written_as_they_were() {
    let call = concat!(
        r#"{"is":"call","call_id":"sip-call-0000000000000001","origin":"escalation","#,
        r#""trace_id":"trace-0001","hazard":"safety","#,
        r#""experts":["expert-safety@external.advisor","expert-spare@external.advisor"],"#,
        r#""attempt":1,"room":"council","started_ms":7,"briefing":{"reason":"Valve 1 opens."},"#,
        r#""evidence_files":["a.pdf"],"channel":"1764090000.12","#,
        r#""message":{"source":"if://agent/guard","id":"m-1"},"takes":"node2:2","#,
        r#""signature":"c2ln"}"#
    );
    let ended = concat!(
        r#"{"is":"ended","call_id":"sip-call-0000000000000001","origin":"escalation","#,
        r#""expert_id":"e","expert_name":"E","sip_call_state":"failed","h323_state":"received","#,
        r#""evidence_state":"none","trace_id":"trace-0001","hazard":"safety","#,
        r#""council_call_id":"council","started":"2026-01-01T00:00:00.000Z","#,
        r#""reason":"expert_busy cause=17 sip=486","cause":17,"#,
        r#""h323_segment":"narrowband, unencrypted","decision_state":"open","history":[]}"#
    );
    for line in [call, ended] {
        let read: Line = serde_json::from_str(line).expect("a line");
        assert_eq!(serde_json::to_string(&read).expect("JSON"), line);
    }
}
