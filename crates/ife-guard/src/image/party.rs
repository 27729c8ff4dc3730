//! The record of a party: expert or council, with its signers and networks.
//!
//! | at | what |
//! |---|---|
//! | 0 | u8 kind, u8 status, u8 transports, u8 zero |
//! | 4 | u32 length of the record |
//! | 8 | u64 not_before, u64 not_after, u64 number (first 8 bytes of SHA-256 of the id) |
//! | 32 | 256 bits: hazards |
//! | 64 | u32 each: per_minute, concurrent, max_call_s |
//! | 76 | u16 signers, u16 networks |
//! | 80 | u16 each: length of id, of name, of contact, zero |
//! | 88 | id, name, contact; zeros up to a multiple of 8 |
//!
//! Then the networks, 20 bytes each: address 16 (v4: the first 4), u8 family (4 or 6), u8 prefix
//! length, u16 zero; zeros up to a multiple of 8. Then the signers, 128 bytes each: public key 32,
//! u64 not_before, u64 not_after, u8 status, u8 covered parts (1 cid, 2 sdp), u8 legacy, u8 length
//! of the kid, u32 zero, kid 64, zeros.
//!
//! The records of the party's exact addresses end where its own begins, at the begin of a cache
//! line: a request that is refused before its signature reads lines that follow each other.

use std::net::IpAddr;

use ife_message::{Covered, Part};

use super::layout::{bytes_at, u16_at, u32_at, u64_at};
use crate::network::Network;
use crate::registry::{Quota, Status, Validity};

pub(super) const FIXED_LEN: usize = 88;
pub(super) const SIGNER_LEN: usize = 128;
pub(super) const NETWORK_LEN: usize = 20;
pub(super) const KIND_EXPERT: u8 = 1;
pub(super) const KIND_COUNCIL: u8 = 2;
pub(super) const COVERS_CID: u8 = 1;
pub(super) const COVERS_SDP: u8 = 2;

/// An expert or a council in an image.
#[derive(Clone, Copy, Debug)]
pub struct Party<'a> {
    record: &'a [u8],
}

/// The side of a party.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PartyKind {
    /// External advisor.
    Expert,
    /// The conference.
    Council,
}

/// A key in an image.
#[derive(Clone, Copy, Debug)]
pub struct SignerKey<'a> {
    record: &'a [u8],
}

impl<'a> Party<'a> {
    pub(super) fn read(image: &'a [u8], at: usize) -> Option<Self> {
        let len = u32_at(image, at.checked_add(4)?)? as usize;
        let record = bytes_at(image, at, len)?;
        let known = matches!(record.first(), Some(&(KIND_EXPERT | KIND_COUNCIL)));
        (known && len >= FIXED_LEN).then_some(Self { record })
    }

    /// Returns expert or council.
    pub fn kind(&self) -> PartyKind {
        if self.byte(0) == KIND_COUNCIL {
            PartyKind::Council
        } else {
            PartyKind::Expert
        }
    }

    /// Returns an expert's id or a council's domain.
    pub fn id(&self) -> &'a str {
        self.text(0, 0)
    }

    /// Returns the name for people; a council's is its domain.
    pub fn name(&self) -> &'a str {
        self.text(self.len_at(80), 1)
    }

    /// Returns the URI to which calls to this expert go; `None` for the address that was called.
    pub fn contact(&self) -> Option<&'a str> {
        let start = self.len_at(80) + self.len_at(82);
        Some(self.text(start, 2)).filter(|contact| !contact.is_empty())
    }

    /// Returns active or suspended. Any other value, in a damaged record, counts as suspended.
    pub fn status(&self) -> Status {
        status_of(self.byte(1))
    }

    /// Returns when the party takes part.
    pub fn validity(&self) -> Validity {
        Validity {
            not_before: self.long(8),
            not_after: self.long(16),
        }
    }

    /// Returns [`crate::expert_number`] of the id.
    pub fn number(&self) -> u64 {
        self.long(24)
    }

    /// Returns whether this expert takes this hazard.
    pub fn takes_hazard(&self, index: u8) -> bool {
        self.byte(32 + usize::from(index / 8)) & (1 << (index % 8)) != 0
    }

    /// Returns the indices of the hazards that this expert takes; the default expert's include
    /// those that no expert lists.
    pub fn hazards(&self) -> impl Iterator<Item = u8> + use<'a> {
        let party = *self;
        (0..=u8::MAX).filter(move |index| party.takes_hazard(*index))
    }

    /// Returns the limits of this expert.
    pub fn quota(&self) -> Quota {
        let word = |at| u32_at(self.record, at).unwrap_or(0);
        Quota {
            per_minute: word(64),
            concurrent: word(68),
            max_call_s: word(72),
        }
    }

    /// Returns whether the party may call over this transport.
    pub fn allows(&self, transport: crate::Transport) -> bool {
        self.byte(2) & transport.bit() != 0
    }

    /// Returns whether the party calls from this address.
    pub fn calls_from(&self, address: IpAddr) -> bool {
        self.records(self.networks_at(), NETWORK_LEN, self.len_at(78))
            .any(|record| network_of(record).is_some_and(|n| n.contains(address)))
    }

    /// Returns all keys.
    pub fn signers(&self) -> impl Iterator<Item = SignerKey<'a>> + use<'a> {
        self.records(self.signers_at(), SIGNER_LEN, self.len_at(76))
            .map(|record| SignerKey { record })
    }

    /// Returns this party's key with this id.
    pub fn signer(&self, kid: &str) -> Option<SignerKey<'a>> {
        self.signers().find(|signer| signer.kid() == kid)
    }

    fn records(
        &self,
        start: usize,
        len: usize,
        count: usize,
    ) -> impl Iterator<Item = &'a [u8]> + use<'a> {
        let record = self.record;
        (0..count).map_while(move |index| bytes_at(record, start + len * index, len))
    }

    fn networks_at(&self) -> usize {
        (FIXED_LEN + self.len_at(80) + self.len_at(82) + self.len_at(84)).next_multiple_of(8)
    }

    fn signers_at(&self) -> usize {
        (self.networks_at() + NETWORK_LEN * self.len_at(78)).next_multiple_of(8)
    }

    /// Returns the text at `start` behind the fixed part; its length is the `which`th.
    fn text(&self, start: usize, which: usize) -> &'a str {
        let len = self.len_at(80 + 2 * which);
        bytes_at(self.record, FIXED_LEN + start, len)
            .and_then(|b| std::str::from_utf8(b).ok())
            .unwrap_or_default()
    }

    fn len_at(&self, at: usize) -> usize {
        usize::from(u16_at(self.record, at).unwrap_or(0))
    }

    fn byte(&self, at: usize) -> u8 {
        self.record.get(at).copied().unwrap_or(0)
    }

    fn long(&self, at: usize) -> u64 {
        u64_at(self.record, at).unwrap_or(0)
    }
}

impl<'a> SignerKey<'a> {
    /// Returns the public key's 32 bytes.
    pub fn public_key(&self) -> [u8; 32] {
        self.record.first_chunk().copied().unwrap_or_default()
    }

    /// Returns when the key is valid.
    pub fn validity(&self) -> Validity {
        let long = |at| u64_at(self.record, at).unwrap_or(0);
        Validity {
            not_before: long(32),
            not_after: long(40),
        }
    }

    /// Returns the standing of the key.
    pub fn status(&self) -> Status {
        status_of(self.byte(48))
    }

    /// Returns the parts that its signatures must cover at least.
    pub fn covers(&self) -> Covered {
        let bits = self.byte(49);
        [(COVERS_CID, Part::CallId), (COVERS_SDP, Part::Sdp)]
            .into_iter()
            .filter(|(bit, _)| bits & bit != 0)
            .fold(Covered::BASE, |covered, (_, part)| {
                covered.with(part).unwrap_or(covered)
            })
    }

    /// Returns whether the key may sign in the form of the earlier contract.
    pub fn legacy(&self) -> bool {
        self.byte(50) == 1
    }

    /// Returns the key id.
    pub fn kid(&self) -> &'a str {
        let len = usize::from(self.byte(51));
        bytes_at(self.record, 56, len.min(64))
            .and_then(|b| std::str::from_utf8(b).ok())
            .unwrap_or_default()
    }

    fn byte(&self, at: usize) -> u8 {
        self.record.get(at).copied().unwrap_or(0)
    }
}

fn status_of(byte: u8) -> Status {
    match byte {
        0 => Status::Active,
        2 => Status::Revoked,
        _ => Status::Suspended,
    }
}

fn network_of(record: &[u8]) -> Option<Network> {
    let address: [u8; 16] = record.first_chunk().copied()?;
    let address = match record.get(16)? {
        4 => IpAddr::from(address.first_chunk::<4>().copied()?),
        6 => IpAddr::from(address),
        _ => return None,
    };
    Network::from_parts(address, *record.get(17)?)
}
