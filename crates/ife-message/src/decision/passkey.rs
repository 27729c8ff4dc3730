//! Passkeys: authenticators whose assertion signs a decision (WebAuthn level 2).

use std::{fmt, str::FromStr};

use base64::{
    Engine,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::{ASSERTION_LEN_MAX, Decision, DecisionError, Proof, member};
use crate::{json, key::BadSignature, key::PublicKey};

/// Flags of the authenticator data (6.1): user present, user verified, attested credential data.
const PRESENT: u8 = 1;
const VERIFIED: u8 = 1 << 2;
const ATTESTED: u8 = 1 << 6;
/// Bytes of authenticator data without extensions.
const DATA_LEN_MIN: usize = 37;

/// Verifies ECDSA over P-256 with SHA-256: the uncompressed point, the message, the signature in
/// DER.
pub type VerifyP256 = fn(&[u8], &[u8], &[u8]) -> bool;

/// A passkey that an operator enrolled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Passkey {
    /// Credential id, base64url.
    pub id: String,
    /// Its public key.
    pub public_key: PasskeyKey,
    /// The domain that it is bound to.
    pub rp_id: String,
}

/// The public key of a passkey: `es256:<base64 of the uncompressed point>` or
/// `ed25519:<base64>`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PasskeyKey {
    /// A point of P-256, uncompressed.
    Es256([u8; 65]),
    /// A key for Ed25519.
    Ed25519(PublicKey),
}

/// The text is no public key of a passkey.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a passkey's public key is es256:<base64 of 65 bytes> or ed25519:<base64 of 32 bytes>")]
pub struct NoPasskeyKey;

impl FromStr for PasskeyKey {
    type Err = NoPasskeyKey;

    fn from_str(text: &str) -> Result<PasskeyKey, NoPasskeyKey> {
        let Some(encoded) = text.strip_prefix("es256:") else {
            let key = text.parse().map_err(|_| NoPasskeyKey)?;
            return Ok(PasskeyKey::Ed25519(key));
        };
        let bytes = STANDARD.decode(encoded).map_err(|_| NoPasskeyKey)?;
        let point: [u8; 65] = bytes.try_into().map_err(|_| NoPasskeyKey)?;
        if point[0] != 4 {
            return Err(NoPasskeyKey);
        }
        Ok(PasskeyKey::Es256(point))
    }
}

impl fmt::Display for PasskeyKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            PasskeyKey::Es256(point) => write!(f, "es256:{}", STANDARD.encode(point)),
            PasskeyKey::Ed25519(key) => key.fmt(f),
        }
    }
}

impl Decision {
    /// Verifies an assertion (7.2): made by this passkey, by a verified user, at a page of its
    /// domain, for this decision.
    pub fn verify_passkey(&self, passkey: &Passkey, p256: VerifyP256) -> Result<(), DecisionError> {
        self.check()?;
        let Some(Proof::Webauthn {
            authenticator_data,
            client_data,
            sig,
        }) = &self.signature
        else {
            return Err(BadSignature.into());
        };
        if self.kid != passkey.id {
            return Err(member("kid", "is not that of the passkey"));
        }
        let decode = |text: &String| URL_SAFE_NO_PAD.decode(text).map_err(|_| BadSignature);
        let (data, client) = (decode(authenticator_data)?, decode(client_data)?);
        self.check_client(&client, &passkey.rp_id)?;
        check_data(&data, &passkey.rp_id)?;
        let signed = [data.as_slice(), &Sha256::digest(&client)].concat();
        let sig = decode(sig)?;
        let is_good = match &passkey.public_key {
            PasskeyKey::Es256(point) => p256(point, &signed, &sig),
            PasskeyKey::Ed25519(key) => {
                <[u8; 64]>::try_from(sig).is_ok_and(|sig| key.verify_strict(&signed, &sig).is_ok())
            }
        };
        is_good.then_some(()).ok_or(BadSignature.into())
    }

    fn check_client(&self, client: &[u8], rp_id: &str) -> Result<(), DecisionError> {
        let client = json::parse(client, ASSERTION_LEN_MAX)?;
        let text = |name: &str| client.get(name).and_then(Value::as_str);
        if text("type") != Some("webauthn.get") {
            return Err(member("signature.client_data", "is not of an assertion"));
        }
        if text("challenge") != Some(&URL_SAFE_NO_PAD.encode(self.digest()?)) {
            return Err(member("signature.client_data", "is for another decision"));
        }
        let is_framed = client
            .get("crossOrigin")
            .is_some_and(|framed| *framed != Value::Bool(false));
        if is_framed || !text("origin").is_some_and(|origin| is_origin_of(origin, rp_id)) {
            return Err(member("signature.client_data", "is of another origin"));
        }
        Ok(())
    }
}

fn check_data(data: &[u8], rp_id: &str) -> Result<(), DecisionError> {
    let wrong = |why| Err(member("signature.authenticator_data", why));
    let (Some(hash), Some(flags)) = (data.get(..32), data.get(32)) else {
        return wrong("is too short");
    };
    if data.len() < DATA_LEN_MIN || flags & ATTESTED != 0 {
        return wrong("is not of an assertion");
    }
    if hash != Sha256::digest(rp_id).as_slice() {
        return wrong("is for another domain");
    }
    if flags & PRESENT == 0 || flags & VERIFIED == 0 {
        return wrong("does not say that a verified person was present");
    }
    Ok(())
}

/// Whether an origin is https at the domain or below it, or http at `localhost`.
fn is_origin_of(origin: &str, rp_id: &str) -> bool {
    let is_local = rp_id == "localhost";
    let rest = origin
        .strip_prefix("https://")
        .or_else(|| origin.strip_prefix("http://").filter(|_| is_local));
    let Some(rest) = rest else { return false };
    let host = match rest.split_once(':') {
        Some((host, port)) if port.parse::<u16>().is_ok() => host,
        Some(_) => return false,
        None => rest,
    };
    let is_host = host
        .bytes()
        .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-'));
    let below = host.strip_suffix(rp_id);
    is_host && below.is_some_and(|below| below.is_empty() || below.ends_with('.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_origin_belongs_to_its_domain_alone() {
        let cases = [
            ("https://bridge.example", "bridge.example", true),
            ("https://bridge.example:8443", "bridge.example", true),
            ("https://a.bridge.example", "bridge.example", true),
            ("http://localhost:8080", "localhost", true),
            ("http://bridge.example", "bridge.example", false),
            ("https://evilbridge.example", "bridge.example", false),
            ("https://bridge.example.evil.org", "bridge.example", false),
            ("https://evil.org/bridge.example", "bridge.example", false),
            ("https://evil.org:x@bridge.example", "bridge.example", false),
            ("https://evil.org#bridge.example", "bridge.example", false),
            ("null", "bridge.example", false),
        ];
        for (origin, rp_id, wanted) in cases {
            assert_eq!(is_origin_of(origin, rp_id), wanted, "{origin}");
        }
    }
}
