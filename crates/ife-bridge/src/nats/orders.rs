//! Orders about calls, as requests: an agent asks for the state of its call, or hangs it up. Each
//! bridge hears every order; the one that has the call answers at once, the others only when that
//! one had time to.

use std::{
    collections::{HashSet, VecDeque},
    sync::Arc,
    time::Duration,
};

use async_nats::{Client, Message};
use futures_util::StreamExt;
use ife_message::IfMessage;
use ife_words::time;
use serde_json::{Map, Value, json};
use tokio::{
    sync::Semaphore,
    time::{sleep, timeout},
};
use tracing::{debug, error, info};

use super::{
    Shared, claims,
    events::{members, without_link},
};
use crate::{
    agents::TIMESTAMP_WINDOW_S,
    clock,
    handle::Command,
    refusal::{ErrorName, Refusal},
};

/// A call may need longer to end; its end is an event.
const HANG_UP_MAX: Duration = Duration::from_secs(1);
/// A bridge that does not have the call leaves that long to the one that has it.
const GRACE: Duration = Duration::from_secs(2);
/// Orders that are carried out at once.
const ORDERS_MAX: usize = 64;
/// Orders that are remembered, so that none is taken twice.
const REMEMBERED_MAX: usize = 8_192;

/// What an agent may order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Order {
    Get,
    HangUp,
}

impl Order {
    fn parse(word: &str) -> Option<Order> {
        match word {
            "get" => Some(Order::Get),
            "hang_up" => Some(Order::HangUp),
            _ => None,
        }
    }
}

/// An order whose sender is known.
#[derive(Debug)]
struct Asked {
    message: IfMessage,
    order: Order,
    call_id: String,
}

/// Takes orders until the client is gone.
pub(super) async fn take(shared: Arc<Shared>, client: Client, prefix: String) {
    let subject = format!("{prefix}.*.orders");
    let mut orders = match client.subscribe(subject).await {
        Ok(orders) => orders,
        Err(error) => return error!("no orders are taken: {error}"),
    };
    let places = Arc::new(Semaphore::new(ORDERS_MAX));
    let mut taken = Taken::new(clock::unix_ms() / 1_000);
    while let Some(order) = orders.next().await {
        // The answer would have no receiver, and an answer is part of every order.
        let Some(reply) = order.reply.clone() else {
            continue;
        };
        let now_s = clock::unix_ms() / 1_000;
        let opened = open(&shared, &prefix, &order, &mut taken, now_s);
        let place = places.clone().try_acquire_owned();
        let (shared, client) = (shared.clone(), client.clone());
        match (opened, place) {
            (Ok(asked), Ok(place)) => {
                tokio::spawn(async move {
                    let answer = carry_out(&shared, &asked).await;
                    answer_with(&shared, &client, reply, Some(&asked.message), answer).await;
                    drop(place);
                });
            }
            (Ok(asked), Err(_)) => {
                let refusal = Refusal::new(ErrorName::CapacityExceeded, "too many orders at once");
                let about = Some(&asked.message);
                answer_with(&shared, &client, reply, about, refused(&refusal)).await;
            }
            (Err(refusal), _) => {
                answer_with(&shared, &client, reply, None, refused(&refusal)).await;
            }
        }
    }
}

/// Reads an order: signed by a registered agent, of this moment, about the call that its subject
/// names, and not taken before.
fn open(
    shared: &Shared,
    prefix: &str,
    order: &Message,
    taken: &mut Taken,
    now_s: u64,
) -> Result<Asked, Refusal> {
    let message = shared.agents.open(&order.payload, now_s)?;
    let asked = read(message, called(prefix, &order.subject))?;
    taken.take(&asked.message, now_s)?;
    Ok(asked)
}

/// The call in a subject.
fn called<'a>(prefix: &str, subject: &'a str) -> Option<&'a str> {
    let rest = subject.strip_prefix(prefix)?.strip_prefix('.')?;
    rest.strip_suffix(".orders")
}

fn read(message: IfMessage, subject_call: Option<&str>) -> Result<Asked, Refusal> {
    if message.performative.as_deref() != Some("request") {
        return Err(Refusal::field("performative", "must be request"));
    }
    let text = |name: &str| message.payload.get(name).and_then(Value::as_str);
    let order = text("order").and_then(Order::parse);
    let order = order.ok_or_else(|| Refusal::field("payload.order", "must be get or hang_up"))?;
    let call_id = text("call_id").filter(|call| Some(*call) == subject_call);
    let call_id = call_id
        .ok_or_else(|| Refusal::field("payload.call_id", "must be the call of the subject"))?
        .to_owned();
    Ok(Asked {
        message,
        order,
        call_id,
    })
}

/// Orders that were taken. One that is older than this memory may have been taken before, and is
/// refused.
#[derive(Debug)]
struct Taken {
    since_s: u64,
    known: HashSet<String>,
    order: VecDeque<(u64, String)>,
}

impl Taken {
    fn new(since_s: u64) -> Taken {
        Taken {
            since_s,
            known: HashSet::new(),
            order: VecDeque::new(),
        }
    }

    fn take(&mut self, message: &IfMessage, now_s: u64) -> Result<(), Refusal> {
        if time::parse_s(&message.timestamp).is_none_or(|sent_s| sent_s < self.since_s) {
            let why = "is of before this bridge's start: sign the order anew";
            return Err(Refusal::field("timestamp", why));
        }
        // A timestamp may be ahead by the window, and stays good for another one.
        let kept_s = 2 * TIMESTAMP_WINDOW_S;
        while self
            .order
            .front()
            .is_some_and(|(at_s, _)| at_s + kept_s < now_s)
        {
            if let Some((_, key)) = self.order.pop_front() {
                self.known.remove(&key);
            }
        }
        if self.order.len() >= REMEMBERED_MAX {
            let why = "too many orders in too short a time";
            return Err(Refusal::new(ErrorName::CapacityExceeded, why));
        }
        let key = claims::key(&message.source, &message.id);
        if !self.known.insert(key.clone()) {
            return Err(Refusal::field("id", "is of an order that was taken before"));
        }
        self.order.push_back((now_s, key));
        Ok(())
    }
}

/// The agent that a call belongs to may see it and end it. To all others there is no such call.
async fn carry_out(shared: &Shared, asked: &Asked) -> Map<String, Value> {
    let call_id = || asked.call_id.clone();
    let owner = shared.engine.ask(|reply| Command::Owner(call_id(), reply));
    match owner.await {
        Ok(Some(owner)) if owner == asked.message.source => {}
        Ok(_) => {
            sleep(GRACE).await;
            let why = "no bridge has a call of that id that this agent asked for";
            return refused(&Refusal::new(ErrorName::NotFound, why));
        }
        Err(refusal) => return refused(&refusal),
    }
    match asked.order {
        Order::Get => match shared
            .engine
            .ask(|reply| Command::Call(call_id(), reply))
            .await
        {
            Ok(mut detail) => {
                detail.call = without_link(detail.call);
                members(json!({ "call": detail }))
            }
            Err(refusal) => refused(&refusal),
        },
        Order::HangUp => {
            info!(call_id = %asked.call_id, "its agent orders to hang up");
            let hang_up = shared
                .engine
                .ask(|reply| Command::Terminate(call_id(), reply));
            match timeout(HANG_UP_MAX, hang_up).await {
                Ok(Ok(done)) => members(json!(done)),
                Ok(Err(refusal)) => refused(&refusal),
                Err(_) => members(json!({"status": "ending", "call_id": asked.call_id})),
            }
        }
    }
}

fn refused(refusal: &Refusal) -> Map<String, Value> {
    let (code, field) = (refusal.name.as_str(), refusal.field.as_deref());
    let mut answer = members(json!({"code": code, "detail": refusal.detail}));
    if let Some(field) = field {
        answer.insert("field".to_owned(), field.into());
    }
    answer
}

async fn answer_with(
    shared: &Shared,
    client: &Client,
    reply: async_nats::Subject,
    about: Option<&IfMessage>,
    mut answer: Map<String, Value>,
) {
    let id = about.map(|about| about.id.as_str()).unwrap_or_default();
    answer.insert("in_reply_to".to_owned(), id.into());
    let to = about.map_or("unknown", |about| about.source.as_str());
    let name = format!("answer:{}:{}", shared.process, clock::unix_ns());
    let trace_id = about.and_then(|about| about.trace_id.as_deref());
    let Some(body) = shared.inform(name, to, trace_id, answer) else {
        return;
    };
    if let Err(error) = client.publish(reply, body.into()).await {
        debug!("an order is not answered: {error}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const START_S: u64 = 1_790_000_000;

    fn message(id: &str, change: impl Fn(&mut Value)) -> IfMessage {
        let mut value = json!({
            "id": id, "timestamp": "2026-09-21T14:13:20Z", "level": 1, "source": "if://agent/guard",
            "destination": "if://service/bridge", "performative": "request",
            "payload": {"order": "hang_up", "call_id": "sip-call-0123456789abcdef"}
        });
        change(&mut value);
        serde_json::from_value(value).expect("it is a message")
    }

    #[test]
    fn an_order_is_about_the_call_of_its_subject() {
        let call = called("if.calls", "if.calls.sip-call-0123456789abcdef.orders");
        assert_eq!(call, Some("sip-call-0123456789abcdef"));
        let asked = read(message("o-1", |_| ()), call).expect("an order");
        assert_eq!(asked.order, Order::HangUp);
        type Change = fn(&mut Value);
        let cases: [(Change, &str); 4] = [
            (|m| m["performative"] = "inform".into(), "performative"),
            (|m| m["payload"]["order"] = "mute".into(), "payload.order"),
            (
                |m| m["payload"]["call_id"] = "sip-call-1".into(),
                "payload.call_id",
            ),
            (
                |m| m["payload"] = json!({"order": "get"}),
                "payload.call_id",
            ),
        ];
        for (change, field) in cases {
            let refusal = read(message("o-1", change), call).expect_err("it is none");
            assert_eq!(refusal.field.as_deref(), Some(field));
        }
    }

    #[test]
    fn an_order_is_taken_once_and_none_of_before_the_start() {
        let mut taken = Taken::new(START_S);
        assert!(taken.take(&message("o-1", |_| ()), START_S).is_ok());
        let again = taken.take(&message("o-1", |_| ()), START_S + 599);
        assert_eq!(again.expect_err("twice").field.as_deref(), Some("id"));
        assert!(taken.take(&message("o-2", |_| ()), START_S + 599).is_ok());
        let mut born_later = Taken::new(START_S + 1);
        let old = born_later.take(&message("o-1", |_| ()), START_S + 2);
        assert_eq!(old.expect_err("old").field.as_deref(), Some("timestamp"));
    }

    #[test]
    fn orders_that_are_remembered_are_bounded() {
        let mut taken = Taken::new(START_S);
        for number in 0..REMEMBERED_MAX {
            let order = message(&format!("o-{number}"), |_| ());
            assert!(taken.take(&order, START_S).is_ok());
        }
        let one_more = taken.take(&message("more", |_| ()), START_S);
        let refusal = one_more.expect_err("too many");
        assert_eq!(refusal.name, ErrorName::CapacityExceeded);
        assert!(taken.take(&message("more", |_| ()), START_S + 601).is_ok());
    }
}
