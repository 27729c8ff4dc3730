//! The compiled registry: one run of bytes that every worker maps without parsing.
//!
//! Little endian, no pointers, so it is valid at any address. A look-up is a hash probe and a
//! comparison: it allocates nothing and its cost does not depend on the number of experts. The
//! parts of one party lie together, so that a decision touches few cache lines. All reads are
//! checked: on damaged bytes a look-up may find nothing or a wrong record, but never panics, loops
//! or reads elsewhere. [`Image::open`] checks once that the bytes are whole.

mod compile;
mod folded;
mod layout;
mod party;

use std::collections::HashSet;
use std::hint::black_box;
use std::ops::ControlFlow;

use ife_message::Aor;
use sha2::{Digest, Sha256};

use crate::registry::Flood;
use layout::{Table, bytes_at, hash, hash_glob, u16_at, u32_at, u64_at};

pub use compile::{CompileError, compile, compile_for};
pub(crate) use folded::Folded;
pub use party::{Party, PartyKind, SignerKey};

/// A view of image bytes. Cheap to make and to copy.
#[derive(Clone, Copy, Debug)]
pub struct Image<'a> {
    bytes: &'a [u8],
    head: layout::Head,
}

/// Errors of opening an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ImageError {
    /// The bytes are no image.
    #[error("not a compiled registry")]
    Magic,
    /// Another version of this library wrote it.
    #[error(
        "a compiled registry of format {found}, this library reads {}",
        layout::FORMAT
    )]
    Format {
        /// The format number.
        found: u32,
    },
    /// The image is cut short or has bytes added.
    #[error("a compiled registry of {expected} bytes in {found} bytes")]
    Length {
        /// The length in the header.
        expected: u64,
        /// The length of the bytes.
        found: u64,
    },
    /// The checksum does not fit.
    #[error("a damaged compiled registry: its SHA-256 does not fit")]
    Checksum,
}

impl<'a> Image<'a> {
    /// Opens an image and checks every byte of it, at the cost of one SHA-256.
    pub fn open(bytes: &'a [u8]) -> Result<Self, ImageError> {
        let image = Self::open_trusted(bytes)?;
        let body = bytes.get(layout::CHECKED_FROM..).unwrap_or_default();
        if Sha256::digest(body).as_slice() == image.digest() {
            Ok(image)
        } else {
            Err(ImageError::Checksum)
        }
    }

    /// Opens an image that this or another process checked before: reads the header only.
    pub fn open_trusted(bytes: &'a [u8]) -> Result<Self, ImageError> {
        let head = layout::Head::read(bytes)?;
        Ok(Self { bytes, head })
    }

    /// Returns the SHA-256 over the image's contents, equal for equal registries.
    pub fn digest(&self) -> &'a [u8] {
        bytes_at(self.bytes, layout::DIGEST_AT, 32).unwrap_or_default()
    }

    /// Returns the freshness window of signatures, seconds.
    pub fn freshness_s(&self) -> u32 {
        self.head.freshness_s
    }

    /// Returns the token bucket of each source address.
    pub fn flood(&self) -> Flood {
        Flood {
            rate_per_s: self.head.flood_rate_per_s,
            burst: self.head.flood_burst,
        }
    }

    /// Returns the file of spent legacy trace ids; `None` when no signer has the legacy form.
    pub fn legacy_store(&self) -> Option<&'a str> {
        let (at, len) = self.head.legacy_store;
        std::str::from_utf8(bytes_at(self.bytes, at, len)?)
            .ok()
            .filter(|path| !path.is_empty())
    }

    /// Returns the number of experts.
    pub fn expert_count(&self) -> u32 {
        self.head.expert_count
    }

    /// Returns the number of councils.
    pub fn council_count(&self) -> u32 {
        self.head.party_count.saturating_sub(self.head.expert_count)
    }

    /// Returns the expert with this index in the registry.
    pub fn expert_at(&self, index: u32) -> Option<Party<'a>> {
        if index < self.head.expert_count {
            self.party_at(index)
        } else {
            None
        }
    }

    /// Returns all experts, then all councils.
    pub fn parties(&self) -> impl Iterator<Item = Party<'a>> + use<'a> {
        let image = *self;
        (0..self.head.party_count).map_while(move |index| image.party_at(index))
    }

    /// Returns the public keys of all parties.
    pub fn public_keys(&self) -> HashSet<[u8; 32]> {
        self.parties()
            .flat_map(|party| party.signers())
            .map(|signer| signer.public_key())
            .collect()
    }

    /// Returns the expert with this id.
    pub fn expert(&self, id: &str) -> Option<Party<'a>> {
        let at = self.probe(self.head.ids, hash(self.head.seed, id.as_bytes()), |at| {
            self.party(at).filter(|party| party.id() == id).map(|_| at)
        })?;
        self.party(at)
    }

    /// Returns the names of all hazards, by index.
    pub fn hazards(&self) -> impl Iterator<Item = &'a str> + use<'a> {
        let image = *self;
        (0..self.head.hazard_count).map_while(move |index| image.hazard_name(index))
    }

    /// Returns the index of a hazard.
    pub fn hazard(&self, name: &str) -> Option<u8> {
        self.probe(
            self.head.hazards,
            hash(self.head.seed, name.as_bytes()),
            |at| {
                let (index, len) = (u16_at(self.bytes, at)?, u16_at(self.bytes, at + 2)?);
                let found = bytes_at(self.bytes, at + 4, usize::from(len))? == name.as_bytes();
                found.then(|| u8::try_from(index).ok())?
            },
        )
    }

    /// Returns the party of an address: by the exact address first, otherwise by the winning glob
    /// of its host (see [`crate::pattern`]).
    pub fn party_of(&self, aor: &Aor) -> Option<Party<'a>> {
        let folded = Folded::of(aor.as_bytes())?;
        let at = self
            .exact(&folded, |stored| stored == aor.as_bytes())
            .or_else(|| self.glob(aor.user().as_bytes(), aor.host(), |a, b| a == b))?;
        self.party(at)
    }

    /// Returns true for a council's domain, and for the host of one of its addresses.
    pub fn is_our_domain(&self, host: &str) -> bool {
        self.host(host)
            .and_then(|at| u16_at(self.bytes, at))
            .is_some_and(|flags| flags & layout::HOST_OURS != 0)
    }

    /// Returns whether a party has this address, in any letter case and with any escapes.
    pub(crate) fn knows(&self, aor: &Folded) -> bool {
        let same = |stored: &[u8]| {
            Folded::of(stored).is_some_and(|stored| stored.as_bytes() == aor.as_bytes())
        };
        self.exact(aor, same).is_some() || self.glob_folded(aor.as_bytes()).is_some()
    }

    /// Returns the hosts of addresses that are names of this server, by
    /// [`compile_for`].
    pub fn own_hosts(&self) -> impl Iterator<Item = &'a str> + use<'a> {
        let image = *self;
        (0..self.head.own_host_count).map_while(move |index| {
            let offset = image.head.own_hosts_at.checked_add(4 * index as usize)?;
            let at = u32_at(image.bytes, offset)? as usize;
            let len = u16_at(image.bytes, at)?;
            std::str::from_utf8(bytes_at(image.bytes, at + 2, usize::from(len))?).ok()
        })
    }

    /// Returns the party's record of the first address that is `folded` and passes `is_same`.
    fn exact(&self, folded: &Folded, is_same: impl Fn(&[u8]) -> bool) -> Option<usize> {
        let key = hash(self.head.seed, folded.as_bytes());
        self.probe(self.head.aors, key, |at| {
            self.fetch_party_after(at);
            let party = u32_at(self.bytes, at)?;
            let len = u16_at(self.bytes, at + 4)?;
            let stored = bytes_at(self.bytes, at + 6, usize::from(len))?;
            is_same(stored).then_some(party as usize)
        })
    }

    /// Reads from the two cache lines where the party of the address at `at` begins, most times, so
    /// that they are on their way while the address is compared.
    fn fetch_party_after(&self, at: usize) {
        for ahead in [64, 128] {
            black_box(self.bytes.get((at & !63).saturating_add(ahead)).copied());
        }
    }

    fn glob_folded(&self, aor: &[u8]) -> Option<usize> {
        let rest = aor.strip_prefix(b"sip:")?;
        let at = rest.iter().position(|&b| b == b'@')?;
        let host = std::str::from_utf8(rest.get(at + 1..)?).ok()?;
        self.glob(rest.get(..at)?, host, <[u8]>::eq_ignore_ascii_case)
    }

    fn glob(
        &self,
        user: &[u8],
        host: &str,
        is_same: impl Fn(&[u8], &[u8]) -> bool,
    ) -> Option<usize> {
        let host_at = self.host(host)?;
        let (shapes, len) = (
            u16_at(self.bytes, host_at + 2)?,
            u16_at(self.bytes, host_at + 4)?,
        );
        let shapes_at = host_at + 6 + usize::from(len);
        // The shapes, prefix and suffix length, are sorted by precedence: the first hit wins.
        for index in 0..usize::from(shapes) {
            let prefix_len = usize::from(u16_at(self.bytes, shapes_at + 4 * index)?);
            let suffix_len = usize::from(u16_at(self.bytes, shapes_at + 4 * index + 2)?);
            if prefix_len + suffix_len > user.len() {
                continue;
            }
            let (Some(prefix), Some(suffix)) =
                (user.get(..prefix_len), user.get(user.len() - suffix_len..))
            else {
                continue;
            };
            let found = self.probe(
                self.head.globs,
                hash_glob(self.head.seed, host_at, prefix, suffix),
                |at| {
                    let party = u32_at(self.bytes, at)?;
                    let same_host = u32_at(self.bytes, at + 4)? as usize == host_at;
                    let same_prefix = usize::from(u16_at(self.bytes, at + 8)?) == prefix_len
                        && is_same(bytes_at(self.bytes, at + 12, prefix_len)?, prefix);
                    let same_suffix = usize::from(u16_at(self.bytes, at + 10)?) == suffix_len
                        && is_same(
                            bytes_at(self.bytes, at + 12 + prefix_len, suffix_len)?,
                            suffix,
                        );
                    (same_host && same_prefix && same_suffix).then_some(party as usize)
                },
            );
            if found.is_some() {
                return found;
            }
        }
        None
    }

    fn host(&self, host: &str) -> Option<usize> {
        self.probe(
            self.head.hosts,
            hash(self.head.seed, host.as_bytes()),
            |at| {
                let len = u16_at(self.bytes, at + 4)?;
                (bytes_at(self.bytes, at + 6, usize::from(len))? == host.as_bytes()).then_some(at)
            },
        )
    }

    fn hazard_name(&self, index: u32) -> Option<&'a str> {
        let at = u32_at(self.bytes, self.head.hazard_index_at + 4 * index as usize)? as usize;
        let len = u16_at(self.bytes, at + 2)?;
        std::str::from_utf8(bytes_at(self.bytes, at + 4, usize::from(len))?).ok()
    }

    fn party_at(&self, index: u32) -> Option<Party<'a>> {
        let at = u32_at(
            self.bytes,
            self.head.party_index_at.checked_add(4 * index as usize)?,
        )?;
        self.party(at as usize)
    }

    fn party(&self, at: usize) -> Option<Party<'a>> {
        Party::read(self.bytes, at)
    }

    /// Probes from the hash's slot on, until `matches` finds a record or a free slot ends the
    /// search.
    fn probe<T>(&self, table: Table, hash: u64, matches: impl Fn(usize) -> Option<T>) -> Option<T> {
        let tag = layout::tag(hash);
        for step in 0..=u64::from(table.probe_max) {
            let slot = table.at + 8 * ((hash.wrapping_add(step)) & table.mask) as usize;
            let entry = u64_at(self.bytes, slot)?;
            match layout::check_slot(entry, tag) {
                ControlFlow::Break(()) => return None,
                ControlFlow::Continue(None) => {}
                ControlFlow::Continue(Some(at)) => {
                    if let Some(found) = matches(at) {
                        return Some(found);
                    }
                }
            }
        }
        None
    }
}
