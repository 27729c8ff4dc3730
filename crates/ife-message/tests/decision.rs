//! The published vectors of decisions, tests/vectors/decision.json, and what signing refuses.

use std::path::Path;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use ife_message::{
    Decision, PrivateKey, PublicKey,
    decision::{Assurance, Attestation, DecisionError, Passkey, PasskeyKey, Proof, Record},
};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

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

const RP_ID: &str = "bridge.example";

fn authenticator() -> PrivateKey {
    PrivateKey::from_seed("passkey", &[5; 32]).expect("a name")
}

fn passkey() -> Passkey {
    Passkey {
        id: "AQID".to_owned(),
        public_key: PasskeyKey::Ed25519(authenticator().public_key()),
        rp_id: RP_ID.to_owned(),
    }
}

/// Data of the authenticator and the browser, before they are signed.
struct Assertion {
    client: Value,
    rp_id: &'static str,
    flags: u8,
}

/// Signs a decision by a passkey, after `change` to the data of the browser and the authenticator.
fn asserted(change: impl Fn(&mut Assertion)) -> Decision {
    let file = vectors();
    let mut decision =
        Decision::parse(text(&cases(&file, "valid")[0], "text").as_bytes()).expect("valid");
    decision.assurance = Assurance::Passkey;
    decision.kid = passkey().id;
    decision.signature = None;
    let challenge = URL_SAFE_NO_PAD.encode(decision.digest().expect("a form"));
    let mut said = Assertion {
        client: json!({
            "type": "webauthn.get", "challenge": challenge,
            "origin": "https://bridge.example", "crossOrigin": false,
        }),
        rp_id: RP_ID,
        flags: 0b101,
    };
    change(&mut said);
    let client = said.client.to_string();
    let mut data = Sha256::digest(said.rp_id).to_vec();
    data.extend([said.flags, 0, 0, 0, 1]);
    let signed = [data.as_slice(), &Sha256::digest(&client)].concat();
    decision.signature = Some(Proof::Webauthn {
        authenticator_data: URL_SAFE_NO_PAD.encode(&data),
        client_data: URL_SAFE_NO_PAD.encode(client),
        sig: URL_SAFE_NO_PAD.encode(authenticator().sign(&signed)),
    });
    decision
}

fn verified(decision: &Decision) -> Result<(), String> {
    let result = decision.verify_passkey(&passkey(), |_, _, _| false);
    result.map_err(|error| error.to_string())
}

#[test]
fn an_assertion_for_this_decision_verifies() {
    assert_eq!(verified(&asserted(|_| {})), Ok(()));
    let text = serde_json::to_vec(&asserted(|_| {})).expect("JSON");
    let decision = Decision::parse(&text).expect("it is well-formed");
    assert_eq!(verified(&decision), Ok(()));
    assert!(decision.verify(&authenticator().public_key()).is_err());
}

#[test]
fn an_assertion_of_another_kind_is_refused() {
    type Change = fn(&mut Assertion);
    let cases: [(Change, &str); 9] = [
        (
            |a| a.client["origin"] = json!("https://evil.example"),
            "another origin",
        ),
        (
            |a| a.client["origin"] = json!("http://bridge.example"),
            "another origin",
        ),
        (|a| a.client["crossOrigin"] = json!(true), "another origin"),
        (
            |a| a.client["type"] = json!("webauthn.create"),
            "not of an assertion",
        ),
        (
            |a| a.client["challenge"] = json!("AAAA"),
            "another decision",
        ),
        (|a| a.rp_id = "evil.example", "another domain"),
        (|a| a.flags = 0b100, "verified person"),
        (|a| a.flags = 0b001, "verified person"),
        (|a| a.flags = 0b100_0101, "not of an assertion"),
    ];
    for (change, why) in cases {
        let problem = verified(&asserted(change)).expect_err(why);
        assert!(problem.contains(why), "{problem}, not {why}");
    }
    let mut altered = asserted(|_| {});
    altered.choice = "yes".to_owned();
    assert!(verified(&altered).is_err());
    let mut other = passkey();
    other.public_key = PasskeyKey::Ed25519(
        PrivateKey::from_seed("x", &[6; 32])
            .expect("a name")
            .public_key(),
    );
    assert!(
        asserted(|_| {})
            .verify_passkey(&other, |_, _, _| false)
            .is_err()
    );
    let mut moved = passkey();
    moved.rp_id = "other.example".to_owned();
    assert!(
        asserted(|_| {})
            .verify_passkey(&moved, |_, _, _| false)
            .is_err()
    );
}
