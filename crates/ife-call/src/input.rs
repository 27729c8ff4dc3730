use std::fmt;

use ife_words::{Acceptance, Gate};

use crate::cause::Cause;

/// One channel of the call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Leg {
    /// The SIP leg to or from an expert, numbered by attempt. An incoming call has `Expert(0)`
    /// alone.
    Expert(u8),
    /// The H.323 leg to an external MCU. With [`crate::Backend::Room`] there is none.
    Council,
}

impl fmt::Display for Leg {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Leg::Expert(attempt) => write!(f, "expert-{attempt}"),
            Leg::Council => f.write_str("council"),
        }
    }
}

/// An observation of a leg. May come in any order, twice, or not at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Seen {
    /// The order to call was taken, or the channel is there.
    There,
    /// The far side rings.
    Ringing,
    /// Answered.
    Up,
    /// The expert hears why they are called.
    Briefing,
    /// The expert has accepted the call, by these means.
    Accepted(Acceptance),
    /// The expert has answered and does not take the call. The gateway ends the leg by itself.
    NotAccepted(NotAccepted),
    /// The far side asked for its end. A leg leaves the room before it is gone, whichever side
    /// ended it.
    Leaving,
    /// The council put it out of the room, or the room ended: its own dialplan goes on, and says
    /// so.
    Removed,
    /// Its far side, which had answered, sent no sound and answered nothing any more.
    Lost,
    /// Its channel ends, or has ended, while the way to its far side is down: the far side may not
    /// know.
    Untold,
    /// Its far side's final SIP reply, 300 or above. The leg itself is gone a moment later.
    Replied(u16),
    /// Gone, or it never came to be. [`Cause::UNKNOWN`] where no cause was given.
    Gone(Cause),
}

ife_words::words! {
    /// Why an expert who has answered does not take the call.
    #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
    pub enum NotAccepted {
        /// They declined by key.
        Declined = "declined",
        /// They passed the call on to the next expert.
        PassedOn = "passed_on",
        /// No key in time: a machine, or no listener.
        NoKey = "not_accepted",
    }
}

/// The gate's verdict.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// The call may be made.
    Approved,
    /// It may not.
    Refused {
        /// The gate that refused. [`Gate::Quota`] counts as busy.
        gate: Gate,
        /// SIP status code of the refusal.
        code: u16,
        /// Public reason.
        reason: String,
    },
}

/// Something observed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Input {
    /// The gate has answered [`crate::Output::AskGate`] of that attempt.
    Verdict {
        /// Of which attempt.
        attempt: u8,
        /// The verdict.
        verdict: Verdict,
    },
    /// Something was seen of a leg.
    Leg(Leg, Seen),
    /// A leg entered the council's room.
    Joined(Leg),
    /// A leg left the council's room.
    Left(Leg),
    /// The order to join the council was refused.
    JoinRefused(Cause),
    /// A timer ran out.
    Timeout(Timer),
    /// A request to end the call.
    UserHangup,
    /// The gateway is not connected: nothing is observed and no order arrives until the next
    /// snapshot.
    LinkDown,
    /// The gateway's legs of this call. A leg that is not in it is not there.
    Snapshot {
        /// The legs that are there.
        legs: Vec<LegView>,
        /// True when the gateway has started anew since it was last in sight: every leg of before
        /// is gone.
        restarted: bool,
    },
}

/// One leg in a snapshot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LegView {
    /// Which.
    pub leg: Leg,
    /// Rings or has rung.
    pub ringing: bool,
    /// Answered.
    pub up: bool,
    /// The expert has accepted the call, by these means.
    pub accepted: Option<Acceptance>,
    /// In the council's room.
    pub joined: bool,
}

/// A running timer. A timeout of any but the latest of its kind is ignored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Timer {
    /// The event that it waits for.
    pub kind: TimerKind,
    /// Which of its kind.
    pub serial: u32,
}

/// The event that a timer waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum TimerKind {
    /// The gate's verdict.
    Gate,
    /// Ringing or answer.
    Setup,
    /// Answer.
    Ring,
    /// The expert's acceptance.
    Accept,
    /// The council.
    Join,
    /// The longest call.
    Call,
    /// A leg's end.
    Hangup,
    /// The gateway.
    Link,
}

impl TimerKind {
    pub(crate) const COUNT: usize = 8;
}
