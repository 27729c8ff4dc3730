//! The gateway's notes of parties that come and go. The dialplan counts and keeps the last 500 of
//! them in Asterisk's database, so that the log gets those that no bridge saw.
//!
//! ```text
//! <number> <Unix s> join|leave|full|refused <room> <channel> expert|guardian|unknown <name>
//! ```

use std::collections::{BTreeMap, BTreeSet};

use ife_ami::{
    Action,
    session::Outcome,
    value::{DialToken, RoomName, Uniqueid},
};
use ife_witness::entry::Event;
use ife_words::time::of_ms;
use tracing::warn;

use super::{
    Rooms,
    members::{NOT_ADMITTED, is_elsewhere},
    witness,
};
use crate::{
    calls::Calls,
    context::{Asked, Context, problem_of},
    record::Line,
    roll::{Member, Role},
    shell::{Fact, Measure},
};

/// Family of the gateway's database that holds the notes.
const FAMILY: &str = "ife-note";
/// Notes that are kept while others are read.
const WAITING_MAX: usize = 500;

ife_words::words! {
    /// The dialplan's note.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    enum What {
        Join = "join",
        Leave = "leave",
        /// The room had no seat: the party that was noted did not get in.
        Full = "full",
        Refused = "refused",
    }
}

/// One note.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Note {
    number: u64,
    at_s: u64,
    what: What,
    room: RoomName,
    channel: Uniqueid,
    role: Role,
    name: String,
}

/// How far notes and comparison have come on this connection.
#[derive(Debug, Default)]
pub(super) struct Notes {
    is_read: bool,
    is_compared: bool,
    /// Notes that came while others are read.
    waiting: BTreeMap<u64, Note>,
}

impl Notes {
    /// Whether the log has all that happened without this bridge.
    pub(super) fn is_caught_up(&self) -> bool {
        self.is_read && self.is_compared
    }
}

impl Note {
    fn parse(text: &[u8]) -> Option<Note> {
        let mut words = std::str::from_utf8(text).ok()?.split(' ');
        let note = Note {
            number: words.next()?.parse().ok()?,
            at_s: words.next()?.parse().ok()?,
            what: What::of(words.next()?)?,
            room: RoomName::parse(words.next()?).ok()?,
            channel: Uniqueid::parse(words.next()?).ok()?,
            role: Role::of(words.next()?)?,
            name: words.next()?.chars().take(200).collect(),
        };
        words.next().is_none().then_some(note)
    }

    fn detail(&self) -> String {
        let at = of_ms(self.at_s.saturating_mul(1_000));
        format!("noted by the gateway at {at}")
    }

    fn member(&self) -> Member {
        let is_guardian = self.role == Role::Guardian;
        let is_expert = self.role == Role::Expert && self.name != "-";
        Member {
            channel: self.channel.clone(),
            room: self.room.clone(),
            role: self.role,
            name: if is_guardian { &self.name } else { "unknown" }.to_owned(),
            muted: false,
            trace_id: is_expert.then(|| self.name.clone()),
            call_id: None,
        }
    }
}

impl Rooms {
    /// Events were missed.
    pub(crate) fn events_missed(&mut self, cx: &mut Context) {
        self.notes.is_compared = false;
        self.ask_notes(cx);
    }

    /// Asks for the notes that were made without this connection.
    fn ask_notes(&mut self, cx: &mut Context) {
        self.notes.is_read = false;
        if let Ok(family) = DialToken::parse(FAMILY) {
            // A lost connection is followed by another one, which asks again.
            let _ = cx.ask(&Action::DbGetTree { family }, Asked::Notes);
        }
    }

    /// A connection to Asterisk is up.
    pub(crate) fn connected(&mut self, cx: &mut Context) {
        self.notes = Notes::default();
        self.tell_admissions(cx);
        self.ask_notes(cx);
    }

    /// Follows a comparison.
    pub(crate) fn compared(&mut self, cx: &mut Context, calls: &Calls) {
        self.notes.is_compared = true;
        if self.notes.is_caught_up() {
            self.compare_members(cx, calls);
        }
    }

    /// Takes a note that the dialplan has just made.
    pub(crate) fn on_note(&mut self, cx: &mut Context, text: &[u8]) {
        let Some(note) = Note::parse(text) else {
            return warn!("a note of the gateway cannot be read");
        };
        let is_next = cx.ledger.roll.noted().map(|number| number + 1) == Some(note.number);
        if self.notes.is_read && is_next {
            match note.what {
                What::Refused => refused(cx, &note),
                // The events of the conference report it.
                What::Join | What::Leave | What::Full if self.notes.is_compared => {}
                What::Join | What::Leave | What::Full => self.follow_note(cx, &note),
            }
            return set_noted(cx, note.number);
        }
        if self.notes.waiting.len() < WAITING_MAX {
            self.notes.waiting.insert(note.number, note);
        }
        if self.notes.is_read {
            self.ask_notes(cx);
        }
    }

    /// Takes the gateway's notes, and witnesses what this bridge did not see.
    pub(crate) fn on_notes(&mut self, cx: &mut Context, calls: &Calls, outcome: &Outcome) {
        let mut notes = BTreeMap::new();
        match outcome {
            Outcome::List(rows) => {
                let values = rows.iter().filter_map(|row| row.view().first("Val"));
                let read = values.filter_map(Note::parse);
                notes.extend(read.map(|note| (note.number, note)));
            }
            // The next connection asks again.
            Outcome::Lost => return,
            Outcome::Success(_)
            | Outcome::Queued
            | Outcome::Error(_)
            | Outcome::ListTooLong
            | Outcome::TimedOut => {
                let why = problem_of(outcome).unwrap_or_default();
                warn!("the gateway's notes cannot be read: {why}");
            }
        }
        // A bridge without memory begins with the last note.
        let newest = notes.keys().next_back().copied().unwrap_or(0);
        let begin = cx.ledger.roll.noted().unwrap_or(newest);
        notes.append(&mut self.notes.waiting);
        self.follow_notes(cx, begin, notes);
        self.notes.is_read = true;
        if self.notes.is_caught_up() {
            self.compare_members(cx, calls);
        }
    }

    fn follow_notes(&mut self, cx: &mut Context, begin: u64, notes: BTreeMap<u64, Note>) {
        let last = notes.keys().next_back().copied();
        // The gateway's database was made anew.
        let begin = begin.min(last.map_or(begin, |last| if last < begin { 0 } else { begin }));
        let new: Vec<Note> = notes
            .into_values()
            .filter(|note| note.number > begin)
            .collect();
        if let Some(first) = new.first().filter(|first| first.number > begin + 1) {
            let lost = first.number - begin - 1;
            warn!("{lost} notes of the gateway are lost: it keeps the last 500");
        }
        let full: BTreeSet<Uniqueid> = new
            .iter()
            .filter(|note| note.what == What::Full)
            .map(|note| note.channel.clone())
            .collect();
        for note in new.iter().filter(|note| !full.contains(&note.channel)) {
            self.follow_note(cx, note);
        }
        if let Some(last) = last.filter(|last| cx.ledger.roll.noted() != Some(*last)) {
            set_noted(cx, last);
        } else if cx.ledger.roll.noted().is_none() {
            set_noted(cx, begin);
        }
    }

    fn follow_note(&mut self, cx: &mut Context, note: &Note) {
        let channel = &note.channel;
        let known = cx.model.channel(channel);
        let is_in = known.is_some_and(|known| known.room.as_ref() == Some(&note.room));
        match note.what {
            What::Refused => refused(cx, note),
            What::Full => {}
            What::Join if is_in || self.has_left(channel) || is_elsewhere(cx, channel) => {}
            What::Join => {
                self.show(cx, &note.room);
                self.enter(cx, note.member(), &note.detail());
            }
            What::Leave if cx.ledger.roll.member(channel).is_some() => {
                self.leave(cx, channel, &note.detail());
            }
            What::Leave if self.has_left(channel) || is_elsewhere(cx, channel) => {}
            // It came just before this bridge went away.
            What::Leave => {
                self.show(cx, &note.room);
                self.enter(cx, note.member(), "");
                self.leave(cx, channel, &note.detail());
            }
        }
    }
}

fn set_noted(cx: &mut Context, number: u64) {
    cx.ledger.roll.set_noted(number);
    cx.remember(&Line::Noted { number });
}

/// Witnesses a party that the dialplan did not let in.
fn refused(cx: &mut Context, note: &Note) {
    let done = "refused";
    warn!(room = %note.room, "an unknown party dialled in and was refused: {}", note.channel);
    cx.shell.measure(Measure::UnknownParty { done });
    let detail = format!("dialled in as {}, {}", note.name, note.detail());
    let fact = Fact {
        guardian: Some("unknown"),
        reason: Some(NOT_ADMITTED),
        ..Fact::new(Event::Remove, &detail)
    };
    witness(cx, &note.room, fact);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_note_is_read_and_anything_else_is_not() {
        let note = Note::parse(b"7 1790000000 join council gateway-1.2 guardian guardian-1");
        let note = note.expect("a note");
        assert_eq!(
            (note.number, note.what, note.role),
            (7, What::Join, Role::Guardian)
        );
        assert_eq!(note.member().name, "guardian-1");
        let bad: [&[u8]; 7] = [
            b"",
            b"7",
            b"7 1 join council gateway-1.2 guardian",
            b"7 1 join council gateway-1.2 guardian a b",
            b"7 1 burn council gateway-1.2 guardian a",
            b"-1 1 join council gateway-1.2 guardian a",
            b"7 1 join council /gateway/ guardian \xff",
        ];
        for text in bad {
            assert_eq!(Note::parse(text), None, "{}", text.escape_ascii());
        }
    }
}
