//! The writer without faults: every entry appears once, across restarts, and every gap is recorded.
#![cfg(feature = "daemon")]

mod common;
mod host;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use host::disks::SmallDisk;
use host::{Host, names};
use ife_witness::entry::Event;
use ife_witness::ring::WaitError;
use ife_witness::writer::{Notice, Step};

#[test]
fn entries_of_all_producers_are_logged_once_and_acknowledged() {
    let host = Host::new();
    let mut engine = host.start().expect("start");
    engine.log(Event::Start).expect("log");
    let mut clients = [
        host.attach("kamailio-0"),
        host.attach("kamailio-1"),
        host.attach("bridge-0"),
    ];
    for _ in 0..20 {
        for client in &mut clients {
            client.push_many(11);
        }
        while engine.step().expect("step") {}
    }
    engine.log(Event::Stop).expect("log");
    engine.finish().expect("finish");
    let report = host.verify();
    assert_eq!(
        (report.size, report.producers, report.gaps),
        (20 * 33 + 2, 4, 0)
    );
    for (client, name) in clients.iter().zip(["kamailio-0", "kamailio-1", "bridge-0"]) {
        assert_eq!(client.acknowledged(), 220);
        assert_eq!(host.seqs(name), (0..220).collect::<Vec<_>>());
    }
}

#[test]
fn nothing_is_acknowledged_before_it_is_taken_in() {
    let host = Host::new();
    let mut client = host.attach("kamailio-0");
    let seq = client.push();
    assert_eq!(
        client.ring.wait_durable(seq, Duration::from_millis(1)),
        Err(WaitError::Timeout)
    );
    let mut engine = host.start().expect("start");
    assert_eq!(
        client.ring.wait_durable(seq, Duration::from_millis(1)),
        Err(WaitError::Timeout)
    );
    engine.step().expect("step");
    assert_eq!(client.ring.wait_durable(seq, Duration::ZERO), Ok(()));
}

#[test]
fn a_restart_goes_on_with_the_same_tree() {
    let host = Host::new();
    let mut client = host.attach("kamailio-0");
    let mut size = 0;
    for round in 0..12 {
        let mut engine = host.start().expect("start");
        assert_eq!((engine.found.size, engine.found.torn), (size, false));
        client.push_many(60);
        engine.step().expect("step");
        // In every other round the end is in the WAL only.
        if round % 2 == 0 {
            engine.publish().expect("publish");
        }
        size = engine.writer.size();
    }
    let mut engine = host.start().expect("start");
    engine.finish().expect("finish");
    assert_eq!(host.verify().size, 720);
    assert_eq!(host.seqs("kamailio-0"), (0..720).collect::<Vec<_>>());
}

#[test]
fn dropped_entries_leave_a_hole_that_is_reported_once() {
    let host = Host::new();
    let mut client = host.attach("kamailio-0");
    let mut engine = host.start().expect("start");
    client.push();
    client.ring.skip().expect("skip");
    client.ring.skip().expect("skip");
    client.push();
    engine.finish().expect("finish");
    drop(engine);
    client.push();
    host.start().expect("start").finish().expect("finish");
    let (_, gaps) = host.contents();
    assert_eq!(gaps, [("kamailio-0".to_owned(), 1, 2)]);
    let report = host.verify();
    assert_eq!((report.gaps, report.lost), (1, 2));
}

#[test]
fn the_ring_of_a_dead_producer_goes_when_drained_and_its_last_holes_are_reported() {
    let host = Host::new();
    let mut engine = host.start().expect("start");
    let mut client = host.attach("kamailio-0");
    let epoch = client.ring.epoch();
    client.push();
    client.ring.skip().expect("skip");
    drop(client);
    engine.finish().expect("finish");
    assert_eq!(
        names(&host.state.path().join("rings")),
        ["doorbell", "kamailio-0.ring"]
    );
    engine.maintain().expect("reports the hole");
    let rings = || names(&host.state.path().join("rings"));
    for after_s in [1, 60] {
        engine.maintain_after(after_s).expect("leaves the ring");
        assert_eq!(rings(), ["doorbell", "kamailio-0.ring"], "{after_s} s");
    }
    engine.maintain_after(61).expect("removes the ring");
    assert_eq!(rings(), ["doorbell"]);
    // The next process of this name creates a new ring, with a greater epoch even in the same ms.
    let mut client = host.attach("kamailio-0");
    assert_eq!(client.ring.next_seq(), 0);
    assert!(client.ring.epoch() > epoch);
    client.push();
    engine.finish().expect("finish");
    assert_eq!(host.contents().1, [("kamailio-0".to_owned(), 1, 1)]);
    assert_eq!(host.verify().lost, 1);
}

#[test]
fn memory_lost_with_the_host_is_no_obstacle() {
    let mut host = Host::new();
    let mut client = host.attach("kamailio-0");
    client.push_many(5);
    host.start().expect("start").finish().expect("finish");
    drop(client);
    host.lose_memory();
    let mut engine = host.start().expect("start");
    let mut client = host.attach("kamailio-0");
    client.push_many(3);
    engine.finish().expect("finish");
    host.verify();
    assert_eq!(host.seqs("kamailio-0"), [0, 1, 2, 3, 4, 0, 1, 2]);
}

#[test]
fn closed_segments_are_deleted_once_published() {
    let host = Host::new();
    let mut client = host.attach("kamailio-0");
    let mut engine = host.start().expect("start");
    for _ in 0..20 {
        client.push_many(20);
        engine.step().expect("step");
    }
    assert!(host.segment_names().len() > 4, "{:?}", host.segment_names());
    engine.publish().expect("publish");
    assert_eq!(host.segment_names().len(), 1);
    drop(engine);
    let mut engine = host.start().expect("start");
    assert_eq!(engine.found.size, 400);
    engine.finish().expect("finish");
    assert_eq!(host.verify().size, 400);
}

#[test]
fn partial_tiles_go_when_the_full_one_is_there() {
    let host = Host::new();
    let mut client = host.attach("kamailio-0");
    let mut engine = host.start().expect("start");
    for _ in 0..26 {
        client.push_many(10);
        engine.step().expect("step");
        engine.publish().expect("publish");
    }
    assert_eq!(names(&host.log.path().join("tile/0")), ["000", "001.p"]);
    assert_eq!(
        names(&host.log.path().join("tile/entries")),
        ["000", "001.p"]
    );
    assert_eq!(names(&host.log.path().join("tile/entries/001.p")), ["4"]);
    let strays = host.verify().strays;
    assert_eq!((strays.beyond, strays.unknown), (0, 0));
}

#[test]
fn without_disk_space_nothing_is_taken_in_until_there_is_again() {
    let host = Host::new();
    let disk = Arc::new(SmallDisk {
        free: AtomicU64::new(u64::MAX),
    });
    let mut client = host.attach("kamailio-0");
    let mut engine = host.start_on(disk.clone()).expect("start");
    client.push();
    disk.free.store(1023, Ordering::Relaxed);
    assert!(matches!(
        engine.writer.step(0, Vec::new()),
        Ok(Step::Stalled { free: 1023 })
    ));
    assert_eq!(client.acknowledged(), 0);
    while client.ring.push(&[0; 16_000]).is_ok() {}
    disk.free.store(1024, Ordering::Relaxed);
    while engine.step().expect("step") {}
    assert_eq!(client.acknowledged(), client.ring.next_seq());
}

#[test]
fn a_damaged_ring_is_set_aside_and_the_others_go_on() {
    let host = Host::new();
    let mut engine = host.start().expect("start");
    let mut bad = host.attach("kamailio-0");
    let mut good = host.attach("kamailio-1");
    bad.push();
    bad.push();
    good.push();
    let ring = std::fs::File::options()
        .write(true)
        .open(host.state.path().join("rings/kamailio-0.ring"))
        .expect("open");
    // An impossible length in the head of the first record.
    std::os::unix::fs::FileExt::write_at(&ring, &[0xff; 4], 64 * 1024).expect("write");
    engine.finish().expect("finish");
    assert!(
        engine
            .notices
            .iter()
            .any(|n| matches!(n, Notice::Damaged { producer, .. } if producer == "kamailio-0"))
    );
    assert_eq!(
        bad.ring.wait_durable(0, Duration::ZERO),
        Err(WaitError::Closed)
    );
    assert_eq!(good.acknowledged(), 1);
    drop(bad);
    host.attach("kamailio-0").push();
    engine.finish().expect("finish");
    let report = host.verify();
    assert_eq!((report.gaps, report.lost), (1, 2));
    assert_eq!(host.seqs("kamailio-0"), [0]);
}
