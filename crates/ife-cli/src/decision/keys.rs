//! The public keys that decisions are verified by.

use std::path::Path;

use ife_guard::{
    Registry,
    registry::{Expert, Signer, Status},
};
use ife_message::{PublicKey, decision::Passkey};

use crate::{Failure, registry};

/// Keys of a registry and of the command line.
pub(super) struct Keys {
    registry: Option<Registry>,
    given: Vec<(String, PublicKey)>,
}

impl Keys {
    pub(super) fn new(
        registry: Option<&Path>,
        given: &[(String, PublicKey)],
    ) -> Result<Keys, Failure> {
        if registry.is_none() && given.is_empty() {
            return Err(Failure::usage(
                "--registry or --public-key is needed: the keys to verify by",
            ));
        }
        Ok(Keys {
            registry: registry.map(registry::load).transpose()?,
            given: given.to_vec(),
        })
    }

    /// A key of the command line.
    pub(super) fn given(&self, kid: &str) -> Option<PublicKey> {
        let mut given = self.given.iter();
        given.find(|(known, _)| known == kid).map(|(_, key)| *key)
    }

    /// The key of a council.
    pub(super) fn council(&self, kid: &str, at_s: u64) -> Result<PublicKey, String> {
        if let Some(key) = self.given(kid) {
            return Ok(key);
        }
        let councils = self
            .registry
            .iter()
            .flat_map(|registry| &registry.councils)
            .flat_map(|council| &council.party.signers);
        usable(councils, kid, at_s).map_err(|why| format!("council key {kid}: {why}"))
    }

    /// A key of an expert.
    pub(super) fn expert(&self, id: &str, kid: &str, at_s: u64) -> Result<PublicKey, String> {
        if let Some(key) = self.given(kid) {
            return Ok(key);
        }
        let expert = self.known(id, at_s)?;
        usable(expert.party.signers.iter(), kid, at_s)
            .map_err(|why| format!("expert {id}, key {kid}: {why}"))
    }

    /// A passkey of an expert.
    pub(super) fn passkey(&self, id: &str, kid: &str, at_s: u64) -> Result<&Passkey, String> {
        let mut passkeys = self.known(id, at_s)?.passkeys.iter();
        let passkey = passkeys.find(|passkey| passkey.id == kid);
        passkey.ok_or_else(|| format!("expert {id}: the registry has no such passkey"))
    }

    fn known(&self, id: &str, at_s: u64) -> Result<&Expert, String> {
        let registry = self.registry.as_ref();
        let expert = registry.and_then(|registry| registry.expert(id));
        let expert = expert.ok_or_else(|| format!("expert {id}: not in the registry"))?;
        if !expert.validity.includes(at_s) {
            return Err(format!("expert {id}: not valid at that time"));
        }
        Ok(expert)
    }
}

/// The key of this id, if it may have signed then. One that is suspended today may have.
fn usable<'a>(
    mut signers: impl Iterator<Item = &'a Signer>,
    kid: &str,
    at_s: u64,
) -> Result<PublicKey, String> {
    let signer = signers
        .find(|signer| signer.kid == kid)
        .ok_or("not among the keys given")?;
    if signer.status == Status::Revoked {
        return Err("revoked".to_owned());
    }
    if !signer.validity.includes(at_s) {
        return Err("not valid at that time".to_owned());
    }
    PublicKey::from_bytes(&signer.public_key).map_err(|error| error.to_string())
}
