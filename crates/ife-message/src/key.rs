//! Ed25519 keys and their text forms: `ed25519:<base64, 32 bytes>` for public keys,
//! `IFE-PRIVATE-KEY-1 <name> <base64 seed>` in a file.

mod field;
mod known;
mod point;

use std::{fmt, str::FromStr};

use base64::{Engine, engine::general_purpose::STANDARD};
use ed25519_dalek::{Signature, Signer, SigningKey, VerifyingKey};
use zeroize::Zeroizing;

pub use known::{KnownKey, prepare};

const PREFIX: &str = "ed25519:";
const PRIVATE_MAGIC: &str = "IFE-PRIVATE-KEY-1";
/// Longest name of a private key, in bytes: a kid or the name of a witness log.
pub const KEY_NAME_LEN_MAX: usize = 128;

/// Reasons why text or bytes are not a key. Never carries the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// Does not begin with `ed25519:`.
    #[error("a public key is written ed25519:<base64>")]
    Prefix,
    /// Not standard base64, with padding, of 32 bytes.
    #[error("the key is not 44 characters of base64 (32 bytes)")]
    Encoding,
    /// Not the canonical encoding of a point of the curve.
    #[error("the bytes are not an Ed25519 public key")]
    Point,
    /// A point of small order: a signature by it proves nothing.
    #[error("the public key is weak (of small order)")]
    Weak,
    /// Not one line of `IFE-PRIVATE-KEY-1 <name> <base64>`.
    #[error("a private key file is one line: IFE-PRIVATE-KEY-1 <name> <base64 seed>")]
    PrivateFormat,
    /// Empty, too long, or with a space or a control character.
    #[error("the name of a key is 1 to 128 visible ASCII characters")]
    Name,
}

/// The signature does not belong to this key and these bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the signature does not verify")]
pub struct BadSignature;

/// A public key, decompressed. Parsing costs a tenth of a verification, so keep it for reuse.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct PublicKey(VerifyingKey);

impl PublicKey {
    /// Returns the key with this encoding (RFC 8032 section 5.1.2). Refuses non-canonical encodings
    /// and points of small order.
    pub fn from_bytes(bytes: &[u8; 32]) -> Result<PublicKey, KeyError> {
        if !is_canonical_y(bytes) {
            return Err(KeyError::Point);
        }
        let key = VerifyingKey::from_bytes(bytes).map_err(|_| KeyError::Point)?;
        if key.is_weak() {
            Err(KeyError::Weak)
        } else {
            Ok(PublicKey(key))
        }
    }

    /// Returns the 32 bytes.
    pub fn to_bytes(&self) -> [u8; 32] {
        self.0.to_bytes()
    }

    /// Verifies strictly: canonical S, no point of small order, cofactorless equation (dalek's
    /// `verify_strict`).
    pub fn verify_strict(&self, message: &[u8], sig: &[u8; 64]) -> Result<(), BadSignature> {
        self.0
            .verify_strict(message, &Signature::from_bytes(sig))
            .map_err(|_| BadSignature)
    }
}

/// Returns whether the y coordinate is below 2^255 - 19. RFC 8032 section 5.1.3 demands it, and the
/// curve library does not check it.
fn is_canonical_y(bytes: &[u8; 32]) -> bool {
    let high = bytes[31] & 0x7f == 0x7f && bytes[1..31].iter().all(|&b| b == 0xff);
    !(high && bytes[0] >= 0xed)
}

impl FromStr for PublicKey {
    type Err = KeyError;
    /// Parses `ed25519:<base64, 32 bytes>`.
    fn from_str(text: &str) -> Result<PublicKey, KeyError> {
        let encoded = text.strip_prefix(PREFIX).ok_or(KeyError::Prefix)?;
        PublicKey::from_bytes(&decode32(encoded)?)
    }
}

impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{PREFIX}{}", STANDARD.encode(self.to_bytes()))
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A private key with the name that its signatures carry. Wiped from memory when dropped; `Debug`
/// shows the name only.
pub struct PrivateKey {
    name: String,
    key: SigningKey,
}

impl PrivateKey {
    /// Returns the key of this seed. The seed must come from a cryptographic random source.
    pub fn from_seed(name: &str, seed: &[u8; 32]) -> Result<PrivateKey, KeyError> {
        let visible = name.bytes().all(|b| b.is_ascii_graphic());
        if name.is_empty() || name.len() > KEY_NAME_LEN_MAX || !visible {
            return Err(KeyError::Name);
        }
        Ok(PrivateKey {
            name: name.to_owned(),
            key: SigningKey::from_bytes(seed),
        })
    }

    /// Parses the contents of a private key file: one line, its LF optional.
    pub fn parse_file(contents: &[u8]) -> Result<PrivateKey, KeyError> {
        let line = contents.strip_suffix(b"\n").unwrap_or(contents);
        let text = std::str::from_utf8(line).map_err(|_| KeyError::PrivateFormat)?;
        let mut fields = text.split(' ');
        let (Some(PRIVATE_MAGIC), Some(name), Some(seed), None) =
            (fields.next(), fields.next(), fields.next(), fields.next())
        else {
            return Err(KeyError::PrivateFormat);
        };
        PrivateKey::from_seed(name, &Zeroizing::new(decode32(seed)?))
    }

    /// Returns the contents of a private key file. Write it with mode 0600.
    pub fn to_file(&self) -> Zeroizing<String> {
        let seed = Zeroizing::new(STANDARD.encode(self.key.as_bytes()));
        Zeroizing::new(format!("{PRIVATE_MAGIC} {} {}\n", self.name, *seed))
    }

    /// Returns the kid or the log's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns the public half.
    pub fn public_key(&self) -> PublicKey {
        PublicKey(self.key.verifying_key())
    }

    /// Signs by RFC 8032 Ed25519: the same bytes always give the same signature.
    pub fn sign(&self, message: &[u8]) -> [u8; 64] {
        self.key.sign(message).to_bytes()
    }
}

impl fmt::Debug for PrivateKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PrivateKey")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

fn decode32(text: &str) -> Result<[u8; 32], KeyError> {
    if text.len() != 44 {
        return Err(KeyError::Encoding);
    }
    let bytes = Zeroizing::new(STANDARD.decode(text).map_err(|_| KeyError::Encoding)?);
    bytes.as_slice().try_into().map_err(|_| KeyError::Encoding)
}
