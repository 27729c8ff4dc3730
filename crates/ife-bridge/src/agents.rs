//! Agents whose IFMessages are accepted, by source and key.

use std::{
    collections::BTreeMap,
    sync::{Arc, PoisonError, RwLock},
};

pub use ife_engine::command::TIMESTAMP_WINDOW_S;
use ife_message::{IfMessage, MessageError, PublicKey, Received, ifmessage::MESSAGE_LEN_MAX, json};
use ife_words::time;

use crate::{
    config,
    handle::Escalation,
    refusal::{ErrorName, Refusal, named_field},
};

type Keys = BTreeMap<String, Vec<(Option<String>, PublicKey)>>;

/// The registered agents. They can be replaced while messages come in.
#[derive(Debug, Default)]
pub struct Agents {
    keys: RwLock<Arc<Keys>>,
}

impl Agents {
    /// From the configuration; the error names the entry.
    pub fn new(agents: &[config::Agent]) -> Result<Agents, String> {
        let mut keys = Keys::new();
        for (number, agent) in agents.iter().enumerate() {
            let key = agent
                .public_key
                .parse()
                .map_err(|error| format!("agents[{number}].public_key: {error}"))?;
            keys.entry(agent.id.clone())
                .or_default()
                .push((agent.kid.clone(), key));
        }
        Ok(Agents {
            keys: RwLock::new(Arc::new(keys)),
        })
    }

    /// Replaces all agents by those of another configuration. Later messages are checked against
    /// them.
    pub fn replace(&self, by: Agents) {
        let new = by.keys.into_inner().unwrap_or_else(PoisonError::into_inner);
        *self.keys.write().unwrap_or_else(PoisonError::into_inner) = new;
    }

    /// How many sources are registered.
    pub fn count(&self) -> usize {
        self.current().len()
    }

    fn current(&self) -> Arc<Keys> {
        let keys = self.keys.read().unwrap_or_else(PoisonError::into_inner);
        keys.clone()
    }

    /// Reads an IFMessage and lets it through when a registered agent has signed it and it is
    /// fresh.
    pub fn open(&self, body: &[u8], now_unix_s: u64) -> Result<IfMessage, Refusal> {
        let message = self.authenticate(body)?;
        check_time(&message.timestamp, now_unix_s)?;
        Ok(message)
    }

    /// Reads an IFMessage that a registered agent has signed, however old it is.
    pub fn authenticate(&self, body: &[u8]) -> Result<IfMessage, Refusal> {
        let value = json::parse(body, MESSAGE_LEN_MAX)
            .map_err(|error| Refusal::new(ErrorName::InvalidRequest, error.to_string()))?;
        let received = Received::from_value(value).map_err(invalid)?;
        let message = received.message();
        let current = self.current();
        let keys = current.get(&message.source).ok_or_else(|| Refusal {
            field: Some("source".to_owned()),
            ..Refusal::new(
                ErrorName::UnknownAgent,
                "the source is not a registered agent",
            )
        })?;
        let Some(signature) = &message.signature else {
            return Err(refused_signature("the message is not signed"));
        };
        let kid = signature.kid.as_ref().map(|kid| kid.as_str().to_owned());
        let fits = |named: &Option<String>| kid.is_none() || named.is_none() || *named == kid;
        let mut candidates = keys.iter().filter(|(named, _)| fits(named));
        if !candidates.any(|(_, key)| received.verify(key).is_ok()) {
            return Err(refused_signature(
                "the signature does not verify with a key of this source",
            ));
        }
        Ok(received.into_message())
    }
}

/// Reads an escalation. An error names the member that keeps the message from being one.
pub fn escalation(message: &IfMessage) -> Result<Escalation, Refusal> {
    Escalation::of(message).map_err(invalid)
}

fn refused_signature(why: &str) -> Refusal {
    Refusal {
        field: Some("signature".to_owned()),
        ..Refusal::new(ErrorName::InvalidSignature, why)
    }
}

fn invalid(error: MessageError) -> Refusal {
    match error {
        MessageError::Member { member, why } => Refusal::field(member, why),
        MessageError::Unsigned | MessageError::BadSignature(_) => {
            refused_signature(&error.to_string())
        }
        MessageError::Shape(problem) => {
            let words = problem.to_string();
            let field = named_field(&words).map(str::to_owned);
            let what = match &field {
                Some(_) => words,
                None => "the body must be an IFMessage: a JSON object with its members".to_owned(),
            };
            Refusal {
                field,
                ..Refusal::new(ErrorName::InvalidRequest, what)
            }
        }
        MessageError::Json(_) => Refusal::new(ErrorName::InvalidRequest, error.to_string()),
    }
}

/// Whether a message's timestamp is near that time.
pub fn check_time(timestamp: &str, now_unix_s: u64) -> Result<(), Refusal> {
    let sent_s = time::parse_s(timestamp)
        .ok_or_else(|| Refusal::field("timestamp", "must be an RFC 3339 date and time"))?;
    if sent_s.abs_diff(now_unix_s) > TIMESTAMP_WINDOW_S {
        return Err(Refusal::field(
            "timestamp",
            format!("is more than {TIMESTAMP_WINDOW_S} s away from this host's clock"),
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use ife_message::PrivateKey;

    use super::*;

    const NOW: u64 = 1_790_000_000;

    fn key(seed: u8) -> PrivateKey {
        PrivateKey::from_seed("guard-1", &[seed; 32]).expect("the name is a name")
    }

    fn agents() -> Agents {
        let agent = |kid: &str, seed| config::Agent {
            id: "if://agent/guard".into(),
            public_key: key(seed).public_key().to_string(),
            kid: Some(kid.into()),
        };
        Agents::new(&[agent("guard-0", 8), agent("guard-1", 1)]).expect("keys are keys")
    }

    fn message(change: impl Fn(&mut serde_json::Value)) -> IfMessage {
        let mut value = serde_json::json!({
            "id": "m-1", "timestamp": "2026-09-21T14:13:20Z", "level": 1,
            "source": "if://agent/guard",
            "destination": "if://service/bridge", "performative": "escalate",
            "traceId": "trace-0001",
            "payload": {"hazards": ["safety"]}
        });
        change(&mut value);
        serde_json::from_value(value).expect("it is a message")
    }

    fn signed(mut message: IfMessage, seed: u8) -> Vec<u8> {
        message.sign(&key(seed)).expect("it has a canonical form");
        message.to_canonical().expect("it has a canonical form")
    }

    #[test]
    fn a_signed_message_of_a_registered_agent_passes() {
        let message = agents()
            .open(&signed(message(|_| {}), 1), NOW)
            .expect("it is good");
        assert_eq!(
            escalation(&message)
                .expect("an escalation")
                .request
                .hazards
                .len(),
            1
        );
    }

    #[test]
    fn a_key_that_is_replaced_opens_nothing_and_its_successor_does() {
        let agents = agents();
        let (old, new) = (signed(message(|_| {}), 1), signed(message(|_| {}), 9));
        assert!(agents.open(&old, NOW).is_ok() && agents.open(&new, NOW).is_err());
        let agent = config::Agent {
            id: "if://agent/guard".into(),
            public_key: key(9).public_key().to_string(),
            kid: None,
        };
        agents.replace(Agents::new(&[agent]).expect("a key is a key"));
        assert!(agents.open(&new, NOW).is_ok());
        let refusal = agents.open(&old, NOW).expect_err("it is revoked");
        assert_eq!(refusal.name, ErrorName::InvalidSignature);
    }

    #[test]
    fn others_are_refused_with_the_field() {
        let unsigned = message(|_| {})
            .to_canonical()
            .expect("it has a canonical form");
        let cases = [
            (b"{".to_vec(), ErrorName::InvalidRequest, None),
            (unsigned, ErrorName::InvalidSignature, Some("signature")),
            (
                signed(message(|_| {}), 2),
                ErrorName::InvalidSignature,
                Some("signature"),
            ),
            (
                signed(message(|m| m["source"] = "if://agent/other".into()), 1),
                ErrorName::UnknownAgent,
                Some("source"),
            ),
            (
                signed(
                    message(|m| m["timestamp"] = "2026-09-21T13:00:00Z".into()),
                    1,
                ),
                ErrorName::InvalidRequest,
                Some("timestamp"),
            ),
            (
                signed(message(|m| m["level"] = 0.into()), 1),
                ErrorName::InvalidRequest,
                Some("level"),
            ),
        ];
        for (body, name, field) in cases {
            let refusal = agents().open(&body, NOW).expect_err("it is not good");
            assert_eq!(
                (refusal.name, refusal.field.as_deref()),
                (name, field),
                "{refusal}"
            );
        }
    }
}
