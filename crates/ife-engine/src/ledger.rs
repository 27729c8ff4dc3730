//! Everything that outlives a call and a restart: messages, calls that ended, rooms.

use std::{
    collections::{BTreeSet, HashMap, VecDeque},
    sync::Arc,
};

use ife_ami::value::RoomName;

use crate::{
    decisions::Decided,
    record::{Answer, CallRecord, Line, MessageKey},
    roll::Roll,
    view::CallDetail,
};

/// Messages that are remembered.
const MESSAGES_MAX: usize = 8_192;
/// The least time that a message is remembered. Its own timestamp admits it for as long, see
/// [`crate::command::TIMESTAMP_WINDOW_S`].
const MESSAGE_AGE_MS_MIN: u64 = 600_000;
/// Calls that are over and can still be asked about.
const ENDED_MAX: usize = 500;

/// What came of a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Remembered {
    /// Its call.
    pub call_id: String,
    /// The first answer, once given, as JSON: a third of the size that it has otherwise, and there
    /// are thousands.
    answer: Option<Box<str>>,
    at_ms: u64,
}

impl Remembered {
    /// The first answer, once given.
    pub fn answer(&self) -> Option<Answer> {
        let json = self.answer.as_deref()?;
        // Written by us, from the same type.
        serde_json::from_str(json).ok()
    }
}

/// Everything the store remembers, bounded.
#[derive(Debug, Default)]
pub struct Ledger {
    messages: HashMap<Arc<MessageKey>, Remembered>,
    order: VecDeque<Arc<MessageKey>>,
    ended: VecDeque<CallDetail>,
    rooms_asked: BTreeSet<RoomName>,
    /// Decisions about the calls that are remembered.
    pub(crate) decided: Decided,
    /// Rooms, members and admissions.
    pub roll: Roll,
}

impl Ledger {
    /// What came of that message, if it was accepted.
    pub fn message(&self, key: &MessageKey) -> Option<&Remembered> {
        self.messages.get(key)
    }

    /// The source of the message that asked for a call.
    pub fn source_of(&self, call_id: &str) -> Option<&str> {
        let mut messages = self.messages.iter();
        let (key, _) = messages.find(|(_, remembered)| remembered.call_id == call_id)?;
        Some(&key.source)
    }

    /// Notes an accepted message. `false` when there are too many that may not be forgotten yet.
    pub fn accept(&mut self, key: MessageKey, call_id: String, at_ms: u64) -> bool {
        while self.order.len() >= MESSAGES_MAX {
            let oldest = self.order.front().and_then(|key| self.messages.get(key));
            if oldest.is_some_and(|oldest| oldest.at_ms + MESSAGE_AGE_MS_MIN > at_ms) {
                return false;
            }
            if let Some(key) = self.order.pop_front() {
                self.messages.remove(&key);
            }
        }
        let remembered = Remembered {
            call_id,
            answer: None,
            at_ms,
        };
        let key = Arc::new(key);
        if self.messages.insert(key.clone(), remembered).is_none() {
            self.order.push_back(key);
        }
        true
    }

    /// The acceptance could not be stored: the message was never here.
    pub fn forget(&mut self, key: &MessageKey) {
        self.messages.remove(key);
        self.order.retain(|known| **known != *key);
    }

    /// Notes the first answer; a later one changes nothing.
    pub fn answer(&mut self, key: &MessageKey, answer: &Answer) {
        if let Some(message) = self.messages.get_mut(key)
            && message.answer.is_none()
        {
            // Names, numbers and texts: there is a JSON form.
            message.answer = serde_json::to_string(answer)
                .ok()
                .map(String::into_boxed_str);
        }
    }

    /// Notes a call that is over. Returns one that is not remembered any more; what is decided
    /// about it has to be forgotten too.
    pub fn end(&mut self, mut call: CallDetail) -> Option<CallDetail> {
        call.history.shrink_to_fit();
        let is_full = self.ended.len() >= ENDED_MAX;
        let oldest = is_full.then(|| self.ended.pop_front()).flatten();
        self.ended.push_back(call);
        oldest
    }

    /// A call that ended without having begun is to begin after all.
    pub fn unlearn(&mut self, key: &MessageKey, call_id: &str) {
        self.forget(key);
        self.ended.retain(|detail| detail.call.call_id != call_id);
        self.decided.forget(call_id);
    }

    /// A call that is over.
    pub fn ended(&self, call_id: &str) -> Option<&CallDetail> {
        let mut newest_first = self.ended.iter().rev();
        newest_first.find(|detail| detail.call.call_id == call_id)
    }

    /// Calls that are over, newest first.
    pub fn all_ended(&self) -> impl Iterator<Item = &CallDetail> {
        self.ended.iter().rev()
    }

    /// Notes whether a room is asked for. True when that is new.
    pub fn ask_room(&mut self, room: &RoomName, asked: bool) -> bool {
        if asked {
            self.rooms_asked.insert(room.clone())
        } else {
            self.rooms_asked.remove(room)
        }
    }

    /// Whether a room was asked for and not ended.
    pub fn is_room_asked(&self, room: &RoomName) -> bool {
        self.rooms_asked.contains(room)
    }

    /// Rooms that were asked for and not ended.
    pub fn rooms_asked(&self) -> impl ExactSizeIterator<Item = &RoomName> {
        self.rooms_asked.iter()
    }

    /// Takes in a line that was read at the start. `live` gathers the calls that have not ended.
    pub fn replay(&mut self, line: Line, live: &mut Vec<CallRecord>) {
        let find = |live: &mut Vec<CallRecord>, call_id: &str| {
            live.iter().position(|call| *call.call_id == *call_id)
        };
        match line {
            Line::Call(call) => {
                if let Some(key) = call.message.clone() {
                    self.accept(key, call.call_id.to_string(), call.started_ms);
                }
                live.push(*call);
            }
            Line::Attempt { call_id, attempt } => {
                if let Some(at) = find(live, &call_id) {
                    live[at].attempt = attempt;
                }
            }
            Line::Room { call_id, room } => {
                if let Some(at) = find(live, &call_id) {
                    live[at].room = room;
                }
            }
            Line::Answer {
                message,
                call_id,
                at_ms,
                answer,
            } => {
                self.accept(message.clone(), call_id, at_ms);
                self.answer(&message, &answer);
            }
            Line::RoomAsked { room } => {
                self.ask_room(&room, true);
            }
            Line::RoomOver { room } => {
                self.ask_room(&room, false);
            }
            Line::RoomOpen { room, trace_id } => self.roll.add_room(room, trace_id),
            Line::RoomEnd { room } => self.roll.remove_room(&room),
            Line::Member(member) => self.roll.set_member(*member),
            Line::Left { channel } => {
                self.roll.remove_member(&channel);
            }
            Line::Admitted(admitted) => self.roll.set_admission(admitted),
            Line::Noted { number } => self.roll.set_noted(number),
            Line::Ended(detail) => {
                if let Some(at) = find(live, &detail.call.call_id) {
                    live.remove(at);
                }
                if let Some(oldest) = self.end(*detail) {
                    self.decided.forget(&oldest.call.call_id);
                }
            }
            Line::Decided { call_id, record } => self.decided.add(&call_id, *record),
            Line::Undecided { call_id } => {
                self.decided.close(&call_id);
            }
        }
    }

    /// The fewest lines from which all of it can be read again, with the calls that are under way.
    pub fn lines<'a>(&self, live: impl Iterator<Item = &'a CallRecord>) -> Vec<Line> {
        let mut lines: Vec<Line> = self
            .ended
            .iter()
            .cloned()
            .map(Box::new)
            .map(Line::Ended)
            .collect();
        lines.extend(live.cloned().map(Box::new).map(Line::Call));
        let rooms = self.rooms_asked.iter().cloned();
        lines.extend(rooms.map(|room| Line::RoomAsked { room }));
        lines.extend(self.decided.lines());
        lines.extend(self.roll.lines());
        for key in &self.order {
            let Some(remembered) = self.messages.get(key) else {
                continue;
            };
            if let Some(answer) = remembered.answer() {
                lines.push(Line::Answer {
                    message: MessageKey::clone(key),
                    call_id: remembered.call_id.clone(),
                    at_ms: remembered.at_ms,
                    answer,
                });
            }
        }
        lines
    }
}
