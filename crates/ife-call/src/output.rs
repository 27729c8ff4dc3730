use std::{fmt, time::Duration};

use ife_words::{Acceptance, Event, Gate};

use crate::cause::Cause;
use crate::input::{Leg, Timer};
use crate::plan::ExpertId;
use crate::state::{FailReason, Reported};

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
    /// Hang up. An answer that there is no such channel is [`crate::Seen::Gone`].
    Hangup {
        /// The leg.
        leg: Leg,
        /// The cause to set, never one that the gateway turns into a global failure.
        cause: Cause,
    },
    /// Give [`crate::Input::Timeout`] with this timer after that time. Replaces the running timer
    /// of its kind.
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
    Witness(Witnessed),
    /// The state is another one now. When it is final, no timer is needed any more, but inputs
    /// about legs still are: keep the call until no leg of it can show itself, so that it can be
    /// hung up.
    StateChanged(Reported),
}

/// Detail of a call in an entry of the witness log. Displayed, it is the detail of a step
/// of the call's history, which has state, attempt and expert as members.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Witnessed {
    /// The event.
    pub event: Event,
    /// Name of the call's state.
    pub state: &'static str,
    /// The attempt, from 0.
    pub attempt: u8,
    /// The expert of that attempt.
    pub expert: Option<ExpertId>,
    /// Why the attempt or the call is over, in one word.
    pub reason: Option<String>,
    /// The gate that refused, and its status.
    pub refused: Option<(Gate, u16)>,
    /// By which means the expert accepted the call, or declined it.
    pub means: Option<Acceptance>,
    /// Why a leg was released.
    pub cause: Option<Cause>,
    /// The final SIP reply.
    pub reply: Option<u16>,
    /// The expert who is called next.
    pub next: Option<ExpertId>,
    /// Whether the call is one of an earlier process.
    pub adopted: bool,
}

impl Witnessed {
    pub(crate) fn because(mut self, why: &FailReason) -> Self {
        self.reason = Some(why.word());
        if let FailReason::Refused { gate, code, .. } = why {
            self.refused = Some((*gate, *code));
        }
        self.cause = why.leg_cause();
        self.means = why.means();
        if let FailReason::Expert { reply, .. } = why {
            self.reply = *reply;
        }
        self
    }
}

impl fmt::Display for Witnessed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.event)?;
        if let Some(reason) = &self.reason {
            write!(f, ", {}", reason.replace('_', " "))?;
        }
        if let Some((gate, code)) = self.refused {
            write!(f, ", gate {gate}, code {code}")?;
        }
        if let Some(means) = self.means {
            write!(f, " means={means}")?;
        }
        if let Some(cause) = self.cause {
            write!(f, ", cause {cause}")?;
        }
        if let Some(status) = self.reply {
            write!(f, ", SIP {status}")?;
        }
        if let Some(next) = &self.next {
            write!(f, ", next is {next}")?;
        }
        f.write_str(if self.adopted { ", taken over" } else { "" })
    }
}
