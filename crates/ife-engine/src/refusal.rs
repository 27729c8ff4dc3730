//! Why a request was not done, in the words of RFC 9457 (problem details) and of the interface
//! contract.

use ife_guard::Gate;
use serde::{Deserialize, Deserializer, Serialize};
use thiserror::Error;
use utoipa::ToSchema;

/// After so many seconds another try makes sense.
pub const RETRY_AFTER_S: u32 = 5;

ife_words::words! {
    /// Error names that the wider system knows.
    #[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
    #[serde(rename_all = "SCREAMING_SNAKE_CASE")]
    pub enum ErrorName {
        /// A field is missing, malformed or too long: 400.
        InvalidRequest = "INVALID_REQUEST",
        /// The sender is not registered: 401.
        UnknownAgent = "UNKNOWN_AGENT",
        /// The signature does not verify: 403.
        InvalidSignature = "INVALID_SIGNATURE",
        /// A refusal by a gate: 403.
        PolicyRejected = "POLICY_REJECTED",
        /// No such expert, or none for this hazard: 404.
        ExpertNotFound = "EXPERT_NOT_FOUND",
        /// No such call, room or participant: 404.
        NotFound = "NOT_FOUND",
        /// The same name is in use for something else: 409.
        Conflict = "CONFLICT",
        /// A limit of the bridge is reached: 503 with Retry-After.
        CapacityExceeded = "CAPACITY_EXCEEDED",
        /// The council's side could not be reached: 502.
        H323BridgeFailed = "H323_BRIDGE_FAILED",
        /// Evidence could not be offered; the call goes on.
        WebrtcEvidenceFailed = "WEBRTC_EVIDENCE_FAILED",
        /// AMI, witness or another part is down: 503.
        Unavailable = "UNAVAILABLE",
        /// No token, or a wrong one: 401.
        Unauthenticated = "UNAUTHENTICATED",
        /// The listener does not take it from there: 403.
        Forbidden = "FORBIDDEN",
        /// The resource does not have that method: 405.
        MethodNotAllowed = "METHOD_NOT_ALLOWED",
        /// The body is longer than 1 MiB: 413.
        TooLarge = "TOO_LARGE",
        /// The answer took too long: 504.
        Timeout = "TIMEOUT",
    }
}

impl ErrorName {
    /// HTTP status (RFC 9110).
    pub fn status(self) -> u16 {
        match self {
            ErrorName::InvalidRequest => 400,
            ErrorName::UnknownAgent => 401,
            ErrorName::InvalidSignature | ErrorName::PolicyRejected => 403,
            ErrorName::ExpertNotFound | ErrorName::NotFound => 404,
            ErrorName::Conflict => 409,
            ErrorName::Unauthenticated => 401,
            ErrorName::Forbidden => 403,
            ErrorName::MethodNotAllowed => 405,
            ErrorName::TooLarge => 413,
            ErrorName::Timeout => 504,
            ErrorName::H323BridgeFailed => 502,
            ErrorName::CapacityExceeded
            | ErrorName::WebrtcEvidenceFailed
            | ErrorName::Unavailable => 503,
        }
    }

    /// The same for every occurrence (RFC 9457, 3.1.3).
    pub fn title(self) -> &'static str {
        match self {
            ErrorName::InvalidRequest => "The request is not valid",
            ErrorName::UnknownAgent => "The sender is not a registered agent",
            ErrorName::InvalidSignature => "The signature does not verify",
            ErrorName::PolicyRejected => "Refused by policy",
            ErrorName::ExpertNotFound => "No such expert",
            ErrorName::NotFound => "Not found",
            ErrorName::Conflict => "Conflict",
            ErrorName::CapacityExceeded => "No capacity",
            ErrorName::H323BridgeFailed => "The council could not be reached",
            ErrorName::WebrtcEvidenceFailed => "Evidence could not be offered",
            ErrorName::Unavailable => "A part of the bridge is down",
            ErrorName::Unauthenticated => "A token is needed",
            ErrorName::Forbidden => "Not from there",
            ErrorName::MethodNotAllowed => "No such method",
            ErrorName::TooLarge => "The body is too long",
            ErrorName::Timeout => "The answer took too long",
        }
    }
}

/// One refusal. Its text is for a person; it never reveals keys, paths or another caller's data.
#[derive(Debug, Clone, PartialEq, Eq, Error, Serialize)]
#[error("{detail}")]
pub struct Refusal {
    /// Which kind.
    pub name: ErrorName,
    /// The fault of this request.
    pub detail: String,
    /// JSON path of the field, for example `payload.hazards[0]`.
    pub field: Option<String>,
    /// The gate that rejected.
    pub gate: Option<&'static str>,
    /// Seconds after which another try makes sense.
    pub retry_after_s: Option<u32>,
}

impl Refusal {
    /// Without field and gate. What passes by itself has a time.
    pub fn new(name: ErrorName, detail: impl Into<String>) -> Refusal {
        let passes = name.status() == 503 && name != ErrorName::WebrtcEvidenceFailed;
        Refusal {
            name,
            detail: detail.into(),
            field: None,
            gate: None,
            retry_after_s: passes.then_some(RETRY_AFTER_S),
        }
    }

    /// A field of the request is wrong.
    pub fn field(field: impl Into<String>, detail: impl Into<String>) -> Refusal {
        Refusal {
            field: Some(field.into()),
            ..Refusal::new(ErrorName::InvalidRequest, detail)
        }
    }
}

/// The member that serde misses, does not know or saw twice. It names it in the text alone.
pub fn named_field(words: &str) -> Option<&str> {
    let kinds = ["missing field `", "unknown field `", "duplicate field `"];
    let rest = kinds.iter().find_map(|kind| words.strip_prefix(kind))?;
    rest.split('`').next()
}

/// A refusal as the store has it. A gate that is not known any more is left out.
#[derive(Deserialize)]
struct Stored {
    name: ErrorName,
    detail: String,
    field: Option<String>,
    gate: Option<String>,
    retry_after_s: Option<u32>,
}

// By hand, because a derived one would borrow the gate's name for ever.
impl<'de> Deserialize<'de> for Refusal {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Refusal, D::Error> {
        let stored = Stored::deserialize(deserializer)?;
        let gate = stored.gate.and_then(|name| Gate::of(&name));
        Ok(Refusal {
            name: stored.name,
            detail: stored.detail,
            field: stored.field,
            gate: gate.map(Gate::as_str),
            retry_after_s: stored.retry_after_s,
        })
    }
}
