//! Keyed hashes for the shared tables. The key is random per state file, against forged collisions.

use std::hash::Hasher;

use siphasher::sip128::{Hasher128, SipHasher13};

/// The key of one state file.
#[derive(Clone, Copy)]
pub(crate) struct Key(pub(crate) u64, pub(crate) u64);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Hash {
    pub(crate) low: u64,
    pub(crate) high: u64,
}

impl Key {
    /// Returns a random key from the kernel.
    pub(crate) fn random() -> std::io::Result<Self> {
        let words = [random_u64()?, random_u64()?];
        Ok(Self(words[0], words[1]))
    }

    pub(crate) fn hash(self, bytes: &[u8]) -> Hash {
        let mut hasher = SipHasher13::new_with_keys(self.0, self.1);
        hasher.write(bytes);
        let hash = hasher.finish128();
        Hash {
            low: hash.h1,
            high: hash.h2,
        }
    }
}

fn random_u64() -> std::io::Result<u64> {
    getrandom::u64().map_err(|e| std::io::Error::other(format!("getrandom: {e}")))
}
