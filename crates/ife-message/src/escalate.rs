//! The escalation in an IFMessage.

use ife_words::hex;
use serde::{Deserialize, Serialize};
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

/// Longest reason of a call, in bytes.
pub const REASON_LEN_MAX: usize = 320;
/// Longest question to the expert, in bytes.
pub const QUESTION_LEN_MAX: usize = 1024;
/// Fewest and most answers that a question offers.
pub const OPTIONS_MIN: usize = 2;
/// See [`OPTIONS_MIN`].
pub const OPTIONS_MAX: usize = 9;
/// Longest answer that a question offers, in bytes.
pub const OPTION_LEN_MAX: usize = 64;

/// The text that the expert reads before and during the call. Plain text, for people.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Briefing {
    /// Why the expert is called: a sentence.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The question that the expert decides.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub question: Option<String>,
    /// The answers that the question offers, each once; without a question none.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub options: Vec<String>,
}

impl Briefing {
    /// Returns whether all are absent.
    pub fn is_empty(&self) -> bool {
        *self == Briefing::default()
    }

    /// Checks lengths, characters and that options answer a question.
    ///
    /// # Errors
    /// The member, without a path, and its requirement.
    pub fn check(&self) -> Result<(), (&'static str, &'static str)> {
        let is_absent_or = |text: &Option<String>, len_max| {
            text.as_deref().is_none_or(|text| is_shown(text, len_max))
        };
        if !is_absent_or(&self.reason, REASON_LEN_MAX) {
            return Err((
                "reason",
                "must be 1 to 320 bytes of visible text in one line",
            ));
        }
        if !is_absent_or(&self.question, QUESTION_LEN_MAX) {
            return Err((
                "question",
                "must be 1 to 1024 bytes of visible text in one line",
            ));
        }
        let options = &self.options;
        let is_repeated = |(i, option)| options[..i].contains(option);
        if !options.is_empty()
            && (!(OPTIONS_MIN..=OPTIONS_MAX).contains(&options.len())
                || !options.iter().all(|text| is_shown(text, OPTION_LEN_MAX))
                || options.iter().enumerate().any(is_repeated))
        {
            return Err((
                "options",
                "must be 2 to 9 different texts of 1 to 64 bytes in one line",
            ));
        }
        if !options.is_empty() && self.question.is_none() {
            return Err(("options", "need a question"));
        }
        Ok(())
    }

    fn from_payload(payload: &Map<String, Value>) -> Result<Briefing, MessageError> {
        let text = |key: &str, member| match payload.get(key) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text.clone())),
            Some(_) => Err(MessageError::Member {
                member,
                why: "must be a string",
            }),
        };
        let options = match payload.get("options") {
            None => Vec::new(),
            Some(Value::Array(items)) if items.is_empty() => {
                return Err(fail_options("must not be empty"));
            }
            Some(value @ Value::Array(_)) => strings(value)
                .ok_or(fail_options("must be an array of strings"))?
                .into_iter()
                .map(str::to_owned)
                .collect(),
            Some(_) => return Err(fail_options("must be an array of strings")),
        };
        let briefing = Briefing {
            reason: text("reason", "payload.reason")?,
            question: text("question", "payload.question")?,
            options,
        };
        match briefing.check() {
            Ok(()) => Ok(briefing),
            Err(("reason", why)) => Err(MessageError::Member {
                member: "payload.reason",
                why,
            }),
            Err(("question", why)) => Err(MessageError::Member {
                member: "payload.question",
                why,
            }),
            Err((_, why)) => Err(fail_options(why)),
        }
    }
}

fn fail_options(why: &'static str) -> MessageError {
    MessageError::Member {
        member: "payload.options",
        why,
    }
}

/// Returns whether a person sees the text as it is: no white space around it, no control
/// character, and none of Unicode's that break a line or turn the direction of writing.
fn is_shown(text: &str, len_max: usize) -> bool {
    let is_hidden = |c: char| {
        c.is_control()
            || matches!(c, '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
    };
    (1..=len_max).contains(&text.len()) && text.trim() == text && !text.chars().any(is_hidden)
}

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
    /// The text for the expert.
    pub briefing: Briefing,
}

impl Escalate {
    /// Reads the payload. Accepts `hazards` and `hazard`, in the payload or beside it, and a lone
    /// string in place of an array.
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
            hazards: hazards(message)?,
            evidence_files: evidence_files(payload)?,
            conversation_id,
            expert_id: name(payload, "expert_id", "payload.expert_id")?,
            signature: name(payload, "signature", "payload.signature")?,
            briefing: Briefing::from_payload(payload)?,
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

fn hazards(message: &IfMessage) -> Result<Vec<Hazard>, MessageError> {
    let fail = |why| MessageError::Member {
        member: "payload.hazards",
        why,
    };
    let places = [&message.payload, &message.extra];
    let mut given = places
        .into_iter()
        .flat_map(|members| ["hazards", "hazard"].map(|name| members.get(name)))
        .flatten();
    let value = match (given.next(), given.next()) {
        (Some(value), None) => value,
        (None, _) => return Err(fail("is missing")),
        (Some(_), Some(_)) => {
            return Err(fail(
                "is given twice: as hazards and as hazard, or in the payload and beside it",
            ));
        }
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
