//! Guardians, who are called into council rooms over H.323.
//!
//! A guardian who cannot be had is called again while the room is wanted, each time later. One who
//! hangs up or declines is not.

mod h323;

use std::time::Duration;

use ife_ami::{
    Action,
    action::{DialString, Originate},
    model::Known,
    value::{DialToken, RoomName, Uniqueid, ValueError, Variable},
};
use ife_call::{Backend, Cause, cause::Class};
use ife_witness::entry::Event;
use tracing::warn;

use super::{Room, Rooms, witness};
use crate::{
    calls::{Bridges, Calls, Ours, place},
    context::{Asked, Context},
    council::context,
    settings::Guardian,
    shell::{Fact, Measure},
    timers::{self, Due},
};

/// After the first failure a guardian is called again so much later.
const RETRY_MIN: Duration = Duration::from_secs(2);
/// The wait doubles with each failure in a row, up to this.
const RETRY_MAX: Duration = Duration::from_secs(60);

/// A guardian who was called.
#[derive(Debug, Default)]
pub(super) struct Called {
    leg: Option<GuardianLeg>,
    /// In a row.
    failures: u32,
    /// Timer of the next attempt.
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
    /// Ordered to end because no call went to the room.
    dismissed: bool,
}

/// The reason that a guardian could not be had.
#[derive(Debug, Clone, Copy)]
enum Why {
    /// The leg ended before its time, with this cause if it is known.
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
    /// Channels of the guardians who were called.
    pub(super) fn legs(&self) -> Vec<Uniqueid> {
        let legs = self
            .called
            .values()
            .filter_map(|called| called.leg.as_ref());
        legs.map(|leg| leg.channel.clone()).collect()
    }

    /// Marks all legs as ended by this bridge, and returns their channels.
    pub(super) fn dismiss(&mut self) -> Vec<Uniqueid> {
        let called = self.called.values_mut();
        for leg in called.filter_map(|called| called.leg.as_mut()) {
            leg.dismissed = true;
        }
        self.legs()
    }

    /// Cancels all further attempts and returns their timers for removal.
    pub(super) fn take_retries(&mut self) -> Vec<timers::Key> {
        let called = self.called.values_mut();
        called.filter_map(|called| called.retry.take()).collect()
    }
}

impl Rooms {
    pub(super) fn call_guardians(&mut self, cx: &mut Context, calls: &mut Calls, room: &RoomName) {
        match cx.settings.council.backend {
            Backend::Room => {
                for guardian in cx.settings.guardians.clone() {
                    self.call_guardian(cx, calls, room, &guardian);
                }
            }
            Backend::Mcu => {}
        }
    }

    /// Calls a guardian again, if the room is still wanted.
    pub(crate) fn call_again(
        &mut self,
        cx: &mut Context,
        calls: &mut Calls,
        room: &RoomName,
        name: &str,
    ) {
        if let Some(called) = self.called_mut(room, name) {
            called.retry = None;
        }
        let mut guardians = cx.settings.guardians.iter();
        let guardian = guardians.find(|known| known.name == name).cloned();
        if let Some(guardian) = guardian.filter(|_| self.is_wanted(cx, calls, room)) {
            self.call_guardian(cx, calls, room, &guardian);
            self.publish(cx, calls, room);
        }
    }

    fn call_guardian(
        &mut self,
        cx: &mut Context,
        calls: &mut Calls,
        room: &RoomName,
        guardian: &Guardian,
    ) {
        let name = guardian.name.as_str();
        let Some(peer) = &guardian.peer else {
            return;
        };
        if self.is_called(cx, room, name) {
            return;
        }
        if self.guardian_legs() >= cx.settings.limits.h323_legs_max {
            return self.guardian_failed(cx, calls, room, name, Why::NoLeg);
        }
        let Ok(order) = self.guardian_order(cx, room, guardian, peer) else {
            warn!(guardian = %name, "not called: a name cannot be dialled");
            return;
        };
        let channel = Uniqueid::from(&order.channel_id);
        let asked = Asked::Guardian(channel.clone());
        if cx.ask(&Action::Originate(Box::new(order)), asked).is_err() {
            return self.guardian_failed(cx, calls, room, name, Why::NoOrder);
        }
        if let Some(open) = self.open.get_mut(room) {
            let called = open.called.entry(name.to_owned()).or_default();
            called.leg = Some(GuardianLeg {
                channel,
                there: false,
                joined: false,
                with_calls: !open.asked_for,
                dismissed: false,
            });
        }
        witness(cx, room, of_guardian(Event::H323Setup, name));
    }

    /// Whether this bridge has a leg of the guardian, or another bridge at this gateway has called
    /// the guardian into that room.
    fn is_called(&self, cx: &Context, room: &RoomName, name: &str) -> bool {
        let open = self.open.get(room);
        let called = open.and_then(|open| open.called.get(name));
        if called.is_some_and(|called| called.leg.is_some()) {
            return true;
        }
        let is_theirs = |known: &Known| {
            let id = &known.channel.uniqueid;
            known.room.as_ref().is_none_or(|at| at == room)
                && cx.names.parse(id).is_none()
                && Bridges::parse(id) == Some(Bridges::Guardian(name))
        };
        cx.model.channels().any(is_theirs)
    }

    fn guardian_order(
        &self,
        cx: &mut Context,
        room: &RoomName,
        guardian: &Guardian,
        peer: &str,
    ) -> Result<Originate, ValueError> {
        let number = cx.now.unix_ms * 1_000 + cx.number() % 1_000;
        let exten = guardian.alias.as_deref().unwrap_or(&guardian.name);
        let open = self.open.get(room);
        let mut variables = vec![
            Variable::channel("IFE_ROOM", room.as_str())?,
            Variable::channel("IFE_GUARDIAN", &guardian.name)?,
        ];
        if open.is_some_and(|open| !open.asked_for) {
            // The leg ends with the room's last expert, even without a bridge.
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
            channel_id: cx.names.guardian(&guardian.name, number)?,
            other_channel_id: None,
            destination: place(context::GUARDIAN, "join")?,
            ring_timeout: cx.settings.limits.policy.ring_max,
            variables,
        })
    }

    /// H.323 legs of guardians who were called.
    pub(crate) fn guardian_legs(&self) -> u32 {
        let legs: usize = self.open.values().map(|room| room.legs().len()).sum();
        u32::try_from(legs).unwrap_or(u32::MAX)
    }

    fn called_mut(&mut self, room: &RoomName, name: &str) -> Option<&mut Called> {
        self.open.get_mut(room)?.called.get_mut(name)
    }

    /// The room and the name of the guardian whose channel it is.
    fn guardian_at(&self, channel: &Uniqueid) -> Option<(RoomName, String)> {
        self.open.iter().find_map(|(room, open)| {
            let is_theirs = |called: &Called| {
                let leg = called.leg.as_ref();
                leg.is_some_and(|leg| leg.channel == *channel)
            };
            let mut called = open.called.iter();
            let (name, _) = called.find(|(_, called)| is_theirs(called))?;
            Some((room.clone(), name.clone()))
        })
    }

    pub(crate) fn guardian_appeared(&mut self, channel: &Uniqueid) {
        if let Some((room, name)) = self.guardian_at(channel)
            && let Some(called) = self.called_mut(&room, &name)
            && let Some(leg) = &mut called.leg
        {
            leg.there = true;
        }
    }

    pub(crate) fn guardian_rings(&self, cx: &mut Context, calls: &mut Calls, channel: &Uniqueid) {
        if let Some((room, _)) = self.guardian_at(channel) {
            self.note_h323(cx, calls, &room);
        }
    }

    pub(crate) fn guardian_up(&self, cx: &mut Context, calls: &mut Calls, channel: &Uniqueid) {
        if let Some((room, name)) = self.guardian_at(channel) {
            witness(cx, &room, of_guardian(Event::H323Connected, &name));
            self.note_h323(cx, calls, &room);
        }
    }

    pub(crate) fn guardian_joined(
        &mut self,
        cx: &mut Context,
        calls: &mut Calls,
        channel: &Uniqueid,
        room: &RoomName,
    ) {
        let Some(Ours::Guardian { name }) = cx.names.parse(channel) else {
            return;
        };
        // The store knows whether a room of an earlier process was asked for. If it was not, the
        // comparison that follows ends this leg unless a call goes there.
        let open = self.open.entry(room.clone()).or_default();
        let called = open.called.entry(name.clone()).or_default();
        let other = called.leg.as_ref().map(|leg| &leg.channel);
        let other = other.filter(|other| *other != channel);
        if other.is_some_and(|other| cx.model.channel(other).is_some()) {
            // The other leg was called by a process that was killed meanwhile. The comparison
            // ends this one.
            return;
        }
        called.failures = 0;
        let with_calls = called.leg.as_ref().is_some_and(|leg| leg.with_calls);
        called.leg = Some(GuardianLeg {
            channel: channel.clone(),
            there: true,
            joined: true,
            with_calls,
            dismissed: false,
        });
        step(cx, calls, room, &format!("guardian {name} is in the room"));
    }

    pub(crate) fn guardian_gone(
        &mut self,
        cx: &mut Context,
        calls: &mut Calls,
        channel: &Uniqueid,
        cause: Option<u8>,
    ) {
        let Some((room, name)) = self.guardian_at(channel) else {
            return;
        };
        let called = self.called_mut(&room, &name);
        let leg = called.and_then(|called| called.leg.take());
        let cause = cause.map(Cause::seen);
        let with_calls = leg.as_ref().is_some_and(|leg| leg.with_calls);
        let dismissed = leg.as_ref().is_some_and(|leg| leg.dismissed);
        let hung_up = leg.is_some_and(|leg| leg.joined) && cause == Some(Cause::NORMAL);
        let stays = self.open.get(&room).is_some_and(|open| open.asked_for);
        let is_wanted = self.is_wanted(cx, calls, &room);
        if hung_up || dismissed || !is_wanted {
            let words = cause.map(|cause| format!(" cause={cause}"));
            let words = words.unwrap_or_default();
            let fact = Fact {
                cause,
                ..of_guardian(Event::H323Released, &name)
            };
            witness(cx, &room, fact);
            step(
                cx,
                calls,
                &room,
                &format!("guardian {name} has left{words}"),
            );
        } else {
            self.guardian_failed(cx, calls, &room, &name, Why::Ended(cause));
        }
        // The room was asked for after a call had opened it, and that call took its guardians
        // along; or a call came while they were going.
        if (hung_up && with_calls && stays) || (dismissed && is_wanted) {
            self.call_again(cx, calls, &room, &name);
        }
        self.publish(cx, calls, &room);
        // A call that comes next opens the room anew, with its guardians.
        self.close_if_over(cx, calls, &room);
    }

    fn guardian_failed(
        &mut self,
        cx: &mut Context,
        calls: &mut Calls,
        room: &RoomName,
        name: &str,
        why: Why,
    ) {
        let Some(open) = self.open.get_mut(room) else {
            return;
        };
        let called = open.called.entry(name.to_owned()).or_default();
        called.failures = called.failures.saturating_add(1);
        let again = (!why.is_final()).then(|| retry_after(called.failures));
        if let Some(wait) = again {
            let (room, name) = (room.clone(), name.to_owned());
            let key = cx.after(wait, Due::Guardian { room, name });
            if let Some(replaced) = called.retry.replace(key) {
                cx.timers.remove(replaced);
            }
        }
        let reason = why.as_str();
        let seen = match why {
            Why::Ended(cause) => Some(cause.unwrap_or(Cause::UNKNOWN)),
            Why::NoLeg | Why::NoOrder => None,
        };
        let cause = seen.map_or_else(String::new, |cause| format!(" cause={cause}"));
        let next = again.map_or("not called again".to_owned(), |wait| {
            format!("called again in {} s", wait.as_secs())
        });
        warn!(guardian = %name, %room, "the guardian could not be had: {reason}{cause}; {next}");
        let words = format!("guardian {name} could not be had: {reason}{cause}; {next}");
        step(cx, calls, room, &words);
        let fact = Fact {
            cause: seen,
            reason: Some(reason),
            ..of_guardian(Event::H323Released, name)
        };
        witness(cx, room, fact);
        let guardian = name;
        cx.shell
            .measure(Measure::GuardianFailed { guardian, reason });
    }

    /// Follows a comparison: legs whose channel is not there are gone, and those that belong to no
    /// room end.
    pub(crate) fn in_step(&mut self, cx: &mut Context, calls: &mut Calls) {
        let called = self.open.values().flat_map(|room| room.called.values());
        let legs = called.filter_map(|called| called.leg.as_ref());
        let gone: Vec<Uniqueid> = legs
            .filter(|leg| leg.there && cx.model.channel(&leg.channel).is_none())
            .map(|leg| leg.channel.clone())
            .collect();
        gone.iter()
            .for_each(|channel| self.guardian_gone(cx, calls, channel, None));
        for channel in self.strays(cx) {
            cx.end_channel(channel);
        }
        let rooms: Vec<RoomName> = self.open.keys().cloned().collect();
        rooms
            .iter()
            .for_each(|room| self.close_if_over(cx, calls, room));
    }

    /// Legs that this bridge called and that are in a room without belonging to it: second ones of
    /// a guardian.
    fn strays(&self, cx: &Context) -> Vec<Uniqueid> {
        let is_guardian = |id: &Uniqueid| match cx.names.parse(id) {
            Some(Ours::Guardian { .. }) => true,
            Some(Ours::Expert { .. } | Ours::Far) | None => false,
        };
        let in_rooms = cx.model.channels().filter(|known| known.room.is_some());
        let ids = in_rooms.map(|known| &known.channel.uniqueid);
        ids.filter(|id| is_guardian(id) && self.guardian_at(id).is_none())
            .cloned()
            .collect()
    }
}

/// Notes a step in the history of every call of a room.
fn step(cx: &Context, calls: &mut Calls, room: &RoomName, words: &str) {
    for slot in calls.live_in_mut(room) {
        slot.step(cx.now, words.to_owned());
    }
}

/// The wait after so many failures in a row.
fn retry_after(failures: u32) -> Duration {
    let doublings = failures.saturating_sub(1).min(16);
    (RETRY_MIN * (1 << doublings)).min(RETRY_MAX)
}

fn of_guardian(event: Event, name: &str) -> Fact<'_> {
    Fact {
        guardian: Some(name),
        ..Fact::new(event, "")
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
