//! A gate's refusal: the public answer to the caller and the private detail for the log.

use std::fmt;
use std::net::IpAddr;

use ife_message::{AorError, Covered, HeaderError, SignError};

use super::{Claims, Lapse};
use crate::Transport;

/// A gate's refusal.
#[derive(Clone, Copy)]
pub(crate) struct Refusal {
    pub(crate) code: u16,
    /// Public: the SIP reason phrase.
    pub(crate) reason: &'static str,
    /// Seconds; 0 for no Retry-After.
    pub(crate) retry_after_s: u32,
    /// Private: for the log.
    pub(crate) why: Why,
}

impl Refusal {
    pub(crate) fn new(code: u16, reason: &'static str, why: Why) -> Self {
        Self {
            code,
            reason,
            retry_after_s: 0,
            why,
        }
    }

    /// Refuses for the moment, with Retry-After.
    pub(crate) fn busy(reason: &'static str, retry_after_s: u32, why: Why) -> Self {
        Self {
            code: 503,
            reason,
            retry_after_s,
            why,
        }
    }

    /// Refuses a state that a checked registry rules out.
    pub(crate) fn internal(why: Why) -> Self {
        Self::new(500, "Server Internal Error", why)
    }
}

/// Sides of a call.
#[derive(Clone, Copy)]
pub(crate) enum Side {
    Expert,
    Council,
}

/// The exact reason. Values of the request stay in the [`Claims`], so that a refusal is small.
#[derive(Clone, Copy)]
pub(crate) enum Why {
    Dialog,
    Method,
    Missing(&'static str),
    Repeated {
        name: &'static str,
        count: u32,
    },
    Header(HeaderError),
    Uri {
        what: &'static str,
        error: AorError,
    },
    CallId,
    FromTag,
    UnknownCallee,
    UnknownCaller,
    SameSide(Side),
    Expert(Lapse),
    Key(Lapse),
    UnknownHazard,
    HazardNotTaken,
    Network(IpAddr),
    Transport(Transport),
    Flood,
    FloodTableFull,
    Unsigned,
    UnknownKey,
    Covers {
        required: Covered,
        found: Covered,
    },
    Invalid(SignError),
    LegacyNotAllowed,
    LegacyInvalid,
    BadKey,
    Stale {
        age_s: u64,
        early: bool,
        window_s: u32,
    },
    Replayed,
    BornLater,
    ReplayTableFull,
    StoreUnavailable,
    PerMinute(u32),
    Concurrent(u32),
    CallUnderWay,
    CallTableFull,
}

/// Displays a reason. Only parsed values are named: no unchecked bytes of the sender reach the log.
pub(crate) struct InWords<'a> {
    why: &'a Why,
    claims: &'a Claims,
}

impl Why {
    pub(crate) fn of<'a>(&'a self, claims: &'a Claims) -> InWords<'a> {
        InWords { why: self, claims }
    }
}

impl fmt::Display for InWords<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let claims = self.claims;
        let (hazard, caller, callee) = (
            shown(&claims.hazard),
            shown(&claims.caller),
            shown(&claims.callee),
        );
        match self.why {
            Why::Dialog => f.write_str("a To-tag, and no dialog that was approved here"),
            Why::Method => f.write_str("not an INVITE"),
            Why::Missing(name) => write!(f, "{name} is missing"),
            Why::Repeated { name, count } => write!(f, "{name} is there {count} times"),
            Why::Header(error) => error.fmt(f),
            Why::Uri { what, error } => write!(f, "{what}: {error}"),
            Why::CallId => f.write_str("Call-ID is missing, too long or not visible ASCII"),
            Why::FromTag => f.write_str("From has no usable tag"),
            Why::UnknownCallee => write!(f, "the callee {callee} is not in the registry"),
            Why::UnknownCaller => write!(f, "the caller {caller} is not in the registry"),
            Why::SameSide(Side::Expert) => f.write_str("caller and callee are both experts"),
            Why::SameSide(Side::Council) => f.write_str("caller and callee are both councils"),
            Why::Expert(lapse) => write!(f, "the expert is {lapse}"),
            Why::Key(lapse) => write!(f, "the key is {lapse}"),
            Why::UnknownHazard => write!(f, "hazard {hazard} is not in the registry"),
            Why::HazardNotTaken => write!(f, "hazard {hazard} is not one of the expert's"),
            Why::Network(peer) => write!(f, "{peer} is in none of the caller's sources"),
            Why::Transport(t) => write!(f, "{} is none of the caller's transports", t.as_str()),
            Why::Flood => f.write_str("the source's token bucket is empty"),
            Why::FloodTableFull => f.write_str("no room for another source's token bucket"),
            Why::Unsigned => f.write_str("X-IF-Signature is missing"),
            Why::UnknownKey => match claims.kid() {
                Some(kid) => write!(f, "the caller has no key {kid}"),
                None => f.write_str("the caller has no such key"),
            },
            Why::Covers { required, found } => write!(f, "covers {found}, must cover {required}"),
            Why::Invalid(error) => error.fmt(f),
            Why::LegacyNotAllowed => {
                f.write_str("no key of the caller may sign in the legacy form")
            }
            Why::LegacyInvalid => f.write_str("no legacy key of the caller made this signature"),
            Why::BadKey => f.write_str("the compiled registry holds an unusable key"),
            Why::Stale {
                age_s,
                early,
                window_s,
            } => {
                let when = if *early { "in the future" } else { "ago" };
                write!(f, "signed {age_s} s {when}, window {window_s} s")
            }
            Why::Replayed => f.write_str("this signature was seen before"),
            Why::BornLater => f.write_str("signed before the replay table was made"),
            Why::ReplayTableFull => f.write_str("no room in the replay table"),
            Why::StoreUnavailable => {
                f.write_str("the store of spent legacy trace ids cannot be used")
            }
            Why::PerMinute(limit) => {
                write!(f, "more than {limit} calls of the expert in a minute")
            }
            Why::Concurrent(limit) => write!(f, "{limit} calls of the expert are under way"),
            Why::CallUnderWay => {
                f.write_str("another call with this Call-ID and From tag is under way")
            }
            Why::CallTableFull => f.write_str("no room in the table of calls"),
        }
    }
}

fn shown<T: AsRef<str>>(value: &Result<T, Refusal>) -> &str {
    value.as_ref().map_or("", AsRef::as_ref)
}

impl fmt::Display for Lapse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Status(status) => f.write_str(status.as_str()),
            Self::NotYet => f.write_str("not valid yet"),
            Self::NoLonger => f.write_str("no longer valid"),
        }
    }
}
