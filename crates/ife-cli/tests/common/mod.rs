//! Runs the real binary in a directory of its own, with keys, a registry and a log made for the
//! test.
#![allow(dead_code, missing_docs, unreachable_pub)] // Each test binary uses a part of it.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use ife_witness::{
    checkpoint::Checkpoint,
    entry::{Entry, Event, encode, leaf_hash},
    note::{KeyKind, SigningKey},
    tile::TreeBuilder,
};
use serde_json::Value;

/// A registry with `COUNCIL_KEY` and `EXPERT_KEY` in place of public keys.
const REGISTRY: &str = include_str!("../fixtures/registry.yaml");
pub const ORIGIN: &str = "witness.example/test";
pub const TRACE: &str = "0b8f9a3e-5f0c-4a57-9d1b-6f3a2c1d4e5f";

/// A directory for one test, empty at the start.
pub struct TestDir {
    pub root: PathBuf,
}

impl TestDir {
    pub fn new(name: &str) -> TestDir {
        let root = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("ifectl-{name}"));
        if root.exists() {
            fs::remove_dir_all(&root).expect("an old directory can be removed");
        }
        fs::create_dir_all(&root).expect("a directory can be made");
        TestDir { root }
    }

    /// Writes a file and gives its name.
    pub fn file(&self, name: &str, contents: impl AsRef<[u8]>) -> String {
        let path = self.root.join(name);
        fs::write(&path, contents).expect("a file can be written");
        name.to_owned()
    }

    pub fn read(&self, name: &str) -> Vec<u8> {
        fs::read(self.root.join(name)).unwrap_or_else(|e| panic!("{name}: {e}"))
    }

    pub fn run(&self, arguments: &[&str]) -> Run {
        let mut command = Command::new(env!("CARGO_BIN_EXE_ifectl"));
        command.current_dir(&self.root).args(arguments);
        command
            .env_remove("IFE_BRIDGE")
            .env_remove("IFE_AGENT")
            .env_remove("IFE_AGENT_KEY")
            .env_remove("IFE_WITNESS_LOG")
            .env_remove("IFE_WITNESS_VKEY");
        Run::of(arguments, &command.output().expect("ifectl runs"))
    }

    /// Makes a key pair and gives the public key.
    pub fn key(&self, kid: &str) -> String {
        let made = self
            .run(&[
                "keygen",
                "--kid",
                kid,
                "--out",
                &format!("{kid}.key"),
                "--json",
            ])
            .with(0);
        made.json()["public_key"]
            .as_str()
            .expect("a public key")
            .to_owned()
    }

    /// `registry.yaml` with `council.key` and `expert.key` beside it.
    pub fn registry(&self) {
        let yaml = REGISTRY
            .replace("COUNCIL_KEY", &self.key("council"))
            .replace("EXPERT_KEY", &self.key("expert"));
        self.file("registry.yaml", yaml);
    }

    /// A log in `log` of `count` entries and its keys in `vkey`: the call `TRACE` at 2..=6, others
    /// around it.
    pub fn log(&self, count: u64) {
        let mut tree = TreeBuilder::new();
        let mut bytes = Vec::new();
        for index in 0..count {
            entry(index, &mut bytes);
            let mut full = Vec::new();
            tree.append(&bytes, leaf_hash(&bytes), &mut full)
                .expect("a small entry");
            for file in full {
                self.tile(&file.tile.path(), &file.bytes);
            }
        }
        let partials: Vec<(String, Vec<u8>)> = tree
            .partials()
            .map(|(tile, bytes)| (tile.path(), bytes.to_vec()))
            .collect();
        for (path, bytes) in partials {
            self.tile(&path, &bytes);
        }
        let (log_key, cosigner) = signing_keys();
        let head = Checkpoint {
            origin: ORIGIN.to_owned(),
            size: tree.size(),
            root: tree.root(),
        };
        let note = head
            .sign(&log_key, Some((&cosigner, 1_767_225_600)))
            .expect("signable");
        // In one step, as the writer does: someone may be following.
        self.file("log/checkpoint.new", note);
        fs::rename(
            self.root.join("log/checkpoint.new"),
            self.root.join("log/checkpoint"),
        )
        .expect("renamed");
        let vkey = format!("{}\n{}\n", log_key.verifier(), cosigner.verifier());
        // Not written again under the eyes of a command that waits for the log to grow.
        if fs::read_to_string(self.root.join("vkey")).ok().as_ref() != Some(&vkey) {
            self.file("vkey", vkey);
        }
    }

    fn tile(&self, path: &str, bytes: &[u8]) {
        let path = self.root.join("log").join(path);
        fs::create_dir_all(path.parent().expect("tiles lie in directories"))
            .expect("a directory can be made");
        fs::write(path, bytes).expect("a tile can be written");
    }
}

fn signing_keys() -> (SigningKey, SigningKey) {
    let log = SigningKey::from_seed(ORIGIN, KeyKind::Log, &[1; 32]).expect("a good name");
    let cosigner =
        SigningKey::from_seed(&format!("{ORIGIN}/cosigner"), KeyKind::Cosigner, &[2; 32])
            .expect("a good name");
    (log, cosigner)
}

fn entry(index: u64, bytes: &mut Vec<u8>) {
    let event = match index {
        2 => Event::Approved,
        3 => Event::Ringing,
        4 => Event::Connected,
        5 => Event::Ack,
        6 => Event::Bye,
        _ => Event::Invite,
    };
    let mut entry = Entry::new(
        1_767_225_600_000_000_000 + index * 1_000_000,
        "node1",
        "kamailio-1",
        1,
        index,
        event,
    );
    let other = format!("another-trace-{index}");
    let is_call = (2..=6).contains(&index);
    entry.trace_id = Some(if is_call {
        TRACE.as_bytes()
    } else {
        other.as_bytes()
    });
    entry.call_id = is_call.then_some(b"call-1@council.example");
    entry.from = Some(if index == 6 {
        b"sip:expert@external.advisor"
    } else {
        b"sip:council@council.example"
    });
    entry.ruri = Some(b"sip:expert@external.advisor");
    (entry.code, entry.reason) = match index {
        3 => (Some(180), Some(b"Ringing".as_slice())),
        4 => (Some(200), Some(b"OK".as_slice())),
        _ => (None, None),
    };
    encode(&entry, bytes).expect("encodable");
}

/// The outcome of a run.
pub struct Run {
    what: String,
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
}

impl Run {
    pub fn of(arguments: &[&str], output: &Output) -> Run {
        Run {
            what: arguments.join(" "),
            code: output.status.code().expect("ifectl ends by itself"),
            stdout: String::from_utf8(output.stdout.clone()).expect("stdout is text"),
            stderr: String::from_utf8(output.stderr.clone()).expect("stderr is text"),
        }
    }

    /// Demands an exit code.
    #[track_caller]
    pub fn with(self, code: i32) -> Run {
        assert_eq!(
            self.code, code,
            "ifectl {}\nstdout: {}\nstderr: {}",
            self.what, self.stdout, self.stderr
        );
        self
    }

    /// Demands that all of these are printed on stdout or stderr.
    #[track_caller]
    pub fn says(self, texts: &[&str]) -> Run {
        let said = format!("{}{}", self.stdout, self.stderr);
        for text in texts {
            assert!(
                said.contains(text),
                "ifectl {}: no {text:?} in\n{said}",
                self.what
            );
        }
        self
    }

    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.stdout)
            .unwrap_or_else(|e| panic!("ifectl {}: {e}\n{}{}", self.what, self.stdout, self.stderr))
    }
}
