//! What may sign decisions.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use ife_message::decision::{Assurance, Passkey};

use super::super::{
    errors::{At, did_you_mean},
    limits::PASSKEYS_MAX,
    raw,
};
use super::Problems;

/// Returns the kinds of signature that are enough for a hazard; every kind without a list.
pub(super) fn assurance(
    problems: &mut Problems,
    at: &At<'_>,
    raw: Option<&[raw::Str<'_>]>,
) -> Vec<Assurance> {
    let Some(raw) = raw else {
        return Assurance::ALL.to_vec();
    };
    let mut found = Vec::new();
    for (index, name) in problems
        .listed(at, raw, Assurance::ALL.len())
        .iter()
        .enumerate()
    {
        let item = at.index(index);
        let shown = name.escape_debug();
        match Assurance::of(name) {
            Some(kind) if found.contains(&kind) => {
                problems.add(&item, format!("`{shown}` is listed twice"), None);
            }
            Some(kind) => found.push(kind),
            None => {
                let names = Assurance::ALL.map(Assurance::as_str);
                let hint = did_you_mean(name, names).unwrap_or_else(|| names.join(", "));
                problems.hint(&item, format!("unknown assurance `{shown}`"), hint);
            }
        }
    }
    found
}

/// Longest credential id, in bytes (WebAuthn level 2, 4).
const CREDENTIAL_LEN_MAX: usize = 1_023;

/// Returns the passkeys of an expert.
pub(super) fn passkeys(
    problems: &mut Problems,
    at: &At<'_>,
    raw: &[raw::Passkey<'_>],
) -> Vec<Passkey> {
    problems.count(at, raw.len().max(1), PASSKEYS_MAX);
    let mut found: Vec<Passkey> = Vec::new();
    for (index, passkey) in raw.iter().take(PASSKEYS_MAX).enumerate() {
        let item = at.index(index);
        let id = URL_SAFE_NO_PAD.decode(passkey.id.as_bytes());
        if !id.is_ok_and(|id| (1..=CREDENTIAL_LEN_MAX).contains(&id.len())) {
            let hint = "the credential id as the page for passkeys shows it, in base64url";
            problems.hint(&item.key("id"), "not a credential id", hint);
        }
        if found.iter().any(|earlier| earlier.id == *passkey.id) {
            problems.add(&item.key("id"), "is listed twice".to_owned(), None);
        }
        let is_host =
            |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'.' || b == b'-';
        let rp_id = &*passkey.rp_id;
        if rp_id.is_empty() || rp_id.len() > 253 || !rp_id.bytes().all(is_host) {
            let hint = "the domain of evidence.public_url, in lower case";
            problems.hint(&item.key("rp_id"), "not a domain", hint);
        }
        match passkey.public_key.parse() {
            Ok(public_key) => found.push(Passkey {
                id: passkey.id.to_owned(),
                public_key,
                rp_id: rp_id.to_owned(),
            }),
            Err(error) => problems.hint(
                &item.key("public_key"),
                ife_message::decision::NoPasskeyKey::to_string(&error),
                "copy the line that the page for passkeys shows",
            ),
        }
    }
    found
}
