//! Witnessed events of a call, and their effects on its record and seat.

use ife_guard::{Now, SETUP_LEASE_S};
use ife_witness::entry::Event;
use ife_witness::ring::PushError;

use crate::abi;
use crate::dialog::{self, Lesson};
use crate::message::Message;
use crate::plumbing::failure::Failure;
use crate::policy::Policy;
use crate::scope;
use crate::shared::calls::{Call, CallRef, Dialog, Lease, Side, Stage, Tags};
use crate::shared::counters::Counter;
use crate::sys;
use crate::witness::{Kind, Prepared, kind_of};

/// Lease of a seat after CANCEL or BYE if no answer is seen, seconds: 64 x T1 of RFC 3261 17.1.1.2.
const ENDING_LEASE_S: u64 = 32;

/// Logs `event` about `msg` and updates its call, whether or not the log has room.
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
    let found = find(policy, msg, event, now_s);
    if found.is_none() && !scope::is_for_gate(policy, &policy.registry.image()?, msg) {
        return Err(scope::not_for_gate());
    }
    let mut outcome = Outcome::as_is(event, detail);
    if let Some((call_ref, call)) = &found {
        outcome = update(policy, msg, event, detail, (*call_ref, call), now_s);
    }
    crate::shared::step();
    policy.summarise_refusals(now, unix_ns);
    if outcome.is_known {
        return Err(Failure::new(
            abi::IFE_WITNESS_OMITTED,
            "the call's record has this event already",
        ));
    }
    // Every event of an approved call is written. Any sender can cause a refusal before the gate,
    // or a CANCEL of no call.
    let is_unauthenticated = found.is_none() && kind_of(event) == Kind::Stray;
    if is_unauthenticated && !policy.may_write_refusal(msg, now, unix_ns) {
        return Err(Failure::new(
            abi::IFE_WITNESS_OMITTED,
            "counted, not written: too many refusals",
        ));
    }
    let call = found.as_ref().map(|(_, call)| call);
    let prepared = enter(policy, msg, outcome.event, outcome.detail, call, unix_ns)?;
    crate::shared::step();
    if let Some((call_ref, _)) = found {
        outcome.note_logged(policy, call_ref);
    }
    Ok(prepared)
}

/// Logs a request that the gate approved in a dialog. Returns false if the entry found no room and
/// the request must be refused.
pub(crate) fn of_dialog(
    policy: &mut Policy,
    msg: &Message<'_>,
    (call_ref, call, dialog): &(CallRef, Call, Dialog),
    now: Now,
    unix_ns: u64,
) -> bool {
    let (event, detail, may_refuse) = match msg.method {
        b"BYE" => (Event::Bye, &[] as &[u8], false),
        b"ACK" | b"PRACK" => (Event::Ack, msg.method, false),
        _ => (Event::Reinvite, msg.method, policy.options.witness_required),
    };
    let now_s = now.mono_ms / 1000;
    if event == Event::Bye
        && !call.ended
        && policy.shared.calls().stage(*call_ref, dialog.number) != Stage::Ended
    {
        let lease = policy
            .shared
            .calls()
            .shorten(*call_ref, now_s + ENDING_LEASE_S);
        change_lease(policy, lease);
    } else if event == Event::Reinvite && call.connected && !call.ended {
        change_lease(policy, policy.shared.calls().connect(*call_ref, now_s));
    }
    crate::shared::step();
    enter(policy, msg, event, detail, Some(call), unix_ns).is_ok() || !may_refuse
}

/// An event that the record notes once its entry is in the ring. Until then a repetition of the
/// message has an entry as well: a worker may be killed before the entry.
#[derive(Clone, Copy)]
enum Once {
    /// The answer of the dialog with this number.
    Answer(usize),
    End,
}

/// The entry of an event, with the call's record.
struct Outcome<'a> {
    event: Event,
    detail: &'a [u8],
    /// The event has its entry already.
    is_known: bool,
    once: Option<Once>,
}

impl<'a> Outcome<'a> {
    fn as_is(event: Event, detail: &'a [u8]) -> Self {
        Self {
            event,
            detail,
            is_known: false,
            once: None,
        }
    }

    fn once(event: Event, detail: &'a [u8], once: Once) -> Self {
        Self {
            once: Some(once),
            ..Self::as_is(event, detail)
        }
    }

    fn known(event: Event) -> Self {
        Self {
            is_known: true,
            ..Self::as_is(event, &[])
        }
    }

    fn note_logged(&self, policy: &Policy, call_ref: CallRef) {
        match self.once {
            Some(Once::Answer(dialog)) => policy.shared.calls().set_logged(call_ref, Some(dialog)),
            Some(Once::End) => policy.shared.calls().set_logged(call_ref, None),
            None => {}
        }
    }
}

/// Ends the call with this Call-ID, whose end was not seen, and logs it.
pub(crate) fn release(policy: &mut Policy, call_id: &[u8]) -> Result<Prepared, Failure> {
    policy.check_attached()?;
    let (now, unix_ns) = sys::now();
    let now_s = now.mono_ms / 1000;
    let found = policy.shared.calls().find_call_id(call_id, now_s);
    let Some((call_ref, call)) = found.filter(|(_, call)| !call.ended) else {
        return Err(Failure::new(
            abi::IFE_NOT_FOUND,
            "no call under way has this Call-ID",
        ));
    };
    policy
        .shared
        .release(policy.shared.calls().end(call_ref, now_s));
    let msg = Message::of_call(call_id);
    let outcome = Outcome::once(Event::Terminated, b"released by an operator", Once::End);
    let (event, detail) = (outcome.event, outcome.detail);
    let prepared = enter(policy, &msg, event, detail, Some(&call), unix_ns)?;
    outcome.note_logged(policy, call_ref);
    Ok(prepared)
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

/// Parses an event's name. `REJECTED` is for refusals before the gate; only the gate approves.
fn parse(name: &[u8]) -> Result<Event, Failure> {
    match str::from_utf8(name).ok().and_then(Event::of) {
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

/// Returns the call by the caller's tag on either side. A CANCEL is the caller's and names the
/// INVITE's CSeq (RFC 3261 9.1). A message without a tag of its own, or any other CANCEL, belongs
/// to no call, even with a call's Call-ID.
fn find(policy: &Policy, msg: &Message<'_>, event: Event, now_s: u64) -> Option<(CallRef, Call)> {
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

fn update<'a>(
    policy: &Policy,
    msg: &Message<'_>,
    event: Event,
    detail: &'a [u8],
    (call_ref, call): (CallRef, &Call),
    now_s: u64,
) -> Outcome<'a> {
    let calls = policy.shared.calls();
    let as_is = Outcome::as_is(event, detail);
    match event {
        Event::Trying | Event::Ringing | Event::Connected => {
            reply(policy, msg, (event, detail), (call_ref, call), now_s)
        }
        Event::Reinvite => {
            learn_refresh(policy, msg, call_ref, call, now_s);
            if call.connected && !call.ended {
                // A refreshed session (RFC 4028) prolongs the lease. A call that ended has no seat.
                change_lease(policy, calls.connect(call_ref, now_s));
            }
            as_is
        }
        Event::Bye | Event::Cancel => {
            if is_ending(policy, msg, event, call, now_s) {
                change_lease(policy, calls.shorten(call_ref, now_s + ENDING_LEASE_S));
            }
            as_is
        }
        Event::Failed if call.is_end_logged => Outcome::known(event),
        Event::Failed if call.connected => as_is,
        Event::Failed => {
            policy.shared.release(calls.end(call_ref, now_s));
            Outcome::once(event, detail, Once::End)
        }
        Event::Terminated => terminate(policy, msg, detail, call_ref, call, now_s),
        Event::Escalate
        | Event::Invite
        | Event::Approved
        | Event::Rejected
        | Event::Ack
        | Event::H323Setup
        | Event::H323Connected
        | Event::H323Released
        | Event::CouncilJoin
        | Event::CouncilLeave
        | Event::Briefing
        | Event::Accepted
        | Event::Admission
        | Event::Mute
        | Event::Unmute
        | Event::Remove
        | Event::Decision
        | Event::DecisionRefused
        | Event::NoDecision
        | Event::Notified
        | Event::RoomOpen
        | Event::RoomEnd
        | Event::Message
        | Event::EvidenceOffer
        | Event::EvidenceAnswer
        | Event::EvidenceOpen
        | Event::EvidenceSent
        | Event::EvidenceVerified
        | Event::EvidenceFailed
        | Event::Reload
        | Event::Start
        | Event::Stop
        | Event::Gap => as_is,
    }
}

/// A reply to the call's INVITE prolongs its lease. An answer is logged once for each dialog.
fn reply<'a>(
    policy: &Policy,
    msg: &Message<'_>,
    (event, detail): (Event, &'a [u8]),
    (call_ref, call): (CallRef, &Call),
    now_s: u64,
) -> Outcome<'a> {
    let calls = policy.shared.calls();
    let dialog = learn_answer(policy, msg, event, call_ref, call);
    let answered = dialog.filter(|_| event == Event::Connected);
    if answered.is_some_and(|dialog| calls.is_answer_logged(call_ref, dialog)) {
        return Outcome::known(event);
    }
    if !call.connected && !call.ended {
        let lease = if event == Event::Connected {
            calls.connect(call_ref, now_s)
        } else {
            calls.prolong(call_ref, now_s + u64::from(SETUP_LEASE_S))
        };
        change_lease(policy, lease);
    }
    answered.map_or_else(
        || Outcome::as_is(event, detail),
        |dialog| Outcome::once(event, detail, Once::Answer(dialog)),
    )
}

/// Learns dialog and callee from a reply to the call's INVITE. Returns the dialog's number.
fn learn_answer(
    policy: &Policy,
    msg: &Message<'_>,
    event: Event,
    call_ref: CallRef,
    call: &Call,
) -> Option<usize> {
    if msg.status_code == 0 {
        return None;
    }
    let calls = policy.shared.calls();
    let is_answer = event == Event::Connected;
    let dialog = calls.learn_dialog(call_ref, msg.to_tag, is_answer)?;
    let image = policy.registry.image().ok();
    let side = Side::Callee(dialog);
    dialog::learn(
        policy,
        image.as_ref(),
        msg,
        (call_ref, call),
        side,
        Lesson::RouteSet,
    );
    let stage = if is_answer {
        Stage::Confirmed
    } else {
        Stage::Early
    };
    calls.set_stage(call_ref, dialog, stage);
    Some(dialog)
}

/// Learns from a reply to a re-INVITE or UPDATE: a 2xx sets the remote target (RFC 3261 12.2.1.2).
fn learn_refresh(policy: &Policy, msg: &Message<'_>, call_ref: CallRef, call: &Call, now_s: u64) {
    let tags = Tags {
        from: msg.from_tag,
        to: msg.to_tag,
    };
    let found = policy.shared.calls().find_dialog(msg.call_id, tags, now_s);
    if msg.status_code == 0 {
        return;
    }
    let Some((_, _, dialog)) = found.filter(|(found, ..)| found.is_same(call_ref)) else {
        return;
    };
    let lesson = if (200..300).contains(&msg.status_code) {
        Lesson::Target
    } else {
        Lesson::Source
    };
    let image = policy.registry.image().ok();
    dialog::learn(
        policy,
        image.as_ref(),
        msg,
        (call_ref, call),
        dialog.to(),
        lesson,
    );
}

/// Ends a dialog by the answer to a BYE, or by its absence. A confirmation or no answer ends the
/// dialog (RFC 3261 15.1.1), and the last confirmed dialog ends the call.
fn terminate<'a>(
    policy: &Policy,
    msg: &Message<'_>,
    detail: &'a [u8],
    call_ref: CallRef,
    call: &Call,
    now_s: u64,
) -> Outcome<'a> {
    let calls = policy.shared.calls();
    if call.is_end_logged {
        return Outcome::known(Event::Terminated);
    }
    if !matches!(msg.status_code, 0 | 200..=299 | 408 | 481) {
        if call.connected {
            change_lease(policy, calls.connect(call_ref, now_s));
        }
        return Outcome::as_is(Event::Bye, b"the hang-up was refused, the call goes on");
    }
    let tags = Tags {
        from: msg.from_tag,
        to: msg.to_tag,
    };
    let dialog = calls.find_dialog(msg.call_id, tags, now_s);
    if let Some((_, _, dialog)) = dialog {
        calls.set_stage(call_ref, dialog.number, Stage::Ended);
        if calls.has_confirmed(call_ref) {
            change_lease(policy, calls.connect(call_ref, now_s));
            return Outcome::as_is(
                Event::Bye,
                b"one of several answers has ended, the call goes on",
            );
        }
    }
    policy.shared.release(calls.end(call_ref, now_s));
    Outcome::once(Event::Terminated, detail, Once::End)
}

/// Returns whether `msg` asks to end the call: the caller's CANCEL, or a BYE with both tags of the
/// dialog. Its answer decides.
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
