//! Carries out the orders of a call's machine.

use std::time::Duration;

use ife_ami::{Action, value::Uniqueid};
use ife_call::{
    Acceptance, Backend, Cause, Direction, EndReason, Event, ExpertId, FailReason, Gate, Input,
    Leg, Output, Reported, Seen, State, Timer, Verdict, Witnessed,
};
use ife_guard::CallKey;
use tracing::{info, warn};

use super::{LegChannel, Part, Slot, legs::Legs};
use crate::{
    context::{Asked, Context},
    gate::{Question, Refused},
    record::Line,
    shell::{About, Fact, Measure},
    timers::Due,
};

/// What other parts have to do with an order of a call.
#[derive(Debug)]
pub(crate) enum Consequence {
    /// The expert has accepted, or called in: the room opens.
    Accepted,
    /// The state is another one.
    StateChanged(Reported),
}

impl Slot {
    /// Carries out orders up to one that concerns other parts.
    pub(super) fn work(&mut self, cx: &mut Context, legs: &mut Legs) -> Option<Consequence> {
        loop {
            let output = self.call.poll_output()?;
            let consequence = self.carry_out(cx, legs, output);
            if consequence.is_some() {
                return consequence;
            }
        }
    }

    fn carry_out(
        &mut self,
        cx: &mut Context,
        legs: &mut Legs,
        output: Output,
    ) -> Option<Consequence> {
        match output {
            Output::AskGate { attempt, expert } => {
                let verdict = self.ask_gate(cx, attempt, &expert);
                self.call.handle(Input::Verdict { attempt, verdict });
            }
            Output::Originate {
                leg,
                expert,
                ring_max,
            } => {
                self.offer_evidence(cx);
                match self.originate(cx, legs, leg, &expert, ring_max) {
                    Ok(()) => self.notify(cx),
                    Err(why) => {
                        warn!(call_id = %self.id(), "the call cannot be placed: {why}");
                        let gone = Seen::Gone(Cause::UNKNOWN);
                        self.call.handle(Input::Leg(leg, gone));
                    }
                }
            }
            Output::Hangup { leg, cause } => self.hang_up(cx, leg, cause),
            Output::StartTimer { timer, after } => self.start_timer(cx, timer, after),
            Output::TryNextExpert { failed, next, why } => {
                self.next_expert(cx, &failed, &next, &why);
            }
            Output::Witness(entry) => {
                self.witness(cx, &entry);
                // A machine that answers shall not bring the council together.
                let opens = match self.direction() {
                    Direction::ToExpert => Event::Accepted,
                    Direction::ToCouncil => Event::Connected,
                };
                if entry.event == opens {
                    return Some(Consequence::Accepted);
                }
            }
            Output::StateChanged(reported) => return Some(Consequence::StateChanged(reported)),
        }
        None
    }

    fn ask_gate(&mut self, cx: &mut Context, attempt: u8, expert: &ExpertId) -> Verdict {
        cx.shell.measure(Measure::GateAsked);
        let result = self.decide(cx, attempt, expert);
        let approved = result.is_ok();
        cx.shell.measure(Measure::Decision { approved });
        let Err(refused) = result else {
            return Verdict::Approved;
        };
        let gate = refused.gate;
        self.step(
            cx.now,
            format!("gate {}: {}", gate.as_str(), refused.detail),
        );
        Verdict::Refused {
            gate,
            code: refused.code,
            reason: refused.reason,
        }
    }

    fn decide(&mut self, cx: &mut Context, attempt: u8, expert: &ExpertId) -> Result<(), Refused> {
        if self.unwitnessed {
            return Err(Refused {
                gate: Gate::Witness,
                code: 503,
                reason: "Witness Unavailable".to_owned(),
                detail: "the request could not be witnessed".to_owned(),
            });
        }
        let expert = expert.as_str();
        match self.direction() {
            Direction::ToCouncil => {
                return cx.gate.ask_incoming(expert, &self.record.hazard, cx.now);
            }
            Direction::ToExpert => {}
        }
        let question = Question {
            expert,
            hazard: &self.record.hazard,
            trace_id: &self.record.trace_id,
            iat_min: self.last_iat + 1,
            signature: self.record.signature.as_deref(),
        };
        let pass = cx.gate.ask(&question, cx.now)?;
        let key = CallKey::new(self.id().as_bytes(), &[attempt]);
        cx.gate.charge(expert, &key, cx.now)?;
        self.last_iat = pass.iat;
        let leg = self.leg_mut(attempt);
        (leg.quota, leg.pass) = (Some(key), Some(pass));
        Ok(())
    }

    /// The subject of a call to its expert.
    pub(super) fn about(&self, cx: &Context) -> About {
        let council = cx.gate.caller().to_string();
        let hazard = self.record.hazard.as_str();
        let acceptance = cx.gate.acceptance(self.expert_id(), hazard);
        let message = self.record.message.as_ref();
        About {
            call_id: self.record.call_id.to_string(),
            trace_id: self.record.trace_id.to_string(),
            hazard: self.record.hazard.to_string(),
            expert_id: self.expert_id().to_owned(),
            guardian: None,
            caller: message.map_or_else(|| council.clone(), |message| message.source.clone()),
            council,
            briefing: self.record.briefing.clone(),
            accepts_here: acceptance == Acceptance::Page,
            files: self.record.evidence_files.clone(),
        }
    }

    fn originate(
        &mut self,
        cx: &mut Context,
        legs: &mut Legs,
        leg: Leg,
        expert: &ExpertId,
        ring_max: Duration,
    ) -> Result<(), String> {
        let attempt = self.attempt();
        let pass = self.leg_mut(attempt).pass.take();
        let pass = pass.ok_or("no gate has let it pass")?;
        let order = self.dial_order(cx, &pass, ring_max);
        let order = order.map_err(|error| error.to_string())?;
        let channel = Uniqueid::from(&order.channel_id);
        let call = self.id().clone();
        cx.ask(
            &Action::Originate(Box::new(order)),
            Asked::Originate(call.clone(), leg),
        )
        .map_err(|error| error.to_string())?;
        let part = Part::Primary;
        legs.add(channel.clone(), LegChannel { call, leg, part });
        self.leg_mut(attempt).channel = Some(channel);
        self.step(
            cx.now,
            format!("INVITE to {expert}, signed by {}", pass.kid),
        );
        Ok(())
    }

    fn hang_up(&mut self, cx: &mut Context, leg: Leg, cause: Cause) {
        let Some(channel) = self.channel(leg) else {
            return self
                .call
                .handle(Input::Leg(leg, Seen::Gone(Cause::UNKNOWN)));
        };
        // A phone whose Local channel is gone is hung up by its own name: no channel in front of
        // it could end it.
        let is_there = |channel: &Uniqueid| cx.model.channel(channel).is_some();
        let phone = self.phone(leg);
        let phone = phone.filter(|phone| !is_there(channel) && is_there(phone));
        let channel = phone.unwrap_or(channel).clone();
        // An order cannot be given while Asterisk is not connected: the machine asks again, and a
        // snapshot shows whether the leg still lives.
        cx.hang_up(channel, cause, Asked::Hangup(self.id().clone(), leg));
    }

    fn start_timer(&mut self, cx: &mut Context, timer: Timer, after: Duration) {
        let key = cx.after(after, Due::Call(self.id().clone(), timer));
        // `TimerKind` has as many values as there are places; a test counts them.
        if let Some(replaced) = self.timers[timer.kind as usize].replace(key) {
            cx.timers.remove(replaced);
        }
    }

    fn next_expert(
        &mut self,
        cx: &mut Context,
        failed: &ExpertId,
        next: &ExpertId,
        why: &FailReason,
    ) {
        count_failure(cx, why);
        // The machine counts the next attempt only after this order.
        let given_up = self.record.attempt;
        let attempt = given_up.saturating_add(1);
        self.record.attempt = attempt;
        self.expert_name = cx.expert_name(next.as_str());
        self.rang = false;
        self.answered_ms = None;
        self.step(
            cx.now,
            format!("{failed} could not be had ({why}), next: {next}"),
        );
        if let Some(key) = self.leg_mut(given_up).quota.take() {
            cx.gate.release(&key);
        }
        cx.remember(&Line::Attempt {
            call_id: self.record.call_id.to_string(),
            attempt,
        });
    }

    fn witness(&mut self, cx: &mut Context, entry: &Witnessed) {
        self.witnessed(cx.now, entry);
        let verdicts = [(Event::Approved, true), (Event::Rejected, false)];
        let verdict = verdicts.into_iter().find(|(of, _)| *of == entry.event);
        let detail = match (&entry.next, entry.adopted) {
            (Some(next), _) => format!("the next expert is {next}"),
            (None, true) => "taken over after a restart".to_owned(),
            (None, false) => String::new(),
        };
        let fact = Fact {
            participant: self.participant.as_deref(),
            trace_id: Some(self.record.trace_id.as_str()),
            call_id: Some(&self.record.call_id),
            direction: Some(self.direction()),
            hazard: Some(self.record.hazard.as_str()),
            expert: entry.expert.as_ref().map(ExpertId::as_str),
            approved: verdict.map(|(_, approved)| approved),
            gate: entry.refused.map(|(gate, _)| gate.as_str()),
            code: entry.refused.map(|(_, code)| code).or(entry.reply),
            reason: entry.reason.as_deref(),
            cause: entry.cause,
            means: entry.means,
            attempt: Some(entry.attempt),
            state: Some(entry.state),
            room: Some(self.record.room.as_str()),
            ..Fact::new(entry.event, &detail)
        };
        // Only an entry before a call can still keep it from being placed.
        let decision = entry.event == Event::Escalate;
        if cx.shell.witness(&fact, decision).is_err() {
            self.unwitnessed = true;
        }
    }

    /// Follows a state that is no end.
    pub(crate) fn entered(&mut self, cx: &mut Context, state: &State) {
        const ANSWERED: [State; 5] = [
            State::Answered,
            State::Briefing,
            State::Accepted,
            State::Bridging,
            State::Connected,
        ];
        if *state == State::Ringing && !self.rang {
            self.rang = true;
            if let Some(asked_at) = self.asked_at {
                let waited = cx.now.at.saturating_duration_since(asked_at);
                cx.shell.measure(Measure::Ringing(waited));
            }
            cx.shell.measure(Measure::Response(180));
        }
        if *state == State::Connected && self.call.plan().backend == Backend::Room {
            self.step(cx.now, format!("{} is in the room", self.expert_id()));
        }
        if ANSWERED.contains(state) && !self.is_answered() {
            self.answered_ms = Some(cx.now.unix_ms);
            cx.shell.measure(Measure::Response(200));
        }
    }

    /// Follows an end: the call's resources are given back, counted and stored.
    pub(crate) fn over(&mut self, cx: &mut Context, end: Result<EndReason, &FailReason>) {
        if let Err(why) = end {
            count_failure(cx, why);
            if *why == FailReason::HangupUnconfirmed {
                cx.shell.measure(Measure::HangupUnconfirmed);
            }
        }
        let result = end.map_or_else(FailReason::as_str, |_| "ended");
        cx.shell.withdraw(&self.record.call_id);
        self.close(cx);
        let (expert, hazard) = (self.expert_id(), self.record.hazard.as_str());
        let talked = Duration::from_millis(self.duration_ms(cx.now));
        // A label is a name of the registry, so that their number is bounded.
        let (knows_expert, knows_hazard) = (
            cx.gate.expert(expert).is_some(),
            cx.gate.knows_hazard(hazard),
        );
        cx.shell.measure(Measure::Over {
            expert: if knows_expert { expert } else { "unknown" },
            hazard: if knows_hazard { hazard } else { "unknown" },
            result,
            talked: self.is_answered().then_some(talked),
        });
        let detail = self.detail(cx);
        info!(
            call_id = %self.id(),
            expert,
            hazard,
            reason = detail.call.reason.as_deref().unwrap_or("-"),
            talked_s = talked.as_secs(),
            "call {result}"
        );
        cx.remember(&Line::Ended(Box::new(detail)));
    }
}

fn count_failure(cx: &mut Context, why: &FailReason) {
    cx.shell.measure(Measure::Failure(why.sip()));
    if let FailReason::Expert { .. } = why {
        cx.shell.measure(Measure::Response(why.sip()));
    }
}
