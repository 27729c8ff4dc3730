//! Where the facts lead. Nothing here gives an order, starts a timer or witnesses anything: it is
//! the table of [`State`] as functions.

use ife_words::{Direction, Gate};

use crate::cause::{Cause, Class};
use crate::facts::{Facts, Gone, LegFacts};
use crate::input::{Leg, NotAccepted, TimerKind, Verdict};
use crate::plan::{Backend, ExpertId, Plan};
use crate::state::{End, EndReason, FailReason, State};

/// SIP status by which the gateway hangs up on an answer that has no SDP, or none with a common
/// codec (RFC 3261 13.2.2.4).
const NOT_ACCEPTABLE: u16 = 406;

/// All that the next step of a call is derived from.
#[derive(Debug)]
pub(crate) struct Situation {
    pub(crate) plan: Plan,
    pub(crate) facts: Facts,
    pub(crate) state: State,
    /// The state of the call once its legs are gone.
    pub(crate) goal: End,
    pub(crate) attempt: u8,
    /// Whether the order that `Approved` is for was given: the gateway was in sight.
    pub(crate) invited: bool,
    /// Rounds of hang-up orders since the call began to end.
    pub(crate) hangup_rounds: u8,
}

/// One step of a call.
#[derive(Debug)]
pub(crate) enum Step {
    /// Into this state.
    Enter(State),
    /// To this end: at once if no leg is open, else by way of [`State::Ending`].
    Close(End),
    /// The call is over, and its open legs do not change that.
    Abandon(FailReason),
    /// On to the next expert, because the current one could not be had.
    TryNext(FailReason),
    /// The open legs are ordered to end once more.
    HangUp,
}

fn enter(state: State) -> Option<Step> {
    Some(Step::Enter(state))
}

fn end(reason: EndReason) -> Option<Step> {
    Some(Step::Close(Ok(reason)))
}

fn fail(reason: FailReason) -> Option<Step> {
    Some(Step::Close(Err(reason)))
}

impl Situation {
    /// The expert of the current attempt, none for a plan without experts.
    pub(crate) fn expert(&self) -> Option<&ExpertId> {
        self.plan.experts.get(usize::from(self.attempt))
    }

    /// The number and the expert of the attempt after the current one.
    pub(crate) fn next_expert(&self) -> Option<(u8, &ExpertId)> {
        let next = self.attempt.checked_add(1)?;
        Some((next, self.plan.experts.get(usize::from(next))?))
    }

    /// The leg of the current expert.
    pub(crate) fn expert_leg(&self) -> Leg {
        Leg::Expert(self.attempt)
    }

    pub(crate) fn expert_facts(&self) -> LegFacts {
        self.facts.leg(self.expert_leg())
    }

    /// The leg whose ringing and answer move the call on. An expert who calls in is answered by us,
    /// except that an MCU must answer first.
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

    /// The next step, `None` to stay. Every step goes forward in the table of [`State`], on to the
    /// next expert or starts a timer, so they end.
    pub(crate) fn next(&self) -> Option<Step> {
        if !self.state.is_live() {
            return None;
        }
        self.lost_gateway().or_else(|| match &self.state {
            State::Received => self.received(),
            State::Approved => self.approved(),
            State::Inviting => self.inviting(),
            State::Ringing => self.calling(),
            State::Answered => self.answered(),
            State::Briefing => self.accepting(),
            State::Accepted => self.accepted(),
            State::Bridging => self.bridging(),
            State::Connected => self.connected(),
            State::Ending => self.ending(),
            State::Ended(_) | State::Failed(_) => None,
        })
    }

    /// A gateway unreachable for too long, or started anew, ends the call from any state.
    fn lost_gateway(&self) -> Option<Step> {
        let needs_gateway = self.state != State::Received || self.facts.has_open_leg();
        if self.facts.link_down && self.facts.has_expired(TimerKind::Link) && needs_gateway {
            return Some(Step::Abandon(FailReason::GatewayLost));
        }
        let had_legs = self.expert_facts().there || self.facts.council.there;
        if self.facts.restarted && had_legs && self.state != State::Ending {
            return fail(FailReason::GatewayRestarted);
        }
        None
    }

    fn received(&self) -> Option<Step> {
        if self.expert().is_none() {
            return fail(FailReason::NoExpert);
        }
        if let Some(step) = self.asked_to_end().or_else(|| self.caller_gone()) {
            return Some(step);
        }
        match self.facts.verdict.clone() {
            Some(Verdict::Approved) => enter(State::Approved),
            Some(Verdict::Refused { gate, code, reason }) => {
                self.attempt_failed(FailReason::Refused { gate, code, reason })
            }
            None if self.facts.has_expired(TimerKind::Gate) => fail(FailReason::GateTimeout),
            None => None,
        }
    }

    fn approved(&self) -> Option<Step> {
        if !self.invited {
            return fail(FailReason::GatewayDown);
        }
        let there = self.facts.leg(self.called_leg()).there;
        let on = there.then_some(Step::Enter(State::Inviting));
        self.calling().or(on)
    }

    fn inviting(&self) -> Option<Step> {
        let rings = self.facts.leg(self.called_leg()).ringing;
        let on = rings.then_some(Step::Enter(State::Ringing));
        self.calling().or(on)
    }

    /// Where the facts about the called leg lead while it has not answered. The three states of
    /// calling differ only in how far the leg was seen to be.
    fn calling(&self) -> Option<Step> {
        let leg = self.facts.leg(self.called_leg());
        if leg.up {
            return enter(State::Answered);
        }
        if let Some(step) = self.asked_to_end().or_else(|| self.caller_gone()) {
            return Some(step);
        }
        if let Some(gone) = leg.gone {
            return if gone.unseen {
                self.attempt_failed(FailReason::Unseen)
            } else {
                self.not_had(leg.class_of_end(gone.cause), gone.cause)
            };
        }
        if let Some(cause) = self.facts.join_refused {
            return self.not_had(cause.class(), cause);
        }
        if self.facts.link_down {
            return None;
        }
        if self.facts.has_expired(TimerKind::Ring) {
            return self.not_had(Class::NoAnswer, Cause::NO_ANSWER);
        }
        if self.facts.has_expired(TimerKind::Setup) && !leg.ringing {
            return self.not_had(Class::Unreachable, Cause::CONGESTION);
        }
        None
    }

    /// An expert who called us has accepted thereby.
    fn answered(&self) -> Option<Step> {
        match self.plan.direction {
            Direction::ToCouncil => self.accepted(),
            Direction::ToExpert => {
                let briefed = self.expert_facts().briefed;
                let on = briefed.then_some(Step::Enter(State::Briefing));
                self.accepting().or(on)
            }
        }
    }

    /// Where the facts lead while a person who has answered has not accepted.
    fn accepting(&self) -> Option<Step> {
        if let Some(step) = self.asked_to_end() {
            return Some(step);
        }
        let expert = self.expert_facts();
        if expert.accepted.is_some() {
            return enter(State::Accepted);
        }
        if let Some(why) = expert.not_accepted {
            return self.attempt_failed(FailReason::NotAccepted(why));
        }
        if let Some(gone) = expert.gone {
            return self.attempt_failed(if gone.unseen {
                FailReason::Unseen
            } else {
                without_session(expert).unwrap_or(FailReason::ExpertLeftEarly)
            });
        }
        if self.facts.has_expired(TimerKind::Accept) && !self.facts.link_down {
            return self.attempt_failed(FailReason::NotAccepted(NotAccepted::NoKey));
        }
        None
    }

    fn accepted(&self) -> Option<Step> {
        // A leg that is gone already is for `Bridging` to judge, in sight or not.
        let can_go_on = !self.facts.link_down || self.expert_facts().gone.is_some();
        let on = can_go_on.then_some(Step::Enter(State::Bridging));
        self.asked_to_end().or(on)
    }

    fn bridging(&self) -> Option<Step> {
        if self.is_joined() {
            return enter(State::Connected);
        }
        if let Some(step) = self.asked_to_end() {
            return Some(step);
        }
        let (expert, council) = (self.expert_facts(), self.facts.council);
        if self.expert_left_first() {
            let unseen = expert.gone.is_some_and(|gone| gone.unseen);
            return match (self.plan.direction, unseen) {
                (Direction::ToExpert, false) => {
                    fail(without_session(expert).unwrap_or(FailReason::ExpertLeftEarly))
                }
                (Direction::ToExpert, true) => fail(FailReason::Unseen),
                (Direction::ToCouncil, false) => end(EndReason::ExpertLeft),
                (Direction::ToCouncil, true) => end(EndReason::Unseen),
            };
        }
        if let Some(Gone { cause, unseen }) = council.gone {
            let class = council.class_of_end(cause);
            return fail(if unseen {
                FailReason::Unseen
            } else {
                FailReason::Council { class, cause }
            });
        }
        if let Some(cause) = self.facts.join_refused {
            let class = cause.class();
            return fail(FailReason::Council { class, cause });
        }
        if self.facts.has_expired(TimerKind::Join) && !self.facts.link_down {
            return fail(FailReason::CouncilTimeout);
        }
        None
    }

    fn connected(&self) -> Option<Step> {
        if let Some(step) = self.asked_to_end() {
            return Some(step);
        }
        let expert = self.expert_facts();
        // The way to the council may be up before the gateway looks at the answer's SDP.
        if let Some(why) = without_session(expert) {
            return fail(why);
        }
        let ended = |gone: Gone, otherwise| {
            end(if gone.unseen {
                EndReason::Unseen
            } else {
                self.who_left(otherwise)
            })
        };
        if let Some(gone) = expert.gone {
            return ended(gone, EndReason::ExpertLeft);
        }
        if let Some(gone) = self.facts.council.gone {
            return ended(gone, EndReason::CouncilLeft);
        }
        if expert.left {
            // An expert who hangs up leaves the room first; `Ending` corrects the reason if a
            // removal is seen later.
            return end(self.who_left(EndReason::ExpertLeft));
        }
        if self.facts.has_expired(TimerKind::Call) && !self.facts.link_down {
            return end(EndReason::TooLong);
        }
        None
    }

    fn ending(&self) -> Option<Step> {
        if !self.facts.has_open_leg() {
            return enter(State::from(self.reached()));
        }
        if !self.facts.has_expired(TimerKind::Hangup) {
            return None;
        }
        if self.hangup_rounds < self.plan.policy.hangup_tries.max(1) {
            return Some(Step::HangUp);
        }
        // A failed call may have open legs, an ended one has none.
        let failed = self.goal.clone().err();
        enter(State::Failed(
            failed.unwrap_or(FailReason::HangupUnconfirmed),
        ))
    }

    /// The goal, with the reason corrected where it was seen late whose leaving it was.
    fn reached(&self) -> End {
        match self.goal.clone()? {
            _ if self.is_untold() => Err(FailReason::HangupUnconfirmed),
            reason @ (EndReason::ExpertLeft | EndReason::ExpertLost | EndReason::CouncilLeft) => {
                Ok(self.who_left(reason))
            }
            reason @ (EndReason::UserHangup | EndReason::TooLong | EndReason::Unseen) => Ok(reason),
        }
    }

    /// Whether the expert may not have heard of the end.
    fn is_untold(&self) -> bool {
        let expert = self.expert_facts();
        expert.untold && !expert.leaving && !expert.lost
    }

    /// Whichever side hangs up, the gateway ends the other one's leg too, and which of the two is
    /// seen to be gone first is chance. Only the far side of the one that hung up has asked for the
    /// end, and only a leg that was removed lives to report it.
    fn who_left(&self, otherwise: EndReason) -> EndReason {
        let expert = self.expert_facts();
        // A phone that vanished asks for no end, but the gateway, which ends its leg, seems to do
        // so in its name.
        if expert.lost {
            return EndReason::ExpertLost;
        }
        match (expert.leaving, self.facts.council.leaving || expert.removed) {
            (true, false) => EndReason::ExpertLeft,
            (false, true) => EndReason::CouncilLeft,
            (true, true) | (false, false) => otherwise,
        }
    }

    /// What every state before `Ending` answers to a user who wants the call to end.
    fn asked_to_end(&self) -> Option<Step> {
        let asked = self.facts.user_hangup;
        asked.then_some(Step::Close(Ok(EndReason::UserHangup)))
    }

    /// An expert who called us and is gone has given up.
    fn caller_gone(&self) -> Option<Step> {
        let gone = self.plan.direction == Direction::ToCouncil && self.expert_left_first();
        gone.then_some(Step::Close(Ok(EndReason::ExpertLeft)))
    }

    /// Whether the expert is gone, or hangs up and thereby ends the way to the council: what was
    /// dialled from the expert's leg goes with it, and is often seen to be gone before it.
    fn expert_left_first(&self) -> bool {
        let (expert, council) = (self.expert_facts(), self.facts.council);
        let way_ended = council.gone.is_some() || self.facts.join_refused.is_some();
        expert.gone.is_some() || (way_ended && expert.leaving && !council.leaving)
    }

    /// The called side could not be had.
    fn not_had(&self, class: Class, cause: Cause) -> Option<Step> {
        let reply = self.expert_facts().reply;
        self.attempt_failed(match self.plan.direction {
            Direction::ToCouncil => FailReason::Council { class, cause },
            Direction::ToExpert => FailReason::Expert {
                class,
                cause,
                reply,
            },
        })
    }

    /// An attempt is over: the next expert of an outgoing call, where there is one and policy
    /// allows, else the end.
    fn attempt_failed(&self, why: FailReason) -> Option<Step> {
        let goes_on = match self.plan.direction {
            Direction::ToCouncil => false,
            Direction::ToExpert => self.next_expert().is_some() && self.leads_on(&why),
        };
        if goes_on {
            Some(Step::TryNext(why))
        } else {
            fail(why)
        }
    }

    fn leads_on(&self, why: &FailReason) -> bool {
        let retry = self.plan.policy.retry;
        match why {
            FailReason::Refused { gate, .. } => {
                retry.refused || (retry.busy && *gate == Gate::Quota)
            }
            FailReason::Expert { class, .. } => match class {
                Class::Busy => retry.busy,
                Class::NoAnswer => retry.no_answer,
                Class::Declined => retry.declined,
                Class::NotFound
                | Class::Unreachable
                | Class::Congested
                | Class::Incompatible
                | Class::BadAddress
                | Class::Forbidden
                | Class::Redirected
                | Class::Unknown => retry.unreachable,
            },
            FailReason::NotAccepted(NotAccepted::Declined) => retry.declined,
            FailReason::NotAccepted(NotAccepted::PassedOn) => true,
            FailReason::NotAccepted(NotAccepted::NoKey) | FailReason::ExpertLeftEarly => {
                retry.no_answer
            }
            FailReason::Unseen => retry.unreachable,
            FailReason::NoExpert
            | FailReason::GateTimeout
            | FailReason::Council { .. }
            | FailReason::CouncilTimeout
            | FailReason::GatewayDown
            | FailReason::GatewayLost
            | FailReason::GatewayRestarted
            | FailReason::HangupUnconfirmed => false,
        }
    }
}

/// Why the call of an answered expert has no session, if so.
fn without_session(expert: LegFacts) -> Option<FailReason> {
    (expert.reply == Some(NOT_ACCEPTABLE)).then_some(FailReason::Expert {
        class: Class::Incompatible,
        cause: expert.gone.map_or(Cause::NORMAL, |gone| gone.cause),
        reply: expert.reply,
    })
}
