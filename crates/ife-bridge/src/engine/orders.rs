//! Carries out what the calls' machines order.

use std::time::{Duration, Instant};

use ife_ami::{
    Action,
    action::{Destination, DialString, Originate},
    value::{DialToken, RoomName, SipHost, SipUser, Uniqueid, ValueError, Variable},
};
use ife_call::{
    Cause, Direction, Event, ExpertId, FailReason, Input, Leg, Output, Seen, Timer, Verdict,
};
use ife_guard::{CallKey, Gate};
use ife_message::{Hazard, TraceId};
use tracing::warn;

use super::{
    CallId, Engine,
    answers::Asked,
    legs::{Part, hex_of},
    timers::Due,
};
use crate::{
    council::context,
    gate::{Pass, Question, Refused},
    metrics::Decision,
    store::Line,
};

impl Engine {
    /// Gives a call an observation and does what follows from it.
    pub(super) fn feed(&mut self, id: &CallId, input: Input) {
        if let Some(slot) = self.calls.get_mut(id) {
            // What a call that is taken over becomes is said by the first comparison, not by whichever event comes before it.
            match input {
                Input::Leg(..) | Input::Joined(_) | Input::Left(_) | Input::LinkDown
                    if slot.unseen =>
                {
                    return;
                }
                Input::Snapshot { .. } => slot.unseen = false,
                Input::Leg(..)
                | Input::Joined(_)
                | Input::Left(_)
                | Input::LinkDown
                | Input::Verdict { .. }
                | Input::JoinRefused(_)
                | Input::Timeout(_)
                | Input::UserHangup => {}
            }
            slot.call.handle(input);
        }
        self.drain(id);
    }

    /// Does all that a call wants done.
    pub(super) fn drain(&mut self, id: &CallId) {
        while let Some(output) = self
            .calls
            .get_mut(id)
            .and_then(|slot| slot.call.poll_output())
        {
            self.carry_out(id, output);
        }
    }

    fn carry_out(&mut self, id: &CallId, output: Output) {
        match output {
            Output::AskGate { attempt, expert } => {
                let verdict = self.ask_gate(id, attempt, &expert);
                self.input(id, Input::Verdict { attempt, verdict });
            }
            Output::Originate {
                leg,
                expert,
                ring_max,
            } => {
                self.offer_evidence(id);
                if let Err(why) = self.originate(id, leg, &expert, ring_max) {
                    warn!(call_id = %id, "the call cannot be placed: {why}");
                    self.input(id, Input::Leg(leg, Seen::Gone(Cause::UNKNOWN)));
                }
            }
            // The dialplan answers an expert who calls in, and takes an answered leg to the council: it needs no order for either.
            Output::Answer(_) | Output::JoinCouncil(_) => {}
            Output::Hangup { leg, cause } => self.hang_up(id, leg, cause),
            Output::StartTimer { timer, after } => self.start_timer(id, timer, after),
            Output::TryNextExpert { failed, next, why } => {
                self.next_expert(id, &failed, &next, &why)
            }
            Output::Witness { event, detail } => {
                self.witness(id, event, &detail);
                if event == Event::Connected {
                    self.open_room_of(id);
                }
            }
            Output::StateChanged(reported) => self.state_changed(id, &reported),
        }
    }

    /// An input whose outputs the loop in [`Engine::drain`] fetches.
    fn input(&mut self, id: &CallId, input: Input) {
        if let Some(slot) = self.calls.get_mut(id) {
            slot.call.handle(input);
        }
    }

    fn ask_gate(&mut self, id: &CallId, attempt: u8, expert: &ExpertId) -> Verdict {
        let begun = Instant::now();
        let result = self.decide(id, attempt, expert);
        self.metrics
            .decision_s
            .observe(begun.elapsed().as_secs_f64());
        let word = if result.is_ok() {
            "approved"
        } else {
            "rejected"
        };
        let labels = Decision {
            result: word.to_owned(),
        };
        self.metrics.decisions.get_or_create(&labels).inc();
        match result {
            Ok(()) => Verdict::Approved,
            Err(refused) => {
                if let Some(slot) = self.calls.get_mut(id) {
                    slot.step(format!(
                        "gate {}: {}",
                        refused.gate.as_str(),
                        refused.detail
                    ));
                }
                Verdict::Refused {
                    gate: refused.gate,
                    code: refused.code,
                    reason: refused.reason,
                }
            }
        }
    }

    fn decide(&mut self, id: &CallId, attempt: u8, expert: &ExpertId) -> Result<(), Refused> {
        let Some(slot) = self.calls.get(id) else {
            return Ok(());
        };
        if slot.unwitnessed {
            return Err(Refused {
                gate: Gate::Witness,
                code: 503,
                reason: "Witness Unavailable".to_owned(),
                detail: "the request could not be witnessed".to_owned(),
            });
        }
        let direction = slot.call.plan().direction;
        let Some((hazard, trace_id)) = names_of(&slot.record.hazard, &slot.record.trace_id) else {
            return Err(Refused {
                gate: Gate::Headers,
                code: 400,
                reason: "Bad Header".to_owned(),
                detail: "trace id or hazard is malformed".to_owned(),
            });
        };
        if direction == Direction::ToCouncil {
            return self.gate.ask_incoming(expert.as_str(), &hazard);
        }
        let pass = self.gate.ask(&Question {
            expert: expert.as_str(),
            hazard: &hazard,
            trace_id: &trace_id,
            iat_min: slot.last_iat + 1,
            signature: slot.record.signature.as_deref(),
        })?;
        let key = CallKey::new(id.as_bytes(), &[attempt]);
        self.gate.charge(expert.as_str(), &key)?;
        if let Some(slot) = self.calls.get_mut(id) {
            slot.last_iat = pass.iat;
            let leg = slot.leg_mut(attempt);
            (leg.quota, leg.pass) = (Some(key), Some(pass));
        }
        Ok(())
    }

    fn originate(
        &mut self,
        id: &CallId,
        leg: Leg,
        expert: &ExpertId,
        ring_max: Duration,
    ) -> Result<(), String> {
        let Some(slot) = self.calls.get_mut(id) else {
            return Err("there is no such call".to_owned());
        };
        let attempt = slot.call.attempt();
        let pass = slot
            .leg_mut(attempt)
            .pass
            .take()
            .ok_or("no gate has let it pass")?;
        let (hazard, trace_id) = names_of(&slot.record.hazard, &slot.record.trace_id)
            .ok_or("trace id or hazard is malformed")?;
        let originate = self
            .dial_order(id, attempt, &pass, &hazard, &trace_id, ring_max)
            .map_err(|error| error.to_string())?;
        let channel = Uniqueid::from(&originate.channel_id);
        let action = Action::Originate(Box::new(originate));
        let asked = self
            .ami
            .submit(&action)
            .map_err(|error| error.to_string())?;
        self.asked.insert(asked, Asked::Originate(id.clone(), leg));
        self.legs
            .add(channel.clone(), id.clone(), leg, Part::Primary);
        if let Some(slot) = self.calls.get_mut(id) {
            slot.leg_mut(attempt).channel = Some(channel);
            slot.step(format!("INVITE to {expert}, signed by {}", pass.kid));
        }
        Ok(())
    }

    fn dial_order(
        &self,
        id: &CallId,
        attempt: u8,
        pass: &Pass,
        hazard: &Hazard,
        trace_id: &TraceId,
        ring_max: Duration,
    ) -> Result<Originate, ValueError> {
        let slot_room = self
            .calls
            .get(id)
            .map_or("", |slot| slot.record.room.as_str());
        let evidence = self
            .calls
            .get(id)
            .and_then(|slot| slot.evidence_link.as_deref());
        let ring_s = ring_max.as_secs().to_string();
        // User and host become part of a dial string: nothing but its alphabet is let through. The gate has seen to it that none
        // of the registry is refused here.
        let user = SipUser::parse(pass.callee.user())?;
        let host = SipHost::parse(pass.callee.host())?;
        let caller = SipUser::parse(self.gate.caller().user())?;
        // One underscore: inherited once, by the SIP channel whose INVITE carries the headers.
        let mut variables = vec![
            Variable::channel("IFE_USER", user.as_str())?,
            Variable::channel("IFE_HOST", host.as_str())?,
            Variable::channel("IFE_CALLER", caller.as_str())?,
            Variable::channel("IFE_RING_S", ring_s)?,
            Variable::channel("_IFE_TRACE", trace_id.as_str())?,
            Variable::channel("_IFE_HAZARD", hazard.as_str())?,
            Variable::channel("_IFE_SIGNATURE", &pass.signature)?,
            // By these the dialplan sees to it that nobody is called twice about one call.
            Variable::channel("IFE_CALL", hex_of(id))?,
            Variable::channel("IFE_NODE", self.names.node())?,
            // For the H.323 leg to an MCU; its far side sees it as `CHANNEL(caller_h323id)`.
            Variable::channel("_CALLER_H323ID", trace_id.as_str())?,
        ];
        let seats = self.limits.council_experts_max.to_string();
        variables.push(Variable::channel("IFE_EXPERTS_MAX", seats)?);
        if let Some(link) = evidence {
            variables.push(Variable::channel("_IFE_EVIDENCE", link)?);
        }
        variables.extend(self.council.variables(&RoomName::parse(slot_room)?)?);
        if let Some(takes) = self
            .calls
            .get(id)
            .and_then(|slot| slot.record.takes.as_deref())
        {
            variables.push(Variable::channel("IFE_TAKES", takes)?);
        }
        if let Some(record) = self.takeover_variable(id, attempt) {
            variables.push(record);
        }
        let channel_id = self.names.expert(id, attempt)?;
        Ok(Originate {
            channel: DialString::Local {
                exten: DialToken::parse("call")?,
                context: DialToken::parse(context::EXPERT)?,
            },
            other_channel_id: Some(self.names.far(&channel_id)?),
            channel_id,
            destination: self.council.destination()?,
            ring_timeout: ring_max,
            caller: None,
            variables,
        })
    }

    fn hang_up(&mut self, id: &CallId, leg: Leg, cause: Cause) {
        let slot = self.calls.get(id);
        let Some(channel) = slot.and_then(|slot| slot.channel(leg)).cloned() else {
            return self.input(id, Input::Leg(leg, Seen::Gone(Cause::UNKNOWN)));
        };
        // A phone whose Local channel is gone has nothing in front of it that could end it: its own name does.
        let phone = slot.and_then(|slot| slot.phone(leg)).cloned();
        let phone = phone.filter(|phone| {
            self.model.channel(&channel).is_none() && self.model.channel(phone).is_some()
        });
        let channel = phone.unwrap_or(channel);
        let cause = cause.value();
        // A gateway out of sight takes no order: the machine asks again, and a snapshot tells whether the leg still lives.
        if let Ok(asked) = self.ami.submit(&Action::Hangup { channel, cause }) {
            self.asked.insert(asked, Asked::Hangup(id.clone(), leg));
        }
    }

    fn start_timer(&mut self, id: &CallId, timer: Timer, after: Duration) {
        let Some(slot) = self.calls.get_mut(id) else {
            return;
        };
        let due = Due::Call(id.clone(), timer);
        let key = self.timers.add(Instant::now(), after, due);
        if let Some(replaced) = slot.timer_mut(timer.kind).replace(key) {
            self.timers.remove(replaced);
        }
    }

    fn next_expert(&mut self, id: &CallId, failed: &ExpertId, next: &ExpertId, why: &FailReason) {
        self.count_failure(why);
        let name = self.expert_name(next.as_str());
        let Some(slot) = self.calls.get_mut(id) else {
            return;
        };
        // The machine counts the next attempt only after this order.
        let given_up = slot.record.attempt;
        slot.record.attempt = given_up.saturating_add(1);
        slot.expert_name = name;
        slot.rang = false;
        slot.step(format!("{failed} could not be had ({why}), next: {next}"));
        let attempt = slot.record.attempt;
        if let Some(key) = slot.leg_mut(given_up).quota.take() {
            self.gate.release(&key);
        }
        self.remember(&Line::Attempt {
            call_id: id.to_string(),
            attempt,
        });
    }

    fn witness(&mut self, id: &CallId, event: Event, detail: &str) {
        let Some(slot) = self.calls.get_mut(id) else {
            return;
        };
        slot.step(format!("{event} {detail}"));
        let direction = slot.call.plan().direction;
        let verdicts = [(Event::Approved, true), (Event::Rejected, false)];
        let verdict = verdicts.into_iter().find(|(of, _)| *of == event);
        let approved = verdict.map(|(_, approved)| approved);
        let (gate, code) = if event == Event::Rejected {
            refusal_of(detail)
        } else {
            (None, None)
        };
        let expert = slot.call.expert().map(ToString::to_string);
        let room = format!("{detail} room={}", slot.record.room);
        let fact = crate::witness::Fact {
            trace_id: Some(&slot.record.trace_id),
            call_id: Some(&slot.record.call_id),
            direction: Some(direction),
            hazard: Some(&slot.record.hazard),
            expert: expert.as_deref(),
            approved,
            gate,
            code,
            ..crate::witness::Fact::new(event, &room)
        };
        // Only what comes before a call can still keep it from being placed.
        let decision = event == Event::Escalate;
        if self.witness.record(&fact, decision).is_err() {
            slot.unwitnessed = true;
        }
    }
}

impl Engine {
    /// How the registry names an expert; the id where it does not know them.
    pub(super) fn expert_name(&self, id: &str) -> String {
        let expert = self.gate.expert(id);
        expert.map_or_else(|| id.to_owned(), |expert| expert.name.clone())
    }

    /// A context and extension of the dialplan.
    pub(super) fn place(context: &str, exten: &str) -> Result<Destination, ValueError> {
        Ok(Destination {
            context: DialToken::parse(context)?,
            exten: DialToken::parse(exten)?,
        })
    }
}

/// Gate and status in the machine's words about a refusal: `... gate=4 code=403`.
fn refusal_of(detail: &str) -> (Option<&'static str>, Option<u16>) {
    let number = |key: &str| {
        let mut words = detail.split(' ');
        words.find_map(|word| word.strip_prefix(key)?.parse::<u16>().ok())
    };
    let gate = number("gate=").and_then(|number| Gate::ALL.get(usize::from(number)));
    (gate.map(|gate| gate.as_str()), number("code="))
}

fn names_of(hazard: &str, trace_id: &str) -> Option<(Hazard, TraceId)> {
    let hazard = Hazard::parse(hazard.as_bytes()).ok()?;
    Some((hazard, TraceId::parse(trace_id.as_bytes()).ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_is_witnessed_by_its_gates_name_and_status() {
        let words = "state=received attempt=0 expert=e gate=4 code=403";
        assert_eq!(refusal_of(words), (Some("hazard"), Some(403)));
        assert_eq!(refusal_of("gate=99 code=x"), (None, None));
    }
}
