//! What the registry and the council's key have to do with decisions.

use ife_guard::registry::Status;
use ife_message::{
    Decision, PublicKey,
    decision::{Assurance, Attestation, DecisionError},
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

    /// Whether a decision of an expert is signed by a key that is in force, as its assurance says.
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
            Assurance::Passkey => None,
        };
        key.is_some_and(|key| decision.verify(&key).is_ok())
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
