//! A host in one process: producers, writer and publisher over temporary directories.
#![allow(dead_code, reason = "each test binary uses its part")]

pub(crate) mod disks;

use std::fs::File;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use ife_witness::checkpoint::Checkpoint;
use ife_witness::entry::{Entry, Event, encode};
use ife_witness::note::{KeyKind, SigningKey, VerifierKey};
use ife_witness::reader::{LogDir, entries};
use ife_witness::recovery::{Found, Refusal, Start, recover};
use ife_witness::ring::{Producer, RingConfig, RingSet};
use ife_witness::store::{Disk, RealDisk, Store};
use ife_witness::verify::{Options, Report, verify_log};
use ife_witness::wal::Spare;
use ife_witness::writer::{Keys, Notice, Publisher, Step, Writer, WriterConfig};

use crate::common::TempDir;

pub(crate) const ORIGIN: &str = "witness.example/node";
pub(crate) const NOW_NS: u64 = 1_800_000_000_000_000_000;

/// Small, for many segments.
pub(crate) const SEGMENT_BYTES: u64 = 8 * 1024;

/// Producer, first missing number and count.
pub(crate) type Lost = (String, u64, u64);

/// The state that outlives a process, and the state that outlives the host.
pub(crate) struct Host {
    pub(crate) state: TempDir,
    pub(crate) log: TempDir,
}

impl Host {
    /// Both on tmpfs, which is fast and suffices for tests that stop processes.
    pub(crate) fn new() -> Self {
        Self {
            state: TempDir::memory(),
            log: TempDir::memory(),
        }
    }

    /// Fails the power: memory is lost.
    pub(crate) fn lose_memory(&mut self) {
        self.state = TempDir::memory();
    }

    pub(crate) fn attach(&self, producer: &str) -> Client {
        let config = RingConfig {
            state_dir: self.state.path(),
            producer,
            capacity: 256 * 1024,
        };
        Client {
            name: producer.to_owned(),
            ring: Producer::attach(&config).expect("attach"),
            buffer: Vec::new(),
        }
    }

    pub(crate) fn start(&self) -> Result<Engine, Refusal> {
        self.start_on(Arc::new(RealDisk))
    }

    pub(crate) fn start_on(&self, disk: Arc<dyn Disk>) -> Result<Engine, Refusal> {
        self.start_as(keys(1), disk)
    }

    pub(crate) fn start_as(&self, keys: Keys, disk: Arc<dyn Disk>) -> Result<Engine, Refusal> {
        let rings = RingSet::open(self.state.path())?;
        let store = Store::open(self.log.path(), disk)?;
        let recovered = recover(Start {
            store: store.clone(),
            keys,
            rings,
            segment_bytes: SEGMENT_BYTES,
        })?;
        let config = WriterConfig {
            node: "node".to_owned(),
            batch_bytes: 64 * 1024,
            free_bytes_min: 1024,
        };
        let writer = Writer::new(
            config,
            store,
            recovered.log_id,
            recovered.rings,
            recovered.wal,
            recovered.producers,
            NOW_NS / 1_000_000,
        );
        Ok(Engine {
            writer,
            publisher: recovered.publisher,
            found: recovered.found,
            notices: Vec::new(),
            _lock: recovered.lock,
        })
    }

    /// Verifies the published log: every tile, every number once, every gap reported.
    pub(crate) fn verify(&self) -> Report {
        match verify_log(self.log.path(), &verifiers(1), &Options::default(), |_| ()) {
            Ok(report) => report,
            Err(e) => panic!("{e}"),
        }
    }

    /// Returns (producer, seq) of all entries, and GAP entries as (producer, first, count).
    pub(crate) fn contents(&self) -> (Vec<(String, u64)>, Vec<Lost>) {
        let dir = LogDir::new(self.log.path());
        let head: Checkpoint = dir.head(&verifiers(1)).expect("a checkpoint");
        let (mut all, mut gaps) = (Vec::new(), Vec::new());
        for item in entries(&dir, head.size, 0..head.size) {
            let value: serde_json::Value =
                serde_json::from_slice(&item.expect("readable").entry).expect("JSON");
            let text = |value: &serde_json::Value| value.as_str().expect("text").to_owned();
            let number = |value: &serde_json::Value| value.as_u64().expect("number");
            all.push((text(&value["producer"]), number(&value["seq"])));
            if let Some(gap) = value.get("gap") {
                gaps.push((
                    text(&gap["producer"]),
                    number(&gap["first_seq"]),
                    number(&gap["count"]),
                ));
            }
        }
        (all, gaps)
    }

    /// Returns the sequence numbers of one producer, in log order.
    pub(crate) fn seqs(&self, producer: &str) -> Vec<u64> {
        self.contents()
            .0
            .into_iter()
            .filter(|(name, _)| name == producer)
            .map(|(_, seq)| seq)
            .collect()
    }

    pub(crate) fn segment_names(&self) -> Vec<String> {
        names(&self.log.path().join("private/wal"))
    }
}

pub(crate) fn names(dir: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(dir).expect("a directory");
    let mut names: Vec<String> = entries
        .map(|e| {
            e.expect("an entry")
                .file_name()
                .into_string()
                .expect("UTF-8")
        })
        .collect();
    names.sort();
    names
}

pub(crate) fn keys(seed: u8) -> Keys {
    let key =
        |name: &str, kind, seed| SigningKey::from_seed(name, kind, &[seed; 32]).expect("good name");
    Keys {
        log: key(ORIGIN, KeyKind::Log, seed),
        cosigner: key(&format!("{ORIGIN}/cosigner"), KeyKind::Cosigner, seed + 100),
    }
}

pub(crate) fn verifiers(seed: u8) -> Vec<VerifierKey> {
    let keys = keys(seed);
    vec![
        keys.log.verifier().clone(),
        keys.cosigner.verifier().clone(),
    ]
}

/// A producer that writes well-formed entries.
pub(crate) struct Client {
    name: String,
    pub(crate) ring: Producer,
    buffer: Vec<u8>,
}

impl Client {
    pub(crate) fn push(&mut self) -> u64 {
        let detail = "d".repeat((self.ring.next_seq() * 37 % 300) as usize);
        let mut entry = Entry::new(
            NOW_NS,
            "node",
            &self.name,
            self.ring.epoch(),
            self.ring.next_seq(),
            Event::Invite,
        );
        entry.detail = Some(detail.as_bytes());
        encode(&entry, &mut self.buffer).expect("encodes");
        self.ring.push(&self.buffer).expect("room")
    }

    pub(crate) fn push_many(&mut self, count: u64) {
        for _ in 0..count {
            self.push();
        }
    }

    /// Number of entries acknowledged as durable.
    pub(crate) fn acknowledged(&self) -> u64 {
        let pushed = self.ring.next_seq();
        (0..pushed)
            .take_while(|seq| self.ring.wait_durable(*seq, Duration::ZERO).is_ok())
            .count() as u64
    }
}

/// A running writer with its publisher, one step at a time.
pub(crate) struct Engine {
    pub(crate) writer: Writer,
    pub(crate) publisher: Publisher,
    pub(crate) found: Found,
    pub(crate) notices: Vec<Notice>,
    _lock: File,
}

pub(crate) type Failure = Box<dyn std::error::Error>;

impl Engine {
    /// Reads the rings; returns true if there were records.
    pub(crate) fn step(&mut self) -> Result<bool, Failure> {
        // Some segments have a spare, some do not, as on a slow disk.
        if let Some((store, bytes)) = self.writer.wants_spare()?
            && !self.writer.size().is_multiple_of(3)
        {
            self.writer
                .set_spare(Spare::prepare(&store, bytes, Duration::ZERO)?);
        }
        let step = self.writer.step(NOW_NS, Vec::new())?;
        self.take(step)
    }

    pub(crate) fn maintain(&mut self) -> Result<(), Failure> {
        self.maintain_after(0)
    }

    pub(crate) fn maintain_after(&mut self, after_s: u64) -> Result<(), Failure> {
        let step = self.writer.maintain(NOW_NS + after_s * 1_000_000_000)?;
        self.take(step).map(drop)
    }

    pub(crate) fn log(&mut self, event: Event) -> Result<(), Failure> {
        let step = self.writer.log(event, "test", NOW_NS)?;
        self.take(step).map(drop)
    }

    pub(crate) fn publish(&mut self) -> Result<(), Failure> {
        Ok(self.publisher.publish(NOW_NS / 1_000_000_000, false)?)
    }

    /// Drains the rings, then publishes a checkpoint.
    pub(crate) fn finish(&mut self) -> Result<(), Failure> {
        self.maintain()?;
        while self.step()? {}
        Ok(self.publisher.publish(NOW_NS / 1_000_000_000, true)?)
    }

    fn take(&mut self, step: Step) -> Result<bool, Failure> {
        self.notices.extend(self.writer.take_notices());
        match step {
            Step::Wrote(written) => {
                self.publisher.append(&written.batch)?;
                if let Some(closed) = written.closed {
                    self.publisher.retire(closed);
                }
                Ok(true)
            }
            Step::Idle | Step::Stalled { .. } => Ok(false),
        }
    }
}
