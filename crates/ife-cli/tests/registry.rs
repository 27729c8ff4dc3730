//! `ifectl registry check`.

mod common;

use common::TestDir;

#[test]
fn a_valid_registry_is_summed_up() {
    let place = TestDir::new("registry");
    place.registry();
    place
        .run(&["registry", "check", "registry.yaml"])
        .with(0)
        .says(&["registry.yaml: valid: 1 expert (1 active), 1 council, 2 hazards"]);
    let report = place
        .run(&["registry", "check", "registry.yaml", "--json"])
        .with(0)
        .json();
    assert_eq!(
        (report["valid"].as_bool(), report["hazards"].as_u64()),
        (Some(true), Some(2))
    );
    assert_eq!(report["warnings"].as_array().map(Vec::len), Some(0));
}

#[test]
fn what_is_allowed_and_probably_not_meant_is_a_warning() {
    let place = TestDir::new("registry-warning");
    place.registry();
    let yaml = String::from_utf8(place.read("registry.yaml")).expect("text");
    let yaml = yaml.replace(
        "covers: [base, cid]}",
        "covers: [base, cid], not_after: 2020-01-01T00:00:00Z}",
    );
    place.file("old.yaml", yaml);
    place
        .run(&["registry", "check", "old.yaml"])
        .with(0)
        .says(&["warning: expert expert-safety@external.advisor: \
             key expert expired 2020-01-01T00:00:00Z"]);
}

#[test]
fn every_error_is_told_with_its_place() {
    let place = TestDir::new("registry-bad");
    place.registry();
    let yaml = String::from_utf8(place.read("registry.yaml")).expect("text");
    place.file(
        "bad.yaml",
        yaml.replace("127.0.0.0/8", "127.0.0.0/33")
            .replace("hazards: [safety]", "hazards: [weather]"),
    );
    let run = place.run(&["registry", "check", "bad.yaml"]).with(1);
    let run = run.says(&[
        "bad.yaml:10:",
        "councils[0].sources[0]",
        "experts[0].hazards[0]",
        "the gate would not start",
    ]);
    assert!(run.stderr.is_empty(), "{}", run.stderr);

    let report = place
        .run(&["registry", "check", "bad.yaml", "--json"])
        .with(1)
        .json();
    assert_eq!(report["valid"].as_bool(), Some(false));
    let first = &report["errors"][0];
    assert_eq!(
        (first["file"].as_str(), first["line"].as_u64()),
        (Some("bad.yaml"), Some(10))
    );
}

#[test]
fn a_registry_that_cannot_be_read_is_no_answer() {
    let place = TestDir::new("registry-absent");
    place
        .run(&["registry", "check", "absent.yaml"])
        .with(3)
        .says(&["absent.yaml: cannot read it"]);
    place.file("latin1.yaml", b"version: 1 # caf\xe9\n");
    place
        .run(&["registry", "check", "latin1.yaml"])
        .with(1)
        .says(&["latin1.yaml: not UTF-8 at byte 16"]);
}

#[test]
fn what_is_no_regular_file_is_refused_at_once() {
    let place = TestDir::new("registry-odd");
    let made = std::process::Command::new("mkfifo")
        .arg(place.root.join("pipe"))
        .status();
    assert!(made.is_ok_and(|status| status.success()));
    for path in ["pipe", "/dev/zero", "/"] {
        let run = place.run(&["registry", "check", path]).with(1);
        assert!(run.stderr.contains("not a regular file"), "{}", run.stderr);
    }
}
