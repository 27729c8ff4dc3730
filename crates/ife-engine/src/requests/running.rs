//! Requests about calls that are there.

use std::time::Duration;

use ife_ami::{
    Action,
    value::{RoomName, VarName, VarValue},
};
use ife_call::{Acceptance, Backend, Direction, Input, State};

use super::{Waiter, bridge_failed};
use crate::{
    Engine,
    calls::{CallId, place},
    command::{BridgeExternalCall, Bridged, Reply, Terminated},
    context::{Asked, Context},
    council::context,
    decisions::with_decision,
    refusal::{ErrorName, Refusal},
    rooms::room_name,
    timers::Due,
    view::{CallDetail, CallView},
};

impl Engine {
    pub(crate) fn list_calls(&self) -> Vec<CallView> {
        let mut views: Vec<CallView> = self.calls.all().map(|slot| slot.view(&self.cx)).collect();
        let ended = self.cx.ledger.all_ended().map(|detail| &detail.call);
        views.extend(
            ended
                .filter(|call| !self.calls.contains(&call.call_id))
                .map(|call| with_decision(&self.cx, call.clone())),
        );
        views.sort_by(|a, b| b.started.cmp(&a.started));
        views
    }

    pub(crate) fn show_call(&self, call_id: &str) -> Result<CallDetail, Refusal> {
        let live = self.calls.get(call_id).map(|slot| slot.detail(&self.cx));
        let known = live.or_else(|| self.cx.ledger.ended(call_id).cloned());
        let detail = known.ok_or_else(no_such_call)?;
        Ok(self.with_decisions(detail))
    }

    /// The agent whose message asked for the call.
    pub(crate) fn owner_of(&self, call_id: &str) -> Option<String> {
        match self.calls.get(call_id) {
            Some(slot) => slot.record().message.as_ref().map(|key| key.source.clone()),
            None => self.cx.ledger.source_of(call_id).map(str::to_owned),
        }
    }

    pub(crate) fn terminate(&mut self, call_id: &str, reply: Reply<Terminated>) {
        let Some(slot) = self.calls.get_mut(call_id) else {
            return reply.respond(Ok(Terminated {
                status: "not_found".to_owned(),
                call_id: call_id.to_owned(),
                duration_seconds: 0,
            }));
        };
        let id = slot.id().clone();
        if slot.is_live() {
            slot.handle(Input::UserHangup);
        }
        self.await_end(&id, Waiter::Terminate(reply));
    }

    pub(crate) fn bridge(&mut self, request: BridgeExternalCall, reply: Reply<Bridged>) {
        match self.start_bridge(&request) {
            Ok(id) => {
                let room = request.council_call_id;
                self.await_end(&id, Waiter::Bridge { room, reply });
            }
            Err(refusal) => reply.respond(Err(refusal)),
        }
    }

    /// The expert of a call, who has answered the phone, accepts it on the page: the dialplan takes
    /// the channel to the council, and its context has how the call was accepted.
    pub(crate) fn accept_by_page(&mut self, call_id: &str, expert: &str) -> Result<(), Refusal> {
        let slot = self.calls.get(call_id).filter(|slot| slot.is_live());
        let slot = slot.ok_or_else(no_such_call)?;
        if slot.expert_id() != expert {
            return Err(conflict("the call has gone on to another expert"));
        }
        match slot.state() {
            State::Answered | State::Briefing => {}
            State::Received | State::Approved | State::Inviting | State::Ringing => {
                return Err(conflict("the phone has not been answered"));
            }
            State::Accepted | State::Bridging | State::Connected => return Ok(()),
            State::Ending | State::Ended(_) | State::Failed(_) => {
                return Err(conflict("the call is over"));
            }
        }
        let cx = &mut self.cx;
        match cx.gate.acceptance(expert, slot.record().hazard.as_str()) {
            Acceptance::Page => {}
            Acceptance::Key | Acceptance::None => {
                return Err(conflict("this call is accepted on the phone"));
            }
        }
        let channel = slot.expert_channel().cloned();
        let channel = channel.ok_or_else(|| conflict("the phone is not connected"))?;
        let context = format!("{}{}", context::ACCEPTED, Acceptance::Page);
        let destination = place(&context, cx.settings.council.name());
        let destination = destination.map_err(|error| bridge_failed(&error.to_string()))?;
        let redirect = Action::Redirect {
            channel,
            destination,
        };
        cx.ask(&redirect, Asked::Nothing)
            .map_err(|error| Refusal::new(ErrorName::Unavailable, error.to_string()))
    }

    /// Lets a request wait for the call, which has orders to carry out.
    fn await_end(&mut self, id: &CallId, waiter: Waiter) {
        let waiters = self.requests.waiters.entry(id.clone()).or_default();
        waiters.push(waiter);
        self.work(id);
        if let Some(slot) = self.calls.get(id) {
            self.requests.settle_waiters(&self.cx, slot);
        }
    }

    /// Checks the request, and moves the call unless it is in that room or on its way there.
    fn start_bridge(&mut self, request: &BridgeExternalCall) -> Result<CallId, Refusal> {
        let slot = self.calls.get_mut(&request.sip_call_id);
        let slot = slot
            .filter(|slot| slot.is_live())
            .ok_or_else(no_such_call)?;
        let room = room_name("council_call_id", &request.council_call_id)?;
        if slot.expert_id() != request.external_expert_id {
            return Err(Refusal::field(
                "external_expert_id",
                "is not the expert of that call",
            ));
        }
        if !slot.is_answered() {
            return Err(conflict("the expert has not answered"));
        }
        let context = match (slot.direction(), slot.acceptance()) {
            (Direction::ToCouncil, _) => context::COUNCIL.to_owned(),
            (Direction::ToExpert, Some(means)) => format!("{}{means}", context::ACCEPTED),
            (Direction::ToExpert, None) => {
                return Err(conflict("the expert has not accepted the call"));
            }
        };
        let id = slot.id().clone();
        if *slot.headed_for() == room {
            return Ok(id);
        }
        let cx = &mut self.cx;
        match cx.settings.council.backend {
            Backend::Room => {}
            Backend::Mcu => {
                return Err(conflict("the MCU's conference cannot be changed in a call"));
            }
        }
        order_move(cx, &id, slot.expert_channel(), &context, &room)?;
        let join_s = Duration::from_secs(cx.settings.limits.join_s.into());
        let timer = cx.after(join_s, Due::Moved(id.clone()));
        slot.set_moving(cx, room, timer);
        Ok(id)
    }

    /// Ends a move that failed. The call is in its old room or in none; the next comparison shows
    /// which.
    pub(crate) fn move_failed(&mut self, id: &CallId, why: &str) {
        let slot = self.calls.get_mut(id);
        if slot.is_some_and(|slot| slot.move_failed(&mut self.cx, why)) {
            self.requests.refuse_bridges(id, why);
        }
    }
}

fn order_move(
    cx: &mut Context,
    id: &CallId,
    channel: Option<&ife_ami::value::Uniqueid>,
    context: &str,
    room: &RoomName,
) -> Result<(), Refusal> {
    let channel = channel.ok_or_else(|| bridge_failed("the expert has no channel"))?;
    let values = (
        VarName::parse("IFE_ROOM"),
        VarValue::parse(room.as_str()),
        place(context, "confbridge"),
    );
    let (Ok(name), Ok(value), Ok(destination)) = values else {
        return Err(bridge_failed("the room's name cannot be passed on"));
    };
    let set = Action::Setvar {
        channel: Some(channel.clone()),
        name,
        value,
    };
    let redirect = Action::Redirect {
        channel: channel.clone(),
        destination,
    };
    for action in [set, redirect] {
        cx.ask(&action, Asked::Move(id.clone()))
            .map_err(|error| bridge_failed(&error.to_string()))?;
    }
    Ok(())
}

fn conflict(why: &str) -> Refusal {
    Refusal::new(ErrorName::Conflict, why)
}

fn no_such_call() -> Refusal {
    Refusal::new(ErrorName::NotFound, "no such call")
}
