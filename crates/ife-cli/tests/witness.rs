//! `ifectl witness`, on a log made here.

mod common;

use std::{
    fs,
    io::{BufRead, BufReader},
    process::{Child, Command, Stdio},
    sync::mpsc,
    thread,
    time::Duration,
};

use common::{ORIGIN, Run, TRACE, TestDir};

const LOG: [&str; 4] = ["--log", "log", "--vkey", "vkey"];

fn witness(place: &TestDir, command: &str, more: &[&str]) -> Run {
    place.run(&[&["witness", command], LOG.as_slice(), more].concat())
}

#[test]
fn a_good_log_verifies() {
    let place = TestDir::new("verify");
    place.log(600);
    witness(&place, "verify", &[]).with(0).says(&[
        "entries    600",
        "by 1 producer",
        "missing    nothing",
        "verified   every signature",
    ]);
    let report = witness(&place, "verify", &["--json", "--threads", "1"])
        .with(0)
        .json();
    assert_eq!(
        (
            report["verified"].as_bool(),
            report["size"].as_u64(),
            report["gaps"].as_u64()
        ),
        (Some(true), Some(600), Some(0))
    );
    assert_eq!(report["origin"].as_str(), Some(ORIGIN));
    assert_eq!(
        report["signatures"][1]["time"].as_str(),
        Some("2026-01-01T00:00:00Z")
    );
}

#[test]
fn a_changed_byte_is_found_and_its_file_named() {
    let place = TestDir::new("verify-changed");
    place.log(600);
    let path = place.root.join("log/tile/entries/001");
    let mut bytes = fs::read(&path).expect("a bundle");
    let at = bytes.len() / 2;
    bytes[at] ^= 1;
    fs::write(&path, bytes).expect("written");
    witness(&place, "verify", &[])
        .with(1)
        .says(&["ifectl: log/tile/", "offset"]);
    let report = witness(&place, "verify", &["--json"]).with(1).json();
    assert_eq!(report["verified"].as_bool(), Some(false));
    assert!(
        report["path"]
            .as_str()
            .is_some_and(|path| path.starts_with("log/tile/")),
        "{report}"
    );
}

#[test]
fn a_log_that_was_cut_back_is_noticed_by_who_remembers() {
    let place = TestDir::new("verify-remember");
    place.log(600);
    witness(&place, "verify", &["--remember", "seen"]).with(0);
    let seen = place.read("seen");
    place.log(700);
    witness(&place, "verify", &["--remember", "seen"])
        .with(0)
        .says(&["still begins with what was seen before"]);
    assert_ne!(
        place.read("seen"),
        seen,
        "the newer checkpoint is remembered"
    );

    fs::remove_dir_all(place.root.join("log")).expect("removed");
    place.log(500);
    witness(&place, "verify", &[]).with(0);
    witness(&place, "verify", &["--remember", "seen"])
        .with(1)
        .says(&["had 700 entries and has 500", "find out who"]);
    place.file("old", seen);
    witness(&place, "verify", &["--since", "old"])
        .with(1)
        .says(&["had 600 entries and has 500"]);
}

#[test]
fn keys_are_needed_and_must_be_the_logs() {
    let place = TestDir::new("verify-keys");
    place.log(10);
    place
        .run(&["witness", "verify", "--log", "log"])
        .with(2)
        .says(&["--vkey is needed"]);
    let strangers = "other.example/log+0a1b2c3d+AQIDBAUGBwgJCgsMDQ4PEBESExQVFhcYGRobHB0eHyAh\n";
    place.file("strange", strangers);
    place
        .run(&["witness", "verify", "--log", "log", "--vkey", "strange"])
        .with(3)
        .says(&["strange:1:"]);
    place.file("empty", "# none\n");
    place
        .run(&["witness", "verify", "--log", "log", "--vkey", "empty"])
        .with(3)
        .says(&["holds no verifier key"]);
    place
        .run(&["witness", "verify", "--log", "absent", "--vkey", "vkey"])
        .with(3)
        .says(&["absent/checkpoint"]);
}

#[test]
fn the_environment_may_name_the_log() {
    let place = TestDir::new("verify-environment");
    place.log(10);
    let mut command = Command::new(env!("CARGO_BIN_EXE_ifectl"));
    command
        .current_dir(&place.root)
        .args(["witness", "verify"])
        .env("IFE_WITNESS_LOG", "log")
        .env("IFE_WITNESS_VKEY", "vkey");
    Run::of(&["witness verify"], &command.output().expect("ifectl runs"))
        .with(0)
        .says(&["verified"]);
}

#[test]
fn the_story_of_a_trace_is_told_and_proved() {
    let place = TestDir::new("show");
    place.log(600);
    let run = witness(&place, "show", &["--trace", TRACE]).with(0).says(&[
        TRACE,
        "Call-ID call-1@council.example",
        "approved",
        "180 Ringing",
        "|<----------------------- BYE ------------------------|",
        "5 entries, each proved to be in the log witness.example/test of 600",
    ]);
    assert!(!run.stdout.contains("another-trace"));
    let report = witness(&place, "show", &["--trace", TRACE, "--json"])
        .with(0)
        .json();
    let events: Vec<&str> = report["entries"]
        .as_array()
        .expect("entries")
        .iter()
        .filter_map(|e| e["entry"]["event"].as_str())
        .collect();
    assert_eq!(events, ["APPROVED", "RINGING", "CONNECTED", "ACK", "BYE"]);
    assert_eq!(report["verified"].as_bool(), Some(true));
}

#[test]
fn a_story_says_how_fresh_it_is_and_waits_for_its_end_when_asked() {
    let place = TestDir::new("show-wait");
    place.log(5);
    let show = ["--trace", TRACE];
    let run = witness(&place, "show", &show).with(0).says(&[
        "as of 2026-01-01T00:00:00Z",
        "no entry tells the end of this call",
        "--wait",
    ]);
    assert!(!run.stdout.contains("BYE"));
    witness(&place, "show", &[&show[..], &["--wait", "0"]].concat())
        .with(0)
        .says(&["no entry tells the end of this call after 0 s"]);
    let waited = thread::scope(|scope| {
        let waiting =
            scope.spawn(|| witness(&place, "show", &[&show[..], &["--wait", "60"]].concat()));
        thread::sleep(Duration::from_millis(300));
        place.log(20);
        waiting.join().expect("no panic")
    });
    let waited = waited.with(0).says(&["BYE", "5 entries, each proved"]);
    assert!(!waited.stderr.contains("no entry tells"));
    // Missing files are waited for as well.
    thread::scope(|scope| {
        let waiting = scope.spawn(|| witness(&place, "show", &["--index", "25", "--wait"]));
        place.log(30);
        waiting.join().expect("no panic").with(0)
    });
}

#[test]
fn entries_are_found_by_call_id_and_by_place() {
    let place = TestDir::new("show-which");
    place.log(20);
    witness(
        &place,
        "show",
        &["--call-id", "call-1@council.example", "--limit", "2"],
    )
    .with(0)
    .says(&["only the newest 2", "BYE", "2 entries"]);
    witness(&place, "show", &["--index", "3", "--entries"])
        .with(0)
        .says(&["1 entry proved", "\"event\":\"RINGING\""]);
    place
        .run(&["witness", "show", "--log", "log", "--trace", TRACE])
        .with(0)
        .says(&["not verified, since no --vkey was given"]);
    witness(&place, "show", &["--trace", "no-such-trace"])
        .with(1)
        .says(&["no such entry among 20"]);
    witness(&place, "show", &[]).with(2);
}

#[test]
fn a_story_from_a_changed_entry_is_not_told() {
    let place = TestDir::new("show-changed");
    place.log(20);
    let path = place.root.join("log/tile/entries/000.p/20");
    let text = fs::read(&path).expect("a bundle");
    let at = text
        .windows(7)
        .position(|w| w == b"Ringing")
        .expect("the reason");
    let mut changed = text.clone();
    changed[at..at + 7].copy_from_slice(b"Rungung");
    fs::write(&path, changed).expect("written");
    let run = witness(&place, "show", &["--trace", TRACE])
        .with(1)
        .says(&["entry 3"]);
    assert!(run.stdout.is_empty(), "{}", run.stdout);
}

#[test]
fn a_proof_convinces_without_the_log() {
    let place = TestDir::new("prove");
    place.log(600);
    witness(
        &place,
        "prove",
        &["--index", "300", "--out", "p", "--entry-out", "e"],
    )
    .with(0);
    fs::remove_dir_all(place.root.join("log")).expect("removed");
    let check = |entry: &str| {
        place.run(&[
            "witness",
            "check-proof",
            "--proof",
            "p",
            "--entry",
            entry,
            "--vkey",
            "vkey",
        ])
    };
    check("e").with(0).says(&[
        "proved: e is entry 300",
        "of 600 entries",
        "2026-01-01T00:00:00Z",
    ]);

    let mut entry = place.read("e");
    entry[10] ^= 1;
    place.file("forged", entry);
    check("forged").with(1).says(&["ifectl: p:"]);
    let proof = String::from_utf8(place.read("p")).expect("text");
    place.file("p", proof.replace("index 300", "index 301"));
    check("e").with(1);
    place.file("p", "nonsense");
    check("e").with(1).says(&["ifectl: p:"]);
}

#[test]
fn an_entry_is_found_by_the_hash_that_was_sent_along() {
    let place = TestDir::new("prove-hash");
    place.log(600);
    let shown = witness(&place, "show", &["--index", "300", "--json"])
        .with(0)
        .json();
    let hash = shown["entries"][0]["leaf_hash"]
        .as_str()
        .expect("a hash")
        .to_owned();
    let proof = witness(&place, "prove", &["--witness-hash", &hash]).with(0);
    assert!(
        proof
            .stdout
            .starts_with("c2sp.org/tlog-proof@v1\nindex 300\n"),
        "{}",
        proof.stdout
    );
    let absent = format!("sha256:{}", "0".repeat(64));
    witness(&place, "prove", &["--witness-hash", &absent])
        .with(1)
        .says(&["no entry has the leaf hash"]);
    witness(&place, "prove", &["--witness-hash", "sha256:00"]).with(2);
    witness(&place, "prove", &["--index", "600"]).with(1);
}

#[test]
fn the_tail_is_printed_a_line_an_entry() {
    let place = TestDir::new("tail");
    place.log(300);
    let run = witness(&place, "tail", &["-n", "3"]).with(0);
    let lines: Vec<&str> = run.stdout.lines().collect();
    assert_eq!(lines.len(), 3);
    assert!(
        lines[2].starts_with("#299")
            && lines[2].contains("2026-01-01T00:00:00.299")
            && lines[2].contains("INVITE"),
        "{}",
        lines[2]
    );
    assert_eq!(
        witness(&place, "tail", &["-n", "1000", "--json"])
            .with(0)
            .stdout
            .lines()
            .count(),
        300
    );
}

/// A child that would run for ever; ended with the test, however that ends.
struct Following(Child);

impl Drop for Following {
    fn drop(&mut self) {
        _ = self.0.kill();
        _ = self.0.wait();
    }
}

#[test]
fn a_growing_log_is_followed() {
    let place = TestDir::new("tail-follow");
    place.log(300);
    let mut command = Command::new(env!("CARGO_BIN_EXE_ifectl"));
    let follow = [
        "witness", "tail", "--follow", "-n", "1", "--log", "log", "--vkey", "vkey",
    ];
    let mut child = Following(
        command
            .current_dir(&place.root)
            .args(follow)
            .stdout(Stdio::piped())
            .spawn()
            .expect("ifectl runs"),
    );
    let (send, lines) = mpsc::channel();
    let stdout = BufReader::new(child.0.stdout.take().expect("a pipe"));
    thread::spawn(move || {
        stdout
            .lines()
            .map_while(Result::ok)
            .try_for_each(|line| send.send(line))
    });
    let mut expect = |index: u64| {
        let line = lines
            .recv_timeout(Duration::from_secs(60))
            .expect("another line");
        assert!(line.starts_with(&format!("#{index} ")), "{line}");
    };
    expect(299);
    place.log(520);
    (300..520).for_each(&mut expect);
}

#[test]
fn the_head_is_told() {
    let place = TestDir::new("checkpoint");
    place.log(300);
    witness(&place, "checkpoint", &[]).with(0).says(&[
        ORIGIN,
        "entries    300",
        "at 2026-01-01T00:00:00Z",
    ]);
    assert_eq!(
        witness(&place, "checkpoint", &["--raw"])
            .with(0)
            .stdout
            .as_bytes(),
        place.read("log/checkpoint")
    );
    assert_eq!(
        witness(&place, "checkpoint", &["--json"]).with(0).json()["size"].as_u64(),
        Some(300)
    );
    place
        .run(&["witness", "checkpoint", "--log", "log"])
        .with(0)
        .says(&["not checked"]);
}

#[test]
fn a_copy_verifies_while_the_log_goes_on() {
    let place = TestDir::new("copy");
    for size in [200, 600, 70_000] {
        place.log(size);
        witness(&place, "copy", &["--to", "copied"]).with(0);
        let args = ["witness", "verify", "--log", "copied", "--vkey", "vkey"];
        place
            .run(&args)
            .with(0)
            .says(&["verified   every signature"]);
    }
}
