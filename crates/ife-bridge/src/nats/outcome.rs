//! What came of an escalation, in the interface contract's words (`handle_escalate`), and the
//! IFMessage of it.

use ife_message::{Escalate, IfMessage, PrivateKey};
use serde::{Deserialize, Serialize};
use serde_json::Map;

use super::{claims, decide::Poison};
use crate::{
    handle::GatewayView,
    refusal::Refusal,
    view::{CallState, CallView},
};

/// Whether the expert is, or was, with the council.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Status {
    Connected,
    Rejected,
}

impl Status {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Status::Connected => "connected",
            Status::Rejected => "rejected",
        }
    }
}

/// Result of `handle_escalate`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Outcome {
    pub(super) status: Status,
    /// Empty where the message names no call.
    pub(super) call_id: String,
    /// Null when none was chosen.
    pub(super) expert_id: Option<String>,
    /// Empty where the message names none.
    pub(super) trace_id: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) expert_name: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) h323_participant: Option<String>,
    /// Of a rejection, or how a call that was connected has ended since.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) reason: Option<String>,
    /// The contract's error name or a dead letter's reason, where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) code: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) gate: Option<String>,
}

impl Outcome {
    /// A call as the engine shows it.
    pub(super) fn of_call(view: &CallView) -> Outcome {
        let joined =
            view.sip_call_state == CallState::Connected || view.mcu_participant_id.is_some();
        Outcome {
            status: if joined {
                Status::Connected
            } else {
                Status::Rejected
            },
            call_id: view.call_id.clone(),
            expert_id: Some(view.expert_id.clone()).filter(|id| !id.is_empty()),
            trace_id: view.trace_id.clone(),
            expert_name: Some(view.expert_name.clone()).filter(|name| !name.is_empty()),
            h323_participant: view.mcu_participant_id.clone(),
            reason: view.reason.clone(),
            code: None,
            gate: None,
        }
    }

    /// No call, or none that got anywhere.
    pub(super) fn refused(
        refusal: &Refusal,
        call_id: &str,
        trace_id: &str,
        expert: Option<&str>,
    ) -> Outcome {
        Outcome {
            status: Status::Rejected,
            call_id: call_id.to_owned(),
            expert_id: expert.map(str::to_owned),
            trace_id: trace_id.to_owned(),
            expert_name: None,
            h323_participant: None,
            reason: Some(refusal.detail.clone()),
            code: Some(refusal.name.as_str().to_owned()),
            gate: refusal.gate.map(str::to_owned),
        }
    }

    /// A call of another bridge, as the gateway shows it.
    pub(super) fn seen(found: &GatewayView, trace_id: &str) -> Outcome {
        let (id, name) = found.expert.clone().unzip();
        Outcome {
            status: Status::Connected,
            call_id: found.call_id.clone(),
            expert_id: id,
            trace_id: trace_id.to_owned(),
            expert_name: name,
            h323_participant: found.participant.clone(),
            reason: None,
            code: None,
            gate: None,
        }
    }

    /// A message of a registered agent that became a dead letter.
    pub(super) fn buried(poison: &Poison, about: &IfMessage) -> Outcome {
        let escalate = Escalate::from_message(about).ok();
        Outcome {
            status: Status::Rejected,
            call_id: escalate.as_ref().map(Escalate::call_id).unwrap_or_default(),
            expert_id: escalate.and_then(|escalate| escalate.expert_id),
            trace_id: about.trace_id.clone().unwrap_or_default(),
            expert_name: None,
            h323_participant: None,
            reason: Some(poison.detail.clone()),
            code: Some(poison.reason.clone()),
            gate: None,
        }
    }

    /// The signed IFMessage of the outcome.
    pub(super) fn message(
        &self,
        about: &IfMessage,
        source: &str,
        now: &str,
        key: &PrivateKey,
    ) -> Option<Vec<u8>> {
        let serde_json::Value::Object(mut payload) = serde_json::to_value(self).ok()? else {
            return None;
        };
        payload.insert("in_reply_to".to_owned(), about.id.clone().into());
        let mut message = IfMessage {
            // The same outcome published twice is one message; those of two messages are two, also
            // where both name one call.
            id: format!(
                "outcome:{}:{}",
                claims::short_key(&about.source, &about.id),
                self.status.as_str()
            ),
            timestamp: now.to_owned(),
            level: about.level,
            source: source.to_owned(),
            destination: about.source.clone(),
            payload,
            trace_id: Some(self.trace_id.clone()).filter(|id| !id.is_empty()),
            version: None,
            performative: Some("inform".to_owned()),
            conversation_id: about.conversation_id.clone(),
            sequence_num: None,
            citation_ids: Some(vec![about.id.clone()]),
            signature: None,
            extra: Map::new(),
        };
        message.sign(key).ok()?;
        message.to_canonical().ok()
    }
}

/// Whether two messages have the same content: they were signed at different times.
pub(super) fn is_same(a: &[u8], b: &[u8]) -> bool {
    let payload = |bytes: &[u8]| {
        let value: serde_json::Value = serde_json::from_slice(bytes).ok()?;
        value.get("payload").cloned()
    };
    payload(a).is_some_and(|told| Some(told) == payload(b))
}

#[cfg(test)]
mod tests {
    use ife_message::{Received, json};

    use super::*;
    use crate::refusal::ErrorName;

    #[test]
    fn an_outcome_is_told_as_a_signed_message() {
        let refusal = Refusal::new(ErrorName::PolicyRejected, "Hazard Not Allowed");
        let outcome = Outcome::refused(&refusal, "sip-call-1", "trace-0001", Some("e@x"));
        let about: IfMessage = serde_json::from_value(serde_json::json!({
            "id": "m-1", "timestamp": "2026-09-21T14:13:20Z", "level": 1,
            "source": "if://agent/guard",
            "destination": "if://service/bridge", "payload": {}
        }))
        .expect("a message");
        let key = PrivateKey::from_seed("council-2026a", &[1; 32]).expect("a key");
        let bytes = outcome
            .message(&about, "sip:council@x", "2026-09-21T14:13:21.000Z", &key)
            .expect("it has a canonical form");
        let value = json::parse(&bytes, bytes.len()).expect("it is JSON");
        let received = Received::from_value(value).expect("a message");
        received.verify(&key.public_key()).expect("it is signed");
        let message = received.into_message();
        assert_eq!(message.destination, "if://agent/guard");
        assert_eq!(message.payload["status"], "rejected");
        assert_eq!(message.payload["code"], "POLICY_REJECTED");
        assert_eq!(message.payload["in_reply_to"], "m-1");
        assert_eq!(message.payload["expert_id"], "e@x");
        // Another message that names the same call has an outcome of its own.
        let other = IfMessage {
            id: "m-2".into(),
            ..about.clone()
        };
        let bytes = outcome.message(&other, "sip:council@x", "2026-09-21T14:13:21.000Z", &key);
        let bytes = bytes.expect("it has a canonical form");
        let value: serde_json::Value = serde_json::from_slice(&bytes).expect("it is JSON");
        assert_ne!(value["id"], message.id.as_str());
    }

    #[test]
    fn the_agent_of_a_dead_letter_is_told_why() {
        let about: IfMessage = serde_json::from_value(serde_json::json!({
            "id": "m-1", "timestamp": "2026-09-21T14:13:20Z", "level": 1,
            "source": "if://agent/guard",
            "destination": "if://service/bridge", "traceId": "trace-0001",
            "payload": {"hazards": ["safety"]}
        }))
        .expect("a message");
        let poison = Poison {
            reason: "TOO_MANY_DELIVERIES".into(),
            detail: "5 bridges were lost with it in their hands".into(),
        };
        let outcome = Outcome::buried(&poison, &about);
        assert_eq!(outcome.status, Status::Rejected);
        assert_eq!(outcome.code.as_deref(), Some("TOO_MANY_DELIVERIES"));
        assert_eq!(outcome.trace_id, "trace-0001");
    }
}
