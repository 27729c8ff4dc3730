//! A process that forks after attaching: the child is not the ring's owner.
#![allow(unsafe_code)]

mod common;

use common::TempDir;
use ife_witness::ring::{Producer, PushError, RingConfig, RingSet};

#[test]
fn a_forked_child_cannot_push_and_the_parent_still_can() {
    let dir = TempDir::memory();
    let config = RingConfig {
        state_dir: dir.path(),
        producer: "kamailio-1",
        capacity: 65_536,
    };
    let mut producer = Producer::attach(&config).expect("attach");
    producer.push(b"before").expect("room");
    // SAFETY: the child only pushes, which neither allocates nor locks, and leaves by _exit.
    let child = unsafe { libc::fork() };
    if child == 0 {
        let refused = producer.push(b"child") == Err(PushError::NotOwner)
            && producer.skip() == Err(PushError::NotOwner);
        // SAFETY: ends the child at once, as fork in a threaded process demands.
        unsafe { libc::_exit(i32::from(!refused)) };
    }
    let mut status = -1;
    // SAFETY: `status` is writable and `child` is our child.
    assert_eq!(unsafe { libc::waitpid(child, &raw mut status, 0) }, child);
    assert_eq!(status, 0, "the child's push was not refused");
    assert_eq!(producer.push(b"after"), Ok(1));

    let mut set = RingSet::open(dir.path()).expect("open");
    set.scan(true);
    let mut bytes = Vec::new();
    while set.rings[0].read(&mut bytes).expect("no damage").is_some() {}
    assert_eq!(bytes, b"beforeafter");
}
