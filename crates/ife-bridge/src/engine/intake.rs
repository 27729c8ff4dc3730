//! New calls: from the request to the machine. Nothing is placed before it is on disk.

use std::time::Instant;

use ife_ami::value::RoomName;
use ife_call::{Call, FailReason, Reported, State};
use ife_guard::Gate;
use ife_message::{Escalate, Hazard, TraceId, escalate};
use ife_witness::entry::Event;
use tracing::debug;

use super::{Awaiting, CallId, Engine, slot::Slot};
use crate::{
    clock,
    handle::{Escalation, InitiateCall, Reply, Resume, TAKEN_ELSEWHERE, respond},
    refusal::{ErrorName, RETRY_AFTER_S, Refusal},
    store::{Answer, CallRecord, Line, MessageKey, Origin},
    view::CallView,
    witness::Fact,
};

/// Whoever waits for a call to get somewhere.
#[derive(Debug)]
pub(super) struct Caller {
    /// For the end of the way: connected, or not.
    wait: bool,
    message: Option<MessageKey>,
    reply: Reply<CallView>,
}

/// A call that is accepted, and placed once the store has it.
#[derive(Debug)]
pub(super) struct Accepted {
    record: CallRecord,
    asked_at: Instant,
}

impl Accepted {
    pub(super) fn record(&self) -> &CallRecord {
        &self.record
    }
}

struct Request {
    trace_id: TraceId,
    /// What the call is about.
    hazard: Hazard,
    /// Others of the message.
    more_hazards: Vec<Hazard>,
    expert: Option<String>,
    room: Option<String>,
    evidence_files: Vec<String>,
    signature: Option<String>,
    message: Option<MessageKey>,
    resume: Resume,
    /// Names of the fields, which differ.
    fields: Fields,
}

struct Fields {
    room: &'static str,
}

impl Engine {
    pub(super) fn escalate(
        &mut self,
        escalation: Escalation,
        wait: bool,
        resume: Option<Resume>,
        reply: Reply<CallView>,
    ) {
        let Escalation { message, request } = escalation;
        let key = message;
        if let Some(known) = self.ledger.message(&key).cloned() {
            let answer = known.answer();
            let anew = resume
                .as_ref()
                .is_some_and(|resume| resume.tried == 0 || resume.takes.is_some());
            if !anew || !self.never_called(&known.call_id, answer.as_ref()) {
                return self.answer_again(key, known.call_id, answer, wait, reply);
            }
            self.unlearn(&key, &known.call_id);
        }
        let request = request_of(request, key.clone()).map(|request| Request {
            resume: resume.unwrap_or_default(),
            ..request
        });
        let result = request.and_then(|request| self.accept(request));
        let message = Some(key);
        self.attach(
            result,
            Caller {
                wait,
                message,
                reply,
            },
        );
    }

    pub(super) fn initiate(&mut self, request: InitiateCall, reply: Reply<CallView>) {
        let result = initiate_of(request).and_then(|request| self.accept(request));
        let caller = Caller {
            wait: false,
            message: None,
            reply,
        };
        self.attach(result, caller);
    }

    /// An accepted call called nobody: it was lost before it could, or the gateway knew it to be another bridge's.
    fn never_called(&self, call_id: &str, answer: Option<&Answer>) -> bool {
        let is_taken = |call: &CallView| call.cause == Some(TAKEN_ELSEWHERE);
        let nobody = match answer {
            None => true,
            Some(Answer::Call(call)) => is_taken(call),
            Some(Answer::Refused(_)) => false,
        };
        nobody && !self.is_under_way(call_id)
    }

    /// A call of that name is being set up or talks.
    fn is_under_way(&self, call_id: &str) -> bool {
        self.calls.get(call_id).is_some_and(Slot::is_live)
            || self
                .awaiting
                .values()
                .any(|awaiting| awaiting.begins(call_id))
    }

    /// A call that was accepted by an earlier process, which was lost before it called anybody.
    fn unlearn(&mut self, key: &MessageKey, call_id: &str) {
        self.forget(&call_id.into());
        self.ledger.unlearn(key, call_id);
    }

    fn attach(&mut self, result: Result<CallId, Refusal>, caller: Caller) {
        match result {
            Ok(id) => self.callers.entry(id).or_default().push(caller),
            Err(refusal) => respond(caller.reply, Err(refusal)),
        }
    }

    /// A message that was here before gets the first answer, or waits for it.
    fn answer_again(
        &mut self,
        key: MessageKey,
        call_id: String,
        answer: Option<Answer>,
        wait: bool,
        reply: Reply<CallView>,
    ) {
        debug!(call_id, "a message was here before");
        if let Some(answer) = answer {
            return respond(reply, answer.into_result());
        }
        let id: CallId = call_id.as_str().into();
        let is_coming = self.calls.contains_key(&id)
            || self
                .awaiting
                .values()
                .any(|awaiting| awaiting.begins(&call_id));
        let message = Some(key);
        let caller = Caller {
            wait,
            message,
            reply,
        };
        if is_coming {
            self.callers.entry(id.clone()).or_default().push(caller);
            self.settle_callers(&id);
        } else {
            // It ended before it was answered for, in an earlier process.
            let ended = self
                .ledger
                .ended(&call_id)
                .map(|detail| detail.call.clone());
            let gone = || Refusal::new(ErrorName::Unavailable, "the call was lost in a restart");
            self.answer_callers(&call_id, vec![caller], ended.ok_or_else(gone));
        }
    }

    /// Checks a request, and hands its call to the store.
    fn accept(&mut self, request: Request) -> Result<CallId, Refusal> {
        self.check_open()?;
        let call_id = escalate::call_id(&request.trace_id);
        if self.is_call_known(&call_id) {
            return Err(Refusal::new(
                ErrorName::Conflict,
                format!("this trace id is that of {call_id}; another call needs another one"),
            ));
        }
        let room = request
            .room
            .clone()
            .unwrap_or_else(|| self.default_room.clone());
        if room.len() > 64 || RoomName::parse(&room).is_err() {
            return Err(Refusal::field(
                request.fields.room,
                "must be 1 to 64 of [0-9A-Za-z_.-]",
            ));
        }
        self.check_more_hazards(&request)?;
        let experts = self.experts_of(&request)?;
        let tried = usize::from(request.resume.tried);
        let experts: Vec<String> = experts.into_iter().skip(tried).collect();
        if experts.is_empty() {
            return Err(Refusal::new(
                ErrorName::ExpertNotFound,
                "every expert for it was called already, and nobody else takes it",
            ));
        }
        self.check_room_for(&room, &experts)?;
        let now_ms = clock::unix_ms();
        if let Some(key) = &request.message
            && !self.ledger.accept(key.clone(), call_id.clone(), now_ms)
        {
            return Err(capacity("too many messages in too short a time"));
        }
        let record = CallRecord {
            call_id: call_id.clone(),
            origin: Origin::Escalation,
            trace_id: request.trace_id.as_str().to_owned(),
            hazard: request.hazard.as_str().to_owned(),
            experts,
            attempt: 0,
            room,
            started_ms: now_ms,
            evidence_files: request.evidence_files,
            channel: None,
            message: request.message,
            takes: request.resume.takes,
            signature: request.signature,
        };
        self.store_call(record)
    }

    fn store_call(&mut self, record: CallRecord) -> Result<CallId, Refusal> {
        let id: CallId = record.call_id.as_str().into();
        self.tokens += 1;
        let line = Line::Call(record.clone());
        if self.store.append(&line, Some(self.tokens)).is_err() {
            if let Some(key) = &record.message {
                self.ledger.forget(key);
            }
            return Err(store_is_down());
        }
        let asked_at = Instant::now();
        let accepted = Accepted { record, asked_at };
        self.awaiting
            .insert(self.tokens, Awaiting::Begin(Box::new(accepted)));
        Ok(id)
    }

    /// The store has the call, or never will.
    pub(super) fn begin(&mut self, accepted: Accepted, stored: bool) {
        let Accepted { record, asked_at } = accepted;
        let id: CallId = record.call_id.as_str().into();
        if !stored {
            if let Some(key) = &record.message {
                self.ledger.forget(key);
            }
            for caller in self.callers.remove(&id).unwrap_or_default() {
                respond(caller.reply, Err(store_is_down()));
            }
            return;
        }
        let plan = self.plan_with(&record, record.experts.len());
        let name = self.expert_name(record.experts.first().map_or("", String::as_str));
        let mut slot = Slot::new(record, Call::new(plan), name);
        slot.asked_at = Some(asked_at);
        self.calls.insert(id.clone(), slot);
        self.drain(&id);
    }

    /// Answers those whose wait is over.
    pub(super) fn settle_callers(&mut self, id: &CallId) {
        let Some(slot) = self.calls.get(id) else {
            return;
        };
        let state = match slot.call.reported() {
            Reported::Known(state) => state,
            Reported::Unknown(_) => {
                let view = slot.view(&self.council);
                return self.tell_unknown(id, &view);
            }
        };
        let (done, result) = match &state {
            // How it ends is known only when it has ended.
            State::Received | State::Approved | State::Ending => return,
            State::Inviting | State::Ringing | State::Answered | State::Bridging => {
                (false, Ok(slot.view(&self.council)))
            }
            State::Connected | State::Ended(_) => (true, Ok(slot.view(&self.council))),
            State::Failed(reason) => {
                let view = || Ok(slot.view(&self.council));
                (true, refusal_of(reason).map_or_else(view, Err))
            }
        };
        let ready = self.take_callers(id, done);
        if !ready.is_empty() {
            self.answer_callers(id, ready, result);
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

    /// Answers callers that wait for the INVITE alone: the call is unknown until the gateway is connected again. This
    /// answer is not stored, so the same message gets a better one later.
    fn tell_unknown(&mut self, id: &CallId, view: &CallView) {
        for caller in self.take_callers(id, false) {
            respond(caller.reply, Ok(view.clone()));
        }
    }

    /// Gives an answer, once the store has it where a message asked.
    fn answer_callers(
        &mut self,
        call_id: &str,
        callers: Vec<Caller>,
        result: Result<CallView, Refusal>,
    ) {
        for Caller { message, reply, .. } in callers {
            let Some(message) = message else {
                respond(reply, result.clone());
                continue;
            };
            let answer = Answer::of(result.clone());
            self.ledger.answer(&message, &answer);
            let line = Line::Answer {
                message,
                call_id: call_id.to_owned(),
                at_ms: clock::unix_ms(),
                answer,
            };
            self.tokens += 1;
            if self.store.append(&line, Some(self.tokens)).is_ok() {
                self.awaiting.insert(
                    self.tokens,
                    Awaiting::Reply(reply, Box::new(result.clone())),
                );
            } else {
                respond(reply, result.clone());
            }
        }
    }

    pub(super) fn experts_named(&self, expert: Option<&str>, hazard: &Hazard) -> Vec<String> {
        match expert {
            Some(expert) => vec![expert.to_owned()],
            None => self
                .gate
                .experts_for(hazard.as_str(), self.limits.experts_max),
        }
    }

    /// The call is about the first hazard; a message that names an unknown one is not understood.
    fn check_more_hazards(&mut self, request: &Request) -> Result<(), Refusal> {
        let mut all = (1..).zip(&request.more_hazards);
        let Some((place, hazard)) =
            all.find(|(_, hazard)| !self.gate.knows_hazard(hazard.as_str()))
        else {
            return Ok(());
        };
        self.witness_refusal(request);
        Err(Refusal {
            gate: Some(Gate::Hazard.as_str()),
            field: Some(format!("payload.hazards[{place}]")),
            ..Refusal::new(
                ErrorName::PolicyRejected,
                format!("unknown hazard {}", hazard.as_str()),
            )
        })
    }

    fn experts_of(&mut self, request: &Request) -> Result<Vec<String>, Refusal> {
        if let Some(expert) = &request.expert {
            if self.gate.expert(expert).is_none() {
                return Err(Refusal::new(
                    ErrorName::ExpertNotFound,
                    format!("no expert {expert}"),
                ));
            }
            return Ok(vec![expert.clone()]);
        }
        let hazard = request.hazard.as_str();
        let experts = self.gate.experts_for(hazard, self.limits.experts_max);
        if !experts.is_empty() {
            // A signature that came along is for one address.
            let tried = if request.signature.is_some() {
                1
            } else {
                experts.len()
            };
            return Ok(experts.into_iter().take(tried).collect());
        }
        if self.gate.knows_hazard(hazard) {
            return Err(Refusal::new(
                ErrorName::ExpertNotFound,
                format!("nobody takes {hazard}"),
            ));
        }
        self.witness_refusal(request);
        Err(Refusal {
            gate: Some(Gate::Hazard.as_str()),
            ..Refusal::new(
                ErrorName::PolicyRejected,
                format!("unknown hazard {hazard}"),
            )
        })
    }

    /// A refusal of which there is no call.
    fn witness_refusal(&mut self, request: &Request) {
        let fact = Fact {
            trace_id: Some(request.trace_id.as_str()),
            hazard: Some(request.hazard.as_str()),
            approved: Some(false),
            gate: Some(Gate::Hazard.as_str()),
            code: Some(403),
            ..Fact::new(Event::Rejected, "unknown hazard")
        };
        // Refused either way, and what is dropped is counted.
        let _ = self.witness.record(&fact, false);
    }

    fn check_open(&self) -> Result<(), Refusal> {
        let problem = if self.is_draining() {
            "the bridge is about to stop"
        } else if !self.ami.is_up() {
            "Asterisk is out of sight"
        } else if self.witness.is_required() && !self.health.witness {
            "the witness is down"
        } else {
            return Ok(());
        };
        Err(Refusal::new(ErrorName::Unavailable, problem))
    }

    /// Admission: calls in total, in the room, with the expert.
    fn check_room_for(&self, room: &str, experts: &[String]) -> Result<(), Refusal> {
        let live = self
            .calls
            .values()
            .filter(|slot| slot.is_live())
            .map(|slot| &slot.record);
        let coming = self.awaiting.values().filter_map(Awaiting::record);
        let (mut total, mut in_room, mut with_expert, mut h323) = (0, 0, 0, self.guardian_legs());
        let first = experts.first();
        for record in live.chain(coming) {
            total += 1;
            in_room += u32::from(record.room == room);
            with_expert += u32::from(record.experts.get(usize::from(record.attempt)) == first);
            h323 += u32::from(self.council.proof() == ife_call::Backend::Mcu);
        }
        let limits = &self.limits;
        if total >= limits.total_max {
            Err(capacity("as many calls as the bridge takes"))
        } else if in_room >= limits.council_experts_max {
            Err(capacity(
                "as many calls as the conference takes beside its guardians",
            ))
        } else if with_expert >= limits.expert_max {
            Err(capacity("as many calls as the expert takes"))
        } else if h323 >= limits.h323_legs_max {
            Err(capacity("as many H.323 legs as the gateway takes"))
        } else {
            Ok(())
        }
    }

    /// Whether the id is taken by a call, past ones included.
    pub(super) fn is_call_known(&self, call_id: &str) -> bool {
        self.calls.contains_key(call_id)
            || self.ledger.ended(call_id).is_some()
            || self
                .awaiting
                .values()
                .any(|awaiting| awaiting.begins(call_id))
    }
}

fn request_of(escalate: Escalate, key: MessageKey) -> Result<Request, Refusal> {
    let mut hazards = escalate.hazards.into_iter();
    // A message without a hazard is no escalation, so there is a first one: the call is about it.
    let hazard = hazards.next();
    Ok(Request {
        trace_id: escalate.trace_id,
        hazard: hazard.ok_or_else(|| Refusal::field("payload.hazards", "is empty"))?,
        more_hazards: hazards.collect(),
        expert: escalate.expert_id,
        room: escalate.conversation_id,
        evidence_files: escalate.evidence_files,
        signature: escalate.signature,
        message: Some(key),
        resume: Resume::default(),
        fields: Fields {
            room: "payload.conversation_id",
        },
    })
}

fn initiate_of(request: InitiateCall) -> Result<Request, Refusal> {
    let trace_id = request.trace_id.unwrap_or_else(super::new_trace_id);
    let trace_id = TraceId::parse(trace_id.as_bytes())
        .map_err(|_| Refusal::field("trace_id", "must be 8 to 128 of [A-Za-z0-9._:-]"))?;
    let hazard = Hazard::parse(request.hazard_type.as_bytes())
        .map_err(|_| Refusal::field("hazard_type", "must be 1 to 32 of [a-z0-9_-]"))?;
    if request.evidence_files.len() > escalate::EVIDENCE_FILES_MAX {
        return Err(Refusal::field("evidence_files", "must be at most 64"));
    }
    Ok(Request {
        trace_id,
        hazard,
        more_hazards: Vec::new(),
        expert: Some(request.expert_id),
        room: request.conversation_id,
        evidence_files: request.evidence_files,
        signature: None,
        message: None,
        resume: Resume::default(),
        fields: Fields {
            room: "conversation_id",
        },
    })
}

fn capacity(why: &str) -> Refusal {
    Refusal::new(ErrorName::CapacityExceeded, why)
}

fn store_is_down() -> Refusal {
    Refusal::new(ErrorName::Unavailable, "the call cannot be stored")
}

/// A failure as a refusal, where the interface contract has a name for it. An expert who was called
/// and could not be had is an outcome, not an error.
pub(super) fn refusal_of(reason: &FailReason) -> Option<Refusal> {
    let name = match reason {
        FailReason::Refused { gate, reason, .. } => {
            return Some(Refusal {
                gate: Some(gate.as_str()),
                // Seats and tokens come back by themselves; no other gate changes its mind.
                retry_after_s: (*gate == Gate::Quota).then_some(RETRY_AFTER_S),
                ..Refusal::new(error_of(*gate), reason.clone())
            });
        }
        FailReason::GateTimeout => ErrorName::PolicyRejected,
        FailReason::NoExpert => ErrorName::ExpertNotFound,
        FailReason::Expert { .. } | FailReason::ExpertLeftEarly | FailReason::Unseen => {
            return None;
        }
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
    use super::*;

    #[test]
    fn a_failure_has_the_name_that_the_contract_gives_it() {
        let refused = |gate| FailReason::Refused {
            gate,
            code: 403,
            reason: "Forbidden".to_owned(),
        };
        for (reason, name) in [
            (refused(Gate::Hazard), Some(ErrorName::PolicyRejected)),
            (refused(Gate::Signature), Some(ErrorName::InvalidSignature)),
            (refused(Gate::Witness), Some(ErrorName::Unavailable)),
            (FailReason::NoExpert, Some(ErrorName::ExpertNotFound)),
            (
                FailReason::CouncilTimeout,
                Some(ErrorName::H323BridgeFailed),
            ),
            (FailReason::ExpertLeftEarly, None),
        ] {
            assert_eq!(refusal_of(&reason).map(|refusal| refusal.name), name);
        }
    }
}
