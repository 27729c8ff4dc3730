//! Events of Asterisk, turned into observations of calls and rooms.

use std::{collections::HashSet, time::Duration};

use ife_ami::{
    Change, Event, Output,
    event::Channel,
    value::{RoomName, Uniqueid},
};
use ife_call::{Cause, Direction, Input, Leg, NotAccepted, Seen};
use tracing::{info, warn};

use crate::{
    Engine,
    calls::{CallId, LegChannel, Ours, Part, Slot},
    context::Asked,
    council::{acceptance_of, context},
    record::Origin,
    shell::Measure,
    timers::Due,
};

/// Name of the dialplan's event that an expert has called in.
const EXPERT_IN: &[u8] = b"IfeExpertIn";
/// Name of the dialplan's event that the council put an expert's leg out of the room.
const REMOVED: &[u8] = b"IfeRemoved";
/// Name of the dialplan's event with a note of a party that came, went or was refused.
const NOTE: &[u8] = b"IfeNote";
/// Name of the dialplan's event that the room has no seat for an expert's leg.
const FULL: &[u8] = b"IfeFull";
/// Name of the dialplan's event that an expert who answered hears why they are called.
const BRIEFING: &[u8] = b"IfeBriefing";
/// Name of the dialplan's event that the briefing was played, or could not be.
const PLAYED: &[u8] = b"IfePlayed";
/// Name of the dialplan's event that an expert has accepted; the channel's context has the means.
const ACCEPTED: &[u8] = b"IfeAccepted";
/// Channel variable with the context in which an expert accepted.
const ACCEPTED_AS: &str = "IFE_ACCEPTED";
/// Name of the dialplan's event that an expert who answered does not take the call.
const NOT_ACCEPTED: &[u8] = b"IfeNotAccepted";
/// Name of the dialplan's event that an expert has confirmed a decision by key.
const DECISION: &[u8] = b"IfeDecision";
/// Q.850: no circuit available. A full room is that to an expert who answered.
const NO_SEAT: u8 = 34;
/// Q.850: user busy. A full room is that to an expert who calls in: the dialplan hangs up with it,
/// and so does the bridge if its order is there first.
const BUSY: u8 = 17;
/// A leg's end waits so long for that of the phone's own channel.
const PHONE_END_MAX: Duration = Duration::from_secs(1);

/// Whether Asterisk is connected, and which channels it was asked about.
#[derive(Debug, Default)]
pub(crate) struct Sight {
    /// The loss of the connection was logged.
    is_lost: bool,
    /// The changes at hand are those of a comparison.
    comparing: bool,
    /// Asterisk has started anew since the last comparison.
    restarted: bool,
    /// Channels that were asked for their subject or record.
    asked: HashSet<Uniqueid>,
}

impl Sight {
    /// Notes that a channel is asked. False when it was before.
    pub(crate) fn ask(&mut self, channel: &Uniqueid) -> bool {
        self.asked.insert(channel.clone())
    }
}

impl Engine {
    /// Takes in all outputs of the AMI session.
    pub(crate) fn on_ami(&mut self) {
        while let Some(output) = self.cx.poll_output() {
            let mut changes = Vec::new();
            self.cx.model.apply(&output, &mut changes);
            self.sight.comparing = matches!(output, Output::Snapshot(_));
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
                self.sight.restarted |= up.restarted;
                self.sight.is_lost = false;
                self.rooms.connected(&mut self.cx);
            }
            Output::Down(reason) => {
                // One line for each loss, and none for the attempts that fail until it is back.
                if !std::mem::replace(&mut self.sight.is_lost, true) {
                    warn!("not connected to Asterisk: {reason}");
                }
                self.sight.asked.clear();
                self.end_all_held();
                let ids = self.calls.ids();
                ids.iter().for_each(|id| self.feed(id, Input::LinkDown));
            }
            Output::Gap(reason) => {
                warn!("events were missed ({reason:?}), asking for all channels");
                self.rooms.events_missed(&mut self.cx);
            }
            Output::ResyncFailed(error) => warn!("{error}"),
            Output::Answer { id, outcome } => self.on_answer(id, outcome),
            Output::Event(event) => self.on_event(&event),
            Output::ResyncStarted => self.rooms.comparison_begins(),
            Output::Snapshot(snapshot) => self.rooms.compare_mutes(&mut self.cx, &snapshot),
            // Connections are opened and closed where the session lives.
            Output::Connect | Output::Close => {}
        }
    }

    fn on_event(&mut self, event: &Event) {
        match event {
            Event::UserEvent { name, message, .. } if name.as_bytes() == NOTE => {
                let note = message.view().first("Note").unwrap_or_default();
                self.rooms.on_note(&mut self.cx, note);
            }
            Event::UserEvent {
                name,
                channel: Some(channel),
                message,
            } => match name.as_bytes() {
                EXPERT_IN => {
                    let call = message.view().first("Call").unwrap_or_default();
                    self.expert_calls_in(&channel.uniqueid, call);
                }
                BRIEFING => self.seen(&channel.uniqueid, Seen::Briefing),
                PLAYED => {
                    let status = message.view().first("Status").unwrap_or_default();
                    self.prompt_played(&channel.uniqueid, status == b"SUCCESS");
                }
                ACCEPTED => self.look_if_accepted(channel),
                NOT_ACCEPTED => {
                    let why = message.view().first("Why").unwrap_or_default();
                    let why = std::str::from_utf8(why).ok().and_then(NotAccepted::of);
                    // A word that is not known is none of the other two.
                    let why = why.unwrap_or(NotAccepted::NoKey);
                    self.seen(&channel.uniqueid, Seen::NotAccepted(why));
                }
                DECISION => {
                    let number = message.view().first("Choice").unwrap_or_default();
                    self.decided_by_phone(&channel.uniqueid, number);
                }
                REMOVED => self.seen(&channel.uniqueid, Seen::Removed),
                FULL => {
                    let place = self.calls.place(&channel.uniqueid);
                    if let Some(call) = place.map(|place| place.call.clone()) {
                        let cause = self.cause_of_full_room(&call);
                        self.feed(&call, Input::JoinRefused(cause));
                    }
                }
                _ => {}
            },
            Event::ConfbridgeMute {
                channel,
                muted,
                room,
            } => {
                let id = &channel.uniqueid;
                self.rooms.note_mute(&mut self.cx, id, *muted);
                self.publish_room(room);
            }
            Event::UserEvent { .. }
            | Event::Newchannel(_)
            | Event::Shown(_)
            | Event::Dial { .. }
            | Event::OriginateFailed(_)
            | Event::Hangup { .. }
            | Event::HangupRequest { .. }
            | Event::ConfbridgeStart { .. }
            | Event::ConfbridgeEnd { .. }
            | Event::ConfbridgeJoin { .. }
            | Event::ConfbridgeLeave { .. }
            | Event::Rename { .. } => {}
        }
    }

    fn cause_of_full_room(&self, call: &CallId) -> Cause {
        let calls_in = |slot: &Slot| slot.record().origin == Origin::Expert;
        let is_busy = self.calls.get(call).is_some_and(calls_in);
        Cause::seen(if is_busy { BUSY } else { NO_SEAT })
    }

    fn publish_room(&mut self, room: &RoomName) {
        self.rooms.publish(&mut self.cx, &mut self.calls, room);
    }

    fn on_change(&mut self, change: Change) {
        let (rooms, cx, calls) = (&mut self.rooms, &mut self.cx, &mut self.calls);
        match change {
            Change::Appeared(channel) => self.appeared(&channel),
            Change::Ringing(id) => {
                rooms.guardian_rings(cx, calls, &id);
                self.seen(&id, Seen::Ringing);
            }
            Change::Up(id) => {
                rooms.guardian_up(cx, calls, &id);
                self.seen(&id, Seen::Up);
            }
            Change::Leaving {
                uniqueid,
                tech_cause,
            } => {
                self.replied(&uniqueid, tech_cause);
                self.seen(&uniqueid, Seen::Leaving);
            }
            Change::Gone {
                channel,
                cause,
                tech_cause,
            } => {
                self.replied(&channel.uniqueid, tech_cause);
                self.gone(&channel, cause);
            }
            Change::NoChannel(id) => {
                rooms.guardian_gone(cx, calls, &id, None);
                self.seen(&id, Seen::Gone(Cause::UNKNOWN));
            }
            Change::Joined { uniqueid, room } => self.joined(&uniqueid, &room),
            Change::Left { uniqueid, room } => self.left(&uniqueid, &room),
            Change::RoomStarted(room) => rooms.started(cx, calls, &room),
            Change::RoomEnded(room) => rooms.ended(cx, calls, &room),
            Change::InStep => self.in_step(),
        }
    }

    fn appeared(&mut self, channel: &Channel) {
        let id = &channel.uniqueid;
        if let Some(Ours::Guardian { .. }) = self.cx.names.parse(id) {
            return self.rooms.guardian_appeared(id);
        }
        if self.calls.settle_place(&self.cx, channel) {
            self.seen(id, Seen::There);
        }
    }

    pub(crate) fn seen(&mut self, id: &Uniqueid, seen: Seen) {
        let Some((LegChannel { call, leg, part }, slot)) = self.calls.at(id) else {
            return;
        };
        match (part, seen) {
            // The Local channel in front of it is the leg: it comes and goes in its own time.
            (Part::Sip, Seen::There | Seen::Gone(_)) => return,
            (Part::Primary | Part::Sip, _) => {}
        }
        slot.note_mcu(&self.cx, leg, seen);
        slot.handle(Input::Leg(leg, seen));
        self.work(&call);
    }

    /// Takes an expert's acceptance from the context that their channel is in.
    fn look_if_accepted(&mut self, channel: &Channel) {
        if let Some(means) = acceptance_of(channel.context.as_bytes()) {
            self.seen(&channel.uniqueid, Seen::Accepted(means));
        }
    }

    fn prompt_played(&mut self, id: &Uniqueid, is_heard: bool) {
        let Some((place, slot)) = self.calls.at(id) else {
            return;
        };
        if is_heard {
            return slot.step(self.cx.now, "the briefing was played".to_owned());
        }
        slot.step(self.cx.now, "the briefing could not be played".to_owned());
        self.cx.shell.measure(Measure::PromptFailed);
        warn!(
            call_id = %place.call,
            "Asterisk could not play the briefing: can it read the directory of speech.dir?"
        );
    }

    /// Takes the final reply to a SIP leg's INVITE, by the code that Asterisk gives with the
    /// channel's end. After an answer it is 200, or that of the request which ended the call.
    fn replied(&mut self, id: &Uniqueid, tech_cause: Option<u64>) {
        let status = tech_cause.and_then(|code| u16::try_from(code).ok());
        let Some(status) = status.filter(|status| (300..700).contains(status)) else {
            return;
        };
        let place = self.calls.place(id);
        let place = place.filter(|place| place.part == Part::Sip);
        if let Some(LegChannel { call, leg, .. }) = place.cloned() {
            self.feed(&call, Input::Leg(leg, Seen::Replied(status)));
        }
    }

    fn gone(&mut self, channel: &Channel, cause: Option<u8>) {
        let id = &channel.uniqueid;
        self.rooms.forget(id);
        self.rooms
            .guardian_gone(&mut self.cx, &mut self.calls, id, cause);
        self.sight.asked.remove(id);
        let Some(LegChannel { call, leg, part }) = self.calls.place(id).cloned() else {
            return;
        };
        self.calls.remove_channel(id);
        // A channel without a cause was missed by a resync; the comparison that follows finds the
        // call.
        let (Some(cause), Some(slot)) = (cause.map(Cause::seen), self.calls.get_mut(&call)) else {
            return;
        };
        match part {
            Part::Sip => {
                slot.note_sip_cause(leg, cause);
                self.look_if_lost(&call, leg, cause);
                self.end_held(&call, leg);
            }
            Part::Primary if slot.is_phone_there(&self.cx.model, leg) => {
                let due = Due::LegEnd(call, leg);
                let timer = self.cx.after(PHONE_END_MAX, due);
                slot.hold_end(leg, cause, timer);
            }
            Part::Primary => self.leg_ended(&call, leg, cause),
        }
    }

    fn leg_ended(&mut self, call: &CallId, leg: Leg, cause: Cause) {
        let Some(slot) = self.calls.get(call) else {
            return;
        };
        let cause = slot.better_cause(leg, cause);
        self.look_if_lost(call, leg, cause);
        self.look_if_told(call, leg);
        if let Some(slot) = self.calls.get_mut(call) {
            slot.note_mcu(&self.cx, leg, Seen::Gone(cause));
        }
        self.feed(call, Input::Leg(leg, Seen::Gone(cause)));
    }

    /// An answered phone that is gone by one of these causes has vanished: Asterisk gives 44
    /// (requested channel unavailable) after `rtp_timeout`, and 18 (no user responding) when a
    /// request in the dialog was not answered (SIP 408).
    fn look_if_lost(&mut self, call: &CallId, leg: Leg, cause: Cause) {
        const LOST: [u8; 2] = [44, 18];
        match leg {
            Leg::Expert(_) => {}
            Leg::Council => return,
        }
        let slot = self.calls.get(call);
        if slot.is_some_and(|slot| slot.is_answered()) && LOST.contains(&cause.value()) {
            self.feed(call, Input::Leg(leg, Seen::Lost));
        }
    }

    /// An answered phone whose channel is gone while Kamailio cannot be reached may not have got
    /// its BYE.
    pub(crate) fn look_if_told(&mut self, call: &CallId, leg: Leg) {
        let slot = self.calls.get(call);
        if self.health.is_kamailio_lost() && slot.is_some_and(|slot| slot.is_answered()) {
            self.feed(call, Input::Leg(leg, Seen::Untold));
        }
    }

    /// Gives a call the end of a leg that was kept back.
    pub(crate) fn end_held(&mut self, call: &CallId, leg: Leg) {
        let slot = self.calls.get_mut(call);
        if let Some(cause) = slot.and_then(|slot| slot.take_held(&mut self.cx, leg)) {
            self.leg_ended(call, leg, cause);
        }
    }

    /// Gives calls all ends that were kept back: no further event comes.
    fn end_all_held(&mut self) {
        let all = self.calls.all();
        let held: Vec<(CallId, Leg)> = all
            .flat_map(|slot| slot.held().map(|leg| (slot.id().clone(), leg)))
            .collect();
        held.iter().for_each(|(id, leg)| self.end_held(id, *leg));
    }

    fn joined(&mut self, id: &Uniqueid, room: &RoomName) {
        let (rooms, cx, calls) = (&mut self.rooms, &mut self.cx, &mut self.calls);
        rooms.guardian_joined(cx, calls, id, room);
        // The room lets no expert in who has not accepted: an event of it that was missed is made
        // up for here.
        let known = cx.model.channel(id);
        if let Some(channel) = known.map(|known| known.channel.clone()) {
            self.look_if_accepted(&channel);
        }
        let (rooms, cx, calls) = (&mut self.rooms, &mut self.cx, &mut self.calls);
        rooms.entered(cx, calls, id, room);
        if let Some((LegChannel { call, leg, part }, slot)) = calls.at(id)
            && part == Part::Primary
        {
            slot.joined(cx, room);
            self.requests.settle_waiters(cx, slot);
            slot.handle(Input::Joined(leg));
            self.work(&call);
        }
        self.publish_room(room);
    }

    fn left(&mut self, id: &Uniqueid, room: &RoomName) {
        self.rooms.left(&mut self.cx, id, room);
        if let Some((LegChannel { call, leg, part }, slot)) = self.calls.at(id)
            && part == Part::Primary
        {
            let moves = slot.is_moving() && slot.headed_for() != room;
            if !moves && !self.sight.comparing {
                slot.handle(Input::Left(leg));
                self.work(&call);
            }
        }
        self.publish_room(room);
    }

    /// Compares every call with the channels that Asterisk holds.
    fn in_step(&mut self) {
        let restarted = std::mem::take(&mut self.sight.restarted);
        self.end_all_held();
        self.take_over();
        for id in self.calls.ids() {
            if !self.ask_whether_called(&id) {
                self.compare(&id, restarted);
            }
        }
        self.rooms.in_step(&mut self.cx, &mut self.calls);
        self.rooms.compared(&mut self.cx, &self.calls);
        self.look_for_incoming();
    }

    /// Gives a call its legs that Asterisk holds.
    pub(crate) fn compare(&mut self, id: &CallId, restarted: bool) {
        if let Some(slot) = self.calls.get_mut(id) {
            let legs = slot.leg_views(&self.cx.model);
            slot.handle(Input::Snapshot { legs, restarted });
            self.work(id);
        }
        self.ask_acceptance(id);
    }

    /// Asks the channel of an expert in the room how they accepted, where its context does not have
    /// it: that of a channel that runs a menu of the room is another one.
    fn ask_acceptance(&mut self, id: &CallId) {
        let slot = self.calls.get(id).filter(|slot| slot.is_live());
        let slot = slot.filter(|slot| slot.direction() == Direction::ToExpert);
        let channel = slot.filter(|slot| slot.acceptance().is_none());
        let channel = channel.and_then(|slot| slot.expert_channel()).cloned();
        let channel = channel.filter(|channel| {
            let known = self.cx.model.channel(channel);
            known.is_some_and(|known| known.room.is_some())
        });
        if let Some(channel) = channel {
            let asked = Asked::Acceptance(channel.clone());
            self.cx.ask_variable(&channel, ACCEPTED_AS, asked);
        }
    }

    /// Asks the channels of experts who called in unnoticed for the content of the event.
    fn look_for_incoming(&mut self) {
        let strangers: Vec<Uniqueid> = self
            .cx
            .model
            .channels()
            .map(|known| &known.channel)
            .filter(|channel| channel.context.as_bytes() == context::FROM_KAMAILIO.as_bytes())
            .filter(|channel| channel.name.driver() == b"PJSIP")
            .map(|channel| &channel.uniqueid)
            .filter(|id| self.calls.place(id).is_none() && !self.sight.asked.contains(*id))
            .cloned()
            .collect();
        strangers.iter().for_each(|id| self.ask_incoming(id));
    }
}
