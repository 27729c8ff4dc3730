//! `ifectl doctor` and `ifectl shadow-report` over directories made for the test.

mod common;

use std::{fs, os::unix::fs::PermissionsExt};

use common::{Run, TestDir};
use serde_json::{Value, json};

const NOBODY: &str = "127.0.0.1:9";

fn doctor(place: &TestDir, more: &[&str]) -> Run {
    let mut arguments = vec![
        "doctor",
        "--kamailio",
        NOBODY,
        "--bridge",
        "unix:bridge.sock",
    ];
    let paths = [
        ("--registry", "registry.yaml"),
        ("--bridge-config", "bridge.yaml"),
        ("--dispatcher", "dispatcher.list"),
        ("--tls-config", "tls.cfg"),
        ("--kamailio-config", "kamailio.cfg"),
        ("--state-dir", "state"),
        ("--log", "log"),
        ("--keys", "keys"),
    ];
    arguments.extend(paths.iter().flat_map(|(option, path)| [*option, *path]));
    arguments.extend(more);
    place.run(&arguments)
}

/// `level: what` of a check's lines.
fn lines(run: &Run, check: &str) -> Vec<String> {
    let told = run.json();
    let lines = told["lines"].as_array().expect("lines").iter();
    let of_check = lines.filter(|line| line["check"] == check);
    let text = |line: &Value| {
        let text = |name: &str| line[name].as_str().unwrap_or_default().to_owned();
        format!("{}: {}", text("level"), text("what"))
    };
    of_check.map(text).collect()
}

fn set_mode(place: &TestDir, name: &str, mode: u32) {
    let mode = fs::Permissions::from_mode(mode);
    fs::set_permissions(place.root.join(name), mode).expect("a mode can be set");
}

/// A host with a registry, a log and the log's keys.
fn host(name: &str) -> TestDir {
    let place = TestDir::new(name);
    place.registry();
    place.log(40);
    for dir in ["keys", "state/rings", "log/private"] {
        fs::create_dir_all(place.root.join(dir)).expect("a directory can be made");
    }
    place.file("keys/witness.key", "IFE-PRIVATE-KEY-1 x y\n");
    set_mode(&place, "keys/witness.key", 0o600);
    set_mode(&place, "log/private", 0o700);
    set_mode(&place, "log", 0o755);
    place
}

#[test]
fn a_host_with_nothing_on_it_is_no_answer() {
    let place = TestDir::new("doctor-nothing");
    doctor(&place, &[]).with(3).says(&[
        "skipped  kamailio",
        "skipped  bridge",
        "0 error",
        "options name the paths",
    ]);
    let told = doctor(&place, &["--json"]).with(3).json();
    assert_eq!(told["answer"], "unanswered");
}

#[test]
fn each_finding_has_its_line_and_its_advice() {
    let place = host("doctor-findings");
    set_mode(&place, "keys/witness.key", 0o644);
    set_mode(&place, "log/private", 0o755);
    let status = json!({"state": "running", "pid": 1, "size": 9, "published_size": 9, "rings": 0,
        "missing_since_start": 3, "sync_us_max": 0, "updated_unix_ms": 1});
    place.file("state/witnessd.json", status.to_string());
    place.file("state/shared.bin", "");
    place.file(
        "bridge.yaml",
        "council: {signing_key: no.key}\nami: {tls: {ca: ca.pem}}\n",
    );
    place.file("ca.pem", "no certificate");
    let run = doctor(&place, &["--json"]).with(1);
    let files = lines(&run, "files").join("\n");
    for part in [
        "error: keys/witness.key: mode 0644: users beside its owner",
        "error: log/private: mode 0755: users beside the writer",
        "error: no.key: named in a configuration and not there",
    ] {
        assert!(files.contains(part), "{files}");
    }
    let log = lines(&run, "witness log").join("\n");
    assert!(
        log.contains("error: ife-witnessd is down or stuck: its status is "),
        "{log}"
    );
    assert!(
        log.contains("warning: 3 entries were lost by producers"),
        "{log}"
    );
    assert!(lines(&run, "kamailio")[0].starts_with("error: no answer to JSON-RPC at"));
    assert!(lines(&run, "bridge")[0].starts_with("error: it does not answer: "));
    assert_eq!(
        lines(&run, "certificates"),
        ["unseen: ca.pem: holds no certificate in PEM"]
    );
    for line in run.json()["lines"].as_array().expect("lines") {
        let is_finding = line["level"] == "error" || line["level"] == "warning";
        assert!(line["do"].is_string() || !is_finding, "{line}");
    }
}

#[test]
fn files_that_are_no_files_and_bad_ones_are_harmless() {
    let place = host("doctor-bad");
    fs::create_dir(place.root.join("tls.cfg")).expect("a directory");
    place.file("bridge.yaml", "council: [\u{1b}[2J");
    place.file("state/witnessd.json", "{\"state\": 5}");
    place.file("dispatcher.list", [0xff, 0xfe, b'\n']);
    place.file("registry.yaml", "version: x\n");
    let run = doctor(&place, &["--json"]).with(1);
    let config = lines(&run, "config").join("\n");
    for part in [
        "error: bridge.yaml: ",
        "unseen: tls.cfg: not a regular file",
        "unseen: dispatcher.list: ",
    ] {
        assert!(config.contains(part), "{config}");
    }
    assert!(lines(&run, "witness log")[0].starts_with("unseen: state/witnessd.json: "));
    assert!(lines(&run, "registry")[0].starts_with("error: it cannot be used: "));
    let text = doctor(&place, &[]).with(1);
    assert!(!text.stdout.contains('\u{1b}'), "{}", text.stdout);
    doctor(&place, &["--days", "4000"]).with(2);
}

#[test]
fn a_log_without_shadow_mode_has_nothing_to_report() {
    let place = host("shadow-none");
    place
        .run(&["shadow-report", "--log", "log", "--vkey", "vkey"])
        .with(0)
        .says(&[
            "nothing would have been refused; 1 call was approved",
            "40 entries, verified",
        ]);
    place
        .run(&["shadow-report", "--log", "log", "--since", "5 days"])
        .with(2);
    place
        .run(&["shadow-report", "--log", "log", "--since", ""])
        .with(2);
    place.run(&["shadow-report", "--log", "nowhere"]).with(3);
}
