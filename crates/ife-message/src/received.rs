//! A message as received: its signature is checked over the bytes sent, not a new encoding.

use serde_json::Value;

use crate::{
    ifmessage::{IfMessage, MESSAGE_LEN_MAX, MessageError},
    json,
    key::PublicKey,
};

/// Optional members for which `null` is not the same as absence.
const NEVER_NULL: [&str; 8] = [
    "traceId",
    "trace_id",
    "version",
    "performative",
    "conversation_id",
    "sequence_num",
    "citation_ids",
    "signature",
];

/// A parsed message and the bytes that its signature covers.
#[derive(Debug, Clone)]
pub struct Received {
    message: IfMessage,
    signed: Vec<u8>,
}

impl Received {
    /// Parses a JSON text of at most [`MESSAGE_LEN_MAX`] bytes. Nothing is verified.
    pub fn parse(text: &[u8]) -> Result<Received, MessageError> {
        Received::from_value(json::parse(text, MESSAGE_LEN_MAX)?)
    }

    /// Takes a value that [`json::parse`] returned.
    pub fn from_value(mut value: Value) -> Result<Received, MessageError> {
        for member in NEVER_NULL {
            if value.get(member).is_some_and(Value::is_null) {
                return Err(MessageError::Member {
                    member,
                    why: "must not be null; leave it out",
                });
            }
        }
        let message: IfMessage =
            serde::Deserialize::deserialize(&value).map_err(MessageError::Shape)?;
        message.check()?;
        if let Some(members) = value.as_object_mut() {
            members.remove("signature");
        }
        let signed = json::canonical(&value)?;
        Ok(Received { message, signed })
    }

    /// Returns the message.
    pub fn message(&self) -> &IfMessage {
        &self.message
    }

    /// Returns the message by value.
    pub fn into_message(self) -> IfMessage {
        self.message
    }

    /// Returns the canonical form of all members but the signature.
    pub fn signed_bytes(&self) -> &[u8] {
        &self.signed
    }

    /// Verifies the signature by `key`. The caller chooses the key by the signature's kid.
    pub fn verify(&self, key: &PublicKey) -> Result<(), MessageError> {
        let signature = self
            .message
            .signature
            .as_ref()
            .ok_or(MessageError::Unsigned)?;
        Ok(key.verify_strict(&self.signed, &signature.sig)?)
    }
}
