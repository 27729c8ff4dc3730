//! Many processes on one state, some of them killed at random.

use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::time::{Duration, Instant};

use ife_guard::{Begin, CallKey, CallLimits, Sight, State};

use super::processes::Child;
use super::{BIRTH_S, BOOT_S, Dir, at, fresh};
use crate::shared::Shared;
use crate::shared::quota::Limit;
use crate::state::{WorkerState, abort_call};
use crate::sys::Map;

const WORKERS: usize = 6;
const KEYS: usize = 600;

/// Words in which the children report.
fn tally(dir: &Dir, words: usize) -> Map {
    let file = crate::sys::create_private(&dir.0.join("tally")).expect("writable");
    crate::sys::reserve(&file, words * 8).expect("room");
    Map::shared(&file, words * 8).expect("mappable")
}

fn first_sight(shared: &Shared, key: usize, worker: u64) -> Sight {
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&(key as u64).to_le_bytes());
    let iat = BIRTH_S + 100;
    shared
        .replay()
        .first_sight(&bytes, worker, iat, iat + 61, at(100))
}

/// Every worker brings every key, in an order of its own; counts the workers that get Fresh.
fn bring_all_keys(shared: &Shared, counts: &[AtomicU64], worker: usize) -> i32 {
    let start = worker * KEYS / WORKERS;
    // Every second worker follows close behind another one, so that they meet.
    let start = if worker.is_multiple_of(2) {
        start
    } else {
        (worker - 1) * KEYS / WORKERS
    };
    for i in 0..KEYS {
        let key = (start + i) % KEYS;
        if first_sight(shared, key, worker as u64) == Sight::Fresh {
            counts[key].fetch_add(1, SeqCst);
        }
    }
    0
}

#[test]
fn each_signature_is_fresh_exactly_once() {
    let dir = Dir::new();
    let shared = fresh(&dir);
    let map = tally(&dir, KEYS);
    let counts = map.words(0, KEYS);
    let workers: Vec<_> = (0..WORKERS)
        .map(|worker| Child::run(|| bring_all_keys(&shared, counts, worker)))
        .collect();
    for worker in &workers {
        worker.wait();
    }
    for (key, count) in counts.iter().enumerate() {
        assert_eq!(count.load(SeqCst), 1, "key {key}");
    }
}

/// Brings signature `key` of a round that begins `second` after birth; every fourth has an iat as
/// far in the future as a gate lets pass.
fn bring_one(shared: &Shared, key: usize, second: u64, worker: u64) -> Sight {
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&(key as u64).to_le_bytes());
    bytes[8..16].copy_from_slice(&second.to_le_bytes());
    let iat = BIRTH_S + second + if key.is_multiple_of(4) { 58 } else { 0 };
    let replay = shared.replay();
    replay.first_sight(&bytes, worker, iat, iat + 61, at(second))
}

#[test]
fn copies_of_a_signature_spend_it_once_and_refuse_no_other() {
    const KEYS: usize = 400;
    const ROUNDS: u64 = 40;
    let dir = Dir::new();
    let shared = fresh(&dir);
    // Per key the number of Fresh; then the answers no copy may get, and the workers' progress.
    let map = tally(&dir, KEYS + 2);
    let words = map.words(0, KEYS + 2);
    let (wrong, arrived) = (&words[KEYS], &words[KEYS + 1]);
    for key in 0..KEYS {
        bring_one(&shared, key, 10, 0);
    }
    for round in 1..=ROUNDS {
        // Every slot in use has expired, so that each claim takes one over.
        let second = 10 + round * 200;
        arrived.store(0, SeqCst);
        for count in &words[..KEYS] {
            count.store(0, SeqCst);
        }
        let work = |worker: usize| {
            for (key, count) in words[..KEYS].iter().enumerate() {
                // All copies of a signature at once.
                arrived.fetch_add(1, SeqCst);
                while arrived.load(SeqCst) < (WORKERS * (key + 1)) as u64 {
                    std::thread::yield_now();
                }
                match bring_one(&shared, key, second, worker as u64) {
                    Sight::Fresh => count.fetch_add(1, SeqCst),
                    Sight::Replayed => 0,
                    Sight::SameAttempt
                    | Sight::BornLater
                    | Sight::TableFull
                    | Sight::Unavailable => wrong.fetch_add(1, SeqCst),
                };
            }
            0
        };
        let workers: Vec<_> = (0..WORKERS)
            .map(|worker| Child::run(|| work(worker)))
            .collect();
        for worker in &workers {
            worker.wait();
        }
        for (key, count) in words[..KEYS].iter().enumerate() {
            assert_eq!(count.load(SeqCst), 1, "key {key} of round {round}");
        }
        assert_eq!(wrong.load(SeqCst), 0, "round {round}");
    }
}

#[test]
fn no_signature_is_fresh_twice_when_workers_are_killed() {
    let dir = Dir::new();
    let shared = fresh(&dir);
    let map = tally(&dir, KEYS);
    let counts = map.words(0, KEYS);
    for round in 0..60_u64 {
        let workers: Vec<_> = (0..WORKERS)
            .map(|worker| Child::run(|| bring_all_keys(&shared, counts, worker)))
            .collect();
        spin(Duration::from_micros(37 * round));
        for worker in &workers {
            worker.kill();
        }
    }
    bring_all_keys(&shared, counts, 0);
    for (key, count) in counts.iter().enumerate() {
        assert!(count.load(SeqCst) <= 1, "key {key}");
        assert_ne!(first_sight(&shared, key, 99), Sight::Fresh, "key {key}");
    }
}

#[test]
fn a_limit_holds_and_seats_come_back_when_workers_are_killed() {
    const LIMIT: u32 = 70;
    let dir = Dir::new();
    let shared = fresh(&dir);
    let map = tally(&dir, 1);
    let over = map.words(0, 1);
    let limits = CallLimits {
        per_minute: 0,
        concurrent: LIMIT,
        lease_s: 240,
        max_call_s: 600,
    };
    let now = at(100);
    let place_calls = |worker: usize| {
        for n in 0..2000_usize {
            let mut name = [0_u8; 16];
            name[..8].copy_from_slice(&(n as u64).to_le_bytes());
            name[8] = worker as u8;
            let key = CallKey {
                call_id: name,
                caller_tag: name,
            };
            let mut state = WorkerState::new(&shared, None, worker);
            let begun = state.begin_call(7, &key, limits, now) == Begin::Started;
            if shared.quota().held(7, Limit::Concurrent, BOOT_S + 100) > u64::from(LIMIT) {
                over[0].fetch_add(1, SeqCst);
            }
            if begun && n % 3 != 0 {
                abort_call(&shared, &key, 0);
            }
        }
        0
    };
    for round in 0..30_u64 {
        let workers: Vec<_> = (0..WORKERS)
            .map(|worker| Child::run(|| place_calls(worker)))
            .collect();
        spin(Duration::from_micros(211 * round));
        for worker in &workers {
            worker.kill();
        }
    }
    assert_eq!(over[0].load(SeqCst), 0, "never more than the limit");
    // The calls were not ended: their leases expire.
    assert_eq!(shared.quota().held(7, Limit::Concurrent, BOOT_S + 341), 0);
    let mut started = 0;
    for n in 0..2 * LIMIT {
        let key = CallKey::new(&n.to_le_bytes(), b"later");
        let mut state = WorkerState::new(&shared, None, 0);
        started += u32::from(state.begin_call(7, &key, limits, at(341)) == Begin::Started);
    }
    assert_eq!(started, LIMIT);
}

/// Spins: sleeping is too coarse for the moments aimed at.
fn spin(time: Duration) {
    let start = Instant::now();
    while start.elapsed() < time {
        std::hint::spin_loop();
    }
}
