//! The real program and real producers, killed at random: no acknowledged entry is lost or doubled.
#![cfg(feature = "daemon")]

mod common;

use std::io::{BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use common::{Random, TempDir};
use ife_witness::entry::{Entry, Event, encode};
use ife_witness::note::VerifierKey;
use ife_witness::places;
use ife_witness::reader::{LogDir, entries};
use ife_witness::ring::{Producer, RingConfig};
use ife_witness::verify::{Options, verify_log};

const DEADLINE: Duration = Duration::from_secs(60);

/// Runs in a process of its own: pushes entries until killed, and prints each acknowledged number.
/// Without the variable, as a test, it checks its exchange with a writer that it starts.
#[test]
fn producer() {
    let Some(args) = std::env::var_os("IFE_TEST_PRODUCER") else {
        let host = Host::new();
        let mut writer = host.start_writer();
        let mut child = host.start_producer("solo", 20);
        let mut lines = String::new();
        child
            .stdout
            .take()
            .expect("piped")
            .read_to_string(&mut lines)
            .expect("read");
        assert!(child.wait().expect("wait").success());
        assert_eq!(acknowledged_in(&lines).len(), 20, "{lines}");
        host.stop(&mut writer);
        return;
    };
    let args = args.into_string().expect("UTF-8");
    let [state_dir, name, count] = args.split('|').collect::<Vec<_>>()[..] else {
        panic!("{args}")
    };
    let config = RingConfig {
        state_dir: Path::new(state_dir),
        producer: name,
        capacity: 128 * 1024,
    };
    let mut ring = Producer::attach(&config).expect("attach");
    let mut buffer = Vec::new();
    for _ in 0..count.parse().expect("a number") {
        let entry = Entry::new(
            1,
            "node",
            name,
            ring.epoch(),
            ring.next_seq(),
            Event::Invite,
        );
        encode(&entry, &mut buffer).expect("encodes");
        // The ring is full while the writer is dead.
        while ring.push(&buffer).is_err() {
            std::thread::sleep(Duration::from_millis(1));
        }
        let seq = ring.next_seq() - 1;
        if ring.wait_durable(seq, Duration::from_millis(200)).is_ok() {
            writeln!(std::io::stdout(), "durable {} {seq}", ring.epoch()).expect("write");
        }
    }
}

fn acknowledged_in(lines: &str) -> Vec<(u64, u64)> {
    let numbers = lines
        .lines()
        .filter_map(|line| line.split("durable ").nth(1));
    numbers
        .filter_map(|rest| {
            let (epoch, seq) = rest.split_once(' ')?;
            Some((epoch.parse().ok()?, seq.parse().ok()?))
        })
        .collect()
}

struct Host {
    state: TempDir,
    disk: TempDir,
}

impl Host {
    fn new() -> Self {
        Self {
            state: TempDir::memory(),
            disk: TempDir::disk(),
        }
    }

    fn file(&self, name: &str) -> PathBuf {
        self.disk.path().join(name)
    }

    fn start_writer(&self) -> Child {
        self.writer_command().spawn().expect("start the writer")
    }

    /// Returns the exit code of a writer that does not start.
    fn refused(&self) -> Option<i32> {
        let status = self.writer_command().stderr(Stdio::null()).status();
        status.expect("start the writer").code()
    }

    fn writer_command(&self) -> Command {
        self.writer_command_keeping("1")
    }

    /// Starts a writer that reads no entries with less than `free_mib` of free disk.
    fn writer_command_keeping(&self, free_mib: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_ife-witnessd"));
        command
            .arg("--init")
            .arg("--log-dir")
            .arg(self.file("log"))
            .arg("--state-dir")
            .arg(self.state.path());
        command
            .arg("--key")
            .arg(self.file("key"))
            .arg("--cosigner-key")
            .arg(self.file("cosigner"));
        command
            .arg("--vkey-out")
            .arg(self.file("vkey"))
            .args(["--origin", "witness.example/kill"]);
        command.args([
            "--publish-ms",
            "10",
            "--segment-mib",
            "1",
            "--min-free-mib",
            free_mib,
            "--log-level",
            "warn",
        ]);
        command.stdout(Stdio::null()).stderr(Stdio::inherit());
        command
    }

    fn start_producer(&self, name: &str, count: u32) -> Child {
        let args = format!("{}|{name}|{count}", self.state.path().display());
        let mut command = Command::new(std::env::current_exe().expect("this test"));
        command
            .args(["--exact", "producer", "--nocapture", "--test-threads=1"])
            .env("IFE_TEST_PRODUCER", args);
        command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("start a producer")
    }

    /// Sends SIGTERM and returns the exit code.
    fn stop(&self, writer: &mut Child) {
        self.wait_until_runs(writer);
        kill_with("-TERM", writer);
        assert!(writer.wait().expect("wait").success());
    }

    /// Before that it may not catch signals. An earlier writer's status may still exist.
    fn wait_until_runs(&self, writer: &Child) {
        self.wait_for_state(writer, "running");
    }

    fn wait_for_state(&self, writer: &Child, state: &str) {
        let begun = Instant::now();
        let pid = format!("\"pid\": {},", writer.id());
        let state = format!("\"state\": \"{state}\"");
        loop {
            let text = std::fs::read_to_string(self.state.path().join("witnessd.json"))
                .unwrap_or_default();
            if text.contains(&state) && text.contains(&pid) {
                return;
            }
            assert!(begun.elapsed() < DEADLINE, "it does not run: {text}");
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    fn keys(&self) -> Vec<VerifierKey> {
        VerifierKey::parse_file(&std::fs::read_to_string(self.file("vkey")).expect("vkey"))
            .expect("keys")
    }

    /// Verifies the log and returns (epoch, seq) of the producer's entries.
    fn entries_of(&self, producer: &str) -> Vec<(u64, u64)> {
        let log = self.file("log");
        let report = match verify_log(&log, &self.keys(), &Options::default(), |_| ()) {
            Ok(report) => report,
            Err(e) => panic!("{e}"),
        };
        let dir = LogDir::new(log);
        let all = entries(&dir, report.size, 0..report.size).map(|item| {
            let value: serde_json::Value =
                serde_json::from_slice(&item.expect("readable").entry).expect("JSON");
            value
        });
        all.filter(|value| value["producer"] == producer)
            .map(|value| {
                (
                    value["epoch"].as_u64().expect("number"),
                    value["seq"].as_u64().expect("number"),
                )
            })
            .collect()
    }
}

/// Kills with SIGKILL and collects the printed acknowledgements.
fn kill(child: &mut Child) -> Vec<(u64, u64)> {
    child.kill().expect("kill");
    child.wait().expect("wait");
    let Some(stdout) = child.stdout.take() else {
        return Vec::new();
    };
    let lines: Vec<String> = BufReader::new(stdout)
        .lines()
        .map_while(Result::ok)
        .collect();
    acknowledged_in(&lines.join("\n"))
}

#[test]
fn kills_lose_and_double_no_acknowledged_entry() {
    let host = Host::new();
    let mut random = Random(20_261_122);
    let mut writer = host.start_writer();
    let mut producers = [
        host.start_producer("kamailio-0", 1_000_000),
        host.start_producer("kamailio-1", 1_000_000),
    ];
    let mut acknowledged: [Vec<(u64, u64)>; 2] = Default::default();
    for _ in 0..25 {
        std::thread::sleep(Duration::from_millis(20 + random.below(120)));
        match random.below(3) {
            0 => {
                kill(&mut writer);
                writer = host.start_writer();
            }
            n => {
                let n = n as usize - 1;
                acknowledged[n].extend(kill(&mut producers[n]));
                producers[n] = host.start_producer(["kamailio-0", "kamailio-1"][n], 1_000_000);
            }
        }
    }
    for n in 0..2 {
        acknowledged[n].extend(kill(&mut producers[n]));
    }
    host.stop(&mut writer);
    for (n, name) in ["kamailio-0", "kamailio-1"].into_iter().enumerate() {
        let logged = host.entries_of(name);
        let mut once = logged.clone();
        once.sort_unstable();
        once.dedup();
        assert_eq!(once.len(), logged.len(), "{name}: something is there twice");
        assert!(
            acknowledged[n].len() > 20,
            "{name}: only {} acknowledged",
            acknowledged[n].len()
        );
        for mark in &acknowledged[n] {
            assert!(
                once.binary_search(mark).is_ok(),
                "{name}: {mark:?} was acknowledged and is not there"
            );
        }
    }
}

#[test]
fn a_refusal_and_a_full_stop_have_their_exit_codes() {
    let host = Host::new();
    let mut writer = host.start_writer();
    host.wait_until_runs(&writer);
    assert_eq!(host.refused(), Some(3), "a second writer");
    host.stop(&mut writer);
    let events: Vec<_> = host.entries_of("witnessd");
    assert_eq!(
        events.iter().map(|(_, seq)| *seq).collect::<Vec<_>>(),
        [0, 1],
        "START and STOP"
    );
    std::fs::remove_file(host.file("key")).expect("remove");
    assert_eq!(host.refused(), Some(3), "a log without its key");
    assert!(!host.file("key").exists(), "a new key for an old log");
}

#[test]
fn all_that_is_in_the_rings_is_on_disk_after_sigterm() {
    let host = Host::new();
    let mut writer = host.start_writer();
    host.wait_until_runs(&writer);
    kill_with("-STOP", &writer);
    let config = RingConfig {
        state_dir: host.state.path(),
        producer: "kamailio-0",
        capacity: 16 << 20,
    };
    let mut ring = Producer::attach(&config).expect("attach");
    let count = 18_000;
    let mut buffer = Vec::new();
    for _ in 0..count {
        let mut entry = Entry::new(
            1,
            "n",
            "kamailio-0",
            ring.epoch(),
            ring.next_seq(),
            Event::Invite,
        );
        let detail = [b'x'; 400];
        entry.detail = Some(&detail);
        encode(&entry, &mut buffer).expect("encode");
        ring.push(&buffer).expect("push");
    }
    kill_with("-TERM", &writer);
    kill_with("-CONT", &writer);
    assert!(writer.wait().expect("wait").success());
    assert_eq!(host.entries_of("kamailio-0").len(), count);
}

/// The disk is nearly full, both when the writer starts and when a ring appears.
#[test]
fn records_left_in_the_rings_show_at_exit() {
    let host = Host::new();
    let mut writer = host.start_writer();
    host.stop(&mut writer);
    let mut ring = Producer::attach(&RingConfig {
        state_dir: host.state.path(),
        producer: "kamailio-0",
        capacity: 128 * 1024,
    })
    .expect("attach");
    let mut buffer = Vec::new();
    for late in [false, true] {
        let mut push = || {
            let seq = ring.next_seq();
            let entry = Entry::new(1, "n", "kamailio-0", ring.epoch(), seq, Event::Invite);
            encode(&entry, &mut buffer).expect("encode");
            ring.push(&buffer).expect("push");
        };
        if !late {
            push();
        }
        let no_disk_has_this = (u64::MAX >> 20).to_string();
        let mut command = host.writer_command_keeping(&no_disk_has_this);
        let mut writer = command.stderr(Stdio::piped()).spawn().expect("start");
        host.wait_for_state(&writer, "stalled");
        if late {
            push();
        }
        kill_with("-TERM", &writer);
        let mut stderr = String::new();
        writer
            .stderr
            .take()
            .expect("piped")
            .read_to_string(&mut stderr)
            .expect("read");
        assert_eq!(writer.wait().expect("wait").code(), Some(1), "{stderr}");
        assert!(
            stderr.contains("bytes of entries are not on disk: the disk is nearly full"),
            "{stderr}"
        );
    }
    let mut writer = host.start_writer();
    host.stop(&mut writer);
    assert_eq!(host.entries_of("kamailio-0").len(), 2);
}

fn kill_with(signal: &str, child: &Child) {
    let id = child.id().to_string();
    let status = Command::new("kill").args([signal, &id]).status();
    assert!(status.expect("kill").success());
}

#[test]
fn a_log_is_begun_once_and_only_when_asked() {
    let host = Host::new();
    let ended = |begin: Option<&str>| {
        let mut command = host.writer_command();
        let args: Vec<_> = command
            .get_args()
            .skip(1)
            .map(std::ffi::OsStr::to_owned)
            .collect();
        command = Command::new(env!("CARGO_BIN_EXE_ife-witnessd"));
        command
            .args(begin)
            .args(args)
            .stderr(Stdio::null())
            .status()
            .expect("start")
            .code()
    };
    assert_eq!(ended(None), Some(3), "no log and no --init");
    assert!(!host.file("key").exists() && !host.file("log").exists());
    assert_eq!(ended(Some("--init-only")), Some(0), "begun, and ended");
    std::fs::rename(host.file("log"), host.file("away")).expect("rename");
    assert_eq!(host.refused(), Some(3), "a second history under one key");
    assert_eq!(ended(Some("--init-only")), Some(3), "nor by --init-only");
    assert!(!host.file("log").exists());
    std::fs::rename(host.file("away"), host.file("log")).expect("rename");
    let mut writer = host.start_writer();
    host.stop(&mut writer);
    assert_eq!(host.entries_of("witnessd").len(), 4);
}

#[test]
fn a_host_without_descriptors_is_no_evidence_against_the_log() {
    let host = Host::new();
    let mut writer = host.start_writer();
    host.stop(&mut writer);
    for files_max in 3..16 {
        let command = host.writer_command();
        let status = Command::new("timeout")
            .args(["2", "prlimit", &format!("--nofile={files_max}")])
            .arg(command.get_program())
            .args(command.get_args())
            .stderr(Stdio::null())
            .status();
        let code = status.expect("start").code();
        // 127: the dynamic loader failed; 0 and 124: it ran until it was stopped.
        assert!(
            matches!(code, Some(0 | 1 | 124 | 127)),
            "{files_max} files: {code:?}"
        );
    }
}

/// Entries that a run of the index covers.
const RUN: u64 = 1 << 14;

#[test]
fn the_writer_keeps_an_index_and_makes_a_lost_one_anew() {
    let host = Host::new();
    let mut writer = host.start_writer();
    let config = RingConfig {
        state_dir: host.state.path(),
        producer: "kamailio-0",
        capacity: 1 << 20,
    };
    let mut ring = Producer::attach(&config).expect("attach");
    let (count, mut buffer) = (RUN + 100, Vec::new());
    for number in 0..count {
        let (epoch, seq) = (ring.epoch(), ring.next_seq());
        let trace = format!("trace-{}", number / 2);
        let mut entry = Entry::new(1, "node", "kamailio-0", epoch, seq, Event::Invite);
        entry.trace_id = Some(trace.as_bytes());
        encode(&entry, &mut buffer).expect("encodes");
        while ring.push(&buffer).is_err() {
            std::thread::sleep(Duration::from_millis(1));
        }
    }
    let run = host.file("log/index/14/0");
    let wait_for_run = || {
        let begun = Instant::now();
        while !run.is_file() {
            assert!(begun.elapsed() < DEADLINE, "no run is made");
            std::thread::sleep(Duration::from_millis(10));
        }
    };
    wait_for_run();
    let dir = LogDir::new(host.file("log"));
    let places = |trace: &str| {
        let found = places::find(&dir, RUN, places::Member::TraceId, trace);
        found.expect("a run").expect("whole").1
    };
    // The writer's START is entry 0.
    assert_eq!(places("trace-700"), [1_401, 1_402]);
    assert_eq!(places("trace-none"), [0_u64; 0]);
    host.stop(&mut writer);
    places::remove(&dir).expect("removed");
    let mut writer = host.start_writer();
    wait_for_run();
    assert_eq!(places("trace-700"), [1_401, 1_402]);
    host.stop(&mut writer);
    assert_eq!(host.entries_of("kamailio-0").len() as u64, count);
}
