//! Reading entries: ranges, following, finding by call, proving.

mod logs;

use std::fs;

use ife_witness::proof::TlogProof;
use ife_witness::reader::{self, LogDir, Problem, Tail};
use logs::{LogWriter, Scratch, entry_bytes, log_of, vkeys};

#[test]
fn ranges_give_exactly_their_entries() {
    let scratch = Scratch::new("ranges");
    log_of(scratch.path(), 600);
    let dir = LogDir::new(scratch.path());
    for range in [
        0..0,
        0..1,
        0..600,
        5..5,
        254..258,
        256..512,
        599..600,
        512..9999,
        600..700,
        0..u64::MAX,
    ] {
        let read: Vec<_> = reader::entries(&dir, 600, range.clone())
            .collect::<Result<_, _>>()
            .expect("good");
        let expected: Vec<u64> = (range.start..range.end.min(600)).collect();
        assert_eq!(
            read.iter().map(|one| one.index).collect::<Vec<_>>(),
            expected,
            "{range:?}"
        );
        assert!(read.iter().all(|one| one.entry == entry_bytes(one.index)));
    }
    assert_eq!(
        reader::entry(&dir, 600, 300).expect("good"),
        Some(entry_bytes(300))
    );
    assert_eq!(reader::entry(&dir, 600, 600).expect("good"), None);
    assert_eq!(reader::entry(&dir, 600, u64::MAX).expect("good"), None);
}

#[test]
fn a_missing_bundle_is_one_error_that_names_it() {
    let scratch = Scratch::new("missing");
    log_of(scratch.path(), 600);
    fs::remove_file(scratch.path().join("tile/entries/001")).expect("removed");
    let dir = LogDir::new(scratch.path());
    let read: Vec<_> = reader::entries(&dir, 600, 0..600).collect();
    assert_eq!(read.len(), 257);
    let error = read[256].as_ref().expect_err("the bundle is gone");
    assert_eq!(error.path, scratch.path().join("tile/entries/001"));
}

#[test]
fn following_gives_each_entry_once_as_it_is_published() {
    let scratch = Scratch::new("follow");
    let mut writer = LogWriter::new(scratch.path());
    writer.publish();
    let (dir, keys) = (LogDir::new(scratch.path()), vkeys());
    let mut tail = Tail::new(&dir, &keys, 0);
    let mut seen = Vec::new();
    assert_eq!(tail.poll().expect("empty"), []);
    for size in [1, 5, 256, 257, 900] {
        writer.grow(size);
        writer.publish();
        loop {
            let new = tail.poll().expect("good");
            if new.is_empty() {
                break;
            }
            seen.extend(new.into_iter().map(|one| one.index));
        }
        assert_eq!(seen, (0..size).collect::<Vec<_>>());
    }
    LogWriter::new(scratch.path()).publish();
    let error = tail.poll().expect_err("the log went back");
    assert!(
        matches!(
            error.problem,
            Problem::Shrunk {
                before: 900,
                size: 0
            }
        ),
        "{error}"
    );
}

#[test]
fn proofs_verify_without_the_log() {
    let scratch = Scratch::new("prove");
    log_of(scratch.path(), 700);
    let dir = LogDir::new(scratch.path());
    for index in [0, 255, 256, 511, 699] {
        let (proof, entry) = dir.prove(index, &vkeys()).expect("in the log");
        let read = TlogProof::parse(proof.to_string().as_bytes()).expect("a proof file");
        read.verify(&entry, &vkeys()).expect("proved");
        assert!(read.verify(&entry_bytes(index + 1), &vkeys()).is_err());
    }
    assert!(dir.prove(700, &vkeys()).is_err());
    let tile = scratch.path().join("tile/0/001");
    let mut bytes = fs::read(&tile).expect("there");
    bytes[0] ^= 1;
    fs::write(&tile, bytes).expect("written");
    assert!(
        dir.prove(300, &vkeys()).is_err(),
        "a damaged tile gives no proof"
    );
}
