//! The messages between agents and an expert in one session: their ids, bounds, and whether they
//! have been shown.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

use ife_message::json;
use ife_words::hex;
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};
use thiserror::Error;

use crate::message::Body;

/// Longest message, in bytes of its canonical JSON.
pub const SAID_LEN_MAX: usize = 16_384;
/// Messages that one side may have in one session.
pub const SAID_MAX: u32 = 200;
/// Messages of one side in one [`PERIOD`].
pub const RATE_MAX: u32 = 20;
/// See [`RATE_MAX`].
pub const PERIOD: Duration = Duration::from_secs(10);
/// Messages to an expert that may wait to be shown.
pub const UNSHOWN_MAX: usize = 32;
/// Longest id of a message.
const ID_LEN_MAX: usize = 64;

/// A message that is not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum TalkError {
    /// Of more than [`SAID_LEN_MAX`] bytes, or without a JSON form.
    #[error("a message has at most 16384 bytes of JSON")]
    TooLong,
    /// One of more than [`SAID_MAX`].
    #[error("this side has had its 200 messages of this session")]
    TooMany,
    /// One of more than [`RATE_MAX`] in the period.
    #[error("at most 20 messages in 10 seconds")]
    TooFast,
    /// [`UNSHOWN_MAX`] messages wait.
    #[error("the last 32 messages have not been shown yet")]
    Unshown,
    /// The id is none.
    #[error("the id must be 1 to 64 of [A-Za-z0-9_-]")]
    BadId,
}

impl TalkError {
    /// Returns the word for it in `agent.refused`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            TalkError::TooLong => "too_long",
            TalkError::TooMany => "too_many",
            TalkError::TooFast => "too_fast",
            TalkError::Unshown => "unshown",
            TalkError::BadId => "bad_id",
        }
    }
}

/// Size and digest of a message, for its entry in the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Measured {
    /// Bytes of its canonical JSON (RFC 8785).
    pub size: usize,
    /// SHA-256 of them.
    pub sha256: [u8; 32],
}

impl Measured {
    /// Measures a message.
    ///
    /// # Errors
    /// [`TalkError::TooLong`].
    pub fn of(message: &Map<String, Value>) -> Result<Measured, TalkError> {
        let bytes = json::canonical(message).map_err(|_| TalkError::TooLong)?;
        if bytes.len() > SAID_LEN_MAX {
            return Err(TalkError::TooLong);
        }
        Ok(Measured {
            size: bytes.len(),
            sha256: Sha256::digest(&bytes).into(),
        })
    }

    /// Returns the digest as lower-case hex.
    #[must_use]
    pub fn sha256_text(&self) -> String {
        hex::text(&self.sha256)
    }
}

/// A message of the expert.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Heard {
    /// The first time.
    New(Measured),
    /// It was taken before: the peer has not heard so.
    Again,
}

/// Messages of one session.
#[derive(Debug, Default)]
pub struct Talk {
    said: Side,
    heard: Side,
    /// Ids of the expert's messages; as many as there may be.
    heard_ids: VecDeque<String>,
    unshown: VecDeque<Unshown>,
}

#[derive(Debug)]
struct Unshown {
    id: String,
    message: Map<String, Value>,
    measured: Measured,
}

#[derive(Debug, Default)]
struct Side {
    count: u32,
    since: Option<Instant>,
    in_period: u32,
}

impl Side {
    fn check(&self, now: Instant) -> Result<(), TalkError> {
        if self.count >= SAID_MAX {
            return Err(TalkError::TooMany);
        }
        if !self.is_over(now) && self.in_period >= RATE_MAX {
            return Err(TalkError::TooFast);
        }
        Ok(())
    }

    fn is_over(&self, now: Instant) -> bool {
        self.since
            .is_none_or(|since| now.saturating_duration_since(since) >= PERIOD)
    }

    fn count(&mut self, now: Instant) {
        if self.is_over(now) {
            (self.since, self.in_period) = (Some(now), 0);
        }
        self.count += 1;
        self.in_period += 1;
    }
}

impl Talk {
    /// Takes a message to the expert over the connection of that number; gives its id, which no
    /// other message of the session has.
    ///
    /// # Errors
    /// A bound.
    pub fn say(
        &mut self,
        connection: u64,
        message: &Map<String, Value>,
        now: Instant,
    ) -> Result<(String, Measured), TalkError> {
        let measured = Measured::of(message)?;
        self.said.check(now)?;
        if self.unshown.len() >= UNSHOWN_MAX {
            return Err(TalkError::Unshown);
        }
        self.said.count(now);
        let id = format!("{connection}-{}", self.said.count);
        self.unshown.push_back(Unshown {
            id: id.clone(),
            message: message.clone(),
            measured,
        });
        Ok((id, measured))
    }

    /// Notes that a message was shown. `None` for one that does not wait for it.
    pub fn shown(&mut self, id: &str) -> Option<Measured> {
        let place = self.unshown.iter().position(|waiting| waiting.id == id)?;
        self.unshown.remove(place).map(|shown| shown.measured)
    }

    /// The messages that were not shown yet, in their order, for a peer who comes back.
    pub fn unshown(&self) -> impl Iterator<Item = Body> {
        self.unshown.iter().map(|waiting| Body::Agent {
            id: Some(waiting.id.clone()),
            message: waiting.message.clone(),
        })
    }

    /// Takes a message of the expert. One without an id is new each time.
    ///
    /// # Errors
    /// A bound.
    pub fn hear(
        &mut self,
        id: Option<&str>,
        message: &Map<String, Value>,
        now: Instant,
    ) -> Result<Heard, TalkError> {
        if id.is_some_and(|id| !is_id(id)) {
            return Err(TalkError::BadId);
        }
        if id.is_some_and(|id| self.heard_ids.iter().any(|known| known == id)) {
            return Ok(Heard::Again);
        }
        let measured = Measured::of(message)?;
        self.heard.check(now)?;
        self.heard.count(now);
        self.heard_ids.extend(id.map(str::to_owned));
        Ok(Heard::New(measured))
    }

    /// Takes back that a message of the expert was heard: it could not be passed on.
    pub fn unhear(&mut self, id: Option<&str>) {
        self.heard_ids.retain(|known| Some(known.as_str()) != id);
    }
}

fn is_id(id: &str) -> bool {
    let is_allowed = |b: u8| b.is_ascii_alphanumeric() || b == b'_' || b == b'-';
    (1..=ID_LEN_MAX).contains(&id.len()) && id.bytes().all(is_allowed)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn text(text: &str) -> Map<String, Value> {
        Map::from_iter([("text".to_owned(), json!(text))])
    }

    #[test]
    fn what_was_not_shown_is_said_again_in_order_and_once_shown_no_more() {
        let (mut talk, now) = (Talk::default(), Instant::now());
        let ids: Vec<_> = ["a", "b", "c"]
            .map(|said| talk.say(4, &text(said), now).expect("within bounds").0)
            .into();
        assert_eq!(ids, ["4-1", "4-2", "4-3"]);
        let measured = Measured::of(&text("b")).ok();
        assert_eq!(talk.shown("4-2"), measured);
        assert_eq!((talk.shown("4-2"), talk.shown("4-9")), (None, None));
        let waiting: Vec<_> = talk.unshown().collect();
        let expected = [("4-1", "a"), ("4-3", "c")].map(|(id, said)| Body::Agent {
            id: Some(id.to_owned()),
            message: text(said),
        });
        assert_eq!(waiting, expected);
    }

    #[test]
    fn a_message_of_the_expert_is_taken_once() {
        let (mut talk, now) = (Talk::default(), Instant::now());
        let message = text("no");
        let measured = Measured::of(&message).expect("it is short");
        assert_eq!(measured.size, br#"{"text":"no"}"#.len());
        let expected: [u8; 32] = Sha256::digest(br#"{"text":"no"}"#).into();
        assert_eq!(measured.sha256, expected);
        let first = talk.hear(Some("m-1"), &message, now);
        assert_eq!(first, Ok(Heard::New(measured)));
        assert_eq!(talk.hear(Some("m-1"), &message, now), Ok(Heard::Again));
        talk.unhear(Some("m-1"));
        assert!(matches!(
            talk.hear(Some("m-1"), &message, now),
            Ok(Heard::New(_))
        ));
        for _ in 0..2 {
            assert!(matches!(talk.hear(None, &message, now), Ok(Heard::New(_))));
        }
    }

    #[test]
    fn each_bound_refuses_and_the_other_side_goes_on() {
        let now = Instant::now();
        let whole = "x".repeat(SAID_LEN_MAX - r#"{"text":""}"#.len());
        let mut talk = Talk::default();
        assert!(talk.hear(None, &text(&whole), now).is_ok());
        for too_long in [format!("{whole}x"), "x".repeat(1 << 20)] {
            let message = text(&too_long);
            assert_eq!(talk.hear(None, &message, now), Err(TalkError::TooLong));
            assert_eq!(talk.say(1, &message, now), Err(TalkError::TooLong));
        }
        let long = "i".repeat(65);
        for bad in ["", "a b", "ü", long.as_str()] {
            assert_eq!(talk.hear(Some(bad), &text("a"), now), Err(TalkError::BadId));
        }
        let mut talk = Talk::default();
        for _ in 0..RATE_MAX {
            assert!(talk.hear(None, &text("a"), now).is_ok());
        }
        assert_eq!(talk.hear(None, &text("a"), now), Err(TalkError::TooFast));
        assert!(talk.say(1, &text("a"), now).is_ok());
        assert!(talk.hear(None, &text("a"), now + PERIOD).is_ok());
    }

    #[test]
    fn a_session_has_so_many_messages_and_so_many_that_wait() {
        let (mut talk, mut now) = (Talk::default(), Instant::now());
        for _ in 0..SAID_MAX {
            now += PERIOD;
            let (id, _) = talk.say(1, &text("a"), now).expect("within bounds");
            assert!(talk.shown(&id).is_some() && talk.hear(None, &text("b"), now).is_ok());
        }
        now += PERIOD;
        assert_eq!(talk.say(1, &text("a"), now), Err(TalkError::TooMany));
        assert_eq!(talk.hear(None, &text("b"), now), Err(TalkError::TooMany));
        let mut talk = Talk::default();
        for _ in 0..UNSHOWN_MAX {
            now += PERIOD;
            assert!(talk.say(1, &text("a"), now).is_ok());
        }
        now += PERIOD;
        assert_eq!(talk.say(1, &text("a"), now), Err(TalkError::Unshown));
    }
}
