//! The states, one file each. A state's file has `entered`, what is done on the way in, and `next`, where the facts
//! lead from there.

mod answered;
mod approved;
mod bridging;
mod connected;
mod ended;
mod ending;
mod failed;
mod inviting;
mod received;
mod ringing;

use ife_words::{Direction, Event, Gate};

use crate::call::Call;
use crate::cause::{Cause, Class};
use crate::facts::LegFacts;
use crate::output::{Output, TimerKind, Witnessed};
use crate::reason::{EndReason, FailReason};

/// How far a call is.
///
/// Rows are states, columns are facts; `.` means that the fact does not move this state. A state is entered only on a
/// fact that supports it, and a fact supports all states before its own: an expert seen in the room was answered.
///
/// ```text
///            | gate  gate     leg     leg      leg       expert in  called leg gone,   expert   council  asked to
///            | yes   no, late there   rings    answers   council    refused, too late  gone     gone     end
/// -----------+----------------------------------------------------------------------------------------------------
/// Received   | Appr. next(1)  .       .        .         .          .                  Ending   .        Ending
/// Approved   | .     .        Invit.  Ringing  Answered  Answered   next(1)            Ending   .        Ending
/// Inviting   | .     .        .       Ringing  Answered  Answered   next(1)            Ending   .        Ending
/// Ringing    | .     .        .       .        Answered  Answered   next(1)            Ending   .        Ending
/// Answered   | goes on to Bridging as soon as the gateway is in sight                                    Ending
/// Bridging   | .     .        .       .        .         Connected  Ending             Ending   Ending   Ending
/// Connected  | .     .        .       .        .         .          .                  Ending   Ending   Ending(2)
/// Ending     | every open leg is ordered to hang up, again and again; all gone, or out of tries: Ended or Failed
/// Ended      | final: a leg that shows itself is ordered to hang up
/// Failed     | final: likewise
///
/// (1) an outgoing call with a further expert and a policy for it: Received, next attempt. Else Ending, then Failed.
/// (2) or when it has lasted too long.
/// Ending is passed over when no leg is open. With legs open, from any state: the gateway out of sight for too long
/// leads to Failed, a restart of the gateway to Failed.
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum State {
    /// Asked for; the gate has not said anything.
    Received,
    /// The gate has approved, and the order to call is out.
    Approved,
    /// The called leg is there.
    Inviting,
    /// The called leg rings.
    Ringing,
    /// The called leg has answered.
    Answered,
    /// The expert's leg is on its way to the council.
    Bridging,
    /// The expert is in the council.
    Connected,
    /// Legs are being ended.
    Ending,
    /// Over, in good order.
    Ended(EndReason),
    /// Over, not in good order.
    Failed(FailReason),
}

/// A state as it may be told.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Reported {
    /// Supported by what was observed.
    Known(State),
    /// The gateway is out of sight; the last state that was known.
    Unknown(State),
}

impl State {
    /// Whether the call is over.
    pub fn is_final(&self) -> bool {
        match self {
            State::Ended(_) | State::Failed(_) => true,
            State::Received
            | State::Approved
            | State::Inviting
            | State::Ringing
            | State::Answered
            | State::Bridging
            | State::Connected
            | State::Ending => false,
        }
    }

    /// The name in the API and in the witness log.
    pub fn as_str(&self) -> &'static str {
        match self {
            State::Received => "received",
            State::Approved => "approved",
            State::Inviting => "inviting",
            State::Ringing => "ringing",
            State::Answered => "answered",
            State::Bridging => "bridging",
            State::Connected => "connected",
            State::Ending => "ending",
            State::Ended(_) => "ended",
            State::Failed(_) => "failed",
        }
    }
}

impl Reported {
    /// The name in the API: that of the state, or `unknown`.
    pub fn as_str(&self) -> &'static str {
        match self {
            Reported::Known(state) => state.as_str(),
            Reported::Unknown(_) => "unknown",
        }
    }
}

/// What is done on entering the call's state.
pub(crate) fn entered(call: &mut Call) {
    match &call.state {
        State::Received => received::entered(call),
        State::Approved => approved::entered(call),
        State::Inviting => inviting::entered(call),
        State::Ringing => ringing::entered(call),
        State::Answered => answered::entered(call),
        State::Bridging => bridging::entered(call),
        State::Connected => connected::entered(call),
        State::Ending => ending::entered(call),
        State::Ended(_) => ended::entered(call),
        State::Failed(_) => failed::entered(call),
    }
}

/// Where the facts lead from the call's state, `None` to stay.
pub(crate) fn next(call: &mut Call) -> Option<State> {
    if call.is_final() {
        return None;
    }
    if let Some(state) = lost_gateway(call) {
        return Some(state);
    }
    match &call.state {
        State::Received => received::next(call),
        State::Approved => approved::next(call),
        State::Inviting => inviting::next(call),
        State::Ringing => ringing::next(call),
        State::Answered => answered::next(call),
        State::Bridging => bridging::next(call),
        State::Connected => connected::next(call),
        State::Ending => ending::next(call),
        State::Ended(_) | State::Failed(_) => None,
    }
}

/// A gateway out of sight for too long, or started anew, ends the call from any state.
fn lost_gateway(call: &mut Call) -> Option<State> {
    let needs_gateway = call.state != State::Received || call.open_legs().next().is_some();
    if call.facts.link_down && call.facts.has_expired(TimerKind::Link) && needs_gateway {
        let lost = State::Failed(FailReason::GatewayLost);
        call.goal = lost.clone();
        // Of no effect if the gateway is gone, and right if only its voice is.
        call.hang_up_open_legs();
        return Some(lost);
    }
    let had_legs = call.expert_facts().there || call.facts.council.there;
    if call.facts.restarted && had_legs && call.state != State::Ending {
        return Some(close(call, State::Failed(FailReason::GatewayRestarted)));
    }
    None
}

/// Ends the call: at once if no leg is open, else by way of [`State::Ending`].
fn close(call: &mut Call, goal: State) -> State {
    call.goal = goal.clone();
    if call.open_legs().next().is_some() {
        State::Ending
    } else {
        goal
    }
}

fn fail(call: &mut Call, reason: FailReason) -> State {
    close(call, State::Failed(reason))
}

fn end(call: &mut Call, reason: EndReason) -> State {
    close(call, State::Ended(reason))
}

/// What every state before `Connected` answers to a user who wants the call to end.
fn asked_to_end(call: &mut Call) -> Option<State> {
    call.facts
        .user_hangup
        .then(|| end(call, EndReason::UserHangup))
}

/// An expert who called us and is gone has given up.
fn caller_gone(call: &mut Call) -> Option<State> {
    let gone = call.plan.direction == Direction::ToCouncil && expert_left_first(call);
    gone.then(|| end(call, EndReason::ExpertLeft))
}

/// Whether the expert is gone, or hangs up and thereby ends the way to the council: what was dialled from the expert's leg goes
/// with it, and is often seen to be gone before it.
fn expert_left_first(call: &Call) -> bool {
    let (expert, council) = (call.expert_facts(), call.facts.council);
    let way_ended = council.gone.is_some() || call.facts.join_refused.is_some();
    expert.gone.is_some() || (way_ended && expert.leaving && !council.leaving)
}

/// Where the facts about the called leg lead while it has not answered. The three states of calling differ only in
/// how far the leg was seen to be.
fn calling(call: &mut Call) -> Option<State> {
    let leg = call.facts.leg(call.called_leg());
    if leg.up {
        return Some(State::Answered);
    }
    if let Some(state) = asked_to_end(call).or_else(|| caller_gone(call)) {
        return Some(state);
    }
    if let Some(gone) = leg.gone {
        return Some(if gone.unseen {
            vanished(call)
        } else {
            not_had(call, leg.class_of_end(gone.cause), gone.cause)
        });
    }
    if let Some(cause) = call.facts.join_refused {
        return Some(not_had(call, cause.class(), cause));
    }
    if call.facts.link_down {
        return None;
    }
    if call.facts.has_expired(TimerKind::Ring) {
        return Some(not_had(call, Class::NoAnswer, Cause::NO_ANSWER));
    }
    if call.facts.has_expired(TimerKind::Setup) && !leg.ringing {
        return Some(not_had(call, Class::Unreachable, Cause::CONGESTION));
    }
    None
}

/// Why the call of an answered expert has no session, if so: the gateway hangs up with 406 when the
/// answer has no SDP, or none with a common codec (RFC 3261 13.2.2.4).
fn without_session(expert: LegFacts) -> Option<FailReason> {
    const NOT_ACCEPTABLE: u16 = 406;
    (expert.reply == Some(NOT_ACCEPTABLE)).then_some(FailReason::Expert {
        class: Class::Incompatible,
        cause: expert.gone.map_or(Cause::NORMAL, |gone| gone.cause),
        reply: expert.reply,
    })
}

/// The called side could not be had: the next expert where there is one and policy allows, else the end.
fn not_had(call: &mut Call, class: Class, cause: Cause) -> State {
    let reply = call.expert_facts().reply;
    match call.plan.direction {
        Direction::ToCouncil => fail(call, FailReason::Council { class, cause }),
        Direction::ToExpert => attempt_failed(
            call,
            FailReason::Expert {
                class,
                cause,
                reply,
            },
        ),
    }
}

/// The called leg ended while the bridge was not connected to Asterisk.
fn vanished(call: &mut Call) -> State {
    match call.plan.direction {
        Direction::ToCouncil => fail(call, FailReason::Unseen),
        Direction::ToExpert => attempt_failed(call, FailReason::Unseen),
    }
}

/// An attempt of an outgoing call is over.
fn attempt_failed(call: &mut Call, why: FailReason) -> State {
    let next = call.attempt.checked_add(1);
    let next_expert = next
        .and_then(|next| call.plan.experts.get(usize::from(next)))
        .cloned();
    let (Some(next), Some(next_expert), Some(failed)) = (next, next_expert, call.expert().cloned())
    else {
        return fail(call, why);
    };
    if !leads_on(call, &why) {
        return fail(call, why);
    }
    let leg = call.expert_leg();
    if call.facts.leg(leg).is_open() {
        call.hang_up(leg, why.cause());
    }
    call.output(Output::Witness(Witnessed {
        next: Some(next_expert.clone()),
        ..call.entry(Event::Failed).because(&why)
    }));
    call.output(Output::TryNextExpert {
        failed,
        next: next_expert,
        why,
    });
    for kind in [TimerKind::Gate, TimerKind::Setup, TimerKind::Ring] {
        call.stop_timer(kind);
    }
    call.attempt = next;
    call.facts.verdict = None;
    call.facts
        .experts
        .resize_with(usize::from(next) + 1, Default::default);
    State::Received
}

fn leads_on(call: &Call, why: &FailReason) -> bool {
    let retry = call.plan.policy.retry;
    match why {
        FailReason::Refused { gate, .. } => retry.refused || (retry.busy && *gate == Gate::Quota),
        FailReason::Expert { class, .. } => match class {
            Class::Busy => retry.busy,
            Class::NoAnswer => retry.no_answer,
            Class::Declined => retry.declined,
            Class::NotFound
            | Class::Unreachable
            | Class::Congested
            | Class::Incompatible
            | Class::BadAddress
            | Class::Forbidden
            | Class::Redirected
            | Class::Unknown => retry.unreachable,
        },
        FailReason::Unseen => retry.unreachable,
        FailReason::NoExpert
        | FailReason::GateTimeout
        | FailReason::ExpertLeftEarly
        | FailReason::Council { .. }
        | FailReason::CouncilTimeout
        | FailReason::GatewayDown
        | FailReason::GatewayLost
        | FailReason::GatewayRestarted
        | FailReason::HangupUnconfirmed => false,
    }
}
