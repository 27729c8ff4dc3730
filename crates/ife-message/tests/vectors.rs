//! The published test vectors of the independent implementation tests/vectors/generate.py.

use std::{collections::BTreeMap, path::Path};

use ife_message::{
    AnySignature, Aor, Covered, Escalate, Hazard, Kid, LegacySignature, Part, PrivateKey,
    PublicKey, Received, SignatureHeader, SignedFields, TraceId, WitnessHash, call_id, sign,
};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

fn load(name: &str) -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../tests/vectors")
        .join(name);
    let text = std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    serde_json::from_str(&text).expect("vectors are JSON")
}

fn text<'a>(case: &'a Value, key: &str) -> &'a str {
    case[key]
        .as_str()
        .unwrap_or_else(|| panic!("no text {key} in {case}"))
}

fn cases<'a>(file: &'a Value, key: &str) -> &'a [Value] {
    let cases = file[key]
        .as_array()
        .unwrap_or_else(|| panic!("no cases {key}"));
    assert!(!cases.is_empty(), "{key} has no cases");
    cases
}

fn unhex(text: &str) -> Vec<u8> {
    assert!(text.len().is_multiple_of(2));
    (0..text.len())
        .step_by(2)
        .map(|i| u8::from_str_radix(&text[i..i + 2], 16).expect("hex"))
        .collect()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

fn input(case: &Value) -> Vec<u8> {
    if let Some(hex) = case["input_hex"].as_str() {
        return unhex(hex);
    }
    if let Some(unit) = case["repeat"].as_str() {
        return unit
            .repeat(case["times"].as_u64().expect("times") as usize)
            .into_bytes();
    }
    text(case, "input").as_bytes().to_vec()
}

/// Returns the vectors' name of an error: that of its variant, in lower case, with few exceptions.
fn code(error: &impl std::fmt::Debug) -> String {
    let debug = format!("{error:?}");
    let variant = debug.split(|c: char| !c.is_ascii_alphanumeric()).next();
    match variant.expect("a name") {
        "IssuedAt" => "iat".to_owned(),
        "BadSignature" => "signature".to_owned(),
        name => {
            let words = name.split_inclusive(|c: char| c.is_ascii_lowercase());
            let spaced = words.map(|word| match word.len() {
                1 => word.to_owned(),
                _ => format!("-{word}"),
            });
            spaced
                .collect::<String>()
                .trim_start_matches('-')
                .to_lowercase()
        }
    }
}

/// Runs a parser that returns the value in the vectors' form, or the code of the reason.
fn check(file: &Value, parse: impl Fn(&[u8]) -> Result<Value, String>) {
    for case in cases(file, "valid") {
        assert_eq!(
            parse(&input(case)).as_ref(),
            Ok(&case["value"]),
            "{}",
            case["name"]
        );
    }
    for case in cases(file, "invalid") {
        assert_eq!(
            parse(&input(case)),
            Err(text(case, "reason").to_owned()),
            "{}",
            case["name"]
        );
    }
}

fn covered_json(covered: Covered) -> Value {
    let parts = covered.parts().map(Part::as_str);
    json!(std::iter::once("base").chain(parts).collect::<Vec<_>>())
}

fn signature_json(signature: AnySignature) -> Value {
    match signature {
        AnySignature::Legacy(LegacySignature { sig }) => {
            json!({"form": "legacy", "sig_hex": hex(&sig)})
        }
        AnySignature::V1(SignatureHeader {
            kid,
            iat,
            covered,
            sig,
        }) => json!({
            "form": "v1", "kid": kid.as_str(), "iat": iat,
                "covered": covered_json(covered), "sig_hex": hex(&sig)
        }),
    }
}

#[test]
fn trace_ids() {
    check(&load("headers.json")["trace_id"], |body| {
        TraceId::parse(body)
            .map(|id| json!(id.as_str()))
            .map_err(|e| code(&e.fault))
    });
}

#[test]
fn hazards() {
    check(&load("headers.json")["hazard"], |body| {
        Hazard::parse(body)
            .map(|hazard| json!(hazard.as_str()))
            .map_err(|e| code(&e.fault))
    });
}

#[test]
fn witness_hashes() {
    check(&load("headers.json")["witness_hash"], |body| {
        WitnessHash::parse(body)
            .map(|hash| json!(hash.to_string()))
            .map_err(|e| code(&e.fault))
    });
}

#[test]
fn signature_headers() {
    check(&load("headers.json")["signature"], |body| {
        AnySignature::parse(body)
            .map(signature_json)
            .map_err(|e| code(&e.fault))
    });
}

#[test]
fn addresses_of_record() {
    check(&load("aor.json"), |uri| {
        Aor::parse(uri)
            .map(|aor| json!(aor.as_str()))
            .map_err(|e| code(&e))
    });
}

#[test]
fn public_keys() {
    check(&load("keys.json")["public"], |key| {
        let key = std::str::from_utf8(key).expect("keys in the vectors are text");
        key.parse::<PublicKey>()
            .map(|key| json!(hex(&key.to_bytes())))
            .map_err(|e| code(&e))
    });
}

#[test]
fn private_keys() {
    check(&load("keys.json")["private"], |contents| {
        let key = PrivateKey::parse_file(contents).map_err(|e| code(&e))?;
        let again =
            PrivateKey::parse_file(key.to_file().as_bytes()).expect("what is written parses");
        assert_eq!(again.public_key(), key.public_key());
        let file = key.to_file();
        let seed = file.trim_end().rsplit(' ').next().expect("a seed");
        let seed = base64::Engine::decode(&base64::engine::general_purpose::STANDARD, seed)
            .expect("base64");
        Ok(json!({"name": key.name(), "seed_hex": hex(&seed)}))
    });
}

/// The call of a signature case, with values owned.
struct Call {
    kid: Kid,
    iat: u64,
    trace_id: TraceId,
    hazard: Hazard,
    caller: Aor,
    callee: Aor,
    covered: Covered,
    call_id: String,
    body_sha256: [u8; 32],
}

impl Call {
    fn read(case: &Value) -> Call {
        let parse = |key: &str| text(case, key).as_bytes().to_vec();
        let parts: Vec<&str> = cases(case, "covered")
            .iter()
            .filter_map(Value::as_str)
            .collect();
        Call {
            kid: Kid::parse(&parse("kid")).expect("kid"),
            iat: case["iat"].as_u64().expect("iat"),
            trace_id: TraceId::parse(&parse("trace_id")).expect("trace id"),
            hazard: Hazard::parse(&parse("hazard")).expect("hazard"),
            caller: Aor::parse(&parse("caller")).expect("caller"),
            callee: Aor::parse(&parse("callee")).expect("callee"),
            covered: Covered::parse(parts.join(",").as_bytes()).expect("covered"),
            call_id: text(case, "call_id").to_owned(),
            body_sha256: Sha256::digest(parse("body")).into(),
        }
    }

    fn fields(&self) -> SignedFields<'_> {
        SignedFields {
            iat: self.iat,
            trace_id: &self.trace_id,
            hazard: &self.hazard,
            caller: &self.caller,
            callee: &self.callee,
            covered: self.covered,
            call_id: self.call_id.as_bytes(),
            body_sha256: Some(self.body_sha256),
        }
    }
}

fn signing_keys(file: &Value) -> BTreeMap<String, PrivateKey> {
    let key = |case: &Value| {
        let seed = unhex(text(case, "seed_hex")).try_into().expect("32 bytes");
        let key = PrivateKey::from_seed(text(case, "kid"), &seed).expect("key");
        assert_eq!(key.public_key().to_string(), text(case, "public_key"));
        (key.name().to_owned(), key)
    };
    cases(file, "keys").iter().map(key).collect()
}

#[test]
fn signed_calls() {
    let file = load("signatures.json");
    let keys = signing_keys(&file);
    for case in cases(&file, "valid") {
        let call = Call::read(&case["call"]);
        let key = &keys[call.kid.as_str()];
        let header = sign::sign(key, &call.fields()).expect("signable");
        assert_eq!(header.to_string(), text(case, "header"), "{}", case["name"]);

        let mut bytes = Vec::new();
        assert_eq!(
            sign::verify(
                &key.public_key(),
                &call.kid,
                &call.fields(),
                &header.sig,
                &mut bytes
            ),
            Ok(()),
            "{}",
            case["name"]
        );
        assert_eq!(
            std::str::from_utf8(&bytes),
            Ok(text(case, "signed_bytes")),
            "{}",
            case["name"]
        );
        assert_eq!(
            SignatureHeader::parse(text(case, "header").as_bytes()),
            Ok(header),
            "{}",
            case["name"]
        );
    }
}

#[test]
fn calls_whose_signature_is_refused() {
    for case in cases(&load("signatures.json"), "invalid") {
        let key: PublicKey = text(case, "public_key").parse().expect("key");
        let sig = unhex(text(case, "sig_hex")).try_into().expect("64 bytes");
        let call = Call::read(&case["call"]);
        let verdict = sign::verify(&key, &call.kid, &call.fields(), &sig, &mut Vec::new());
        assert_eq!(
            verdict.map_err(|e| code(&e)),
            Err(text(case, "reason").to_owned()),
            "{}",
            case["name"]
        );
    }
}

#[test]
fn calls_that_cannot_be_signed() {
    for case in cases(&load("signatures.json"), "unsignable") {
        let mut bytes = b"left over".to_vec();
        let call = Call::read(&case["call"]);
        let result = sign::canonical_bytes(&call.kid, &call.fields(), &mut bytes);
        assert_eq!(
            result.map_err(|e| code(&e)),
            Err(text(case, "reason").to_owned()),
            "{}",
            case["name"]
        );
        assert!(
            bytes.is_empty(),
            "{}: signed bytes were left behind",
            case["name"]
        );
    }
}

#[test]
fn legacy_signatures() {
    for case in cases(&load("legacy.json"), "valid") {
        let key: PublicKey = text(case, "public_key").parse().expect("key");
        let hazard = text(case, "hazard").parse().expect("hazard");
        let trace_id = text(case, "trace_id").parse().expect("trace id");
        let mut bytes = Vec::new();
        sign::legacy_bytes(&hazard, text(case, "expert_id"), &trace_id, &mut bytes);
        assert_eq!(std::str::from_utf8(&bytes), Ok(text(case, "signed_bytes")));
        for header in ["header", "header_base64"] {
            let signature = LegacySignature::parse(text(case, header).as_bytes()).expect("parses");
            assert_eq!(
                key.verify_strict(&bytes, &signature.sig),
                Ok(()),
                "{}",
                case["name"]
            );
        }
    }
}

fn message_key(file: &Value) -> PrivateKey {
    let seed = unhex(text(file, "seed_hex")).try_into().expect("32 bytes");
    PrivateKey::from_seed(text(file, "kid"), &seed).expect("key")
}

#[test]
fn messages_and_their_canonical_form() {
    let file = load("ifmessage.json");
    let key = message_key(&file);
    for case in cases(&file, "valid") {
        let received = Received::parse(text(case, "text").as_bytes())
            .unwrap_or_else(|e| panic!("{}: {e}", case["name"]));
        assert_eq!(
            std::str::from_utf8(received.signed_bytes()),
            Ok(text(case, "signed_bytes")),
            "{}",
            case["name"]
        );
        assert_eq!(
            hex(&key.sign(received.signed_bytes())),
            text(case, "sig_hex"),
            "{}",
            case["name"]
        );
    }
}

#[test]
fn messages_that_are_refused() {
    for case in cases(&load("ifmessage.json"), "invalid") {
        let result = Received::parse(text(case, "text").as_bytes()).map(|_| ());
        assert_eq!(
            result.map_err(|e| code(&e)),
            Err(text(case, "reason").to_owned()),
            "{}",
            case["name"]
        );
    }
}

#[test]
fn message_signatures() {
    let file = load("ifmessage.json");
    let key: PublicKey = text(&file, "public_key").parse().expect("key");
    for case in cases(&file, "signatures") {
        let received = Received::parse(text(case, "text").as_bytes())
            .unwrap_or_else(|e| panic!("{}: {e}", case["name"]));
        let expected = case["reason"]
            .as_str()
            .map_or(Ok(()), |reason| Err(reason.to_owned()));
        assert_eq!(
            received.verify(&key).map_err(|e| code(&e)),
            expected,
            "{}",
            case["name"]
        );
    }
}

#[test]
fn escalations() {
    for case in cases(&load("ifmessage.json"), "escalations") {
        let message = Received::parse(text(case, "text").as_bytes())
            .expect("a message")
            .into_message();
        match (Escalate::from_message(&message), case["reason"].as_str()) {
            (Ok(escalate), None) => {
                assert_eq!(escalate_json(&escalate), case["value"], "{}", case["name"])
            }
            (Err(error), Some(reason)) => assert_eq!(code(&error), reason, "{}", case["name"]),
            (Ok(_), Some(reason)) => panic!("{}: accepted, should be {reason}", case["name"]),
            (Err(error), None) => panic!("{}: {error}", case["name"]),
        }
    }
}

fn escalate_json(escalate: &Escalate) -> Value {
    json!({
        "trace_id": escalate.trace_id.as_str(),
        "hazards": escalate.hazards.iter().map(Hazard::as_str).collect::<Vec<_>>(),
        "evidence_files": escalate.evidence_files,
        "conversation_id": escalate.conversation_id,
        "expert_id": escalate.expert_id,
        "signature": escalate.signature,
        "reason": escalate.briefing.reason,
        "question": escalate.briefing.question,
        "options": escalate.briefing.options,
        "call_id": call_id(&escalate.trace_id),
    })
}
