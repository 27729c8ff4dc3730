//! A registry that was read, compiled and checked for this bridge.

use std::path::Path;

use ife_ami::value::{SipHost, SipUser, ValueError};
use ife_call::Acceptance;
use ife_guard::{
    Image, Registry, image,
    registry::{self, Expert},
};
use ife_message::{Aor, Covered, PrivateKey};

use super::{GateError, Means};

pub(super) struct Loaded {
    pub(super) registry: Registry,
    image: Vec<u8>,
}

impl Loaded {
    pub(super) fn read(
        path: &Path,
        yaml: &str,
        caller: &Aor,
        key: &PrivateKey,
    ) -> Result<Loaded, GateError> {
        let registry = registry::load(yaml, &path.to_string_lossy())?;
        let image = image::compile(&registry).map_err(|_| GateError::Compile {
            path: path.to_owned(),
        })?;
        let loaded = Loaded { registry, image };
        loaded
            .check(caller, key)
            .map_err(|why| GateError::NotOurs {
                path: path.to_owned(),
                why,
            })?;
        Ok(loaded)
    }

    pub(super) fn image(&self) -> Result<Image<'_>, image::ImageError> {
        Image::open_trusted(&self.image)
    }

    /// Checks that experts can accept by the means that the registry names.
    pub(super) fn check_means(&self, path: &Path, means: Means) -> Result<(), GateError> {
        for expert in &self.registry.experts {
            for hazard in &self.registry.hazards {
                let lacks = match self.registry.acceptance(expert, &hazard.name) {
                    Acceptance::None => None,
                    Acceptance::Key | Acceptance::Page if !means.speech => Some("speech"),
                    Acceptance::Page if !means.pages => Some("evidence"),
                    Acceptance::Key | Acceptance::Page => None,
                };
                if let Some(section) = lacks {
                    return Err(GateError::NoMeans {
                        path: path.to_owned(),
                        expert: expert.id.clone(),
                        hazard: hazard.name.clone(),
                        section,
                    });
                }
            }
        }
        Ok(())
    }

    /// The first address that is exact, or else the id where it is an address of this expert.
    pub(super) fn address_of(&self, expert: &Expert) -> Option<Aor> {
        let exact = expert.party.aors.iter().find(|aor| !aor.is_glob());
        let uri = exact.map_or_else(
            || format!("sip:{}", expert.id),
            |aor| aor.as_str().to_owned(),
        );
        let aor = Aor::parse(uri.as_bytes()).ok()?;
        let party = self.image().ok()?.party_of(&aor)?.id().to_owned();
        (party == expert.id).then_some(aor)
    }

    /// Checks every address that the gateway is to dial, and the one that calls come from, so that
    /// none fails with the first call only.
    fn check_dialled(&self, caller: &Aor) -> Result<(), String> {
        let told = |whose: &str, aor: &Aor| {
            check_dialled(aor).map_err(|why| {
                format!(
                    "{whose} {aor} cannot be dialled: {why}; \
                     write its user part with A-Z, a-z, 0-9 and .-_+ alone"
                )
            })
        };
        told("council.aor", caller)?;
        self.registry.experts.iter().try_for_each(|expert| {
            let whose = format!("expert {}: the address", expert.id);
            self.address_of(expert)
                .map_or(Ok(()), |aor| told(&whose, &aor))
        })
    }

    /// Checks that the bridge is a council's, signs by one of its keys, and can sign all that this
    /// key must cover.
    fn check(&self, caller: &Aor, key: &PrivateKey) -> Result<(), String> {
        let image = Image::open(&self.image).map_err(|error| error.to_string())?;
        let party = image
            .party_of(caller)
            .filter(|party| party.kind() == image::PartyKind::Council)
            .ok_or_else(|| format!("{caller} (council.aor) is no council address"))?;
        let signer = party
            .signer(key.name())
            .filter(|signer| signer.public_key() == key.public_key().to_bytes())
            .ok_or_else(|| {
                format!(
                    "council {} has no signer {} with the public key of council.signing_key",
                    party.id(),
                    key.name()
                )
            })?;
        if !Covered::BASE.includes(signer.covers()) {
            return Err(format!(
                "signer {} must have covers: [base]: \
                 Asterisk makes Call-ID and SDP after the bridge has signed",
                key.name()
            ));
        }
        self.check_dialled(caller)
    }
}

fn check_dialled(aor: &Aor) -> Result<(), ValueError> {
    SipUser::parse(aor.user())?;
    SipHost::parse(aor.host())?;
    Ok(())
}
