//! What happens to calls, as messages: each change of a call that a message asked for, and what
//! comes over its evidence channel, published to the agent whose call it is.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use async_nats::Client;
use ife_engine::decisions::DecisionEvent;
use serde_json::{Map, Value, json};
use tokio::sync::broadcast::{Receiver, error::RecvError};
use tracing::{debug, warn};

use super::Shared;
use crate::{
    handle::Command,
    view::{CallView, Event, EvidenceEvent},
};

/// Publishes events until the engine is gone.
pub(super) async fn tell(
    shared: Arc<Shared>,
    client: Client,
    prefix: String,
    mut events: Receiver<Event>,
) {
    let teller = Teller {
        shared,
        client,
        prefix,
        count: AtomicU64::new(0),
    };
    loop {
        match events.recv().await {
            Ok(Event::Call(call)) => teller.call(*call).await,
            Ok(Event::Evidence(evidence)) => teller.evidence(*evidence).await,
            Ok(Event::Decision(decision)) => teller.decision(*decision).await,
            Ok(Event::Room(_) | Event::Health(_)) => {}
            Err(RecvError::Lagged(missed)) => teller.call_all(missed).await,
            Err(RecvError::Closed) => return,
        }
    }
}

struct Teller {
    shared: Arc<Shared>,
    client: Client,
    prefix: String,
    count: AtomicU64,
}

impl Teller {
    async fn call(&self, call: CallView) {
        let (call_id, trace_id) = (call.call_id.clone(), call.trace_id.clone());
        let payload = json!({"event": "call", "call": without_link(call)});
        self.publish(&call_id, &trace_id, payload).await;
    }

    async fn evidence(&self, mut evidence: EvidenceEvent) {
        let (call_id, trace_id) = (evidence.call_id.clone(), evidence.trace_id.clone());
        // With room for the members around it, and for characters that take more of it when they
        // are written.
        let room = self.client.server_info().max_payload / 2;
        let len = evidence
            .message
            .as_ref()
            .map(|message| message.to_string().len());
        if len.is_some_and(|len| len > room) {
            evidence.message = None;
        }
        let payload = json!({"event": "evidence", "evidence": evidence});
        self.publish(&call_id, &trace_id, payload).await;
    }

    async fn decision(&self, decision: DecisionEvent) {
        let (call_id, trace_id) = (decision.call_id.clone(), decision.trace_id.clone());
        let payload = json!({"event": "decision", "decision": decision});
        self.publish_to("decision", &call_id, &trace_id, payload)
            .await;
    }

    /// Events were missed: the state of every call replaces them.
    async fn call_all(&self, missed: u64) {
        warn!(
            missed,
            "events came faster than NATS takes them: all calls are told"
        );
        if let Ok(calls) = self.shared.engine.ask(Command::Calls).await {
            for call in calls {
                self.call(call).await;
            }
        }
    }

    async fn publish(&self, call_id: &str, trace_id: &str, payload: Value) {
        self.publish_to("events", call_id, trace_id, payload).await;
    }

    async fn publish_to(&self, kind: &str, call_id: &str, trace_id: &str, payload: Value) {
        let call = call_id.to_owned();
        let owner = self.shared.engine.ask(|reply| Command::Owner(call, reply));
        // A call without a message is the operator's.
        let Ok(Some(owner)) = owner.await else { return };
        let number = self.count.fetch_add(1, Ordering::Relaxed);
        let id = format!("event:{}:{number}", self.shared.process);
        let Value::Object(payload) = payload else {
            return;
        };
        let body = self.shared.inform(id, &owner, Some(trace_id), payload);
        let Some(body) = body else { return };
        let subject = format!("{}.{call_id}.{kind}", self.prefix);
        if let Err(error) = self.client.publish(subject, body.into()).await {
            debug!("an event is not told: {error}");
        }
    }
}

/// The link lets its reader in: it is for the expert, and for the API's users.
pub(super) fn without_link(mut call: CallView) -> CallView {
    call.evidence_link = None;
    call
}

/// An object's members.
pub(super) fn members(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(members) => members,
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => {
            Map::new()
        }
    }
}
