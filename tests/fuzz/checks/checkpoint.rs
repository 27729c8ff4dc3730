//! Any bytes as a signed note and as keys: text that parses reads back, and only the log's own note
//! opens.

use std::sync::OnceLock;

use ife_witness::checkpoint::{self, Checkpoint};
use ife_witness::note::{KeyKind, Note, SigningKey, VerifierKey};

const ORIGIN: &str = "log.example/witness";

struct Log {
    keys: [VerifierKey; 1],
    head: Checkpoint,
    note: Vec<u8>,
}

fn log() -> &'static Log {
    static LOG: OnceLock<Log> = OnceLock::new();
    LOG.get_or_init(|| {
        let key = SigningKey::from_seed(ORIGIN, KeyKind::Log, &[11; 32]).expect("a name");
        let head = Checkpoint {
            origin: ORIGIN.into(),
            size: 300,
            root: [7; 32],
        };
        let note = head.sign(&key, None).expect("the log's key").into_bytes();
        Log {
            keys: [key.verifier().clone()],
            head,
            note,
        }
    })
}

/// The bytes as they are; and, where they begin with `~`, as changes to a good note: pairs of place
/// and value.
pub(crate) fn check(data: &[u8]) {
    let log = log();
    let mut bytes = data.to_vec();
    if let Some(changes) = data.strip_prefix(b"~") {
        bytes = log.note.clone();
        for change in changes.chunks_exact(2) {
            let at = usize::from(change[0]) % bytes.len();
            bytes[at] = change[1];
        }
    }
    if let Ok(signed) = checkpoint::open(&bytes, &log.keys) {
        assert_eq!(signed.checkpoint, log.head);
    }
    if let Ok(note) = Note::parse(&bytes)
        && let Ok(head) = Checkpoint::parse(note.text())
    {
        assert_eq!(head.to_string(), note.text());
    }
    if let Ok(text) = std::str::from_utf8(&bytes) {
        if let Ok(key) = VerifierKey::parse(text) {
            assert_eq!(key.to_string(), text);
        }
        let _ = VerifierKey::parse_file(text);
    }
}
