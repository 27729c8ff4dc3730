//! The bridge's word for a decision that it took.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use ife_words::{hex, time};
use serde::{Deserialize, Serialize};

use super::{Assurance, Decision, DecisionError, decode64, member};
use crate::{
    json,
    key::{BadSignature, PrivateKey, PublicKey},
};

/// Version of the attestation, its member `v`.
const VERSION: &str = "if-decision-attestation-v1";

/// The bridge attests: this decision came when it may, by this means, and was taken. Signed by the
/// council's key, which the registry names.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Attestation {
    /// `if-decision-attestation-v1`.
    pub v: String,
    /// Address of record of the council.
    pub council: String,
    /// [`Decision::digest`], lower-case hex.
    pub decision_sha256: String,
    /// What signed the decision, as the bridge checked it.
    pub assurance: Assurance,
    /// When it came, RFC 3339.
    pub received: String,
    /// Id of the council's key.
    pub kid: String,
    /// Ed25519 over the canonical form of the other members, base64url.
    pub sig: String,
}

impl Attestation {
    /// Attests a decision that was checked.
    pub fn of(
        decision: &Decision,
        received: String,
        key: &PrivateKey,
    ) -> Result<Attestation, DecisionError> {
        let mut attestation = Attestation {
            v: VERSION.to_owned(),
            council: decision.council.clone(),
            decision_sha256: hex::text(&decision.digest()?),
            assurance: decision.assurance,
            received,
            kid: key.name().to_owned(),
            sig: String::new(),
        };
        attestation.sig = URL_SAFE_NO_PAD.encode(key.sign(&attestation.signed_bytes()?));
        Ok(attestation)
    }

    /// Returns the bytes that the signature covers: the canonical form of all members but `sig`.
    pub fn signed_bytes(&self) -> Result<Vec<u8>, DecisionError> {
        let mut value = serde_json::to_value(self).map_err(DecisionError::Shape)?;
        if let Some(members) = value.as_object_mut() {
            members.remove("sig");
        }
        Ok(json::canonical(&value)?)
    }
}

/// A decision with its attestation: all that a third party needs besides public keys.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Record {
    /// The statement.
    pub decision: Decision,
    /// The bridge's word for it.
    pub attestation: Attestation,
}

impl Record {
    /// Checks that the attestation is about this decision and verifies by the council's key.
    pub fn verify_attestation(&self, key: &PublicKey) -> Result<(), DecisionError> {
        let (decision, attestation) = (&self.decision, &self.attestation);
        decision.check()?;
        if attestation.v != VERSION {
            return Err(member(
                "attestation.v",
                "must be if-decision-attestation-v1",
            ));
        }
        if attestation.decision_sha256 != hex::text(&decision.digest()?)
            || attestation.assurance != decision.assurance
            || attestation.council != decision.council
        {
            return Err(member("attestation", "is about another decision"));
        }
        if time::parse_ns(&attestation.received).is_none() {
            return Err(member("attestation.received", "must be a time by RFC 3339"));
        }
        let sig = decode64(&attestation.sig).ok_or(BadSignature)?;
        Ok(key.verify_strict(&attestation.signed_bytes()?, &sig)?)
    }
}
