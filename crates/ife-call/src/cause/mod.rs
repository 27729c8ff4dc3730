//! Release causes of SIP, Q.850 and H.225.0: their meanings, and what to set for them.

mod sip;
mod table;

use std::fmt;

pub use sip::{REPLIES, Reply};
pub use table::{CAUSES, FROM_H225, FROM_SIP, Row};

/// A Q.850 cause value, 0 for unknown.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Cause(u8);

ife_words::words! {
    /// Meaning of a cause for the called side.
    #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
    pub enum Class {
        /// In another call.
        Busy = "busy",
        /// Did not answer.
        NoAnswer = "no_answer",
        /// A person refused the call, or their terminal did.
        Declined = "declined",
        /// A server or a phone lets no such call through, or asks for credentials. No person
        /// refused it.
        Forbidden = "forbidden",
        /// Asks to be called elsewhere. The gate approved this address alone: the redirect is not
        /// followed.
        Redirected = "redirected",
        /// Not known there, or not registered.
        NotFound = "not_found",
        /// Cannot be reached.
        Unreachable = "unreachable",
        /// No resources on the way.
        Congested = "congested",
        /// No common codec or feature.
        Incompatible = "incompatible",
        /// The address makes no sense.
        BadAddress = "bad_address",
        /// Nothing: 0, a plain clearing before the answer, or a cause that is also given for a call
        /// cut off by a far side that rejects at once (111 in a quarter of such calls). Never to be
        /// read as declined.
        Unknown = "unknown",
    }
}

/// How far the leg was when it was released.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// Not answered.
    BeforeAnswer,
    /// Answered.
    Answered,
}

impl Cause {
    /// No cause was given.
    pub const UNKNOWN: Cause = Cause(0);
    /// 16, for a leg that was answered.
    pub const NORMAL: Cause = Cause(16);
    /// 19, for a leg that rang too long.
    pub const NO_ANSWER: Cause = Cause(19);
    /// 21, for a leg that is refused.
    pub const REJECTED: Cause = Cause(21);
    /// 31, for a leg given up without fault of its own. On a ringing leg 16 would become 603.
    pub const UNSPECIFIED: Cause = Cause(31);
    /// 42, for a side that cannot be reached.
    pub const CONGESTION: Cause = Cause(42);

    /// A cause as seen. Above 127 it is none of Q.850's and counts as unknown.
    pub fn seen(value: u8) -> Self {
        if value <= 127 {
            Cause(value)
        } else {
            Cause::UNKNOWN
        }
    }

    /// The cause of a SIP status of 400 and above.
    pub fn from_sip(status: u16) -> Self {
        let found = FROM_SIP.iter().find(|(code, _)| *code == status);
        Cause(found.map_or(31, |(_, cause)| *cause))
    }

    /// The cause to set for an H.225.0 release reason, unknown for one that the table does not
    /// have.
    pub fn to_set_for_h225(reason: u8) -> Self {
        let found = FROM_H225.iter().find(|(number, ..)| *number == reason);
        found.map_or(Cause::CONGESTION, |(.., set)| Cause(*set))
    }

    /// The value, 0 to 127.
    pub fn value(self) -> u8 {
        self.0
    }

    /// Whether the cause has no meaning of its own.
    pub fn is_unknown(self) -> bool {
        self.class() == Class::Unknown
    }

    /// Its meaning for the called side.
    pub fn class(self) -> Class {
        self.row().class
    }

    /// Its name in Q.850.
    pub fn name(self) -> &'static str {
        self.row().name
    }

    /// The SIP status by RFC 3398, 503 where the RFC has none.
    pub fn sip(self) -> u16 {
        match self.row().sip {
            0 => 503,
            status => status,
        }
    }

    /// The cause to set on the other leg when this one was seen. Always set one: without, and for
    /// many values, Asterisk answers 603, which is a global failure.
    pub fn to_set(self, stage: Stage) -> Cause {
        match stage {
            Stage::BeforeAnswer => Cause(self.row().set),
            Stage::Answered => Cause::NORMAL,
        }
    }

    fn row(self) -> &'static Row {
        let at = CAUSES.binary_search_by_key(&self.0, |row| row.cause);
        // Row 0 is the one of the unknown cause.
        &CAUSES[at.unwrap_or(0)]
    }
}

impl fmt::Debug for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Cause({} {})", self.0, self.name())
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}
