//! The store's records.

use std::{borrow::Borrow, convert::Infallible, fmt, ops::Deref, str::FromStr, sync::Arc};

use ife_ami::value::{RoomName, Uniqueid};
use ife_call::ExpertId;
use ife_message::{Briefing, Hazard, TraceId, decision::Record};
use serde::{Deserialize, Serialize};

use crate::{
    command::Note,
    refusal::Refusal,
    roll::{Admitted, Member},
    view::{CallDetail, CallView},
};

/// A message's name: ids are the sender's own.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct MessageKey {
    /// `source` of the message.
    pub source: String,
    /// `id` of the message.
    pub id: String,
}

/// A call's name, `sip-call-` and 16 hex digits.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CallId(Arc<str>);

impl Deref for CallId {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl Borrow<str> for CallId {
    fn borrow(&self) -> &str {
        self
    }
}

impl<T: AsRef<str>> From<T> for CallId {
    fn from(id: T) -> CallId {
        CallId(id.as_ref().into())
    }
}

impl FromStr for CallId {
    type Err = Infallible;

    fn from_str(id: &str) -> Result<CallId, Infallible> {
        Ok(id.into())
    }
}

impl fmt::Display for CallId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self)
    }
}

/// Who began a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Origin {
    /// The council: an expert is called.
    Escalation,
    /// An expert, who called the council.
    Expert,
}

/// A call as it was accepted: enough to take it over.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CallRecord {
    /// Its name.
    #[serde(with = "text")]
    pub call_id: CallId,
    /// Who began it.
    pub origin: Origin,
    /// Correlates everything about one escalation.
    #[serde(with = "text")]
    pub trace_id: TraceId,
    /// The subject of the call.
    #[serde(with = "text")]
    pub hazard: Hazard,
    /// The experts to try, in order.
    #[serde(with = "experts")]
    pub experts: Vec<ExpertId>,
    /// Which of them was tried last.
    pub attempt: u8,
    /// Council conference.
    #[serde(with = "text")]
    pub room: RoomName,
    /// When it was accepted, Unix milliseconds.
    pub started_ms: u64,
    /// The text for the expert.
    #[serde(default, skip_serializing_if = "Briefing::is_empty")]
    pub briefing: Briefing,
    /// Paths or URIs.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub evidence_files: Vec<String>,
    /// Unique id of an expert's incoming channel.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "optional")]
    pub channel: Option<Uniqueid>,
    /// The message that asked for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<MessageKey>,
    /// The gateway's note about the call of a lost bridge that this one goes on with.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "optional")]
    pub takes: Option<Note>,
    /// A signature that came with the message.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signature: Option<String>,
}

impl CallRecord {
    /// Experts of the message, from the first, whom another bridge had tried and who are left out
    /// of [`CallRecord::experts`].
    pub(crate) fn left_out(&self) -> u8 {
        self.takes.as_ref().map_or(0, |note| note.tried)
    }
}

/// The first answer to a message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Answer {
    /// The call.
    Call(Box<CallView>),
    /// Why there is none.
    Refused(Box<Refusal>),
}

impl Answer {
    /// As the API gives it.
    pub fn into_result(self) -> Result<CallView, Refusal> {
        match self {
            Answer::Call(view) => Ok(*view),
            Answer::Refused(refusal) => Err(*refusal),
        }
    }

    /// From the request of the API.
    pub fn of(result: Result<CallView, Refusal>) -> Answer {
        match result {
            Ok(view) => Answer::Call(Box::new(view)),
            Err(refusal) => Answer::Refused(Box::new(refusal)),
        }
    }
}

/// One line of the file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "is", rename_all = "snake_case")]
pub enum Line {
    /// A call was accepted.
    Call(Box<CallRecord>),
    /// Another expert is tried.
    Attempt {
        /// The call.
        call_id: String,
        /// From 0.
        attempt: u8,
    },
    /// The call is in another conference.
    Room {
        /// The call.
        call_id: String,
        /// The conference.
        #[serde(with = "text")]
        room: RoomName,
    },
    /// A message was answered.
    Answer {
        /// Which.
        message: MessageKey,
        /// Its call.
        call_id: String,
        /// Unix milliseconds.
        at_ms: u64,
        /// With what.
        answer: Answer,
    },
    /// A room was asked for: it stays until it is ended.
    RoomAsked {
        /// The conference.
        #[serde(with = "text")]
        room: RoomName,
    },
    /// A room that was asked for is ended.
    RoomOver {
        /// The conference.
        #[serde(with = "text")]
        room: RoomName,
    },
    /// A room is open by the log.
    RoomOpen {
        /// The conference.
        #[serde(with = "text")]
        room: RoomName,
        /// Trace id of the call that opened it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        trace_id: Option<String>,
    },
    /// A room is closed by the log.
    RoomEnd {
        /// The conference.
        #[serde(with = "text")]
        room: RoomName,
    },
    /// A member is in its room by the log, and whether it is muted.
    Member(Box<Member>),
    /// A member has left by the log.
    Left {
        /// Its channel.
        #[serde(with = "text")]
        channel: Uniqueid,
    },
    /// A guardian was admitted, or the admission was withdrawn.
    Admitted(Admitted),
    /// The gateway's notes up to this number were followed.
    Noted {
        /// Counted by the dialplan.
        number: u64,
    },
    /// A call is over.
    Ended(Box<CallDetail>),
    /// A decision about a call was taken.
    Decided {
        /// The call.
        call_id: String,
        /// The decision, attested.
        record: Box<Record>,
    },
    /// The time for a decision about a call has passed without one.
    Undecided {
        /// The call.
        call_id: String,
    },
}

impl Line {
    /// As the file has it: the token of an evidence link is a secret, and no file keeps it.
    #[must_use]
    pub fn without_link(&self) -> Line {
        let mut kept = self.clone();
        match &mut kept {
            Line::Answer {
                answer: Answer::Call(view),
                ..
            } => view.evidence_link = None,
            Line::Ended(detail) => detail.call.evidence_link = None,
            Line::Answer {
                answer: Answer::Refused(_),
                ..
            }
            | Line::Call(_)
            | Line::Attempt { .. }
            | Line::Room { .. }
            | Line::RoomAsked { .. }
            | Line::RoomOver { .. }
            | Line::Decided { .. }
            | Line::Undecided { .. }
            | Line::RoomOpen { .. }
            | Line::RoomEnd { .. }
            | Line::Member(_)
            | Line::Left { .. }
            | Line::Admitted(_)
            | Line::Noted { .. } => {}
        }
        kept
    }
}

/// Values that are stored as their text.
pub(crate) mod text {
    use std::{fmt::Display, str::FromStr};

    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    pub(crate) fn serialize<T: Display, S: Serializer>(
        value: &T,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.collect_str(value)
    }

    pub(crate) fn deserialize<'de, T, D>(deserializer: D) -> Result<T, D::Error>
    where
        T: FromStr<Err: Display>,
        D: Deserializer<'de>,
    {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(D::Error::custom)
    }
}

mod experts {
    use ife_call::ExpertId;
    use serde::{Deserialize, Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(ids: &[ExpertId], to: S) -> Result<S::Ok, S::Error> {
        to.collect_seq(ids.iter().map(ExpertId::as_str))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        from: D,
    ) -> Result<Vec<ExpertId>, D::Error> {
        let ids = Vec::<String>::deserialize(from)?;
        Ok(ids.iter().map(|id| ExpertId::from(id.as_str())).collect())
    }
}

/// Values that are stored as their text where they are there. What cannot be read is left out: a
/// call is then found by its trace id, and no call is taken by such a note.
mod optional {
    use std::{fmt::Display, str::FromStr};

    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    pub(super) fn serialize<T: Display, S: Serializer>(
        value: &Option<T>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        value.as_ref().map(T::to_string).serialize(serializer)
    }

    pub(super) fn deserialize<'de, T: FromStr, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<T>, D::Error> {
        let text = Option::<String>::deserialize(deserializer)?;
        Ok(text.and_then(|text| text.parse().ok()))
    }
}
