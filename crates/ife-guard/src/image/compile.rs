//! Compiles a checked registry to an image.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use ife_message::Part;
use sha2::{Digest, Sha256};

use super::folded::Folded;
use super::layout::{
    CHECKED_FROM, DIGEST_AT, FORMAT, HEAD_LEN, HOST_OURS, MAGIC, OWN_HOSTS_AT, TABLES_AT, hash,
    hash_glob, tag,
};
use super::party::{
    COVERS_CID, COVERS_SDP, FIXED_LEN, KIND_COUNCIL, KIND_EXPERT, NETWORK_LEN, SIGNER_LEN,
};
use crate::network::Network;
use crate::pattern::Pattern;
use crate::registry::{Council, Expert, Party, Quota, Registry, Signer, Status, Validity};
use crate::state::expert_number;

/// The registry does not fit an image: its offsets are 32 bits wide.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the registry compiles to more than 4 GiB")]
pub struct CompileError;

/// Compiles a registry for a server without addresses. Equal registries give equal images.
pub fn compile(registry: &Registry) -> Result<Vec<u8>, CompileError> {
    compile_for(registry, |_| false)
}

/// Compiles a registry for the server whose names `is_own` knows.
pub fn compile_for(
    registry: &Registry,
    is_own: impl Fn(&str) -> bool,
) -> Result<Vec<u8>, CompileError> {
    let mut builder = Builder {
        out: vec![0; HEAD_LEN],
        seed: 0x1f_e5ca_1a7e,
        aors: Vec::new(),
        globs: Vec::new(),
        hosts: Hosts::new(),
    };
    builder.registry(registry, is_own)
}

type Hosts<'r> = BTreeMap<&'r str, Host>;

#[derive(Default)]
struct Host {
    ours: bool,
    /// Prefix and suffix lengths of its globs.
    shapes: Vec<(u16, u16)>,
    at: u32,
}

struct Builder<'r> {
    out: Vec<u8>,
    seed: u64,
    /// Hash and record of each exact address.
    aors: Vec<(u64, u32)>,
    /// Globs and their parties' records.
    globs: Vec<(&'r Pattern, u32)>,
    hosts: Hosts<'r>,
}

impl<'r> Builder<'r> {
    fn registry(
        &mut self,
        registry: &'r Registry,
        is_own: impl Fn(&str) -> bool,
    ) -> Result<Vec<u8>, CompileError> {
        let unlisted = unlisted(registry);
        let mut parties = Vec::with_capacity(registry.experts.len() + registry.councils.len());
        let mut ids = Vec::with_capacity(registry.experts.len());
        for (index, expert) in registry.experts.iter().enumerate() {
            let extra = if registry.default_expert == Some(index) {
                unlisted
            } else {
                [0; 32]
            };
            let at = self.expert(expert, extra)?;
            ids.push((hash(self.seed, expert.id.as_bytes()), at));
            parties.push(at);
        }
        for council in &registry.councils {
            parties.push(self.council(council)?);
        }
        let hazards = self.hazards(registry)?;
        let hosts = self.write_hosts()?;
        let globs = self.write_globs()?;
        let aors = std::mem::take(&mut self.aors);
        let party_index_at = self.offsets(&parties)?;
        let hazard_index_at =
            self.offsets(&hazards.iter().map(|(_, at)| *at).collect::<Vec<_>>())?;
        let legacy_at = self.here()?;
        let legacy = registry.legacy_store.as_deref().unwrap_or_default();
        self.out.extend_from_slice(legacy.as_bytes());
        let own_hosts = self.own_hosts(registry, is_own)?;
        self.align(8);
        let head = [
            registry.freshness_s,
            registry.flood.rate_per_s,
            registry.flood.burst,
            registry.default_expert.map_or(Ok(0), |i| small(i + 1))?,
            small(parties.len())?,
            small(registry.experts.len())?,
            small(hazards.len())?,
            party_index_at,
            hazard_index_at,
            legacy_at,
            small(legacy.len())?,
        ];
        for (number, entries) in [aors, globs, hosts, ids, hazards].iter().enumerate() {
            self.table(number, entries)?;
        }
        for (index, word) in own_hosts.iter().enumerate() {
            self.patch(OWN_HOSTS_AT + 4 * index, &word.to_le_bytes());
        }
        self.finish(&head)
    }

    fn expert(&mut self, expert: &'r Expert, extra_hazards: [u8; 32]) -> Result<u32, CompileError> {
        let mut hazards = extra_hazards;
        for index in &expert.hazards {
            if let Some(byte) = hazards.get_mut(usize::from(index / 8)) {
                *byte |= 1 << (index % 8);
            }
        }
        let own = Own {
            kind: KIND_EXPERT,
            status: expert.status,
            validity: expert.validity,
            hazards,
            quota: expert.quota,
            texts: [
                &expert.id,
                &expert.name,
                expert.contact.as_deref().unwrap_or_default(),
            ],
        };
        self.party(&own, &expert.party)
    }

    fn council(&mut self, council: &'r Council) -> Result<u32, CompileError> {
        let own = Own {
            kind: KIND_COUNCIL,
            status: Status::Active,
            validity: Validity {
                not_before: 0,
                not_after: u64::MAX,
            },
            hazards: [0; 32],
            quota: Quota {
                per_minute: 0,
                concurrent: 0,
                max_call_s: 0,
            },
            texts: [&council.domain, &council.domain, ""],
        };
        let at = self.party(&own, &council.party)?;
        self.hosts.entry(&council.domain).or_default().ours = true;
        for aor in &council.party.aors {
            self.hosts.entry(aor.host()).or_default().ours = true;
        }
        Ok(at)
    }

    fn party(&mut self, own: &Own<'_>, party: &'r Party) -> Result<u32, CompileError> {
        let at = self.addresses(&party.aors)?;
        let texts_len: usize = own.texts.iter().map(|t| t.len()).sum();
        let networks_at = (FIXED_LEN + texts_len).next_multiple_of(8);
        let signers_at = (networks_at + NETWORK_LEN * party.sources.len()).next_multiple_of(8);
        let len = signers_at + SIGNER_LEN * party.signers.len();
        self.out
            .extend_from_slice(&[own.kind, own.status as u8, party.transports, 0]);
        self.u32(small(len)?);
        self.u64(own.validity.not_before);
        self.u64(own.validity.not_after);
        self.u64(expert_number(own.texts[0]));
        self.out.extend_from_slice(&own.hazards);
        for limit in [
            own.quota.per_minute,
            own.quota.concurrent,
            own.quota.max_call_s,
        ] {
            self.u32(limit);
        }
        self.u16(party.signers.len())?;
        self.u16(party.sources.len())?;
        for text in own.texts {
            self.u16(text.len())?;
        }
        self.u16(0)?;
        for text in own.texts {
            self.out.extend_from_slice(text.as_bytes());
        }
        self.align(8);
        party
            .sources
            .iter()
            .for_each(|network| self.network(network));
        self.align(8);
        party.signers.iter().for_each(|signer| self.signer(signer));
        Ok(at)
    }

    /// Writes the addresses of a party up to the begin of a cache line. Returns its offset: the
    /// party's record follows.
    fn addresses(&mut self, aors: &'r [Pattern]) -> Result<u32, CompileError> {
        let exact = || aors.iter().filter(|aor| !aor.is_glob());
        let len: usize = exact().map(address_len).sum();
        let party = (self.out.len() + len).next_multiple_of(64);
        self.out.resize(party - len, 0);
        let party = small(party)?;
        for aor in exact() {
            self.address(aor, party)?;
        }
        for aor in aors.iter().filter(|aor| aor.is_glob()) {
            self.globs.push((aor, party));
            let shape = (aor.prefix().len() as u16, aor.suffix().len() as u16); // at most 64 each
            self.hosts.entry(aor.host()).or_default().shapes.push(shape);
        }
        Ok(party)
    }

    fn signer(&mut self, signer: &Signer) {
        let start = self.out.len();
        self.out.extend_from_slice(&signer.public_key);
        self.u64(signer.validity.not_before);
        self.u64(signer.validity.not_after);
        let covers = signer.covers.parts().fold(0, |bits, part| match part {
            Part::CallId => bits | COVERS_CID,
            Part::Sdp => bits | COVERS_SDP,
        });
        // A kid is at most 64 bytes: the registry check limits it.
        self.out.extend_from_slice(&[
            signer.status as u8,
            covers,
            u8::from(signer.legacy_signature),
            signer.kid.len() as u8,
        ]);
        self.u32(0);
        self.out.extend_from_slice(signer.kid.as_bytes());
        self.out.resize(start + SIGNER_LEN, 0);
    }

    fn network(&mut self, network: &Network) {
        let (mut octets, family) = ([0; 16], if network.address().is_ipv4() { 4 } else { 6 });
        match network.address() {
            IpAddr::V4(v4) => octets[..4].copy_from_slice(&v4.octets()),
            IpAddr::V6(v6) => octets = v6.octets(),
        }
        self.out.extend_from_slice(&octets);
        self.out
            .extend_from_slice(&[family, network.prefix_len(), 0, 0]);
    }

    fn address(&mut self, aor: &'r Pattern, party: u32) -> Result<(), CompileError> {
        let at = self.here()?;
        self.u32(party);
        self.u16(aor.as_str().len())?;
        self.out.extend_from_slice(aor.as_str().as_bytes());
        self.out.resize(at as usize + address_len(aor), 0);
        // An address has at most the length that folds.
        let folded = Folded::of(aor.as_str().as_bytes()).ok_or(CompileError)?;
        self.aors.push((hash(self.seed, folded.as_bytes()), at));
        Ok(())
    }

    /// Writes the hosts of addresses that are this server's. Returns the offset of their offsets,
    /// and their number.
    fn own_hosts(
        &mut self,
        registry: &Registry,
        is_own: impl Fn(&str) -> bool,
    ) -> Result<[u32; 2], CompileError> {
        let experts = registry.experts.iter().map(|expert| &expert.party);
        let councils = registry.councils.iter().map(|council| &council.party);
        let hosts: BTreeSet<_> = experts
            .chain(councils)
            .flat_map(|party| party.aors.iter().map(Pattern::host))
            .collect();
        let mut offsets = Vec::new();
        for host in hosts.into_iter().filter(|host| is_own(host)) {
            offsets.push(self.here()?);
            self.u16(host.len())?;
            self.out.extend_from_slice(host.as_bytes());
        }
        Ok([self.offsets(&offsets)?, small(offsets.len())?])
    }

    fn hazards(&mut self, registry: &Registry) -> Result<Vec<(u64, u32)>, CompileError> {
        let mut entries = Vec::with_capacity(registry.hazards.len());
        for (index, hazard) in registry.hazards.iter().enumerate() {
            let at = self.here()?;
            self.u16(index)?;
            self.u16(hazard.name.len())?;
            self.out.extend_from_slice(hazard.name.as_bytes());
            entries.push((hash(self.seed, hazard.name.as_bytes()), at));
        }
        Ok(entries)
    }

    fn write_hosts(&mut self) -> Result<Vec<(u64, u32)>, CompileError> {
        let mut hosts = std::mem::take(&mut self.hosts);
        let mut entries = Vec::with_capacity(hosts.len());
        for (name, host) in &mut hosts {
            host.shapes.sort_unstable_by(|a, b| b.cmp(a));
            host.shapes.dedup();
            host.at = self.here()?;
            self.u16(usize::from(if host.ours { HOST_OURS } else { 0 }))?;
            self.u16(host.shapes.len())?;
            self.u16(name.len())?;
            self.out.extend_from_slice(name.as_bytes());
            for (prefix, suffix) in &host.shapes {
                self.u16(usize::from(*prefix))?;
                self.u16(usize::from(*suffix))?;
            }
            entries.push((hash(self.seed, name.as_bytes()), host.at));
        }
        self.hosts = hosts;
        Ok(entries)
    }

    fn write_globs(&mut self) -> Result<Vec<(u64, u32)>, CompileError> {
        let globs = std::mem::take(&mut self.globs);
        let mut entries = Vec::with_capacity(globs.len());
        for (glob, party) in globs {
            let host = self.hosts.get(glob.host()).map_or(0, |host| host.at);
            let at = self.here()?;
            self.u32(party);
            self.u32(host);
            self.u16(glob.prefix().len())?;
            self.u16(glob.suffix().len())?;
            self.out.extend_from_slice(glob.prefix().as_bytes());
            self.out.extend_from_slice(glob.suffix().as_bytes());
            let hash = hash_glob(
                self.seed,
                host as usize,
                glob.prefix().as_bytes(),
                glob.suffix().as_bytes(),
            );
            entries.push((hash, at));
        }
        Ok(entries)
    }

    /// Writes a table, at most half full, and its offset in the header.
    fn table(&mut self, number: usize, entries: &[(u64, u32)]) -> Result<(), CompileError> {
        self.align(64);
        let at = self.here()?;
        let count = (2 * entries.len()).next_power_of_two().max(8);
        let mask = count as u64 - 1;
        let mut slots = vec![0_u64; count];
        let mut probe_max = 0;
        for (hash, record) in entries {
            let entry = u64::from(tag(*hash)) << 32 | u64::from(*record);
            for step in 0..=mask {
                // The mask keeps the index within the slots.
                let slot = slots
                    .get_mut((hash.wrapping_add(step) & mask) as usize)
                    .ok_or(CompileError)?;
                if *slot == 0 {
                    *slot = entry;
                    probe_max = probe_max.max(step);
                    break;
                }
            }
        }
        self.out
            .extend(slots.iter().flat_map(|slot| slot.to_le_bytes()));
        let offset = TABLES_AT + 12 * number;
        self.patch(offset, &at.to_le_bytes());
        self.patch(offset + 4, &small(count - 1)?.to_le_bytes());
        self.patch(offset + 8, &small(probe_max as usize)?.to_le_bytes());
        Ok(())
    }

    fn finish(&mut self, head: &[u32]) -> Result<Vec<u8>, CompileError> {
        let len = u64::from(self.here()?);
        self.patch(0, MAGIC);
        self.patch(8, &FORMAT.to_le_bytes());
        self.patch(16, &len.to_le_bytes());
        self.patch(56, &self.seed.to_le_bytes());
        for (index, word) in head.iter().enumerate() {
            self.patch(64 + 4 * index, &word.to_le_bytes());
        }
        let digest: [u8; 32] =
            Sha256::digest(self.out.get(CHECKED_FROM..).unwrap_or_default()).into();
        self.patch(DIGEST_AT, &digest);
        Ok(std::mem::take(&mut self.out))
    }

    fn offsets(&mut self, offsets: &[u32]) -> Result<u32, CompileError> {
        self.align(8);
        let at = self.here()?;
        offsets.iter().for_each(|offset| self.u32(*offset));
        Ok(at)
    }

    fn here(&self) -> Result<u32, CompileError> {
        small(self.out.len())
    }

    fn align(&mut self, to: usize) {
        self.out.resize(self.out.len().next_multiple_of(to), 0);
    }

    fn patch(&mut self, at: usize, bytes: &[u8]) {
        // Only ever within the header, which exists from the start.
        self.out[at..at + bytes.len()].copy_from_slice(bytes);
    }

    fn u16(&mut self, value: usize) -> Result<(), CompileError> {
        let value = u16::try_from(value).map_err(|_| CompileError)?;
        self.out.extend_from_slice(&value.to_le_bytes());
        Ok(())
    }

    fn u32(&mut self, value: u32) {
        self.out.extend_from_slice(&value.to_le_bytes());
    }

    fn u64(&mut self, value: u64) {
        self.out.extend_from_slice(&value.to_le_bytes());
    }
}

/// The members in which experts and councils differ.
struct Own<'r> {
    kind: u8,
    status: Status,
    validity: Validity,
    hazards: [u8; 32],
    quota: Quota,
    /// Id, name, contact.
    texts: [&'r str; 3],
}

/// Returns the hazards that no expert lists, as bits: they go to the default expert.
fn unlisted(registry: &Registry) -> [u8; 32] {
    let mut bits = [0; 32];
    let mut listed = [false; 256];
    for index in registry.experts.iter().flat_map(|e| &e.hazards) {
        listed[usize::from(*index)] = true;
    }
    for index in (0..registry.hazards.len()).filter(|i| !listed.get(*i).copied().unwrap_or(true)) {
        bits[index / 8] |= 1 << (index % 8);
    }
    bits
}

/// Returns the length of an address's record, padded to an even number.
fn address_len(aor: &Pattern) -> usize {
    (6 + aor.as_str().len()).next_multiple_of(2)
}

fn small(value: usize) -> Result<u32, CompileError> {
    u32::try_from(value).map_err(|_| CompileError)
}
