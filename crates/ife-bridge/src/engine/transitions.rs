//! What follows when a call's state changes: history, events, answers, metrics, the store.

use std::time::{Duration, Instant};

use ife_call::{FailReason, Reported, State};
use tracing::info;

use super::{CallId, Engine, timers::Due};
use crate::{
    clock,
    metrics::{CallLabels, Status},
    store::Line,
    view::Event,
};

/// A call that is over is kept in memory while a leg of it may still show itself, to be hung up.
const LINGER: Duration = Duration::from_secs(60);
/// So many of them at most, so that a flood of short calls does not fill the memory. A leg of an earlier one is found by the next comparison.
const LINGERING_MAX: usize = 256;

impl Engine {
    pub(super) fn state_changed(&mut self, id: &CallId, reported: &Reported) {
        let state = match reported {
            Reported::Unknown(_) => {
                self.tell_call(id);
                self.settle_callers(id);
                return;
            }
            Reported::Known(state) => state.clone(),
        };
        match &state {
            State::Ringing => self.rings(id),
            State::Answered => self.answered(id),
            State::Bridging | State::Connected => self.answered(id),
            State::Ended(_) | State::Failed(_) => self.over(id, &state),
            State::Received | State::Approved | State::Inviting | State::Ending => {}
        }
        self.tell_call(id);
        self.settle_callers(id);
        self.settle_waiters(id);
    }

    pub(super) fn tell_call(&self, id: &CallId) {
        if let Some(slot) = self.calls.get(id) {
            let view = Box::new(slot.view(&self.council));
            // Nobody may be listening.
            let _ = self.events.send(Event::Call(view));
        }
    }

    fn rings(&mut self, id: &CallId) {
        let Some(slot) = self.calls.get_mut(id) else {
            return;
        };
        if std::mem::replace(&mut slot.rang, true) {
            return;
        }
        if let Some(asked_at) = slot.asked_at {
            self.metrics
                .ringing_s
                .observe(asked_at.elapsed().as_secs_f64());
        }
        self.count_response(180);
    }

    fn answered(&mut self, id: &CallId) {
        let Some(slot) = self.calls.get_mut(id) else {
            return;
        };
        if slot.answered_ms.is_some() {
            return;
        }
        slot.answered_ms = Some(clock::unix_ms());
        self.count_response(200);
    }

    /// The expert has answered: the guardians are called.
    pub(super) fn open_room_of(&mut self, id: &CallId) {
        if let Some(slot) = self.calls.get(id) {
            let (room, trace_id) = (slot.record.room.clone(), slot.record.trace_id.clone());
            self.open_room(&room, Some(&trace_id));
            self.note_h323(&room);
        }
    }

    fn over(&mut self, id: &CallId, state: &State) {
        if let State::Failed(why) = state {
            self.count_failure(why);
        }
        self.note_stuck(id);
        if *state == State::Failed(FailReason::HangupUnconfirmed) {
            self.metrics.hangups_unconfirmed.inc();
        }
        let Some(slot) = self.calls.get_mut(id) else {
            return;
        };
        slot.ended_ms = Some(clock::unix_ms());
        slot.settle_h323();
        let timers = slot.timers.iter_mut().filter_map(Option::take);
        let moving = slot.moving.take().map(|moving| moving.timer);
        timers.chain(moving).for_each(|key| self.timers.remove(key));
        for key in slot.legs.iter_mut().filter_map(|leg| leg.quota.take()) {
            self.gate.release(&key);
        }
        let detail = slot.detail(&self.council);
        let result = match state {
            State::Failed(why) => why.as_str(),
            State::Ended(_) => "ended",
            State::Received
            | State::Approved
            | State::Inviting
            | State::Ringing
            | State::Answered
            | State::Bridging
            | State::Connected
            | State::Ending => "unknown",
        };
        let known = self.gate.expert(&detail.call.expert_id).is_some();
        let labels = CallLabels {
            expert_id: if known {
                detail.call.expert_id.clone()
            } else {
                "unknown".to_owned()
            },
            hazard: if self.gate.knows_hazard(&detail.call.hazard) {
                detail.call.hazard.clone()
            } else {
                "unknown".to_owned()
            },
            result: result.to_owned(),
        };
        self.metrics.calls.get_or_create(&labels).inc();
        if slot.answered_ms.is_some() {
            let seconds = Duration::from_millis(slot.duration_ms()).as_secs_f64();
            self.metrics.call_duration_s.observe(seconds);
        }
        info!(
            call_id = %id,
            expert = %detail.call.expert_id,
            hazard = %detail.call.hazard,
            reason = detail.call.reason.as_deref().unwrap_or("-"),
            talked_s = slot.duration_ms() / 1_000,
            "call {result}"
        );
        let room = slot.record.room.clone();
        self.remember(&Line::Ended(Box::new(detail)));
        self.timers
            .add(Instant::now(), LINGER, Due::Forget(id.clone()));
        self.lingering.push_back(id.clone());
        if self.lingering.len() > LINGERING_MAX
            && let Some(oldest) = self.lingering.front().cloned()
        {
            self.forget(&oldest);
        }
        self.close_if_over(&room);
    }

    /// Nothing of the call can show itself any more: its history alone is kept.
    pub(super) fn forget(&mut self, id: &CallId) {
        self.lingering.retain(|lingering| lingering != id);
        let Some(slot) = self.calls.remove(id) else {
            return;
        };
        let legs = slot.legs.iter().flat_map(|leg| [&leg.channel, &leg.sip]);
        let channels = legs.chain([&slot.mcu]).flatten();
        channels.for_each(|channel| self.legs.remove(channel));
        self.ledger.end(slot.detail(&self.council));
    }

    fn count_response(&self, status_code: u16) {
        self.metrics
            .responses
            .get_or_create(&Status { status_code })
            .inc();
    }

    pub(super) fn count_failure(&self, why: &FailReason) {
        let status_code = why.sip();
        self.metrics
            .errors
            .get_or_create(&Status { status_code })
            .inc();
        if let FailReason::Expert { .. } = why {
            self.count_response(status_code);
        }
    }
}
