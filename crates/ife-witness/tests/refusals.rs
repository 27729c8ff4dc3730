//! Log directories that must not be written to: each is refused and left unchanged.
#![cfg(feature = "daemon")]

mod common;
mod host;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use host::{Failure, Host, keys, names};
use ife_witness::recovery::Refusal;
use ife_witness::store::RealDisk;
use ife_witness::wal::WalError;
use ife_witness::writer::WriterError;

/// A log of 300 entries, published, of which the last 20 were signed in a checkpoint of their own.
fn host() -> Host {
    let host = Host::new();
    let mut client = host.attach("kamailio-0");
    let mut engine = host.start().expect("start");
    for count in [150, 130, 20] {
        client.push_many(count);
        engine.step().expect("step");
        engine.publish().expect("publish");
    }
    host
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("make a directory");
    for name in names(from) {
        let (from, to) = (from.join(&name), to.join(&name));
        if from.is_dir() {
            copy(&from, &to);
        } else {
            fs::copy(from, to).expect("copy");
        }
    }
}

/// Returns every file below, with its content.
fn files(dir: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let mut all = Vec::new();
    for name in names(dir) {
        let path = dir.join(name);
        if path.is_dir() {
            all.extend(files(&path));
        } else {
            let bytes = fs::read(&path).expect("read");
            all.push((path, bytes));
        }
    }
    all
}

/// Returns the refusal after checking that nothing has changed.
fn refused(host: &Host) -> Refusal {
    let before = files(host.log.path());
    let refusal = host.start().err().expect("a refusal");
    assert!(
        files(host.log.path()) == before,
        "{refusal}: files were changed"
    );
    refusal
}

fn assert_message(refusal: &Refusal, parts: &[&str]) {
    let mut text = refusal.to_string();
    let mut source = std::error::Error::source(refusal);
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    for part in parts {
        assert!(text.contains(part), "{part:?} is not in: {text}");
    }
}

fn segment(host: &Host) -> PathBuf {
    let dir = host.log.path().join("private/wal");
    dir.join(names(&dir).pop().expect("a segment"))
}

fn flip(path: &Path, at: usize) {
    let mut bytes = fs::read(path).expect("read");
    bytes[at] ^= 1;
    fs::write(path, bytes).expect("write");
}

/// Returns the offset after the last byte that is not zero.
fn end_of_data(path: &Path) -> usize {
    let bytes = fs::read(path).expect("read");
    bytes.iter().rposition(|b| *b != 0).expect("data") + 1
}

#[test]
fn the_untouched_log_is_taken_up() {
    let host = host();
    let engine = host.start().expect("start");
    assert_eq!(
        (
            engine.found.published,
            engine.found.signed,
            engine.found.size
        ),
        (300, 300, 300)
    );
}

#[test]
fn a_second_writer_of_the_log() {
    let host = host();
    let _engine = host.start().expect("start");
    let other = Host {
        state: common::TempDir::memory(),
        log: common::TempDir::memory(),
    };
    let store = ife_witness::store::Store::open(host.log.path(), Arc::new(RealDisk)).expect("open");
    let rings = ife_witness::ring::RingSet::open(other.state.path()).expect("open");
    let start = ife_witness::recovery::Start {
        store,
        keys: keys(1),
        rings,
        segment_bytes: 1 << 20,
    };
    let refusal = ife_witness::recovery::recover(start)
        .err()
        .expect("a refusal");
    assert_message(
        &refusal,
        &[
            "is in use by another writer",
            "one log directory has one writer",
        ],
    );
}

#[test]
fn a_public_checkpoint_ahead_of_the_private_one() {
    let host = host();
    let old = common::TempDir::memory();
    copy(host.log.path(), old.path());
    let mut client = host.attach("kamailio-1");
    let mut engine = host.start().expect("start");
    client.push();
    engine.finish().expect("finish");
    drop(engine);
    fs::copy(
        old.path().join("private/checkpoint.signed"),
        host.log.path().join("private/checkpoint.signed"),
    )
    .expect("copy");
    assert_message(
        &refused(&host),
        &[
            "checkpoint",
            "of 301 entries, ahead of the last one signed here, of 300",
            "Restore",
        ],
    );
    fs::remove_file(host.log.path().join("private/checkpoint.signed")).expect("remove");
    assert_message(&refused(&host), &["ahead of the last one signed here"]);
}

#[test]
fn a_bad_frame_below_the_signed_size() {
    let host = host();
    let path = segment(&host);
    flip(&path, end_of_data(&path) - 200);
    let refusal = refused(&host);
    assert!(
        matches!(refusal, Refusal::Wal(WalError::Damaged { .. })),
        "{refusal}"
    );
    assert_message(
        &refusal,
        &[
            ".wal is damaged at offset",
            "a signed checkpoint covers it",
            "Restore",
        ],
    );
}

#[test]
fn a_wal_that_was_cut() {
    let host = host();
    let path = segment(&host);
    let file = fs::File::options().write(true).open(&path).expect("open");
    file.set_len(end_of_data(&path) as u64 - 100).expect("cut");
    assert_message(
        &refused(&host),
        &["is damaged at offset", "a signed checkpoint covers it"],
    );
}

#[test]
fn a_bad_frame_that_was_acknowledged_but_not_signed() {
    let host = host();
    let mut client = host.attach("kamailio-1");
    let mut engine = host.start().expect("start");
    for _ in 0..2 {
        client.push_many(2);
        engine.step().expect("step");
    }
    drop(engine);
    let path = segment(&host);
    let end = end_of_data(&path);
    // The last batch: only the doorbell records its acknowledgement.
    flip(&path, end - 20);
    assert_message(&refused(&host), &["it was acknowledged to its producer"]);
    // Without the doorbell's mark, damage in the last batch looks like an unfinished batch...
    let fresh = Host {
        state: common::TempDir::memory(),
        log: common::TempDir::memory(),
    };
    copy(host.log.path(), fresh.log.path());
    let engine = fresh.start().expect("start");
    assert_eq!((engine.found.size, engine.found.torn), (303, true));
    drop(engine);
    // ...but not in an earlier one.
    let fresh = Host {
        state: common::TempDir::memory(),
        log: common::TempDir::memory(),
    };
    copy(host.log.path(), fresh.log.path());
    let frames = fs::read(&path).expect("read");
    let heads: Vec<usize> = (0..end)
        .step_by(8)
        .filter(|at| frames[*at..].starts_with(b"IWF1"))
        .collect();
    flip(&segment(&fresh), heads[heads.len() - 4] + 60);
    assert_message(&refused(&fresh), &["a later batch follows"]);
}

#[test]
fn a_wal_that_is_gone() {
    let host = host();
    fs::remove_file(segment(&host)).expect("remove");
    for name in names(&host.log.path().join("private/wal")) {
        fs::remove_file(host.log.path().join("private/wal").join(name)).expect("remove");
    }
    assert_message(
        &refused(&host),
        &["private/wal", "the write-ahead log is gone"],
    );
}

#[test]
fn a_wal_that_begins_too_late() {
    let host = host();
    let mut client = host.attach("kamailio-1");
    let mut engine = host.start().expect("start");
    let before = host.segment_names().len();
    while host.segment_names().len() < before + 2 {
        client.push_many(20);
        engine.step().expect("step");
    }
    drop(engine);
    let names = host.segment_names();
    for name in &names[..names.len() - 1] {
        fs::remove_file(host.log.path().join("private/wal").join(name)).expect("remove");
    }
    assert_message(
        &refused(&host),
        &[
            "the write-ahead log begins at entry",
            "the public checkpoint has only 300",
        ],
    );
}

#[test]
fn a_tile_that_was_changed() {
    for (name, parts) in [
        ("tile/1/000.p/1", ["do not give its root", "never mix"]),
        (
            "tile/entries/001.p/44",
            ["tile/entries/001.p/44", "does not hash to its leaf"],
        ),
    ] {
        let host = host();
        flip(&host.log.path().join(name), 20);
        assert_message(&refused(&host), &parts);
    }
    let host = host();
    fs::remove_file(host.log.path().join("tile/1/000.p/1")).expect("remove");
    assert_message(&refused(&host), &["tile/1/000"]);
}

#[test]
fn a_log_of_another_key_or_origin() {
    let host = host();
    let refusal = host
        .start_as(keys(2), Arc::new(RealDisk))
        .err()
        .expect("a refusal");
    assert_message(
        &refusal,
        &[
            "is not a checkpoint of this log",
            "Use the key and the origin",
        ],
    );
    // A WAL of another log that was stopped before its first checkpoint.
    let begun = Host::new();
    drop(begun.start().expect("start"));
    let other = Host {
        state: common::TempDir::memory(),
        log: common::TempDir::memory(),
    };
    copy(begun.log.path(), other.log.path());
    let refusal = other
        .start_as(keys(2), Arc::new(RealDisk))
        .err()
        .expect("a refusal");
    assert_message(&refusal, &["another origin or key", "at offset 0"]);
}

#[test]
fn a_directory_that_was_rolled_back() {
    let host = host();
    let old = common::TempDir::memory();
    copy(host.log.path(), old.path());
    let mut client = host.attach("kamailio-1");
    let mut engine = host.start().expect("start");
    client.push_many(5);
    engine.finish().expect("finish");
    drop(engine);
    fs::remove_dir_all(host.log.path()).expect("remove");
    copy(old.path(), host.log.path());
    assert_message(
        &refused(&host),
        &[
            "entry 300 was on disk before",
            "it was acknowledged to its producer",
        ],
    );
    fs::remove_dir_all(host.log.path()).expect("remove");
    fs::create_dir(host.log.path()).expect("make a directory");
    let refusal = host.start().err().expect("a refusal");
    assert_message(
        &refusal,
        &[
            "holds 0 entries, but 305 were acknowledged",
            "rolled back",
            "new key",
        ],
    );
}

#[test]
fn a_ring_that_knows_of_more_than_the_log() {
    let host = host();
    let old = common::TempDir::memory();
    copy(host.log.path(), old.path());
    let mut client = host.attach("kamailio-0");
    let mut engine = host.start().expect("start");
    client.push_many(5);
    engine.finish().expect("finish");
    drop(engine);
    fs::remove_dir_all(host.log.path()).expect("remove");
    copy(old.path(), host.log.path());
    // Only the rings record it.
    fs::remove_file(host.state.path().join("rings/doorbell")).expect("remove");
    let mut engine = host.start().expect("start");
    let failure: Failure = engine.maintain().expect_err("a refusal");
    let error = failure.downcast_ref::<WriterError>().expect("the writer's");
    assert!(
        matches!(
            error,
            WriterError::RolledBack {
                durable_seq: 305,
                next_seq: 300,
                ..
            }
        ),
        "{error}"
    );
}

#[test]
fn an_empty_directory_and_one_that_was_only_begun_are_no_obstacle() {
    let host = Host::new();
    drop(host.start().expect("start"));
    // Stopped before the first checkpoint.
    let mut engine = host.start().expect("start");
    assert_eq!(engine.found.size, 0);
    let mut client = host.attach("kamailio-0");
    client.push();
    engine.step().expect("step");
    drop(engine);
    let mut engine = host.start().expect("start");
    assert_eq!(engine.found.size, 1);
    engine.finish().expect("finish");
    assert_eq!(host.verify().size, 1);
}

#[test]
fn remains_of_a_torn_batch_never_reappear() {
    let host = Host::new();
    let mut client = host.attach("kamailio-0");
    let mut engine = host.start().expect("start");
    client.push_many(3);
    engine.step().expect("step");
    drop(engine);
    let path = segment(&host);
    let bytes = fs::read(&path).expect("read");
    let heads: Vec<usize> = (0..bytes.len() - 4)
        .step_by(8)
        .filter(|at| bytes[*at..].starts_with(b"IWF1"))
        .collect();
    // As if the power had failed before the first frame of the batch reached the disk.
    flip(&path, heads[1] + 60);
    let mut host = host;
    host.lose_memory();
    let mut engine = host.start().expect("start");
    assert_eq!((engine.found.size, engine.found.torn), (0, true));
    // An entry of the same length replaces the bad one; the old second entry would follow it.
    let mut client = host.attach("kamailio-0");
    client.push();
    engine.step().expect("step");
    drop(engine);
    assert_eq!(host.start().expect("start").found.size, 1);
}

#[test]
fn a_changed_bit_in_the_doorbell_does_not_blame_the_log() {
    for bit in 0..128 {
        let host = host();
        let doorbell = host.state.path().join("rings/doorbell");
        let mut bytes = fs::read(&doorbell).expect("read");
        // The mark: the log's id at 24, its size at 32.
        bytes[24 + bit / 8] ^= 1 << (bit % 8);
        fs::write(&doorbell, bytes).expect("write");
        let engine = host.start().unwrap_or_else(|e| panic!("bit {bit}: {e}"));
        assert!(engine.found.doorbell_damaged, "bit {bit}");
    }
}
