use ife_message::{
    Decision, PrivateKey,
    decision::{Attestation, VERSION},
};

use super::*;

fn key(kid: &str, seed: u8) -> PrivateKey {
    PrivateKey::from_seed(kid, &[seed; 32]).expect("a name")
}

fn keys() -> Keys {
    let given = [("council-1", 1), ("expert-1", 2), ("guardian-1", 3)];
    let given = given.map(|(kid, seed)| (kid.to_owned(), key(kid, seed).public_key()));
    Keys::new(None, &given).expect("keys are given")
}

fn record(role: Role, assurance: Assurance, signer: &PrivateKey) -> Record {
    let is_link = assurance == Assurance::Link;
    let mut decision = Decision {
        v: VERSION.to_owned(),
        call_id: "sip-call-1".to_owned(),
        trace_id: "trace-0001".to_owned(),
        council: "sip:council@council.example".to_owned(),
        role,
        party: "guardian-1".to_owned(),
        choice: "approve".to_owned(),
        question_sha256: None,
        text: None,
        text_sha256: None,
        time: "2026-01-01T00:00:00Z".to_owned(),
        assurance,
        kid: signer.name().to_owned(),
        public_key: is_link.then(|| signer.public_key().to_string()),
        signature: None,
    };
    decision.sign(signer).expect("well-formed");
    let received = "2026-01-01T00:00:01Z".to_owned();
    let attestation = Attestation::of(&decision, received, &key("council-1", 1));
    Record {
        decision,
        attestation: attestation.expect("attested"),
    }
}

#[test]
fn each_assurance_is_verified_by_its_key() {
    let cases = [
        (Role::Expert, Assurance::Key, key("expert-1", 2)),
        (Role::Guardian, Assurance::Key, key("guardian-1", 3)),
        (Role::Expert, Assurance::Link, key("page", 9)),
        (Role::Expert, Assurance::Phone, key("council-1", 1)),
    ];
    for (role, assurance, signer) in cases {
        let record = record(role, assurance, &signer);
        assert!(verify(&record, &keys()).is_ok(), "{assurance}");
        let mut altered = record.clone();
        altered.decision.choice = "deny".to_owned();
        assert!(verify(&altered, &keys()).is_err(), "{assurance}, altered");
        let mut foreign = record.clone();
        let attested = Attestation::of(
            &record.decision,
            record.attestation.received.clone(),
            &key("council-1", 99),
        );
        foreign.attestation = attested.expect("attested");
        assert!(
            verify(&foreign, &keys()).is_err(),
            "{assurance}, attested by another"
        );
    }
    let stranger = record(Role::Expert, Assurance::Key, &key("expert-1", 50));
    assert!(verify(&stranger, &keys()).is_err());
    let page_as_expert = record(Role::Expert, Assurance::Key, &key("page", 9));
    assert!(verify(&page_as_expert, &keys()).is_err());
}

#[test]
fn records_are_found_wherever_the_api_has_them() {
    let record = record(Role::Expert, Assurance::Key, &key("expert-1", 2));
    let bare = serde_json::to_value(&record).expect("JSON");
    let mut view = bare.clone();
    view["replaced"] = json!(false);
    let cases = [
        (bare.clone(), 1),
        (
            json!({"call_id": "c", "decision": {"choice": "x"}, "decisions": [view, bare]}),
            2,
        ),
        (
            json!({"type": "decision", "call_id": "c", "record": view}),
            1,
        ),
        (
            json!({"payload": {"event": "decision", "decision": {"record": view}}}),
            1,
        ),
    ];
    for (value, count) in cases {
        let found = records(value.to_string().as_bytes()).expect("there are some");
        assert_eq!(found, vec![record.clone(); count], "{value}");
    }
    for nothing in ["{}", "[]", "x", r#"{"decision": {}, "attestation": {}}"#] {
        assert!(records(nothing.as_bytes()).is_err(), "{nothing}");
    }
}
