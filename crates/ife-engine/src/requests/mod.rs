//! Requests whose answer is still due: callers of calls that are set up, waiters for an end or a
//! place in a room, and all that waits for the store.

mod approve;
mod intake;
mod running;

pub(crate) use approve::approve;
pub(crate) use intake::experts_named;

use std::{collections::BTreeMap, time::Instant};

use ife_call::{EndReason, FailReason, Gate, Reported, State};

use crate::{
    calls::{CallId, Slot},
    command::{Bridged, Reply, Terminated},
    context::Context,
    record::{Answer, CallRecord, Line, MessageKey},
    refusal::{ErrorName, RETRY_AFTER_S, Refusal},
    view::CallView,
};

/// A request that waits for a call to get somewhere.
#[derive(Debug)]
pub(crate) struct Caller {
    /// For the end of the way, connected or not; otherwise for the INVITE alone.
    wait: bool,
    message: Option<MessageKey>,
    reply: Reply<CallView>,
}

/// A call that is accepted, and placed once the store has it.
#[derive(Debug)]
struct Accepted {
    record: CallRecord,
    asked_at: Instant,
}

/// Work that waits for the store.
#[derive(Debug)]
enum Awaiting {
    Begin(Box<Accepted>),
    Reply(Reply<CallView>, Box<Result<CallView, Refusal>>),
}

/// A request that waits for the end of a call, or for its place in a room.
#[derive(Debug)]
enum Waiter {
    Terminate(Reply<Terminated>),
    Bridge { room: String, reply: Reply<Bridged> },
}

/// Owner of all requests whose answer is due.
#[derive(Debug, Default)]
pub(crate) struct Requests {
    callers: BTreeMap<CallId, Vec<Caller>>,
    waiters: BTreeMap<CallId, Vec<Waiter>>,
    awaiting: BTreeMap<u64, Awaiting>,
}

impl Requests {
    /// Whether nothing waits for the store.
    pub(crate) fn is_stored(&self) -> bool {
        self.awaiting.is_empty()
    }

    /// Calls that are accepted and wait for the store.
    pub(crate) fn coming(&self) -> impl Iterator<Item = &CallRecord> {
        self.awaiting
            .values()
            .filter_map(|awaiting| match awaiting {
                Awaiting::Begin(accepted) => Some(&accepted.record),
                Awaiting::Reply(..) => None,
            })
    }

    pub(crate) fn is_coming(&self, call_id: &str) -> bool {
        self.coming().any(|record| *record.call_id == *call_id)
    }

    /// Answers callers and waiters whose wait is over.
    pub(crate) fn settle(&mut self, cx: &mut Context, slot: &Slot, reported: &Reported) {
        self.settle_callers(cx, slot);
        match reported {
            Reported::Known(_) => self.settle_waiters(cx, slot),
            Reported::Unknown(_) => {}
        }
    }

    fn settle_callers(&mut self, cx: &mut Context, slot: &Slot) {
        let state = match slot.reported() {
            Reported::Known(state) => state,
            // Until Asterisk is connected again. This answer is not stored, so the same message
            // gets a better one later.
            Reported::Unknown(_) => {
                for caller in self.take_callers(slot.id(), false) {
                    caller.reply.respond(Ok(slot.view(cx)));
                }
                return;
            }
        };
        let (done, refusal) = match &state {
            // How it ends is known only when it has ended.
            State::Received | State::Approved | State::Ending => return,
            State::Inviting
            | State::Ringing
            | State::Answered
            | State::Briefing
            | State::Accepted
            | State::Bridging => (false, None),
            State::Connected | State::Ended(_) => (true, None),
            State::Failed(reason) => (true, refusal_of(reason)),
        };
        let ready = self.take_callers(slot.id(), done);
        if !ready.is_empty() {
            let result = refusal.map_or_else(|| Ok(slot.view(cx)), Err);
            self.answer(cx, slot.id(), ready, &result);
        }
    }

    /// All callers of a call that is `done`, otherwise those who do not wait for that.
    fn take_callers(&mut self, id: &CallId, done: bool) -> Vec<Caller> {
        let callers = self.callers.remove(id).unwrap_or_default();
        let (ready, waiting): (Vec<_>, Vec<_>) =
            callers.into_iter().partition(|caller| done || !caller.wait);
        if !waiting.is_empty() {
            self.callers.insert(id.clone(), waiting);
        }
        ready
    }

    /// Gives an answer, once the store has it where a message asked.
    fn answer(
        &mut self,
        cx: &mut Context,
        call_id: &str,
        callers: Vec<Caller>,
        result: &Result<CallView, Refusal>,
    ) {
        for Caller { message, reply, .. } in callers {
            let result = result.clone();
            let Some(message) = message else {
                reply.respond(result);
                continue;
            };
            let answer = Answer::of(result.clone());
            cx.ledger.answer(&message, &answer);
            let line = Line::Answer {
                message,
                call_id: call_id.to_owned(),
                at_ms: cx.now.unix_ms,
                answer,
            };
            let token = cx.number();
            if cx.shell.store(&line, Some(token)).is_ok() {
                let awaiting = Awaiting::Reply(reply, Box::new(result));
                self.awaiting.insert(token, awaiting);
            } else {
                reply.respond(result);
            }
        }
    }

    /// Answers waiters whose wait is over.
    pub(crate) fn settle_waiters(&mut self, cx: &Context, slot: &Slot) {
        let Some(waiters) = self.waiters.remove(slot.id()) else {
            return;
        };
        let kept: Vec<Waiter> = waiters
            .into_iter()
            .filter_map(|waiter| settle_waiter(cx, slot, waiter))
            .collect();
        if !kept.is_empty() {
            self.waiters.insert(slot.id().clone(), kept);
        }
    }

    /// Refuses all requests to move a call.
    fn refuse_bridges(&mut self, id: &CallId, why: &str) {
        let mut kept = Vec::new();
        for waiter in self.waiters.remove(id).unwrap_or_default() {
            match waiter {
                Waiter::Bridge { reply, .. } => reply.respond(Err(bridge_failed(why))),
                Waiter::Terminate(_) => kept.push(waiter),
            }
        }
        if !kept.is_empty() {
            self.waiters.insert(id.clone(), kept);
        }
    }
}

/// Answers a waiter, or returns it if it has to wait on.
fn settle_waiter(cx: &Context, slot: &Slot, waiter: Waiter) -> Option<Waiter> {
    let is_settled = *slot.state() == State::Connected && !slot.is_moving();
    let joined = slot.participant().filter(|_| is_settled);
    match (waiter, slot.state().end(), joined) {
        (Waiter::Terminate(reply), Some(end), _) => reply.respond(Ok(Terminated {
            status: status_of(end).to_owned(),
            call_id: slot.id().to_string(),
            duration_seconds: slot.duration_ms(cx.now) / 1_000,
        })),
        (Waiter::Bridge { room, reply }, _, Some(participant)) if room == slot.room().as_str() => {
            reply.respond(Ok(Bridged {
                status: "bridged".to_owned(),
                h323_endpoint: cx.settings.council.endpoint.clone(),
                mcu_participant_id: participant.clone(),
            }));
        }
        (Waiter::Bridge { reply, .. }, Some(end), _) => {
            let why = end.map_or_else(FailReason::to_string, |reason| reason.to_string());
            reply.respond(Err(bridge_failed(&why)));
        }
        (waiter, ..) => return Some(waiter),
    }
    None
}

/// Returns the `status` of `terminate_call`: `terminated` only when all legs were seen to end.
fn status_of(end: Result<EndReason, &FailReason>) -> &'static str {
    match end {
        Err(FailReason::HangupUnconfirmed | FailReason::GatewayLost | FailReason::GatewayDown)
        | Ok(EndReason::Unseen) => "hangup_unconfirmed",
        Ok(_) | Err(_) => "terminated",
    }
}

fn bridge_failed(why: &str) -> Refusal {
    Refusal::new(ErrorName::H323BridgeFailed, why)
}

/// A failure as a refusal, where the interface contract has a name for it. A busy or declining
/// expert is an outcome, not an error.
fn refusal_of(reason: &FailReason) -> Option<Refusal> {
    let name = match reason {
        FailReason::Refused { gate, reason, .. } => {
            return Some(Refusal {
                gate: Some(gate.as_str()),
                // Seats and tokens come back by themselves; no other gate changes its mind.
                retry_after_s: (*gate == Gate::Quota).then_some(RETRY_AFTER_S),
                ..Refusal::new(error_of(*gate), reason.clone())
            });
        }
        FailReason::NoExpert => ErrorName::ExpertNotFound,
        FailReason::GateTimeout => ErrorName::PolicyRejected,
        // The registry has the expert, and the phone was called: the end of that is an outcome.
        FailReason::Expert { .. }
        | FailReason::NotAccepted(_)
        | FailReason::ExpertLeftEarly
        | FailReason::Unseen => return None,
        FailReason::Council { .. }
        | FailReason::CouncilTimeout
        | FailReason::GatewayDown
        | FailReason::GatewayLost
        | FailReason::GatewayRestarted
        | FailReason::HangupUnconfirmed => ErrorName::H323BridgeFailed,
    };
    Some(Refusal::new(name, reason.to_string()))
}

fn error_of(gate: Gate) -> ErrorName {
    match gate {
        Gate::Witness | Gate::Internal => ErrorName::Unavailable,
        Gate::Signature => ErrorName::InvalidSignature,
        Gate::None
        | Gate::Headers
        | Gate::Registry
        | Gate::Standing
        | Gate::Hazard
        | Gate::Source
        | Gate::Flood
        | Gate::Freshness
        | Gate::Replay
        | Gate::Quota
        | Gate::Dialog => ErrorName::PolicyRejected,
    }
}

#[cfg(test)]
mod tests {
    use ife_call::{Cause, cause::Class};

    use super::*;

    #[test]
    fn failures_have_the_names_of_the_contract() {
        let (class, cause) = (Class::Unreachable, Cause::UNKNOWN);
        let refused = |gate| FailReason::Refused {
            gate,
            code: 403,
            reason: "why".to_owned(),
        };
        let cases = [
            (refused(Gate::Signature), Some("INVALID_SIGNATURE")),
            (refused(Gate::Hazard), Some("POLICY_REJECTED")),
            (refused(Gate::Witness), Some("UNAVAILABLE")),
            (FailReason::NoExpert, Some("EXPERT_NOT_FOUND")),
            (FailReason::GateTimeout, Some("POLICY_REJECTED")),
            (
                FailReason::Expert {
                    class,
                    cause,
                    reply: Some(486),
                },
                None,
            ),
            (FailReason::ExpertLeftEarly, None),
            (
                FailReason::Council { class, cause },
                Some("H323_BRIDGE_FAILED"),
            ),
            (FailReason::CouncilTimeout, Some("H323_BRIDGE_FAILED")),
            (FailReason::GatewayLost, Some("H323_BRIDGE_FAILED")),
        ];
        for (reason, wanted) in cases {
            let refusal = refusal_of(&reason);
            let name = refusal.map(|refusal| refusal.name.as_str());
            assert_eq!(name, wanted, "{reason}");
        }
    }
}
