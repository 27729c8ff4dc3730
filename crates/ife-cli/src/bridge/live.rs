//! The bridge's live events as they come in, and the calls as they stand by them.

use std::collections::{BTreeMap, VecDeque};

use reqwest::Response;
use serde_json::Value;

use super::{
    client::{Answer, Bridge, EVENTS_SILENT_MAX, shaped},
    shape::{Call, Health},
    sse::{Decoder, Event},
};
use crate::Failure;

/// A stream of events that was opened.
pub(super) struct Feed {
    response: Response,
    decoder: Decoder,
    ready: VecDeque<Event>,
}

/// The content of an event.
#[derive(Debug)]
pub(super) enum News {
    /// A call changed; the whole of it, and as it came.
    Call(Box<Call>, Value),
    /// A part of the bridge went up or down.
    Health(Health),
    /// Events were lost: ask for the list again.
    Missed,
    /// About rooms, or of a later version.
    Other,
}

impl Feed {
    pub(super) async fn open(bridge: &Bridge) -> Result<Feed, Failure> {
        Ok(Feed {
            response: bridge.events().await?,
            decoder: Decoder::default(),
            ready: VecDeque::new(),
        })
    }

    /// The next event; an error when the stream ends or falls silent. Nothing is lost when this is
    /// given up half-way.
    pub(super) async fn next(&mut self) -> Result<News, Failure> {
        loop {
            if let Some(event) = self.ready.pop_front() {
                return Ok(news(&event));
            }
            let chunk = tokio::time::timeout(EVENTS_SILENT_MAX, self.response.chunk()).await;
            match chunk {
                Ok(Ok(Some(chunk))) => {
                    let events = self.decoder.push(&chunk);
                    self.ready
                        .extend(events.map_err(|_| ended("an event without end"))?);
                }
                Ok(Ok(None)) => return Err(ended("the bridge ended the stream of events")),
                // A bridge that stops or is killed ends its streams in the middle.
                Ok(Err(_)) => return Err(ended("the bridge ended the stream of events")),
                Err(_) => return Err(ended("the bridge has fallen silent")),
            }
        }
    }
}

fn ended(why: &str) -> Failure {
    Failure::unanswered(why)
}

fn news(event: &Event) -> News {
    if event.name == "missed" {
        return News::Missed;
    }
    let value: Value = serde_json::from_str(&event.data).unwrap_or_default();
    match event.name.as_str() {
        "call" => serde_json::from_value(value.clone())
            .map_or(News::Other, |call| News::Call(Box::new(call), value)),
        "health" => serde_json::from_value(value).map_or(News::Other, News::Health),
        _ => News::Other,
    }
}

/// The calls by their last news.
#[derive(Debug, Default)]
pub(super) struct Board {
    calls: BTreeMap<String, Call>,
    pub(super) health: Option<Health>,
}

impl Board {
    /// The list counts: it was asked for after the stream was opened.
    pub(super) async fn fill(&mut self, bridge: &Bridge) -> Result<(), Failure> {
        if let Answer::Done(list) = bridge.get(&["v1", "calls"]).await? {
            let calls: Vec<Call> = shaped(&list)?;
            self.calls = calls
                .into_iter()
                .map(|call| (call.call_id.clone(), call))
                .collect();
        }
        if let Answer::Done(health) = bridge.get(&["readyz"]).await? {
            self.health = Some(shaped(&health)?);
        }
        Ok(())
    }

    pub(super) fn hear(&mut self, call: Call) {
        self.calls.insert(call.call_id.clone(), call);
    }

    pub(super) fn live(&self) -> usize {
        self.calls.values().filter(|call| call.is_live()).count()
    }

    /// Live ones first, newest first, at most so many.
    pub(super) fn newest(&self, count: usize) -> Vec<&Call> {
        let mut calls: Vec<&Call> = self.calls.values().collect();
        calls.sort_by(|a, b| (b.is_live(), &b.started).cmp(&(a.is_live(), &a.started)));
        calls.truncate(count);
        calls
    }

    /// Forgets the oldest that are over, beyond so many.
    pub(super) fn forget(&mut self, keep: usize) {
        let mut over: Vec<(String, String)> = self
            .calls
            .values()
            .filter(|call| !call.is_live())
            .map(|call| (call.started.clone(), call.call_id.clone()))
            .collect();
        over.sort();
        let surplus = over.len().saturating_sub(keep);
        for (_, call_id) in over.drain(..surplus) {
            self.calls.remove(&call_id);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call(id: &str, started: &str, state: &str) -> Call {
        Call {
            call_id: id.into(),
            started: started.into(),
            sip_call_state: state.into(),
            ..Call::default()
        }
    }

    fn ids(board: &Board, count: usize) -> Vec<&str> {
        let calls = board.newest(count);
        calls.iter().map(|call| call.call_id.as_str()).collect()
    }

    #[test]
    fn live_calls_come_first_and_the_oldest_are_forgotten() {
        let mut board = Board::default();
        for (id, started, state) in [
            ("a", "1", "ringing"),
            ("b", "2", "ended"),
            ("c", "3", "connected"),
            ("d", "4", "failed"),
        ] {
            board.hear(call(id, started, state));
        }
        assert_eq!(ids(&board, 9), ["c", "a", "d", "b"]);
        assert_eq!(ids(&board, 2), ["c", "a"]);
        board.hear(call("c", "3", "ended"));
        assert_eq!(
            (board.live(), ids(&board, 9)),
            (1, vec!["a", "d", "c", "b"])
        );
        board.forget(1);
        assert_eq!(ids(&board, 9), ["a", "d"]);
    }

    #[test]
    fn events_are_read_by_their_name() {
        let event = |name: &str, data: &str| {
            news(&Event {
                name: name.into(),
                data: data.into(),
            })
        };
        let heard = event(
            "call",
            r#"{"type":"call","call_id":"sip-call-1","sip_call_state":"ringing"}"#,
        );
        assert!(matches!(heard, News::Call(call, _) if call.sip_call_state == "ringing"));
        assert!(matches!(event("health", r#"{"ami":true}"#),
            News::Health(health) if health.ami && !health.witness));
        assert!(matches!(event("missed", "7"), News::Missed));
        for (name, data) in [("room", "{}"), ("call", "nonsense"), ("later", "{}")] {
            assert!(matches!(event(name, data), News::Other), "{name}");
        }
    }
}
