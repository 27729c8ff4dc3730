//! Answers to actions.

use ife_ami::{ActionId, session::Outcome};
use ife_call::{Cause, Input, Leg, Seen};
use tracing::{debug, warn};

use crate::{
    Engine,
    calls::CallId,
    context::{Asked, problem_of, value_of},
    council::acceptance_of,
    refusal::{ErrorName, Refusal},
};

impl Engine {
    pub(crate) fn on_answer(&mut self, id: ActionId, outcome: Outcome) {
        let Some(asked) = self.cx.answered(id) else {
            return;
        };
        let problem = problem_of(&outcome);
        let (rooms, cx, calls) = (&mut self.rooms, &mut self.cx, &mut self.calls);
        match asked {
            Asked::Originate(call, leg) => self.on_originate(&call, leg, &outcome),
            Asked::Hangup(call, leg) => {
                if let Outcome::Error(_) = outcome {
                    self.no_such_leg(&call, leg);
                }
            }
            Asked::Guardian(channel) => {
                if problem.is_some() {
                    rooms.guardian_gone(cx, calls, &channel, None);
                }
            }
            Asked::Incoming(channel) => {
                if let Some(value) = value_of(&outcome) {
                    self.expert_calls_in(&channel, value);
                }
            }
            Asked::Acceptance(channel) => {
                let means = value_of(&outcome).and_then(acceptance_of);
                if let Some(means) = means {
                    self.seen(&channel, Seen::Accepted(means));
                }
            }
            Asked::Stray(channel) => {
                self.adopt_stray(&channel, value_of(&outcome).unwrap_or_default());
            }
            Asked::Mute {
                room,
                channel,
                muted,
                reply,
            } => reply.respond(match problem {
                None => Ok(rooms.on_muted(cx, calls, &room, (&channel, muted))),
                Some(why) => Err(Refusal::new(ErrorName::Unavailable, why)),
            }),
            Asked::Admission(admitted, signed_ns, reply) => {
                rooms.on_admission(cx, calls, (admitted, signed_ns), &outcome, reply);
            }
            Asked::Notes => rooms.on_notes(cx, calls, &outcome),
            Asked::Move(call) => {
                if let Some(why) = problem {
                    self.move_failed(&call, &why);
                }
            }
            Asked::Note(found, escalation, reply) => {
                let note = Engine::note_of(&outcome);
                let found = note.map(|note| self.complete_gateway_view(*found, &escalation, note));
                reply.respond(found);
            }
            Asked::Aor => self
                .health
                .on_aor(cx, value_of(&outcome).unwrap_or_default()),
            Asked::Contact => self.on_contact(value_of(&outcome).unwrap_or_default()),
            Asked::Called(call) => self.called_or_not(&call, &outcome),
            Asked::Nothing => {
                if let Some(why) = problem {
                    debug!("an order to Asterisk failed: {why}");
                }
            }
        }
    }

    fn on_contact(&mut self, value: &[u8]) {
        if self.health.on_contact(value) {
            self.look_at_health();
        }
    }

    /// Lost or late answers prove nothing: the channel's own events do.
    fn on_originate(&mut self, call: &CallId, leg: Leg, outcome: &Outcome) {
        if let Outcome::Error(words) = outcome {
            warn!(call_id = %call, "Asterisk does not call: {words}");
            self.feed(call, Input::Leg(leg, Seen::Gone(Cause::UNKNOWN)));
        }
    }

    /// Asterisk does not know the channel that was to be hung up: the leg is gone, unless its phone
    /// is there.
    fn no_such_leg(&mut self, call: &CallId, leg: Leg) {
        self.end_held(call, leg);
        let slot = self.calls.get(call);
        if slot.is_some_and(|slot| !slot.is_phone_there(&self.cx.model, leg)) {
            self.look_if_told(call, leg);
            self.feed(call, Input::Leg(leg, Seen::Gone(Cause::UNKNOWN)));
        }
    }
}
