//! The decision of a person or guardian about a call: the signed statement, and the bridge's
//! attestation of it (docs/decision.md).

mod attestation;
mod passkey;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use ife_words::{hex, time};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::{
    escalate::OPTION_LEN_MAX,
    ids::{Kid, TraceId},
    ifmessage::is_name,
    json::{self, JsonError},
    key::{BadSignature, PrivateKey, PublicKey},
};

pub use attestation::{Attestation, Record};
pub use passkey::{NoPasskeyKey, Passkey, PasskeyKey, VerifyP256};

/// Version of the statement, its member `v`.
pub const VERSION: &str = "if-decision-v1";
/// Longest statement as JSON, in bytes.
pub const DECISION_LEN_MAX: usize = 16_384;
/// Longest text of a decision, in bytes.
pub const TEXT_LEN_MAX: usize = 4_096;
/// Longest key id: base64url of the longest credential id of WebAuthn, 1023 bytes.
const KID_LEN_MAX: usize = 1_364;
/// Longest member of an assertion of a passkey, in characters of base64url.
const ASSERTION_LEN_MAX: usize = 4_096;
/// The choices when the question offers no options.
pub const CHOICES: [&str; 4] = ["approve", "deny", "modify", "abstain"];

ife_words::words! {
    /// What signed a decision.
    #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
    #[serde(rename_all = "snake_case")]
    pub enum Assurance {
        /// A WebAuthn authenticator that the registry names for the expert.
        Passkey = "passkey",
        /// An Ed25519 key of the registry, or of a guardian.
        Key = "key",
        /// The key of a page in the browser that redeemed the expert's link.
        Link = "link",
        /// Keys pressed on the expert's phone; the bridge signs.
        Phone = "phone",
    }
}

ife_words::words! {
    /// The kind of party that decided.
    #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
    #[serde(rename_all = "snake_case")]
    pub enum Role {
        /// An expert of the registry.
        Expert = "expert",
        /// A guardian of the configuration.
        Guardian = "guardian",
    }
}

/// The signature of a decision; binary values in base64url without padding.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "alg", deny_unknown_fields)]
pub enum Proof {
    /// Ed25519 over [`Decision::signed_bytes`].
    #[serde(rename = "ed25519")]
    Ed25519 {
        /// 64 bytes.
        sig: String,
    },
    /// An assertion of a passkey (WebAuthn level 2, 7.2); its challenge is [`Decision::digest`].
    #[serde(rename = "webauthn")]
    Webauthn {
        /// The authenticator data.
        authenticator_data: String,
        /// The client data, JSON text.
        client_data: String,
        /// The authenticator's signature.
        sig: String,
    },
}

/// A decision. Its signature covers all members but `text`, for which `text_sha256` stands, and
/// itself; so a copy without the text can still be verified.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Decision {
    /// [`VERSION`].
    pub v: String,
    /// The call that was decided about.
    pub call_id: String,
    /// Its trace id.
    pub trace_id: String,
    /// Address of record of the council that asked.
    pub council: String,
    /// The kind of party.
    pub role: Role,
    /// Id of the expert in the registry, or name of the guardian.
    pub party: String,
    /// One of the question's options, or of [`CHOICES`].
    pub choice: String,
    /// SHA-256 of the question, lower-case hex; absent without a question.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub question_sha256: Option<String>,
    /// The party's own words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// SHA-256 of the text, lower-case hex; absent without a text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text_sha256: Option<String>,
    /// When it was signed, RFC 3339.
    pub time: String,
    /// What signs.
    pub assurance: Assurance,
    /// The signing key: its id in the registry, the name of a guardian, the credential id of a
    /// passkey, or `page`.
    pub kid: String,
    /// With `link`: the page's key, `ed25519:<base64>`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub public_key: Option<String>,
    /// The signature; absent in a draft.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signature: Option<Proof>,
}

/// Reasons why bytes are no decision, or not the expected one.
#[derive(Debug, thiserror::Error)]
pub enum DecisionError {
    /// Not a JSON text.
    #[error(transparent)]
    Json(#[from] JsonError),
    /// A member is missing, unknown or of the wrong type.
    #[error("not a decision: {0}")]
    Shape(serde_json::Error),
    /// A member has a forbidden value.
    #[error("{member}: {why}")]
    Member {
        /// Name of the member.
        member: &'static str,
        /// The requirement.
        why: &'static str,
    },
    /// The signature does not verify.
    #[error(transparent)]
    Signature(#[from] BadSignature),
}

impl DecisionError {
    /// Returns a short name, equal in the test vectors and in every implementation.
    pub fn code(&self) -> &'static str {
        match self {
            DecisionError::Json(_) => "json",
            DecisionError::Shape(_) => "shape",
            DecisionError::Member { member, .. } => member,
            DecisionError::Signature(_) => "signature",
        }
    }
}

/// Returns lower-case hex of the SHA-256 of a text.
#[must_use]
pub fn sha256_of(text: &str) -> String {
    hex::text(&Sha256::digest(text))
}

impl Decision {
    /// Parses a signed decision of at most [`DECISION_LEN_MAX`] bytes. Nothing is verified.
    pub fn parse(text: &[u8]) -> Result<Decision, DecisionError> {
        Decision::from_value(json::parse(text, DECISION_LEN_MAX)?)
    }

    /// Takes a value that [`json::parse`] returned.
    pub fn from_value(value: Value) -> Result<Decision, DecisionError> {
        let decision: Decision = serde_json::from_value(value).map_err(DecisionError::Shape)?;
        decision.check()?;
        if decision.signature.is_none() {
            return Err(member("signature", "is missing"));
        }
        Ok(decision)
    }

    /// Checks lengths, characters, hashes, and that the members fit the assurance.
    ///
    /// # Errors
    /// The member and its requirement.
    pub fn check(&self) -> Result<(), DecisionError> {
        if self.v != VERSION {
            return Err(member("v", "must be if-decision-v1"));
        }
        for (name, value) in [
            ("call_id", &self.call_id),
            ("council", &self.council),
            ("party", &self.party),
        ] {
            if !is_name(value) {
                let why = "must be 1 to 256 bytes without control characters";
                return Err(member(name, why));
            }
        }
        let trace_id = TraceId::parse(self.trace_id.as_bytes());
        if !trace_id.is_ok_and(|parsed| parsed.as_str() == self.trace_id) {
            let why = "must be 8 to 128 of [A-Za-z0-9._:-]";
            return Err(member("trace_id", why));
        }
        if !(1..=OPTION_LEN_MAX).contains(&self.choice.len())
            || self.choice.chars().any(char::is_control)
        {
            return Err(member("choice", "must be 1 to 64 bytes in one line"));
        }
        self.check_text()?;
        if self.time.len() > 40 || time::parse_ns(&self.time).is_none() {
            return Err(member("time", "must be a time by RFC 3339"));
        }
        self.check_signer()
    }

    fn check_text(&self) -> Result<(), DecisionError> {
        if self.question_sha256.as_deref().is_some_and(is_not_sha256) {
            let why = "must be SHA-256 in lower-case hex";
            return Err(member("question_sha256", why));
        }
        if self.text.as_deref().is_some_and(|text| !is_text(text)) {
            let why = "must be 1 to 4096 bytes without control characters but line breaks and tabs";
            return Err(member("text", why));
        }
        let hash = self.text_sha256.as_deref();
        let is_right = match (&self.text, hash) {
            (Some(text), Some(hash)) => sha256_of(text) == hash,
            (Some(_), None) => false,
            (None, hash) => hash.is_none_or(|hash| !is_not_sha256(hash)),
        };
        if !is_right {
            let why = "must be the SHA-256 of text in lower-case hex";
            return Err(member("text_sha256", why));
        }
        Ok(())
    }

    fn check_signer(&self) -> Result<(), DecisionError> {
        if self.role == Role::Guardian && self.assurance != Assurance::Key {
            return Err(member("assurance", "of a guardian must be key"));
        }
        let is_passkey = self.assurance == Assurance::Passkey;
        let is_kid = match self.assurance {
            Assurance::Passkey => {
                self.kid.len() <= KID_LEN_MAX
                    && URL_SAFE_NO_PAD
                        .decode(&self.kid)
                        .is_ok_and(|id| !id.is_empty())
            }
            Assurance::Key if self.role == Role::Guardian => is_name(&self.kid),
            Assurance::Key | Assurance::Link | Assurance::Phone => {
                Kid::parse(self.kid.as_bytes()).is_ok_and(|kid| kid.as_str() == self.kid)
            }
        };
        if !is_kid {
            return Err(member(
                "kid",
                "must be a key id, or base64url of a passkey's",
            ));
        }
        let key = self.public_key.as_deref().map(str::parse::<PublicKey>);
        let is_key = match (self.assurance, key) {
            (Assurance::Link, Some(key)) => key.is_ok(),
            (Assurance::Passkey | Assurance::Key | Assurance::Phone, None) => true,
            (Assurance::Link, None)
            | (Assurance::Passkey | Assurance::Key | Assurance::Phone, Some(_)) => false,
        };
        if !is_key {
            let why = "must be ed25519:<base64> with assurance link, and absent otherwise";
            return Err(member("public_key", why));
        }
        let is_proof = match &self.signature {
            None => true,
            Some(Proof::Ed25519 { sig }) => !is_passkey && decode64(sig).is_some(),
            Some(Proof::Webauthn {
                authenticator_data,
                client_data,
                sig,
            }) => {
                let is_bounded = |text: &&String| {
                    text.len() <= ASSERTION_LEN_MAX && URL_SAFE_NO_PAD.decode(text).is_ok()
                };
                is_passkey
                    && [authenticator_data, client_data, sig]
                        .iter()
                        .all(is_bounded)
            }
        };
        if !is_proof {
            let why = "must be ed25519 with 64 bytes, or webauthn with assurance passkey";
            return Err(member("signature", why));
        }
        Ok(())
    }

    /// Returns the bytes that the signature covers: the canonical form (RFC 8785) of all members
    /// but `text` and `signature`.
    pub fn signed_bytes(&self) -> Result<Vec<u8>, DecisionError> {
        let bare = Decision {
            text: None,
            signature: None,
            ..self.clone()
        };
        Ok(json::canonical(&bare)?)
    }

    /// Returns the SHA-256 of [`Decision::signed_bytes`]: the name of this decision in the log, in
    /// the attestation, and the challenge of a passkey.
    pub fn digest(&self) -> Result<[u8; 32], DecisionError> {
        Ok(Sha256::digest(self.signed_bytes()?).into())
    }

    /// Signs by Ed25519. `kid` must name the key already.
    pub fn sign(&mut self, key: &PrivateKey) -> Result<(), DecisionError> {
        self.signature = None;
        self.check()?;
        let sig = URL_SAFE_NO_PAD.encode(key.sign(&self.signed_bytes()?));
        self.signature = Some(Proof::Ed25519 { sig });
        Ok(())
    }

    /// Verifies an Ed25519 signature. The caller chooses the key by assurance, party and kid.
    pub fn verify(&self, key: &PublicKey) -> Result<(), DecisionError> {
        self.check()?;
        let Some(Proof::Ed25519 { sig }) = &self.signature else {
            return Err(BadSignature.into());
        };
        let sig = decode64(sig).ok_or(BadSignature)?;
        Ok(key.verify_strict(&self.signed_bytes()?, &sig)?)
    }
}

fn member(member: &'static str, why: &'static str) -> DecisionError {
    DecisionError::Member { member, why }
}

fn is_not_sha256(text: &str) -> bool {
    text.len() != 64 || !text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
}

fn decode64(text: &str) -> Option<[u8; 64]> {
    URL_SAFE_NO_PAD.decode(text).ok()?.try_into().ok()
}

/// Returns whether a person sees the text as it is; it may have lines.
fn is_text(text: &str) -> bool {
    let is_hidden = |c: char| {
        (c.is_control() && c != '\n' && c != '\t')
            || matches!(c, '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
    };
    (1..=TEXT_LEN_MAX).contains(&text.len()) && !text.chars().any(is_hidden)
}
