//! The budget of entries about unauthenticated refusals.

use std::net::{IpAddr, Ipv4Addr};

use super::{Dir, at, fresh};
use crate::shared::step::testing::with_hook;

fn source(n: u32) -> IpAddr {
    IpAddr::V4(Ipv4Addr::from(0x0a00_0000 + n))
}

/// Returns how many of `tries` refusals of `sources` addresses may be written at that second.
fn written(shared: &crate::shared::Shared, sources: u32, tries: u32, second: u64) -> u32 {
    (0..tries)
        .filter(|n| {
            shared
                .refusals()
                .may_write(source(n % sources), 50, at(second))
        })
        .count() as u32
}

#[test]
fn one_source_gets_a_fifth_and_all_together_no_more_than_the_whole() {
    let dir = Dir::new();
    let shared = fresh(&dir);
    assert_eq!(written(&shared, 1, 20_000, 0), 1_000, "one source");
    assert_eq!(written(&shared, 1, 100, 1), 10, "a second later");
    let others = written(&shared, 10_000, 100_000, 1);
    assert!((3_900..=4_090).contains(&others), "{others} of many");
    assert_eq!(written(&shared, 10_000, 100_000, 2), 50);
}

#[test]
fn what_is_omitted_is_summed_up_once_and_with_its_times() {
    let dir = Dir::new();
    let shared = fresh(&dir);
    let refusals = shared.refusals();
    let ms = |second| at(second).mono_ms;
    assert_eq!(refusals.due(ms(0), true), None, "nothing omitted");
    for unix_ns in [70, 60, 80] {
        refusals.omit(at(0), unix_ns);
    }
    assert_eq!(refusals.due(ms(4), false), None, "too early");
    let due = refusals.due(ms(5), false).expect("due");
    assert_eq!(
        (due.count, due.first_unix_ns, due.last_unix_ns),
        (3, 60, 80)
    );
    assert_eq!(refusals.due(ms(6), false), None, "another worker writes it");
    refusals.omit(at(6), 90);
    refusals.written(&due);
    assert_eq!(refusals.due(ms(9), false), None, "too early");
    let due = refusals.due(ms(10), false).expect("the one that came late");
    assert_eq!(
        (due.count, due.first_unix_ns, due.last_unix_ns),
        (1, 80, 90)
    );
    refusals.written(&due);
    refusals.omit(at(11), 500);
    let due = refusals.due(ms(11), true).expect("at once");
    assert_eq!(
        (due.count, due.first_unix_ns, due.last_unix_ns),
        (1, 500, 500)
    );
}

#[test]
fn a_worker_killed_while_it_sums_up_makes_none_forgotten() {
    struct Killed;
    for after in 0..4 {
        let dir = Dir::new();
        let shared = fresh(&dir);
        for unix_ns in 10..15 {
            shared.refusals().omit(at(0), unix_ns);
        }
        let mut left = after;
        let hook = move || {
            if left == 0 {
                std::panic::resume_unwind(Box::new(Killed));
            }
            left -= 1;
        };
        let body = || {
            let refusals = shared.refusals();
            if let Some(due) = refusals.due(at(5).mono_ms, false) {
                refusals.written(&due);
            }
        };
        let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            with_hook(hook, body);
        }));
        let due = shared.refusals().due(at(20).mono_ms, false);
        match outcome {
            Ok(()) => assert_eq!(due, None),
            Err(_) => assert_eq!(due.map(|due| due.count), Some(5), "killed after {after}"),
        }
    }
}
