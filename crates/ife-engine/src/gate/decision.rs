//! The registry and the council's key in decisions.

use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1, UnparsedPublicKey};
use ife_guard::registry::Status;
use ife_message::{
    Decision, PublicKey,
    decision::{Assurance, Attestation, DecisionError, Passkey},
};

use super::Gate;

impl Gate {
    /// Id of the council's key that this bridge signs by.
    pub fn kid(&self) -> &str {
        self.key.name()
    }

    /// Kinds of signature that are enough for decisions about a hazard; none for an unknown one.
    pub fn assurances(&self, hazard: &str) -> &[Assurance] {
        let mut hazards = self.loaded.registry.hazards.iter();
        let known = hazards.find(|known| known.name == hazard);
        known.map_or(&[], |hazard| &hazard.decision_assurance)
    }

    /// Whether a decision of an expert is signed by a key that is in force, as its assurance
    /// demands.
    pub fn is_signed_by_expert(&self, decision: &Decision, now_s: u64) -> bool {
        let expert = self
            .expert(&decision.party)
            .filter(|expert| expert.status == Status::Active && expert.validity.includes(now_s));
        let Some(expert) = expert else {
            return false;
        };
        let key = match decision.assurance {
            Assurance::Key => {
                let mut signers = expert.party.signers.iter();
                let signer = signers.find(|signer| {
                    signer.kid == decision.kid
                        && signer.status == Status::Active
                        && signer.validity.includes(now_s)
                });
                signer.and_then(|signer| PublicKey::from_bytes(&signer.public_key).ok())
            }
            Assurance::Link => decision
                .public_key
                .as_deref()
                .and_then(|key| key.parse().ok()),
            Assurance::Phone => Some(self.key.public_key()),
            Assurance::Passkey => {
                let mut passkeys = expert.passkeys.iter();
                let passkey = passkeys.find(|passkey| passkey.id == decision.kid);
                return passkey
                    .is_some_and(|passkey| decision.verify_passkey(passkey, p256).is_ok());
            }
        };
        key.is_some_and(|key| decision.verify(&key).is_ok())
    }

    /// The passkeys of an expert.
    pub fn passkeys(&self, expert: &str) -> &[Passkey] {
        self.expert(expert).map_or(&[], |expert| &expert.passkeys)
    }

    /// Signs a decision that was made by keys of a phone.
    ///
    /// # Errors
    /// A member that no decision may have.
    pub fn sign_decision(&self, decision: &mut Decision) -> Result<(), DecisionError> {
        decision.sign(&self.key)
    }

    /// Attests a decision that is taken.
    ///
    /// # Errors
    /// It has no canonical form.
    pub fn attest(
        &self,
        decision: &Decision,
        received: String,
    ) -> Result<Attestation, DecisionError> {
        Attestation::of(decision, received, &self.key)
    }
}

/// Verifies ECDSA over P-256, see [`ife_message::decision::VerifyP256`].
fn p256(point: &[u8], message: &[u8], sig: &[u8]) -> bool {
    let key = UnparsedPublicKey::new(&ECDSA_P256_SHA256_ASN1, point);
    key.verify(message, sig).is_ok()
}
