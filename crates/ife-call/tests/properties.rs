//! Any inputs at all, in any order: the call ends, keeps its word about states, and does not panic.

// Properties look at single outputs out of many.
#![allow(clippy::wildcard_enum_match_arm)]

use std::collections::HashMap;

use ife_call::{
    Acceptance, Backend, Call, Cause, Direction, Gate, Input, Leg, LegView, NotAccepted, Output,
    Plan, Policy, Seen, State, Timer, TimerKind, Verdict,
};
use proptest::prelude::*;

fn leg() -> impl Strategy<Value = Leg> {
    prop_oneof![
        4 => (0u8..4).prop_map(Leg::Expert),
        2 => Just(Leg::Council),
        1 => any::<u8>().prop_map(Leg::Expert),
    ]
}

fn seen() -> impl Strategy<Value = Seen> {
    prop_oneof![
        Just(Seen::There),
        Just(Seen::Ringing),
        Just(Seen::Up),
        Just(Seen::Briefing),
        acceptance().prop_map(Seen::Accepted),
        prop::sample::select(NotAccepted::ALL.to_vec()).prop_map(Seen::NotAccepted),
        Just(Seen::Leaving),
        Just(Seen::Removed),
        Just(Seen::Lost),
        any::<u8>().prop_map(|cause| Seen::Gone(Cause::seen(cause))),
    ]
}

fn acceptance() -> impl Strategy<Value = Acceptance> {
    prop::sample::select(Acceptance::ALL.to_vec())
}

fn view() -> impl Strategy<Value = LegView> {
    let accepted = prop::option::of(acceptance());
    (leg(), any::<[bool; 3]>(), accepted).prop_map(|(leg, [ringing, up, joined], accepted)| {
        LegView {
            leg,
            ringing,
            up,
            accepted,
            joined,
        }
    })
}

fn kind() -> impl Strategy<Value = TimerKind> {
    use TimerKind::*;
    prop::sample::select(vec![Gate, Setup, Ring, Accept, Join, Call, Hangup, Link])
}

fn verdict() -> impl Strategy<Value = Verdict> {
    prop_oneof![
        3 => Just(Verdict::Approved),
        1 => (1usize..14, 400u16..700).prop_map(|(gate, code)| Verdict::Refused {
            gate: Gate::ALL[gate],
            code,
            reason: "no".to_owned(),
        }),
    ]
}

fn input() -> impl Strategy<Value = Input> {
    prop_oneof![
        6 => (leg(), seen()).prop_map(|(leg, seen)| Input::Leg(leg, seen)),
        3 => (0u8..4, verdict()).prop_map(|(attempt, verdict)| Input::Verdict { attempt, verdict }),
        2 => leg().prop_map(Input::Joined),
        1 => leg().prop_map(Input::Left),
        1 => any::<u8>().prop_map(|cause| Input::JoinRefused(Cause::seen(cause))),
        4 => (kind(), 0u32..4).prop_map(|(kind, serial)| Input::Timeout(Timer { kind, serial })),
        1 => Just(Input::UserHangup),
        1 => Just(Input::LinkDown),
        2 => (prop::collection::vec(view(), 0..4), prop::bool::weighted(0.2))
            .prop_map(|(legs, restarted)| Input::Snapshot { legs, restarted }),
    ]
}

fn plan() -> impl Strategy<Value = Plan> {
    (any::<bool>(), any::<bool>(), 0usize..4).prop_map(|(out, room, experts)| Plan {
        direction: if out {
            Direction::ToExpert
        } else {
            Direction::ToCouncil
        },
        backend: if room { Backend::Room } else { Backend::Mcu },
        experts: (0..experts)
            .map(|at| format!("expert-{at}").as_str().into())
            .collect(),
        policy: Policy::default(),
    })
}

/// Runs the outputs and remembers the running timers.
fn drain(call: &mut Call, timers: &mut HashMap<TimerKind, Timer>) -> Vec<Output> {
    let outputs: Vec<Output> = std::iter::from_fn(|| call.poll_output()).collect();
    for output in &outputs {
        if let Output::StartTimer { timer, .. } = output {
            timers.insert(timer.kind, *timer);
        }
    }
    outputs
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, ..ProptestConfig::default() })]

    #[test]
    fn it_ends_when_only_timers_are_left(
        plan in plan(),
        inputs in prop::collection::vec(input(), 0..40),
    ) {
        let mut call = Call::new(plan);
        let mut timers = HashMap::new();
        drain(&mut call, &mut timers);
        for input in inputs {
            call.handle(input);
            drain(&mut call, &mut timers);
        }
        // Nothing is ever seen again. Each round lets every running timer run out once.
        for _ in 0..200 {
            let due: Vec<Timer> = timers.drain().map(|(_, timer)| timer).collect();
            for timer in due {
                call.handle(Input::Timeout(timer));
                drain(&mut call, &mut timers);
            }
            if !call.is_live() {
                break;
            }
        }
        prop_assert!(!call.is_live(), "{:?}", call.state());
    }

    #[test]
    fn an_end_is_for_good(plan in plan(), inputs in prop::collection::vec(input(), 0..60)) {
        let mut call = Call::new(plan);
        let mut end: Option<State> = None;
        for input in inputs {
            call.handle(input);
            let outputs = drain(&mut call, &mut HashMap::new());
            if let Some(end) = &end {
                prop_assert_eq!(call.state(), end);
                let only_hangups =
                    outputs.iter().all(|output| matches!(output, Output::Hangup { .. }));
                prop_assert!(only_hangups, "{:?}", outputs);
            }
            end = (!call.is_live()).then(|| call.state().clone());
        }
    }

    #[test]
    fn an_ended_call_has_no_open_leg(
        plan in plan(),
        inputs in prop::collection::vec(input(), 0..60),
    ) {
        let mut call = Call::new(plan);
        for input in inputs {
            call.handle(input);
            if let State::Ended(_) = call.state() {
                prop_assert_eq!(call.open_legs().count(), 0);
                break;
            }
        }
    }

    #[test]
    fn repeating_an_observation_changes_nothing(
        plan in plan(),
        inputs in prop::collection::vec(input(), 0..40),
    ) {
        let mut once = Call::new(plan.clone());
        let mut twice = Call::new(plan);
        for input in inputs {
            once.handle(input.clone());
            let is_observation =
                matches!(input, Input::Leg(..) | Input::Joined(_) | Input::Left(_));
            twice.handle(input.clone());
            if is_observation {
                twice.handle(input);
            }
        }
        prop_assert_eq!(once.state(), twice.state());
    }

    #[test]
    fn no_order_of_what_was_seen_before_the_end_matters(
        (shuffled, direction_out) in (Just(vec![
            Input::Leg(Leg::Expert(0), Seen::There),
            Input::Leg(Leg::Expert(0), Seen::Ringing),
            Input::Leg(Leg::Expert(0), Seen::Up),
            Input::Leg(Leg::Expert(0), Seen::Briefing),
            Input::Leg(Leg::Expert(0), Seen::Accepted(Acceptance::Key)),
            Input::Leg(Leg::Council, Seen::There),
            Input::Leg(Leg::Council, Seen::Ringing),
            Input::Leg(Leg::Council, Seen::Up),
            Input::Verdict { attempt: 0, verdict: Verdict::Approved },
        ]).prop_shuffle(), any::<bool>())
    ) {
        let mut call = Call::new(Plan {
            direction: if direction_out { Direction::ToExpert } else { Direction::ToCouncil },
            backend: Backend::Mcu,
            experts: vec!["expert".into()],
            policy: Policy::default(),
        });
        for input in shuffled {
            call.handle(input);
        }
        prop_assert_eq!(call.state(), &State::Connected);
    }
}
