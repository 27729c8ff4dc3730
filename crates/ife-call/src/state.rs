//! The states of a call, and the reasons of its end.

use std::fmt;

use ife_words::{Acceptance, Gate};

use crate::cause::{Cause, Class};
use crate::input::NotAccepted;

/// How far a call is.
///
/// Rows are states, columns are facts; `.` means that the fact does not move this state. A state is
/// entered only on a fact that supports it, and a fact supports all states before its own: an
/// expert seen in the room was answered.
///
/// ```text
///           | gate  gate     leg     leg      leg       expert    expert in  called leg gone,   expert   council  asked to
///           | yes   no, late there   rings    answers   accepts   council    refused, too late  gone     gone     end
/// ----------+--------------------------------------------------------------------------------------------------------------
/// Received  | Appr. next(1)  .       .        .         .         .          .                  Ending   .        Ending
/// Approved  | .     .        Invit.  Ringing  Answered  Answered  Answered   next(1)            Ending   .        Ending
/// Inviting  | .     .        .       Ringing  Answered  Answered  Answered   next(1)            Ending   .        Ending
/// Ringing   | .     .        .       .        Answered  Answered  Answered   next(1)            Ending   .        Ending
/// Answered  | Briefing when the briefing begins(2)      Accepted  .          next(1)            next(1)  .        Ending
/// Briefing  | .     .        .       .        .         Accepted  .          next(1)            next(1)  .        Ending
/// Accepted  | goes on to Bridging as soon as the gateway is in sight                                              Ending
/// Bridging  | .     .        .       .        .         .         Connected  Ending             Ending   Ending   Ending
/// Connected | .     .        .       .        .         .         .          .                  Ending   Ending   Ending(3)
/// Ending    | every open leg is ordered to hang up, again and again; all gone, or out of tries: Ended or Failed
/// Ended     | final: a leg that shows itself is ordered to hang up
/// Failed    | final: likewise
///
/// (1) an outgoing call with a further expert and a policy for it: Received, next attempt. Else
///     Ending, then Failed. Of an answered leg, "too late" is no acceptance in time, and "refused"
///     is an expert who declines or passes the call on.
/// (2) an expert who called us has accepted: Bridging as soon as the gateway is in sight.
/// (3) or when it has lasted too long.
/// Ending is passed over when no leg is open. With legs open, from any state: the gateway out of
/// sight for too long leads to Failed, a restart of the gateway to Failed.
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum State {
    /// Asked for; the gate has not answered.
    Received,
    /// The gate has approved, and the order to call is out.
    Approved,
    /// The called leg is there.
    Inviting,
    /// The called leg rings.
    Ringing,
    /// The called leg has answered.
    Answered,
    /// The expert who was called hears why, and has not accepted.
    Briefing,
    /// The expert who was called has accepted.
    Accepted,
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

/// The end of a call, in good order or not.
pub(crate) type End = Result<EndReason, FailReason>;

/// A state to show.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Reported {
    /// Supported by observations.
    Known(State),
    /// The bridge is not connected to the gateway; the last state that was known.
    Unknown(State),
}

impl State {
    /// Whether the call is not over.
    pub fn is_live(&self) -> bool {
        self.end().is_none()
    }

    /// The reason of the end of a call that is over.
    pub fn end(&self) -> Option<Result<EndReason, &FailReason>> {
        match self {
            State::Ended(reason) => Some(Ok(*reason)),
            State::Failed(reason) => Some(Err(reason)),
            State::Received
            | State::Approved
            | State::Inviting
            | State::Ringing
            | State::Answered
            | State::Briefing
            | State::Accepted
            | State::Bridging
            | State::Connected
            | State::Ending => None,
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
            State::Briefing => "briefing",
            State::Accepted => "accepted",
            State::Bridging => "bridging",
            State::Connected => "connected",
            State::Ending => "ending",
            State::Ended(_) => "ended",
            State::Failed(_) => "failed",
        }
    }
}

impl From<End> for State {
    fn from(end: End) -> State {
        end.map_or_else(State::Failed, State::Ended)
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

ife_words::words! {
    /// Why a call ended in good order.
    #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
    pub enum EndReason {
        /// The expert hung up, or gave up an incoming call before it was joined.
        ExpertLeft = "expert_left",
        /// The expert's phone vanished: no sound came from it any more, or it answered no request.
        ExpertLost = "expert_lost",
        /// The council hung up, ended the room or removed the expert.
        CouncilLeft = "council_left",
        /// The end was asked for through the API.
        UserHangup = "user_hangup",
        /// [`crate::Policy::call_max`] was reached.
        TooLong = "too_long",
        /// A leg that was up was gone when the gateway came back into sight: it ended unseen.
        Unseen = "unseen",
    }
}

/// Why a call failed.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum FailReason {
    /// The plan names no expert.
    NoExpert,
    /// Refused by the gate.
    Refused {
        /// The gate that refused.
        gate: Gate,
        /// SIP status code.
        code: u16,
        /// Public reason.
        reason: String,
    },
    /// The gate gave no verdict in time.
    GateTimeout,
    /// The expert could not be had.
    Expert {
        /// How.
        class: Class,
        /// The cause seen, or the one set when our own timer ran out.
        cause: Cause,
        /// The final SIP reply, where one was seen.
        reply: Option<u16>,
    },
    /// The expert answered and did not take the call.
    NotAccepted(NotAccepted),
    /// The expert answered and left before the council was joined.
    ExpertLeftEarly,
    /// The council could not be joined.
    Council {
        /// How.
        class: Class,
        /// The cause seen.
        cause: Cause,
    },
    /// A leg that was not in the council yet was gone when the gateway came back into sight: how it
    /// ended was not seen.
    Unseen,
    /// The council was not joined in time.
    CouncilTimeout,
    /// The bridge was not connected to the gateway when the call should have begun.
    GatewayDown,
    /// The gateway stayed unreachable for [`crate::Policy::link_lost_max`].
    GatewayLost,
    /// The gateway started anew and took the legs with it.
    GatewayRestarted,
    /// A leg was ordered to hang up and its end was never seen.
    HangupUnconfirmed,
}

impl FailReason {
    /// The SIP status of the same meaning.
    pub fn sip(&self) -> u16 {
        match self {
            FailReason::NoExpert => 404,
            FailReason::Refused { code, .. } => *code,
            FailReason::Expert {
                reply: Some(status),
                ..
            } => *status,
            FailReason::Expert { cause, .. } | FailReason::Council { cause, .. } => cause.sip(),
            FailReason::NotAccepted(NotAccepted::Declined) => 603,
            FailReason::NotAccepted(NotAccepted::PassedOn | NotAccepted::NoKey) => 480,
            FailReason::ExpertLeftEarly => 487,
            FailReason::CouncilTimeout => 504,
            FailReason::GateTimeout
            | FailReason::Unseen
            | FailReason::GatewayDown
            | FailReason::GatewayLost
            | FailReason::GatewayRestarted
            | FailReason::HangupUnconfirmed => 503,
        }
    }

    /// The cause of the leg that the call failed for, where it failed for one.
    pub fn leg_cause(&self) -> Option<Cause> {
        if let FailReason::Expert { cause, .. } | FailReason::Council { cause, .. } = self {
            return Some(*cause);
        }
        None
    }

    /// By which means the expert refused the call, where they did.
    pub(crate) fn means(&self) -> Option<Acceptance> {
        let by_key = FailReason::NotAccepted(NotAccepted::Declined);
        let or = FailReason::NotAccepted(NotAccepted::PassedOn);
        (*self == by_key || *self == or).then_some(Acceptance::Key)
    }

    /// The cause to derive from for the legs that are still to be ended.
    pub(crate) fn cause(&self) -> Cause {
        if let FailReason::Refused { code, .. } = self {
            return Cause::from_sip(*code);
        }
        self.leg_cause().unwrap_or(Cause::CONGESTION)
    }

    /// A word for logs, labels and the API.
    pub fn as_str(&self) -> &'static str {
        match self {
            FailReason::NoExpert => "no_expert",
            FailReason::Refused { .. } => "refused",
            FailReason::GateTimeout => "gate_timeout",
            FailReason::Expert { class, .. } => class.as_str(),
            FailReason::NotAccepted(why) => why.as_str(),
            FailReason::ExpertLeftEarly => "expert_left_early",
            FailReason::Council { .. } => "council_refused",
            FailReason::Unseen => "unseen",
            FailReason::CouncilTimeout => "council_timeout",
            FailReason::GatewayDown => "gateway_down",
            FailReason::GatewayLost => "gateway_lost",
            FailReason::GatewayRestarted => "gateway_restarted",
            FailReason::HangupUnconfirmed => "hangup_unconfirmed",
        }
    }

    /// The gate that refused the call.
    pub fn gate(&self) -> Option<Gate> {
        if let FailReason::Refused { gate, .. } = self {
            return Some(*gate);
        }
        None
    }

    /// The SIP status that the gate gave, or the expert's phone.
    pub fn status_seen(&self) -> Option<u16> {
        match self {
            FailReason::Refused { code, .. } => Some(*code),
            FailReason::Expert { reply, .. } => *reply,
            FailReason::NoExpert
            | FailReason::GateTimeout
            | FailReason::NotAccepted(_)
            | FailReason::ExpertLeftEarly
            | FailReason::Council { .. }
            | FailReason::Unseen
            | FailReason::CouncilTimeout
            | FailReason::GatewayDown
            | FailReason::GatewayLost
            | FailReason::GatewayRestarted
            | FailReason::HangupUnconfirmed => None,
        }
    }

    /// One word, with the way in which a party could not be had.
    pub fn word(&self) -> String {
        if let FailReason::Expert { class, .. } = self {
            return format!("expert_{class}");
        }
        if let FailReason::NotAccepted(why) = self {
            return format!("expert_{why}");
        }
        if let FailReason::Council { class, .. } = self {
            return format!("council_{class}");
        }
        self.as_str().to_owned()
    }
}

impl fmt::Display for FailReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.word())?;
        if let FailReason::Refused { gate, code, .. } = self {
            write!(f, " gate={} code={code}", gate.number())?;
        }
        if let Some(cause) = self.leg_cause() {
            write!(f, " cause={cause}")?;
        }
        if let FailReason::Expert {
            reply: Some(status),
            ..
        } = self
        {
            write!(f, " sip={status}")?;
        }
        Ok(())
    }
}
