//! A call against a simulated gateway that delays, reorders, repeats and loses messages, loses its
//! connection and restarts.
//!
//! Deterministic: one number is one world. `IFE_SIM_SEED=n` runs that world alone, `IFE_SIM_RUNS=n`
//! that many.

// Checks look at single outputs out of many.
#![allow(clippy::wildcard_enum_match_arm)]

mod check;
mod random;
mod world;

use check::Checks;
use ife_call::{Backend, Direction};
use random::Random;
use world::World;

const RUNS_DEFAULT: u64 = 3_000;

fn number_from_env(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

fn run(seed: u64) -> Checks {
    let mut world = World::new(Random::new(seed));
    while world.step() {}
    world.checks
}

#[test]
fn every_call_ends_and_leaves_no_channel() {
    let seeds = match number_from_env("IFE_SIM_SEED") {
        Some(seed) => seed..seed + 1,
        None => 0..number_from_env("IFE_SIM_RUNS").unwrap_or(RUNS_DEFAULT),
    };
    for seed in seeds {
        let checks = run(seed);
        assert!(
            checks.broken.is_empty(),
            "IFE_SIM_SEED={seed}: {}\n{}",
            checks.broken.join("; "),
            checks.trace.join("\n")
        );
    }
}

#[test]
fn a_seed_replays_the_same_world() {
    for seed in [1, 77, 4_096] {
        assert_eq!(run(seed).trace, run(seed).trace);
    }
}

#[test]
fn worlds_reach_every_end() {
    let mut ends = std::collections::BTreeMap::<String, u32>::new();
    let mut kinds = std::collections::BTreeSet::new();
    for seed in 0..RUNS_DEFAULT {
        let checks = run(seed);
        *ends.entry(checks.end).or_default() += 1;
        kinds.insert((
            checks.direction == Direction::ToExpert,
            checks.backend == Backend::Room,
        ));
    }
    let wanted = [
        "expert_left",
        "council_left",
        "user_hangup",
        "too_long",
        "unseen",
        "refused",
        "gate_timeout",
        "busy",
        "no_answer",
        "declined",
        "unreachable",
        "unknown",
        "passed_on",
        "not_accepted",
        "expert_left_early",
        "council_refused",
        "council_timeout",
        "gateway_down",
        "gateway_lost",
        "gateway_restarted",
        "hangup_unconfirmed",
    ];
    let missing: Vec<_> = wanted
        .iter()
        .filter(|end| !ends.contains_key(**end))
        .collect();
    assert!(missing.is_empty(), "never reached: {missing:?} of {ends:?}");
    assert_eq!(kinds.len(), 4);
}
