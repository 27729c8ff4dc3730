//! Requests about calls that are there.

use std::time::{Duration, Instant};

use ife_ami::{
    Action,
    value::{DialToken, RoomName, VarName, VarValue},
};
use ife_call::{Backend, EndReason, FailReason, Input, State};
use ife_guard::Gate;
use ife_message::{Hazard, TraceId};

use super::{CallId, Engine, answers::Asked, slot::Moving, timers::Due};
use crate::{
    council::context,
    gate::Question,
    handle::{
        Approval, ApproveExternalCall, BridgeExternalCall, Bridged, ExpertInfo, Reply, Terminated,
        respond,
    },
    metrics::Decision,
    refusal::{ErrorName, Refusal},
    view::{CallDetail, CallView},
};

/// What waits for the end of a call, or for its place in a room.
#[derive(Debug)]
pub(super) enum Waiter {
    Terminate(Reply<Terminated>),
    Bridge { room: String, reply: Reply<Bridged> },
}

impl Engine {
    pub(super) fn list_calls(&self) -> Vec<CallView> {
        let live = self.calls.values().map(|slot| slot.view(&self.council));
        let mut views: Vec<CallView> = live.collect();
        let ended = self.ledger.all_ended().map(|detail| &detail.call);
        views.extend(
            ended
                .filter(|call| !self.calls.contains_key(call.call_id.as_str()))
                .cloned(),
        );
        views.sort_by(|a, b| b.started.cmp(&a.started));
        views
    }

    pub(super) fn show_call(&self, call_id: &str) -> Result<CallDetail, Refusal> {
        if let Some(slot) = self.calls.get(call_id) {
            return Ok(slot.detail(&self.council));
        }
        self.ledger.ended(call_id).cloned().ok_or_else(no_such_call)
    }

    /// The agent whose message asked for the call.
    pub(super) fn owner_of(&self, call_id: &str) -> Option<String> {
        match self.calls.get(call_id) {
            Some(slot) => slot.record.message.as_ref().map(|key| key.source.clone()),
            None => self.ledger.source_of(call_id).map(str::to_owned),
        }
    }

    pub(super) fn terminate(&mut self, call_id: &str, reply: Reply<Terminated>) {
        let Some((id, slot)) = self.calls.get_key_value(call_id) else {
            let gone = Terminated {
                status: "not_found".to_owned(),
                call_id: call_id.to_owned(),
                duration_seconds: 0,
            };
            return respond(reply, Ok(gone));
        };
        let (id, is_live) = (id.clone(), slot.is_live());
        self.waiters
            .entry(id.clone())
            .or_default()
            .push(Waiter::Terminate(reply));
        if is_live {
            self.feed(&id, Input::UserHangup);
        }
        self.settle_waiters(&id);
    }

    pub(super) fn bridge(&mut self, request: BridgeExternalCall, reply: Reply<Bridged>) {
        match self.start_bridge(&request) {
            Ok(id) => {
                let room = request.council_call_id;
                self.waiters
                    .entry(id.clone())
                    .or_default()
                    .push(Waiter::Bridge { room, reply });
                self.settle_waiters(&id);
            }
            Err(refusal) => respond(reply, Err(refusal)),
        }
    }

    /// Checks the request, and moves the call where it is not on its way to that room.
    fn start_bridge(&mut self, request: &BridgeExternalCall) -> Result<CallId, Refusal> {
        let (id, slot) = self
            .calls
            .get_key_value(request.sip_call_id.as_str())
            .filter(|(_, slot)| slot.is_live())
            .ok_or_else(no_such_call)?;
        let room = RoomName::parse(&request.council_call_id)
            .ok()
            .filter(|_| request.council_call_id.len() <= 64)
            .ok_or_else(|| {
                Refusal::field("council_call_id", "must be 1 to 64 of [0-9A-Za-z_.-]")
            })?;
        let is_expert = slot
            .call
            .expert()
            .is_some_and(|expert| expert.as_str() == request.external_expert_id);
        if !is_expert {
            return Err(Refusal::field(
                "external_expert_id",
                "is not the expert of that call",
            ));
        }
        if slot.answered_ms.is_none() {
            return Err(Refusal::new(
                ErrorName::Conflict,
                "the expert has not answered",
            ));
        }
        let id = id.clone();
        let headed_for = slot
            .moving
            .as_ref()
            .map_or(&slot.record.room, |moving| &moving.to);
        if *headed_for == request.council_call_id {
            return Ok(id);
        }
        if self.council.proof() == Backend::Mcu {
            return Err(Refusal::new(
                ErrorName::Conflict,
                "the MCU's conference cannot be changed in a call",
            ));
        }
        self.move_to(&id, &room)?;
        Ok(id)
    }

    fn move_to(&mut self, id: &CallId, room: &RoomName) -> Result<(), Refusal> {
        let unavailable = |why: &str| Refusal::new(ErrorName::H323BridgeFailed, why);
        let channel = self
            .calls
            .get(id)
            .and_then(|slot| slot.expert_channel())
            .cloned();
        let channel = channel.ok_or_else(|| unavailable("the expert has no channel"))?;
        let values = (
            VarName::parse("IFE_ROOM"),
            VarValue::parse(room.as_str()),
            Self::place(context::JOIN, "confbridge"),
        );
        let (Ok(name), Ok(value), Ok(destination)) = values else {
            return Err(unavailable("the room's name cannot be passed on"));
        };
        let set = Action::Setvar {
            channel: Some(channel.clone()),
            name,
            value,
        };
        let redirect = Action::Redirect {
            channel,
            destination,
        };
        for action in [set, redirect] {
            let asked = self
                .ami
                .submit(&action)
                .map_err(|error| unavailable(&error.to_string()))?;
            self.asked.insert(asked, Asked::Move(id.clone()));
        }
        let join_s = Duration::from_secs(self.limits.join_s.into());
        let timer = self
            .timers
            .add(Instant::now(), join_s, Due::Moved(id.clone()));
        if let Some(slot) = self.calls.get_mut(id) {
            slot.step(format!("on the way to room {room}"));
            let to = DialToken::from(room).as_str().to_owned();
            if let Some(replaced) = slot.moving.replace(Moving { to, timer }) {
                self.timers.remove(replaced.timer);
            }
        }
        Ok(())
    }

    /// A call is in a room: it may be the one that it was to move to.
    pub(super) fn arrived(&mut self, id: &CallId, room: &str) {
        let Some(slot) = self.calls.get_mut(id) else {
            return;
        };
        if let Some(moving) = slot.moving.take_if(|moving| moving.to == room) {
            self.timers.remove(moving.timer);
        }
        self.remember(&crate::store::Line::Room {
            call_id: id.to_string(),
            room: room.to_owned(),
        });
        self.settle_waiters(id);
    }

    /// A call that was to move is where it was, or nowhere: the next comparison tells.
    pub(super) fn move_failed(&mut self, id: &CallId, why: &str) {
        if let Some(slot) = self.calls.get_mut(id)
            && let Some(moving) = slot.moving.take()
        {
            slot.step(format!("not in room {}: {why}", moving.to));
            self.timers.remove(moving.timer);
            self.refuse_bridges(id, why);
        }
    }

    fn refuse_bridges(&mut self, id: &CallId, why: &str) {
        let waiters = self.waiters.remove(id).unwrap_or_default();
        let mut kept = Vec::new();
        for waiter in waiters {
            match waiter {
                Waiter::Bridge { reply, .. } => {
                    respond(reply, Err(Refusal::new(ErrorName::H323BridgeFailed, why)));
                }
                Waiter::Terminate(_) => kept.push(waiter),
            }
        }
        if !kept.is_empty() {
            self.waiters.insert(id.clone(), kept);
        }
    }

    /// Answers those whose wait is over.
    pub(super) fn settle_waiters(&mut self, id: &CallId) {
        let Some(slot) = self.calls.get(id) else {
            return;
        };
        let (state, is_live) = (slot.call.state().clone(), slot.is_live());
        let ended = Terminated {
            status: end_of(&state).to_owned(),
            call_id: id.to_string(),
            duration_seconds: slot.duration_ms() / 1_000,
        };
        let joined = (state == State::Connected && slot.moving.is_none())
            .then(|| slot.participant.clone())
            .flatten()
            .map(|participant| (slot.record.room.clone(), participant));
        let waiters = self.waiters.remove(id).unwrap_or_default();
        let mut kept = Vec::new();
        for waiter in waiters {
            match (waiter, &joined) {
                (Waiter::Terminate(reply), _) if !is_live => respond(reply, Ok(ended.clone())),
                (Waiter::Bridge { room, reply }, Some((in_room, participant)))
                    if room == *in_room =>
                {
                    respond(
                        reply,
                        Ok(Bridged {
                            status: "bridged".to_owned(),
                            h323_endpoint: self.council.endpoint().to_owned(),
                            mcu_participant_id: participant.clone(),
                        }),
                    );
                }
                (Waiter::Bridge { reply, .. }, _) if !is_live => {
                    let why = match &state {
                        State::Failed(reason) => reason.to_string(),
                        State::Ended(reason) => reason.to_string(),
                        State::Received
                        | State::Approved
                        | State::Inviting
                        | State::Ringing
                        | State::Answered
                        | State::Bridging
                        | State::Connected
                        | State::Ending => EndReason::Unseen.to_string(),
                    };
                    respond(reply, Err(Refusal::new(ErrorName::H323BridgeFailed, why)));
                }
                (waiter, _) => kept.push(waiter),
            }
        }
        if !kept.is_empty() {
            self.waiters.insert(id.clone(), kept);
        }
    }

    /// The gate without a call.
    pub(super) fn approve(&self, request: &ApproveExternalCall) -> Result<Approval, Refusal> {
        let hazard = Hazard::parse(request.hazard.as_bytes())
            .map_err(|_| Refusal::field("hazard", "must be 1 to 32 of [a-z0-9_-]"))?;
        if request.signature.is_some() && request.trace_id.is_none() {
            return Err(Refusal::field(
                "trace_id",
                "is needed with a signature, which covers it",
            ));
        }
        let trace_id = request.trace_id.clone().unwrap_or_else(super::new_trace_id);
        let trace_id = TraceId::parse(trace_id.as_bytes())
            .map_err(|_| Refusal::field("trace_id", "must be 8 to 128 of [A-Za-z0-9._:-]"))?;
        let result = self.gate.ask(&Question {
            expert: &request.expert_id,
            hazard: &hazard,
            trace_id: &trace_id,
            iat_min: 0,
            signature: request.signature.as_deref(),
        });
        let expert_info = self.expert_info(&request.expert_id);
        let no = |gate: Gate, reason: String| Approval {
            approved: false,
            reason,
            gate: Some(gate.as_str().to_owned()),
            expert_info: expert_info.clone(),
        };
        let approval = match result {
            Err(refused) => no(refused.gate, refused.reason),
            Ok(_) if !self.gate.has_room(&request.expert_id) => {
                no(Gate::Quota, "Expert Quota Exceeded".to_owned())
            }
            Ok(_) => Approval {
                approved: true,
                reason: "OK".to_owned(),
                gate: None,
                expert_info,
            },
        };
        let word = if approval.approved {
            "approved"
        } else {
            "rejected"
        };
        let labels = Decision {
            result: word.to_owned(),
        };
        self.metrics.decisions.get_or_create(&labels).inc();
        Ok(approval)
    }

    fn expert_info(&self, id: &str) -> Option<ExpertInfo> {
        self.gate.expert(id).map(|expert| ExpertInfo {
            expert_id: expert.id.clone(),
            name: expert.name.clone(),
            hazards: self.gate.hazards_of(id),
            status: expert.status.as_str().to_owned(),
        })
    }
}

/// Returns the `status` of `terminate_call`: `terminated` only when all legs were seen to end.
fn end_of(state: &State) -> &'static str {
    match state {
        State::Failed(
            FailReason::HangupUnconfirmed | FailReason::GatewayLost | FailReason::GatewayDown,
        ) => "hangup_unconfirmed",
        State::Ended(EndReason::Unseen) => "hangup_unconfirmed",
        State::Ended(_)
        | State::Failed(_)
        | State::Received
        | State::Approved
        | State::Inviting
        | State::Ringing
        | State::Answered
        | State::Bridging
        | State::Connected
        | State::Ending => "terminated",
    }
}

fn no_such_call() -> Refusal {
    Refusal::new(ErrorName::NotFound, "no such call")
}
