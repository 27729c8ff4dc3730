//! The escalation in an IFMessage.

use ife_words::hex;
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

use crate::{
    ids::{Hazard, TraceId},
    ifmessage::{IfMessage, MessageError, is_name},
};

/// Most hazards in one escalation.
pub const HAZARDS_MAX: usize = 16;
/// Most evidence files in one escalation.
pub const EVIDENCE_FILES_MAX: usize = 64;
/// Longest path or URI of an evidence file, in bytes.
pub const EVIDENCE_FILE_LEN_MAX: usize = 2048;

/// The payload of a message with performative `escalate`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Escalate {
    /// The message's trace id, or its id without one.
    pub trace_id: TraceId,
    /// At least one, in the order given, each once.
    pub hazards: Vec<Hazard>,
    /// Paths or http(s) URIs; not yet checked against any allow-list.
    pub evidence_files: Vec<String>,
    /// The council's conference.
    pub conversation_id: Option<String>,
    /// The expert; absent for the one in charge of the hazard.
    pub expert_id: Option<String>,
    /// The council's signature for the call, for X-IF-Signature.
    pub signature: Option<String>,
}

impl Escalate {
    /// Reads the payload. Accepts `hazards` and `hazard`, and a lone string in place of an array.
    pub fn from_message(message: &IfMessage) -> Result<Escalate, MessageError> {
        if message.performative.as_deref() != Some("escalate") {
            return Err(MessageError::Member {
                member: "performative",
                why: "must be \"escalate\"",
            });
        }
        let payload = &message.payload;
        let trace_id = message.trace_id.as_ref().unwrap_or(&message.id);
        // `parse` trims, but a JSON string has no white space around its value.
        let trace_id = TraceId::parse(trace_id.as_bytes())
            .ok()
            .filter(|parsed| parsed.as_str() == trace_id)
            .ok_or(MessageError::Member {
                member: "traceId",
                why: "must be 8 to 128 of [A-Za-z0-9._:-]; without it the id stands in",
            })?;
        let conversation_id = match name(payload, "conversation_id", "payload.conversation_id")? {
            Some(id) => Some(id),
            None => message.conversation_id.clone(),
        };
        Ok(Escalate {
            trace_id,
            hazards: hazards(payload)?,
            evidence_files: evidence_files(payload)?,
            conversation_id,
            expert_id: name(payload, "expert_id", "payload.expert_id")?,
            signature: name(payload, "signature", "payload.signature")?,
        })
    }

    /// Returns the call's name in the API, see [`call_id`].
    pub fn call_id(&self) -> String {
        call_id(&self.trace_id)
    }
}

/// Returns `sip-call-` and the first 16 hex digits of SHA-256 of the trace id.
pub fn call_id(trace_id: &TraceId) -> String {
    let digest = Sha256::digest(trace_id.as_bytes());
    format!("sip-call-{}", hex::text(&digest[..8]))
}

fn hazards(payload: &Map<String, Value>) -> Result<Vec<Hazard>, MessageError> {
    let fail = |why| MessageError::Member {
        member: "payload.hazards",
        why,
    };
    let value = match (payload.get("hazards"), payload.get("hazard")) {
        (Some(value), None) | (None, Some(value)) => value,
        (None, None) => return Err(fail("is missing")),
        (Some(_), Some(_)) => return Err(fail("is given twice, as hazards and as hazard")),
    };
    let names = strings(value).ok_or(fail("must be a string or an array of strings"))?;
    if names.is_empty() || names.len() > HAZARDS_MAX {
        return Err(fail("must have 1 to 16 entries"));
    }
    let mut hazards = Vec::with_capacity(names.len());
    for name in names {
        // As above: no white space.
        let hazard = Hazard::parse(name.as_bytes())
            .ok()
            .filter(|hazard| hazard.as_str() == name);
        let hazard = hazard.ok_or(fail("must be names of 1 to 32 of [a-z0-9_-]"))?;
        if !hazards.contains(&hazard) {
            hazards.push(hazard);
        }
    }
    Ok(hazards)
}

fn evidence_files(payload: &Map<String, Value>) -> Result<Vec<String>, MessageError> {
    let fail = |why| MessageError::Member {
        member: "payload.evidence_files",
        why,
    };
    let Some(value) = payload.get("evidence_files") else {
        return Ok(Vec::new());
    };
    let files = strings(value).ok_or(fail("must be an array of strings"))?;
    let acceptable = |file: &&str| {
        (1..=EVIDENCE_FILE_LEN_MAX).contains(&file.len()) && !file.chars().any(char::is_control)
    };
    if files.len() > EVIDENCE_FILES_MAX || !files.iter().all(acceptable) {
        return Err(fail(
            "must be at most 64 paths or URIs of 1 to 2048 bytes without control characters",
        ));
    }
    Ok(files.into_iter().map(str::to_owned).collect())
}

/// Returns the strings of a lone string or an array of strings.
fn strings(value: &Value) -> Option<Vec<&str>> {
    match value {
        Value::String(text) => Some(vec![text]),
        Value::Array(items) => items.iter().map(Value::as_str).collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_) => None,
    }
}

fn name(
    payload: &Map<String, Value>,
    key: &str,
    member: &'static str,
) -> Result<Option<String>, MessageError> {
    match payload.get(key) {
        None => Ok(None),
        Some(Value::String(text)) if is_name(text) => Ok(Some(text.clone())),
        Some(_) => Err(MessageError::Member {
            member,
            why: "must be a string of 1 to 256 bytes without control characters",
        }),
    }
}
