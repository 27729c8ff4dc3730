//! What makes a decision verified, without a connection.

use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1, UnparsedPublicKey};
use ife_message::{
    decision::{Assurance, Record, Role},
    json as ife_json,
};
use ife_words::time;
use serde_json::{Value, json};

use super::{FILE_LEN_MAX, keys::Keys, member};

/// Finds the records in an answer or an event of the API.
pub(super) fn records(bytes: &[u8]) -> Result<Vec<Record>, String> {
    let value = ife_json::parse(bytes, FILE_LEN_MAX as usize).map_err(|error| error.to_string())?;
    let mut found = Vec::new();
    collect(&value, &mut found)?;
    if found.is_empty() {
        return Err("holds no decision with its attestation".to_owned());
    }
    Ok(found)
}

fn collect(value: &Value, found: &mut Vec<Record>) -> Result<(), String> {
    if let (Some(decision), Some(attestation)) =
        (member(value, "decision"), member(value, "attestation"))
    {
        let record = json!({"decision": decision, "attestation": attestation});
        let record = serde_json::from_value(record).map_err(|error| error.to_string())?;
        found.push(record);
        return Ok(());
    }
    // A call, an event, or a message of the bridge with one.
    for name in ["decisions", "record", "payload", "decision"] {
        match member(value, name) {
            Some(Value::Array(items)) => {
                items.iter().try_for_each(|item| collect(item, found))?;
            }
            Some(inner @ Value::Object(_)) => collect(inner, found)?,
            Some(Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_)) | None => {}
        }
    }
    Ok(())
}

/// Verifies statement and attestation; gives the key that signed the statement.
pub(super) fn verify(record: &Record, keys: &Keys) -> Result<String, String> {
    let (decision, attestation) = (&record.decision, &record.attestation);
    let seconds = |text: &str| time::parse_s(text).ok_or(format!("{text}: not a time"));
    let (signed_s, received_s) = (seconds(&decision.time)?, seconds(&attestation.received)?);
    let council = keys.council(&attestation.kid, received_s)?;
    record
        .verify_attestation(&council)
        .map_err(|error| format!("attestation: {error}"))?;
    let (key, by) = match (decision.role, decision.assurance) {
        (Role::Guardian, _) => {
            let key = keys.given(&decision.party).ok_or_else(|| {
                format!(
                    "guardian {0}: give its key as --public-key {0}=...",
                    decision.party
                )
            })?;
            (key, format!("the key of guardian {}", decision.party))
        }
        (Role::Expert, Assurance::Key) => {
            let key = keys.expert(&decision.party, &decision.kid, signed_s)?;
            (key, format!("key {} of the expert", decision.kid))
        }
        (Role::Expert, Assurance::Link) => {
            let key = decision.public_key.as_deref().unwrap_or_default();
            let key = key
                .parse()
                .map_err(|_| "public_key: not a key".to_owned())?;
            (
                key,
                "a page in the browser that redeemed the link".to_owned(),
            )
        }
        (Role::Expert, Assurance::Phone) => {
            let key = keys.council(&decision.kid, signed_s)?;
            (key, "the bridge, by keys of the phone".to_owned())
        }
        (Role::Expert, Assurance::Passkey) => {
            let passkey = keys.passkey(&decision.party, &decision.kid, signed_s)?;
            let result = decision.verify_passkey(passkey, p256);
            result.map_err(|error| format!("decision: {error}"))?;
            return Ok(format!("a passkey of the expert at {}", passkey.rp_id));
        }
    };
    decision
        .verify(&key)
        .map_err(|error| format!("decision: {error}"))?;
    Ok(by)
}

/// Verifies ECDSA over P-256, see [`ife_message::decision::VerifyP256`].
fn p256(point: &[u8], message: &[u8], sig: &[u8]) -> bool {
    let key = UnparsedPublicKey::new(&ECDSA_P256_SHA256_ASN1, point);
    key.verify(message, sig).is_ok()
}

#[cfg(test)]
mod tests;
