//! IFMessages of the channel: sealed with key, sequence number and binding, and opened only when
//! all three hold (docs/evidence.md, 2.1).

use std::sync::Arc;

use ife_message::{IfMessage, PrivateKey, PublicKey, Received};
use ife_words::hex;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};
use thiserror::Error;

use crate::{MESSAGE_LEN_MAX, manifest::FileEntry};

/// Content of a message. Members that this version does not know are ignored.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type")]
#[expect(
    missing_docs,
    reason = "the table in docs/evidence.md says what each member is"
)]
pub enum Body {
    #[serde(rename = "evidence.hello")]
    Hello { public_key: String },
    #[serde(rename = "evidence.manifest")]
    Manifest {
        files: Vec<FileEntry>,
        manifest_sha256: String,
        call: CallFacts,
    },
    #[serde(rename = "evidence.request")]
    Request { file: u32, offset: u64 },
    #[serde(rename = "evidence.ack")]
    Ack { file: u32, offset: u64 },
    #[serde(rename = "evidence.pause")]
    Pause { file: u32 },
    #[serde(rename = "evidence.cancel")]
    Cancel { file: u32 },
    #[serde(rename = "evidence.complete")]
    Complete { file: u32, size: u64 },
    #[serde(rename = "evidence.receipt")]
    Receipt {
        manifest_sha256: String,
        files: Vec<ReceiptEntry>,
    },
    #[serde(rename = "evidence.receipt_ok")]
    ReceiptOk {
        entry: String,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        index: Option<u64>,
    },
    #[serde(rename = "evidence.state")]
    State { call_state: String },
    #[serde(rename = "evidence.error")]
    Error {
        code: ErrorCode,
        text: String,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        file: Option<u32>,
    },
    #[serde(rename = "agent.message")]
    Agent {
        #[serde(default, skip_serializing_if = "Option::is_none")]
        id: Option<String>,
        message: Map<String, Value>,
    },
    #[serde(rename = "agent.shown")]
    Shown { id: String },
    #[serde(rename = "agent.taken")]
    Taken { id: String },
    #[serde(rename = "agent.refused")]
    NotTaken {
        #[serde(default, skip_serializing_if = "Option::is_none")]
        id: Option<String>,
        code: String,
        text: String,
    },
}

/// Who calls whom about what.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CallFacts {
    /// Hazard name.
    pub hazard: String,
    /// The council's AOR.
    pub council: String,
    /// Who escalated.
    pub caller: String,
}

/// One file as the receiver found it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReceiptEntry {
    /// File id.
    pub file: u32,
    /// Bytes received.
    pub size: u64,
    /// SHA-256 that the receiver computed, lower-case hex.
    pub sha256: String,
    /// Whether it is the one in the manifest.
    pub verified: bool,
}

/// Why a message or a transfer failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(
    missing_docs,
    reason = "the list in docs/evidence.md says when each is sent"
)]
pub enum ErrorCode {
    BadSignature,
    BadSequence,
    BadBinding,
    BadMessage,
    UnknownFile,
    BadOffset,
    Unavailable,
    TooFast,
}

/// A message that must not be acted on.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{text}")]
pub struct Refused {
    /// For the peer.
    pub code: ErrorCode,
    /// For a person.
    pub text: String,
    /// Which file it was about.
    pub file: Option<u32>,
}

impl Refused {
    pub(crate) fn new(code: ErrorCode, text: impl Into<String>) -> Refused {
        Refused {
            code,
            text: text.into(),
            file: None,
        }
    }

    pub(crate) fn about(file: u32, code: ErrorCode, text: impl Into<String>) -> Refused {
        Refused {
            file: Some(file),
            ..Refused::new(code, text)
        }
    }

    /// Text of the error for the peer.
    pub fn to_body(&self) -> Body {
        Body::Error {
            code: self.code,
            text: self.text.clone(),
            file: self.file,
        }
    }
}

/// Ties a message to one session, one trace id and one DTLS connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Binding {
    session: String,
    trace_id: String,
    hash: String,
}

impl Binding {
    /// Fingerprints as in SDP: `sha-256 AB:CD:...`.
    pub fn new(session: &str, trace_id: &str, offerer: &str, answerer: &str) -> Binding {
        let mut hasher = Sha256::new();
        for line in ["if-evidence-v1", session, trace_id, offerer, answerer] {
            hasher.update(line);
            hasher.update("\n");
        }
        Binding {
            session: session.to_owned(),
            trace_id: trace_id.to_owned(),
            hash: hex::text(&hasher.finalize()),
        }
    }

    /// Lower-case hex SHA-256.
    pub fn hash(&self) -> &str {
        &self.hash
    }
}

/// The sending half: signs and numbers.
#[derive(Debug)]
pub struct Outbox {
    binding: Binding,
    key: Arc<PrivateKey>,
    source: String,
    destination: String,
    sequence: u64,
}

impl Outbox {
    /// Messages from `source` to `destination`, signed by `key`.
    pub fn new(
        binding: Binding,
        key: impl Into<Arc<PrivateKey>>,
        source: &str,
        destination: &str,
    ) -> Outbox {
        Outbox {
            binding,
            key: key.into(),
            source: source.to_owned(),
            destination: destination.to_owned(),
            sequence: 0,
        }
    }

    /// The canonical, signed bytes of the next message. `utc` is the time in RFC 3339.
    pub fn seal(&mut self, body: &Body, utc: &str) -> Result<Vec<u8>, Refused> {
        let bad = |text: String| Refused::new(ErrorCode::BadMessage, text);
        let mut payload = match serde_json::to_value(body) {
            Ok(Value::Object(members)) => members,
            Ok(_) | Err(_) => return Err(bad("message has no JSON form".to_owned())),
        };
        payload.insert("binding".to_owned(), self.binding.hash.clone().into());
        let sequence = self.sequence + 1;
        let mut message = IfMessage {
            id: format!("{}-{}-{sequence}", self.binding.session, self.source),
            timestamp: utc.to_owned(),
            level: 1,
            source: self.source.clone(),
            destination: self.destination.clone(),
            payload,
            trace_id: Some(self.binding.trace_id.clone()),
            version: None,
            performative: Some(performative(body).to_owned()),
            conversation_id: Some(self.binding.session.clone()),
            sequence_num: Some(sequence),
            citation_ids: None,
            signature: None,
            extra: Map::new(),
        };
        let bytes = message
            .sign(&self.key)
            .and_then(|()| message.to_canonical())
            .map_err(|error| bad(error.to_string()))?;
        if bytes.len() > MESSAGE_LEN_MAX {
            return Err(bad(format!(
                "message of {} bytes is longer than {MESSAGE_LEN_MAX}",
                bytes.len()
            )));
        }
        self.sequence = sequence;
        Ok(bytes)
    }
}

/// The performative (FIPA's words) that fits a body.
fn performative(body: &Body) -> &'static str {
    match body {
        Body::Request { .. } | Body::Pause { .. } | Body::Cancel { .. } => "request",
        Body::Ack { .. }
        | Body::Receipt { .. }
        | Body::ReceiptOk { .. }
        | Body::Shown { .. }
        | Body::Taken { .. } => "confirm",
        Body::NotTaken { .. } => "refuse",
        Body::Error { .. } => "failure",
        Body::Hello { .. }
        | Body::Manifest { .. }
        | Body::Complete { .. }
        | Body::State { .. }
        | Body::Agent { .. } => "inform",
    }
}

/// The receiving half: lets nothing through that was not signed by the peer for this connection, in
/// order.
#[derive(Debug)]
pub struct Inbox {
    binding: Binding,
    key: Option<PublicKey>,
    last: u64,
}

impl Inbox {
    /// With `key` known, or not yet: then the first message must be a hello, which names it.
    pub fn new(binding: Binding, key: Option<PublicKey>) -> Inbox {
        Inbox {
            binding,
            key,
            last: 0,
        }
    }

    /// The peer's key, once known.
    pub fn key(&self) -> Option<&PublicKey> {
        self.key.as_ref()
    }

    /// Checks size, form, signature, binding and order, and returns the content of the message.
    pub fn open(&mut self, text: &[u8]) -> Result<Body, Refused> {
        if text.len() > MESSAGE_LEN_MAX {
            return Err(Refused::new(
                ErrorCode::BadMessage,
                format!(
                    "message of {} bytes is longer than {MESSAGE_LEN_MAX}",
                    text.len()
                ),
            ));
        }
        let received = Received::parse(text)
            .map_err(|error| Refused::new(ErrorCode::BadMessage, error.to_string()))?;
        let message = received.message();
        let body: Body = serde_json::from_value(Value::Object(message.payload.clone()))
            .map_err(|error| Refused::new(ErrorCode::BadMessage, format!("payload: {error}")))?;
        let key = match (&self.key, &body) {
            (Some(key), _) => *key,
            (None, Body::Hello { public_key }) => public_key.parse().map_err(|error| {
                Refused::new(
                    ErrorCode::BadMessage,
                    format!("payload.public_key: {error}"),
                )
            })?,
            (None, _) => {
                return Err(Refused::new(
                    ErrorCode::BadMessage,
                    "the first message must be evidence.hello",
                ));
            }
        };
        received
            .verify(&key)
            .map_err(|error| Refused::new(ErrorCode::BadSignature, error.to_string()))?;
        self.check_place(message)?;
        self.key = Some(key);
        Ok(body)
    }

    /// After the signature, so that a stranger learns nothing and moves nothing.
    fn check_place(&mut self, message: &IfMessage) -> Result<(), Refused> {
        let bound = message.payload.get("binding").and_then(Value::as_str);
        let names = (
            message.conversation_id.as_deref(),
            message.trace_id.as_deref(),
        );
        if bound != Some(self.binding.hash())
            || names != (Some(&self.binding.session), Some(&self.binding.trace_id))
        {
            return Err(Refused::new(
                ErrorCode::BadBinding,
                "message was made for another connection",
            ));
        }
        let sequence = message.sequence_num.unwrap_or(0);
        if sequence <= self.last {
            return Err(Refused::new(
                ErrorCode::BadSequence,
                format!("sequence_num {sequence} is not greater than {}", self.last),
            ));
        }
        self.last = sequence;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const UTC: &str = "2026-01-01T00:00:00Z";

    fn binding() -> Binding {
        Binding::new("s", "trace-0001", "sha-256 AA", "sha-256 BB")
    }

    fn key(seed: u8) -> PrivateKey {
        PrivateKey::from_seed("expert-page", &[seed; 32]).expect("the name is a name")
    }

    fn outbox(binding: Binding, seed: u8) -> Outbox {
        Outbox::new(binding, key(seed), "expert", "bridge")
    }

    fn hello(seed: u8) -> Body {
        Body::Hello {
            public_key: key(seed).public_key().to_string(),
        }
    }

    #[test]
    fn a_hello_makes_the_key_known_and_later_messages_follow_it() {
        let (mut out, mut inbox) = (outbox(binding(), 1), Inbox::new(binding(), None));
        for body in [hello(1), Body::Ack { file: 0, offset: 5 }] {
            let bytes = out.seal(&body, UTC).expect("it has a canonical form");
            assert_eq!(inbox.open(&bytes), Ok(body));
        }
    }

    #[test]
    fn messages_that_must_not_be_acted_on_are_refused() {
        let sealed =
            |mut out: Outbox, body: &Body| out.seal(body, UTC).expect("it has a canonical form");
        let ack = Body::Ack { file: 0, offset: 5 };
        let good = sealed(outbox(binding(), 1), &ack);
        let changed = String::from_utf8(good.clone())
            .expect("JSON")
            .replace("\"offset\":5", "\"offset\":6");
        let elsewhere = Binding::new("s", "trace-0001", "sha-256 AA", "sha-256 CC");
        let cases = [
            (sealed(outbox(binding(), 2), &ack), ErrorCode::BadSignature),
            (changed.into_bytes(), ErrorCode::BadSignature),
            (sealed(outbox(elsewhere, 1), &ack), ErrorCode::BadBinding),
            (b"{}".to_vec(), ErrorCode::BadMessage),
            (vec![b' '; MESSAGE_LEN_MAX + 1], ErrorCode::BadMessage),
        ];
        for (bytes, code) in cases {
            let mut inbox = Inbox::new(binding(), Some(key(1).public_key()));
            assert_eq!(
                inbox.open(&bytes).map_err(|refused| refused.code),
                Err(code)
            );
            assert_eq!(
                inbox.open(&good),
                Ok(ack.clone()),
                "a refused message moves nothing"
            );
        }
    }

    #[test]
    fn a_message_is_good_once() {
        let mut inbox = Inbox::new(binding(), None);
        let bytes = outbox(binding(), 1)
            .seal(&hello(1), UTC)
            .expect("it has a canonical form");
        inbox.open(&bytes).expect("first time");
        assert_eq!(
            inbox.open(&bytes).map_err(|refused| refused.code),
            Err(ErrorCode::BadSequence)
        );
    }

    #[test]
    fn another_key_cannot_take_the_session_over_by_a_second_hello() {
        let mut inbox = Inbox::new(binding(), None);
        inbox
            .open(&outbox(binding(), 1).seal(&hello(1), UTC).expect("sealed"))
            .expect("first hello");
        let mut thief = outbox(binding(), 2);
        thief.sequence = 10;
        let bytes = thief.seal(&hello(2), UTC).expect("sealed");
        assert_eq!(
            inbox.open(&bytes).map_err(|refused| refused.code),
            Err(ErrorCode::BadSignature)
        );
    }
}
