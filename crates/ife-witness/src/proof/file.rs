//! tlog-proof files (C2SP tlog-proof): an inclusion proof with its checkpoint, verifiable offline.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;

use super::{PROOF_LEN_MAX, ProofError, verify_inclusion};
use crate::checkpoint::{self, SignedCheckpoint, parse_decimal, parse_hash};
use crate::merkle::{Hash, leaf_hash};
use crate::note::{NOTE_LEN_MAX, VerifierKey};

/// First line of the file.
const MAGIC: &str = "c2sp.org/tlog-proof@v1";

/// A proof that an entry is in the log. Usual extension of its text form: `.tlog-proof`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlogProof {
    /// Unauthenticated data of the application; absent in the proofs made here.
    pub extra: Option<Vec<u8>>,
    /// Index of the entry, from 0.
    pub index: u64,
    /// Hashes from the leaf's sibling up to the root's child.
    pub hashes: Vec<Hash>,
    /// The signed note, verbatim.
    pub checkpoint: String,
}

impl TlogProof {
    /// Reads a tlog-proof file.
    ///
    /// # Errors
    /// [`ProofError::File`], with the line. Only [`verify`](Self::verify) checks the checkpoint.
    pub fn parse(bytes: &[u8]) -> Result<Self, ProofError> {
        let at = |line, expected| ProofError::File { line, expected };
        // 63 hash lines and an extra line fit into the size of a note.
        let short = bytes.len() <= 2 * NOTE_LEN_MAX;
        let text = short.then(|| std::str::from_utf8(bytes).ok()).flatten();
        let text = text.ok_or(at(1, "UTF-8 text of at most 128 KiB"))?;
        let (head, checkpoint) = text
            .split_once("\n\n")
            .ok_or(at(1, "an empty line before the checkpoint"))?;
        let mut lines = head
            .split('\n')
            .enumerate()
            .map(|(i, line)| (i + 1, line))
            .peekable();
        if lines.next() != Some((1, MAGIC)) {
            return Err(at(1, MAGIC));
        }
        let extra = match lines.next_if(|(_, line)| line.starts_with("extra ")) {
            Some((line, text)) => {
                let data = BASE64.decode(&text["extra ".len()..]);
                Some(data.map_err(|_| at(line, "base64 after `extra `"))?)
            }
            None => None,
        };
        let (line, text) = lines.next().ok_or(at(2, "`index <n>`"))?;
        let index = text.strip_prefix("index ").and_then(parse_decimal);
        let index = index.ok_or(at(line, "`index <n>`"))?;
        let mut hashes = Vec::new();
        for (line, text) in lines {
            if hashes.len() == PROOF_LEN_MAX {
                return Err(at(line, "at most 63 hashes"));
            }
            hashes.push(parse_hash(text).ok_or(at(line, "base64 of 32 bytes"))?);
        }
        Ok(Self {
            extra,
            index,
            hashes,
            checkpoint: checkpoint.to_owned(),
        })
    }

    /// Verifies the checkpoint's signatures by `keys`, and that `entry` is in the log at `index`.
    pub fn verify(
        &self,
        entry: &[u8],
        keys: &[VerifierKey],
    ) -> Result<SignedCheckpoint, ProofError> {
        let signed = checkpoint::open(self.checkpoint.as_bytes(), keys)?;
        let head = &signed.checkpoint;
        verify_inclusion(
            &leaf_hash(entry),
            self.index,
            head.size,
            &self.hashes,
            &head.root,
        )?;
        Ok(signed)
    }
}

impl fmt::Display for TlogProof {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{MAGIC}")?;
        if let Some(extra) = &self.extra {
            writeln!(f, "extra {}", BASE64.encode(extra))?;
        }
        writeln!(f, "index {}", self.index)?;
        for hash in &self.hashes {
            writeln!(f, "{}", BASE64.encode(hash))?;
        }
        write!(f, "\n{}", self.checkpoint)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checkpoint::Checkpoint;
    use crate::merkle::{node_hash, root_of};
    use crate::note::{KeyKind, SigningKey};

    fn proof_of_three() -> (TlogProof, VerifierKey) {
        let key =
            SigningKey::from_seed("example.com/log", KeyKind::Log, &[9; 32]).expect("good name");
        let leaves = [leaf_hash(b"a"), leaf_hash(b"b"), leaf_hash(b"c")];
        let head = Checkpoint {
            origin: "example.com/log".into(),
            size: 3,
            root: root_of(&leaves),
        };
        let checkpoint = head.sign(&key, None).expect("the log's key");
        let proof = TlogProof {
            extra: None,
            index: 2,
            hashes: vec![node_hash(&leaves[0], &leaves[1])],
            checkpoint,
        };
        (proof, key.verifier().clone())
    }

    #[test]
    fn a_file_reads_back_and_verifies_for_its_entry_only() {
        let (proof, key) = proof_of_three();
        for extra in [None, Some(b"more".to_vec()), Some(Vec::new())] {
            let proof = TlogProof {
                extra,
                ..proof.clone()
            };
            assert_eq!(
                TlogProof::parse(proof.to_string().as_bytes()).expect("what was written"),
                proof
            );
        }
        let keys = [key];
        assert_eq!(
            proof
                .verify(b"c", &keys)
                .expect("in the log")
                .checkpoint
                .size,
            3
        );
        assert!(matches!(proof.verify(b"b", &keys), Err(ProofError::Root)));
        assert!(matches!(
            proof.verify(b"c", &[]),
            Err(ProofError::Checkpoint(_))
        ));
    }

    #[test]
    fn the_text_is_that_of_the_specification() {
        let (proof, _) = proof_of_three();
        let hash = BASE64.encode(proof.hashes[0]);
        let expected = format!("c2sp.org/tlog-proof@v1\nindex 2\n{hash}\n\nexample.com/log\n3\n");
        assert!(proof.to_string().starts_with(&expected));
        let lone = TlogProof {
            index: 0,
            hashes: Vec::new(),
            ..proof
        };
        assert!(
            lone.to_string()
                .starts_with("c2sp.org/tlog-proof@v1\nindex 0\n\nexample.com/log\n")
        );
        assert_eq!(
            TlogProof::parse(lone.to_string().as_bytes()).expect("no hashes are a proof too"),
            lone
        );
    }

    #[test]
    fn malformed_files_name_the_line() {
        let hash = BASE64.encode([1; 32]);
        for (text, line) in [
            ("".into(), 1),
            ("c2sp.org/tlog-proof@v2\nindex 0\n\n".into(), 1),
            (format!("{MAGIC}\n\n"), 2),
            (format!("{MAGIC}\nindex 00\n\n"), 2),
            (format!("{MAGIC}\nextra A\nindex 0\n\n"), 2),
            (format!("{MAGIC}\nextra AA==\nextra AA==\nindex 0\n\n"), 3),
            (format!("{MAGIC}\nindex 0\n{hash}\n{}\n\n", &hash[1..]), 4),
            (
                format!("{MAGIC}\nindex 0\n{}\n", format!("{hash}\n").repeat(64)),
                66,
            ),
        ] {
            let error = TlogProof::parse(text.as_bytes()).expect_err(&text);
            assert!(
                error.to_string().starts_with(&format!("line {line}: ")),
                "{text}: {error}"
            );
        }
        assert!(TlogProof::parse(&[0xff; 10]).is_err());
    }
}
