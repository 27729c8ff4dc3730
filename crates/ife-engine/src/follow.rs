//! Follows the calls: an observation, the orders that follow from it, and their consequences for
//! other parts.

use ife_call::{Input, Reported};

use crate::{
    Engine,
    calls::{CallId, Consequence},
};

impl Engine {
    /// Gives a call an observation and does all that follows from it.
    pub(crate) fn feed(&mut self, id: &CallId, input: Input) {
        if let Some(slot) = self.calls.get_mut(id) {
            slot.handle(input);
            self.work(id);
        }
    }

    /// Does all that a call wants done.
    pub(crate) fn work(&mut self, id: &CallId) {
        while let Some(consequence) = self.calls.work(&mut self.cx, id) {
            match consequence {
                Consequence::Accepted => self.open_room_of(id),
                Consequence::StateChanged(reported) => self.state_changed(id, &reported),
            }
        }
    }

    fn open_room_of(&mut self, id: &CallId) {
        if let Some(slot) = self.calls.get(id) {
            let (room, trace_id) = (slot.room().clone(), slot.record().trace_id);
            let (rooms, cx, calls) = (&mut self.rooms, &mut self.cx, &mut self.calls);
            rooms.open(cx, calls, &room, Some(trace_id.as_str()));
            rooms.note_h323(cx, calls, &room);
        }
    }

    fn state_changed(&mut self, id: &CallId, reported: &Reported) {
        let (cx, calls) = (&mut self.cx, &mut self.calls);
        let Some(slot) = calls.get_mut(id) else {
            return;
        };
        match reported {
            Reported::Known(state) => match state.end() {
                Some(end) => {
                    self.health.note_stuck(cx, slot);
                    slot.over(cx, end);
                    let room = slot.room().clone();
                    calls.linger(cx, id.clone());
                    self.rooms.close_if_over(cx, calls, &room);
                    self.await_decision(id);
                }
                None => slot.entered(cx, state),
            },
            Reported::Unknown(_) => {}
        }
        let cx = &mut self.cx;
        if let Some(slot) = self.calls.get(id) {
            slot.publish(cx);
            self.requests.settle(cx, slot, reported);
        }
    }
}
