//! Rings: a producer and a reader in one process.

mod common;

use std::fs::Permissions;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;
use std::time::Duration;

use common::{Random, TempDir};
use ife_witness::entry::ENTRY_SIZE_MAX;
use ife_witness::ring::{
    Producer, PushError, RingConfig, RingError, RingSet, WaitError, writer_seen,
};

const CAPACITY: usize = 64 * 1024;

fn config(state_dir: &Path) -> RingConfig<'_> {
    RingConfig {
        state_dir,
        producer: "kamailio-3",
        capacity: CAPACITY,
    }
}

fn attach(dir: &TempDir) -> Producer {
    Producer::attach(&config(dir.path())).expect("attach")
}

fn open(dir: &TempDir) -> RingSet {
    let mut set = RingSet::open(dir.path()).expect("become the reader");
    assert!(set.scan(true).is_empty());
    set
}

/// Reads all records as (epoch, seq, bytes).
fn drain(set: &mut RingSet) -> Vec<(u64, u64, Vec<u8>)> {
    let mut records = Vec::new();
    let mut bytes = Vec::new();
    while let Some(record) = set.rings[0].read(&mut bytes).expect("no damage") {
        assert_eq!(bytes.len(), record.len);
        records.push((record.epoch, record.seq, std::mem::take(&mut bytes)));
    }
    records
}

#[test]
fn records_of_any_size_arrive_once_in_order_over_many_turns_of_the_ring() {
    let dir = TempDir::memory();
    let mut producer = attach(&dir);
    let mut set = open(&dir);
    let mut random = Random(42);
    let mut expected = std::collections::VecDeque::new();
    let mut received = 0u64;
    for _ in 0..20_000 {
        let largest = if random.below(10) == 0 {
            ENTRY_SIZE_MAX as u64
        } else {
            700
        };
        let len = random.below(largest + 1) as usize;
        let entry: Vec<u8> = (0..len).map(|_| random.next() as u8).collect();
        let next = producer.next_seq();
        match producer.push(&entry) {
            Ok(seq) => {
                assert_eq!(seq, next);
                expected.push_back((seq, entry));
            }
            Err(error) => {
                assert_eq!((error, producer.next_seq()), (PushError::Full, next));
                for (epoch, seq, bytes) in drain(&mut set) {
                    assert_eq!(epoch, producer.epoch());
                    assert_eq!(Some((seq, bytes)), expected.pop_front());
                    received += 1;
                }
                assert!(expected.is_empty());
                set.rings[0].acknowledge(producer.next_seq());
                assert_eq!(producer.usage().0, 0);
            }
        }
    }
    assert!(received > 10_000, "{received}");
}

#[test]
fn room_comes_back_only_with_the_acknowledgement() {
    let dir = TempDir::memory();
    let mut producer = attach(&dir);
    let mut set = open(&dir);
    while producer.push(&[7; 1000]).is_ok() {}
    assert_eq!(drain(&mut set).len(), CAPACITY / 1024);
    assert_eq!(producer.push(&[7; 1000]), Err(PushError::Full));
    set.rings[0].acknowledge(producer.next_seq());
    assert!(producer.push(&[7; 1000]).is_ok());
}

#[test]
fn a_second_reader_reads_unacknowledged_records() {
    let dir = TempDir::memory();
    let mut producer = attach(&dir);
    for n in 0..3u8 {
        producer.push(&[n]).expect("room");
    }
    let mut set = open(&dir);
    let mut bytes = Vec::new();
    set.rings[0].read(&mut bytes).expect("no damage");
    set.rings[0].acknowledge(1);
    set.rings[0].read(&mut bytes).expect("no damage");
    drop(set);
    let again: Vec<u64> = drain(&mut open(&dir)).iter().map(|r| r.1).collect();
    assert_eq!(again, [1, 2]);
}

#[test]
fn a_skipped_number_is_a_hole() {
    let dir = TempDir::memory();
    let mut producer = attach(&dir);
    producer.push(b"a").expect("room");
    assert_eq!(producer.skip(), Ok(1));
    producer.push(b"b").expect("room");
    let seqs: Vec<u64> = drain(&mut open(&dir)).iter().map(|r| r.1).collect();
    assert_eq!(seqs, [0, 2]);
}

#[test]
fn the_next_owner_keeps_the_records_and_counts_on_in_a_new_epoch() {
    let dir = TempDir::memory();
    let mut first = attach(&dir);
    first.push(b"a").expect("room");
    first.skip().expect("skip");
    let epoch = first.epoch();
    drop(first);
    let mut second = attach(&dir);
    assert!(second.epoch() > epoch);
    assert_eq!(second.push(b"b"), Ok(2));
    let records = drain(&mut open(&dir));
    assert_eq!(
        records,
        [
            (epoch, 0, b"a".to_vec()),
            (second.epoch(), 2, b"b".to_vec())
        ]
    );
}

#[test]
fn one_owner_and_one_reader() {
    let dir = TempDir::memory();
    let _producer = attach(&dir);
    let error = Producer::attach(&config(dir.path()))
        .err()
        .expect("a second owner");
    assert!(
        matches!(error, RingError::InUse { pid, .. } if pid == std::process::id()),
        "{error}"
    );
    let _set = open(&dir);
    let error = RingSet::open(dir.path()).err().expect("a second reader");
    assert!(matches!(error, RingError::InUse { .. }), "{error}");
}

#[test]
fn bad_configurations_are_refused() {
    let dir = TempDir::memory();
    for producer in ["", "Kamailio", "a/b", "..", "a b", &"x".repeat(49)] {
        let result = Producer::attach(&RingConfig {
            producer,
            ..config(dir.path())
        });
        assert!(matches!(result, Err(RingError::Name { .. })), "{producer}");
    }
    for capacity in [1, CAPACITY / 2, CAPACITY + 1, 1 << 31] {
        let result = Producer::attach(&RingConfig {
            capacity,
            ..config(dir.path())
        });
        assert!(
            matches!(result, Err(RingError::Capacity { .. })),
            "{capacity}"
        );
    }
}

#[test]
fn a_state_directory_on_a_disk_is_refused() {
    let dir = TempDir::disk();
    let error = Producer::attach(&config(dir.path()))
        .err()
        .expect("not tmpfs");
    assert!(matches!(error, RingError::NotMemory { .. }), "{error}");
    assert!(error.to_string().contains("not on tmpfs"), "{error}");
}

#[test]
fn files_that_are_not_rings_are_refused_and_do_not_hide_others() {
    let dir = TempDir::memory();
    let _producer = attach(&dir);
    let rings = dir.path().join("rings");
    std::fs::write(rings.join("short.ring"), b"x").expect("write");
    std::fs::write(rings.join("zeros.ring"), vec![0u8; 2 * CAPACITY]).expect("write");
    std::fs::write(rings.join("Not-A-Name.ring"), b"x").expect("write");
    let mut set = RingSet::open(dir.path()).expect("open");
    let errors = set.scan(true);
    assert_eq!(errors.len(), 2, "{errors:?}");
    assert!(
        errors
            .iter()
            .all(|e| matches!(e, RingError::Damaged { .. })),
        "{errors:?}"
    );
    assert_eq!(set.rings.len(), 1);
    let error = Producer::attach(&RingConfig {
        producer: "short",
        ..config(dir.path())
    })
    .err();
    assert!(
        matches!(error, Some(RingError::Damaged { .. })),
        "{error:?}"
    );
}

#[test]
fn too_large_an_entry_is_refused() {
    let dir = TempDir::memory();
    let mut producer = attach(&dir);
    assert_eq!(
        producer.push(&vec![0; ENTRY_SIZE_MAX + 1]),
        Err(PushError::TooLarge)
    );
    assert_eq!(producer.push(&vec![0; ENTRY_SIZE_MAX]), Ok(0));
}

#[test]
fn waiting_ends_with_the_acknowledgement_or_the_deadline() {
    let dir = TempDir::memory();
    let mut producer = attach(&dir);
    assert_eq!(
        producer.wait_durable(0, Duration::ZERO),
        Err(WaitError::NotPushed)
    );
    let seq = producer.push(b"a").expect("room");
    assert_eq!(
        producer.wait_durable(seq, Duration::from_millis(1)),
        Err(WaitError::Timeout)
    );
    let waiter = producer.waiter();
    let waiting = std::thread::spawn(move || waiter.wait_durable(seq, Duration::from_secs(60)));
    let mut set = open(&dir);
    assert_eq!(drain(&mut set).len(), 1);
    set.rings[0].acknowledge(1);
    assert_eq!(waiting.join().expect("no panic"), Ok(()));
    assert_eq!(producer.wait_durable(seq, Duration::ZERO), Ok(()));
}

#[test]
fn a_sleeping_reader_is_woken_by_a_push_and_by_a_new_ring() {
    let dir = TempDir::memory();
    let mut producer = attach(&dir);
    let mut set = open(&dir);
    let state_dir = dir.path().to_owned();
    let reader = std::thread::spawn(move || {
        // Longer than any test run: only a wake-up ends these.
        set.sleep(Duration::from_secs(3600));
        assert_eq!(drain(&mut set).len(), 1);
        set.sleep(Duration::from_secs(3600));
        assert!(set.scan(false).is_empty());
        set.rings.len()
    });
    producer.push(b"a").expect("room");
    while producer.usage().0 == 0 {
        std::thread::yield_now();
    }
    std::thread::sleep(Duration::from_millis(50));
    let _other = Producer::attach(&RingConfig {
        producer: "bridge-0",
        ..config(&state_dir)
    })
    .expect("attach");
    assert_eq!(reader.join().expect("no panic"), 2);
}

#[test]
fn a_reader_does_not_doze_while_a_producer_waits_already() {
    let dir = TempDir::memory();
    let mut producer = attach(&dir);
    let mut set = open(&dir);
    let seq = producer.push(b"a").expect("room");
    let waiter = producer.waiter();
    let waiting = std::thread::spawn(move || waiter.wait_durable(seq, Duration::from_secs(600)));
    while !set.rings[0].has_waiters() {
        std::thread::yield_now();
    }
    // It rang before, so nothing ends this doze early.
    set.doze(Duration::from_secs(3600));
    assert_eq!(drain(&mut set).len(), 1);
    assert!(!set.rings[0].has_waiters(), "there is nothing to read");
    set.rings[0].acknowledge(1);
    waiting.join().expect("no panic").expect("durable");
}

#[test]
fn a_dozing_reader_is_woken_by_a_producer_that_waits_for_the_disk() {
    let dir = TempDir::memory();
    let mut producer = attach(&dir);
    let mut set = open(&dir);
    let reader = std::thread::spawn(move || {
        // Longer than any test run: only the waiting producer ends it.
        set.doze(Duration::from_secs(3600));
        assert_eq!(drain(&mut set).len(), 1);
        set.rings[0].acknowledge(1);
    });
    let seq = producer.push(b"a").expect("room");
    let mut tries = 0..6000;
    while producer
        .wait_durable(seq, Duration::from_millis(10))
        .is_err()
    {
        assert!(tries.next().is_some(), "the reader was not woken");
    }
    reader.join().expect("no panic");
}

#[test]
fn damage_is_found_and_closes_the_ring() {
    let dir = TempDir::memory();
    let mut producer = attach(&dir);
    producer.push(b"good").expect("room");
    producer.push(b"bad!").expect("room");
    let path = dir.path().join("rings/kamailio-3.ring");
    // A stray store of the producer: the second record's bytes are at 64 KiB + 32 + 24.
    let file = std::fs::File::options()
        .write(true)
        .open(&path)
        .expect("open");
    std::os::unix::fs::FileExt::write_at(&file, b"B", 64 * 1024 + 32 + 24).expect("write");
    let mut set = open(&dir);
    let mut bytes = Vec::new();
    assert!(
        set.rings[0]
            .read(&mut bytes)
            .expect("first record")
            .is_some()
    );
    let damage = set.rings[0].read(&mut bytes).expect_err("second record");
    assert_eq!((damage.at, damage.what), (32, "wrong checksum"));
    assert_eq!(bytes, b"good");
    let aside = set.rings[0].quarantine().expect("rename");
    assert!(aside.exists() && !path.exists());
    assert_eq!(producer.push(b"more"), Err(PushError::Closed));
    assert_eq!(
        producer.wait_durable(1, Duration::from_secs(60)),
        Err(WaitError::Closed)
    );
    drop(producer);
    assert_eq!(attach(&dir).next_seq(), 0);
}

#[test]
fn only_the_ring_of_a_dead_owner_is_removed_and_only_when_drained() {
    let dir = TempDir::memory();
    let mut producer = attach(&dir);
    producer.push(b"a").expect("room");
    let mut set = open(&dir);
    assert!(set.rings[0].orphan().expect("ask").is_none());
    producer.skip().expect("skip");
    drop(producer);
    {
        let orphan = set.rings[0].orphan().expect("ask").expect("no owner");
        assert!(!orphan.is_drained());
        assert_eq!(orphan.next_seq(), 2);
    }
    drain(&mut set);
    set.rings[0].acknowledge(2);
    let orphan = set.rings[0].orphan().expect("ask").expect("no owner");
    assert!(orphan.is_drained());
    orphan.remove().expect("remove");
    set.rings.clear();
    assert_eq!(attach(&dir).next_seq(), 0);
}

#[test]
fn the_writers_mark_outlives_it() {
    let dir = TempDir::memory();
    let set = open(&dir);
    let mark = ife_witness::ring::Mark {
        log_id: 5,
        size: 77,
    };
    set.set_mark(mark);
    set.set_seen(1234);
    drop(set);
    assert_eq!(open(&dir).mark(), Some(mark));
    let seen = writer_seen(dir.path()).expect("readable");
    assert_eq!(
        (seen.pid, seen.unix_ms, seen.log_size),
        (std::process::id(), 1234, 77)
    );
}

#[test]
fn no_content_of_a_ring_file_makes_either_side_panic() {
    let mut random = Random(99);
    let mut refused = 0;
    for _ in 0..300 {
        let dir = TempDir::memory();
        let mut producer = attach(&dir);
        for _ in 0..40 {
            producer.push(&[1; 300]).expect("room");
        }
        drop(producer);
        let file = std::fs::File::options()
            .write(true)
            .open(dir.path().join("rings/kamailio-3.ring"))
            .expect("open");
        for _ in 0..1 + random.below(4) {
            // The words of the header, or the records.
            let at =
                [random.below(384), 64 * 1024 + random.below(16_000)][random.below(2) as usize];
            let bytes = [random.next(), u64::MAX, 0][random.below(3) as usize].to_ne_bytes();
            std::os::unix::fs::FileExt::write_at(&file, &bytes, at).expect("write");
        }
        let mut set = RingSet::open(dir.path()).expect("open");
        refused += set.scan(true).len();
        for ring in &mut set.rings {
            let mut sink = Vec::new();
            let end = std::iter::repeat_with(|| ring.read(&mut sink))
                .take(100)
                .find(|read| !matches!(read, Ok(Some(_))));
            assert!(end.is_some(), "a ring of 40 records has no hundred");
            ring.acknowledge(40);
        }
        if let Ok(mut producer) = Producer::attach(&config(dir.path())) {
            while producer.push(&[2; 16_000]).is_ok() {}
            producer.skip().expect("skip");
        }
    }
    assert!(refused > 10, "{refused}");
}

#[test]
fn in_a_new_state_directory_only_the_owner_replaces_a_file() {
    use std::os::unix::fs::PermissionsExt;
    let dir = TempDir::memory();
    let state_dir = dir.path().join("state");
    let _producer = Producer::attach(&config(&state_dir)).expect("attach");
    let mode = |path: &Path| std::fs::metadata(path).expect("made").permissions().mode();
    assert_eq!(mode(&state_dir) & 0o1007, 0o1000, "sticky, not for others");
    assert_eq!(
        mode(&state_dir.join("rings")) & 0o1007,
        0,
        "the writer removes rings of the dead"
    );
}

#[test]
fn what_lies_in_a_directory_of_a_group_is_open_to_the_group_whatever_the_umask_takes() {
    for (state_mode, rings_mode, file_mode) in [(0o3770, 0o770, 0o660), (0o700, 0o700, 0o600)] {
        let dir = TempDir::memory();
        set_mode(dir.path(), state_mode);
        let (rings, doorbell) = (dir.path().join("rings"), dir.path().join("rings/doorbell"));
        // As a process under the umask 077 leaves them.
        drop(open(&dir));
        set_mode(&rings, 0o700 | (state_mode & 0o2000));
        set_mode(&doorbell, 0o600);
        drop(open(&dir));
        let ring = rings.join("kamailio-3.ring");
        let _producer = attach(&dir);
        assert_eq!(mode(&rings) & 0o777, rings_mode, "rings in {state_mode:o}");
        assert_eq!(mode(&doorbell), file_mode, "doorbell in {state_mode:o}");
        if file_mode == 0o660 {
            assert_eq!(mode(&ring), file_mode, "a ring in {state_mode:o}");
        }
    }
}

fn set_mode(path: &Path, mode: u32) {
    std::fs::set_permissions(path, Permissions::from_mode(mode)).expect("ours");
}

fn mode(path: &Path) -> u32 {
    std::fs::metadata(path).expect("there").mode() & 0o1777
}

#[test]
fn the_remains_of_a_dead_owner_show_the_fate_of_its_records() {
    use ife_witness::ring::{Fate, Remains};
    let dir = TempDir::memory();
    let mut producer = attach(&dir);
    let first = producer.record_end(5);
    producer.push(b"first").expect("room");
    let mut set = open(&dir);
    drain(&mut set);
    set.rings[0].acknowledge(1);
    let second = producer.record_end(6);
    producer.push(b"second").expect("room");
    let third = producer.record_end(5);
    drop(producer);
    let remains = Remains::read(dir.path(), "kamailio-3").expect("a ring");
    let fates = [first, second, third].map(|end| remains.fate(end));
    let expected = [Fate::OnDisk, Fate::InRing, Fate::NotPushed].map(Some);
    assert_eq!(fates, expected);
    // The next owner's records are not the dead one's.
    let mut next = attach(&dir);
    next.push(b"third").expect("room");
    let remains = Remains::read(dir.path(), "kamailio-3").expect("a ring");
    assert_eq!(remains.fate(third), None);
    for name in ["kamailio-4", "../kamailio-3", ""] {
        assert!(Remains::read(dir.path(), name).is_err(), "{name}");
    }
}
