use std::fmt;

use ife_words::Gate;

use crate::cause::{Cause, Class};

/// Why a call ended in good order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum EndReason {
    /// The expert hung up, or gave up an incoming call before it was joined.
    ExpertLeft,
    /// The expert's phone vanished: no sound came from it any more, or it answered no request.
    ExpertLost,
    /// The council hung up, ended the room or removed the expert.
    CouncilLeft,
    /// Somebody asked for the end through the API.
    UserHangup,
    /// [`crate::Policy::call_max`] was reached.
    TooLong,
    /// A leg that was up was gone when the gateway came back into sight: it ended unseen.
    Unseen,
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
    /// The expert answered and left before the council was joined.
    ExpertLeftEarly,
    /// The council could not be joined.
    Council {
        /// How.
        class: Class,
        /// The cause seen.
        cause: Cause,
    },
    /// A leg that was not in the council yet was gone when the gateway came back into sight: how it ended was not seen.
    Unseen,
    /// The council was not joined in time.
    CouncilTimeout,
    /// The gateway was out of sight when the call should have begun.
    GatewayDown,
    /// The gateway stayed out of sight for [`crate::Policy::link_lost_max`].
    GatewayLost,
    /// The gateway started anew and took the legs with it.
    GatewayRestarted,
    /// A leg was told to hang up and its end was never seen.
    HangupUnconfirmed,
}

impl EndReason {
    /// A word for logs, labels and the API.
    pub fn as_str(self) -> &'static str {
        match self {
            EndReason::ExpertLeft => "expert_left",
            EndReason::ExpertLost => "expert_lost",
            EndReason::CouncilLeft => "council_left",
            EndReason::UserHangup => "user_hangup",
            EndReason::TooLong => "too_long",
            EndReason::Unseen => "unseen",
        }
    }
}

impl FailReason {
    /// The SIP status that says the same.
    pub fn sip(&self) -> u16 {
        match self {
            FailReason::NoExpert => 404,
            FailReason::Refused { code, .. } => *code,
            FailReason::Expert {
                reply: Some(status),
                ..
            } => *status,
            FailReason::Expert { cause, .. } | FailReason::Council { cause, .. } => cause.sip(),
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

    /// The cause to derive from for the legs that are still to be ended.
    pub(crate) fn cause(&self) -> Cause {
        match self {
            FailReason::Refused { code, .. } => Cause::from_sip(*code),
            FailReason::Expert { cause, .. } | FailReason::Council { cause, .. } => *cause,
            FailReason::NoExpert
            | FailReason::GateTimeout
            | FailReason::ExpertLeftEarly
            | FailReason::CouncilTimeout
            | FailReason::Unseen
            | FailReason::GatewayDown
            | FailReason::GatewayLost
            | FailReason::GatewayRestarted
            | FailReason::HangupUnconfirmed => Cause::CONGESTION,
        }
    }

    /// A word for logs, labels and the API.
    pub fn as_str(&self) -> &'static str {
        match self {
            FailReason::NoExpert => "no_expert",
            FailReason::Refused { .. } => "refused",
            FailReason::GateTimeout => "gate_timeout",
            FailReason::Expert { class, .. } => class.as_str(),
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
}

impl fmt::Display for EndReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FailReason {
    /// One word, with the way in which a party could not be had.
    pub(crate) fn word(&self) -> String {
        if let FailReason::Expert { class, .. } = self {
            return format!("expert_{}", class.as_str());
        }
        if let FailReason::Council { class, .. } = self {
            return format!("council_{}", class.as_str());
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
        if let FailReason::Expert { cause, .. } | FailReason::Council { cause, .. } = self {
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
