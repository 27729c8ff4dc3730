//! The layout of an image, and checked reads.
//!
//! Header, 256 bytes:
//!
//! | at | what |
//! |---|---|
//! | 0 | magic `IFEREGI\0` |
//! | 8 | u32 format, u32 zero |
//! | 16 | u64 length of the image |
//! | 24 | SHA-256 of everything from byte 56 on |
//! | 56 | u64 seed of the hashes |
//! | 64 | u32 each: freshness_s, flood rate, flood burst, default expert (index + 1, 0: none) |
//! | 80 | u32 each: parties, experts (they come first), hazards |
//! | 92 | u32 each: offset of the party offsets, offset of the hazard offsets |
//! | 100 | u32 each: offset and length of the legacy store's path |
//! | 108 | tables aors, globs, hosts, ids, hazards: u32 offset, u32 slots - 1, u32 longest probe |
//! | 168 | u32 each: offset of the offsets of own hosts, number of own hosts |
//!
//! A table's slot is a u64: tag (upper half of the hash, low bit set) in its upper half, offset of
//! a record in its lower half; 0 is free.
//!
//! Records: address {u32 party, u16 length, text}; glob {u32 party, u32 host, u16 prefix length,
//! u16 suffix length, prefix, suffix}; host {u16 flags, u16 shapes, u16 length, text, shapes of u16
//! prefix length and u16 suffix length}; hazard {u16 index, u16 length, text}; own host {u16
//! length, text}; party see `party.rs`. "party" and "host" in a record are offsets. Addresses,
//! prefixes and suffixes are hashed folded (`folded.rs`) and compared as they are.

use std::ops::ControlFlow;

use super::ImageError;

pub(super) const MAGIC: &[u8; 8] = b"IFEREGI\0";
pub(super) const FORMAT: u32 = 3;
pub(super) const HEAD_LEN: usize = 256;
pub(super) const DIGEST_AT: usize = 24;
pub(super) const CHECKED_FROM: usize = 56;
pub(super) const TABLES_AT: usize = 108;
pub(super) const OWN_HOSTS_AT: usize = 168;
/// Flag of a host record: unknown users of the host are answered 404.
pub(super) const HOST_OURS: u16 = 1;
/// Longest search of a valid table; a damaged one is not searched further.
const PROBE_MAX: u32 = 4096;

/// A hash table.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Table {
    pub(super) at: usize,
    /// Slots - 1.
    pub(super) mask: u64,
    pub(super) probe_max: u32,
}

/// The header, read.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Head {
    pub(super) seed: u64,
    pub(super) freshness_s: u32,
    pub(super) flood_rate_per_s: u32,
    pub(super) flood_burst: u32,
    pub(super) party_count: u32,
    pub(super) expert_count: u32,
    pub(super) hazard_count: u32,
    pub(super) party_index_at: usize,
    pub(super) hazard_index_at: usize,
    pub(super) legacy_store: (usize, usize),
    pub(super) aors: Table,
    pub(super) globs: Table,
    pub(super) hosts: Table,
    pub(super) ids: Table,
    pub(super) hazards: Table,
    pub(super) own_hosts_at: usize,
    pub(super) own_host_count: u32,
}

impl Head {
    pub(super) fn read(bytes: &[u8]) -> Result<Self, ImageError> {
        let head: &[u8; HEAD_LEN] = bytes.first_chunk().ok_or(ImageError::Magic)?;
        if !head.starts_with(MAGIC) {
            return Err(ImageError::Magic);
        }
        let word = |at| u32_at(head, at).unwrap_or(0);
        let long = |at| u64_at(head, at).unwrap_or(0);
        if word(8) != FORMAT {
            return Err(ImageError::Format { found: word(8) });
        }
        let found = bytes.len() as u64;
        if long(16) != found {
            return Err(ImageError::Length {
                expected: long(16),
                found,
            });
        }
        let table = |number: usize| {
            let at = TABLES_AT + 12 * number;
            Table {
                at: word(at) as usize,
                mask: u64::from(word(at + 4)),
                probe_max: word(at + 8).min(PROBE_MAX),
            }
        };
        Ok(Self {
            seed: long(56),
            freshness_s: word(64),
            flood_rate_per_s: word(68),
            flood_burst: word(72),
            party_count: word(80),
            expert_count: word(84),
            hazard_count: word(88),
            party_index_at: word(92) as usize,
            hazard_index_at: word(96) as usize,
            legacy_store: (word(100) as usize, word(104) as usize),
            aors: table(0),
            globs: table(1),
            hosts: table(2),
            ids: table(3),
            hazards: table(4),
            own_hosts_at: word(OWN_HOSTS_AT) as usize,
            own_host_count: word(OWN_HOSTS_AT + 4),
        })
    }
}

/// Returns the upper half of a hash as a slot keeps it; never 0.
pub(super) fn tag(hash: u64) -> u32 {
    (hash >> 32) as u32 | 1
}

/// Returns Break for a free slot; Continue with the record to compare, if the tags are equal.
pub(super) fn check_slot(entry: u64, tag: u32) -> ControlFlow<(), Option<usize>> {
    match (entry >> 32) as u32 {
        0 => ControlFlow::Break(()),
        found => ControlFlow::Continue((found == tag).then_some(entry as u32 as usize)),
    }
}

/// Returns a fast hash of good spread. An operator chooses the keys and senders only look them up,
/// so it need not resist an attacker.
pub(super) fn hash(seed: u64, bytes: &[u8]) -> u64 {
    const K: u64 = 0x9e37_79b9_7f4a_7c15;
    let mut state = seed ^ K.wrapping_mul(bytes.len() as u64 | 1);
    let (words, rest) = bytes.as_chunks::<8>();
    for word in words {
        state = mix(state ^ u64::from_le_bytes(*word), K);
    }
    let mut last = [0; 8];
    last.iter_mut().zip(rest).for_each(|(to, from)| *to = *from);
    mix(
        mix(state ^ u64::from_le_bytes(last), K),
        0xd6e8_feb8_6659_fd93,
    )
}

/// Ignores letter case.
pub(super) fn hash_glob(seed: u64, host_at: usize, prefix: &[u8], suffix: &[u8]) -> u64 {
    let folded = |seed, text: &[u8]| {
        let mut lower = [0; 256];
        let lower = lower.get_mut(..text.len()).unwrap_or_default();
        lower.copy_from_slice(text.get(..lower.len()).unwrap_or_default());
        lower.make_ascii_lowercase();
        hash(seed, lower)
    };
    folded(folded(seed ^ host_at as u64, prefix), suffix)
}

fn mix(a: u64, b: u64) -> u64 {
    let product = u128::from(a) * u128::from(b);
    (product >> 64) as u64 ^ product as u64
}

pub(super) fn bytes_at(bytes: &[u8], at: usize, len: usize) -> Option<&[u8]> {
    bytes.get(at..at.checked_add(len)?)
}

fn array_at<const N: usize>(bytes: &[u8], at: usize) -> Option<[u8; N]> {
    bytes.get(at..)?.first_chunk().copied()
}

pub(super) fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    array_at(bytes, at).map(u16::from_le_bytes)
}

pub(super) fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    array_at(bytes, at).map(u32::from_le_bytes)
}

pub(super) fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    array_at(bytes, at).map(u64::from_le_bytes)
}
