//! The policy in force and the cache of keys.

use ife_message::PublicKey;

use crate::image::Image;

/// The inputs of [`crate::decide`] besides request, state and time.
#[derive(Clone, Copy, Debug)]
pub struct Policy<'a> {
    /// The registry.
    pub image: &'a Image<'a>,
    /// Freshness window in place of the registry's, seconds.
    pub freshness_s: Option<u32>,
    /// Signatures made before this instant (Unix seconds) are stale in any window. Normally 0.
    ///
    /// When a reload widens the window from `old` to `new` seconds, replay records of signatures
    /// between the two ages are gone. The caller then sets this to the instant of the reload minus
    /// `old`, so that none of those signatures counts a second time.
    pub iat_floor_s: u64,
}

impl<'a> Policy<'a> {
    /// Returns the policy of the registry alone.
    #[must_use]
    pub fn new(image: &'a Image<'a>) -> Self {
        Self {
            image,
            freshness_s: None,
            iat_floor_s: 0,
        }
    }

    /// Returns the freshness window in force, seconds.
    #[must_use]
    pub fn window_s(&self) -> u32 {
        self.freshness_s.unwrap_or(self.image.freshness_s())
    }
}

/// Keys per cache; a power of two.
const CACHE_KEYS: usize = 256;

/// Recently used public keys, decompressed, and the buffer for signed bytes. One per process, about
/// 60 KiB, never grows.
///
/// Decompressing a key costs about a tenth of verifying a signature. All 32 bytes identify a cached
/// key, so it cannot be mistaken for another, and a key that a reload removed is no longer looked
/// up.
#[derive(Debug)]
pub struct KeyCache {
    keys: Vec<Option<([u8; 32], PublicKey)>>,
    pub(crate) scratch: Vec<u8>,
}

impl KeyCache {
    /// Returns an empty cache.
    #[must_use]
    pub fn new() -> Self {
        Self {
            keys: vec![None; CACHE_KEYS],
            scratch: Vec::with_capacity(2048),
        }
    }

    /// Returns the key with these bytes; `None` for no key, which a checked registry rules out.
    pub(crate) fn key(&mut self, bytes: &[u8; 32]) -> Option<PublicKey> {
        // The bits of a y coordinate are close to random, so any of them serve as an index.
        let slot = self.keys.get_mut(usize::from(bytes[1]) % CACHE_KEYS)?;
        match slot {
            Some((cached, key)) if cached == bytes => Some(*key),
            _ => {
                let key = PublicKey::from_bytes(bytes).ok()?;
                *slot = Some((*bytes, key));
                Some(key)
            }
        }
    }
}

impl Default for KeyCache {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_of_one_slot_do_not_stand_in_for_each_other() {
        let mut cache = KeyCache::new();
        let mut by_slot: Vec<Vec<[u8; 32]>> = vec![Vec::new(); CACHE_KEYS];
        for number in 0..600_u32 {
            let seed = std::array::from_fn(|i| number.to_le_bytes()[i % 4]);
            let key = ife_message::PrivateKey::from_seed("k", &seed).expect("a name");
            let bytes = key.public_key().to_bytes();
            by_slot[usize::from(bytes[1]) % CACHE_KEYS].push(bytes);
        }
        let shared = by_slot
            .iter()
            .find(|keys| keys.len() > 1)
            .expect("600 keys in 256 slots");
        for bytes in shared.iter().chain(shared) {
            assert_eq!(cache.key(bytes).map(|key| key.to_bytes()), Some(*bytes));
        }
    }

    #[test]
    fn what_is_no_key_is_not_one() {
        let mut no_point = [0; 32];
        no_point[0] = 2;
        let mut small_order = [0; 32];
        small_order[0] = 1;
        for bytes in [no_point, small_order] {
            assert!(KeyCache::new().key(&bytes).is_none());
        }
    }
}
