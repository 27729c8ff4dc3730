//! One decision from end to end: the gates, the shared state, the witness entry.

use ife_guard::{CallKey, Direction, Gate, Image, Now, Policy as Rules, Text, Verdict, decide};
use ife_message::Aor;

use crate::message::Message;
use crate::plumbing::failure::Failure;
use crate::policy::Policy;
use crate::shared::calls::{Begun, Call, Place, Tags};
use crate::shared::counters::Counter;
use crate::state::{self, WorkerState};
use crate::sys;
use crate::witness::{Prepared, Witness};

/// Seconds after which a caller may try again when the witness log lags.
const WITNESS_RETRY_S: u32 = 5;
/// With `required`, one in this many bytes of the ring is kept from approvals: a call that was let in has events to come, and a
/// final reply that was relayed cannot be taken back.
const APPROVAL_RESERVE: u64 = 4;
/// The same for rejections, which may use part of what approvals may not.
const REJECTION_RESERVE: u64 = 8;

/// A verdict and where its entry is.
pub(crate) struct Decision {
    pub(crate) verdict: Verdict,
    /// Approved as part of an approved call.
    pub(crate) in_dialog: bool,
    /// 0 not, 1 in the ring, 2 on disk.
    pub(crate) witnessed: u32,
    pub(crate) seq: u64,
    pub(crate) leaf_hash: [u8; 32],
}

impl Decision {
    fn of(verdict: Verdict) -> Self {
        Self {
            verdict,
            in_dialog: false,
            witnessed: 0,
            seq: 0,
            leaf_hash: [0; 32],
        }
    }

    fn entered(&mut self, prepared: Prepared) {
        self.witnessed = 1;
        self.seq = prepared.seq;
        self.leaf_hash = prepared.leaf_hash;
    }
}

/// Decides on a request, notes it in the shared state and in the witness log.
pub(crate) fn check(policy: &mut Policy, msg: &Message<'_>) -> Result<Decision, Failure> {
    policy.check_attached()?;
    let request = msg.request()?;
    let (now, unix_ns) = sys::now();
    policy.follow_registry(now);
    if !msg.to_tag.is_empty()
        && let Some(decision) = in_dialog(policy, msg, now)
    {
        return Ok(decision);
    }
    let image = policy.registry.image()?;
    // The table's own floor of iat covers a widened window, see shared/replay.rs.
    let rules = Rules {
        image: &image,
        freshness_s: policy.options.freshness_s,
        iat_floor_s: 0,
    };
    let Some(worker) = &mut policy.worker else {
        return Err(Failure::invalid("not attached"));
    };
    let mut state = WorkerState::new(&policy.shared, policy.legacy.as_ref(), worker.slot);
    let verdict = decide(&rules, &request, &mut state, &mut worker.keys, now);
    let begun = state.begun();
    crate::shared::step();
    let mut verdict = verdict;
    if policy.options.shadow && !verdict.approved {
        verdict.expert_contact = contact_all_the_same(&image, &verdict, msg);
    }
    let mut decision = Decision::of(verdict);
    if decision.verdict.approved {
        witness_approval(policy, msg, begun, &mut decision, now, unix_ns);
    } else {
        witness_rejection(policy, msg, &mut decision, unix_ns);
    }
    count(policy, &decision.verdict);
    Ok(decision)
}

/// Where a call that only shadow mode lets pass goes: as if it had been approved.
fn contact_all_the_same(image: &Image<'_>, verdict: &Verdict, msg: &Message<'_>) -> Text<256> {
    if verdict.direction != Direction::ToExpert {
        return Text::new();
    }
    let contact = image
        .expert(&verdict.expert)
        .and_then(|expert| expert.contact());
    match contact {
        Some(contact) => Text::of(contact),
        None => Aor::parse(msg.ruri).map_or(Text::new(), |aor| Text::of(aor.as_str())),
    }
}

/// What is answered, and undone, when `check` panicked.
pub(crate) fn internal_error(policy: &mut Policy, msg: &Message<'_>) -> Decision {
    // A call that was under way before is not this decision's, but after a bug refusing too much is right.
    state::abort_call(
        &policy.shared,
        &CallKey::new(msg.call_id, msg.from_tag),
        sys::now().0.mono_ms / 1000,
    );
    let verdict = internal_verdict("a bug was contained, see the log");
    let mut decision = Decision::of(verdict);
    if policy.is_attached() {
        witness_rejection(policy, msg, &mut decision, sys::now().1);
    }
    count(policy, &decision.verdict);
    decision
}

/// The verdict on a request that met a fault of ours.
pub(crate) fn internal_verdict(detail: &str) -> Verdict {
    Verdict::rejected(Gate::Internal, 500, "Server Internal Error", detail)
}

/// Approved if the request belongs to an approved call.
fn in_dialog(policy: &Policy, msg: &Message<'_>, now: Now) -> Option<Decision> {
    let tags = Tags {
        from: msg.from_tag,
        to: msg.to_tag,
    };
    let (_, call) = policy
        .shared
        .calls()
        .find_dialog(msg.call_id, tags, now.mono_ms / 1000)?;
    let mut verdict = Verdict::approved();
    verdict.direction = call.direction;
    verdict.trace_id = call.trace_id;
    verdict.hazard = call.hazard;
    verdict.expert = call.expert;
    verdict.kid = call.kid;
    let mut decision = Decision::of(verdict);
    decision.in_dialog = true;
    decision.leaf_hash = call.leaf_hash;
    decision.seq = call.seq;
    Some(decision)
}

/// Publishes the call, then its entry: whoever sees a reply of the call finds its record.
fn witness_approval(
    policy: &mut Policy,
    msg: &Message<'_>,
    begun: Option<Begun>,
    decision: &mut Decision,
    now: Now,
    unix_ns: u64,
) {
    let now_s = now.mono_ms / 1000;
    let key = decision.verdict.call_key;
    if begun.is_none()
        && let Some((_, call)) = policy
            .shared
            .calls()
            .find_caller(msg.call_id, msg.from_tag, now_s)
        && call.cseq == msg.cseq
        && call.witnessed > 0
        && !call.ended
    {
        // The same INVITE again, say after a restart of the server: it has its entry.
        decision.witnessed = call.witnessed;
        decision.seq = call.seq;
        decision.leaf_hash = call.leaf_hash;
        return;
    }
    let Some(worker) = &mut policy.worker else {
        return;
    };
    let Ok(prepared) = worker
        .witness
        .prepare_decision(msg, &decision.verdict, unix_ns)
    else {
        return refuse(
            policy,
            msg,
            begun.is_some(),
            decision,
            "the witness entry cannot be encoded",
            unix_ns,
        );
    };
    let call = call_of(&decision.verdict, msg, prepared);
    let place = note_call(
        policy,
        begun,
        &key,
        &call,
        decision.verdict.max_call_s,
        now_s,
    );
    if begun.is_some() && place.is_none() {
        return refuse(
            policy,
            msg,
            true,
            decision,
            "the call's record was lost",
            unix_ns,
        );
    }
    crate::shared::step();
    if !push(policy, prepared, APPROVAL_RESERVE) {
        if policy.options.witness_required {
            return refuse(
                policy,
                msg,
                begun.is_some(),
                decision,
                "the witness ring is full or closed",
                unix_ns,
            );
        }
        return drop_entry(policy);
    }
    decision.entered(prepared);
    crate::shared::step();
    if let Some(place) = place {
        policy.shared.calls().witnessed(place, 1);
    }
    wait_for_disk(policy, msg, begun.is_some(), place, decision);
}

fn wait_for_disk(
    policy: &mut Policy,
    msg: &Message<'_>,
    started: bool,
    place: Option<Place>,
    decision: &mut Decision,
) {
    let timeout = policy.options.witness_wait;
    if timeout.is_zero() {
        return;
    }
    policy.count(Counter::WitnessWaits);
    let on_disk = policy
        .worker
        .as_ref()
        .is_some_and(|worker| worker.witness.wait(decision.seq, timeout));
    if on_disk {
        decision.witnessed = 2;
        if let Some(place) = place {
            policy.shared.calls().witnessed(place, 2);
        }
    } else if policy.options.witness_required {
        // The approval may reach the log yet; this second entry says what really became of the call.
        refuse(
            policy,
            msg,
            started,
            decision,
            "the decision was not on disk in time",
            sys::now().1,
        );
    }
}

/// Turns an approval into the witness gate's refusal and undoes the call that this decision started.
fn refuse(
    policy: &mut Policy,
    msg: &Message<'_>,
    started: bool,
    decision: &mut Decision,
    why: &str,
    unix_ns: u64,
) {
    if started {
        state::abort_call(&policy.shared, &decision.verdict.call_key, 0);
    }
    decision
        .verdict
        .reject(Gate::Witness, 503, "Service Unavailable", why);
    decision.verdict.retry_after_s = WITNESS_RETRY_S;
    decision.witnessed = 0;
    witness_rejection(policy, msg, decision, unix_ns);
}

fn witness_rejection(
    policy: &mut Policy,
    msg: &Message<'_>,
    decision: &mut Decision,
    unix_ns: u64,
) {
    let Some(worker) = &mut policy.worker else {
        return;
    };
    let prepared = worker
        .witness
        .prepare_decision(msg, &decision.verdict, unix_ns);
    match prepared {
        Ok(prepared) if push(policy, prepared, REJECTION_RESERVE) => decision.entered(prepared),
        Ok(_) | Err(_) => drop_entry(policy),
    }
}

fn push(policy: &mut Policy, prepared: Prepared, reserve: u64) -> bool {
    let is_required = policy.options.witness_required;
    let push = |witness: &mut Witness| {
        if is_required {
            witness.push_above(prepared, reserve)
        } else {
            witness.push(prepared)
        }
    };
    let is_queued = policy
        .worker
        .as_mut()
        .is_some_and(|worker| push(&mut worker.witness).is_ok());
    if is_queued {
        policy.count(Counter::WitnessQueued);
    }
    is_queued
}

/// A decision that is not in the log. With `required` no call has passed without one, so there is no hole to prove.
fn drop_entry(policy: &mut Policy) {
    policy.count(Counter::WitnessDropped);
    if !policy.options.witness_required
        && let Some(worker) = &mut policy.worker
    {
        worker.witness.skip();
    }
}

fn call_of(verdict: &Verdict, msg: &Message<'_>, prepared: Prepared) -> Call {
    Call {
        connected: false,
        ended: false,
        witnessed: 0,
        direction: verdict.direction,
        cseq: msg.cseq,
        seq: prepared.seq,
        leaf_hash: prepared.leaf_hash,
        trace_id: verdict.trace_id,
        hazard: verdict.hazard,
        expert: verdict.expert,
        kid: verdict.kid,
    }
}

fn note_call(
    policy: &Policy,
    begun: Option<Begun>,
    key: &CallKey,
    call: &Call,
    max_call_s: u32,
    now_s: u64,
) -> Option<Place> {
    let calls = policy.shared.calls();
    match begun {
        Some(begun) => calls.publish(begun, call, max_call_s),
        None => {
            let place = calls.under_way(key, now_s)?;
            calls.redecide(place, call);
            Some(place)
        }
    }
}

fn count(policy: &Policy, verdict: &Verdict) {
    if verdict.approved {
        policy.count(Counter::Approved);
        return;
    }
    policy
        .shared
        .counters()
        .add_rejected(policy.slot(), usize::from(verdict.gate.number()));
}
