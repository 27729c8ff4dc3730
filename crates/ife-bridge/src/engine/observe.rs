//! What AMI tells, turned into observations of calls and rooms.

use std::time::{Duration, Instant};

use ife_ami::{Change, Event, Output, event::Channel, model::Snapshot, value::Uniqueid};
use ife_call::{Cause, Input, Leg, Seen};
use tracing::{info, warn};

use super::{
    CallId, Engine,
    legs::{Ours, Part, Place},
    timers::Due,
};
use crate::{council::context, view::CallState};

/// Name of the dialplan's event that an expert has called in.
const EXPERT_IN: &[u8] = b"IfeExpertIn";
/// Name of the dialplan's event that the council put an expert's leg out of the room.
const REMOVED: &[u8] = b"IfeRemoved";
/// Name of the dialplan's event that the room has no seat for an expert's leg.
const FULL: &[u8] = b"IfeFull";
/// Q.850: no circuit available. What a full room is to a call.
const NO_SEAT: u8 = 34;
/// So long a leg's end waits for that of the phone's own channel.
const PHONE_END_MAX: Duration = Duration::from_secs(1);

impl Engine {
    /// Everything that the AMI session has to say.
    pub(super) fn on_ami(&mut self) {
        while let Some(output) = self.ami.poll_output() {
            let mut changes = Vec::new();
            self.model.apply(&output, &mut changes);
            self.comparing = matches!(output, Output::Snapshot(_));
            for change in changes {
                self.on_change(change);
            }
            self.on_output(output);
        }
    }

    fn on_output(&mut self, output: Output) {
        match output {
            Output::Up(up) => {
                info!(version = %up.version, restarted = up.restarted, "Asterisk is in sight");
                self.restarted |= up.restarted;
                self.in_sight = true;
            }
            Output::Down(reason) => {
                // One line for each loss; the attempts that fail until it is back say nothing new.
                if std::mem::replace(&mut self.in_sight, false) {
                    warn!("Asterisk is out of sight: {reason}");
                }
                self.incoming_asked.clear();
                self.end_all_held();
                let ids: Vec<CallId> = self.calls.keys().cloned().collect();
                ids.iter().for_each(|id| self.feed(id, Input::LinkDown));
            }
            Output::Gap(reason) => {
                warn!("events were missed ({reason:?}), asking for all channels")
            }
            Output::ResyncFailed(error) => warn!("{error}"),
            Output::Answer { id, outcome } => self.on_answer(id, outcome),
            Output::Event(event) => self.on_event(&event),
            Output::Snapshot(snapshot) => self.note_muted(&snapshot),
            // Connections are opened and closed where the session lives.
            Output::ResyncStarted | Output::Connect | Output::Close => {}
        }
    }

    fn on_event(&mut self, event: &Event) {
        match event {
            Event::UserEvent {
                name,
                channel: Some(channel),
                message,
            } if name.as_bytes() == EXPERT_IN => {
                let call = message.view().first("Call").unwrap_or_default();
                self.expert_calls_in(&channel.uniqueid, call);
            }
            Event::UserEvent {
                name,
                channel: Some(channel),
                ..
            } if name.as_bytes() == REMOVED => self.seen(&channel.uniqueid, Seen::Removed),
            Event::UserEvent {
                name,
                channel: Some(channel),
                ..
            } if name.as_bytes() == FULL => self.no_seat(&channel.uniqueid),
            Event::ConfbridgeMute {
                channel,
                muted,
                room,
            } => {
                self.note_mute(&channel.uniqueid, *muted);
                self.tell_room(room.as_str());
            }
            Event::UserEvent { .. }
            | Event::FullyBooted { .. }
            | Event::Shutdown { .. }
            | Event::Newchannel(_)
            | Event::Newstate(_)
            | Event::DialBegin { .. }
            | Event::DialState { .. }
            | Event::DialEnd { .. }
            | Event::OriginateResponse(_)
            | Event::Hangup { .. }
            | Event::HangupRequest { .. }
            | Event::SoftHangupRequest { .. }
            | Event::BridgeEnter { .. }
            | Event::BridgeLeave { .. }
            | Event::ConfbridgeStart { .. }
            | Event::ConfbridgeEnd { .. }
            | Event::ConfbridgeJoin { .. }
            | Event::ConfbridgeLeave { .. }
            | Event::VarSet { .. }
            | Event::DtmfEnd { .. }
            | Event::Rename { .. }
            | Event::Unknown(_)
            | Event::Malformed { .. } => {}
        }
    }

    fn no_seat(&mut self, channel: &Uniqueid) {
        if let Some(place) = self.legs.place(channel) {
            let call = place.call.clone();
            self.feed(&call, Input::JoinRefused(Cause::seen(NO_SEAT)));
        }
    }

    pub(super) fn note_mute(&mut self, channel: &Uniqueid, muted: bool) {
        if muted {
            self.muted.insert(channel.clone());
        } else {
            self.muted.remove(channel);
        }
    }

    fn note_muted(&mut self, snapshot: &Snapshot) {
        let members = snapshot.rooms.iter().flat_map(|room| &room.members);
        self.muted = members
            .filter(|member| member.muted)
            .map(|member| member.channel.uniqueid.clone())
            .collect();
    }

    fn on_change(&mut self, change: Change) {
        match change {
            Change::Appeared(channel) => self.appeared(&channel),
            Change::Ringing(id) => {
                self.guardian_rings(&id);
                self.seen(&id, Seen::Ringing);
            }
            Change::Up(id) => {
                self.guardian_up(&id);
                self.seen(&id, Seen::Up);
            }
            Change::Leaving(id) => self.seen(&id, Seen::Leaving),
            Change::Gone {
                channel,
                cause,
                tech_cause,
            } => {
                self.replied(&channel.uniqueid, tech_cause);
                self.gone(&channel, cause);
            }
            Change::NoChannel(id) => {
                self.guardian_gone(&id, None);
                self.seen(&id, Seen::Gone(Cause::UNKNOWN));
            }
            Change::Joined { uniqueid, room } => self.joined(&uniqueid, room.as_str()),
            Change::Left { uniqueid, room } => self.left(&uniqueid, room.as_str()),
            Change::RoomStarted(room) => self.tell_room(room.as_str()),
            Change::RoomEnded(room) => self.room_ended(room.as_str()),
            Change::InStep => self.in_step(),
        }
    }

    fn appeared(&mut self, channel: &Channel) {
        if let Some(Ours::Guardian { .. }) = self.names.parse(&channel.uniqueid) {
            return self.guardian_appeared(&channel.uniqueid);
        }
        if self.settle_place(channel) {
            self.seen(&channel.uniqueid, Seen::There);
        }
    }

    /// Finds out where a channel belongs; false when it belongs to no call of ours.
    pub(super) fn settle_place(&mut self, channel: &Channel) -> bool {
        let id = &channel.uniqueid;
        if self.legs.place(id).is_some() {
            return true;
        }
        let place = match self.names.parse(id) {
            Some(Ours::Expert { call_id, attempt }) => {
                let call = self.calls.get_key_value(call_id.as_str());
                call.map(|(call, _)| (call.clone(), Leg::Expert(attempt), Part::Primary))
            }
            Some(Ours::Far | Ours::Guardian { .. }) => None,
            None => self.place_of_child(channel),
        };
        let Some((call, leg, part)) = place else {
            return false;
        };
        if let Some(slot) = self.calls.get_mut(&call) {
            match (leg, part) {
                (Leg::Expert(attempt), Part::Primary) => {
                    slot.leg_mut(attempt).channel = Some(id.clone())
                }
                (Leg::Expert(attempt), Part::Sip) => slot.leg_mut(attempt).sip = Some(id.clone()),
                (Leg::Council, Part::Primary | Part::Sip) => slot.mcu = Some(id.clone()),
            }
        }
        self.legs.add(id.clone(), call, leg, part);
        true
    }

    /// A channel that a leg of ours dialled: the SIP channel behind the Local one, or the H.323 leg to an MCU.
    fn place_of_child(&self, channel: &Channel) -> Option<(CallId, Leg, Part)> {
        let parent = self.legs.place(&channel.linkedid)?;
        let Place { call, leg, .. } = parent.clone();
        let is_ours = self.names.parse(&channel.linkedid).is_some();
        match channel.name.driver() {
            b"PJSIP" if is_ours => Some((call, leg, Part::Sip)),
            b"OOH323" if self.council.proof() == ife_call::Backend::Mcu => {
                Some((call, Leg::Council, Part::Primary))
            }
            _ => None,
        }
    }

    fn seen(&mut self, id: &Uniqueid, seen: Seen) {
        let Some(Place { call, leg, part }) = self.legs.place(id).cloned() else {
            return;
        };
        match (part, seen) {
            // The Local channel in front of it is the leg: it is there, and gone, in its own time.
            (Part::Sip, Seen::There | Seen::Gone(_)) => {}
            (Part::Primary | Part::Sip, _) => {
                self.note_mcu(&call, leg, seen);
                self.feed(&call, Input::Leg(leg, seen));
            }
        }
    }

    /// The H.323 leg's own state, as the API tells it.
    fn note_mcu(&mut self, call: &CallId, leg: Leg, seen: Seen) {
        if leg != Leg::Council {
            return;
        }
        let Some(slot) = self.calls.get_mut(call) else {
            return;
        };
        slot.h323 = match seen {
            Seen::There => CallState::Inviting,
            Seen::Ringing => CallState::Ringing,
            Seen::Up => CallState::Connected,
            Seen::Leaving | Seen::Removed | Seen::Lost => CallState::Ending,
            Seen::Gone(_) => CallState::Ended,
            Seen::Replied(_) | Seen::Untold => return,
        };
        if seen == Seen::Up {
            self.name_participant(call);
        }
    }

    /// The final reply to a SIP leg's INVITE, by the code that Asterisk tells with the channel's end. After an answer it
    /// is 200, or that of the request which ended the call.
    fn replied(&mut self, id: &Uniqueid, tech_cause: Option<u64>) {
        let status = tech_cause.and_then(|code| u16::try_from(code).ok());
        let Some(status) = status.filter(|status| (300..700).contains(status)) else {
            return;
        };
        let place = self.legs.place(id).filter(|place| place.part == Part::Sip);
        if let Some(Place { call, leg, .. }) = place.cloned() {
            self.feed(&call, Input::Leg(leg, Seen::Replied(status)));
        }
    }

    fn gone(&mut self, channel: &Channel, cause: Option<u8>) {
        let id = &channel.uniqueid;
        self.muted.remove(id);
        self.guardian_gone(id, cause);
        self.incoming_asked.remove(id);
        let Some(Place { call, leg, part }) = self.legs.place(id).cloned() else {
            return;
        };
        // Of a channel that a resync missed nothing is known but that: the comparison that follows tells the call.
        let Some(cause) = cause.map(Cause::seen) else {
            self.legs.remove(id);
            return;
        };
        self.legs.remove(id);
        if part == Part::Sip {
            if let (Leg::Expert(attempt), Some(slot)) = (leg, self.calls.get_mut(&call)) {
                slot.leg_mut(attempt).sip_cause = Some(cause);
            }
            self.look_if_lost(&call, leg, cause);
            return self.end_held(&call, leg);
        }
        if self.is_phone_there(&call, leg) {
            return self.hold_end(&call, leg, cause);
        }
        self.leg_ended(&call, leg, cause);
    }

    fn leg_ended(&mut self, call: &CallId, leg: Leg, cause: Cause) {
        let cause = self.better_cause(call, leg, cause);
        self.look_if_lost(call, leg, cause);
        self.look_if_told(call, leg);
        self.note_mcu(call, leg, Seen::Gone(cause));
        self.feed(call, Input::Leg(leg, Seen::Gone(cause)));
    }

    /// An answered phone that is gone by one of these causes has vanished: Asterisk gives 44 (requested channel unavailable) after
    /// `rtp_timeout`, and 18 (no user responding) when a request in the dialog was not answered (SIP 408).
    fn look_if_lost(&mut self, call: &CallId, leg: Leg, cause: Cause) {
        const LOST: [u8; 2] = [44, 18];
        let (Leg::Expert(_), Some(slot)) = (leg, self.calls.get(call)) else {
            return;
        };
        if slot.answered_ms.is_some() && LOST.contains(&cause.value()) {
            self.feed(call, Input::Leg(leg, Seen::Lost));
        }
    }

    /// Whether the phone of a leg has still to tell its end: with it come its cause and its reply, and whether it vanished.
    pub(super) fn is_phone_there(&self, call: &CallId, leg: Leg) -> bool {
        let Some((Leg::Expert(attempt), slot)) = Some(leg).zip(self.calls.get(call)) else {
            return false;
        };
        let phone = slot.phone(Leg::Expert(attempt));
        phone.is_some_and(|phone| self.model.channel(phone).is_some())
    }

    /// Keeps back the end of a Local channel. Asterisk ends the two channels in no fixed order.
    fn hold_end(&mut self, call: &CallId, leg: Leg, cause: Cause) {
        let (Leg::Expert(attempt), Some(slot)) = (leg, self.calls.get_mut(call)) else {
            return;
        };
        let due = Due::LegEnd(call.clone(), leg);
        let timer = self.timers.add(Instant::now(), PHONE_END_MAX, due);
        slot.leg_mut(attempt).held_end = Some((cause, timer));
    }

    /// Tells a leg's end that was kept back.
    pub(super) fn end_held(&mut self, call: &CallId, leg: Leg) {
        let (Leg::Expert(attempt), Some(slot)) = (leg, self.calls.get_mut(call)) else {
            return;
        };
        if let Some((cause, timer)) = slot.leg_mut(attempt).held_end.take() {
            self.timers.remove(timer);
            self.leg_ended(call, leg, cause);
        }
    }

    /// No further event will tell what the ends that are kept back wait for.
    fn end_all_held(&mut self) {
        let held: Vec<(CallId, Leg)> = self
            .calls
            .iter()
            .flat_map(|(id, slot)| {
                let legs = (0..=u8::MAX).zip(&slot.legs);
                let held = legs.filter(|(_, leg)| leg.held_end.is_some());
                held.map(|(attempt, _)| (id.clone(), Leg::Expert(attempt)))
            })
            .collect();
        held.iter().for_each(|(id, leg)| self.end_held(id, *leg));
    }

    /// A Local channel may end without the cause that the SIP channel behind it had.
    fn better_cause(&self, call: &CallId, leg: Leg, cause: Cause) -> Cause {
        let Leg::Expert(attempt) = leg else {
            return cause;
        };
        let slot = self.calls.get(call);
        let legs = slot.and_then(|slot| slot.legs.get(usize::from(attempt)));
        let sip = legs.and_then(|leg| leg.sip_cause);
        sip.filter(|_| cause.is_unknown()).unwrap_or(cause)
    }

    fn joined(&mut self, id: &Uniqueid, room: &str) {
        self.guardian_joined(id, room);
        let Some(Place {
            call,
            leg,
            part: Part::Primary,
        }) = self.legs.place(id).cloned()
        else {
            return self.tell_room(room);
        };
        if let Some(slot) = self.calls.get_mut(&call) {
            slot.record.room = room.to_owned();
        }
        self.name_participant(&call);
        self.arrived(&call, room);
        self.feed(&call, Input::Joined(leg));
        self.tell_room(room);
    }

    /// Names the call's place in the council, once it is proved.
    fn name_participant(&mut self, call: &CallId) {
        if let Some(slot) = self.calls.get_mut(call)
            && let Some(expert) = slot.expert_channel().cloned()
        {
            let room = &slot.record.room;
            slot.participant = self.council.participant(room, &expert, slot.mcu.as_ref());
        }
    }

    fn left(&mut self, id: &Uniqueid, room: &str) {
        self.guardian_left(id, room);
        if let Some(Place {
            call,
            leg,
            part: Part::Primary,
        }) = self.legs.place(id).cloned()
        {
            let slot = self.calls.get(&call);
            let moves =
                slot.is_some_and(|slot| slot.moving.as_ref().is_some_and(|to| to.to != room));
            if !moves && !self.comparing {
                self.feed(&call, Input::Left(leg));
            }
        }
        self.tell_room(room);
    }

    /// The model is what Asterisk holds: every call is compared with it.
    fn in_step(&mut self) {
        let restarted = std::mem::take(&mut self.restarted);
        self.end_all_held();
        self.take_over();
        let ids: Vec<CallId> = self.calls.keys().cloned().collect();
        for id in ids {
            if !self.ask_whether_called(&id) {
                self.compare(&id, restarted);
            }
        }
        self.guardians_in_step();
        self.look_for_incoming();
    }

    /// Tells a call what Asterisk holds of it.
    pub(super) fn compare(&mut self, id: &CallId, restarted: bool) {
        let views = self.calls.get(id).map(|slot| slot.leg_views(&self.model));
        let legs = views.unwrap_or_default();
        self.feed(id, Input::Snapshot { legs, restarted });
    }

    /// Experts who called in while nobody listened: their channels are asked what the event would have said.
    fn look_for_incoming(&mut self) {
        let strangers: Vec<Uniqueid> = self
            .model
            .channels()
            .map(|known| &known.channel)
            .filter(|channel| channel.context.as_bytes() == context::FROM_KAMAILIO.as_bytes())
            .filter(|channel| channel.name.driver() == b"PJSIP")
            .map(|channel| &channel.uniqueid)
            .filter(|id| self.legs.place(id).is_none() && !self.incoming_asked.contains(*id))
            .cloned()
            .collect();
        strangers.iter().for_each(|id| self.ask_incoming(id));
    }
}
