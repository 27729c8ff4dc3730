//! Entering decisions into the witness log: every approval is witnessed as configured.

use std::time::{Duration, Instant};

use ife_guard::network::canonical;
use ife_guard::{CallKey, Gate, Now, Verdict};

use crate::address::octets;
use crate::decision::Decision;
use crate::dialog::{self, Lesson};
use crate::message::Message;
use crate::policy::Policy;
use crate::shared::calls::{Begun, Call, CallRef, RingEntry, Side};
use crate::shared::counters::Counter;
use crate::shared::stall::Turn;
use crate::state;
use crate::sys;
use crate::waiting::{Ticket, Wait};
use crate::witness::{Prepared, Witness};

/// Seconds after which a caller may try again when the witness log lags.
const RETRY_S: u32 = 5;
/// With `required`, approvals leave one in this many bytes of the ring free: an approved call has
/// events to come, and a relayed final reply cannot be withdrawn.
const APPROVAL_RESERVE: u64 = 8;
/// Rejections leave more free: any sender can cause them, and they must not displace calls.
const REJECTION_RESERVE: u64 = 4;
/// Time between two reads of a call's record while another process witnesses its decision.
const POLL: Duration = Duration::from_millis(1);
/// Reads of a record that another worker is about to publish.
const LOOKS: usize = 20;

/// Private details of refusals by the witness gate.
mod why {
    pub(super) const NOT_ENCODED: &str = "the witness entry cannot be encoded";
    pub(super) const RECORD_LOST: &str = "the call's record was lost";
    pub(super) const NO_ROOM: &str = "the witness ring is full or closed";
    pub(super) const LATE: &str = "the decision was not on disk in time";
    pub(super) const SECOND: &str = "another INVITE of this call is under way";
    pub(super) const STALLED: &str = "the witness daemon stalls, no decision reaches the disk";
}

/// Witnesses an approval, or turns it into a refusal. The call's record is published before its
/// entry, so that the record exists when a reply arrives.
///
/// `begun`: the record that this decision began, if the call was not under way already.
pub(crate) fn approval(
    policy: &mut Policy,
    msg: &Message<'_>,
    begun: Option<Begun>,
    wait: Wait,
    decision: &mut Decision,
    (now, unix_ns): (Now, u64),
) {
    if begun.is_none() {
        match under_way(policy, msg, &decision.verdict, now) {
            UnderWay::Same(call) => return repeat(policy, msg, &call, wait, decision, now),
            UnderWay::Other => return refuse_second(policy, msg, decision, now, unix_ns),
            UnderWay::Unwitnessed => {}
        }
    }
    let may_wait = match turn(policy, now) {
        Turn::Wait => true,
        Turn::Skip if policy.options.witness_required => {
            return refuse(policy, msg, begun.is_some(), decision, why::STALLED);
        }
        Turn::Skip => false,
    };
    match enter(policy, msg, begun, decision, now, unix_ns) {
        Ok(call_ref) if may_wait => match wait {
            Wait::Here => wait_for_disk(policy, msg, begun.is_some(), call_ref, decision),
            Wait::Elsewhere => defer(policy, begun.is_some(), decision),
        },
        Ok(_) => {}
        Err(why) => refuse(policy, msg, begun.is_some(), decision, why),
    }
}

/// Witnesses a rejection. Without room or budget for its entry, the caller is refused as well.
pub(crate) fn rejection(
    policy: &mut Policy,
    msg: &Message<'_>,
    decision: &mut Decision,
    now: Now,
    unix_ns: u64,
) {
    let identity = refusal_identity(msg, &decision.verdict);
    if policy.shared.refusals().is_recent(&identity, now) {
        return;
    }
    if is_unauthenticated(decision.verdict.gate) && !policy.may_write_refusal(msg, now, unix_ns) {
        return;
    }
    let Some(worker) = &mut policy.worker else {
        return;
    };
    match worker
        .witness
        .prepare_decision(msg, &decision.verdict, unix_ns)
    {
        Ok(prepared) if push(policy, prepared, REJECTION_RESERVE) => {
            policy.shared.refusals().remember(&identity, now);
            decision.entered(prepared);
        }
        Ok(_) | Err(_) => drop_entry(policy),
    }
}

/// Counts a final answer.
pub(crate) fn count(policy: &Policy, verdict: &Verdict) {
    if verdict.approved {
        policy.count(Counter::Approved);
        return;
    }
    policy
        .shared
        .counters()
        .add_rejected(policy.slot(), usize::from(verdict.gate.number()));
}

/// Returns the identity of a refusal, equal for a retransmission of the request with the same
/// answer: a server without a transaction for the request sees each of them.
fn refusal_identity(msg: &Message<'_>, verdict: &Verdict) -> Vec<u8> {
    let call = CallKey::new(msg.call_id, msg.from_tag);
    let mut identity = [call.call_id, call.caller_tag].concat();
    identity.extend_from_slice(&CallKey::hash(msg.method));
    identity.extend_from_slice(&msg.cseq.to_le_bytes());
    identity.extend_from_slice(&[verdict.gate.number()]);
    identity.extend_from_slice(&verdict.code.to_le_bytes());
    if let Some(peer) = msg.peer {
        identity.extend_from_slice(&octets(canonical(peer.ip())));
    }
    identity
}

/// Returns true for refusals that an unauthenticated sender can cause: no fresh signature of a
/// party was seen, or the request belongs to no call.
fn is_unauthenticated(gate: Gate) -> bool {
    match gate {
        Gate::Headers
        | Gate::Registry
        | Gate::Standing
        | Gate::Hazard
        | Gate::Source
        | Gate::Flood
        | Gate::Signature
        | Gate::Freshness
        | Gate::Replay
        | Gate::Dialog => true,
        Gate::None | Gate::Quota | Gate::Witness | Gate::Internal => false,
    }
}

/// The call that holds the seat of an INVITE that began no call.
#[allow(
    clippy::large_enum_variant,
    reason = "one lives on the stack, for the time of a look"
)]
enum UnderWay {
    /// This INVITE, with an entry.
    Same(Call),
    /// This INVITE, without an entry (best effort).
    Unwitnessed,
    /// Another INVITE with this Call-ID and From tag. Two would ring the phone twice for one seat.
    Other,
}

fn under_way(policy: &Policy, msg: &Message<'_>, verdict: &Verdict, now: Now) -> UnderWay {
    let calls = policy.shared.calls();
    let now_s = now.mono_ms / 1000;
    for _ in 0..LOOKS {
        match calls.find_caller(msg.call_id, msg.from_tag, now_s) {
            Some((_, call)) if call.ended || call.cseq != msg.cseq => return UnderWay::Other,
            Some((_, call)) if call.witnessed > 0 => return UnderWay::Same(call),
            Some(_) if !policy.options.witness_required => return UnderWay::Unwitnessed,
            // Another worker is about to publish or witness the call, or abandoned it.
            Some(_) => {}
            None if calls.under_way(&verdict.call_key, now_s).is_none() => break,
            None => {}
        }
        std::thread::sleep(POLL);
    }
    UnderWay::Other
}

/// Refuses an INVITE whose call another INVITE began.
fn refuse_second(
    policy: &mut Policy,
    msg: &Message<'_>,
    decision: &mut Decision,
    now: Now,
    unix_ns: u64,
) {
    decision
        .verdict
        .reject(Gate::Quota, 486, "Busy Here", why::SECOND);
    rejection(policy, msg, decision, now, unix_ns);
}

/// Refuses an approved request within a dialog because its entry found no room.
pub(crate) fn refuse_unwitnessed(decision: &mut Decision) {
    decision.in_dialog = false;
    decision.next_hop = None;
    decision
        .verdict
        .reject(Gate::Witness, 503, "Witness Unavailable", why::NO_ROOM);
    decision.verdict.retry_after_s = RETRY_S;
}

/// Returns the record of the same INVITE (Call-ID, caller's tag, CSeq) if it has an entry. An
/// INVITE is repeated for example after a restart of the server.
fn same_invite(policy: &Policy, msg: &Message<'_>, now: Now) -> Option<Call> {
    let calls = policy.shared.calls();
    let (_, call) = calls.find_caller(msg.call_id, msg.from_tag, now.mono_ms / 1000)?;
    (call.cseq == msg.cseq && call.witnessed > 0 && !call.ended).then_some(call)
}

/// Answers a repeated INVITE by its entry, after the entry is on disk if that is required.
fn repeat(
    policy: &mut Policy,
    msg: &Message<'_>,
    call: &Call,
    wait: Wait,
    decision: &mut Decision,
    now: Now,
) {
    let mut witnessed = call.witnessed;
    let start = Instant::now();
    let must_wait = policy.options.witness_required;
    let may_defer = must_wait && witnessed == 1 && wait == Wait::Elsewhere;
    if may_defer
        && !policy.options.witness_wait.is_zero()
        && let Some(entry) = call.entry
    {
        decision.witnessed = witnessed;
        decision.seq = call.seq;
        decision.leaf_hash = call.leaf_hash;
        decision.ticket = Some(ticket(policy, entry, false));
        return;
    }
    // The process that decided first waits for the disk. If it was killed meanwhile, the next
    // start has settled the record; an entry that is not on disk by now is late.
    while must_wait && witnessed == 1 && start.elapsed() < policy.options.witness_wait {
        std::thread::sleep(POLL);
        witnessed = same_invite(policy, msg, now).map_or(0, |call| call.witnessed);
    }
    if must_wait && witnessed < 2 && !policy.options.witness_wait.is_zero() {
        return refuse(policy, msg, false, decision, why::LATE);
    }
    decision.witnessed = witnessed;
    decision.seq = call.seq;
    decision.leaf_hash = call.leaf_hash;
}

/// Publishes the call's record and pushes the entry.
fn enter(
    policy: &mut Policy,
    msg: &Message<'_>,
    begun: Option<Begun>,
    decision: &mut Decision,
    now: Now,
    unix_ns: u64,
) -> Result<Option<CallRef>, &'static str> {
    let Some(worker) = &mut policy.worker else {
        return Err(why::NO_ROOM);
    };
    let prepared = worker
        .witness
        .prepare_decision(msg, &decision.verdict, unix_ns);
    let prepared = prepared.map_err(|_| why::NOT_ENCODED)?;
    let call_ref = note_call(
        policy,
        begun,
        &decision.verdict,
        msg,
        prepared,
        now.mono_ms / 1000,
    );
    if begun.is_some() && call_ref.is_none() {
        return Err(why::RECORD_LOST);
    }
    crate::shared::step();
    if push(policy, prepared, APPROVAL_RESERVE) {
        decision.entered(prepared);
        crate::shared::step();
        if let Some(call_ref) = call_ref {
            policy.shared.calls().witnessed(call_ref, 1);
        }
    } else if policy.options.witness_required {
        return Err(why::NO_ROOM);
    } else {
        if let Some(call_ref) = call_ref {
            policy.shared.calls().forget_entry(call_ref);
        }
        drop_entry(policy);
    }
    Ok(call_ref)
}

/// Leaves the wait for the disk to another process.
fn defer(policy: &Policy, began: bool, decision: &mut Decision) {
    if policy.options.witness_wait.is_zero() {
        return;
    }
    if let Some(end) = decision.entry_end {
        policy.count(Counter::WitnessWaits);
        let entry = RingEntry {
            worker: policy.slot() as u16, // below PROCESSES_MAX
            end,
        };
        decision.ticket = Some(ticket(policy, entry, began));
    }
}

fn ticket(policy: &Policy, entry: RingEntry, began: bool) -> Ticket {
    Ticket {
        entry,
        log_size: policy
            .worker
            .as_ref()
            .map_or(0, |worker| worker.witness.log_size()),
        began,
    }
}

fn wait_for_disk(
    policy: &mut Policy,
    msg: &Message<'_>,
    started: bool,
    call_ref: Option<CallRef>,
    decision: &mut Decision,
) {
    let timeout = policy.options.witness_wait;
    if timeout.is_zero() || decision.witnessed == 0 {
        return;
    }
    policy.count(Counter::WitnessWaits);
    let Some(worker) = &policy.worker else { return };
    let size_before = worker.witness.log_size();
    if worker.witness.wait(decision.seq, timeout) {
        policy.shared.stall().progressed();
        decision.witnessed = 2;
        if let Some(call_ref) = call_ref {
            policy.shared.calls().witnessed(call_ref, 2);
        }
        return;
    }
    // A log that grows has a slow writer, not a stalled one.
    if worker.witness.log_size() == size_before {
        policy
            .shared
            .stall()
            .timed_out(sys::now().0.mono_ms, size_before);
    }
    if policy.options.witness_required {
        // The approval may still reach the log; the second entry records the refusal.
        refuse(policy, msg, started, decision, why::LATE);
    }
}

/// Returns whether this decision may wait for the disk or would wait in vain.
fn turn(policy: &Policy, now: Now) -> Turn {
    if policy.options.witness_wait.is_zero() {
        return Turn::Wait;
    }
    match &policy.worker {
        Some(worker) => policy
            .shared
            .stall()
            .turn(now.mono_ms, worker.witness.log_size()),
        None => Turn::Skip,
    }
}

/// Turns an approval into the witness gate's refusal and undoes a call that it started.
pub(crate) fn refuse(
    policy: &mut Policy,
    msg: &Message<'_>,
    started: bool,
    decision: &mut Decision,
    why: &str,
) {
    if started {
        state::abort_call(&policy.shared, &decision.verdict.call_key, 0);
    }
    reject(decision, why);
    let (now, unix_ns) = sys::now();
    rejection(policy, msg, decision, now, unix_ns);
}

/// Turns an approval into the witness gate's refusal.
pub(crate) fn reject(decision: &mut Decision, why: &str) {
    decision
        .verdict
        .reject(Gate::Witness, 503, "Service Unavailable", why);
    decision.verdict.retry_after_s = RETRY_S;
    decision.witnessed = 0;
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

/// Drops a decision's entry. With `required` the call is refused, so the log needs no hole.
fn drop_entry(policy: &mut Policy) {
    policy.count(Counter::WitnessDropped);
    if !policy.options.witness_required
        && let Some(worker) = &mut policy.worker
    {
        worker.witness.skip();
    }
}

fn note_call(
    policy: &Policy,
    begun: Option<Begun>,
    verdict: &Verdict,
    msg: &Message<'_>,
    prepared: Prepared,
    now_s: u64,
) -> Option<CallRef> {
    let call = Call {
        connected: false,
        ended: false,
        is_end_logged: false,
        // A call that was under way before this decision stays without its entry.
        entry: begun.map(|_| RingEntry {
            worker: policy.slot() as u16, // below PROCESSES_MAX
            end: prepared.end,
        }),
        witnessed: 0,
        direction: verdict.direction,
        cseq: msg.cseq,
        seq: prepared.seq,
        leaf_hash: prepared.leaf_hash,
        trace_id: verdict.trace_id,
        hazard: verdict.hazard,
        expert: verdict.expert,
        kid: verdict.kid,
    };
    let calls = policy.shared.calls();
    let call_ref = match begun {
        Some(begun) => calls.publish(begun, &call, verdict.max_call_s)?,
        None => {
            let call_ref = calls.under_way(&verdict.call_key, now_s)?;
            calls.redecide(call_ref, &call);
            call_ref
        }
    };
    let image = policy.registry.image().ok();
    dialog::learn(
        policy,
        image.as_ref(),
        msg,
        (call_ref, &call),
        Side::Caller,
        Lesson::RouteSet,
    );
    Some(call_ref)
}
