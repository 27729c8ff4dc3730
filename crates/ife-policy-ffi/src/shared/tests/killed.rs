//! A worker killed at every instruction of an operation, and the state that other workers find.
//!
//! The worker is a child process, run instruction by instruction. After each change of shared
//! memory the state is copied and the survivors' operations run on the copy, as if the worker had
//! been killed there.

use std::fs;
use std::os::unix::fs::FileExt;

use ife_guard::{Begin, CallKey, CallLimits, Now, Sight, State, Token};

use super::processes::{Child, Stepped};
use super::{BIRTH_S, BOOT_S, Dir, at, fresh};
use crate::shared::Shared;
use crate::shared::layout::{Layout, REPLAY_SLOTS_MIN};
use crate::state::WorkerState;

const EXPERT: u64 = 7;
const LEASE_S: u32 = 240;

/// Steps `operation` to its end; after each change of shared memory `survivors` judge a copy, with
/// the result once there is one.
fn killed_everywhere(
    prepare: impl Fn(&Shared),
    operation: impl Fn(&Shared) -> i32,
    survivors: impl Fn(&Shared, Option<i32>),
) {
    let dir = Dir::new();
    let shared = fresh(&dir);
    prepare(&shared);
    let copy_dir = Dir::new();
    let child = Child::stopped(|| operation(&shared));
    let file = fs::File::open(dir.0.join("shared.bin")).expect("there");
    let mut bytes = vec![0; shared.layout.len];
    let mut last = Vec::new();
    let (mut changes, mut steps) = (0, 0);
    loop {
        let stepped = child.step();
        steps += 1;
        let end = match stepped {
            Stepped::Stopped => None,
            Stepped::Ended(status) => Some(status),
        };
        file.read_exact_at(&mut bytes, 0).expect("readable");
        if bytes != last || end.is_some() {
            changes += 1;
            fs::copy(dir.0.join("shared.bin"), copy_dir.0.join("shared.bin")).expect("room");
            let layout = Layout::new(REPLAY_SLOTS_MIN, 16);
            let copy = Shared::open(&copy_dir.0, layout, BIRTH_S, BOOT_S, |_| {})
                .expect("a copy of a state");
            survivors(&copy.shared, end);
            last.clone_from(&bytes);
        }
        if end.is_some() {
            break;
        }
    }
    assert!(
        changes > 2 && steps > 100,
        "{changes} changes in {steps} instructions"
    );
}

fn see(shared: &Shared, key: u8, attempt: u64, iat_s: u64, now: Now) -> Sight {
    let iat = BIRTH_S + iat_s;
    shared
        .replay()
        .first_sight(&[key; 32], attempt, iat, iat + 61, now)
}

fn begin(shared: &Shared, call_id: &str, now: Now) -> Begin {
    let limits = CallLimits {
        per_minute: 5,
        concurrent: 1,
        lease_s: LEASE_S,
        max_call_s: 600,
    };
    let key = CallKey::new(call_id.as_bytes(), b"tag");
    WorkerState::new(shared, None, 0).begin_call(EXPERT, &key, limits, now)
}

#[test]
fn while_it_notes_a_signature() {
    killed_everywhere(
        |_| {},
        |shared| i32::from(see(shared, 1, 7, 100, at(100)) == Sight::Fresh),
        |shared, end| {
            let again = see(shared, 1, 8, 100, at(101));
            if end == Some(1) {
                assert_eq!(again, Sight::Replayed);
            } else {
                assert!(matches!(again, Sight::Fresh | Sight::Replayed), "{again:?}");
            }
            assert_ne!(
                see(shared, 1, 9, 100, at(101)),
                Sight::Fresh,
                "at most once"
            );
            assert_eq!(
                see(shared, 2, 7, 100, at(101)),
                Sight::Fresh,
                "others are not held up"
            );
            assert_eq!(see(shared, 2, 8, 100, at(101)), Sight::Replayed);
        },
    );
}

#[test]
fn while_it_takes_over_an_expired_slot() {
    let slots = REPLAY_SLOTS_MIN as u64;
    killed_everywhere(
        |shared| {
            for n in 0..slots as u32 {
                let mut key = [0; 32];
                key[..4].copy_from_slice(&n.to_le_bytes());
                let iat = BIRTH_S + 10;
                shared.replay().first_sight(&key, 1, iat, iat + 61, at(10));
            }
        },
        |shared| i32::from(see(shared, 1, 7, 200, at(200)) == Sight::Fresh),
        |shared, end| {
            let again = see(shared, 1, 8, 200, at(201));
            assert!(
                again == Sight::Replayed || (again == Sight::Fresh && end.is_none()),
                "{again:?} {end:?}"
            );
            assert_ne!(see(shared, 1, 9, 200, at(201)), Sight::Fresh);
            assert_eq!(see(shared, 3, 7, 200, at(201)), Sight::Fresh);
            let first = [0; 32];
            let iat = BIRTH_S + 10;
            let old = shared
                .replay()
                .first_sight(&first, 9, iat, iat + 3600, at(201));
            assert_ne!(
                old,
                Sight::Fresh,
                "what was noted once is never fresh again"
            );
        },
    );
}

#[test]
fn while_it_begins_a_call() {
    killed_everywhere(
        |_| {},
        |shared| i32::from(begin(shared, "one", at(100)) == Begin::Started),
        |shared, end| {
            let other = begin(shared, "two", at(101));
            if end == Some(1) {
                assert_eq!(other, Begin::TooManyConcurrent);
            } else {
                assert!(
                    matches!(other, Begin::Started | Begin::TooManyConcurrent),
                    "{other:?}"
                );
            }
            assert_ne!(
                begin(shared, "three", at(101)),
                Begin::Started,
                "never more than the limit"
            );
            // The dead worker's leases have expired by then, and so has the survivor's call.
            let later = at(102 + u64::from(LEASE_S));
            assert_eq!(
                begin(shared, "four", later),
                Begin::Started,
                "nothing is lost for ever"
            );
        },
    );
}

#[test]
fn while_it_ends_a_call() {
    let key = CallKey::new(b"one", b"tag");
    killed_everywhere(
        |shared| assert_eq!(begin(shared, "one", at(100)), Begin::Started),
        |shared| {
            crate::state::abort_call(shared, &key, 0);
            1
        },
        |shared, end| {
            let other = begin(shared, "two", at(101));
            assert!(
                other == Begin::Started || (other == Begin::TooManyConcurrent && end.is_none()),
                "{other:?}"
            );
            let later = at(102 + u64::from(LEASE_S));
            assert_eq!(begin(shared, "four", later), Begin::Started);
        },
    );
}

#[test]
fn while_it_takes_a_token() {
    let take = |shared: &Shared, now| {
        WorkerState::new(shared, None, 0).take_token(
            "192.0.2.1".parse().expect("an address"),
            1,
            2,
            now,
        )
    };
    killed_everywhere(
        |_| {},
        |shared| i32::from(take(shared, at(100)) == Token::Taken),
        |shared, end| {
            assert_eq!(take(shared, at(100)), Token::Taken);
            let third = take(shared, at(100));
            if end.is_some() {
                assert!(
                    matches!(third, Token::Empty { retry_after_s: 1 }),
                    "{third:?}"
                );
            }
            assert_eq!(
                take(shared, at(103)),
                Token::Taken,
                "the bucket fills up again"
            );
        },
    );
}
