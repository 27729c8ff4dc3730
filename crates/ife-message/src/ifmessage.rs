//! IFMessage v1.0: the message envelope between parts of InfraFabric. Schema:
//! `docs/schema/ifmessage.schema.json`.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use ife_words::time;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use serde_json::{Map, Value};

use crate::{
    ids::Kid,
    json::{self, JsonError},
    key::{BadSignature, PrivateKey},
    signature::LegacySignature,
};

/// Longest message in bytes, evidence chunks included.
pub const MESSAGE_LEN_MAX: usize = 1 << 20;
/// Longest id, source, destination, performative, conversation id or trace id, in bytes.
pub const NAME_LEN_MAX: usize = 256;
/// Most citations in one message.
pub const CITATIONS_MAX: usize = 256;

/// One message. Unknown members are kept in `extra`, since a signature covers them too.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct IfMessage {
    /// Unique name of the message; intake is idempotent by it.
    pub id: String,
    /// RFC 3339.
    pub timestamp: String,
    /// At least 1.
    pub level: u32,
    /// The sender.
    pub source: String,
    /// The receiver.
    pub destination: String,
    /// The content; its members depend on the performative.
    pub payload: Map<String, Value>,
    /// Correlates everything about one escalation. Read as `traceId` or `trace_id`, written as
    /// `traceId`.
    #[serde(
        rename = "traceId",
        alias = "trace_id",
        default,
        skip_serializing_if = "Option::is_none"
    )]
    pub trace_id: Option<String>,
    /// Version of the envelope.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// Speech act, for example `escalate`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub performative: Option<String>,
    /// The council's conference.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub conversation_id: Option<String>,
    /// Strictly increasing per sender where order matters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sequence_num: Option<u64>,
    /// Sources of the message.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub citation_ids: Option<Vec<String>>,
    /// The sender's signature over the canonical form of all other members.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signature: Option<MessageSignature>,
    /// Members unknown to this version.
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

/// Reasons why bytes are not an IFMessage, or not the expected one.
#[derive(Debug, thiserror::Error)]
pub enum MessageError {
    /// Not a JSON text.
    #[error(transparent)]
    Json(#[from] JsonError),
    /// A member is missing, of the wrong type, or given twice (`traceId` and `trace_id`).
    #[error("not an IFMessage: {0}")]
    Shape(serde_json::Error),
    /// A member has a forbidden value.
    #[error("{member}: {why}")]
    Member {
        /// Path of the member, for example `payload.hazards`.
        member: &'static str,
        /// The requirement.
        why: &'static str,
    },
    /// The message has no signature.
    #[error("the message is not signed")]
    Unsigned,
    /// The signature does not verify.
    #[error(transparent)]
    BadSignature(#[from] BadSignature),
}

impl IfMessage {
    /// Checks the limits that types do not: lengths, the timestamp, the level.
    pub fn check(&self) -> Result<(), MessageError> {
        let names = [
            ("id", Some(&self.id)),
            ("source", Some(&self.source)),
            ("destination", Some(&self.destination)),
            ("traceId", self.trace_id.as_ref()),
            ("version", self.version.as_ref()),
            ("performative", self.performative.as_ref()),
            ("conversation_id", self.conversation_id.as_ref()),
        ];
        for (member, name) in names {
            if name.is_some_and(|name| !is_name(name)) {
                return Err(MessageError::Member {
                    member,
                    why: "must be 1 to 256 bytes without control characters",
                });
            }
        }
        if self.level == 0 {
            return Err(MessageError::Member {
                member: "level",
                why: "must be 1 or more",
            });
        }
        if self.timestamp.len() > 40 || !time::is_rfc3339(&self.timestamp) {
            return Err(MessageError::Member {
                member: "timestamp",
                why: "must be an RFC 3339 date and time",
            });
        }
        let citations = self.citation_ids.as_deref().unwrap_or_default();
        if citations.len() > CITATIONS_MAX || !citations.iter().all(|c| is_name(c)) {
            return Err(MessageError::Member {
                member: "citation_ids",
                why: "must be at most 256 names",
            });
        }
        Ok(())
    }

    /// Returns the canonical form, signature included, as on the wire.
    pub fn to_canonical(&self) -> Result<Vec<u8>, JsonError> {
        json::canonical(self)
    }

    /// Signs all members but `signature` and sets it. The key's name becomes the kid if valid.
    pub fn sign(&mut self, key: &PrivateKey) -> Result<(), JsonError> {
        self.signature = None;
        let sig = key.sign(&self.to_canonical()?);
        self.signature = Some(MessageSignature {
            kid: Kid::parse(key.name().as_bytes()).ok(),
            sig,
        });
        Ok(())
    }
}

/// Returns true for 1 to 256 bytes without control characters.
pub(crate) fn is_name(text: &str) -> bool {
    (1..=NAME_LEN_MAX).contains(&text.len()) && !text.chars().any(char::is_control)
}

/// Ed25519 over the canonical form of the message without its `signature` member.
///
/// Written `{"alg":"ed25519","kid":...,"sig":<base64url>}`; the string `ed25519:<base64 or hex>`,
/// which names no key, is read as well.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MessageSignature {
    /// The key id, if the sender gave one.
    pub kid: Option<Kid>,
    /// The signature, not yet verified.
    pub sig: [u8; 64],
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct SignatureObject {
    alg: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    kid: Option<String>,
    sig: String,
}

impl Serialize for MessageSignature {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let kid = self.kid.map(|kid| kid.as_str().to_owned());
        SignatureObject {
            alg: "ed25519".to_owned(),
            kid,
            sig: URL_SAFE_NO_PAD.encode(self.sig),
        }
        .serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for MessageSignature {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match Value::deserialize(deserializer)? {
            Value::String(text) => from_text(&text),
            object @ Value::Object(_) => serde_json::from_value(object).ok().and_then(from_object),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) => None,
        }
        .ok_or_else(|| {
            de::Error::custom(
                "signature must be {\"alg\":\"ed25519\",\"kid\":...,\"sig\":<base64url>} \
                 or \"ed25519:...\"",
            )
        })
    }
}

fn from_text(text: &str) -> Option<MessageSignature> {
    text.strip_prefix("ed25519:")?;
    let LegacySignature { sig } = LegacySignature::parse(text.as_bytes()).ok()?;
    Some(MessageSignature { kid: None, sig })
}

fn from_object(object: SignatureObject) -> Option<MessageSignature> {
    if object.alg != "ed25519" {
        return None;
    }
    let kid = object
        .kid
        .map(|kid| Kid::parse(kid.as_bytes()))
        .transpose()
        .ok()?;
    let sig = URL_SAFE_NO_PAD.decode(&object.sig).ok()?.try_into().ok()?;
    Some(MessageSignature { kid, sig })
}
