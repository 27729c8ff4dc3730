//! One decision from end to end: gates, shared state, witness entry.

use ife_guard::image::PartyKind;
use ife_guard::{CallKey, Direction, Gate, Now, Policy as Rules, Text, Verdict, decide};
use ife_message::Aor;

use crate::admit;
use crate::decision::Decision;
use crate::dialog;
use crate::event;
use crate::message::Message;
use crate::plumbing::failure::Failure;
use crate::policy::Policy;
use crate::scope;
use crate::shared::calls::{Call, Tags};
use crate::shared::counters::Counter;
use crate::state::{self, WorkerState};
use crate::sys;
use crate::waiting::Wait;

/// Decides on a request and enters the decision into the shared state and the witness log.
///
/// An approval with a ticket is not counted yet.
pub(crate) fn check(
    policy: &mut Policy,
    msg: &Message<'_>,
    wait: Wait,
) -> Result<Decision, Failure> {
    policy.check_attached()?;
    let request = msg.request()?;
    let (now, unix_ns) = sys::now();
    policy.follow_registry(now);
    if !msg.to_tag.is_empty()
        && let Some(decision) = in_dialog(policy, msg, now, unix_ns)
    {
        return Ok(decision);
    }
    let image = policy.registry.image()?;
    if !scope::is_for_gate(policy, &image, msg) {
        policy.count(Counter::NotForGate);
        return Err(scope::not_for_gate());
    }
    if msg.method == b"ACK" {
        // Without an answer, so without an entry: an ACK follows each refusal.
        let detail = "an ACK of no approved dialog";
        let (code, reason) = (481, "Call/Transaction Does Not Exist");
        let verdict = Verdict::rejected(Gate::Dialog, code, reason, detail);
        return Ok(Decision::of(verdict));
    }
    // The replay table's own floor of iat covers a widened window, see shared/replay.rs.
    let rules = Rules {
        image: &image,
        freshness_s: policy.options.freshness_s,
        iat_floor_s: 0,
    };
    let Some(worker) = &mut policy.worker else {
        return Err(Failure::invalid("not attached"));
    };
    let mut state = WorkerState::new(&policy.shared, policy.legacy.as_ref(), worker.slot);
    let tables = worker.keys.tables();
    let verdict = decide(&rules, &request, &mut state, &mut worker.keys, now);
    let begun = state.begun();
    if worker.keys.tables() != tables {
        let counters = policy.shared.counters();
        counters.set_key_tables(worker.slot, worker.keys.tables());
    }
    crate::shared::step();
    let mut decision = Decision::of(verdict);
    if decision.verdict.approved {
        admit::approval(policy, msg, begun, wait, &mut decision, (now, unix_ns));
    } else {
        admit::rejection(policy, msg, &mut decision, now, unix_ns);
    }
    if decision.ticket.is_none() {
        admit::count(policy, &decision.verdict);
    }
    policy.summarise_refusals(now, unix_ns);
    note_target(policy, msg, &mut decision.verdict);
    Ok(decision)
}

/// Gives a refusal that shadow mode lets pass the target of an approval: the call still goes there.
///
/// Comes after the entry, which has all that the gates know.
fn note_target(policy: &Policy, msg: &Message<'_>, verdict: &mut Verdict) {
    if !policy.options.shadow || verdict.approved || !msg.to_tag.is_empty() {
        return;
    }
    let (Ok(image), Ok(callee)) = (policy.registry.image(), Aor::parse(msg.ruri)) else {
        return;
    };
    let Some(called) = image.party_of(&callee) else {
        return;
    };
    match called.kind() {
        PartyKind::Expert => {
            verdict.direction = Some(Direction::ToExpert);
            verdict.expert = Text::of(called.id());
            verdict.expert_contact = Text::of(called.contact().unwrap_or(callee.as_str()));
        }
        PartyKind::Council => {
            verdict.direction = Some(Direction::ToCouncil);
            let caller = Aor::parse(msg.from_uri).ok();
            let calling = caller.and_then(|caller| image.party_of(&caller));
            if let Some(expert) = calling.filter(|party| party.kind() == PartyKind::Expert) {
                verdict.expert = Text::of(expert.id());
            }
        }
    }
}

/// Returns the refusal after a panic in `check`, and undoes the call.
pub(crate) fn internal_error(policy: &mut Policy, msg: &Message<'_>) -> Decision {
    // The call may be older than this decision; after a bug refusing it is the safe side.
    state::abort_call(
        &policy.shared,
        &CallKey::new(msg.call_id, msg.from_tag),
        sys::now().0.mono_ms / 1000,
    );
    let verdict = internal_verdict("a bug was contained, see the log");
    let mut decision = Decision::of(verdict);
    if policy.is_attached() {
        let (now, unix_ns) = sys::now();
        admit::rejection(policy, msg, &mut decision, now, unix_ns);
    }
    admit::count(policy, &decision.verdict);
    note_target(policy, msg, &mut decision.verdict);
    decision
}

/// Returns the verdict on a request that met an internal error.
pub(crate) fn internal_verdict(detail: &str) -> Verdict {
    Verdict::rejected(Gate::Internal, 500, "Server Internal Error", detail)
}

/// Returns the decision on a request of an approved dialog; `None` if it belongs to none.
fn in_dialog(policy: &mut Policy, msg: &Message<'_>, now: Now, unix_ns: u64) -> Option<Decision> {
    let tags = Tags {
        from: msg.from_tag,
        to: msg.to_tag,
    };
    let now_s = now.mono_ms / 1000;
    let found = policy
        .shared
        .calls()
        .find_dialog(msg.call_id, tags, now_s)?;
    let (call_ref, call, dialog) = &found;
    let mut decision = Decision::of(Verdict::approved());
    note_call(&mut decision, call);
    let routed = {
        let image = policy.registry.image().ok();
        let routed = dialog::route(policy, image.as_ref(), msg, *call_ref, call, *dialog);
        if routed.is_ok() {
            let lesson = dialog::lesson_of_request(msg.method);
            dialog::learn(
                policy,
                image.as_ref(),
                msg,
                (*call_ref, call),
                dialog.from(),
                lesson,
            );
        }
        routed
    };
    match routed {
        Ok(next_hop) => {
            decision.in_dialog = true;
            decision.next_hop = Some(next_hop);
            if !event::of_dialog(policy, msg, &found, now, unix_ns) {
                admit::refuse_unwitnessed(&mut decision);
                admit::count(policy, &decision.verdict);
            }
        }
        Err(stop) => {
            let (code, reason, detail) = stop.refusal();
            decision.verdict.reject(Gate::Dialog, code, reason, detail);
            admit::rejection(policy, msg, &mut decision, now, unix_ns);
            admit::count(policy, &decision.verdict);
        }
    }
    Some(decision)
}

fn note_call(decision: &mut Decision, call: &Call) {
    decision.verdict.direction = call.direction;
    decision.verdict.trace_id = call.trace_id;
    decision.verdict.hazard = call.hazard;
    decision.verdict.expert = call.expert;
    decision.verdict.kid = call.kid;
    decision.leaf_hash = call.leaf_hash;
    decision.seq = call.seq;
}
