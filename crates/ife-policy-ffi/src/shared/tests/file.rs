//! Opening the state file.

use ife_guard::Sight;

use super::{BIRTH_S, BOOT_S, Dir, at};
use crate::abi;
use crate::shared::layout::{Layout, REPLAY_SLOTS_MIN};
use crate::shared::quota::{Claim, Limit};
use crate::shared::{Birth, Opened, Shared};

fn open(dir: &Dir, replay_slots: usize, unix_s: u64) -> Result<Opened, u32> {
    Shared::open(
        &dir.0,
        Layout::new(replay_slots, 16),
        unix_s,
        BOOT_S,
        |_| {},
    )
    .map_err(|failure| failure.code)
}

fn see(shared: &Shared, iat: u64) -> Sight {
    shared
        .replay()
        .first_sight(&[1; 32], 1, iat, iat + 61, at(100))
}

#[test]
fn a_replay_record_outlives_its_processes() {
    let dir = Dir::new();
    let opened = open(&dir, REPLAY_SLOTS_MIN, BIRTH_S).expect("made");
    assert_eq!(opened.birth, Birth::First);
    assert_eq!(see(&opened.shared, BIRTH_S + 100), Sight::Fresh);
    drop(opened);
    let opened = open(&dir, REPLAY_SLOTS_MIN, BIRTH_S + 100).expect("kept");
    assert_eq!(opened.birth, Birth::Kept);
    assert_eq!(see(&opened.shared, BIRTH_S + 100), Sight::SameAttempt);
}

#[test]
fn a_table_of_another_size_begins_anew_and_refuses_what_is_older() {
    let dir = Dir::new();
    drop(open(&dir, REPLAY_SLOTS_MIN, BIRTH_S).expect("made"));
    let opened = open(&dir, 2 * REPLAY_SLOTS_MIN, BIRTH_S + 90).expect("replaced");
    assert_eq!(opened.birth, Birth::Replaced);
    assert_eq!(see(&opened.shared, BIRTH_S + 89), Sight::BornLater);
    assert_eq!(see(&opened.shared, BIRTH_S + 90), Sight::Fresh);
}

#[test]
fn a_table_in_use_is_not_replaced() {
    let dir = Dir::new();
    let first = open(&dir, REPLAY_SLOTS_MIN, BIRTH_S).expect("made");
    assert_eq!(
        open(&dir, 2 * REPLAY_SLOTS_MIN, BIRTH_S).err(),
        Some(abi::IFE_STATE_FORMAT)
    );
    assert_eq!(
        open(&dir, REPLAY_SLOTS_MIN, BIRTH_S).expect("shared").birth,
        Birth::Kept
    );
    drop(first);
}

#[test]
fn a_damaged_table_begins_anew() {
    for damage in [&b""[..], b"x", &[0; 4096]] {
        let dir = Dir::new();
        drop(open(&dir, REPLAY_SLOTS_MIN, BIRTH_S).expect("made"));
        std::fs::write(dir.0.join("shared.bin"), damage).expect("writable");
        let opened = open(&dir, REPLAY_SLOTS_MIN, BIRTH_S + 90).expect("replaced");
        assert_eq!(opened.birth, Birth::Replaced);
        assert_eq!(see(&opened.shared, BIRTH_S + 89), Sight::BornLater);
    }
}

#[test]
fn a_sole_owner_makes_room_for_experts_and_keeps_the_seats_of_calls() {
    let dir = Dir::new();
    let opened = open(&dir, REPLAY_SLOTS_MIN, BIRTH_S).expect("made");
    let quota = opened.shared.quota();
    let calls = opened.shared.calls();
    let key = ife_guard::CallKey::new(b"id", b"tag");
    let tag = calls.seat_tag(&key);
    let slot = quota.expert(7).expect("room");
    let Claim::Seat(seat) = quota.claim(slot, Limit::Concurrent, 1, tag, BOOT_S + 240, BOOT_S)
    else {
        panic!("free")
    };
    let crate::shared::calls::Begin::Begun(begun) =
        calls.begin(&key, 7, seat, BOOT_S + 240, BOOT_S)
    else {
        panic!("free")
    };
    calls
        .publish(begun, &super::calls::call("trace-12345"), 600)
        .expect("published");
    for number in 100..400 {
        quota.expert(number);
    }
    assert!(quota.runs_low());
    drop(opened);

    let opened = open(&dir, REPLAY_SLOTS_MIN, BIRTH_S).expect("kept");
    let quota = opened.shared.quota();
    assert!(!quota.runs_low());
    assert_eq!(quota.held(7, Limit::Concurrent, BOOT_S), 1);
    let (call_ref, _) = opened
        .shared
        .calls()
        .find_call_id(b"id", BOOT_S)
        .expect("kept");
    opened
        .shared
        .release(opened.shared.calls().end(call_ref, BOOT_S));
    assert_eq!(quota.held(7, Limit::Concurrent, BOOT_S), 0);
}
