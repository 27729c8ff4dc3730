//! Gate 1: the claims of a request, each parsed or refused.

use ife_message::{
    AnySignature, Aor, Hazard, HeaderError, Kid, SignatureHeader, TraceId, header, sign,
};

use super::{Refusal, Why};
use crate::{HeaderValue, Request};

/// Longest tag of a From header, in bytes.
const TAG_LEN_MAX: usize = 256;

/// The claims of a request: well-formed, not proven.
pub(crate) struct Claims {
    pub(crate) method: Result<(), Refusal>,
    pub(crate) trace_id: Result<TraceId, Refusal>,
    pub(crate) hazard: Result<Hazard, Refusal>,
    /// `None` when absent: gate 7 refuses that, with a code of its own.
    pub(crate) signature: Result<Option<AnySignature>, Refusal>,
    pub(crate) caller: Result<Aor, Refusal>,
    pub(crate) callee: Result<Aor, Refusal>,
    pub(crate) call: Result<(), Refusal>,
}

impl Claims {
    pub(crate) fn of(request: &Request<'_>) -> Self {
        Self {
            method: method(request.method),
            trace_id: required(request.trace_id, header::TRACE_ID, TraceId::parse),
            hazard: required(request.hazard, header::HAZARD, Hazard::parse),
            signature: optional(request.signature, header::SIGNATURE, AnySignature::parse),
            caller: Aor::parse(request.from).map_err(|e| {
                bad(
                    "Bad From",
                    Why::Uri {
                        what: "From",
                        error: e,
                    },
                )
            }),
            callee: Aor::parse(request.ruri).map_err(|e| {
                bad(
                    "Bad Request-URI",
                    Why::Uri {
                        what: "Request-URI",
                        error: e,
                    },
                )
            }),
            call: call(request),
        }
    }

    /// Gate 1: all parts present, once each, well-formed.
    pub(crate) fn check(&self) -> Result<(), Refusal> {
        self.method?;
        self.trace_id?;
        self.hazard?;
        self.signature?;
        self.caller?;
        self.callee?;
        self.call
    }

    /// Returns the key id that the signature names.
    pub(crate) fn kid(&self) -> Option<Kid> {
        self.v1().map(|header| header.kid)
    }

    /// Returns the time at which the signature claims to be made.
    pub(crate) fn iat(&self) -> Option<u64> {
        self.v1().map(|header| header.iat)
    }

    fn v1(&self) -> Option<&SignatureHeader> {
        match &self.signature {
            Ok(Some(AnySignature::V1(header))) => Some(header),
            Ok(Some(AnySignature::Legacy(_)) | None) | Err(_) => None,
        }
    }
}

fn method(method: &[u8]) -> Result<(), Refusal> {
    if method == b"INVITE" {
        Ok(())
    } else {
        Err(Refusal::new(405, "Method Not Allowed", Why::Method))
    }
}

fn required<T>(
    value: HeaderValue<'_>,
    name: &'static str,
    parse: fn(&[u8]) -> Result<T, HeaderError>,
) -> Result<T, Refusal> {
    optional(value, name, parse)?.ok_or_else(|| bad(missing_reason(name), Why::Missing(name)))
}

fn optional<T>(
    value: HeaderValue<'_>,
    name: &'static str,
    parse: fn(&[u8]) -> Result<T, HeaderError>,
) -> Result<Option<T>, Refusal> {
    match value {
        HeaderValue::Absent => Ok(None),
        HeaderValue::Many(count) => Err(bad(bad_reason(name), Why::Repeated { name, count })),
        HeaderValue::One(body) => match parse(body) {
            Ok(value) => Ok(Some(value)),
            Err(error) => Err(bad(bad_reason(name), Why::Header(error))),
        },
    }
}

/// Checks Call-ID and From-tag. A covered Call-ID is one line of the signed bytes, and the tag
/// identifies the caller's half of the call.
fn call(request: &Request<'_>) -> Result<(), Refusal> {
    let tag = request.from_tag;
    if !sign::is_call_id(request.call_id) {
        Err(bad("Bad Call-ID", Why::CallId))
    } else if tag.is_empty() || tag.len() > TAG_LEN_MAX || !tag.iter().all(u8::is_ascii_graphic) {
        Err(bad("Bad From", Why::FromTag))
    } else {
        Ok(())
    }
}

fn missing_reason(name: &str) -> &'static str {
    if name == header::TRACE_ID {
        "Missing X-IF-Trace-ID"
    } else {
        "Missing X-IF-Hazard"
    }
}

fn bad_reason(name: &str) -> &'static str {
    match name {
        header::TRACE_ID => "Bad X-IF-Trace-ID",
        header::HAZARD => "Bad X-IF-Hazard",
        _ => "Bad X-IF-Signature",
    }
}

fn bad(reason: &'static str, why: Why) -> Refusal {
    Refusal::new(400, reason, why)
}
