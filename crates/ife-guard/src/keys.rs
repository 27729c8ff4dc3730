//! Public keys in use, with tables for those that are used most.

use ife_message::key::BadSignature;
use ife_message::{KnownKey, PublicKey};

/// Keys that are kept decompressed; a power of two.
const RECENT_KEYS: usize = 256;
/// Keys that have a table.
const TABLES_MAX: usize = 16;
/// Verified signatures of a key until it gets a table that is free.
const USES_OF_A_TABLE: u32 = 2;
/// Verified signatures by which a key must lead that of the least used table to take its place:
/// more than a table costs to build.
const LEAD: u32 = 32;
/// Verified signatures after which all counts are halved, so that they show present use.
const HALVING: u32 = 1024;

/// The keys of the signatures that verified lately, and the buffer for signed bytes. One per
/// process; about 60 KiB, and [`KnownKey::SIZE`] for each of at most 16 tables.
///
/// Only a signature that verified changes the table. A key gets a table at its second one, while
/// there is room; then only a key that is used more takes the place of the one used least, at most
/// once in 32 verified signatures, which is less work than the tables save. All 32 bytes identify a
/// key, so none is mistaken for another, and a key that a reload removed is no longer looked up.
#[derive(Debug)]
pub struct KeyCache {
    recent: Vec<Option<Recent>>,
    tables: Vec<Table>,
    verified: u32,
    pub(crate) scratch: Vec<u8>,
}

#[derive(Clone, Debug)]
struct Recent {
    bytes: [u8; 32],
    key: PublicKey,
    uses: u32,
}

#[derive(Debug)]
struct Table {
    bytes: [u8; 32],
    key: KnownKey,
    uses: u32,
}

impl KeyCache {
    /// Memory of one table, bytes.
    pub const TABLE_SIZE: usize = KnownKey::SIZE;

    /// Returns an empty cache.
    #[must_use]
    pub fn new() -> Self {
        Self {
            recent: vec![None; RECENT_KEYS],
            tables: Vec::with_capacity(TABLES_MAX),
            verified: 0,
            scratch: Vec::with_capacity(2048),
        }
    }

    /// Returns the number of tables.
    #[must_use]
    pub fn tables(&self) -> usize {
        self.tables.len()
    }

    /// Forgets all keys, for another registry may not have them.
    pub fn forget(&mut self) {
        self.recent.fill(None);
        self.tables.clear();
    }

    /// Verifies a signature over the scratch buffer; `None` if the bytes are no key, which a
    /// checked registry rules out. Allocates only when it builds a table.
    pub(crate) fn verify(
        &mut self,
        bytes: &[u8; 32],
        sig: &[u8; 64],
    ) -> Option<Result<(), BadSignature>> {
        if let Some(table) = self.tables.iter_mut().find(|table| table.bytes == *bytes) {
            let outcome = table.key.verify_strict(&self.scratch, sig);
            if outcome.is_ok() {
                table.uses = table.uses.saturating_add(1);
                self.count();
            }
            return Some(outcome);
        }
        let key = self.key(bytes)?;
        let outcome = key.verify_strict(&self.scratch, sig);
        if outcome.is_ok() {
            self.note_use(bytes, key);
            self.count();
        }
        Some(outcome)
    }

    /// Returns the slot of a key. The bits of a y coordinate are close to random, so any of them
    /// serve as an index.
    fn slot(bytes: &[u8; 32]) -> usize {
        usize::from(bytes[1]) % RECENT_KEYS
    }

    fn key(&self, bytes: &[u8; 32]) -> Option<PublicKey> {
        match self.recent.get(Self::slot(bytes)) {
            Some(Some(recent)) if recent.bytes == *bytes => Some(recent.key),
            Some(_) | None => PublicKey::from_bytes(bytes).ok(),
        }
    }

    /// Notes a verified signature of a key without a table, and may build one.
    fn note_use(&mut self, bytes: &[u8; 32], key: PublicKey) {
        let Some(slot) = self.recent.get_mut(Self::slot(bytes)) else {
            return;
        };
        let recent = match slot {
            Some(recent) if recent.bytes == *bytes => recent,
            other => other.insert(Recent {
                bytes: *bytes,
                key,
                uses: 0,
            }),
        };
        recent.uses = recent.uses.saturating_add(1);
        let uses = recent.uses;
        let has_room = self.tables.len() < TABLES_MAX;
        let least = self.tables.iter_mut().min_by_key(|table| table.uses);
        let replaced = match least {
            _ if has_room && uses >= USES_OF_A_TABLE => None,
            Some(least) if !has_room && uses >= least.uses.saturating_add(LEAD) => Some(least),
            Some(_) | None => return,
        };
        let Some(known) = KnownKey::new(&key) else {
            return;
        };
        // The key begins anew when it loses its table.
        recent.uses = 0;
        let table = Table {
            bytes: *bytes,
            key: known,
            uses,
        };
        match replaced {
            Some(place) => *place = table,
            None => self.tables.push(table),
        }
    }

    /// Counts a verified signature.
    fn count(&mut self) {
        self.verified += 1;
        if self.verified < HALVING {
            return;
        }
        self.verified = 0;
        self.tables.iter_mut().for_each(|table| table.uses /= 2);
        let recent = self.recent.iter_mut().flatten();
        recent.for_each(|recent| recent.uses /= 2);
    }
}

impl Default for KeyCache {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use ife_message::PrivateKey;

    use super::*;

    struct Signer {
        key: [u8; 32],
        sig: [u8; 64],
    }

    fn signer(number: u32) -> Signer {
        let seed = std::array::from_fn(|i| number.to_le_bytes()[i % 4]);
        let key = PrivateKey::from_seed("k", &seed).expect("a name");
        Signer {
            key: key.public_key().to_bytes(),
            sig: key.sign(b"text"),
        }
    }

    /// Signers of slots of their own.
    fn signers(count: usize) -> Vec<Signer> {
        let mut found: Vec<Signer> = Vec::new();
        for number in 0.. {
            let next = signer(number);
            let slot = KeyCache::slot(&next.key);
            if found.iter().all(|other| KeyCache::slot(&other.key) != slot) {
                found.push(next);
            }
            if found.len() == count {
                break;
            }
        }
        found
    }

    fn cache() -> KeyCache {
        let mut cache = KeyCache::new();
        cache.scratch.extend_from_slice(b"text");
        cache
    }

    fn verifies(cache: &mut KeyCache, signer: &Signer) -> bool {
        cache.verify(&signer.key, &signer.sig) == Some(Ok(()))
    }

    fn has_table(cache: &KeyCache, signer: &Signer) -> bool {
        cache.tables.iter().any(|table| table.bytes == signer.key)
    }

    #[test]
    fn keys_of_one_slot_do_not_stand_in_for_each_other() {
        let mut by_slot: Vec<Vec<Signer>> = (0..RECENT_KEYS).map(|_| Vec::new()).collect();
        for signer in (0..600).map(signer) {
            by_slot[KeyCache::slot(&signer.key)].push(signer);
        }
        let shared = by_slot
            .iter()
            .find(|signers| signers.len() > 1)
            .expect("600 keys in 256 slots");
        let mut cache = cache();
        for _ in 0..3 {
            for signer in shared {
                assert!(verifies(&mut cache, signer));
            }
        }
        let other = [shared[1].key, shared[0].key];
        for (signer, other) in shared.iter().zip(other) {
            assert_eq!(cache.verify(&other, &signer.sig), Some(Err(BadSignature)));
        }
    }

    #[test]
    fn what_is_no_key_is_not_one() {
        let mut no_point = [0; 32];
        no_point[0] = 2;
        let mut small_order = [0; 32];
        small_order[0] = 1;
        for bytes in [no_point, small_order] {
            assert_eq!(cache().verify(&bytes, &[0; 64]), None);
        }
    }

    #[test]
    fn the_second_verified_signature_builds_a_table_and_it_decides_alike() {
        let (mut cache, signer) = (cache(), signer(1));
        assert!(verifies(&mut cache, &signer));
        assert_eq!(cache.tables(), 0);
        assert!(verifies(&mut cache, &signer));
        assert_eq!(cache.tables(), 1);
        assert!(verifies(&mut cache, &signer));
        let mut forged = signer.sig;
        forged[3] ^= 1;
        assert_eq!(cache.verify(&signer.key, &forged), Some(Err(BadSignature)));
        cache.forget();
        assert_eq!(cache.tables(), 0);
        assert!(verifies(&mut cache, &signer));
    }

    #[test]
    fn a_forged_signature_changes_nothing() {
        let (mut cache, victims) = (cache(), signers(2));
        assert!(verifies(&mut cache, &victims[0]));
        for _ in 0..100 {
            for victim in &victims {
                let outcome = cache.verify(&victim.key, &[7; 64]);
                assert_eq!(outcome, Some(Err(BadSignature)));
            }
        }
        assert_eq!(cache.tables(), 0);
        assert_eq!(cache.recent.iter().flatten().count(), 1);
        assert!(verifies(&mut cache, &victims[0]));
        assert!(has_table(&cache, &victims[0]));
    }

    #[test]
    fn keys_used_in_turns_do_not_drive_out_each_other() {
        let (mut cache, signers) = (cache(), signers(TABLES_MAX + 8));
        for _ in 0..200 {
            for signer in &signers {
                assert!(verifies(&mut cache, signer));
            }
        }
        assert_eq!(cache.tables(), TABLES_MAX);
        for signer in &signers[..TABLES_MAX] {
            assert!(has_table(&cache, signer), "the first ones stay");
        }
    }

    #[test]
    fn a_key_used_more_takes_the_place_of_the_one_used_least() {
        let (mut cache, signers) = (cache(), signers(TABLES_MAX + 1));
        let (newcomer, old) = signers.split_last().expect("17");
        for (number, signer) in old.iter().enumerate() {
            for _ in 0..if number == 5 { 2 } else { 9 } {
                assert!(verifies(&mut cache, signer));
            }
        }
        for _ in 0..LEAD + 1 {
            assert!(verifies(&mut cache, newcomer));
            assert!(!has_table(&cache, newcomer));
        }
        assert!(verifies(&mut cache, newcomer));
        assert!(has_table(&cache, newcomer) && !has_table(&cache, &old[5]));
        assert_eq!(cache.tables(), TABLES_MAX);
        // The key that lost its table does not lead yet.
        assert!(verifies(&mut cache, &old[5]));
        assert!(!has_table(&cache, &old[5]));
    }

    #[test]
    fn counts_age() {
        let (mut cache, signers) = (cache(), signers(1));
        for _ in 0..HALVING {
            assert!(verifies(&mut cache, &signers[0]));
        }
        assert_eq!(cache.tables[0].uses, HALVING / 2);
    }
}
