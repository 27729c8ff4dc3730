//! Two workers at once, one step at a time, in every order with up to three switches between them.

use std::sync::atomic::Ordering::SeqCst;
use std::sync::{Arc, Condvar, Mutex};

use ife_guard::{Begin, CallKey, CallLimits, Now, Sight, State};

use super::{BIRTH_S, BOOT_S, Dir, at, clear, fresh};
use crate::shared::Shared;
use crate::shared::probe::Lines;
use crate::shared::quota::Limit;
use crate::shared::step::testing::with_hook;
use crate::state::WorkerState;

/// The number of steps of each worker in turn; then both run freely.
struct Schedule {
    segments: Vec<(usize, usize)>,
    position: usize,
    used: usize,
    done: [bool; 2],
}

impl Schedule {
    fn current(&mut self) -> Option<usize> {
        while let Some(&(worker, steps)) = self.segments.get(self.position) {
            if !self.done[worker] && self.used < steps {
                return Some(worker);
            }
            self.position += 1;
            self.used = 0;
        }
        None
    }
}

struct Baton(Mutex<Schedule>, Condvar);

impl Baton {
    fn new(segments: &[(usize, usize)]) -> Arc<Self> {
        let schedule = Schedule {
            segments: segments.to_vec(),
            position: 0,
            used: 0,
            done: [false; 2],
        };
        Arc::new(Self(Mutex::new(schedule), Condvar::new()))
    }

    /// Called by `me` before each access to shared memory.
    fn step(&self, me: usize) {
        let mut schedule = self.0.lock().expect("no test panics here");
        while schedule.current().is_some_and(|worker| worker != me) {
            schedule = self.1.wait(schedule).expect("no test panics here");
        }
        schedule.used += 1;
        self.1.notify_all();
    }

    fn finish(&self, me: usize) {
        self.0.lock().expect("no test panics here").done[me] = true;
        self.1.notify_all();
    }
}

/// Runs both operations in the order of `segments`.
fn run<T: Send>(segments: &[(usize, usize)], operations: [&(dyn Fn() -> T + Sync); 2]) -> [T; 2] {
    let baton = Baton::new(segments);
    std::thread::scope(|scope| {
        let workers = [0, 1].map(|me| {
            let (baton, operation) = (Arc::clone(&baton), operations[me]);
            scope.spawn(move || {
                let hooked = Arc::clone(&baton);
                let result = with_hook(move || hooked.step(me), operation);
                baton.finish(me);
                result
            })
        });
        workers.map(|worker| worker.join().expect("no panic"))
    })
}

/// Runs every order with up to three switches, for operations of at most `steps` steps; `reset`
/// makes the state anew each time.
fn every_order<T: Send>(
    steps: usize,
    reset: impl Fn(&Shared),
    operations: [&(dyn Fn(&Shared) -> T + Sync); 2],
    check: impl Fn(&Shared, [T; 2], &[(usize, usize)]),
) {
    let dir = Dir::new();
    let shared = fresh(&dir);
    for first in 0..2 {
        for a in 0..steps {
            for b in 1..steps {
                for c in [1, 4, steps] {
                    let second = 1 - first;
                    let segments = [
                        (first, a),
                        (second, b),
                        (first, c),
                        (second, steps),
                        (first, steps),
                    ];
                    reset(&shared);
                    let results = run(
                        &segments,
                        [&|| operations[0](&shared), &|| operations[1](&shared)],
                    );
                    check(&shared, results, &segments);
                }
            }
        }
    }
}

fn first_sight(shared: &Shared, key: u8, attempt: u64, now: Now) -> Sight {
    let iat = BIRTH_S + 100;
    shared
        .replay()
        .first_sight(&[key; 32], attempt, iat, iat + 61, now)
}

/// Puts an entry of another key, until `expires_s`, into the first slot of the key's probe order.
fn expire_first_slot(shared: &Shared, key: u8, expires_s: u64) {
    let replay = shared.replay();
    let hash = replay.key.hash(&[key; 32]);
    let first = Lines::new(hash, replay.control.len(), 8, 1)
        .next()
        .expect("a line");
    let other_tag = !hash.low & ((1 << 30) - 1);
    replay.control[first].store(expires_s << 32 | other_tag << 2 | 2, SeqCst);
}

#[test]
fn exactly_one_worker_gets_fresh() {
    every_order(
        16,
        clear,
        [&|s| first_sight(s, 1, 7, at(100)), &|s| {
            first_sight(s, 1, 8, at(100))
        }],
        |_, results, segments| {
            let fresh = results
                .iter()
                .filter(|&&sight| sight == Sight::Fresh)
                .count();
            assert_eq!(fresh, 1, "{results:?} {segments:?}");
            assert!(
                results.contains(&Sight::Replayed),
                "{results:?} {segments:?}"
            );
        },
    );
}

#[test]
fn exactly_one_worker_gets_fresh_when_slots_expire_in_between() {
    // The workers' clocks lie on either side of the second in which the entry in the key's first
    // slot expires, so that they disagree on the first free slot.
    let operation = |attempt: u64, second: u64| {
        move |shared: &Shared| first_sight(shared, 1, attempt, at(second))
    };
    let (early, late) = (operation(7, 100), operation(8, 101));
    every_order(
        20,
        |shared| {
            clear(shared);
            expire_first_slot(shared, 1, BOOT_S + 100);
        },
        [&early, &late],
        |shared, results, segments| {
            let fresh = results
                .iter()
                .filter(|&&sight| sight == Sight::Fresh)
                .count();
            assert_eq!(fresh, 1, "{results:?} {segments:?}");
            assert_ne!(
                first_sight(shared, 1, 9, at(101)),
                Sight::Fresh,
                "{segments:?}"
            );
        },
    );
}

#[test]
fn the_floor_rises_to_expired_entries_only() {
    // Two copies of a signature from the near future meet in a slot whose entry has expired.
    let iat = BIRTH_S + 158;
    let copy = |attempt: u64| {
        move |shared: &Shared| {
            let replay = shared.replay();
            replay.first_sight(&[1; 32], attempt, iat, iat + 61, at(100))
        }
    };
    let (one, two) = (copy(7), copy(8));
    let reset = |shared: &Shared| {
        clear(shared);
        expire_first_slot(shared, 1, BOOT_S + 99);
    };
    every_order(30, reset, [&one, &two], |shared, results, segments| {
        let floor = shared.replay().iat_floor_s.load(SeqCst);
        assert_eq!(floor, BIRTH_S, "{results:?} {segments:?}");
        let fresh = results.iter().filter(|&&sight| sight == Sight::Fresh);
        assert_eq!(fresh.count(), 1, "{results:?} {segments:?}");
        assert!(
            results.contains(&Sight::Replayed),
            "{results:?} {segments:?}"
        );
        let other = first_sight(shared, 2, 9, at(100));
        assert_eq!(other, Sight::Fresh, "{segments:?}");
    });
}

#[test]
fn a_limit_is_met_exactly_and_a_call_begins_once() {
    let limits = CallLimits {
        per_minute: 5,
        concurrent: 1,
        lease_s: 240,
        max_call_s: 600,
    };
    let begin = |shared: &Shared, call_id: &str| {
        let key = CallKey::new(call_id.as_bytes(), b"tag");
        WorkerState::new(shared, None, 0).begin_call(7, &key, limits, at(100))
    };
    let (one, two) = (|s: &Shared| begin(s, "one"), |s: &Shared| begin(s, "two"));
    every_order(24, clear, [&one, &two], |shared, results, segments| {
        let started = results.iter().filter(|&&b| b == Begin::Started).count();
        assert_eq!(started, 1, "{results:?} {segments:?}");
        assert!(
            results.contains(&Begin::TooManyConcurrent),
            "{results:?} {segments:?}"
        );
        assert_eq!(shared.quota().held(7, Limit::PerMinute, BOOT_S + 100), 1);
    });
}

#[test]
fn the_same_call_begins_once() {
    let limits = CallLimits {
        per_minute: 0,
        concurrent: 9,
        lease_s: 240,
        max_call_s: 600,
    };
    let begin = |shared: &Shared| {
        let key = CallKey::new(b"id", b"tag");
        WorkerState::new(shared, None, 0).begin_call(7, &key, limits, at(100))
    };
    every_order(30, clear, [&begin, &begin], |shared, results, segments| {
        let started = results.iter().filter(|&&b| b == Begin::Started).count();
        assert_eq!(started, 1, "{results:?} {segments:?}");
        assert!(
            results.contains(&Begin::Already),
            "{results:?} {segments:?}"
        );
        let held = shared.quota().held(7, Limit::Concurrent, BOOT_S + 100);
        assert_eq!(held, 1, "{segments:?}");
    });
}

#[test]
fn the_same_call_begins_once_when_slots_expire_in_between() {
    let limits = CallLimits {
        per_minute: 0,
        concurrent: 9,
        lease_s: 240,
        max_call_s: 600,
    };
    let key = CallKey::new(b"id", b"tag");
    let begin = |shared: &Shared, second| {
        WorkerState::new(shared, None, 0).begin_call(7, &key, limits, at(second))
    };
    let (early, late) = (|s: &Shared| begin(s, 100), |s: &Shared| begin(s, 101));
    let reset = |shared: &Shared| {
        clear(shared);
        let calls = shared.calls();
        let hash = calls.key.hash(&key.call_id);
        let first = Lines::new(hash, calls.control.len(), 8, 1)
            .next()
            .expect("a line");
        let other_tag = !hash.low & ((1 << 29) - 1);
        calls.control[first].store((BOOT_S + 100) << 32 | other_tag << 3 | 2, SeqCst);
    };
    every_order(40, reset, [&early, &late], |_, results, segments| {
        let started = results.iter().filter(|&&b| b == Begin::Started).count();
        assert_eq!(started, 1, "{results:?} {segments:?}");
    });
}
