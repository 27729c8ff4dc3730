//! All that a step of a call does: orders, timers and entries of the witness log.

use std::time::Duration;

use ife_words::{Direction, Event};

use crate::call::Call;
use crate::cause::{Cause, Stage};
use crate::input::{Leg, TimerKind};
use crate::next::Step;
use crate::output::{Output, Witnessed};
use crate::plan::Backend;
use crate::state::{End, FailReason, State};

/// Slack of the gateway's own ring timer over ours, so that the cause of an unanswered call is the
/// one we set.
const RING_SLACK: Duration = Duration::from_secs(5);

/// An expert who does not take the call hears so for that long at most.
const GOODBYE_MAX: Duration = Duration::from_secs(5);

impl Call {
    pub(crate) fn take(&mut self, step: Step) {
        match step {
            Step::Enter(state) => self.enter(state),
            Step::Close(end) => self.close(end),
            Step::Abandon(why) => {
                // Of no effect if the gateway is gone, and right if only its voice is.
                self.hang_up_open_legs(why.cause());
                self.enter(State::Failed(why));
            }
            Step::TryNext(why) => self.try_next(why),
            Step::HangUp => self.order_hangup(),
        }
    }

    pub(crate) fn enter(&mut self, state: State) {
        self.at.state = state;
        self.report();
        self.entered();
    }

    fn entered(&mut self) {
        let policy = self.at.plan.policy;
        let (direction, backend) = (self.at.plan.direction, self.at.plan.backend);
        let dials_mcu = |by| (direction, backend) == (by, Backend::Mcu);
        match self.at.state.clone() {
            State::Received => {
                self.witness(match direction {
                    Direction::ToExpert => Event::Escalate,
                    Direction::ToCouncil => Event::Invite,
                });
                self.ask_gate();
            }
            State::Approved => {
                self.stop_timers(&[TimerKind::Gate]);
                self.witness(Event::Approved);
                self.invite();
            }
            State::Inviting => self.witness(match (direction, backend) {
                (Direction::ToExpert, Backend::Room | Backend::Mcu) => Event::Invite,
                (Direction::ToCouncil, Backend::Room) => Event::Trying,
                (Direction::ToCouncil, Backend::Mcu) => Event::H323Setup,
            }),
            State::Ringing => {
                self.stop_timers(&[TimerKind::Setup]);
                self.start_timer(TimerKind::Ring, policy.ring_max);
                self.witness(Event::Ringing);
            }
            State::Answered => {
                self.stop_timers(&[TimerKind::Setup, TimerKind::Ring]);
                if direction == Direction::ToExpert {
                    self.start_timer(TimerKind::Accept, policy.accept_max);
                }
                self.witness(if dials_mcu(Direction::ToCouncil) {
                    Event::H323Connected
                } else {
                    Event::Connected
                });
            }
            State::Briefing => self.witness(Event::Briefing),
            State::Accepted => {
                self.stop_timers(&[TimerKind::Accept]);
                let means = self.at.expert_facts().accepted;
                let entry = self.entry(Event::Accepted);
                self.output(Output::Witness(Witnessed { means, ..entry }));
            }
            State::Bridging => {
                self.witness(if dials_mcu(Direction::ToExpert) {
                    Event::H323Setup
                } else {
                    Event::Trying
                });
                if !self.at.is_joined() && self.at.expert_facts().gone.is_none() {
                    self.start_timer(TimerKind::Join, policy.join_max);
                }
            }
            State::Connected => {
                self.stop_timers(&[TimerKind::Join]);
                self.start_timer(TimerKind::Call, policy.call_max);
                self.witness_connected();
            }
            State::Ending => self.begin_end(),
            State::Ended(reason) => {
                let reason = Some(reason.to_string());
                let entry = self.entry(Event::Terminated);
                self.over(Witnessed { reason, ..entry });
            }
            State::Failed(reason) => self.over(self.entry(Event::Failed).because(&reason)),
        }
    }

    /// Members of a room are witnessed as they come and go.
    fn witness_connected(&mut self) {
        match (self.at.plan.backend, self.at.plan.direction) {
            (Backend::Room, _) => {}
            (Backend::Mcu, Direction::ToExpert) => {
                self.witness(Event::H323Connected);
                self.witness(Event::CouncilJoin);
            }
            (Backend::Mcu, Direction::ToCouncil) => self.witness(Event::CouncilJoin),
        }
    }

    fn over(&mut self, entry: Witnessed) {
        self.leave_council();
        self.output(Output::Witness(entry));
    }

    fn ask_gate(&mut self) {
        if let Some(expert) = self.expert().cloned() {
            self.start_timer(TimerKind::Gate, self.at.plan.policy.gate_max);
            let attempt = self.at.attempt;
            self.output(Output::AskGate { attempt, expert });
        }
    }

    /// Calls the expert, if the gateway is there.
    fn invite(&mut self) {
        self.at.invited = !self.at.facts.link_down;
        if self.at.invited {
            self.start_timer(TimerKind::Setup, self.at.plan.policy.setup_max);
            self.originate();
        }
    }

    /// Calls the expert, unless the expert calls us. An expert who called in is answered, and an
    /// answered leg taken to the council, by the gateway itself.
    fn originate(&mut self) {
        let leg = self.at.expert_leg();
        let policy = self.at.plan.policy;
        let is_ours = self.at.plan.direction == Direction::ToExpert;
        if let (Some(expert), Some(facts)) = (self.expert().cloned(), self.at.facts.leg_mut(leg))
            && is_ours
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

    fn begin_end(&mut self) {
        self.stop_timers(&[
            TimerKind::Gate,
            TimerKind::Setup,
            TimerKind::Ring,
            TimerKind::Accept,
            TimerKind::Join,
            TimerKind::Call,
        ]);
        let expert = self.at.expert_facts();
        self.witness(if expert.up { Event::Bye } else { Event::Cancel });
        self.at.hangup_rounds = 0;
        if expert.left && !self.at.facts.user_hangup {
            // It ends by itself. To be hung up now would keep its dialplan from saying that it was
            // removed.
            self.start_timer(TimerKind::Hangup, self.at.plan.policy.hangup_retry);
        } else if expert.not_accepted.is_some() && !self.at.facts.user_hangup {
            // Its dialplan says goodbye and ends it.
            self.start_timer(TimerKind::Hangup, GOODBYE_MAX);
        } else {
            self.order_hangup();
        }
    }

    fn close(&mut self, end: End) {
        if let Err(why) = &end {
            self.witness_refusal(why);
        }
        self.at.goal = end.clone();
        self.enter(if self.at.facts.has_open_leg() {
            State::Ending
        } else {
            State::from(end)
        });
    }

    /// Goes on to the next expert, of whom there is one.
    fn try_next(&mut self, why: FailReason) {
        let next = self.at.next_expert().map(|(at, next)| (at, next.clone()));
        let (Some((attempt, next)), Some(failed)) = (next, self.expert().cloned()) else {
            return self.close(Err(why));
        };
        self.witness_refusal(&why);
        let leg = self.at.expert_leg();
        let facts = self.at.facts.leg(leg);
        if facts.is_open() && facts.not_accepted.is_none() {
            self.hang_up(leg, why.cause());
        }
        self.output(Output::Witness(Witnessed {
            next: Some(next.clone()),
            ..self.entry(Event::Failed).because(&why)
        }));
        self.output(Output::TryNextExpert { failed, next, why });
        self.stop_timers(&[
            TimerKind::Gate,
            TimerKind::Setup,
            TimerKind::Ring,
            TimerKind::Accept,
        ]);
        self.at.attempt = attempt;
        self.at.facts.verdict = None;
        self.at.facts.reach(attempt);
        self.enter(State::Received);
    }

    fn witness_refusal(&mut self, why: &FailReason) {
        if let FailReason::Refused { gate, code, .. } = why {
            self.output(Output::Witness(Witnessed {
                refused: Some((*gate, *code)),
                ..self.entry(Event::Rejected)
            }));
        }
    }

    /// Witnesses the end of a call that had reached the council, whichever way it is over.
    fn leave_council(&mut self) {
        if self.at.plan.backend != Backend::Mcu {
            return;
        }
        if self.at.is_joined() {
            self.witness(Event::CouncilLeave);
        }
        if let Some(gone) = self.at.facts.council.gone {
            self.output(Output::Witness(Witnessed {
                cause: Some(gone.cause),
                ..self.entry(Event::H323Released)
            }));
        }
    }

    fn witness(&mut self, event: Event) {
        let entry = self.entry(event);
        self.output(Output::Witness(entry));
    }

    /// An entry about the call as it is, without a reason.
    fn entry(&self, event: Event) -> Witnessed {
        Witnessed {
            event,
            state: self.at.state.as_str(),
            attempt: self.at.attempt,
            expert: self.expert().cloned(),
            reason: None,
            refused: None,
            means: None,
            cause: None,
            reply: None,
            next: None,
            adopted: self.adopted,
        }
    }

    pub(crate) fn start_timer(&mut self, kind: TimerKind, after: Duration) {
        let timer = self.at.facts.timers.start(kind);
        self.output(Output::StartTimer { timer, after });
    }

    fn stop_timers(&mut self, kinds: &[TimerKind]) {
        let timers = &mut self.at.facts.timers;
        kinds.iter().for_each(|kind| timers.stop(*kind));
    }

    fn order_hangup(&mut self) {
        self.at.hangup_rounds += 1;
        let cause = self.at.goal.as_ref().err().map(FailReason::cause);
        self.hang_up_open_legs(cause.unwrap_or(Cause::UNSPECIFIED));
        self.start_timer(TimerKind::Hangup, self.at.plan.policy.hangup_retry);
    }

    fn hang_up_open_legs(&mut self, why: Cause) {
        for leg in self.open_legs().collect::<Vec<_>>() {
            self.hang_up(leg, why);
        }
    }

    /// Orders a leg to end. An answered leg always ends with 16.
    pub(crate) fn hang_up(&mut self, leg: Leg, why: Cause) {
        let stage = if self.at.facts.leg(leg).up {
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
