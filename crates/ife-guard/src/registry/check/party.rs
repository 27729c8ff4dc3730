//! Addresses, keys, sources and transports: the part that experts and councils share.

use base64::{Engine, engine::general_purpose::STANDARD};
use ife_message::{Covered, KeyError, Kid, PublicKey};

use super::super::errors::{At, did_you_mean};
use super::super::limits::{
    AORS_MAX, CALLED_HOST_LEN_MAX, CALLED_USER_LEN_MAX, LEGACY_SIGNERS_MAX, NETWORKS_MAX,
    SIGNERS_MAX,
};
use super::super::{Party, Signer, Status, raw};
use super::unique::Where;
use super::{Checker, Problems};
use crate::Transport;
use crate::network::{Network, NetworkError};
use crate::pattern::{Pattern, PatternError};

/// Returns true for a character of names in a dialplan: any other character of a user part (RFC
/// 3261 25.1) has a meaning there.
fn is_callable(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-' | '+')
}

/// The raw lists of a party.
pub(super) struct Raw<'r> {
    pub(super) aors: &'r [raw::Str<'r>],
    pub(super) signers: &'r [raw::Signer<'r>],
    pub(super) sources: &'r [raw::Str<'r>],
    pub(super) transports: &'r [raw::Str<'r>],
}

impl<'r> Checker<'_, 'r> {
    pub(super) fn party(&mut self, at: &At<'_>, owner: Where, raw: &Raw<'r>) -> Party {
        Party {
            aors: self.aors(&at.key("aors"), owner, raw.aors),
            signers: self.signers(&at.key("signers"), owner, raw.signers),
            sources: sources(self.problems, &at.key("sources"), raw.sources),
            transports: transports(self.problems, &at.key("transports"), raw.transports),
        }
    }

    fn aors(&mut self, at: &At<'_>, owner: Where, raw: &'r [raw::Str<'r>]) -> Vec<Pattern> {
        let raw = self.problems.listed(at, raw, AORS_MAX);
        let mut aors = Vec::with_capacity(raw.len());
        for (index, text) in raw.iter().enumerate() {
            let item = at.index(index);
            match Pattern::parse(text) {
                Ok(pattern) => {
                    self.callable(&item, owner, &pattern);
                    self.seen.aor(self.problems, &item, &pattern, owner, index);
                    aors.push(pattern);
                }
                Err(error) => self.problems.hint(
                    &item,
                    format!("`{}`: {error}", text.escape_debug()),
                    aor_hint(error),
                ),
            }
        }
        aors
    }

    /// Checks an expert's address, which becomes an extension of Asterisk's dialplan.
    fn callable(&mut self, at: &At<'_>, owner: Where, pattern: &Pattern) {
        let Where::Expert(_) = owner else { return };
        let user = [pattern.prefix(), pattern.suffix()].concat();
        if let Some(found) = user.chars().find(|&c| !is_callable(c)) {
            self.problems.hint(
                at,
                format!("an address with `{found}` cannot be called"),
                "write its user part with A-Z, a-z, 0-9 and .-_+ alone",
            );
        } else if user.len() > CALLED_USER_LEN_MAX || pattern.host().len() > CALLED_HOST_LEN_MAX {
            self.problems.hint(
                at,
                "an address as long as this cannot be called",
                format!(
                    "at most {CALLED_USER_LEN_MAX} bytes before the @ and {CALLED_HOST_LEN_MAX} \
                     after it"
                ),
            );
        }
    }

    fn signers(&mut self, at: &At<'_>, owner: Where, raw: &'r [raw::Signer<'r>]) -> Vec<Signer> {
        let raw = self.problems.listed(at, raw, SIGNERS_MAX);
        let mut signers = Vec::with_capacity(raw.len());
        for (index, signer) in raw.iter().enumerate() {
            let item = at.index(index);
            signers.extend(self.signer(&item, owner, index, signer));
        }
        let legacy = raw
            .iter()
            .filter(|s| s.legacy_signature == Some(true))
            .count();
        self.legacy |= legacy > 0;
        if legacy > LEGACY_SIGNERS_MAX {
            self.problems.add(
                at,
                format!("{legacy} signers with legacy_signature are too many"),
                Some(format!("at most {LEGACY_SIGNERS_MAX}")),
            );
        }
        signers
    }

    fn signer(
        &mut self,
        at: &At<'_>,
        owner: Where,
        index: usize,
        raw: &'r raw::Signer<'r>,
    ) -> Option<Signer> {
        let kid_at = at.key("kid");
        if Kid::parse(raw.kid.as_bytes()).map_or(true, |kid| kid.as_str() != &*raw.kid) {
            self.problems.hint(
                &kid_at,
                "not a key id",
                "1 to 64 of A-Z, a-z, 0-9 and ._-, for example council-2026a",
            );
        }
        self.seen
            .kid(self.problems, &kid_at, &raw.kid, owner, index);
        let status = self.status(
            &at.key("status"),
            raw.status.as_deref(),
            &[Status::Active, Status::Suspended, Status::Revoked],
        );
        let validity = self.validity(at, raw.not_before.as_deref(), raw.not_after.as_deref());
        let covers = covers(self.problems, &at.key("covers"), raw.covers.as_deref());
        let public_key = match self.public_key(&raw.public_key) {
            Ok(key) => key,
            Err(error) => {
                // The text is not repeated: it may be a private key by mistake.
                self.problems.hint(
                    &at.key("public_key"),
                    error.to_string(),
                    "copy the line that `ifectl keygen` printed: ed25519:<44 characters>",
                );
                return None;
            }
        };
        let legacy_signature = raw.legacy_signature.unwrap_or(false);
        Some(Signer {
            kid: raw.kid.to_owned(),
            public_key,
            status,
            validity,
            covers,
            legacy_signature,
        })
    }

    /// Parses a key. Decompressing points is most of the cost of loading a long registry.
    fn public_key(&self, text: &str) -> Result<[u8; 32], KeyError> {
        match decode(text) {
            Some(key) if self.known_keys.contains(&key) => Ok(key),
            Some(_) | None => text.parse().map(|key: PublicKey| key.to_bytes()),
        }
    }
}

fn decode(text: &str) -> Option<[u8; 32]> {
    let bytes = STANDARD.decode(text.strip_prefix("ed25519:")?).ok()?;
    bytes.try_into().ok()
}

fn aor_hint(error: PatternError) -> &'static str {
    match error {
        PatternError::Aor(_) => "an address is written sip:user@host",
        PatternError::Stars => "one `*` at most, in the user part, and %2A is the same as `*`",
        PatternError::HostStar => "list each host by itself; only the user part may hold a `*`",
        PatternError::TooLong => "shorten what is before and after the `*`",
        PatternError::NotBare => {
            "leave out port, parameters and brackets: they belong in `contact`"
        }
    }
}

fn covers(problems: &mut Problems, at: &At<'_>, raw: Option<&[raw::Str<'_>]>) -> Covered {
    let Some(raw) = raw else {
        return Covered::BASE_CID_SDP;
    };
    let text = raw.iter().map(|part| &**part).collect::<Vec<_>>().join(",");
    Covered::parse(text.as_bytes()).unwrap_or_else(|_| {
        problems.hint(
            at,
            "not a list of covered parts",
            "[base], [base, cid], [base, sdp] or [base, cid, sdp]",
        );
        Covered::BASE_CID_SDP
    })
}

fn sources(problems: &mut Problems, at: &At<'_>, raw: &[raw::Str<'_>]) -> Vec<Network> {
    let raw = if raw.is_empty() {
        problems.hint(
            at,
            "the list is empty",
            "to allow any address write [\"0.0.0.0/0\", \"::/0\"]",
        );
        raw
    } else {
        problems.listed(at, raw, NETWORKS_MAX)
    };
    let mut networks = Vec::with_capacity(raw.len());
    for (index, text) in raw.iter().enumerate() {
        match Network::parse(text) {
            Ok(network) => networks.push(network),
            Err(error) => {
                let hint = match error {
                    NetworkError::HostBits(network) => format!("did you mean `{network}`?"),
                    NetworkError::Address | NetworkError::PrefixLen { .. } => {
                        "for example 192.0.2.0/24 or 2001:db8::/32".to_owned()
                    }
                };
                problems.hint(
                    &at.index(index),
                    format!("`{}`: {error}", text.escape_debug()),
                    hint,
                );
            }
        }
    }
    networks
}

fn transports(problems: &mut Problems, at: &At<'_>, raw: &[raw::Str<'_>]) -> u8 {
    let raw = problems.listed(at, raw, Transport::ALL.len());
    let mut bits = 0;
    for (index, name) in raw.iter().enumerate() {
        let item = at.index(index);
        match Transport::of(name) {
            Some(transport) if bits & transport.bit() != 0 => problems.add(
                &item,
                format!("`{}` is listed twice", transport.as_str()),
                None,
            ),
            Some(transport) => bits |= transport.bit(),
            None => {
                let names = Transport::ALL.map(Transport::as_str);
                let hint = did_you_mean(name, names).unwrap_or_else(|| names.join(", "));
                problems.hint(
                    &item,
                    format!("unknown transport `{}`", name.escape_debug()),
                    hint,
                );
            }
        }
    }
    bits
}
