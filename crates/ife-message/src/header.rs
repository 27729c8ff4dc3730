//! Common parts of the X-IF-* headers: names, faults, and the witness hash.
//!
//! The parsers take the raw body of one header field. Spaces and tabs around it are not part of the
//! value (RFC 3261 section 7.3.1); any other byte outside of the value is a fault, a folded line
//! included.

use std::fmt;

use ife_words::hex;

/// Correlates everything about one escalation; parsed by [`crate::TraceId`].
pub const TRACE_ID: &str = "X-IF-Trace-ID";
/// The hazard that made the council escalate; parsed by [`crate::Hazard`].
pub const HAZARD: &str = "X-IF-Hazard";
/// The signature of the caller; parsed by [`crate::AnySignature`].
pub const SIGNATURE: &str = "X-IF-Signature";
/// Leaf hash of the decision's witness entry, added by the proxy.
pub const WITNESS_HASH: &str = "X-IF-Witness-Hash";

/// A header body that is not well-formed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{what}: {fault}")]
pub struct HeaderError {
    /// Name of the header, or of the part of it.
    pub what: &'static str,
    /// The fault.
    pub fault: Fault,
}

/// A fault of a header body. Never carries the body itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// Empty or white space only.
    #[error("is empty")]
    Empty,
    /// Fewer bytes than the minimum.
    #[error("is shorter than {0} characters")]
    TooShort(usize),
    /// More bytes than the maximum.
    #[error("is longer than {0} characters")]
    TooLong(usize),
    /// A CR or LF: a folded line, or an injected one.
    #[error("holds a line break at offset {0}")]
    LineBreak(usize),
    /// A byte outside the allowed set, at this offset of the trimmed value.
    #[error("holds a character that is not allowed at offset {0}")]
    BadByte(usize),
    /// Does not begin with `v=1;`.
    #[error("is of a version other than v=1")]
    Version,
    /// The named parameter is missing at its position.
    #[error("lacks {0}= in its place (v, kid, iat, c, sig; each once, in this order)")]
    Parameter(&'static str),
    /// `iat` is not 1 to 12 decimal digits without leading zero.
    #[error("has an iat that is not a time in Unix seconds")]
    IssuedAt,
    /// `c` is not `base` followed by distinct known parts.
    #[error("has a c that is not base followed by cid or sdp, each at most once")]
    Covered,
    /// Not the canonical encoding of a value of the right length.
    #[error("is not encoded as it must be")]
    Encoding,
}

/// Returns the body without the spaces and tabs around it.
pub(crate) fn trim(mut body: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] = body {
        body = rest;
    }
    while let [rest @ .., b' ' | b'\t'] = body {
        body = rest;
    }
    body
}

/// Returns the trimmed body, if its length is within bounds and every byte is allowed. Checked in
/// this order: empty, too long, too short, bytes.
pub(crate) fn token<'a>(
    what: &'static str,
    body: &'a [u8],
    min: usize,
    max: usize,
    allowed: fn(u8) -> bool,
) -> Result<&'a [u8], HeaderError> {
    let value = trim(body);
    let fault = if value.is_empty() {
        Fault::Empty
    } else if value.len() > max {
        Fault::TooLong(max)
    } else if value.len() < min {
        Fault::TooShort(min)
    } else {
        match value.iter().position(|&b| !allowed(b)) {
            None => return Ok(value),
            Some(offset) if matches!(value[offset], b'\r' | b'\n') => Fault::LineBreak(offset),
            Some(offset) => Fault::BadByte(offset),
        }
    };
    Err(HeaderError { what, fault })
}

/// Body of X-IF-Witness-Hash: `sha256:` and 64 lower-case hex digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct WitnessHash(pub [u8; 32]);

impl WitnessHash {
    /// Parses a header body; upper-case digits are refused.
    pub fn parse(body: &[u8]) -> Result<Self, HeaderError> {
        let what = WITNESS_HASH;
        let value = token(what, body, 71, 71, |b| b.is_ascii_graphic())?;
        value
            .strip_prefix(b"sha256:")
            .filter(|digits| !digits.iter().any(u8::is_ascii_uppercase))
            .and_then(hex::decode)
            .map(WitnessHash)
            .ok_or(HeaderError {
                what,
                fault: Fault::Encoding,
            })
    }
}

impl fmt::Display for WitnessHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digits = hex::digits_of_32(&self.0);
        write!(
            f,
            "sha256:{}",
            std::str::from_utf8(&digits).unwrap_or_default()
        )
    }
}
