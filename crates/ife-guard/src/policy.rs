//! The policy in force and the keys at hand.

use ife_message::PublicKey;

use crate::image::Image;

/// What [`crate::decide`] decides by.
#[derive(Clone, Copy, Debug)]
pub struct Policy<'a> {
    /// The registry.
    pub image: &'a Image<'a>,
    /// Freshness window in place of the registry's, seconds.
    pub freshness_s: Option<u32>,
    /// Signatures made before this instant (Unix seconds) are stale whatever the window says. 0 normally.
    ///
    /// When a reload widens the window from `old` to `new` seconds, replay records of signatures between the two ages are gone. Whoever
    /// reloads sets this to the instant of the reload minus `old`, so that none of those signatures counts a second time.
    pub iat_floor_s: u64,
}

impl<'a> Policy<'a> {
    /// By the registry alone.
    #[must_use]
    pub fn new(image: &'a Image<'a>) -> Self {
        Self {
            image,
            freshness_s: None,
            iat_floor_s: 0,
        }
    }

    /// The freshness window in force, seconds.
    #[must_use]
    pub fn window_s(&self) -> u32 {
        self.freshness_s.unwrap_or(self.image.freshness_s())
    }
}

/// Keys per cache; a power of two.
const CACHE_KEYS: usize = 256;

/// Recently used public keys, decompressed, and the buffer for signed bytes. One per process, about 60 KiB, never grows.
///
/// Decompressing a key costs about a tenth of verifying a signature. A cached key is found by all of its 32 bytes, so it cannot stand in
/// for another, and a key that a reload removed is no longer asked for.
#[derive(Debug)]
pub struct KeyCache {
    keys: Vec<Option<([u8; 32], PublicKey)>>,
    pub(crate) scratch: Vec<u8>,
}

impl KeyCache {
    /// An empty cache.
    #[must_use]
    pub fn new() -> Self {
        Self {
            keys: vec![None; CACHE_KEYS],
            scratch: Vec::with_capacity(2048),
        }
    }

    /// The key with these bytes; `None` if there is no such key, which a checked registry rules out.
    pub(crate) fn key(&mut self, bytes: &[u8; 32]) -> Option<PublicKey> {
        // A y coordinate is as good as random, so any of its bits do for an index.
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
