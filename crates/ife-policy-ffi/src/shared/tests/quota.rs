//! Seats of experts.

use super::{BOOT_S, Dir, fresh};
use crate::shared::quota::{Claim, Limit, Quota, Seat};

const NOW_S: u64 = BOOT_S;

fn claim(
    quota: &Quota<'_>,
    expert: u64,
    limit: u32,
    tag: u32,
    expires_s: u64,
    now_s: u64,
) -> Claim {
    let slot = quota.expert(expert).expect("room");
    quota.claim(slot, Limit::Concurrent, limit, tag, expires_s, now_s)
}

fn seat(claim: Claim) -> Seat {
    match claim {
        Claim::Seat(seat) => seat,
        Claim::AllHeld { .. } | Claim::Full => panic!("{claim:?}"),
    }
}

#[test]
fn as_many_seats_as_the_limit_says() {
    let dir = Dir::new();
    let shared = fresh(&dir);
    let quota = shared.quota();
    for limit in [1, 2, 4, 5, 67, 68, 300] {
        let expert = u64::from(limit);
        for tag in 1..=limit {
            seat(claim(&quota, expert, limit, tag, NOW_S + 100, NOW_S));
        }
        let over = claim(&quota, expert, limit, 9999, NOW_S + 100, NOW_S);
        assert!(
            matches!(over, Claim::AllHeld { earliest_s: 101 }),
            "limit {limit}: {over:?}"
        );
        assert_eq!(
            quota.held(expert, Limit::Concurrent, NOW_S),
            u64::from(limit)
        );
        assert_eq!(quota.held(expert, Limit::PerMinute, NOW_S), 0);
    }
}

#[test]
fn a_seat_is_free_again_when_released_or_expired() {
    let dir = Dir::new();
    let shared = fresh(&dir);
    let quota = shared.quota();
    let first = seat(claim(&quota, 1, 1, 11, NOW_S + 10, NOW_S));
    quota.release(first, 12);
    assert_eq!(
        quota.held(1, Limit::Concurrent, NOW_S),
        1,
        "only its holder gives it back"
    );
    quota.release(first, 11);
    let second = seat(claim(&quota, 1, 1, 12, NOW_S + 10, NOW_S));
    quota.change_lease(second, 12, NOW_S + 50);
    assert!(matches!(
        claim(&quota, 1, 1, 13, NOW_S + 99, NOW_S + 50),
        Claim::AllHeld { .. }
    ));
    seat(claim(&quota, 1, 1, 13, NOW_S + 99, NOW_S + 51));
}

#[test]
fn a_large_limit_takes_bounded_work_and_memory_runs_out_in_good_order() {
    let dir = Dir::new();
    let shared = fresh(&dir);
    let quota = shared.quota();
    let mut taken = 0;
    let end = loop {
        match claim(&quota, 1, 60_000, taken + 1, NOW_S + 60, NOW_S) {
            Claim::Seat(_) => taken += 1,
            end @ (Claim::AllHeld { .. } | Claim::Full) => break end,
        }
    };
    // The smallest state has 32 blocks of 63 seats.
    assert_eq!(end, Claim::Full);
    assert_eq!(taken, 4 + 32 * 63);
    assert!(quota.runs_low());
    seat(claim(&quota, 1, 60_000, 1, NOW_S + 200, NOW_S + 61));
}

#[test]
fn experts_run_out_in_good_order() {
    let dir = Dir::new();
    let shared = fresh(&dir);
    let quota = shared.quota();
    let known = (0..2000)
        .filter(|&number| quota.expert(number).is_some())
        .count();
    assert!((480..=512).contains(&known), "{known} of 512");
    assert!(quota.runs_low());
}
