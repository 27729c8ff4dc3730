use std::collections::VecDeque;

use ife_words::{Acceptance, Direction};

use crate::cause::Cause;
use crate::facts::{Facts, LegFacts};
use crate::input::{Input, Leg, Seen, TimerKind, Verdict};
use crate::next::Situation;
use crate::output::Output;
use crate::plan::{Backend, ExpertId, Plan};
use crate::state::{FailReason, Reported, State};

/// One call, from the request to its end.
///
/// [`Call::handle`] takes an observation, [`Call::poll_output`] gives the orders; drain it after
/// every input. "Errors are bad input": nothing here fails or panics, an input that means nothing
/// to the call is ignored.
#[derive(Debug)]
pub struct Call {
    pub(crate) at: Situation,
    /// True until the first snapshot of a call that was taken over.
    pub(crate) adopted: bool,
    told: Option<Reported>,
    outputs: VecDeque<Output>,
}

impl Call {
    /// A new call. Its first outputs are there at once.
    ///
    /// Only the first 255 experts of the plan are ever tried.
    pub fn new(plan: Plan) -> Self {
        Call::begin(plan, 0)
    }

    /// A new call whose plan's first `attempt` experts are not called: an earlier process has
    /// called them.
    pub fn begin(plan: Plan, attempt: u8) -> Self {
        let mut call = Call::blank(plan, attempt);
        if call.at.plan.direction == Direction::ToCouncil {
            call.at.facts.experts[0].there = true;
        }
        call.enter(State::Received);
        call.settle();
        call
    }

    /// A call of an earlier process whose expert's leg may live on, with the attempt that the leg
    /// was made by.
    ///
    /// It is unknown until its first [`Input::Snapshot`], which shows how far it is. No gate is
    /// asked and no expert is called again; leave out of the plan the experts that shall not be
    /// called if the leg is gone.
    pub fn adopt(plan: Plan, attempt: u8) -> Self {
        let mut call = Call::blank(plan, attempt);
        call.adopted = true;
        call.at.facts.link_down = true;
        call.at.facts.verdict = Some(Verdict::Approved);
        let leg = &mut call.at.facts.experts[usize::from(attempt)];
        leg.ordered = call.at.plan.direction == Direction::ToExpert;
        leg.there = true;
        call.start_timer(TimerKind::Link, call.at.plan.policy.link_lost_max);
        call.report();
        call
    }

    fn blank(plan: Plan, attempt: u8) -> Self {
        let mut facts = Facts::default();
        facts.reach(attempt);
        let at = Situation {
            plan,
            facts,
            state: State::Received,
            goal: Err(FailReason::NoExpert),
            attempt,
            invited: false,
            hangup_rounds: 0,
        };
        Call {
            at,
            adopted: false,
            told: None,
            outputs: VecDeque::new(),
        }
    }

    /// The state that the facts lead to, whether or not the gateway is in sight.
    pub fn state(&self) -> &State {
        &self.at.state
    }

    /// The state to show: unknown while the gateway is unreachable and there are legs.
    pub fn reported(&self) -> Reported {
        let facts = &self.at.facts;
        let state = self.at.state.clone();
        if facts.link_down && self.is_live() && facts.has_open_leg() {
            Reported::Unknown(state)
        } else {
            Reported::Known(state)
        }
    }

    /// Whether the call is not over.
    pub fn is_live(&self) -> bool {
        self.at.state.is_live()
    }

    /// The expert of the current attempt, none for a plan without experts.
    pub fn expert(&self) -> Option<&ExpertId> {
        self.at.expert()
    }

    /// Whether the call was taken over and has had no snapshot yet.
    pub fn is_adopted(&self) -> bool {
        self.adopted
    }

    /// The current attempt, from 0.
    pub fn attempt(&self) -> u8 {
        self.at.attempt
    }

    /// By which means the expert of the current attempt has accepted.
    pub fn acceptance(&self) -> Option<Acceptance> {
        self.at.expert_facts().accepted
    }

    /// The purpose of the call.
    pub fn plan(&self) -> &Plan {
        &self.at.plan
    }

    /// The legs of which there is, or may be, a channel.
    pub fn open_legs(&self) -> impl Iterator<Item = Leg> + '_ {
        self.at.facts.open_legs()
    }

    /// The next thing to do.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// Takes in an observation.
    pub fn handle(&mut self, input: Input) {
        match input {
            Input::Verdict { attempt, verdict } => {
                if attempt == self.at.attempt && self.at.facts.verdict.is_none() {
                    self.at.facts.verdict = Some(verdict);
                }
            }
            Input::Leg(leg, seen) => {
                let alive = match seen {
                    Seen::There | Seen::Ringing | Seen::Up | Seen::Briefing | Seen::Accepted(_) => {
                        true
                    }
                    Seen::NotAccepted(_)
                    | Seen::Leaving
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
                self.at.facts.join_refused.get_or_insert(cause);
            }
            Input::Timeout(timer) => self.at.facts.timers.expire(timer),
            Input::UserHangup => self.at.facts.user_hangup = true,
            Input::LinkDown => self.lose_link(),
            Input::Snapshot { legs, restarted } => {
                self.at.facts.compare(&legs, restarted);
                self.at.facts.timers.stop(TimerKind::Link);
                legs.iter().for_each(|view| self.hang_up_if_stray(view.leg));
                if self.adopted && self.at.state == State::Received {
                    self.enter(State::Approved);
                }
            }
        }
        self.settle();
        self.adopted &= self.at.facts.link_down;
    }

    fn observe(&mut self, leg: Leg, alive: bool, take_in: impl FnOnce(&mut LegFacts)) {
        if let Some(facts) = self.at.facts.leg_mut(leg) {
            take_in(facts);
        }
        if alive {
            self.hang_up_if_stray(leg);
        }
    }

    /// A leg that shows itself although it should not be there is hung up: one of an attempt given
    /// up, one held to be gone, or any of a call that is over.
    fn hang_up_if_stray(&mut self, leg: Leg) {
        let given_up = match leg {
            Leg::Expert(attempt) => attempt != self.at.attempt,
            Leg::Council => self.at.plan.backend == Backend::Room,
        };
        if given_up || !self.is_live() || self.at.facts.leg(leg).gone.is_some() {
            self.hang_up(leg, Cause::UNSPECIFIED);
        }
    }

    fn lose_link(&mut self) {
        if !self.at.facts.link_down {
            self.at.facts.link_down = true;
            if self.is_live() {
                self.start_timer(TimerKind::Link, self.at.plan.policy.link_lost_max);
            }
        }
    }

    /// Follows the facts until they lead no further.
    fn settle(&mut self) {
        while let Some(step) = self.at.next() {
            self.take(step);
        }
        self.report();
    }

    pub(crate) fn report(&mut self) {
        let reported = self.reported();
        if self.told.as_ref() != Some(&reported) {
            self.told = Some(reported.clone());
            self.output(Output::StateChanged(reported));
        }
    }

    pub(crate) fn output(&mut self, output: Output) {
        self.outputs.push_back(output);
    }
}
