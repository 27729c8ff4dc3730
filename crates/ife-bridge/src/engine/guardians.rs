//! Guardians, who are called into council rooms over H.323.
//!
//! A guardian who cannot be had is called again while the room is wanted, each time later. One who hangs up or declines is not.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use ife_ami::{
    Action,
    action::{DialString, Originate},
    event::ChannelState,
    model::Known,
    value::{DialToken, Uniqueid, ValueError, Variable},
};
use ife_call::{Backend, Cause, cause::Class};
use ife_witness::entry::Event as Entry;
use tracing::warn;

use super::{
    CallId, Engine,
    answers::Asked,
    legs::{Bridges, Ours},
    timers::{self, Due},
};
use crate::{
    clock, config::Guardian, council::context, metrics::GuardianLabels, view::CallState,
    witness::Fact,
};

/// After the first failure a guardian is called again so much later.
const RETRY_MIN: Duration = Duration::from_secs(2);
/// The wait doubles with each failure in a row, up to this.
const RETRY_MAX: Duration = Duration::from_secs(60);

/// A room that the bridge opened.
#[derive(Debug, Default)]
pub(super) struct Room {
    /// Asked for through the API; otherwise it ends with its last call.
    pub(super) asked_for: bool,
    /// Of the call that opened it.
    pub(super) trace_id: Option<String>,
    /// Guardians who were called, by name.
    pub(super) called: BTreeMap<String, Called>,
}

/// A guardian who was called.
#[derive(Debug, Default)]
pub(super) struct Called {
    leg: Option<GuardianLeg>,
    /// In a row.
    failures: u32,
    /// When they are called again.
    retry: Option<timers::Key>,
}

#[derive(Debug)]
struct GuardianLeg {
    channel: Uniqueid,
    /// Seen by Asterisk; until then a comparison proves nothing.
    there: bool,
    /// Was in the room.
    joined: bool,
    /// The dialplan ends it with the room's last expert.
    with_calls: bool,
}

/// Why a guardian could not be had.
#[derive(Debug, Clone, Copy)]
enum Why {
    /// The leg ended before its time, with this cause where one was told.
    Ended(Option<Cause>),
    /// The gateway takes no further H.323 leg.
    NoLeg,
    /// The order to call cannot be given.
    NoOrder,
}

impl Why {
    /// A word for logs, labels and the history.
    fn as_str(self) -> &'static str {
        match self {
            Why::Ended(cause) => cause.unwrap_or(Cause::UNKNOWN).class().as_str(),
            Why::NoLeg => "as many H.323 legs as the gateway takes",
            Why::NoOrder => "the order cannot be given",
        }
    }

    /// A terminal that declines has answered.
    fn is_final(self) -> bool {
        match self {
            Why::Ended(cause) => cause.is_some_and(|cause| cause.class() == Class::Declined),
            Why::NoLeg | Why::NoOrder => false,
        }
    }
}

impl Room {
    pub(super) fn legs(&self) -> Vec<Uniqueid> {
        let legs = self
            .called
            .values()
            .filter_map(|called| called.leg.as_ref());
        legs.map(|leg| leg.channel.clone()).collect()
    }

    /// Cancels all further attempts and returns their timers for removal.
    pub(super) fn drop_retries(&mut self) -> Vec<timers::Key> {
        let called = self.called.values_mut();
        called.filter_map(|called| called.retry.take()).collect()
    }
}

impl Engine {
    pub(super) fn call_guardians(&mut self, room: &str) {
        if self.council.proof() == Backend::Room {
            for guardian in self.guardians.clone() {
                self.call_guardian(room, &guardian);
            }
        }
    }

    /// The time to call a guardian again has come.
    pub(super) fn call_again(&mut self, room: &str, name: &str) {
        if let Some(called) = self.called_mut(room, name) {
            called.retry = None;
        }
        let guardian = self.guardians.iter().find(|known| known.name == name);
        if let Some(guardian) = guardian.cloned().filter(|_| self.is_wanted(room)) {
            self.call_guardian(room, &guardian);
            self.tell_room(room);
        }
    }

    fn call_guardian(&mut self, room: &str, guardian: &Guardian) {
        let Some(peer) = &guardian.peer else {
            return;
        };
        if self.is_called(room, &guardian.name) {
            return;
        }
        if self.guardian_legs() >= self.limits.h323_legs_max {
            return self.guardian_failed(room, &guardian.name, Why::NoLeg);
        }
        let order = self.guardian_order(room, guardian, peer);
        let Ok(order) = order else {
            warn!(guardian = %guardian.name, "not called: a name cannot be dialled");
            return;
        };
        let channel = Uniqueid::from(&order.channel_id);
        match self.ami.submit(&Action::Originate(Box::new(order))) {
            Ok(asked) => {
                self.asked.insert(asked, Asked::Guardian(channel.clone()));
                if let Some(open) = self.rooms.get_mut(room) {
                    let called = open.called.entry(guardian.name.clone()).or_default();
                    called.leg = Some(GuardianLeg {
                        channel,
                        there: false,
                        joined: false,
                        with_calls: !open.asked_for,
                    });
                }
                self.witness_guardian(Entry::H323Setup, &guardian.name, room, "");
            }
            Err(_) => self.guardian_failed(room, &guardian.name, Why::NoOrder),
        }
    }

    /// Whether this bridge has a leg of theirs, or another bridge at this gateway has called them into that room.
    fn is_called(&self, room: &str, name: &str) -> bool {
        let open = self.rooms.get(room);
        let called = open.and_then(|open| open.called.get(name));
        if called.is_some_and(|called| called.leg.is_some()) {
            return true;
        }
        let calls_them = |known: &Known| {
            let id = &known.channel.uniqueid;
            let is_here = known.room.as_ref().is_none_or(|at| at.as_str() == room);
            is_here
                && self.names.parse(id).is_none()
                && Bridges::parse(id) == Some(Bridges::Guardian(name))
        };
        self.model.channels().any(calls_them)
    }

    fn guardian_order(
        &mut self,
        room: &str,
        guardian: &Guardian,
        peer: &str,
    ) -> Result<Originate, ValueError> {
        self.tokens += 1;
        let number = clock::unix_ms() * 1_000 + self.tokens % 1_000;
        let exten = guardian.alias.as_deref().unwrap_or(&guardian.name);
        let open = self.rooms.get(room);
        let mut variables = vec![Variable::channel("IFE_ROOM", room)?];
        if open.is_some_and(|open| !open.asked_for) {
            // It ends with the room's last expert, should no bridge be there to end it.
            variables.push(Variable::channel("IFE_WITH_CALLS", "yes")?);
        }
        if let Some(trace_id) = open.and_then(|open| open.trace_id.as_deref()) {
            variables.push(Variable::channel("CALLER_H323ID", trace_id)?);
        }
        Ok(Originate {
            channel: DialString::Ooh323 {
                exten: DialToken::parse(exten)?,
                peer: DialToken::parse(peer)?,
            },
            channel_id: self.names.guardian(&guardian.name, number)?,
            other_channel_id: None,
            destination: Self::place(context::GUARDIAN, "join")?,
            ring_timeout: self.limits.policy.ring_max,
            caller: None,
            variables,
        })
    }

    /// H.323 legs of guardians who were called.
    pub(super) fn guardian_legs(&self) -> u32 {
        let legs: usize = self.rooms.values().map(|room| room.legs().len()).sum();
        u32::try_from(legs).unwrap_or(u32::MAX)
    }

    fn called_mut(&mut self, room: &str, name: &str) -> Option<&mut Called> {
        self.rooms.get_mut(room)?.called.get_mut(name)
    }

    fn room_of_guardian(&self, channel: &Uniqueid) -> Option<(String, String)> {
        self.rooms.iter().find_map(|(room, open)| {
            let is_theirs = |called: &Called| {
                let leg = called.leg.as_ref();
                leg.is_some_and(|leg| leg.channel == *channel)
            };
            let mut called = open.called.iter();
            let (name, _) = called.find(|(_, called)| is_theirs(called))?;
            Some((room.clone(), name.clone()))
        })
    }

    pub(super) fn guardian_appeared(&mut self, channel: &Uniqueid) {
        if let Some((room, name)) = self.room_of_guardian(channel)
            && let Some(called) = self.called_mut(&room, &name)
            && let Some(leg) = &mut called.leg
        {
            leg.there = true;
        }
    }

    pub(super) fn guardian_rings(&mut self, channel: &Uniqueid) {
        if let Some((room, _)) = self.room_of_guardian(channel) {
            self.note_h323(&room);
        }
    }

    pub(super) fn guardian_up(&mut self, channel: &Uniqueid) {
        if let Some((room, name)) = self.room_of_guardian(channel) {
            self.witness_guardian(Entry::H323Connected, &name, &room, "");
            self.note_h323(&room);
        }
    }

    pub(super) fn guardian_joined(&mut self, channel: &Uniqueid, room: &str) {
        let Some(Ours::Guardian { name }) = self.names.parse(channel) else {
            return;
        };
        // Of a guardian whom an earlier process called the store knows whether the room was asked for. If it was not, the
        // comparison that follows ends the leg unless a call goes there.
        let open = self.rooms.entry(room.to_owned()).or_default();
        let called = open.called.entry(name.clone()).or_default();
        called.failures = 0;
        let with_calls = called.leg.as_ref().is_some_and(|leg| leg.with_calls);
        called.leg = Some(GuardianLeg {
            channel: channel.clone(),
            there: true,
            joined: true,
            with_calls,
        });
        self.witness_guardian(Entry::CouncilJoin, &name, room, "");
        self.step_room(room, &format!("guardian {name} is in the room"));
    }

    pub(super) fn guardian_left(&mut self, channel: &Uniqueid, room: &str) {
        if let Some(Ours::Guardian { name }) = self.names.parse(channel) {
            self.witness_guardian(Entry::CouncilLeave, &name, room, "");
        }
    }

    pub(super) fn guardian_gone(&mut self, channel: &Uniqueid, cause: Option<u8>) {
        let Some((room, name)) = self.room_of_guardian(channel) else {
            return;
        };
        let called = self.called_mut(&room, &name);
        let leg = called.and_then(|called| called.leg.take());
        let cause = cause.map(Cause::seen);
        let with_calls = leg.as_ref().is_some_and(|leg| leg.with_calls);
        let hung_up = leg.is_some_and(|leg| leg.joined) && cause == Some(Cause::NORMAL);
        let stays = self.rooms.get(&room).is_some_and(|open| open.asked_for);
        if hung_up || !self.is_wanted(&room) {
            let words = cause.map(|cause| format!(" cause={cause}"));
            let words = words.unwrap_or_default();
            self.witness_guardian(Entry::H323Released, &name, &room, &words);
            self.step_room(&room, &format!("guardian {name} has left{words}"));
        } else {
            self.guardian_failed(&room, &name, Why::Ended(cause));
        }
        // The room was asked for after a call had opened it, and that call took its guardians along.
        if hung_up && with_calls && stays {
            self.call_again(&room, &name);
        }
        self.tell_room(&room);
    }

    fn guardian_failed(&mut self, room: &str, name: &str, why: Why) {
        let Some(open) = self.rooms.get_mut(room) else {
            return;
        };
        let called = open.called.entry(name.to_owned()).or_default();
        called.failures = called.failures.saturating_add(1);
        let wait = retry_after(called.failures);
        if !why.is_final() {
            let (room, name) = (room.to_owned(), name.to_owned());
            let due = Due::Guardian { room, name };
            let key = self.timers.add(Instant::now(), wait, due);
            if let Some(replaced) = called.retry.replace(key) {
                self.timers.remove(replaced);
            }
        }
        self.tell_failure(room, name, why, (!why.is_final()).then_some(wait));
    }

    fn tell_failure(&mut self, room: &str, name: &str, why: Why, again: Option<Duration>) {
        let reason = why.as_str();
        let cause = match why {
            Why::Ended(cause) => format!(" cause={}", cause.unwrap_or(Cause::UNKNOWN)),
            Why::NoLeg | Why::NoOrder => String::new(),
        };
        let next = again.map_or("not called again".to_owned(), |wait| {
            format!("called again in {} s", wait.as_secs())
        });
        warn!(guardian = %name, room, "the guardian could not be had: {reason}{cause}; {next}");
        self.step_room(
            room,
            &format!("guardian {name} could not be had: {reason}{cause}; {next}"),
        );
        let words = format!("{cause} failed={}", reason.replace(' ', "_"));
        self.witness_guardian(Entry::H323Released, name, room, &words);
        let guardian = name.to_owned();
        let labels = GuardianLabels { guardian, reason };
        let failures = &self.metrics.guardian_failures;
        failures.get_or_create(&labels).inc();
    }

    /// Guardians whose channel a comparison does not find are gone.
    pub(super) fn guardians_in_step(&mut self) {
        let called = self.rooms.values().flat_map(|room| room.called.values());
        let legs = called.filter_map(|called| called.leg.as_ref());
        let gone: Vec<Uniqueid> = legs
            .filter(|leg| leg.there && self.model.channel(&leg.channel).is_none())
            .map(|leg| leg.channel.clone())
            .collect();
        gone.iter()
            .for_each(|channel| self.guardian_gone(channel, None));
        let rooms: Vec<String> = self.rooms.keys().cloned().collect();
        rooms.iter().for_each(|room| self.close_if_over(room));
    }

    fn witness_guardian(&mut self, event: Entry, name: &str, room: &str, more: &str) {
        let trace_id = self.rooms.get(room).and_then(|room| room.trace_id.clone());
        let detail = format!("guardian={name} room={room}{more}");
        let fact = Fact {
            trace_id: trace_id.as_deref(),
            ..Fact::new(event, &detail)
        };
        // No call depends on it, and what is dropped is counted.
        let _ = self.witness.record(&fact, false);
    }

    /// Notes a step in the history of every call of that room.
    fn step_room(&mut self, room: &str, words: &str) {
        for slot in self.calls.values_mut() {
            if slot.is_live() && slot.record.room == room {
                slot.step(words.to_owned());
            }
        }
    }

    /// Measures the H.323 legs of a room, for every call that goes there.
    pub(super) fn note_h323(&mut self, room: &str) {
        if self.council.proof() != Backend::Room {
            return;
        }
        let measured = self.measure_h323(room);
        let mut changed: Vec<CallId> = Vec::new();
        for (id, slot) in &mut self.calls {
            let is_there = slot.is_live() && slot.record.room == room;
            if is_there && std::mem::replace(&mut slot.h323, measured) != measured {
                changed.push(id.clone());
            }
        }
        changed.iter().for_each(|id| self.tell_call(id));
    }

    /// How far the best of the room's H.323 legs is, `received` when there is none to be had.
    fn measure_h323(&self, room: &str) -> CallState {
        let is_h323 = |id: &Uniqueid| {
            let known = self.model.channel(id);
            known.is_some_and(|known| known.channel.name.driver() == b"OOH323")
        };
        if self.members(room).iter().any(is_h323) {
            return CallState::Connected;
        }
        let open = self.rooms.get(room);
        let called = open.into_iter().flat_map(|open| open.called.values());
        let states = called.map(|called| match &called.leg {
            Some(leg) => self.leg_state(leg),
            None if called.failures > 0 => CallState::Failed,
            None => CallState::Ended,
        });
        states
            .max_by_key(|state| rank(*state))
            .unwrap_or(CallState::Received)
    }

    fn leg_state(&self, leg: &GuardianLeg) -> CallState {
        let known = self.model.channel(&leg.channel);
        if known.is_some_and(|known| known.channel.state == ChannelState::Up) {
            CallState::Bridging
        } else if self.model.is_ringing(&leg.channel) {
            CallState::Ringing
        } else {
            CallState::Inviting
        }
    }
}

/// How long to wait after so many failures in a row.
fn retry_after(failures: u32) -> Duration {
    let doublings = failures.saturating_sub(1).min(16);
    (RETRY_MIN * (1 << doublings)).min(RETRY_MAX)
}

/// Which of two legs is further; one that may still come counts for more than one that is gone.
fn rank(state: CallState) -> u8 {
    match state {
        CallState::Connected => 6,
        CallState::Bridging | CallState::Answered => 5,
        CallState::Ringing => 4,
        CallState::Inviting | CallState::Approved => 3,
        CallState::Failed => 2,
        CallState::Ended | CallState::Ending => 1,
        CallState::Received | CallState::Unknown => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wait_doubles_up_to_a_minute() {
        let waits = [(1, 2), (2, 4), (3, 8), (5, 32), (6, 60), (u32::MAX, 60)];
        for (failures, seconds) in waits {
            assert_eq!(retry_after(failures), Duration::from_secs(seconds));
        }
    }
}
