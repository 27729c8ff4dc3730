//! The registry file: who may call whom, by which key, from where and how often.

mod channel;
mod check;
mod chunks;
mod describe;
mod errors;
mod events;
mod locate;
mod raw;
mod schema;

use std::collections::HashSet;

use ife_message::{
    Covered,
    decision::{Assurance, Passkey},
};
use ife_words::Acceptance;

use crate::network::Network;
use crate::pattern::Pattern;

pub use channel::Channel;
pub use errors::{ERRORS_MAX, RegistryError, RegistryErrors};

/// Limits of one registry. A larger one is refused with an error that names the limit.
pub mod limits {
    /// Bytes of a registry file.
    pub const FILE_LEN_MAX: u64 = 512 << 20;
    /// Hazards.
    pub const HAZARDS_MAX: usize = 256;
    /// Experts.
    pub const EXPERTS_MAX: usize = 1_000_000;
    /// Councils.
    pub const COUNCILS_MAX: usize = 1_000;
    /// Addresses of one party.
    pub const AORS_MAX: usize = 1_000;
    /// Longest user part of an expert's address, in bytes: it is dialled.
    pub const CALLED_USER_LEN_MAX: usize = 80;
    /// Longest host of an expert's address, in bytes.
    pub const CALLED_HOST_LEN_MAX: usize = 160;
    /// Signers of one party.
    pub const SIGNERS_MAX: usize = 64;
    /// Signers of one party that may use the legacy form, which names no key: each of them is
    /// tried.
    pub const LEGACY_SIGNERS_MAX: usize = 4;
    /// Passkeys of one expert.
    pub const PASSKEYS_MAX: usize = 16;
    /// Networks of one party.
    pub const NETWORKS_MAX: usize = 256;
    /// Bytes of an expert's id.
    pub const ID_LEN_MAX: usize = 128;
    /// Bytes of a name or description.
    pub const NAME_LEN_MAX: usize = 128;
    /// Bytes of a contact.
    pub const CONTACT_LEN_MAX: usize = 256;
    /// Ways to notify one expert of a call.
    pub const CHANNELS_MAX: usize = 4;
    /// Bytes of a webhook's URL.
    pub const URL_LEN_MAX: usize = 1_024;
    /// Widest freshness window, seconds.
    pub const FRESHNESS_S_MAX: u32 = 3_600;
    /// Longest lease of an answered call, seconds (a week).
    pub const CALL_S_MAX: u32 = 604_800;
}

/// A checked registry: every reference resolves, ids and addresses are unique, keys are usable.
#[derive(Clone, Debug, PartialEq)]
pub struct Registry {
    /// How far `iat` may be from now, either way, seconds.
    pub freshness_s: u32,
    /// Token bucket of each source address.
    pub flood: Flood,
    /// File of trace ids spent by legacy signatures; present if any signer has the legacy form.
    pub legacy_store: Option<String>,
    /// Hazards, in file order; others refer to them by index.
    pub hazards: Vec<Hazard>,
    /// Councils, in file order.
    pub councils: Vec<Council>,
    /// Experts, in file order.
    pub experts: Vec<Expert>,
    /// Index of the expert for hazards that no expert lists.
    pub default_expert: Option<usize>,
}

/// Token bucket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Flood {
    /// Tokens gained per second.
    pub rate_per_s: u32,
    /// Most tokens held.
    pub burst: u32,
}

/// A category of danger.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hazard {
    /// 1 to 32 of `[a-z0-9_-]`.
    pub name: String,
    /// For people.
    pub description: Option<String>,
    /// What may sign a decision about it; at least one.
    pub decision_assurance: Vec<Assurance>,
    /// How experts accept calls about it, unless they have a rule of their own.
    pub acceptance: Option<Acceptance>,
}

/// The members that experts and councils share.
#[derive(Clone, Debug, PartialEq)]
pub struct Party {
    /// Addresses, exact or globs.
    pub aors: Vec<Pattern>,
    /// Keys that sign for this party.
    pub signers: Vec<Signer>,
    /// Networks that this party calls from.
    pub sources: Vec<Network>,
    /// Bits of [`crate::Transport`] that this party calls over.
    pub(crate) transports: u8,
}

impl Party {
    /// Returns whether this party may call over this transport.
    pub fn allows(&self, transport: crate::Transport) -> bool {
        self.transports & transport.bit() != 0
    }
}

/// A council: a domain of the operator and its conference addresses.
#[derive(Clone, Debug, PartialEq)]
pub struct Council {
    /// Lower-case host name. Unknown users of it are answered 404.
    pub domain: String,
    /// Addresses, keys, sources, transports.
    pub party: Party,
}

/// An external advisor.
#[derive(Clone, Debug, PartialEq)]
pub struct Expert {
    /// Unique id, for example `expert-safety@external.advisor`.
    pub id: String,
    /// For people; the id if not given.
    pub name: String,
    /// SIP URI of calls to this expert; without it they go to the address that was called.
    pub contact: Option<String>,
    /// Indices into [`Registry::hazards`], ascending.
    pub hazards: Vec<u8>,
    /// Whether the expert takes part.
    pub status: Status,
    /// When the expert takes part.
    pub validity: Validity,
    /// Limits.
    pub quota: Quota,
    /// How the expert accepts calls of any hazard.
    pub acceptance: Option<Acceptance>,
    /// Ways to notify the expert of a call, beside the phone.
    pub notify: Vec<Channel>,
    /// Authenticators that sign decisions.
    pub passkeys: Vec<Passkey>,
    /// Addresses, keys, sources, transports.
    pub party: Party,
}

/// A public key that signs for a party.
#[derive(Clone, Debug, PartialEq)]
pub struct Signer {
    /// Key id, unique in the registry.
    pub kid: String,
    /// The key, accepted by [`ife_message::PublicKey::from_bytes`].
    pub public_key: [u8; 32],
    /// Whether the key is in use.
    pub status: Status,
    /// When the key is valid.
    pub validity: Validity,
    /// Parts that its signatures must cover at least.
    pub covers: Covered,
    /// Whether the form of the earlier contract is accepted.
    pub legacy_signature: bool,
}

ife_words::words! {
    /// Standing of an expert or a key.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    #[repr(u8)]
    pub enum Status {
        /// Takes part.
        Active(0) = "active",
        /// Does not take part for now.
        Suspended(1) = "suspended",
        /// Never takes part again; keys only.
        Revoked(2) = "revoked",
    }
}

/// A period, both ends included, Unix seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Validity {
    /// First second; 0 when open.
    pub not_before: u64,
    /// Last second; `u64::MAX` when open.
    pub not_after: u64,
}

impl Validity {
    /// Returns whether an instant, Unix seconds, is within the period.
    #[must_use]
    pub fn includes(&self, unix_s: u64) -> bool {
        (self.not_before..=self.not_after).contains(&unix_s)
    }
}

/// Limits of one expert.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quota {
    /// Calls that may start within 60 s.
    pub per_minute: u32,
    /// Calls under way at once.
    pub concurrent: u32,
    /// Longest time that an answered call keeps its slot if its end is never seen, seconds.
    pub max_call_s: u32,
}

impl Registry {
    /// Returns the expert with this id.
    pub fn expert(&self, id: &str) -> Option<&Expert> {
        self.experts.iter().find(|expert| expert.id == id)
    }

    /// Returns the expert to call about a hazard: the first active one that lists it, otherwise the
    /// default expert for a hazard that no expert lists. `None` for an unknown hazard and for one
    /// whose experts are all suspended.
    pub fn expert_for_hazard(&self, name: &str) -> Option<&Expert> {
        let index = self.hazards.iter().position(|h| h.name == name)?;
        let mut listing = self
            .experts
            .iter()
            .filter(|e| e.hazards.iter().any(|h| usize::from(*h) == index))
            .peekable();
        if listing.peek().is_none() {
            return self.default_expert.and_then(|i| self.experts.get(i));
        }
        listing.find(|e| e.status == Status::Active)
    }

    /// Returns how this expert accepts a call about this hazard: by the expert's own rule, else by
    /// the hazard's, else by key.
    #[must_use]
    pub fn acceptance(&self, expert: &Expert, hazard: &str) -> Acceptance {
        let of_hazard = || self.hazards.iter().find(|h| h.name == hazard)?.acceptance;
        expert.acceptance.or_else(of_hazard).unwrap_or_default()
    }

    /// Returns the names of the hazards that an expert lists.
    pub fn hazard_names<'a>(&'a self, expert: &'a Expert) -> impl Iterator<Item = &'a str> {
        expert
            .hazards
            .iter()
            .filter_map(|h| self.hazards.get(usize::from(*h)))
            .map(|h| h.name.as_str())
    }
}

/// Parses and checks a registry.
///
/// `file_name` is for the errors only: `file:line:column: path: what (hint)`, as many as are found
/// at once, at most [`ERRORS_MAX`].
pub fn load(yaml: &str, file_name: &str) -> Result<Registry, RegistryErrors> {
    reload(yaml, file_name, &HashSet::new())
}

/// Loads like [`load`], to replace a registry in force, whose image has `known_keys`. These are not
/// checked again, which halves the time for a long list of experts.
pub fn reload(
    yaml: &str,
    file_name: &str,
    known_keys: &HashSet<[u8; 32]>,
) -> Result<Registry, RegistryErrors> {
    // A byte order mark may begin a text (YAML 1.2, 5.2) and has no meaning in UTF-8.
    let yaml = yaml.strip_prefix('\u{feff}').unwrap_or(yaml);
    if let Some(line) = raw::excess_directive(yaml) {
        return Err(describe::excess_directive(file_name, line));
    }
    let mut head = String::new();
    let raw = match raw::parse(yaml, &mut head) {
        Ok(raw) => raw,
        Err(syntax) => return Err(describe::structure(yaml, file_name, &syntax)),
    };
    check::check(&raw, known_keys).map_err(|problems| describe::problems(yaml, file_name, problems))
}
