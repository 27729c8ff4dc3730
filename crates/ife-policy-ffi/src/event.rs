//! One witnessed event of a call, and what it means for the call's record and seat.

use ife_guard::SETUP_LEASE_S;
use ife_witness::entry::Event;
use ife_witness::ring::PushError;

use crate::abi;
use crate::contact;
use crate::message::Message;
use crate::omitted;
use crate::plumbing::failure::Failure;
use crate::policy::Policy;
use crate::shared::calls::{Call, Lease, Place, Side, Tags};
use crate::shared::counters::Counter;
use crate::sys;
use crate::witness::Prepared;

/// How long a call keeps its seat after CANCEL or BYE if the answer to it is never seen, seconds: 64 x T1 of RFC 3261 17.1.1.2.
const ENDING_LEASE_S: u64 = 32;

/// Logs `event` about `msg` and updates the call that it belongs to, whether or not the log has room.
pub(crate) fn log(
    policy: &mut Policy,
    msg: &Message<'_>,
    event: &[u8],
    detail: &[u8],
) -> Result<Prepared, Failure> {
    policy.check_attached()?;
    let event = parse(event)?;
    let (now, unix_ns) = sys::now();
    let now_s = now.mono_ms / 1000;
    let call = find(policy, msg, event, now_s);
    if let Some((place, call)) = &call {
        update(policy, msg, event, *place, call, now_s);
    }
    crate::shared::step();
    omitted::summarise(policy, now, unix_ns);
    // Of a call that was approved everything is written. A refusal before the gate, and a CANCEL of nobody's call, anybody can cause.
    let is_anybodys = call.is_none() && matches!(event, Event::Rejected | Event::Cancel);
    if is_anybodys && !omitted::may_write(policy, msg, now, unix_ns) {
        return Err(Failure::new(
            abi::IFE_WITNESS_OMITTED,
            "counted, not written: too many refusals",
        ));
    }
    enter(
        policy,
        msg,
        event,
        detail,
        call.as_ref().map(|(_, call)| call),
        unix_ns,
    )
}

/// Ends the call with this Call-ID, whose end was never seen, and says so in the log.
pub(crate) fn release(policy: &mut Policy, call_id: &[u8]) -> Result<Prepared, Failure> {
    policy.check_attached()?;
    let (now, unix_ns) = sys::now();
    let now_s = now.mono_ms / 1000;
    let found = policy.shared.calls().find_call_id(call_id, now_s);
    let Some((place, call)) = found.filter(|(_, call)| !call.ended) else {
        return Err(Failure::new(
            abi::IFE_NOT_FOUND,
            "no call under way has this Call-ID",
        ));
    };
    policy
        .shared
        .release(policy.shared.calls().end(place, now_s));
    let msg = Message::of_call(call_id);
    enter(
        policy,
        &msg,
        Event::Terminated,
        b"released by an operator",
        Some(&call),
        unix_ns,
    )
}

fn enter(
    policy: &mut Policy,
    msg: &Message<'_>,
    event: Event,
    detail: &[u8],
    call: Option<&Call>,
    unix_ns: u64,
) -> Result<Prepared, Failure> {
    let Some(worker) = &mut policy.worker else {
        return Err(Failure::invalid("not attached"));
    };
    let prepared = worker
        .witness
        .prepare_event(msg, event, detail, call, unix_ns)
        .map_err(|e| Failure::new(abi::IFE_WITNESS_UNAVAILABLE, e.to_string()))?;
    if let Err(e) = worker.witness.push(prepared) {
        worker.witness.skip();
        policy.count(Counter::WitnessDropped);
        return Err(push_failure(e));
    }
    policy.count(Counter::WitnessQueued);
    Ok(prepared)
}

/// `REJECTED` is for requests that a script refuses before the gate; only the gate approves.
fn parse(name: &[u8]) -> Result<Event, Failure> {
    match Event::parse(name) {
        Some(Event::Approved) => Err(Failure::invalid(
            "event: only ife_policy_check writes APPROVED",
        )),
        Some(event) if event.is_reserved() => Err(Failure::invalid(
            "event: only the witness daemon writes this one",
        )),
        Some(event) => Ok(event),
        None => Err(Failure::invalid("event: not a name of a witness event")),
    }
}

/// The call by the caller's tag on either side. A CANCEL is the caller's and names the INVITE's CSeq (RFC 3261 9.1); a message without
/// a tag of its own, or any other's CANCEL, belongs to no call, whatever Call-ID it bears.
fn find(policy: &Policy, msg: &Message<'_>, event: Event, now_s: u64) -> Option<(Place, Call)> {
    let calls = policy.shared.calls();
    if msg.call_id.is_empty() || msg.from_tag.is_empty() {
        return None;
    }
    let by_from = calls.find_caller(msg.call_id, msg.from_tag, now_s);
    if event == Event::Cancel {
        return by_from.filter(|(_, call)| call.cseq == msg.cseq);
    }
    by_from.or_else(|| {
        if msg.to_tag.is_empty() {
            None
        } else {
            calls.find_caller(msg.call_id, msg.to_tag, now_s)
        }
    })
}

fn update(policy: &Policy, msg: &Message<'_>, event: Event, place: Place, call: &Call, now_s: u64) {
    let calls = policy.shared.calls();
    let is_reply = msg.status_code != 0;
    if is_reply && matches!(event, Event::Trying | Event::Ringing | Event::Connected) {
        calls.learn_callee_tag(place, msg.to_tag, event.connects_call());
    }
    if matches!(event, Event::Ringing | Event::Connected | Event::Reinvite) {
        let is_callers = calls.is_caller(place, msg.from_tag);
        learn_addresses(policy, msg, place, sender(msg, is_callers));
    }
    let is_answered = event.connects_call() && !call.connected;
    let is_refreshed = event == Event::Reinvite && call.connected;
    if (is_answered || is_refreshed) && !call.ended {
        // A refreshed session (RFC 4028) is alive: its lease begins anew. A call that has ended has no seat to renew.
        change_lease(policy, calls.connect(place, now_s));
    } else if matches!(event, Event::Trying | Event::Ringing) && !call.connected && !call.ended {
        change_lease(
            policy,
            calls.prolong(place, now_s + u64::from(SETUP_LEASE_S)),
        );
    } else if is_ending(policy, msg, event, call, now_s) {
        change_lease(policy, calls.shorten(place, now_s + ENDING_LEASE_S));
    } else if ends(msg, event, call) {
        policy.shared.release(calls.end(place, now_s));
    } else if event == Event::Terminated && call.connected && !call.ended {
        // The hang-up was refused: the call goes on.
        change_lease(policy, calls.connect(place, now_s));
    }
}

/// Remembers where `msg` came from and where its sender says that he can be reached.
pub(crate) fn learn_addresses(policy: &Policy, msg: &Message<'_>, place: Place, side: Side) {
    let calls = policy.shared.calls();
    if let Some(peer) = msg.peer {
        calls.learn_address(place, side, peer.to_string().as_bytes());
    }
    if let Some(address) = contact::address(msg.contact) {
        calls.learn_address(place, side, &address);
    }
}

/// Who sent `msg`, by the caller's tag: a reply bears the tags of its request.
fn sender(msg: &Message<'_>, is_from_callers: bool) -> Side {
    if is_from_callers == (msg.status_code == 0) {
        Side::Caller
    } else {
        Side::Callee
    }
}

/// True if `msg`, a request of an approved dialog, may be sent to `address`: its other party was seen there.
pub(crate) fn may_go_to(policy: &Policy, msg: &Message<'_>, address: &[u8]) -> bool {
    let calls = policy.shared.calls();
    let now_s = sys::now().0.mono_ms / 1000;
    let tags = Tags {
        from: msg.from_tag,
        to: msg.to_tag,
    };
    let Some((place, _)) = calls.find_dialog(msg.call_id, tags, now_s) else {
        return false;
    };
    let Some(address) = contact::named(address) else {
        return false;
    };
    let is_callers = calls.is_caller(place, msg.from_tag);
    calls.has_address(place, sender(msg, is_callers).other(), &address)
}

/// Somebody wants the call to end: the caller's CANCEL, or a BYE with both tags of the dialog. Whether it does, the answer tells.
fn is_ending(policy: &Policy, msg: &Message<'_>, event: Event, call: &Call, now_s: u64) -> bool {
    let tags = Tags {
        from: msg.from_tag,
        to: msg.to_tag,
    };
    if call.ended {
        false
    } else if event == Event::Bye {
        let calls = policy.shared.calls();
        calls.find_dialog(msg.call_id, tags, now_s).is_some()
    } else {
        event == Event::Cancel && !call.connected
    }
}

/// Does this event end this call? A failed re-INVITE does not. A BYE's answer does if it confirms the end or if there is none
/// (RFC 3261 15.1.1).
fn ends(msg: &Message<'_>, event: Event, call: &Call) -> bool {
    if event == Event::Failed {
        !call.connected
    } else {
        event == Event::Terminated && matches!(msg.status_code, 0 | 200..=299 | 408 | 481)
    }
}

fn change_lease(policy: &Policy, lease: Option<Lease>) {
    if let Some(lease) = lease {
        policy
            .shared
            .quota()
            .change_lease(lease.seat, lease.tag, lease.expires_s);
    }
}

fn push_failure(error: PushError) -> Failure {
    let code = match error {
        PushError::Full => abi::IFE_WITNESS_FULL,
        PushError::TooLarge => abi::IFE_WITNESS_TOO_LARGE,
        PushError::NotOwner => abi::IFE_NOT_ATTACHED,
        PushError::Closed => abi::IFE_WITNESS_UNAVAILABLE,
    };
    Failure::new(code, error.to_string())
}
