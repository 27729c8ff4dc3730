//! Replays the fuzzers' corpora of this crate; tests/fuzz holds the checks and the inputs.
#![cfg(feature = "daemon")]

use std::path::Path;

#[path = "../../../tests/fuzz/checks/checkpoint.rs"]
mod checkpoint;
mod common;
#[path = "../../../tests/fuzz/checks/proof.rs"]
mod proof;
#[path = "../../../tests/fuzz/checks/replay.rs"]
mod replay;
#[path = "../../../tests/fuzz/checks/ring.rs"]
mod ring;
#[path = "../../../tests/fuzz/checks/tiles.rs"]
mod tiles;
#[path = "../../../tests/fuzz/checks/wal.rs"]
mod wal;

use common::TempDir;
use replay::replay;

/// As [`replay`], with a directory on tmpfs.
fn replay_in(target: &str, check: impl Fn(&[u8], &Path)) {
    let dir = TempDir::memory();
    replay(target, |data| check(data, &dir.path().join("host")));
}

#[test]
fn checkpoints() {
    replay("checkpoint", checkpoint::check);
}

#[test]
fn proofs() {
    replay("proof", proof::check);
}

#[test]
fn rings() {
    replay_in("ring", ring::check);
}

#[test]
fn tiles_and_entries() {
    replay_in("tiles", tiles::check);
}

#[test]
fn write_ahead_logs() {
    replay_in("wal", wal::check);
}
