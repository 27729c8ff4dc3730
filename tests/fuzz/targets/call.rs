//! Any observations in any order: no panic, and the call ends once only its timers are left.

#![no_main]

use std::collections::HashMap;

use ife_call::{
    Backend, Call, Cause, Direction, Gate, Input, Leg, LegView, Output, Plan, Policy, Seen, Timer,
    TimerKind, Verdict,
};
use libfuzzer_sys::fuzz_target;

fn leg(byte: u8) -> Leg {
    if byte & 3 == 3 {
        Leg::Council
    } else {
        Leg::Expert(byte & 3)
    }
}

/// Two bytes are one input.
fn input(kind: u8, value: u8, timers: &HashMap<TimerKind, Timer>) -> Option<Input> {
    let leg = leg(kind >> 6);
    Some(match kind & 15 {
        0 => Input::Leg(leg, Seen::There),
        1 => Input::Leg(leg, Seen::Ringing),
        2 => Input::Leg(leg, Seen::Up),
        3 => Input::Leg(leg, Seen::Leaving),
        4 => Input::Leg(leg, Seen::Gone(Cause::seen(value))),
        5 => Input::Joined(leg),
        6 => Input::Left(leg),
        7 => Input::JoinRefused(Cause::seen(value)),
        8 | 9 => Input::Verdict {
            attempt: value & 3,
            verdict: Verdict::Approved,
        },
        10 => {
            let verdict = Verdict::Refused {
                gate: Gate::ALL[usize::from(value & 15) % Gate::ALL.len()],
                code: 403,
                reason: "no".to_owned(),
            };
            Input::Verdict {
                attempt: kind >> 6,
                verdict,
            }
        }
        11 => Input::UserHangup,
        12 => Input::LinkDown,
        13 => {
            let view = LegView {
                leg,
                ringing: value & 1 != 0,
                up: value & 2 != 0,
                joined: value & 4 != 0,
            };
            let legs = if value & 8 != 0 {
                Vec::new()
            } else {
                vec![view]
            };
            Input::Snapshot {
                legs,
                restarted: value & 0x70 == 0x70,
            }
        }
        _ => {
            let mut running: Vec<&Timer> = timers.values().collect();
            running.sort_by_key(|timer| timer.kind);
            Input::Timeout(**running.get(usize::from(value) % running.len().max(1))?)
        }
    })
}

fn drain(call: &mut Call, timers: &mut HashMap<TimerKind, Timer>) {
    while let Some(output) = call.poll_output() {
        if let Output::StartTimer { timer, .. } = output {
            timers.insert(timer.kind, timer);
        }
    }
}

fuzz_target!(|data: &[u8]| {
    let Some((shape, rest)) = data.split_first() else {
        return;
    };
    let mut call = Call::new(Plan {
        direction: if shape & 1 == 0 {
            Direction::ToExpert
        } else {
            Direction::ToCouncil
        },
        backend: if shape & 2 == 0 {
            Backend::Room
        } else {
            Backend::Mcu
        },
        experts: (0..shape >> 6)
            .map(|at| format!("expert-{at}").as_str().into())
            .collect(),
        policy: Policy::default(),
    });
    let mut timers = HashMap::new();
    drain(&mut call, &mut timers);
    for pair in rest.chunks_exact(2) {
        if let Some(input) = input(pair[0], pair[1], &timers) {
            call.handle(input);
            drain(&mut call, &mut timers);
        }
    }
    for _ in 0..200 {
        let due: Vec<Timer> = timers.drain().map(|(_, timer)| timer).collect();
        for timer in due {
            call.handle(Input::Timeout(timer));
            drain(&mut call, &mut timers);
        }
    }
    assert!(!call.is_live());
});
