//! Signed notes (C2SP signed-note) with Ed25519 keys, and cosignatures (C2SP tlog-cosignature, v1).
//!
//! Pure: keys and time are arguments. Parsing is strict; signatures by unknown keys are skipped.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use thiserror::Error;

mod key;

use self::key::check_name;
pub use self::key::{KeyError, KeyKind, SigningKey, VerifierKey};

/// Largest note, in bytes, that is parsed.
pub const NOTE_LEN_MAX: usize = 64 * 1024;
/// Largest number of signature lines; the specification demands at least 16.
pub const SIGNATURES_MAX: usize = 64;
/// Beginning of a signature line.
const LINE_START: &str = "\u{2014} ";

/// Signs `text` by each key in turn. It must end in LF and hold no other control characters.
///
/// # Errors
/// [`NoteError`] if `text` cannot be the text of a note.
pub fn sign(text: &str, keys: &[&SigningKey], unix_s: u64) -> Result<String, NoteError> {
    check_text(text.as_bytes())?;
    if !text.ends_with('\n') {
        return Err(NoteError::NoText);
    }
    let mut note = format!("{text}\n");
    for key in keys {
        note.push_str(&key.signature_line(text, unix_s));
    }
    Ok(note)
}

/// A note's parts, not yet verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note<'a> {
    text: &'a str,
    signatures: Vec<SignatureLine<'a>>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct SignatureLine<'a> {
    name: &'a str,
    id: [u8; 4],
    blob: Vec<u8>,
}

/// A verified signature.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verified {
    /// Name of the key.
    pub name: String,
    /// The kind of signature that the key makes.
    pub kind: KeyKind,
    /// Time of a cosignature in Unix seconds; `None` for a log's signature.
    pub time_s: Option<u64>,
}

impl<'a> Note<'a> {
    /// Splits a note into text and signature lines.
    ///
    /// # Errors
    /// [`NoteError`], with the line if there is one.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, NoteError> {
        if bytes.len() > NOTE_LEN_MAX {
            return Err(NoteError::TooLong(bytes.len()));
        }
        let whole = check_text(bytes)?;
        if !whole.ends_with('\n') {
            return Err(NoteError::NoFinalNewline);
        }
        // The last empty line, because signature lines are never empty.
        let split = whole.rfind("\n\n").ok_or(NoteError::NoSignatures)?;
        let (text, block) = (&whole[..=split], &whole[split + 2..]);
        let first = text.lines().count() + 2;
        let lines: Vec<_> = block.lines().collect();
        if lines.is_empty() {
            return Err(NoteError::NoSignatures);
        }
        if lines.len() > SIGNATURES_MAX {
            return Err(NoteError::TooManySignatures(lines.len()));
        }
        let parsed = lines
            .iter()
            .enumerate()
            .map(|(i, line)| parse_line(line).ok_or(NoteError::Line(first + i)));
        Ok(Self {
            text,
            signatures: parsed.collect::<Result<_, _>>()?,
        })
    }

    /// Returns the text with its final LF. It is untrusted before [`verify`](Self::verify).
    pub fn text(&self) -> &'a str {
        self.text
    }

    /// Verifies the signatures by all known keys, matched by name and key id; further signatures by
    /// the same key are verified but returned once.
    ///
    /// # Errors
    /// [`NoteError::BadSignature`] if any signature by a known key is wrong,
    /// [`NoteError::NoKnownSignature`] if no known key signed.
    pub fn verify(&self, known: &[VerifierKey]) -> Result<Vec<Verified>, NoteError> {
        let mut verified: Vec<Verified> = Vec::new();
        for line in &self.signatures {
            let Some(key) = known
                .iter()
                .find(|key| key.name() == line.name && key.id() == line.id)
            else {
                continue;
            };
            let time_s = key.verify(self.text, &line.blob)?;
            if !verified
                .iter()
                .any(|v| v.name == key.name() && v.kind == key.kind())
            {
                verified.push(Verified {
                    name: key.name().to_owned(),
                    kind: key.kind(),
                    time_s,
                });
            }
        }
        if verified.is_empty() {
            Err(NoteError::NoKnownSignature)
        } else {
            Ok(verified)
        }
    }
}

fn parse_line(line: &str) -> Option<SignatureLine<'_>> {
    let (name, blob) = line.strip_prefix(LINE_START)?.split_once(' ')?;
    check_name(name).ok()?;
    let bytes = BASE64.decode(blob).ok()?;
    let (id, blob) = bytes.split_first_chunk::<4>()?;
    // Empty: a key id without a signature.
    (!blob.is_empty()).then(|| SignatureLine {
        name,
        id: *id,
        blob: blob.to_vec(),
    })
}

fn check_text(bytes: &[u8]) -> Result<&str, NoteError> {
    if let Some(offset) = bytes.iter().position(|b| *b < 0x20 && *b != b'\n') {
        return Err(NoteError::Control { offset });
    }
    std::str::from_utf8(bytes).map_err(|error| NoteError::NotUtf8 {
        offset: error.valid_up_to(),
    })
}

/// Reasons why a note is malformed or untrusted. Offsets are in bytes, lines count from 1.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum NoteError {
    /// Over [`NOTE_LEN_MAX`].
    #[error("{0} bytes are too many for a note, the most is 65536")]
    TooLong(usize),
    /// Not UTF-8.
    #[error("offset {offset}: not UTF-8")]
    NotUtf8 {
        /// First bad byte.
        offset: usize,
    },
    /// A control character other than LF.
    #[error("offset {offset}: a control character")]
    Control {
        /// Its position.
        offset: usize,
    },
    /// The last line is cut.
    #[error("the last line does not end in a newline")]
    NoFinalNewline,
    /// The text to sign does not end in LF.
    #[error("a note's text must end in a newline")]
    NoText,
    /// No empty line, or nothing after it.
    #[error("no signature lines")]
    NoSignatures,
    /// Over [`SIGNATURES_MAX`].
    #[error("{0} signature lines are too many, the most is 64")]
    TooManySignatures(usize),
    /// Not `— name base64`.
    #[error("line {0}: not a signature line")]
    Line(usize),
    /// A known key's signature does not verify.
    #[error("the signature of {name} is wrong")]
    BadSignature {
        /// The key's name.
        name: String,
    },
    /// No known key signed.
    #[error("no signature by any of the given keys")]
    NoKnownSignature,
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "example.com/log\n3\nAAAA\n";

    fn key(name: &str, kind: KeyKind, seed: u8) -> SigningKey {
        SigningKey::from_seed(name, kind, &[seed; 32]).expect("good name")
    }

    #[test]
    fn the_example_of_the_specification_verifies() {
        // From Go's sumdb/note package, the origin of the specification.
        let vkey = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW";
        let note = "If you think cryptography is the answer to your problem,\n\
            then you don't know what your problem is.\n\n\
            \u{2014} PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXg\
            KvqfqdngotpRZb6KE6RyyBwJnAM=\n";
        let key = VerifierKey::parse(vkey).expect("a good key");
        assert_eq!(key.to_string(), vkey);
        let note = Note::parse(note.as_bytes()).expect("a good note");
        let verified = note.verify(&[key]).expect("a good signature");
        assert_eq!(
            verified,
            [Verified {
                name: "PeterNeumann".into(),
                kind: KeyKind::Log,
                time_s: None
            }]
        );
    }

    #[test]
    fn log_and_cosigner_signatures_verify_and_tell_the_time() {
        let (log, cosigner) = (
            key("example.com/log", KeyKind::Log, 1),
            key("example.com/log-clock", KeyKind::Cosigner, 2),
        );
        let note = sign(TEXT, &[&log, &cosigner], 1_679_315_147).expect("a good text");
        let verified = Note::parse(note.as_bytes())
            .expect("a note")
            .verify(&[log.verifier().clone(), cosigner.verifier().clone()]);
        let times: Vec<_> = verified
            .expect("good")
            .into_iter()
            .map(|v| (v.name, v.time_s))
            .collect();
        assert_eq!(
            times,
            [
                ("example.com/log".into(), None),
                ("example.com/log-clock".into(), Some(1_679_315_147))
            ]
        );
    }

    #[test]
    fn unknown_signers_are_ignored_known_bad_ones_are_not() {
        let (known, stranger) = (
            key("known", KeyKind::Log, 1),
            key("stranger", KeyKind::Log, 2),
        );
        let namesake = key("known", KeyKind::Log, 3);
        let keys = [known.verifier().clone()];
        let verify = |note: &str| Note::parse(note.as_bytes()).expect("a note").verify(&keys);
        assert!(
            verify(&sign(TEXT, &[&stranger, &namesake, &known, &known], 0).expect("text"))
                .is_ok_and(|v| v.len() == 1)
        );
        assert_eq!(
            verify(&sign(TEXT, &[&stranger, &namesake], 0).expect("text")),
            Err(NoteError::NoKnownSignature)
        );
        let forged = format!(
            "{TEXT}\n{}{}",
            known.signature_line(TEXT, 0),
            known.signature_line("other\n", 0)
        );
        assert_eq!(
            verify(&forged),
            Err(NoteError::BadSignature {
                name: "known".into()
            })
        );
    }

    #[test]
    fn limits_on_signatures() {
        let line = key("k", KeyKind::Log, 1).signature_line(TEXT, 0);
        let note = |count: usize| format!("{TEXT}\n{}", line.repeat(count));
        assert!(Note::parse(note(SIGNATURES_MAX).as_bytes()).is_ok());
        assert_eq!(
            Note::parse(note(SIGNATURES_MAX + 1).as_bytes()),
            Err(NoteError::TooManySignatures(65))
        );
        assert_eq!(
            Note::parse(&vec![b'a'; NOTE_LEN_MAX + 1]),
            Err(NoteError::TooLong(65_537))
        );
    }

    #[test]
    fn malformed_notes() {
        let line = key("k", KeyKind::Log, 1).signature_line(TEXT, 0);
        for (note, error) in [
            (String::new(), NoteError::NoFinalNewline),
            ("text\n".into(), NoteError::NoSignatures),
            ("text\n\n".into(), NoteError::NoSignatures),
            (
                format!("text\n\n{}", line.trim_end()),
                NoteError::NoFinalNewline,
            ),
            (
                format!("te\rxt\n\n{line}"),
                NoteError::Control { offset: 2 },
            ),
            (format!("text\n\n- {}", &line[4..]), NoteError::Line(3)),
            (
                format!("text\n\n{line}\u{2014} k AAAA\n"),
                NoteError::Line(4),
            ),
            (
                format!("text\n\n\u{2014}  {}", &line[6..]),
                NoteError::Line(3),
            ),
            (
                format!("text\n\n{} \n", line.trim_end()),
                NoteError::Line(3),
            ),
            (
                format!("text\n\n{}", line.replace('=', "")),
                NoteError::Line(3),
            ),
        ] {
            assert_eq!(Note::parse(note.as_bytes()), Err(error), "{note:?}");
        }
        assert_eq!(
            Note::parse(b"text\xff\n\n"),
            Err(NoteError::NotUtf8 { offset: 4 })
        );
    }
}
