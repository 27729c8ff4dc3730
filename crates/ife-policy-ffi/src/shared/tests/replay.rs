//! Answers of the replay table.

use ife_guard::{Now, Sight};

use super::{BIRTH_S, BOOT_S, Dir, at, fresh};
use crate::shared::Shared;

const WINDOW_S: u64 = 60;

fn key(n: u64) -> [u8; 32] {
    let mut key = [0; 32];
    key[..8].copy_from_slice(&n.to_le_bytes());
    key
}

/// Brings signature `n`, made `iat_s` after birth, by `attempt` at `now`.
fn see(shared: &Shared, n: u64, attempt: u64, iat_s: u64, now: Now) -> Sight {
    let iat = BIRTH_S + iat_s;
    shared
        .replay()
        .first_sight(&key(n), attempt, iat, iat + WINDOW_S + 1, now)
}

#[test]
fn a_signature_is_fresh_once() {
    let dir = Dir::new();
    let shared = fresh(&dir);
    assert_eq!(see(&shared, 1, 7, 10, at(10)), Sight::Fresh);
    assert_eq!(see(&shared, 1, 8, 10, at(10)), Sight::Replayed);
    assert_eq!(see(&shared, 2, 7, 10, at(10)), Sight::Fresh);
}

#[test]
fn the_same_attempt_may_come_three_times_more_within_32_seconds() {
    let dir = Dir::new();
    let shared = fresh(&dir);
    assert_eq!(see(&shared, 1, 7, 10, at(10)), Sight::Fresh);
    for second in [10, 20, 42] {
        assert_eq!(see(&shared, 1, 7, 10, at(second)), Sight::SameAttempt);
    }
    assert_eq!(see(&shared, 1, 7, 10, at(42)), Sight::Replayed);

    assert_eq!(see(&shared, 2, 7, 10, at(10)), Sight::Fresh);
    assert_eq!(see(&shared, 2, 7, 10, at(43)), Sight::Replayed);
}

#[test]
fn a_table_refuses_what_is_older_than_itself() {
    let dir = Dir::new();
    let shared = fresh(&dir);
    let replay = shared.replay();
    let older = replay.first_sight(&key(1), 7, BIRTH_S - 1, BIRTH_S + WINDOW_S, at(1));
    assert_eq!(older, Sight::BornLater);
    assert_eq!(see(&shared, 2, 7, 0, at(1)), Sight::Fresh);
}

#[test]
fn a_full_table_refuses_and_recovers_when_entries_expire() {
    let dir = Dir::new();
    let shared = fresh(&dir);
    let slots = shared.replay_slots();
    let mut fresh_count = 0;
    for n in 0..2 * slots {
        let sight = see(&shared, n, 7, 10, at(10));
        assert!(
            matches!(sight, Sight::Fresh | Sight::TableFull),
            "{sight:?}"
        );
        fresh_count += u64::from(sight == Sight::Fresh);
    }
    assert_eq!(fresh_count, shared.replay().used());
    assert!(fresh_count > slots * 95 / 100, "{fresh_count} of {slots}");
    for n in 0..2 * slots {
        assert_ne!(see(&shared, n, 8, 10, at(11)), Sight::Fresh, "{n}");
    }
    assert_eq!(see(&shared, 9_999_999, 7, 100, at(100)), Sight::Fresh);
}

#[test]
fn at_90_percent_nothing_is_refused() {
    let dir = Dir::new();
    let shared = fresh(&dir);
    for n in 0..shared.replay_slots() * 9 / 10 {
        assert_eq!(see(&shared, n, 7, 10, at(10)), Sight::Fresh);
    }
}

#[test]
fn a_wall_clock_that_steps_back_does_not_revive_a_signature() {
    let dir = Dir::new();
    let shared = fresh(&dir);
    let slots = shared.replay_slots();
    for n in 0..slots / 2 {
        assert_eq!(see(&shared, n, 7, 1000, at(1000)), Sight::Fresh);
    }
    // They expired by the never-jumping clock, and later calls took their slots.
    for n in slots..slots + slots / 2 {
        assert_eq!(see(&shared, n, 7, 1200, at(1200)), Sight::Fresh);
    }
    // The wall clock steps back to when the first ones were fresh.
    let back = Now {
        unix_ms: (BIRTH_S + 1000) * 1000,
        mono_ms: (BOOT_S + 1201) * 1000,
    };
    for n in 0..slots / 2 {
        let sight = see(&shared, n, 9, 1000, back);
        assert!(
            matches!(sight, Sight::BornLater | Sight::Replayed),
            "{n}: {sight:?}"
        );
    }
}

#[test]
fn a_widened_window_does_not_revive_a_signature() {
    let dir = Dir::new();
    let shared = fresh(&dir);
    let slots = shared.replay_slots();
    for n in 0..slots / 2 {
        assert_eq!(see(&shared, n, 7, 1000, at(1000)), Sight::Fresh);
    }
    for n in slots..slots + slots / 2 {
        assert_eq!(see(&shared, n, 7, 1100, at(1100)), Sight::Fresh);
    }
    let wide = |n| {
        let iat = BIRTH_S + 1000;
        shared
            .replay()
            .first_sight(&key(n), 9, iat, iat + 3601, at(1101))
    };
    for n in 0..slots / 2 {
        assert_ne!(wide(n), Sight::Fresh, "{n}");
    }
}

#[test]
fn an_expiry_in_the_past_is_refused() {
    let dir = Dir::new();
    let shared = fresh(&dir);
    assert_eq!(see(&shared, 1, 7, 500, at(500)), Sight::Fresh);
    // A worker that read its clock long before its search.
    assert_eq!(see(&shared, 2, 7, 10, at(10)), Sight::BornLater);
}
