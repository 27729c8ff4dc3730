use std::fmt;
use std::time::Duration;

use ife_words::Direction;

/// The aim of a call, fixed when it begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// Who calls whom. Of a call to the council, leg `Expert(0)` is there from the start.
    pub direction: Direction,
    /// How the council is joined.
    pub backend: Backend,
    /// Experts to try, in registry order, at least one. Of an incoming call, the one who calls.
    pub experts: Vec<ExpertId>,
    /// Waits, and when the next expert is tried.
    pub policy: Policy,
}

/// How the council is joined, and what proves it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Backend {
    /// A ConfBridge room: proved by the expert's leg seen in the room.
    Room,
    /// An external MCU dialled from the expert's leg: proved by the MCU's leg answering while the
    /// expert's is up.
    Mcu,
}

/// The registry's id of an expert.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ExpertId(Box<str>);

impl ExpertId {
    /// The id.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<&str> for ExpertId {
    fn from(id: &str) -> Self {
        ExpertId(id.into())
    }
}

impl fmt::Display for ExpertId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for ExpertId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ExpertId({:?})", &self.0)
    }
}

/// Waits, and when the next expert is tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Policy {
    /// For the gate's verdict.
    pub gate_max: Duration,
    /// From the order to call to ringing or answer. Then the called side counts as unreachable.
    pub setup_max: Duration,
    /// From ringing to answer. Then the called side has not answered.
    pub ring_max: Duration,
    /// From answer to acceptance, for a gateway that does not report its absence.
    pub accept_max: Duration,
    /// From acceptance to the council joined.
    pub join_max: Duration,
    /// From the council joined to the end.
    pub call_max: Duration,
    /// Between two orders to hang up the same leg.
    pub hangup_retry: Duration,
    /// Number of orders to hang up a leg before the call ends without proof that it is gone.
    pub hangup_tries: u8,
    /// How long the gateway may be unreachable while legs are up. They live on meanwhile; after it
    /// the call has failed, and a leg that shows itself again is hung up.
    pub link_lost_max: Duration,
    /// Which failures lead to the next expert.
    pub retry: RetryOn,
}

/// Which failures of an expert's leg lead to the next expert. All but `refused` by default.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RetryOn {
    /// Busy, or over quota at the gate.
    pub busy: bool,
    /// Rang and was not answered, or was answered and not accepted.
    pub no_answer: bool,
    /// Declined by the expert, before the answer or by key.
    pub declined: bool,
    /// Not registered, no route, no resources, no common codec, or no cause given.
    pub unreachable: bool,
    /// Refused by the gate for any other reason than quota.
    pub refused: bool,
}

impl Default for Policy {
    fn default() -> Self {
        Policy {
            gate_max: Duration::from_secs(2),
            setup_max: Duration::from_secs(8),
            ring_max: Duration::from_secs(30),
            accept_max: Duration::from_secs(240),
            join_max: Duration::from_secs(10),
            call_max: Duration::from_secs(4 * 3600),
            hangup_retry: Duration::from_secs(1),
            hangup_tries: 5,
            link_lost_max: Duration::from_secs(120),
            retry: RetryOn::default(),
        }
    }
}

impl Default for RetryOn {
    fn default() -> Self {
        RetryOn {
            busy: true,
            no_answer: true,
            declined: true,
            unreachable: true,
            refused: false,
        }
    }
}
