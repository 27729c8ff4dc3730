//! Logs for tests, written without the daemon.
#![allow(dead_code, reason = "each test file uses a part")]

use std::fs;
use std::path::{Path, PathBuf};

use ife_witness::checkpoint::Checkpoint;
use ife_witness::entry::{self, Entry, Event, Gap};
use ife_witness::merkle::leaf_hash;
use ife_witness::note::{KeyKind, SigningKey, VerifierKey};
use ife_witness::tile::{Tile, TreeBuilder};

pub(crate) const ORIGIN: &str = "log.example/witness";

/// A directory for one test, emptied first and removed at the end.
pub(crate) struct Scratch(PathBuf);

impl Scratch {
    pub(crate) fn new(name: &str) -> Self {
        let dir =
            Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&dir);
        fs::create_dir_all(&dir).expect("a place for the test");
        Self(dir)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

pub(crate) fn log_key() -> SigningKey {
    SigningKey::from_seed(ORIGIN, KeyKind::Log, &[11; 32]).expect("good name")
}

pub(crate) fn cosigner_key() -> SigningKey {
    SigningKey::from_seed("log.example/cosigner", KeyKind::Cosigner, &[12; 32]).expect("good name")
}

pub(crate) fn vkeys() -> Vec<VerifierKey> {
    vec![
        log_key().verifier().clone(),
        cosigner_key().verifier().clone(),
    ]
}

/// Returns the canonical bytes of entry `index`: three producers in turn, two entries per trace.
pub(crate) fn entry_bytes(index: u64) -> Vec<u8> {
    let (producer, trace) = (
        format!("kamailio-{}", index % 3),
        format!("trace-{:08}", index / 2),
    );
    let call = format!("call\"{index}@192.0.2.1");
    let mut entry = Entry::new(
        index * 1_000_000,
        "node",
        &producer,
        5,
        index / 3,
        Event::Invite,
    );
    entry.trace_id = Some(trace.as_bytes());
    entry.call_id = Some(call.as_bytes());
    encoded(&entry)
}

pub(crate) fn gap_bytes(seq: u64, producer: &str, first_seq: u64, count: u64) -> Vec<u8> {
    let mut entry = Entry::new(0, "node", "witnessd", 1, seq, Event::Gap);
    entry.gap = Some(Gap {
        producer,
        epoch: 5,
        first_seq,
        count,
    });
    encoded(&entry)
}

fn encoded(entry: &Entry<'_>) -> Vec<u8> {
    let mut out = Vec::new();
    entry::encode(entry, &mut out).expect("numbers in range");
    out
}

/// Writes a log directory as the daemon does, file by file.
pub(crate) struct LogWriter {
    dir: PathBuf,
    pub(crate) builder: TreeBuilder,
}

impl LogWriter {
    pub(crate) fn new(dir: &Path) -> Self {
        Self {
            dir: dir.to_owned(),
            builder: TreeBuilder::new(),
        }
    }

    pub(crate) fn append(&mut self, entry: &[u8]) {
        let mut full = Vec::new();
        self.builder
            .append(entry, leaf_hash(entry), &mut full)
            .expect("short entry");
        for file in full {
            self.write(file.tile, &file.bytes);
        }
    }

    /// Appends the usual entries up to `size`.
    pub(crate) fn grow(&mut self, size: u64) {
        for index in self.builder.size()..size {
            self.append(&entry_bytes(index));
        }
    }

    /// Writes the partial tiles and a signed checkpoint; returns its note.
    pub(crate) fn publish(&self) -> String {
        for (tile, bytes) in self.builder.partials() {
            self.write(tile, bytes);
        }
        let head = self.head();
        let note = head
            .sign(
                &log_key(),
                Some((&cosigner_key(), 1_760_000_000 + head.size)),
            )
            .expect("the log's key");
        fs::write(self.dir.join("checkpoint"), &note).expect("written");
        note
    }

    pub(crate) fn head(&self) -> Checkpoint {
        Checkpoint {
            origin: ORIGIN.into(),
            size: self.builder.size(),
            root: self.builder.root(),
        }
    }

    fn write(&self, tile: Tile, bytes: &[u8]) {
        let path = self.dir.join(tile.path());
        fs::create_dir_all(path.parent().expect("below the log")).expect("made");
        fs::write(path, bytes).expect("written");
    }
}

/// A log of `size` usual entries, published once.
pub(crate) fn log_of(dir: &Path, size: u64) -> LogWriter {
    let mut writer = LogWriter::new(dir);
    writer.grow(size);
    writer.publish();
    writer
}

/// Returns every file below a directory, in order.
pub(crate) fn files(dir: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir).expect("a directory") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            found.extend(files(&path))
        } else {
            found.push(path)
        }
    }
    found.sort();
    found
}
