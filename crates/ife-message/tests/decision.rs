//! The published vectors of decisions, tests/vectors/decision.json, and what signing refuses.

use std::path::Path;

use ife_message::{
    Decision, PrivateKey, PublicKey,
    decision::{Attestation, DecisionError, Record},
};
use serde_json::Value;

fn vectors() -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/vectors/decision.json");
    let text = std::fs::read_to_string(path).expect("the vectors are there");
    serde_json::from_str(&text).expect("vectors are JSON")
}

fn text<'a>(case: &'a Value, key: &str) -> &'a str {
    case[key].as_str().unwrap_or_else(|| panic!("no {key}"))
}

fn cases<'a>(file: &'a Value, key: &str) -> &'a [Value] {
    let cases = file[key].as_array().expect("a list");
    assert!(!cases.is_empty(), "{key} has no cases");
    cases
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

fn public_key(file: &Value, case: &Value) -> PublicKey {
    let key = text(&file["keys"][text(case, "key")], "public_key");
    key.parse().expect("a key")
}

fn private_key(file: &Value, name: &str) -> PrivateKey {
    let seed = text(&file["keys"][name], "seed_hex");
    let bytes: Vec<u8> = (0..32)
        .map(|i| u8::from_str_radix(&seed[2 * i..2 * i + 2], 16).expect("hex"))
        .collect();
    PrivateKey::from_seed(name, &bytes.try_into().expect("32 bytes")).expect("a key")
}

#[test]
fn decisions_and_their_signed_bytes() {
    let file = vectors();
    for case in cases(&file, "valid") {
        let name = &case["name"];
        let mut decision = Decision::parse(text(case, "text").as_bytes())
            .unwrap_or_else(|error| panic!("{name}: {error}"));
        let signed = decision.signed_bytes().expect("a canonical form");
        assert_eq!(
            std::str::from_utf8(&signed),
            Ok(text(case, "signed_bytes")),
            "{name}"
        );
        assert_eq!(
            hex(&decision.digest().expect("a form")),
            text(case, "sha256"),
            "{name}"
        );
        decision.verify(&public_key(&file, case)).expect("verifies");
        let original = decision.clone();
        decision
            .sign(&private_key(&file, text(case, "key")))
            .expect("signs");
        assert_eq!(decision, original, "{name}: signing is deterministic");
        decision.text = None;
        decision
            .verify(&public_key(&file, case))
            .expect("verifies without its text");
    }
}

#[test]
fn decisions_that_are_refused() {
    for case in cases(&vectors(), "invalid") {
        let result = Decision::parse(text(case, "text").as_bytes()).map(|_| ());
        assert_eq!(
            result.map_err(|error| error.code()),
            Err(text(case, "reason")),
            "{}",
            case["name"]
        );
    }
}

#[test]
fn altered_decisions_do_not_verify() {
    let file = vectors();
    for case in cases(&file, "signatures") {
        let decision = Decision::parse(text(case, "text").as_bytes())
            .unwrap_or_else(|error| panic!("{}: {error}", case["name"]));
        let result = decision.verify(&public_key(&file, case));
        assert!(
            matches!(result, Err(DecisionError::Signature(_))),
            "{}",
            case["name"]
        );
    }
}

#[test]
fn attestations() {
    let file = vectors();
    for case in cases(&file, "attestations") {
        let record: Record = serde_json::from_str(text(case, "text")).expect("a record");
        let result = record.verify_attestation(&public_key(&file, case));
        assert_eq!(
            result.map_err(|error| error.code()),
            case["reason"].as_str().map_or(Ok(()), Err),
            "{}",
            case["name"]
        );
        if case["reason"].is_null() {
            let key = private_key(&file, text(case, "key"));
            let received = record.attestation.received.clone();
            let again = Attestation::of(&record.decision, received, &key).expect("attested");
            assert_eq!(again, record.attestation);
        }
    }
}

#[test]
fn a_draft_that_breaks_a_rule_is_not_signed() {
    let file = vectors();
    let usual = &cases(&file, "valid")[0];
    let key = private_key(&file, text(usual, "key"));
    let mut draft = Decision::parse(text(usual, "text").as_bytes()).expect("it is valid");
    draft.choice = String::new();
    let result = draft.sign(&key);
    assert_eq!(result.map_err(|error| error.code()), Err("choice"));
}
