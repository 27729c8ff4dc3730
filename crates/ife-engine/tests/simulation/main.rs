//! Random histories by seed: requests, phones, a gateway that falls silent, goes away or starts
//! anew, a store that fails, and bridges that are killed. After each history Asterisk comes back,
//! time goes on, and nothing may be left: no call, no channel, no room, no seat, no request.
//!
//! `SEED=7 cargo test -p ife-engine --test simulation` runs one history.

mod asterisk;
#[path = "../gateway/mod.rs"]
mod gateway;
mod log;
mod rivals;
mod world;

use base64::Engine as _;
use ife_engine::{
    command::{
        ApproveExternalCall, BridgeExternalCall, Command, Escalation, GuardianAdmission,
        InitiateCall, RoomCommand,
    },
    record::Line,
    view::{CallDetail, CallView},
};
use rivals::Stream;
use world::World;

const SEEDS: u64 = 300;
const STEPS: u32 = 150;
/// Longer than a call may last, with every wait before and after it.
const END_S: u64 = 700;

#[test]
fn nothing_is_left_of_any_history() {
    let (mut calls, mut connected) = (0, 0);
    for seed in seeds() {
        let mut world = World::new(seed);
        for _ in 0..STEPS {
            step(&mut world);
            world.check_rooms();
        }
        let views = settle(&mut world);
        calls += views.len();
        connected += views.iter().filter(|view| view.answered.is_some()).count();
    }
    // A simulation in which nothing happens proves nothing.
    assert!(
        std::env::var("SEED").is_ok() || (calls > 1_000 && connected > 100),
        "{calls} {connected}"
    );
}

/// Both bridges, the stream and Asterisk act at random. Each dialled phone is checked against the
/// phones that were dialled before.
#[test]
fn nobody_is_called_twice_by_two_bridges() {
    let (mut refused, mut taken_over) = (0, 0);
    for seed in seeds() {
        let (mut world, mut stream) = (World::new(seed), Stream::default());
        for _ in 0..STEPS * 2 {
            if world.below(2) == 0 {
                step(&mut world);
            } else {
                stream.step(&mut world);
            }
        }
        refused += world.outside().asterisk.refused;
        taken_over += stream.taken_over;
    }
    let is_one = std::env::var("SEED").is_ok();
    assert!(
        is_one || (refused > 100 && taken_over > 50),
        "{refused} {taken_over}"
    );
}

fn seeds() -> std::ops::Range<u64> {
    let seed = std::env::var("SEED").ok();
    let seed = seed.and_then(|seed| seed.parse().ok());
    seed.map_or(0..SEEDS, |seed| seed..seed + 1)
}

/// A call that answers no question any more has no decision, and no deadline of one.
#[test]
fn a_call_that_is_forgotten_before_its_time_has_no_decision() {
    const REMEMBERED: usize = 500;
    let ended = a_call_that_was_taken();
    let mut world = World::new(2);
    let lines = (0..REMEMBERED).map(|number| {
        let mut ended = ended.clone();
        ended.call.call_id = format!("sip-call-{number:016x}");
        ended.call.ended = Some(ife_words::time::of_ms(world.unix_ms() + 120_000));
        Line::Ended(Box::new(ended))
    });
    let lines = lines.collect();
    world.set_lines(lines);
    world.kill();
    world.deliver();
    initiate(&mut world);
    world.deliver();
    if let Some(call) = world.engine.live_calls().pop() {
        world.ask(|reply| Command::Terminate(call, reply));
    }
    for _ in 0..90 {
        world.deliver();
        world.pass(1_000);
    }
    assert_eq!(world.undecided(), ["sip-call-0000000000000000"]);
}

fn a_call_that_was_taken() -> CallDetail {
    let mut world = World::new(1);
    for _ in 0..2_000 {
        step(&mut world);
        for line in world.lines() {
            if let Line::Ended(detail) = line
                && detail.call.accepted_by.is_some()
            {
                return *detail;
            }
        }
    }
    panic!("no expert takes a call");
}

fn step(world: &mut World) {
    match world.below(44) {
        0..10 => {
            let ms = world.below(3_000);
            world.pass(ms);
        }
        10..20 => world.phones(),
        20..25 => escalate(world),
        25 | 26 => initiate(world),
        27 => {
            let call = world.any_call();
            world.ask(|reply| Command::Terminate(call, reply));
        }
        28 => {
            let request = BridgeExternalCall {
                sip_call_id: world.any_call(),
                council_call_id: world.any_of(&["council", "hearing", "a b"]).to_owned(),
                external_expert_id: world.any_expert(),
            };
            world.ask(|reply| Command::Bridge(request, reply));
        }
        29 | 30 => room(world),
        31 => world.incoming(),
        32 => world.silence(),
        33 => world.cut(false),
        34 => {
            let crashes = world.below(4) == 0;
            world.cut(crashes);
        }
        35 => {
            if world.below(4) == 0 {
                world.kill();
            }
        }
        36 => world.wedge(),
        37 => world.disk(),
        38 => world.ask(Command::Calls),
        39 => admission(world),
        40..43 => world.dial_in(),
        _ => world.tick(),
    }
    world.deliver();
}

fn escalate(world: &mut World) {
    // Some messages come twice.
    let number = world.below(60);
    let hazard = world.any_of(&["safety", "safety", "ethics", "unheard"]);
    let value = serde_json::json!({
        "id": format!("message-{number:04}"), "timestamp": "2026-09-21T14:13:20Z", "level": 1,
        "source": "if://agent/guard", "destination": "if://service/bridge",
        "performative": "escalate", "payload": {"hazards": [hazard]}
    });
    let message = serde_json::from_value(value).expect("a message");
    let escalation = Box::new(Escalation::of(&message).expect("an escalation"));
    let wait = world.below(2) == 0;
    world.ask(|reply| Command::Escalate {
        escalation,
        wait,
        resume: None,
        reply,
    });
}

fn initiate(world: &mut World) {
    let request = InitiateCall {
        expert_id: world.any_expert(),
        hazard_type: "safety".to_owned(),
        evidence_files: Vec::new(),
        conversation_id: None,
        trace_id: None,
        reason: None,
        question: None,
        options: Vec::new(),
    };
    world.ask(|reply| Command::Initiate(request, reply));
}

fn room(world: &mut World) {
    let room = world.any_of(&["council", "hearing"]).to_owned();
    let participant = world.any_participant(&room);
    let command = match world.below(5) {
        0 => RoomCommand::Create(room),
        1 => RoomCommand::End(room),
        2 => RoomCommand::List,
        3 => RoomCommand::Remove { room, participant },
        _ => {
            let muted = world.below(2) == 0;
            RoomCommand::Mute {
                room,
                participant,
                muted,
            }
        }
    };
    world.ask(|reply| Command::Room(command, reply));
}

/// The guardian who dials in asks to join.
fn admission(world: &mut World) {
    let key = world::guardian_key();
    let mut request = GuardianAdmission {
        terminal_id: "guardian-2".to_owned(),
        call_id: world.any_of(&["council", "hearing"]).to_owned(),
        call_type: "ESCALATE".to_owned(),
        bandwidth_bps: 1_000,
        has_pii: world.below(4) == 0,
        timestamp: ife_words::time::of_ms(world.unix_ms()),
        signature: String::new(),
        public_key: key.public_key().to_string(),
    };
    let mut value = serde_json::to_value(&request).expect("JSON");
    value
        .as_object_mut()
        .expect("an object")
        .remove("signature");
    let bytes = ife_message::json::canonical(&value).expect("it has a canonical form");
    request.signature = base64::engine::general_purpose::STANDARD.encode(key.sign(&bytes));
    world.ask(|reply| Command::Admit(request, reply));
}

/// Lets everything come to its end, and checks that nothing is left.
fn settle(world: &mut World) -> Vec<CallView> {
    world.recover();
    for _ in 0..30 {
        world.deliver();
        world.pass(1_000);
        world.tick();
    }
    world.deliver();
    world.check_rooms();
    world.check_conferences();
    for room in ["council", "hearing"] {
        world.ask(|reply| Command::Room(RoomCommand::End(room.to_owned()), reply));
    }
    for _ in 0..END_S {
        world.deliver();
        world.pass(1_000);
        world.tick();
    }
    world.deliver();
    let seed = world.seed;
    assert_eq!(
        world.engine.live_calls(),
        Vec::<String>::new(),
        "seed {seed}: calls"
    );
    assert_eq!(
        world.channels(),
        Vec::<String>::new(),
        "seed {seed}: channels"
    );
    assert_eq!(
        world.unanswered(),
        Vec::<u64>::new(),
        "seed {seed}: requests"
    );
    let rooms = world.answer(|reply| Command::Room(RoomCommand::List, reply));
    assert_eq!(rooms, Ok(Vec::new()), "seed {seed}: rooms");
    for expert in world::EXPERTS {
        let request = ApproveExternalCall {
            expert_id: expert.to_owned(),
            hazard: "safety".to_owned(),
            trace_id: None,
            signature: None,
        };
        let approval = world.answer(|reply| Command::Approve(request, reply));
        assert_eq!(
            approval.expect("an answer").reason,
            "OK",
            "seed {seed}: seats"
        );
    }
    let views = world.answer(Command::Calls).expect("an answer");
    for view in &views {
        let is_over = view.sip_call_state.is_over() && view.ended.is_some();
        assert!(is_over, "seed {seed}: {view:?}");
    }
    views
}
