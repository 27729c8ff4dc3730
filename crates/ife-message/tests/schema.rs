//! docs/schema/ifmessage.schema.json and the parser agree about the published examples.

use std::path::Path;

use ife_message::{IfMessage, PrivateKey, Received};
use serde_json::Value;

fn read(relative: &str) -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../..")
        .join(relative);
    let text = std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    serde_json::from_str(&text).expect("JSON")
}

fn schema() -> jsonschema::Validator {
    jsonschema::draft202012::new(&read("docs/schema/ifmessage.schema.json"))
        .expect("the schema is a schema")
}

/// Returns the examples under `key` with the schema's expected answer, where it has one.
fn examples(key: &str) -> Vec<(String, Value, Option<bool>)> {
    let file = read("tests/vectors/ifmessage.json");
    let example = |case: &Value| {
        let instance = serde_json::from_str(case["text"].as_str()?).ok()?;
        Some((case["name"].to_string(), instance, case["schema"].as_bool()))
    };
    file[key]
        .as_array()
        .expect("cases")
        .iter()
        .filter_map(example)
        .collect()
}

#[test]
fn the_schema_itself_is_valid() {
    assert!(jsonschema::draft202012::meta::is_valid(&read(
        "docs/schema/ifmessage.schema.json"
    )));
}

#[test]
fn accepted_messages_satisfy_the_schema() {
    let schema = schema();
    for key in ["valid", "signatures"] {
        for (name, instance, _) in examples(key) {
            assert_eq!(
                schema.validate(&instance).map_err(|e| e.to_string()),
                Ok(()),
                "{name}"
            );
        }
    }
}

#[test]
fn refused_messages_do_not_where_a_schema_can_tell() {
    let schema = schema();
    let mut told = 0;
    for key in ["invalid", "escalations"] {
        for (name, instance, verdict) in examples(key) {
            let Some(verdict) = verdict else { continue };
            assert_eq!(schema.is_valid(&instance), verdict, "{name}");
            told += 1;
        }
    }
    assert!(told > 30, "only {told} examples carry the schema's verdict");
}

#[test]
fn what_we_sign_and_write_satisfies_the_schema_and_verifies() {
    let key = PrivateKey::from_seed("council-2026a", &[7; 32]).expect("key");
    for (name, instance, _) in examples("valid") {
        let mut message: IfMessage = serde_json::from_value(instance).expect("message");
        message.sign(&key).expect("signable");
        let wire = message.to_canonical().expect("canonical");
        assert!(
            schema().is_valid(&serde_json::from_slice(&wire).expect("JSON")),
            "{name}"
        );
        let received = Received::parse(&wire).expect("what is written is read");
        assert!(received.verify(&key.public_key()).is_ok(), "{name}");
        assert_eq!(
            received.into_message().to_canonical().expect("canonical"),
            wire,
            "{name}"
        );
    }
}
