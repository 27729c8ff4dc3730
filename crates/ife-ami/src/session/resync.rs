use std::collections::VecDeque;
use std::time::Instant;

use super::Session;
use super::output::{GapReason, Outcome, Output, ResyncError};
use super::pending::Owner;
use crate::action::{Action, ActionId};
use crate::model::{Room, Snapshot};
use crate::value::RoomName;
use crate::wire::Text;

/// A resync in progress: the remaining actions and the rows so far.
///
/// Asterisk replays nothing after a gap, so everything is listed.
#[derive(Debug)]
pub(super) struct Resync {
    step: Step,
    /// The pending action. Answers to an abandoned resync are ignored.
    awaits: Option<ActionId>,
    rooms_left: VecDeque<RoomName>,
    snapshot: Snapshot,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Step {
    Channels,
    Rooms,
    Members(RoomName),
}

/// The next step of a resync.
#[derive(Debug)]
enum Next {
    Send(Action),
    Done(Box<Snapshot>),
    Failed(ResyncError),
}

impl Resync {
    /// Returns a new resync and its first action.
    fn begin() -> (Self, Action) {
        let resync = Resync {
            step: Step::Channels,
            awaits: None,
            rooms_left: VecDeque::new(),
            snapshot: Snapshot::default(),
        };
        (resync, Action::CoreShowChannels)
    }

    /// Processes the answer to the last action.
    fn answer(mut self, outcome: Outcome) -> (Option<Self>, Next) {
        let rows = match outcome {
            Outcome::List(rows) => rows,
            Outcome::Error(words) if self.step != Step::Channels && !is_denied(&words) => {
                // An empty list is an error: no conference, or no longer one of that name.
                return self.advance();
            }
            Outcome::Error(words) => return self.fail(words),
            Outcome::TimedOut => return self.fail(Text::from("no answer in time")),
            Outcome::ListTooLong => return self.fail(Text::from("more rows than are allowed")),
            Outcome::Lost => return self.fail(Text::from("connection lost")),
            Outcome::Success(_) | Outcome::Queued => {
                return self.fail(Text::from("no list in the answer"));
            }
        };
        match &self.step {
            Step::Channels => self.snapshot.add_channels(&rows),
            Step::Rooms => self.rooms_left = Snapshot::room_names(&rows),
            Step::Members(room) => {
                let room = Room {
                    name: room.clone(),
                    members: Vec::new(),
                };
                self.snapshot.add_room(room, &rows);
            }
        }
        self.advance()
    }

    fn advance(mut self) -> (Option<Self>, Next) {
        if self.step == Step::Channels {
            self.step = Step::Rooms;
            return (Some(self), Next::Send(Action::ConfbridgeListRooms));
        }
        match self.rooms_left.pop_front() {
            Some(room) => {
                self.step = Step::Members(room.clone());
                (Some(self), Next::Send(Action::ConfbridgeList { room }))
            }
            None => (None, Next::Done(Box::new(self.snapshot))),
        }
    }

    fn fail(self, why: Text) -> (Option<Self>, Next) {
        let action = match self.step {
            Step::Channels => "CoreShowChannels",
            Step::Rooms => "ConfbridgeListRooms",
            Step::Members(_) => "ConfbridgeList",
        };
        (None, Next::Failed(ResyncError { action, why }))
    }
}

fn is_denied(words: &Text) -> bool {
    words.as_bytes().starts_with(b"Permission denied")
}

impl Session {
    pub(super) fn gap(&mut self, reason: GapReason) {
        if self.is_up() {
            self.outputs.push_back(Output::Gap(reason));
            // The rows so far may be older than the gap.
            self.resync = None;
            self.resync_at = Some(self.clock);
        }
    }

    pub(super) fn resync_due(&self) -> Option<Instant> {
        if self.resync.is_some() {
            None
        } else {
            self.resync_at
        }
    }

    pub(super) fn begin_resync_if_due(&mut self) {
        let due = self.resync_due().is_some_and(|at| at <= self.clock);
        if due && self.is_up() && !self.overflowed {
            let (resync, action) = Resync::begin();
            self.resync_at = None;
            self.outputs.push_back(Output::ResyncStarted);
            self.resync = Some(resync);
            self.send_resync(&action);
        }
    }

    fn send_resync(&mut self, action: &Action) {
        // Room names are short, so no action of a resync breaks a limit.
        let id = self.send(action, Owner::Resync).ok();
        if let Some(resync) = &mut self.resync {
            resync.awaits = id;
        }
    }

    pub(super) fn resync_answer(&mut self, id: ActionId, outcome: Outcome) {
        let Some(resync) = self.resync.take_if(|resync| resync.awaits == Some(id)) else {
            return;
        };
        let (resync, next) = resync.answer(outcome);
        self.resync = resync;
        let timers = self.config.timers;
        match next {
            Next::Send(action) => self.send_resync(&action),
            Next::Done(snapshot) => {
                self.resync_at = timers.resync_every.map(|every| self.clock + every);
                self.outputs.push_back(Output::Snapshot(snapshot));
            }
            Next::Failed(error) => {
                self.resync_at = Some(self.clock + timers.resync_retry);
                self.outputs.push_back(Output::ResyncFailed(error));
            }
        }
    }
}
