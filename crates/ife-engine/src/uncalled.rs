//! Calls that an earlier process had accepted when it was lost, and perhaps not placed. The
//! gateway's note shows whether an expert was called; if none was, the call is placed.

use ife_ami::session::Outcome;
use tracing::info;

use crate::{
    Engine,
    calls::{CallId, Slot},
    command::{Note, TIMESTAMP_WINDOW_S},
    context::Asked,
    elsewhere::ask_note_of,
    record::{Line, Origin},
};

impl Engine {
    /// Asks the gateway about a call that is taken over and has no channel. False for any other
    /// call, and when the question cannot be put.
    pub(crate) fn ask_whether_called(&mut self, id: &CallId) -> bool {
        let slot = self.calls.get(id).filter(|slot| slot.is_unseen());
        let is_unplaced = slot.is_some_and(|slot| {
            slot.record().origin == Origin::Escalation && slot.leg_views(&self.cx.model).is_empty()
        });
        if !is_unplaced {
            return false;
        }
        let asked = ask_note_of(&mut self.cx, id);
        match asked {
            Ok(asked) => {
                self.cx.expect_answer(asked, Asked::Called(id.clone()));
                true
            }
            Err(_) => false,
        }
    }

    /// Acts on the gateway's answer. Without a note the call is placed; with a note of this bridge
    /// and no answer, the next expert is called.
    pub(crate) fn called_or_not(&mut self, id: &CallId, outcome: &Outcome) {
        match outcome {
            // The next connection asks again. Until then the call is unknown, as long as a lost
            // gateway is waited for.
            Outcome::Lost => return,
            Outcome::Success(_)
            | Outcome::Queued
            | Outcome::List(_)
            | Outcome::Error(_)
            | Outcome::ListTooLong
            | Outcome::TimedOut => {}
        }
        let Some(slot) = self.calls.get(id).filter(|slot| slot.is_unseen()) else {
            return;
        };
        let is_there = !slot.leg_views(&self.cx.model).is_empty();
        let note = Engine::note_of(outcome).ok().filter(|_| !is_there);
        match note.and_then(|note| self.first_to_call(slot, note.as_ref())) {
            Some(attempt) => self.place_after_all(id, attempt),
            None => self.compare(id, false),
        }
    }

    /// The first expert who was not called, if the call may be placed at all.
    fn first_to_call(&self, slot: &Slot, note: Option<&Note>) -> Option<u8> {
        let record = slot.record();
        // An older message would not be accepted either.
        let window_ms = TIMESTAMP_WINDOW_S * 1_000;
        let age_ms = self.cx.now.unix_ms.saturating_sub(record.started_ms);
        if age_ms > window_ms || self.health.is_draining() {
            return None;
        }
        let tried = match note {
            None => 0,
            Some(note) if note.node == self.cx.names.node() && !note.answered => {
                note.tried.saturating_sub(record.left_out())
            }
            Some(_) => return None,
        };
        (usize::from(tried) < record.experts.len()).then_some(tried)
    }

    fn place_after_all(&mut self, id: &CallId, attempt: u8) {
        let Some(slot) = self.calls.get_mut(id) else {
            return;
        };
        info!(call_id = %id, attempt, "a call of an earlier process was not placed: it is placed");
        slot.place_after_all(&mut self.cx, attempt);
        self.cx.remember(&Line::Attempt {
            call_id: id.to_string(),
            attempt,
        });
        self.work(id);
    }
}
