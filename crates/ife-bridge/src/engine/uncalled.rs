//! Calls that an earlier process had accepted when it was lost, and perhaps not placed. The gateway's note tells whether
//! an expert was called; if none was, the call is placed.

use std::time::Instant;

use ife_ami::session::Outcome;
use ife_call::Call;
use tracing::info;

use super::{CallId, Engine, answers::Asked};
use crate::{
    clock,
    handle::{Note, TIMESTAMP_WINDOW_S},
    store::{Line, Origin},
};

impl Engine {
    /// Asks the gateway about a call that is taken over and has no channel. False for any other call, and when the question
    /// cannot be put.
    pub(super) fn ask_whether_called(&mut self, id: &CallId) -> bool {
        let Some(slot) = self.calls.get(id).filter(|slot| slot.unseen) else {
            return false;
        };
        let is_gone = slot.leg_views(&self.model).is_empty();
        if slot.record.origin != Origin::Escalation || !is_gone {
            return false;
        }
        match self.ask_note_of(id) {
            Ok(asked) => {
                self.asked.insert(asked, Asked::Called(id.clone()));
                true
            }
            Err(_) => false,
        }
    }

    /// Acts on the gateway's answer. Without a note the call is placed; with our note and no answer, the next expert is called.
    pub(super) fn called_or_not(&mut self, id: &CallId, outcome: &Outcome) {
        match outcome {
            // The next connection asks again. Until then the call is unknown, as long as a lost gateway is waited for.
            Outcome::Lost => return,
            Outcome::Success(_)
            | Outcome::Queued
            | Outcome::List(_)
            | Outcome::Error(_)
            | Outcome::ListTooLong
            | Outcome::TimedOut => {}
        }
        let Some(slot) = self.calls.get(id).filter(|slot| slot.unseen) else {
            return;
        };
        let is_there = !slot.leg_views(&self.model).is_empty();
        match Engine::note_of(outcome) {
            Ok(note) if !is_there => match self.first_to_call(id, note.as_ref()) {
                Some(attempt) => self.place_after_all(id, attempt),
                None => self.compare(id, false),
            },
            Ok(_) | Err(_) => self.compare(id, false),
        }
    }

    /// The first expert who was not called, where the call may be placed at all.
    fn first_to_call(&self, id: &CallId, note: Option<&Note>) -> Option<u8> {
        let record = &self.calls.get(id)?.record;
        // An older message would not be accepted either.
        let window_ms = TIMESTAMP_WINDOW_S * 1_000;
        let age_ms = clock::unix_ms().saturating_sub(record.started_ms);
        if age_ms > window_ms || self.is_draining() {
            return None;
        }
        let tried = match note {
            None => 0,
            Some(note) if note.node == self.names.node() && !note.answered => note.tried,
            Some(_) => return None,
        };
        (usize::from(tried) < record.experts.len()).then_some(tried)
    }

    fn place_after_all(&mut self, id: &CallId, attempt: u8) {
        let Some(record) = self.calls.get(id).map(|slot| slot.record.clone()) else {
            return;
        };
        info!(call_id = %id, attempt, "a call of an earlier process was not placed: it is placed");
        let plan = self.plan_with(&record, record.experts.len());
        let expert = record.experts.get(usize::from(attempt));
        let name = self.expert_name(expert.map_or("", String::as_str));
        let Some(slot) = self.calls.get_mut(id) else {
            return;
        };
        let timers = slot.timers.iter_mut().filter_map(Option::take);
        timers.for_each(|key| self.timers.remove(key));
        slot.call = Call::begin(plan, attempt);
        slot.record.attempt = attempt;
        slot.expert_name = name;
        slot.legs.clear();
        slot.unseen = false;
        slot.asked_at = Some(Instant::now());
        // Of a signature that the earlier process made within this second.
        slot.last_iat = clock::unix_ms() / 1_000;
        slot.step("not placed by the earlier process: placed".to_owned());
        self.remember(&Line::Attempt {
            call_id: id.to_string(),
            attempt,
        });
        self.drain(id);
    }
}
