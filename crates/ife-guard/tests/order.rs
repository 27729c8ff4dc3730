//! A request wrong in two ways is refused by the earlier gate; one wrong in one way, by that gate.

mod common;

use common::{Call, NOW, NOW_S, SAFETY, at, compile, yaml};
use ife_guard::{
    CallKey, CallLimits, Gate, Image, KeyCache, MemoryState, Now, Policy, State, Token, Verdict,
    decide, expert_number,
};

struct Bench {
    call: Call,
    state: MemoryState,
    kid: &'static str,
    iat: u64,
}

/// Makes the fault that each gate refuses, in gate order.
fn spoil(bench: &mut Bench, gate: Gate) {
    match gate {
        Gate::Registry => bench.call.from = b"sip:stranger@elsewhere.example".to_vec(),
        Gate::Standing => bench.kid = "council-gone",
        Gate::Hazard => bench.call.hazard = Some(b"privacy".to_vec()),
        Gate::Source => bench.call.peer = "203.0.113.1:5070",
        Gate::Flood => {
            let source = bench.call.request().peer.ip();
            while bench.state.take_token(source, 2, 20, NOW) == Token::Taken {}
        }
        Gate::Freshness => bench.iat = NOW_S - 100,
        Gate::Replay => {
            // The signature was seen from another address, when it was fresh.
            let mut seen = bench.call.clone();
            seen.peer = "127.7.7.7:5070";
            seen.sign(bench.kid, bench.iat, "base,cid");
            ask(
                &mut bench.state,
                &seen,
                Now {
                    unix_ms: bench.iat * 1000,
                    ..NOW
                },
            );
        }
        Gate::Quota => {
            let limits = CallLimits {
                per_minute: 0,
                concurrent: u32::MAX,
                lease_s: 60,
                max_call_s: 60,
            };
            for call in [b"a", b"b"] {
                bench.state.begin_call(
                    expert_number(&SAFETY[4..]),
                    &CallKey::new(call, b"t"),
                    limits,
                    NOW,
                );
            }
        }
        // These follow the signing.
        Gate::Headers | Gate::Signature => {}
        Gate::None | Gate::Witness | Gate::Internal | Gate::Dialog => {
            unreachable!("not a gate of decide")
        }
    }
}

fn spoil_signed(bench: &mut Bench, gate: Gate) {
    if gate == Gate::Signature {
        bench.call.call_id = b"not-what-was-signed".to_vec();
    } else if gate == Gate::Headers {
        bench.call.from_tag.clear();
    }
}

fn ask(state: &mut MemoryState, call: &Call, now: Now) -> Verdict {
    let bytes = compile(&yaml());
    let image = Image::open(&bytes).expect("just compiled");
    decide(
        &Policy::new(&image),
        &call.request(),
        state,
        &mut KeyCache::new(),
        now,
    )
}

fn verdict_when_wrong_for(gates: &[Gate]) -> Verdict {
    let mut bench = Bench {
        call: Call::to_expert(),
        state: MemoryState::new(),
        kid: "council-1",
        iat: NOW_S,
    };
    // The state is spoiled for the changed request, so in gate order.
    for gate in gates {
        spoil(&mut bench, *gate);
    }
    bench.call.sign(bench.kid, bench.iat, "base,cid");
    for gate in gates {
        spoil_signed(&mut bench, *gate);
    }
    ask(&mut bench.state, &bench.call, NOW)
}

#[test]
fn the_unspoiled_request_passes() {
    assert!(verdict_when_wrong_for(&[]).approved);
}

#[test]
fn each_gate_refuses_what_is_its_own() {
    for gate in Gate::DECIDED {
        assert_eq!(verdict_when_wrong_for(&[gate]).gate, gate);
    }
}

#[test]
fn of_two_faults_the_earlier_gate_refuses() {
    for (index, earlier) in Gate::DECIDED.into_iter().enumerate() {
        for later in Gate::DECIDED.into_iter().skip(index + 1) {
            assert_eq!(
                verdict_when_wrong_for(&[earlier, later]).gate,
                earlier,
                "{earlier:?} and {later:?}"
            );
        }
    }
}

#[test]
fn faults_at_every_gate_are_refused_by_the_first() {
    assert_eq!(verdict_when_wrong_for(&Gate::DECIDED).gate, Gate::Headers);
}

#[test]
fn what_a_refusal_spent_stays_spent() {
    let mut bench = Bench {
        call: Call::to_expert(),
        state: MemoryState::new(),
        kid: "council-1",
        iat: NOW_S,
    };
    spoil(&mut bench, Gate::Quota);
    assert_eq!(ask(&mut bench.state, &bench.call, NOW).gate, Gate::Quota);
    bench.call.peer = "127.0.0.9:5070";
    assert_eq!(ask(&mut bench.state, &bench.call, at(1)).gate, Gate::Replay);
}
