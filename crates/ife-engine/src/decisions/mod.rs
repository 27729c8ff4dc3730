//! Decisions of experts and guardians about calls: judged, witnessed, kept, published.

mod judge;
mod kept;
mod phone;
mod view;

use std::{collections::BTreeMap, time::Duration};

use ife_message::{
    Decision,
    decision::{Assurance, Attestation, Record, Role, VERSION},
};
use ife_witness::entry;
use ife_words::{
    hex,
    time::{of_ms, parse_ns},
};

use crate::{
    Engine,
    command::{Reply, Submission},
    context::Context,
    record::Line,
    refusal::{ErrorName, Refusal},
    shell::{Decided as Members, Fact},
    timers::Due,
    view::{CallDetail, CallView, Event},
};
use judge::{Circumstances, NotTaken, Why, judge, read};
pub(crate) use kept::Decided;
use kept::{is_asked, is_late, until_ms};
use phone::Phones;
pub(crate) use view::choices_of;
pub use view::{
    DecisionAsked, DecisionBrief, DecisionEvent, DecisionState, DecisionView, PasskeyAsked,
};

/// Refusals of one call that have an entry each.
const REFUSALS_MAX: u32 = 100;
/// A call whose time for a decision ended so long before the start gets no entry about it.
const FORGOTTEN_MS: u64 = 86_400_000;

/// Owner of all decisions whose answer is due.
#[derive(Debug, Default)]
pub(crate) struct Decisions {
    awaiting: BTreeMap<u64, (CallView, DecisionView, Reply<DecisionView>)>,
    phones: Phones,
}

impl Engine {
    /// Takes a decision, or refuses it; the answer comes when the store has it.
    pub(crate) fn decide(&mut self, submission: Submission, reply: Reply<DecisionView>) {
        let Some(call) = self.view_of(submission.call_id()) else {
            let refusal = Refusal::new(ErrorName::NotFound, "no such call");
            return reply.respond(Err(refusal));
        };
        let decision = match &submission {
            Submission::Api { text, .. } | Submission::Page { text, .. } => read(text),
            Submission::Phone { choice, .. } => phoned(&self.cx, &call, choice),
        };
        let decision = match decision {
            Ok(decision) => decision,
            Err(not_taken) => return self.refuse(&call, None, &not_taken, reply),
        };
        match self.take(&call, &submission, &decision) {
            Ok(attestation) => {
                let record = Record {
                    decision,
                    attestation,
                };
                self.keep_decision(call, record, reply);
            }
            Err(not_taken) => self.refuse(&call, Some(&decision), &not_taken, reply),
        }
    }

    fn refuse(
        &mut self,
        call: &CallView,
        decision: Option<&Decision>,
        not_taken: &NotTaken,
        reply: Reply<DecisionView>,
    ) {
        self.witness_refusal(call, decision, not_taken);
        reply.respond(Err(not_taken.refusal()));
    }

    /// A call that is live or ended lately.
    fn view_of(&self, call_id: &str) -> Option<CallView> {
        let slot = self.calls.get(call_id).map(|slot| slot.view(&self.cx));
        slot.or_else(|| Some(self.cx.ledger.ended(call_id)?.call.clone()))
    }

    /// Judges, witnesses and attests.
    fn take(
        &mut self,
        call: &CallView,
        submission: &Submission,
        decision: &Decision,
    ) -> Result<Attestation, NotTaken> {
        let cx = &mut self.cx;
        judge_in(cx, call, submission, decision)?;
        let received = of_ms(cx.now.unix_ms);
        let attestation = cx.gate.attest(decision, received);
        let attestation =
            attestation.map_err(|error| NotTaken::new(Why::Malformed, None, error.to_string()))?;
        let fact = fact(call, decision, entry::Event::Decision);
        cx.shell.witness(&fact, true).map_err(|_| {
            let detail = "the witness takes no entries";
            NotTaken::new(Why::Unwitnessed, None, detail)
        })?;
        Ok(attestation)
    }

    fn keep_decision(&mut self, call: CallView, record: Record, reply: Reply<DecisionView>) {
        let cx = &mut self.cx;
        cx.ledger.decided.add(&call.call_id, record.clone());
        let token = cx.number();
        let line = Line::Decided {
            call_id: call.call_id.clone(),
            record: Box::new(record.clone()),
        };
        let view = DecisionView {
            decision: record.decision,
            attestation: record.attestation,
            replaced: false,
        };
        if cx.shell.store(&line, Some(token)).is_err() {
            return reply.respond(Err(not_stored()));
        }
        self.decisions.awaiting.insert(token, (call, view, reply));
    }

    /// Answers the decision of a token. False when it is none.
    pub(crate) fn on_decision_stored(&mut self, token: u64, done: bool) -> bool {
        let Some((call, view, reply)) = self.decisions.awaiting.remove(&token) else {
            return false;
        };
        if !done {
            reply.respond(Err(not_stored()));
            return true;
        }
        let decision = &view.decision;
        let said = format!(
            "{} {} by {}",
            decision.role, decision.choice, decision.assurance
        );
        if let Some(slot) = self.calls.get_mut(&call.call_id) {
            slot.step(self.cx.now, format!("decision: {said}"));
        }
        self.tell_decision(&call, view.clone());
        reply.respond(Ok(view));
        true
    }

    fn tell_decision(&mut self, call: &CallView, record: DecisionView) {
        let view = self.view_of(&call.call_id).unwrap_or_else(|| call.clone());
        let view = with_decision(&self.cx, view);
        publish(&mut self.cx, view, Some(record));
    }

    fn witness_refusal(
        &mut self,
        call: &CallView,
        decision: Option<&Decision>,
        not_taken: &NotTaken,
    ) {
        let cx = &mut self.cx;
        if cx.ledger.decided.count_refused(&call.call_id) > REFUSALS_MAX {
            return;
        }
        // The name of an unknown member is any text: it stays out of the log.
        let field = not_taken.field.as_deref();
        let detail = field
            .filter(|_| not_taken.why != Why::Malformed)
            .unwrap_or_default();
        let guardians = &cx.settings.guardians;
        let is_known = |decision: &&Decision| match decision.role {
            Role::Expert => decision.party == call.expert_id,
            Role::Guardian => guardians.iter().any(|known| known.name == decision.party),
        };
        // Texts of a stranger stay out of the log.
        let known = decision.filter(is_known);
        let fact = match known {
            Some(decision) => fact(call, decision, entry::Event::DecisionRefused),
            None => about(call, entry::Event::DecisionRefused),
        };
        let is_offered = |choice: &&str| view::choices(call).iter().any(|known| known == choice);
        let fact = Fact {
            reason: Some(not_taken.why.as_str()),
            decision: fact.decision.map(|members| Members {
                choice: members.choice.filter(is_offered),
                ..members
            }),
            detail,
            ..fact
        };
        let _ = cx.shell.witness(&fact, false);
    }

    /// Notes the end of the time for a decision about a call that has just ended.
    pub(crate) fn await_decision(&mut self, call_id: &str) {
        let Some(call) = self.view_of(call_id).filter(is_asked) else {
            return;
        };
        self.arm(&call);
    }

    fn arm(&mut self, call: &CallView) {
        let decision_s = self.cx.settings.limits.decision_s;
        if let Some(until) = until_ms(call, decision_s) {
            let wait = Duration::from_millis(until.saturating_sub(self.cx.now.unix_ms));
            let due = Due::Undecided(call.call_id.as_str().into());
            let deadline = self.cx.after(wait, due);
            let decided = &mut self.cx.ledger.decided;
            if let Some(replaced) = decided.set_deadline(&call.call_id, deadline) {
                self.cx.timers.remove(replaced);
            }
        }
    }

    /// Waits for decisions about calls that ended in an earlier process.
    pub(crate) fn await_decisions(&mut self) {
        let decision_s = self.cx.settings.limits.decision_s;
        let (ledger, now_ms) = (&self.cx.ledger, self.cx.now.unix_ms);
        let is_waited_for = |call: &&CallView| {
            is_asked(call)
                && !ledger.decided.is_closed(&call.call_id)
                && until_ms(call, decision_s).is_some_and(|until| until + FORGOTTEN_MS > now_ms)
        };
        let calls = ledger.all_ended().map(|detail| &detail.call);
        let waited: Vec<CallView> = calls.filter(is_waited_for).cloned().collect();
        waited.iter().for_each(|call| self.arm(call));
    }

    /// The time for a decision about a call has passed.
    pub(crate) fn close_decision(&mut self, call_id: &str) {
        let Some(call) = self.view_of(call_id) else {
            return;
        };
        let call = with_decision(&self.cx, call);
        // A call of the same name may have begun anew.
        if call.ended.is_none() || call.decision_state != DecisionState::NoDecision {
            return;
        }
        if !self.cx.ledger.decided.close(call_id) {
            return;
        }
        self.cx.remember(&Line::Undecided {
            call_id: call_id.to_owned(),
        });
        witness_absence(&mut self.cx, &call);
        publish(&mut self.cx, call, None);
    }

    /// Adds to a call its decisions, and those that may come.
    pub(crate) fn with_decisions(&self, mut detail: CallDetail) -> CallDetail {
        let cx = &self.cx;
        detail.call = with_decision(cx, detail.call);
        detail.decisions = cx.ledger.decided.views(&detail.call.call_id);
        let (call, decision_s) = (&detail.call, cx.settings.limits.decision_s);
        detail.asked = (!is_late(call, decision_s, cx.now)).then(|| DecisionAsked {
            council: cx.gate.caller().to_string(),
            choices: view::choices(call),
            question_sha256: view::question_sha256(call),
            assurance: cx.gate.assurances(&call.hazard).to_vec(),
            passkeys: cx
                .gate
                .passkeys(&call.expert_id)
                .iter()
                .map(|passkey| PasskeyAsked {
                    id: passkey.id.clone(),
                    rp_id: passkey.rp_id.clone(),
                })
                .collect(),
            until: until_ms(call, decision_s).map(of_ms),
        });
        detail
    }
}

/// Forgets the decisions of a call that leaves memory. If a decision is awaited, the outcome is
/// `no_decision`: an unknown call takes none.
pub(crate) fn forget(cx: &mut Context, call: &CallView) {
    let call = with_decision(cx, call.clone());
    let Some(deadline) = cx.ledger.decided.forget(&call.call_id) else {
        return;
    };
    cx.timers.remove(deadline);
    if call.decision_state != DecisionState::Decided {
        let decision_state = DecisionState::NoDecision;
        witness_absence(cx, &call);
        publish(
            cx,
            CallView {
                decision_state,
                ..call
            },
            None,
        );
    }
}

fn witness_absence(cx: &mut Context, call: &CallView) {
    let fact = Fact {
        expert: Some(&call.expert_id),
        ..about(call, entry::Event::NoDecision)
    };
    cx.witness(&fact);
}

fn publish(cx: &mut Context, call: CallView, record: Option<DecisionView>) {
    let event = DecisionEvent {
        call_id: call.call_id.clone(),
        trace_id: call.trace_id.clone(),
        expert_id: call.expert_id.clone(),
        decision_state: call.decision_state,
        record,
    };
    cx.shell.publish(Event::Decision(Box::new(event)));
    cx.shell.publish(Event::Call(Box::new(call)));
}

/// Adds to a call whether its expert has decided.
pub(crate) fn with_decision(cx: &Context, mut call: CallView) -> CallView {
    let decision_s = cx.settings.limits.decision_s;
    (call.decision_state, call.decision) = cx.ledger.decided.state(&call, decision_s, cx.now);
    call
}

/// The decision of keys pressed on the expert's phone; the council's key signs it.
fn phoned(cx: &Context, call: &CallView, choice: &str) -> Result<Decision, NotTaken> {
    let mut decision = Decision {
        v: VERSION.to_owned(),
        call_id: call.call_id.clone(),
        trace_id: call.trace_id.clone(),
        council: cx.gate.caller().to_string(),
        role: Role::Expert,
        party: call.expert_id.clone(),
        choice: choice.to_owned(),
        question_sha256: view::question_sha256(call),
        text: None,
        text_sha256: None,
        time: String::new(),
        assurance: Assurance::Phone,
        kid: cx.gate.kid().to_owned(),
        public_key: None,
        signature: None,
    };
    decision.time = of_ms(later_than_all(cx, &decision));
    let signed = cx.gate.sign_decision(&mut decision);
    signed.map_err(|error| NotTaken::new(Why::Malformed, None, error.to_string()))?;
    Ok(decision)
}

/// Now, or a time after the party's latest decision, which may be of this millisecond or of a clock
/// that is ahead: keys on the phone replace an earlier decision, however close it was.
fn later_than_all(cx: &Context, decision: &Decision) -> u64 {
    let earlier = cx.ledger.decided.records(&decision.call_id).iter();
    let times = earlier
        .filter(|record| view::is_same_party(&record.decision, decision))
        .filter_map(|record| parse_ns(&record.decision.time));
    let after = times.max().map_or(0, |ns| ns / 1_000_000 + 1);
    cx.now.unix_ms.max(after)
}

fn judge_in(
    cx: &Context,
    call: &CallView,
    submission: &Submission,
    decision: &Decision,
) -> Result<(), NotTaken> {
    let way: &[Assurance] = match submission {
        Submission::Api { .. } => &[Assurance::Key, Assurance::Passkey],
        // The page of an expert who is not in the call any more.
        Submission::Page { expert_id, .. } if *expert_id != call.expert_id => {
            let detail = "is no party of this call";
            return Err(NotTaken::new(Why::WrongParty, Some("party"), detail));
        }
        Submission::Page { .. } => &[Assurance::Link, Assurance::Passkey],
        Submission::Phone { .. } => &[Assurance::Phone],
    };
    let circumstances = Circumstances {
        call,
        council: cx.gate.caller().as_str(),
        is_late: is_late(call, cx.settings.limits.decision_s, cx.now),
        enough: cx.gate.assurances(&call.hazard),
        way,
        earlier: cx.ledger.decided.records(&call.call_id),
        now_ms: cx.now.unix_ms,
    };
    let guardians = &cx.settings.guardians;
    let guardian = |name: &str| guardians.iter().find(|guardian| guardian.name == name);
    let is_guardian = |name: &str| guardian(name).is_some();
    judge(decision, &circumstances, is_guardian, |decision| {
        let by = match decision.role {
            Role::Expert => return cx.gate.is_signed_by_expert(decision, cx.now.unix_s()),
            Role::Guardian => guardian(&decision.party),
        };
        let key = by.and_then(|guardian| guardian.public_key.as_deref()?.parse().ok());
        decision.kid == decision.party && key.is_some_and(|key| decision.verify(&key).is_ok())
    })
}

/// An entry about a call.
fn about(call: &CallView, event: entry::Event) -> Fact<'_> {
    Fact {
        trace_id: Some(&call.trace_id),
        call_id: Some(&call.call_id),
        hazard: Some(&call.hazard),
        ..Fact::new(event, "")
    }
}

/// An entry about a decision of a known party.
fn fact<'a>(call: &'a CallView, decision: &'a Decision, event: entry::Event) -> Fact<'a> {
    let party = Some(decision.party.as_str());
    let text_sha256 = decision.text_sha256.as_deref();
    let (expert, guardian) = match decision.role {
        Role::Expert => (party, None),
        Role::Guardian => (None, party),
    };
    Fact {
        expert,
        guardian,
        kid: Some(&decision.kid),
        decision: Some(Members {
            choice: Some(&decision.choice),
            assurance: Some(decision.assurance),
            text_sha256: text_sha256.and_then(|hex| hex::decode(hex.as_bytes())),
            sha256: decision.digest().ok(),
        }),
        ..about(call, event)
    }
}

fn not_stored() -> Refusal {
    Refusal::new(ErrorName::Unavailable, "the decision cannot be stored")
}
