//! Checkpoints (C2SP tlog-checkpoint): origin, size and root of the log, as a signed note.
//!
//! Pure: keys and time are arguments. Extension lines are neither written nor read.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use thiserror::Error;

use crate::merkle::{Hash, SIZE_MAX, empty_root};
use crate::note::{self, KeyKind, Note, NoteError, SigningKey, Verified, VerifierKey};

/// Head of a log. As text: origin, decimal size and base64 root, each line ended by LF.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkpoint {
    /// Name of the log: a URL without scheme, equal to the name of the log's key.
    pub origin: String,
    /// Entries in the log.
    pub size: u64,
    /// Root of the tree over these entries.
    pub root: Hash,
}

impl Checkpoint {
    /// Reads the text of a checkpoint.
    ///
    /// # Errors
    /// [`CheckpointError`], with the line.
    pub fn parse(text: &str) -> Result<Self, CheckpointError> {
        let mut lines = text
            .strip_suffix('\n')
            .ok_or(CheckpointError::Lines)?
            .split('\n');
        let (Some(origin), Some(size), Some(root), None) =
            (lines.next(), lines.next(), lines.next(), lines.next())
        else {
            return Err(CheckpointError::Lines);
        };
        if origin.is_empty() {
            return Err(CheckpointError::Origin);
        }
        let size = parse_decimal(size)
            .filter(|size| *size <= SIZE_MAX)
            .ok_or(CheckpointError::Size)?;
        let root = parse_hash(root).ok_or(CheckpointError::Root)?;
        if size == 0 && root != empty_root() {
            return Err(CheckpointError::NotEmpty);
        }
        Ok(Self {
            origin: origin.to_owned(),
            size,
            root,
        })
    }

    /// Returns the note signed by the log's key and by the cosigner at a time in Unix seconds.
    ///
    /// # Errors
    /// [`CheckpointError::Signer`] unless the keys are of the right kind and `log` has the origin's
    /// name.
    pub fn sign(
        &self,
        log: &SigningKey,
        cosigner: Option<(&SigningKey, u64)>,
    ) -> Result<String, CheckpointError> {
        if log.verifier().name() != self.origin || log.verifier().kind() != KeyKind::Log {
            return Err(CheckpointError::Signer);
        }
        let mut note = note::sign(&self.to_string(), &[log], 0)?;
        if let Some((key, unix_s)) = cosigner {
            if key.verifier().kind() != KeyKind::Cosigner || i64::try_from(unix_s).is_err() {
                return Err(CheckpointError::Signer);
            }
            note.push_str(&key.signature_line(&self.to_string(), unix_s));
        }
        Ok(note)
    }
}

impl fmt::Display for Checkpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}\n{}\n{}\n",
            self.origin,
            self.size,
            BASE64.encode(self.root)
        )
    }
}

/// A checkpoint with verified signatures.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedCheckpoint {
    /// The signed checkpoint.
    pub checkpoint: Checkpoint,
    /// Verified signatures; cosignatures with their times.
    pub signatures: Vec<Verified>,
}

impl SignedCheckpoint {
    /// Returns the time of the latest cosignature, in Unix seconds.
    pub fn time_s(&self) -> Option<u64> {
        self.signatures
            .iter()
            .filter_map(|signature| signature.time_s)
            .max()
    }
}

/// Verifies a signed checkpoint. The log's own key, with the origin as its name, must have signed.
pub fn open(note: &[u8], keys: &[VerifierKey]) -> Result<SignedCheckpoint, CheckpointError> {
    let note = Note::parse(note)?;
    let signatures = note.verify(keys)?;
    let checkpoint = Checkpoint::parse(note.text())?;
    if !signatures
        .iter()
        .any(|s| s.kind == KeyKind::Log && s.name == checkpoint.origin)
    {
        return Err(CheckpointError::NotByLog(checkpoint.origin));
    }
    Ok(SignedCheckpoint {
        checkpoint,
        signatures,
    })
}

/// Reads a checkpoint without verifying its signatures, for readers that trust the directory.
pub fn open_unverified(note: &[u8]) -> Result<Checkpoint, CheckpointError> {
    Checkpoint::parse(Note::parse(note)?.text())
}

/// Parses a decimal number without sign or leading zeros.
pub(crate) fn parse_decimal(text: &str) -> Option<u64> {
    let canonical = text == "0" || !text.starts_with(['0', '+']);
    if canonical { text.parse().ok() } else { None }
}

/// Parses a hash of padded, canonical base64.
pub(crate) fn parse_hash(text: &str) -> Option<Hash> {
    BASE64.decode(text).ok()?.try_into().ok()
}

/// Reasons why a checkpoint is malformed or untrusted.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum CheckpointError {
    /// Not a note, or one whose signatures do not verify.
    #[error(transparent)]
    Note(#[from] NoteError),
    /// Not three lines.
    #[error("a checkpoint is exactly three lines: origin, size, root")]
    Lines,
    /// No origin.
    #[error("line 1: the origin is empty")]
    Origin,
    /// Not a size.
    #[error("line 2: the size is no plain decimal number up to 2^63")]
    Size,
    /// Not a hash.
    #[error("line 3: the root is no base64 of 32 bytes")]
    Root,
    /// Size 0 with a root other than the empty tree's.
    #[error("line 3: the size is 0 but the root is not that of the empty tree")]
    NotEmpty,
    /// Good signatures, but none by the log.
    #[error("the log {0} itself has not signed")]
    NotByLog(String),
    /// A signing key of the wrong name or kind, or a time over 2^63 - 1.
    #[error(
        "the key to sign with is not this log's, or of the wrong kind, or the time is out of range"
    )]
    Signer,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checkpoint(size: u64) -> Checkpoint {
        let root = if size == 0 { empty_root() } else { [7; 32] };
        Checkpoint {
            origin: "example.com/log".into(),
            size,
            root,
        }
    }

    fn key(name: &str, kind: KeyKind) -> SigningKey {
        SigningKey::from_seed(name, kind, &[1; 32]).expect("good name")
    }

    #[test]
    fn text_form_reads_back() {
        for size in [0, 1, 20_852_163, SIZE_MAX] {
            let head = checkpoint(size);
            assert_eq!(Checkpoint::parse(&head.to_string()), Ok(head));
        }
        assert_eq!(
            checkpoint(0).to_string(),
            "example.com/log\n0\n47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\n"
        );
    }

    #[test]
    fn malformed_texts() {
        let root = BASE64.encode([7; 32]);
        for (text, error) in [
            (format!("o\n1\n{root}"), CheckpointError::Lines),
            ("o\n1\n".into(), CheckpointError::Lines),
            (format!("o\n1\n{root}\nextension\n"), CheckpointError::Lines),
            (format!("\n1\n{root}\n"), CheckpointError::Origin),
            (format!("o\n01\n{root}\n"), CheckpointError::Size),
            (format!("o\n+1\n{root}\n"), CheckpointError::Size),
            (format!("o\n-1\n{root}\n"), CheckpointError::Size),
            (
                format!("o\n9223372036854775809\n{root}\n"),
                CheckpointError::Size,
            ),
            (
                format!("o\n1\n{}\n", root.replace('=', "")),
                CheckpointError::Root,
            ),
            (
                format!("o\n1\n{}\n", BASE64.encode([7; 31])),
                CheckpointError::Root,
            ),
            (format!("o\n0\n{root}\n"), CheckpointError::NotEmpty),
        ] {
            assert_eq!(Checkpoint::parse(&text), Err(error), "{text:?}");
        }
    }

    #[test]
    fn a_signed_checkpoint_opens_with_time() {
        let (log, clock) = (
            key("example.com/log", KeyKind::Log),
            key("example.com/clock", KeyKind::Cosigner),
        );
        let note = checkpoint(3)
            .sign(&log, Some((&clock, 42)))
            .expect("right keys");
        let keys = [log.verifier().clone(), clock.verifier().clone()];
        let opened = open(note.as_bytes(), &keys).expect("good");
        assert_eq!(
            (opened.time_s(), &opened.checkpoint),
            (Some(42), &checkpoint(3))
        );
        assert_eq!(open_unverified(note.as_bytes()), Ok(checkpoint(3)));
        // A cosignature alone is not enough.
        assert_eq!(
            open(note.as_bytes(), &keys[1..]),
            Err(CheckpointError::NotByLog("example.com/log".into()))
        );
    }

    #[test]
    fn keys_of_another_name_or_kind_do_not_sign() {
        let (log, clock) = (
            key("example.com/log", KeyKind::Log),
            key("example.com/log", KeyKind::Cosigner),
        );
        assert_eq!(
            checkpoint(1).sign(&key("other", KeyKind::Log), None),
            Err(CheckpointError::Signer)
        );
        assert_eq!(
            checkpoint(1).sign(&clock, None),
            Err(CheckpointError::Signer)
        );
        assert_eq!(
            checkpoint(1).sign(&log, Some((&log, 1))),
            Err(CheckpointError::Signer)
        );
        assert_eq!(
            checkpoint(1).sign(&log, Some((&clock, 1 << 63))),
            Err(CheckpointError::Signer)
        );
    }
}
