use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use ife_call::{
    Acceptance, Backend, Call, Cause, Direction, Gate, Input, Leg, LegView, NotAccepted, Output,
    Plan, Policy, Seen, State, Timer, TimerKind, Verdict,
};

use crate::check::Checks;
use crate::random::Random;

/// After this no message is lost, the gateway stays connected, and no party acts by itself.
const STORM_ENDS_MS: u64 = 120_000;
const WORLD_ENDS_MS: u64 = 600_000;
const SNAPSHOT_EVERY_MS: u64 = 5_000;

/// A channel of the simulated gateway.
#[derive(Debug, Clone, Copy, Default)]
struct Channel {
    ringing: bool,
    up: bool,
    accepted: Option<Acceptance>,
    joined: bool,
}

#[derive(Debug, Clone)]
enum Event {
    /// Reaches the call.
    Observe(Input),
    Timer(Timer),
    /// Reaches the gateway.
    Order(Output),
    Ring(Leg),
    Answer(Leg),
    Brief(Leg),
    Accept(Leg, Acceptance),
    Refuse(Leg, NotAccepted),
    /// The dialplan takes a leg to the council.
    Dial(Leg),
    Join(Leg),
    Drop(Leg, u8),
    LeaveRoom(Leg),
    LinkDown,
    LinkUp,
    Restart,
    Snapshot,
}

pub(crate) struct World {
    pub(crate) checks: Checks,
    call: Call,
    random: Random,
    now: u64,
    serial: u64,
    agenda: BTreeMap<(u64, u64), Event>,
    channels: BTreeMap<Leg, Channel>,
    timers: HashMap<TimerKind, u32>,
    link_up: bool,
    restarted: bool,
    loss_percent: u64,
}

impl World {
    pub(crate) fn new(mut random: Random) -> Self {
        let direction = random.pick(&[
            Direction::ToExpert,
            Direction::ToExpert,
            Direction::ToCouncil,
        ]);
        let backend = random.pick(&[Backend::Room, Backend::Mcu]);
        let experts = if direction == Direction::ToCouncil {
            1
        } else {
            1 + random.below(4)
        };
        let policy = Policy {
            call_max: Duration::from_secs(20 + random.below(100)),
            accept_max: Duration::from_secs(30),
            link_lost_max: Duration::from_secs(1 + random.below(40)),
            ..Policy::default()
        };
        let experts = (0..experts)
            .map(|index| format!("expert-{index}").as_str().into())
            .collect();
        let call = Call::new(Plan {
            direction,
            backend,
            experts,
            policy,
        });
        let mut world = World {
            checks: Checks::new(direction, backend),
            call,
            loss_percent: random.pick(&[0, 0, 10, 40]),
            random,
            now: 0,
            serial: 0,
            agenda: BTreeMap::new(),
            channels: BTreeMap::new(),
            timers: HashMap::new(),
            link_up: true,
            restarted: false,
        };
        if direction == Direction::ToCouncil {
            world.channel_made(Leg::Expert(0));
        }
        world.plan_storm();
        world.after(SNAPSHOT_EVERY_MS, Event::Snapshot);
        world.drain();
        world
    }

    fn plan_storm(&mut self) {
        if self.random.chance(40) {
            let at = self.random.below(60_000);
            let length = self.random.pick(&[100, 3_000, 50_000]);
            self.after(at, Event::LinkDown);
            self.after(at + length, Event::LinkUp);
            if self.random.chance(30) {
                self.after(at + length / 2, Event::Restart);
            }
        }
        if self.random.chance(20) {
            let at = self.random.below(90_000);
            self.after(at, Event::Observe(Input::UserHangup));
        }
    }

    /// One event of the agenda; false when the world is over.
    pub(crate) fn step(&mut self) -> bool {
        let Some(((at, _), event)) = self.agenda.pop_first() else {
            return self.finish();
        };
        if at > WORLD_ENDS_MS {
            return self.finish();
        }
        self.now = at;
        self.happen(event);
        self.drain();
        true
    }

    fn finish(&mut self) -> bool {
        let is_live = self.call.is_live();
        self.checks.must(!is_live, "the call never ended");
        let left = self.channels.len();
        self.checks
            .must(left == 0, &format!("{left} channels were leaked"));
        false
    }

    fn is_storm(&self) -> bool {
        self.now < STORM_ENDS_MS
    }

    fn after(&mut self, wait: u64, event: Event) {
        self.serial += 1;
        self.agenda.insert((self.now + wait, self.serial), event);
    }

    /// An observation on its way to the call: late, twice, or never.
    fn observe(&mut self, input: Input) {
        if !self.link_up {
            return;
        }
        if self.is_storm() && self.random.chance(self.loss_percent) {
            return;
        }
        let copies = if self.random.chance(10) { 2 } else { 1 };
        for _ in 0..copies {
            let wait = self.random.pick(&[0, 0, 1, 20, 300]);
            self.after(wait, Event::Observe(input.clone()));
        }
    }

    fn happen(&mut self, event: Event) {
        match event {
            Event::Observe(input) => self.tell(input),
            Event::Timer(timer) => {
                // A timer that was replaced may fire all the same.
                let is_latest = self.timers.get(&timer.kind) == Some(&timer.serial);
                if is_latest || self.random.chance(5) {
                    self.tell(Input::Timeout(timer));
                }
            }
            Event::Order(order) => self.obey(order),
            Event::Ring(leg) => self.rang(leg),
            Event::Answer(leg) => self.answered(leg),
            Event::Brief(leg) => self.brief(leg),
            Event::Accept(leg, means) => self.accepted(leg, means),
            Event::Refuse(leg, why) => {
                if self.channels.contains_key(&leg) {
                    self.observe(Input::Leg(leg, Seen::NotAccepted(why)));
                    self.after(1_500, Event::Drop(leg, 16));
                }
            }
            Event::Dial(leg) => self.join(leg),
            Event::Join(leg) => self.joined(leg),
            Event::LeaveRoom(leg) => self.left_room(leg),
            Event::Drop(leg, cause) => self.dropped(leg, cause),
            Event::LinkDown => {
                self.link_up = false;
                self.tell(Input::LinkDown);
            }
            Event::LinkUp => {
                self.link_up = true;
                self.snapshot();
            }
            Event::Restart => self.restart(),
            Event::Snapshot => {
                if self.link_up {
                    self.snapshot();
                }
                self.after(SNAPSHOT_EVERY_MS, Event::Snapshot);
            }
        }
    }

    fn rang(&mut self, leg: Leg) {
        if let Some(channel) = self.channels.get_mut(&leg) {
            channel.ringing = true;
            self.checks.ever(leg).rang = true;
            self.observe(Input::Leg(leg, Seen::Ringing));
        }
    }

    fn accepted(&mut self, leg: Leg, means: Acceptance) {
        if let Some(channel) = self.channels.get_mut(&leg) {
            channel.accepted = Some(means);
            self.checks.ever(leg).accepted = true;
            self.observe(Input::Leg(leg, Seen::Accepted(means)));
            self.after(0, Event::Dial(leg));
        }
    }

    fn joined(&mut self, leg: Leg) {
        if let Some(channel) = self.channels.get_mut(&leg).filter(|channel| channel.up) {
            channel.joined = true;
            self.checks.ever(leg).joined = true;
            self.observe(Input::Joined(leg));
            let stay = self.random.below(150_000);
            self.after(stay, Event::LeaveRoom(leg));
        }
    }

    fn left_room(&mut self, leg: Leg) {
        if let Some(channel) = self.channels.get_mut(&leg).filter(|channel| channel.joined) {
            channel.joined = false;
            self.observe(Input::Left(leg));
        }
    }

    /// Asterisk starts again: its channels are gone, the link breaks and comes back.
    fn restart(&mut self) {
        self.channels.clear();
        self.restarted = true;
        if self.link_up {
            self.tell(Input::LinkDown);
            self.snapshot();
        }
    }

    fn snapshot(&mut self) {
        let view = |(leg, channel): (&Leg, &Channel)| LegView {
            leg: *leg,
            ringing: channel.ringing,
            up: channel.up,
            accepted: channel.accepted,
            joined: channel.joined,
        };
        let legs = self.channels.iter().map(view).collect();
        let restarted = std::mem::take(&mut self.restarted);
        self.tell(Input::Snapshot { legs, restarted });
        // Right after a snapshot the call cannot be held to be in the council when it is not.
        let expert = self.channels.get(&Leg::Expert(self.call.attempt()));
        let in_council = match self.checks.backend {
            Backend::Room => expert.is_some_and(|channel| channel.joined),
            Backend::Mcu => expert.is_some() && self.channels.contains_key(&Leg::Council),
        };
        let is_connected = *self.call.state() == State::Connected;
        self.checks.must(
            !is_connected || in_council,
            "connected without a leg in the council",
        );
    }

    fn tell(&mut self, input: Input) {
        self.checks
            .trace
            .push(format!("{:>7} in  {input:?}", self.now));
        if let Input::Verdict {
            attempt,
            verdict: Verdict::Approved,
        } = &input
        {
            self.checks.approved.insert(*attempt);
        }
        self.call.handle(input);
        // What must be true of a step is checked at once, against what has happened so far.
        self.drain();
    }

    fn drain(&mut self) {
        while let Some(output) = self.call.poll_output() {
            self.checks
                .trace
                .push(format!("{:>7} out {output:?}", self.now));
            self.checks.output(&output);
            self.carry_out(output);
        }
    }

    fn carry_out(&mut self, output: Output) {
        match output {
            Output::StartTimer { timer, after } => {
                self.timers.insert(timer.kind, timer.serial);
                self.after(after.as_millis() as u64, Event::Timer(timer));
            }
            Output::AskGate { attempt, .. } => {
                let verdict = match self.random.below(20) {
                    0 => return,
                    1 => Verdict::Refused {
                        gate: Gate::Hazard,
                        code: 403,
                        reason: "hazard".to_owned(),
                    },
                    2 => Verdict::Refused {
                        gate: Gate::Quota,
                        code: 486,
                        reason: "quota".to_owned(),
                    },
                    _ => Verdict::Approved,
                };
                let wait = self.random.below(50);
                self.after(wait, Event::Observe(Input::Verdict { attempt, verdict }));
            }
            Output::Originate { .. } | Output::Hangup { .. } => {
                let is_lost =
                    !self.link_up || (self.is_storm() && self.random.chance(self.loss_percent / 2));
                if !is_lost {
                    let wait = self.random.below(100);
                    self.after(wait, Event::Order(output));
                }
            }
            Output::Witness(_) | Output::StateChanged(_) | Output::TryNextExpert { .. } => {}
        }
    }

    fn obey(&mut self, order: Output) {
        match order {
            Output::Originate { leg, .. } => self.originate(leg),
            Output::Hangup { leg, cause } => {
                if self.channels.contains_key(&leg) {
                    self.dropped(leg, cause.value());
                } else {
                    self.observe(Input::Leg(leg, Seen::Gone(Cause::UNKNOWN)));
                }
            }
            Output::AskGate { .. }
            | Output::StartTimer { .. }
            | Output::Witness(_)
            | Output::StateChanged(_)
            | Output::TryNextExpert { .. } => {}
        }
    }

    fn originate(&mut self, leg: Leg) {
        if self.random.chance(10) {
            return self.observe(Input::Leg(leg, Seen::Gone(Cause::seen(3))));
        }
        self.channel_made(leg);
    }

    /// A channel came to be, and its far side will do something or nothing.
    fn channel_made(&mut self, leg: Leg) {
        self.channels.insert(leg, Channel::default());
        self.checks.ever(leg).there = true;
        self.observe(Input::Leg(leg, Seen::There));
        let incoming = self.checks.direction == Direction::ToCouncil && leg != Leg::Council;
        let early = self.random.below(3_000);
        let late = early + self.random.below(45_000);
        if incoming {
            match self.checks.backend {
                Backend::Room => self.after(early, Event::Answer(leg)),
                Backend::Mcu => self.after(early, Event::Dial(leg)),
            }
            if self.random.chance(50) {
                self.after(late * 2, Event::Drop(leg, 16));
            }
            return;
        }
        match self.random.below(10) {
            0 => self.after(early, Event::Drop(leg, 17)),
            1 => self.after(early, Event::Drop(leg, 21)),
            2 => self.after(early, Event::Drop(leg, 111)),
            3 => {}
            4 => self.after(early, Event::Ring(leg)),
            5 => self.after(early, Event::Answer(leg)),
            _ => {
                self.after(early, Event::Ring(leg));
                self.after(late, Event::Answer(leg));
            }
        }
        // The gateway's own timer, which it may not have.
        if self.random.chance(50) {
            self.after(43_000, Event::Drop(leg, 0));
        }
    }

    fn answered(&mut self, leg: Leg) {
        let Some(channel) = self.channels.get_mut(&leg).filter(|channel| !channel.up) else {
            return;
        };
        channel.up = true;
        self.checks.ever(leg).up = true;
        self.observe(Input::Leg(leg, Seen::Up));
        match (leg, self.checks.direction, self.checks.backend) {
            // The way to the MCU is up before an expert who calls in is answered.
            (Leg::Council, Direction::ToCouncil, _) => self.after(0, Event::Answer(Leg::Expert(0))),
            (Leg::Expert(_), Direction::ToCouncil, Backend::Mcu) | (Leg::Council, ..) => {}
            (Leg::Expert(_), Direction::ToCouncil, Backend::Room) => {
                self.after(0, Event::Dial(leg));
            }
            (Leg::Expert(_), Direction::ToExpert, _) => match self.random.below(4) {
                0 => self.after(0, Event::Accept(leg, Acceptance::None)),
                _ => self.after(0, Event::Brief(leg)),
            },
        }
        // Half of all far sides never hang up.
        if self.random.chance(50) {
            let stay = self.random.below(200_000);
            self.after(stay, Event::Drop(leg, 16));
        }
    }

    /// The expert hears why they are called, and does something or nothing.
    fn brief(&mut self, leg: Leg) {
        if !self.channels.contains_key(&leg) {
            return;
        }
        self.checks.ever(leg).briefed = true;
        self.observe(Input::Leg(leg, Seen::Briefing));
        let wait = self.random.below(35_000);
        let then = match self.random.below(10) {
            0 => Event::Refuse(leg, NotAccepted::Declined),
            1 => Event::Refuse(leg, NotAccepted::PassedOn),
            2 => Event::Refuse(leg, NotAccepted::NoKey),
            3 => return,
            4 => Event::Accept(leg, Acceptance::Page),
            _ => Event::Accept(leg, Acceptance::Key),
        };
        self.after(wait, then);
    }

    fn join(&mut self, leg: Leg) {
        if !self.channels.contains_key(&leg) {
            return;
        }
        match (self.checks.backend, self.random.below(10)) {
            (_, 0) => self.observe(Input::JoinRefused(Cause::seen(34))),
            (_, 1) => {}
            (Backend::Room, _) => self.after(30, Event::Join(leg)),
            (Backend::Mcu, _) => self.channel_made(Leg::Council),
        }
    }

    fn dropped(&mut self, leg: Leg, cause: u8) {
        // The gateway's ring timer does not end an answered leg.
        if cause == 0 && self.channels.get(&leg).is_some_and(|channel| channel.up) {
            return;
        }
        let Some(channel) = self.channels.remove(&leg) else {
            return;
        };
        if channel.joined {
            if self.random.chance(50) {
                self.observe(Input::Leg(leg, Seen::Leaving));
            }
            self.observe(Input::Left(leg));
            if self.random.chance(50) {
                self.observe(Input::Leg(leg, Seen::Removed));
            }
        }
        self.observe(Input::Leg(leg, Seen::Gone(Cause::seen(cause))));
        // The dialplan's `Dial` ends the far leg with the near one.
        if self.checks.backend == Backend::Mcu && leg != Leg::Council && self.random.chance(70) {
            self.after(10, Event::Drop(Leg::Council, 16));
        }
    }
}
