//! Any change to the files of a log, as a dying disk or a hostile hand leaves them: the log is
//! taken up with all that was signed, or refused with a reason; and what is taken up once is taken
//! up again.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use ife_witness::entry::{Entry, Event, encode};
use ife_witness::note::{KeyKind, SigningKey};
use ife_witness::recovery::{Recovered, Refusal, Start, recover};
use ife_witness::ring::{Producer, RingConfig, RingSet};
use ife_witness::store::{RealDisk, Store};
use ife_witness::writer::{Keys, Publisher, Step, Writer, WriterConfig};

const ORIGIN: &str = "log.example/witness";
const NOW_NS: u64 = 1_800_000_000_000_000_000;
/// Small, so that the log has several segments.
const SEGMENT_BYTES: u64 = 4 * 1024;
/// Entries that were signed, and entries after them.
const SIGNED: u64 = 24;
const SIZE: u64 = 40;

type Files = BTreeMap<PathBuf, Vec<u8>>;

/// The first byte picks a file and whether its frames get right checksums after the changes; three
/// bytes are a change: two of place, one of value.
pub(crate) fn check(data: &[u8], dir: &Path) {
    let files = template(dir);
    let Some((pick, changes)) = data.split_first() else {
        return;
    };
    restore(files, dir);
    let at = usize::from(pick >> 1) % files.len();
    let (path, good) = files.iter().nth(at).expect("below the length");
    let mut bytes = good.clone();
    for change in changes.chunks_exact(3) {
        let place = usize::from(u16::from_le_bytes([change[0], change[1]]));
        if !bytes.is_empty() {
            let len = bytes.len();
            bytes[place % len] = change[2];
        }
    }
    let forged = pick & 1 == 1 && path.extension().is_some_and(|ext| ext == "wal");
    if forged {
        checksums(&mut bytes);
    }
    fs::write(dir.join(path), &bytes).expect("written");
    let Some(size) = taken_up(dir, *good == bytes) else {
        return;
    };
    assert!(size >= SIGNED, "{size} of {SIGNED} signed entries");
    assert_eq!(taken_up(dir, true), Some(size));
}

/// Size of the log, unless it is refused.
fn taken_up(dir: &Path, is_whole: bool) -> Option<u64> {
    match start(dir) {
        Ok(recovered) => Some(recovered.found.size),
        Err(refusal) => {
            assert!(!is_whole, "{refusal}");
            assert!(!refusal.to_string().is_empty());
            None
        }
    }
}

fn keys() -> Keys {
    let key = |name: &str, kind| SigningKey::from_seed(name, kind, &[11; 32]).expect("a name");
    Keys {
        log: key(ORIGIN, KeyKind::Log),
        cosigner: key("log.example/cosigner", KeyKind::Cosigner),
    }
}

fn start(dir: &Path) -> Result<Recovered, Refusal> {
    let rings = RingSet::open(&dir.join("state"))?;
    let store = Store::open(&dir.join("log"), Arc::new(RealDisk))?;
    recover(Start {
        store,
        keys: keys(),
        rings,
        segment_bytes: SEGMENT_BYTES,
    })
}

/// The files of a log of [`SIZE`] entries, whose checkpoints cover [`SIGNED`].
fn template(dir: &Path) -> &'static Files {
    static FILES: OnceLock<Files> = OnceLock::new();
    FILES.get_or_init(|| {
        let _ = fs::remove_dir_all(dir);
        make(dir);
        let mut files = Files::new();
        collect(&dir.join("log"), dir, &mut files);
        files
    })
}

fn make(dir: &Path) {
    let state_dir = dir.join("state");
    let Recovered {
        lock: _lock,
        rings,
        wal,
        producers,
        mut publisher,
        log_id,
        ..
    } = start(dir).expect("a new log");
    let config = WriterConfig {
        node: "node".to_owned(),
        batch_bytes: 2048,
        free_bytes_min: 1024,
    };
    let store = Store::open(&dir.join("log"), Arc::new(RealDisk)).expect("open");
    let mut writer = Writer::new(
        config,
        store,
        log_id,
        rings,
        wal,
        producers,
        NOW_NS / 1_000_000,
    );
    let mut ring = Producer::attach(&RingConfig {
        state_dir: &state_dir,
        producer: "fuzz-0",
        capacity: 64 * 1024,
    })
    .expect("a new ring");
    for until in [SIGNED, SIZE] {
        while writer.size() < until {
            push(&mut ring);
            step(&mut writer, &mut publisher);
        }
        if until == SIGNED {
            publisher
                .publish(NOW_NS / 1_000_000_000, true)
                .expect("published");
        }
    }
}

fn push(ring: &mut Producer) {
    let mut bytes = Vec::new();
    let (epoch, seq) = (ring.epoch(), ring.next_seq());
    let mut entry = Entry::new(NOW_NS, "node", "fuzz-0", epoch, seq, Event::Invite);
    entry.detail = Some(b"an entry");
    encode(&entry, &mut bytes).expect("numbers in range");
    ring.push(&bytes).expect("room");
}

fn step(writer: &mut Writer, publisher: &mut Publisher) {
    match writer.step(NOW_NS, Vec::new()).expect("written") {
        Step::Wrote(written) => {
            publisher.append(&written.batch).expect("appended");
            if let Some(closed) = written.closed {
                publisher.retire(closed);
            }
        }
        Step::Idle | Step::Stalled { .. } => {}
    }
}

fn collect(dir: &Path, root: &Path, files: &mut Files) {
    for entry in fs::read_dir(dir).expect("listed") {
        let path = entry.expect("listed").path();
        if path.is_dir() {
            collect(&path, root, files);
        } else {
            let name = path.strip_prefix(root).expect("below the root").to_owned();
            files.insert(name, fs::read(&path).expect("read"));
        }
    }
}

fn restore(files: &Files, dir: &Path) {
    let _ = fs::remove_dir_all(dir);
    for (path, bytes) in files {
        let path = dir.join(path);
        fs::create_dir_all(path.parent().unwrap_or(dir)).expect("made");
        fs::write(path, bytes).expect("written");
    }
}

/// Gives each frame the checksum of its bytes (docs/formats.md: CRC32C at 4 of all from 8 on).
fn checksums(bytes: &mut [u8]) {
    let mut at = 0;
    while let Some(head) = bytes.get(at..at + 56) {
        let len = u32::from_le_bytes([head[8], head[9], head[10], head[11]]) as usize;
        let end = at + (56 + usize::from(head[12]) + len).next_multiple_of(8);
        let Some(frame) = bytes.get_mut(at..end) else {
            return;
        };
        let crc = crc32c::crc32c(&frame[8..]);
        frame[4..8].copy_from_slice(&crc.to_le_bytes());
        at = end;
    }
}
