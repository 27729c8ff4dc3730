use std::time::Duration;

use ife_words::Event;

use crate::cause::Cause;
use crate::input::Leg;
use crate::plan::ExpertId;
use crate::reason::FailReason;
use crate::state::Reported;

/// An order, or a notice.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Output {
    /// Ask the gate about this expert, then give [`crate::Input::Verdict`].
    AskGate {
        /// To be repeated in the verdict.
        attempt: u8,
        /// Whom the call is with.
        expert: ExpertId,
    },
    /// Call the expert. A refusal of the order is [`crate::Seen::Gone`].
    Originate {
        /// The leg, always `Expert`.
        leg: Leg,
        /// Whom to call.
        expert: ExpertId,
        /// When the gateway itself may give up: later than any timer of this machine.
        ring_max: Duration,
    },
    /// Answer the expert's incoming leg.
    Answer(Leg),
    /// Take this leg to the council: into the room, or on to the MCU.
    JoinCouncil(Leg),
    /// Hang up. An answer that there is no such channel is [`crate::Seen::Gone`].
    Hangup {
        /// The leg.
        leg: Leg,
        /// The cause to set, never one that the gateway turns into a global failure.
        cause: Cause,
    },
    /// Give [`crate::Input::Timeout`] with this timer after that time. Replaces the running timer of its kind.
    StartTimer {
        /// The timer.
        timer: Timer,
        /// After how long.
        after: Duration,
    },
    /// An expert could not be had; the next one is asked for.
    TryNextExpert {
        /// Who could not be had.
        failed: ExpertId,
        /// Who is next.
        next: ExpertId,
        /// Why.
        why: FailReason,
    },
    /// Record this in the witness log.
    Witness {
        /// The event.
        event: Event,
        /// `key=value` words that say more.
        detail: String,
    },
    /// The state is another one now. When it is final, no timer is needed any more, but inputs about legs still are:
    /// keep the call until no leg of it can show itself, so that it can be hung up.
    StateChanged(Reported),
}

/// A running timer. A timeout of any but the latest of its kind is ignored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Timer {
    /// What it waits for.
    pub kind: TimerKind,
    /// Which of its kind.
    pub serial: u32,
}

/// What a timer waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum TimerKind {
    /// The gate's verdict.
    Gate,
    /// Ringing or answer.
    Setup,
    /// Answer.
    Ring,
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
    pub(crate) const COUNT: usize = 7;
}
