use std::collections::VecDeque;
use std::time::Duration;

use ife_words::{Direction, Event};

use crate::cause::{Cause, Stage};
use crate::facts::{Facts, LegFacts};
use crate::input::{Input, Leg, Seen, Verdict};
use crate::output::{Output, Timer, TimerKind, Witnessed};
use crate::plan::{Backend, ExpertId, Plan};
use crate::reason::FailReason;
use crate::state::{Reported, State};

/// Slack of the gateway's own ring timer over ours, so that the cause of an unanswered call is the one we set.
const RING_SLACK: Duration = Duration::from_secs(5);

/// One call, from the request to its end.
///
/// [`Call::handle`] takes in what was observed, [`Call::poll_output`] gives what to do; drain it after every input.
/// "Errors are bad input": nothing here fails or panics, an input that means nothing to the call is ignored.
#[derive(Debug)]
pub struct Call {
    pub(crate) plan: Plan,
    pub(crate) facts: Facts,
    pub(crate) state: State,
    /// What the call becomes once its legs are gone.
    pub(crate) goal: State,
    pub(crate) attempt: u8,
    /// Whether the order that `Approved` is for was given: the gateway was in sight.
    pub(crate) invited: bool,
    /// Rounds of hang-up orders since the call began to end.
    pub(crate) hangup_rounds: u8,
    /// True until the first snapshot of a call that was taken over.
    adopted: bool,
    told: Option<Reported>,
    serials: [u32; TimerKind::COUNT],
    running: [bool; TimerKind::COUNT],
    outputs: VecDeque<Output>,
}

impl Call {
    /// A new call. Its first outputs are there at once.
    ///
    /// Only the first 255 experts of the plan are ever tried.
    pub fn new(plan: Plan) -> Self {
        Call::begin(plan, 0)
    }

    /// A new call whose plan's first `attempt` experts are not called: an earlier process has called them.
    pub fn begin(plan: Plan, attempt: u8) -> Self {
        let mut call = Call::blank(plan, attempt);
        if call.plan.direction == Direction::ToCouncil {
            call.facts.experts[0].there = true;
        }
        call.enter(State::Received);
        call.settle();
        call
    }

    /// A call of an earlier process whose expert's leg may live on, with the attempt that the leg was made by.
    ///
    /// It is unknown until its first [`Input::Snapshot`], which shows how far it is. No gate is asked and no expert is
    /// called again; leave out of the plan the experts that shall not be called if the leg is gone.
    pub fn adopt(plan: Plan, attempt: u8) -> Self {
        let mut call = Call::blank(plan, attempt);
        call.adopted = true;
        call.facts.link_down = true;
        call.facts.verdict = Some(Verdict::Approved);
        let leg = &mut call.facts.experts[usize::from(attempt)];
        leg.ordered = call.plan.direction == Direction::ToExpert;
        leg.there = true;
        call.start_timer(TimerKind::Link, call.plan.policy.link_lost_max);
        call.report();
        call
    }

    fn blank(plan: Plan, attempt: u8) -> Self {
        let mut facts = Facts::default();
        facts
            .experts
            .resize_with(usize::from(attempt) + 1, LegFacts::default);
        Call {
            plan,
            facts,
            state: State::Received,
            goal: State::Failed(FailReason::NoExpert),
            attempt,
            invited: false,
            hangup_rounds: 0,
            adopted: false,
            told: None,
            serials: [0; TimerKind::COUNT],
            running: [false; TimerKind::COUNT],
            outputs: VecDeque::new(),
        }
    }

    /// The state that the facts lead to, whether or not the gateway is in sight.
    pub fn state(&self) -> &State {
        &self.state
    }

    /// The state as it may be told: unknown while the gateway is out of sight and there are legs.
    pub fn reported(&self) -> Reported {
        let legs_unseen =
            self.facts.link_down && !self.is_final() && self.open_legs().next().is_some();
        let report = if legs_unseen {
            Reported::Unknown
        } else {
            Reported::Known
        };
        report(self.state.clone())
    }

    /// Whether the call is over.
    pub fn is_final(&self) -> bool {
        self.state.is_final()
    }

    /// The expert of the current attempt, none for a plan without experts.
    pub fn expert(&self) -> Option<&ExpertId> {
        self.plan.experts.get(usize::from(self.attempt))
    }

    /// The current attempt, from 0.
    pub fn attempt(&self) -> u8 {
        self.attempt
    }

    /// What the call was made for.
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// The legs of which there is, or may be, a channel.
    pub fn open_legs(&self) -> impl Iterator<Item = Leg> + '_ {
        self.facts.open_legs()
    }

    /// Whether the call waits for this timer, and for this one of its kind.
    pub fn is_waiting_for(&self, timer: Timer) -> bool {
        let kind = timer.kind as usize;
        self.running[kind] && self.serials[kind] == timer.serial
    }

    /// The next thing to do.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// Takes in an observation.
    pub fn handle(&mut self, input: Input) {
        match input {
            Input::Verdict { attempt, verdict } => {
                if attempt == self.attempt && self.facts.verdict.is_none() {
                    self.facts.verdict = Some(verdict);
                }
            }
            Input::Leg(leg, seen) => {
                let alive = match seen {
                    Seen::There | Seen::Ringing | Seen::Up => true,
                    Seen::Leaving
                    | Seen::Removed
                    | Seen::Untold
                    | Seen::Lost
                    | Seen::Replied(_)
                    | Seen::Gone(_) => false,
                };
                self.observe(leg, alive, |facts| facts.see(seen));
            }
            Input::Joined(leg) => self.observe(leg, true, LegFacts::join),
            Input::Left(leg) => self.observe(leg, false, LegFacts::leave),
            Input::JoinRefused(cause) => {
                self.facts.join_refused.get_or_insert(cause);
            }
            Input::Timeout(timer) => {
                if self.is_waiting_for(timer) {
                    self.running[timer.kind as usize] = false;
                    self.facts.expire(timer.kind);
                }
            }
            Input::UserHangup => self.facts.user_hangup = true,
            Input::LinkDown => self.lose_link(),
            Input::Snapshot { legs, restarted } => {
                self.facts.compare(&legs, restarted);
                self.stop_timer(TimerKind::Link);
                legs.iter().for_each(|view| self.hang_up_if_stray(view.leg));
                if self.adopted && self.state == State::Received {
                    self.enter(State::Approved);
                }
            }
        }
        self.settle();
        self.adopted &= self.facts.link_down;
    }

    fn observe(&mut self, leg: Leg, alive: bool, take_in: impl FnOnce(&mut LegFacts)) {
        if let Some(facts) = self.facts.leg_mut(leg) {
            take_in(facts);
        }
        if alive {
            self.hang_up_if_stray(leg);
        }
    }

    /// A leg that shows itself although it should not be there is hung up: one of an attempt given up, one held to be
    /// gone, or any of a call that is over.
    fn hang_up_if_stray(&mut self, leg: Leg) {
        let given_up = match leg {
            Leg::Expert(attempt) => attempt != self.attempt,
            Leg::Council => self.plan.backend == Backend::Room,
        };
        if given_up || self.is_final() || self.facts.leg(leg).gone.is_some() {
            self.hang_up(leg, Cause::UNSPECIFIED);
        }
    }

    fn lose_link(&mut self) {
        if !self.facts.link_down {
            self.facts.link_down = true;
            if !self.is_final() {
                self.start_timer(TimerKind::Link, self.plan.policy.link_lost_max);
            }
        }
    }

    /// Follows the facts until they lead no further. Every step goes forward in the table of [`State`] or on to the
    /// next expert, so it ends.
    fn settle(&mut self) {
        while let Some(next) = crate::state::next(self) {
            self.enter(next);
        }
        self.report();
    }

    fn enter(&mut self, state: State) {
        self.state = state;
        self.report();
        crate::state::entered(self);
    }

    fn report(&mut self) {
        let reported = self.reported();
        if self.told.as_ref() != Some(&reported) {
            self.told = Some(reported.clone());
            self.output(Output::StateChanged(reported));
        }
    }

    pub(crate) fn output(&mut self, output: Output) {
        self.outputs.push_back(output);
    }

    pub(crate) fn witness(&mut self, event: Event) {
        let entry = self.entry(event);
        self.output(Output::Witness(entry));
    }

    /// An entry about the call as it is, without a reason.
    pub(crate) fn entry(&self, event: Event) -> Witnessed {
        Witnessed {
            event,
            state: self.state.as_str(),
            attempt: self.attempt,
            expert: self.expert().cloned(),
            reason: None,
            refused: None,
            cause: None,
            reply: None,
            next: None,
            adopted: self.adopted,
        }
    }

    pub(crate) fn start_timer(&mut self, kind: TimerKind, after: Duration) {
        let at = kind as usize;
        self.serials[at] = self.serials[at].wrapping_add(1);
        self.running[at] = true;
        self.facts.renew(kind);
        let timer = Timer {
            kind,
            serial: self.serials[at],
        };
        self.output(Output::StartTimer { timer, after });
    }

    pub(crate) fn stop_timer(&mut self, kind: TimerKind) {
        self.running[kind as usize] = false;
        self.facts.renew(kind);
    }

    /// The leg of the current expert.
    pub(crate) fn expert_leg(&self) -> Leg {
        Leg::Expert(self.attempt)
    }

    pub(crate) fn expert_facts(&self) -> LegFacts {
        self.facts.leg(self.expert_leg())
    }

    /// The leg whose ringing and answer move the call on. An expert who calls in is answered by us, except that an MCU
    /// must answer first.
    pub(crate) fn called_leg(&self) -> Leg {
        match (self.plan.direction, self.plan.backend) {
            (Direction::ToCouncil, Backend::Mcu) => Leg::Council,
            (Direction::ToCouncil, Backend::Room)
            | (Direction::ToExpert, Backend::Room | Backend::Mcu) => self.expert_leg(),
        }
    }

    /// Whether something observed proves that the expert is in the council.
    pub(crate) fn is_joined(&self) -> bool {
        match self.plan.backend {
            Backend::Room => self.expert_facts().joined,
            Backend::Mcu => self.expert_facts().up && self.facts.council.up,
        }
    }

    pub(crate) fn originate(&mut self) {
        let leg = self.expert_leg();
        let policy = self.plan.policy;
        if let (Some(expert), Some(facts)) = (self.expert().cloned(), self.facts.leg_mut(leg))
            && !facts.ordered
        {
            facts.ordered = true;
            let ring_max = policy.setup_max + policy.ring_max + RING_SLACK;
            self.output(Output::Originate {
                leg,
                expert,
                ring_max,
            });
        }
    }

    /// Orders every open leg to end, for the reason that the call ends for.
    pub(crate) fn hang_up_open_legs(&mut self) {
        let cause = match &self.goal {
            State::Failed(reason) => reason.cause(),
            State::Received
            | State::Approved
            | State::Inviting
            | State::Ringing
            | State::Answered
            | State::Bridging
            | State::Connected
            | State::Ending
            | State::Ended(_) => Cause::UNSPECIFIED,
        };
        for leg in self.facts.open_legs().collect::<Vec<_>>() {
            self.hang_up(leg, cause);
        }
    }

    /// Orders a leg to end. A leg that was answered ends with 16 whatever the reason.
    pub(crate) fn hang_up(&mut self, leg: Leg, why: Cause) {
        let stage = if self.facts.leg(leg).up {
            Stage::Answered
        } else {
            Stage::BeforeAnswer
        };
        self.output(Output::Hangup {
            leg,
            cause: why.to_set(stage),
        });
    }
}
