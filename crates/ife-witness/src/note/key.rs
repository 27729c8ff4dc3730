//! The keys of signed notes: names, ids, text form, signing and verification by kind.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use ed25519_dalek::{Signature, Signer as _, VerifyingKey};
use sha2::{Digest as _, Sha256};
use thiserror::Error;

use super::{LINE_START, NoteError};

/// Largest key name in bytes.
const NAME_LEN_MAX: usize = 255;

/// The kind of signature that a key makes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum KeyKind {
    /// Over notes unchanged: signature type 0x01.
    Log,
    /// Over checkpoints together with the time: signature type 0x04, `cosignature/v1`.
    Cosigner,
}

impl KeyKind {
    /// Returns the signature type byte.
    fn byte(self) -> u8 {
        match self {
            Self::Log => 0x01,
            Self::Cosigner => 0x04,
        }
    }
}

/// A public key and its name, as a verifier is configured with.
///
/// As text: `name+<8 hex digits of key id>+<base64(type byte || key)>`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifierKey {
    name: String,
    kind: KeyKind,
    id: [u8; 4],
    key: VerifyingKey,
}

impl VerifierKey {
    /// Creates a key and computes its id.
    ///
    /// # Errors
    /// [`KeyError`] for a bad name, or a key that is not a point of the curve or of small order.
    pub fn new(name: &str, kind: KeyKind, key: &[u8; 32]) -> Result<Self, KeyError> {
        check_name(name)?;
        let key = VerifyingKey::from_bytes(key).map_err(|_| KeyError::Point)?;
        if key.is_weak() {
            return Err(KeyError::Point);
        }
        let mut hasher = Sha256::new();
        hasher.update(name);
        hasher.update([0x0a, kind.byte()]);
        hasher.update(key.as_bytes());
        let [a, b, c, d, ..] = <[u8; 32]>::from(hasher.finalize());
        Ok(Self {
            name: name.to_owned(),
            kind,
            id: [a, b, c, d],
            key,
        })
    }

    /// Reads a verifier key string; its key id must match name, type and key.
    pub fn parse(text: &str) -> Result<Self, KeyError> {
        let (name, rest) = text.split_once('+').ok_or(KeyError::Shape)?;
        let (id, key) = rest.split_once('+').ok_or(KeyError::Shape)?;
        let bytes = BASE64.decode(key).map_err(|_| KeyError::Base64)?;
        let (kind, key) = match bytes.split_first() {
            Some((0x01, key)) => (KeyKind::Log, key),
            Some((0x04, key)) => (KeyKind::Cosigner, key),
            Some((other, _)) => return Err(KeyError::Kind(*other)),
            None => return Err(KeyError::Shape),
        };
        let key = Self::new(
            name,
            kind,
            key.try_into().map_err(|_| KeyError::Length(key.len()))?,
        )?;
        if id != key.id_hex() {
            return Err(KeyError::Id {
                found: id.chars().take(16).collect(),
                computed: key.id_hex(),
            });
        }
        Ok(key)
    }

    /// Reads a file of verifier key strings, one on each line; skips empty lines and `#` comments.
    ///
    /// # Errors
    /// The number of the line, from 1, and its error.
    pub fn parse_file(text: &str) -> Result<Vec<Self>, (usize, KeyError)> {
        let lines = text
            .lines()
            .enumerate()
            .map(|(i, line)| (i + 1, line.trim()));
        let keys = lines.filter(|(_, line)| !line.is_empty() && !line.starts_with('#'));
        keys.map(|(number, line)| Self::parse(line).map_err(|error| (number, error)))
            .collect()
    }

    /// Returns the key's name; for a log's key, the log's origin.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns the kind of signature that the key makes.
    pub fn kind(&self) -> KeyKind {
        self.kind
    }

    /// Returns the key id: the first four bytes of `SHA-256(name || 0x0A || type byte || key)`.
    pub fn id(&self) -> [u8; 4] {
        self.id
    }

    fn id_hex(&self) -> String {
        format!("{:08x}", u32::from_be_bytes(self.id))
    }

    /// Verifies the bytes after the key id of a signature line. Returns the time of a cosignature.
    pub(super) fn verify(&self, text: &str, blob: &[u8]) -> Result<Option<u64>, NoteError> {
        let bad = || NoteError::BadSignature {
            name: self.name.clone(),
        };
        let (time, signature) = match self.kind {
            KeyKind::Log => (None, blob),
            KeyKind::Cosigner => {
                let (time, signature) = blob.split_first_chunk::<8>().ok_or_else(bad)?;
                (Some(u64::from_be_bytes(*time)), signature)
            }
        };
        let signature = Signature::from_slice(signature).map_err(|_| bad())?;
        let verified = match time {
            None => self.key.verify_strict(text.as_bytes(), &signature),
            // The specification keeps times below 2^63.
            Some(time) if i64::try_from(time).is_err() => return Err(bad()),
            Some(time) => self
                .key
                .verify_strict(cosigned(text, time).as_bytes(), &signature),
        };
        verified.map(|()| time).map_err(|_| bad())
    }
}

impl fmt::Display for VerifierKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut bytes = vec![self.kind.byte()];
        bytes.extend_from_slice(self.key.as_bytes());
        write!(
            f,
            "{}+{}+{}",
            self.name,
            self.id_hex(),
            BASE64.encode(bytes)
        )
    }
}

/// A private key with its name. Its `Debug` shows only the public half; the key is wiped on drop.
pub struct SigningKey {
    key: ed25519_dalek::SigningKey,
    verifier: VerifierKey,
}

impl SigningKey {
    /// Creates a key from its 32-byte seed (RFC 8032 section 5.1.5).
    ///
    /// # Errors
    /// [`KeyError`] for a bad name.
    pub fn from_seed(name: &str, kind: KeyKind, seed: &[u8; 32]) -> Result<Self, KeyError> {
        let key = ed25519_dalek::SigningKey::from_bytes(seed);
        let verifier = VerifierKey::new(name, kind, key.verifying_key().as_bytes())?;
        Ok(Self { key, verifier })
    }

    /// Returns the public half.
    pub fn verifier(&self) -> &VerifierKey {
        &self.verifier
    }

    /// Returns the signature line with its LF. Only cosigners sign `unix_s`, at most 2^63 - 1.
    pub fn signature_line(&self, text: &str, unix_s: u64) -> String {
        let mut blob = self.verifier.id.to_vec();
        match self.verifier.kind {
            KeyKind::Log => blob.extend_from_slice(&self.key.sign(text.as_bytes()).to_bytes()),
            KeyKind::Cosigner => {
                blob.extend_from_slice(&unix_s.to_be_bytes());
                blob.extend_from_slice(
                    &self.key.sign(cosigned(text, unix_s).as_bytes()).to_bytes(),
                );
            }
        }
        format!(
            "{LINE_START}{} {}\n",
            self.verifier.name,
            BASE64.encode(blob)
        )
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SigningKey")
            .field("verifier", &self.verifier)
            .finish_non_exhaustive()
    }
}

/// Returns the text that a cosigner signs.
fn cosigned(text: &str, unix_s: u64) -> String {
    format!("cosignature/v1\ntime {unix_s}\n{text}")
}

pub(super) fn check_name(name: &str) -> Result<(), KeyError> {
    let bad = |c: char| c == '+' || c.is_whitespace() || c.is_control();
    let good = !name.is_empty() && name.len() <= NAME_LEN_MAX && !name.contains(bad);
    if good { Ok(()) } else { Err(KeyError::Name) }
}

/// Reasons why a text or bytes are not a key.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum KeyError {
    /// Not three parts.
    #[error("not of the form name+keyid+base64")]
    Shape,
    /// Not a usable name.
    #[error("the key name must be 1 to 255 bytes without space, control character or '+'")]
    Name,
    /// The last part does not decode.
    #[error("the key is not padded base64")]
    Base64,
    /// A signature type other than 0x01 and 0x04.
    #[error(
        "signature type {0:#04x} is not supported, only 0x01 (Ed25519) and 0x04 (cosignature/v1)"
    )]
    Kind(u8),
    /// Not 32 bytes.
    #[error("the key has {0} bytes, an Ed25519 key has 32")]
    Length(usize),
    /// Not on the curve, or of small order.
    #[error("the key is no point of the curve, or one of small order")]
    Point,
    /// A key id that does not match name and key.
    #[error("the key id is {found} but name and key give {computed}")]
    Id {
        /// The id in the text.
        found: String,
        /// The id computed from name, type and key.
        computed: String,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "example.com/log\n3\nAAAA\n";

    fn key(name: &str, kind: KeyKind, seed: u8) -> SigningKey {
        SigningKey::from_seed(name, kind, &[seed; 32]).expect("good name")
    }

    #[test]
    fn a_moved_time_or_text_is_a_bad_signature() {
        let cosigner = key("c", KeyKind::Cosigner, 2);
        let line = cosigner.signature_line(TEXT, 7);
        let blob = BASE64
            .decode(line.trim_end().rsplit(' ').next().expect("three parts"))
            .expect("base64");
        let bad = NoteError::BadSignature { name: "c".into() };
        assert_eq!(cosigner.verifier.verify(TEXT, &blob[4..]), Ok(Some(7)));
        assert_eq!(
            cosigner.verifier.verify("other\n", &blob[4..]),
            Err(bad.clone())
        );
        for byte in 4..blob.len() {
            let mut moved = blob.clone();
            moved[byte] ^= 0x80;
            assert_eq!(
                cosigner.verifier.verify(TEXT, &moved[4..]),
                Err(bad.clone()),
                "byte {byte}"
            );
        }
    }

    #[test]
    fn malformed_keys() {
        let good = key("k", KeyKind::Log, 1).verifier().to_string();
        let id = &good[2..10];
        for (text, error) in [
            ("k+00".to_owned(), KeyError::Shape),
            (good.replace("k+", "k k+"), KeyError::Name),
            (good.replace("k+", "+"), KeyError::Name),
            (
                good.replace(id, "00000000"),
                KeyError::Id {
                    found: "00000000".into(),
                    computed: id.into(),
                },
            ),
            (format!("k+{id}+AQ=="), KeyError::Length(0)),
            (format!("k+{id}+Ag=="), KeyError::Kind(2)),
            (format!("k+{id}+A"), KeyError::Base64),
            (
                format!("k+{id}+{}", BASE64.encode([&[1][..], &[0; 32]].concat())),
                KeyError::Point,
            ),
        ] {
            assert_eq!(VerifierKey::parse(&text), Err(error), "{text}");
        }
        let file = format!("# keys\n\n{good}\nnonsense\n");
        assert_eq!(VerifierKey::parse_file(&file), Err((4, KeyError::Shape)));
    }
}
