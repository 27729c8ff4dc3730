//! New calls: from the request to the machine. No call is placed before it is on disk.

use ife_call::{Backend, ExpertId};
use ife_guard::Gate;
use ife_message::{Briefing, Escalate, Hazard, TraceId, escalate};
use ife_witness::entry::Event;
use tracing::debug;

use super::{Accepted, Awaiting, Caller, Requests};
use crate::{
    Engine,
    calls::{CallId, Slot},
    command::{Escalation, InitiateCall, Reply, Resume, TAKEN_ELSEWHERE},
    context::Context,
    record::{Answer, CallRecord, Line, MessageKey, Origin},
    refusal::{ErrorName, Refusal},
    rooms::room_name,
    shell::Fact,
    view::{CallView, Health},
};

struct Request {
    trace_id: TraceId,
    /// The subject of the call.
    hazard: Hazard,
    /// Others of the message.
    more_hazards: Vec<Hazard>,
    expert: Option<String>,
    room: Option<String>,
    /// Name of the room's field in the request.
    room_field: &'static str,
    evidence_files: Vec<String>,
    briefing: Briefing,
    signature: Option<String>,
    message: Option<MessageKey>,
    resume: Resume,
}

impl Engine {
    pub(crate) fn escalate(
        &mut self,
        escalation: Escalation,
        wait: bool,
        resume: Option<Resume>,
        reply: Reply<CallView>,
    ) {
        let Escalation { message, request } = escalation;
        let caller = Caller {
            wait,
            message: Some(message.clone()),
            reply,
        };
        if let Some(known) = self.cx.ledger.message(&message) {
            let (call_id, answer) = (known.call_id.clone(), known.answer());
            let resume = resume.as_ref();
            let anew = resume.is_some_and(|resume| resume.tried == 0 || resume.takes.is_some());
            if !anew || !self.never_called(&call_id, answer.as_ref()) {
                return self.answer_again(caller, &call_id, answer);
            }
            // An earlier process accepted it, and was lost before it called an expert.
            self.calls.forget(&mut self.cx, &call_id);
            self.cx.ledger.unlearn(&message, &call_id);
        }
        let request = request_of(request, message, resume.unwrap_or_default());
        let result = request.and_then(|request| self.accept(request));
        self.requests.attach(result, caller);
    }

    pub(crate) fn initiate(&mut self, request: InitiateCall, reply: Reply<CallView>) {
        let result = initiate_of(&mut self.cx, request).and_then(|request| self.accept(request));
        let caller = Caller {
            wait: false,
            message: None,
            reply,
        };
        self.requests.attach(result, caller);
    }

    /// Whether an accepted call called no expert: it was lost before it could, or the gateway knew
    /// it to be another bridge's.
    fn never_called(&self, call_id: &str, answer: Option<&Answer>) -> bool {
        let unplaced = match answer {
            None => true,
            Some(Answer::Call(call)) => call.cause == Some(TAKEN_ELSEWHERE),
            Some(Answer::Refused(_)) => false,
        };
        let is_live = self.calls.get(call_id).is_some_and(Slot::is_live);
        unplaced && !is_live && !self.requests.is_coming(call_id)
    }

    /// Gives a message that came before the first answer, or lets it wait for that.
    fn answer_again(&mut self, caller: Caller, call_id: &str, answer: Option<Answer>) {
        debug!(call_id, "a message was here before");
        if let Some(answer) = answer {
            return caller.reply.respond(answer.into_result());
        }
        let (cx, requests) = (&mut self.cx, &mut self.requests);
        if let Some(slot) = self.calls.get(call_id) {
            requests.attach(Ok(slot.id().clone()), caller);
            requests.settle_callers(cx, slot);
        } else if requests.is_coming(call_id) {
            requests.attach(Ok(call_id.into()), caller);
        } else {
            // It ended before it was answered for, in an earlier process.
            let ended = cx.ledger.ended(call_id).map(|detail| detail.call.clone());
            let gone = || Refusal::new(ErrorName::Unavailable, "the call was lost in a restart");
            requests.answer(cx, call_id, vec![caller], &ended.ok_or_else(gone));
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
        let room = match &request.room {
            Some(room) => room_name(request.room_field, room)?,
            None => self.cx.settings.default_room.clone(),
        };
        check_more_hazards(&mut self.cx, &request)?;
        let experts = experts_of(&mut self.cx, &request)?;
        let experts = experts.iter().map(|id| ExpertId::from(id.as_str()));
        let tried = usize::from(request.resume.tried);
        let record = CallRecord {
            call_id: call_id.as_str().into(),
            origin: Origin::Escalation,
            trace_id: request.trace_id,
            hazard: request.hazard,
            experts: experts.skip(tried).collect(),
            attempt: 0,
            room,
            started_ms: self.cx.now.unix_ms,
            briefing: request.briefing,
            evidence_files: request.evidence_files,
            channel: None,
            message: request.message,
            takes: request.resume.takes,
            signature: request.signature,
        };
        if record.experts.is_empty() {
            return Err(Refusal::new(
                ErrorName::ExpertNotFound,
                "every expert for it was called already, and nobody else takes it",
            ));
        }
        self.check_room_for(&record)?;
        let now_ms = self.cx.now.unix_ms;
        if let Some(key) = &record.message
            && !self.cx.ledger.accept(key.clone(), call_id, now_ms)
        {
            return Err(capacity("too many messages in too short a time"));
        }
        self.requests.store_call(&mut self.cx, record)
    }

    /// Follows the store's word on a record that an answer or a call waits for.
    pub(crate) fn on_stored(&mut self, token: u64, done: bool) {
        match self.requests.awaiting.remove(&token) {
            Some(Awaiting::Begin(accepted)) => self.begin(*accepted, done),
            Some(Awaiting::Reply(reply, answer)) => {
                let refusal = || {
                    let why = "the answer cannot be stored";
                    Refusal::new(ErrorName::Unavailable, why)
                };
                reply.respond(if done { *answer } else { Err(refusal()) });
            }
            None => {}
        }
    }

    fn begin(&mut self, accepted: Accepted, stored: bool) {
        let Accepted { record, asked_at } = accepted;
        if stored {
            let slot = Slot::begin(&self.cx, record, Some(asked_at));
            let id = slot.id().clone();
            self.calls.insert(slot);
            return self.work(&id);
        }
        if let Some(key) = &record.message {
            self.cx.ledger.forget(key);
        }
        let callers = self.requests.callers.remove(&record.call_id);
        for caller in callers.unwrap_or_default() {
            caller.reply.respond(Err(store_is_down()));
        }
    }

    fn check_open(&self) -> Result<(), Refusal> {
        let required = self.cx.settings.witness_required;
        let health = Health {
            ami: self.cx.is_connected(),
            ..self.health.shown().clone()
        };
        match health.obstacle(required) {
            Some(why) => Err(Refusal::new(ErrorName::Unavailable, why)),
            None => Ok(()),
        }
    }

    /// Admission: calls in total, in the room, with the expert.
    fn check_room_for(&self, new: &CallRecord) -> Result<(), Refusal> {
        let live = self.calls.live().map(Slot::record);
        let (mut total, mut in_room, mut with_expert) = (0, 0, 0);
        let mut h323 = self.rooms.guardian_legs();
        let backend = self.cx.settings.council.backend;
        for record in live.chain(self.requests.coming()) {
            let expert = record.experts.get(usize::from(record.attempt));
            total += 1;
            in_room += u32::from(record.room == new.room);
            with_expert += u32::from(expert == new.experts.first());
            h323 += u32::from(backend == Backend::Mcu);
        }
        let limits = &self.cx.settings.limits;
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

    /// Whether the id is that of a call, past ones included.
    pub(crate) fn is_call_known(&self, call_id: &str) -> bool {
        self.calls.contains(call_id)
            || self.cx.ledger.ended(call_id).is_some()
            || self.requests.is_coming(call_id)
    }
}

impl Requests {
    /// Lets a caller wait for its call, or refuses it.
    fn attach(&mut self, result: Result<CallId, Refusal>, caller: Caller) {
        match result {
            Ok(id) => self.callers.entry(id).or_default().push(caller),
            Err(refusal) => caller.reply.respond(Err(refusal)),
        }
    }

    fn store_call(&mut self, cx: &mut Context, record: CallRecord) -> Result<CallId, Refusal> {
        let id = record.call_id.clone();
        let token = cx.number();
        let line = Line::Call(Box::new(record.clone()));
        if cx.shell.store(&line, Some(token)).is_err() {
            if let Some(key) = &record.message {
                cx.ledger.forget(key);
            }
            return Err(store_is_down());
        }
        let asked_at = cx.now.at;
        let accepted = Accepted { record, asked_at };
        self.awaiting
            .insert(token, Awaiting::Begin(Box::new(accepted)));
        Ok(id)
    }
}

/// Experts to call, in order, when a request names none or one.
pub(crate) fn experts_named(cx: &Context, expert: Option<&str>, hazard: &Hazard) -> Vec<String> {
    match expert {
        Some(expert) => vec![expert.to_owned()],
        None => {
            let max = cx.settings.limits.experts_max;
            cx.gate.experts_for(hazard.as_str(), max)
        }
    }
}

/// Checks the hazards that the call is not about: a message that names an unknown one is not
/// understood.
fn check_more_hazards(cx: &mut Context, request: &Request) -> Result<(), Refusal> {
    let mut all = (1..).zip(&request.more_hazards);
    let unknown = all.find(|(_, hazard)| !cx.gate.knows_hazard(hazard.as_str()));
    let Some((place, hazard)) = unknown else {
        return Ok(());
    };
    Err(Refusal {
        field: Some(format!("payload.hazards[{place}]")),
        ..unknown_hazard(cx, request, hazard)
    })
}

fn experts_of(cx: &mut Context, request: &Request) -> Result<Vec<String>, Refusal> {
    let not_found = |why: String| Err(Refusal::new(ErrorName::ExpertNotFound, why));
    let named = request.expert.as_deref();
    if let Some(expert) = named.filter(|expert| cx.gate.expert(expert).is_none()) {
        return not_found(format!("no expert {expert}"));
    }
    let mut experts = experts_named(cx, named, &request.hazard);
    if experts.is_empty() {
        return if cx.gate.knows_hazard(request.hazard.as_str()) {
            not_found(format!("nobody takes {}", request.hazard))
        } else {
            Err(unknown_hazard(cx, request, &request.hazard))
        };
    }
    if request.signature.is_some() {
        // A signature that came along is for one address.
        experts.truncate(1);
    }
    Ok(experts)
}

/// Witnesses a refusal of which there is no call, and returns it.
fn unknown_hazard(cx: &mut Context, request: &Request, hazard: &Hazard) -> Refusal {
    let gate = Gate::Hazard.as_str();
    cx.witness(&Fact {
        trace_id: Some(request.trace_id.as_str()),
        hazard: Some(request.hazard.as_str()),
        approved: Some(false),
        gate: Some(gate),
        code: Some(403),
        ..Fact::new(Event::Rejected, "unknown hazard")
    });
    Refusal {
        gate: Some(gate),
        ..Refusal::new(
            ErrorName::PolicyRejected,
            format!("unknown hazard {hazard}"),
        )
    }
}

fn request_of(escalate: Escalate, message: MessageKey, resume: Resume) -> Result<Request, Refusal> {
    let mut hazards = escalate.hazards.into_iter();
    // An escalation has a hazard, and the call is about the first one.
    let hazard = hazards.next();
    Ok(Request {
        trace_id: escalate.trace_id,
        hazard: hazard.ok_or_else(|| Refusal::field("payload.hazards", "is empty"))?,
        more_hazards: hazards.collect(),
        expert: escalate.expert_id,
        room: escalate.conversation_id,
        room_field: "payload.conversation_id",
        evidence_files: escalate.evidence_files,
        briefing: escalate.briefing,
        signature: escalate.signature,
        message: Some(message),
        resume,
    })
}

fn initiate_of(cx: &mut Context, request: InitiateCall) -> Result<Request, Refusal> {
    let trace_id = request.trace_id.unwrap_or_else(|| cx.new_trace_id());
    let trace_id = TraceId::parse(trace_id.as_bytes())
        .map_err(|_| Refusal::field("trace_id", "must be 8 to 128 of [A-Za-z0-9._:-]"))?;
    let hazard = Hazard::parse(request.hazard_type.as_bytes())
        .map_err(|_| Refusal::field("hazard_type", "must be 1 to 32 of [a-z0-9_-]"))?;
    if request.evidence_files.len() > escalate::EVIDENCE_FILES_MAX {
        return Err(Refusal::field("evidence_files", "must be at most 64"));
    }
    let briefing = Briefing {
        reason: request.reason,
        question: request.question,
        options: request.options,
    };
    briefing
        .check()
        .map_err(|(field, why)| Refusal::field(field, why))?;
    Ok(Request {
        trace_id,
        hazard,
        more_hazards: Vec::new(),
        expert: Some(request.expert_id),
        room: request.conversation_id,
        room_field: "conversation_id",
        evidence_files: request.evidence_files,
        briefing,
        signature: None,
        message: None,
        resume: Resume::default(),
    })
}

fn capacity(why: &str) -> Refusal {
    Refusal::new(ErrorName::CapacityExceeded, why)
}

fn store_is_down() -> Refusal {
    Refusal::new(ErrorName::Unavailable, "the call cannot be stored")
}
