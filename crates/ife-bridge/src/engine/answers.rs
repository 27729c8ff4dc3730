//! Answers to actions.

use ife_ami::{
    Action, ActionId,
    session::Outcome,
    value::{Uniqueid, VarName},
};
use ife_call::{Cause, Input, Leg, Seen};
use tracing::{debug, warn};

use super::{CallId, Engine};
use crate::{
    handle::{Escalation, Reply, Whereabouts, respond},
    refusal::{ErrorName, Refusal},
    view::RoomView,
};

/// Who is to be heard, or not.
#[derive(Debug)]
pub(super) struct Muting {
    pub(super) room: String,
    pub(super) channel: Uniqueid,
    pub(super) muted: bool,
}

/// What an action was for.
#[derive(Debug)]
pub(super) enum Asked {
    /// To call an expert.
    Originate(CallId, Leg),
    /// To end a leg.
    Hangup(CallId, Leg),
    /// To call a guardian.
    Guardian(Uniqueid),
    /// What an incoming channel is about.
    Incoming(Uniqueid),
    /// What an own channel is about, whose call the store does not know.
    Stray(Uniqueid),
    /// What the gateway noted about a call that is taken over and has no channel.
    Called(CallId),
    /// To mute a participant, or not; the answer is the room.
    Mute(Muting, Reply<Vec<RoomView>>),
    /// To move a call to another room.
    Move(CallId),
    /// What the gateway noted about a call of a message that was delivered before.
    Note(Box<Whereabouts>, Box<Escalation>, Reply<Whereabouts>),
    /// The contact that is Kamailio.
    Aor,
    /// What the last probe of it has found.
    Contact,
    /// Nothing that matters here.
    Nothing,
}

impl Engine {
    pub(super) fn on_answer(&mut self, id: ActionId, outcome: Outcome) {
        let Some(asked) = self.asked.remove(&id) else {
            return;
        };
        let problem = problem_of(&outcome);
        match asked {
            Asked::Originate(call, leg) => {
                // Lost or late answers prove nothing: the channel's own events do.
                if let Outcome::Error(words) = outcome {
                    warn!(call_id = %call, "Asterisk does not call: {words}");
                    self.feed(&call, Input::Leg(leg, Seen::Gone(Cause::UNKNOWN)));
                }
            }
            Asked::Hangup(call, leg) => {
                if let Outcome::Error(_) = outcome {
                    self.no_such_leg(&call, leg);
                }
            }
            Asked::Guardian(channel) => {
                if problem.is_some() {
                    self.guardian_gone(&channel, None);
                }
            }
            Asked::Incoming(channel) => {
                if let Some(value) = value_of(&outcome) {
                    self.expert_calls_in(&channel, value);
                }
            }
            Asked::Stray(channel) => {
                let value = value_of(&outcome).unwrap_or_default().to_vec();
                self.adopt_stray(&channel, &value);
            }
            Asked::Mute(muting, reply) => {
                let answer = match problem {
                    None => {
                        // Its own event may come later.
                        self.note_mute(&muting.channel, muting.muted);
                        Ok(vec![self.room_view(&muting.room)])
                    }
                    Some(why) => Err(Refusal::new(ErrorName::Unavailable, why)),
                };
                respond(reply, answer);
            }
            Asked::Move(call) => {
                if let Some(why) = problem {
                    self.move_failed(&call, &why);
                }
            }
            Asked::Note(found, message, reply) => {
                let answer = Self::note_of(&outcome)
                    .map(|note| self.tell_whereabouts(*found, &message, note));
                respond(reply, answer);
            }
            Asked::Aor => self.on_aor(value_of(&outcome).unwrap_or_default()),
            Asked::Contact => self.on_contact(value_of(&outcome).unwrap_or_default()),
            Asked::Called(call) => self.called_or_not(&call, &outcome),
            Asked::Nothing => {
                if let Some(why) = problem {
                    debug!("an order to Asterisk failed: {why}");
                }
            }
        }
    }

    /// Asks a channel for a variable that the dialplan or the bridge set.
    pub(super) fn ask_variable(&mut self, channel: &Uniqueid, name: &str, asked: Asked) {
        let Ok(name) = VarName::parse(name) else {
            return;
        };
        let channel = Some(channel.clone());
        if let Ok(id) = self.ami.submit(&Action::Getvar { channel, name }) {
            self.asked.insert(id, asked);
        }
    }
}

fn value_of(outcome: &Outcome) -> Option<&[u8]> {
    match outcome {
        Outcome::Success(message) => message.view().first("Value"),
        Outcome::Queued
        | Outcome::List(_)
        | Outcome::Error(_)
        | Outcome::ListTooLong
        | Outcome::TimedOut
        | Outcome::Lost => None,
    }
}

fn problem_of(outcome: &Outcome) -> Option<String> {
    match outcome {
        Outcome::Success(_) | Outcome::Queued | Outcome::List(_) => None,
        Outcome::Error(words) => Some(format!("Asterisk says: {words}")),
        Outcome::ListTooLong => Some("the list is too long".to_owned()),
        Outcome::TimedOut => Some("Asterisk does not answer".to_owned()),
        Outcome::Lost => Some("the connection to Asterisk was lost".to_owned()),
    }
}
