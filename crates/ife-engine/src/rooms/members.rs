//! Members of rooms. The coming and going of each is an entry, and the API shows the list that
//! these entries give.

use ife_ami::{
    Action, Model,
    model::{Known, Snapshot},
    value::{RoomName, Uniqueid},
};
use ife_call::Backend;
use ife_witness::entry::Event;
use tracing::warn;

use super::{Rooms, participant_id, witness};
use crate::{
    calls::{Bridges, Calls, Ours, Part},
    context::{Asked, Context},
    council::context,
    record::Line,
    roll::{Member, Role},
    settings::UnknownParties,
    shell::{Fact, Measure},
};

/// The reason of a measure against a party that was neither called nor admitted.
pub(super) const NOT_ADMITTED: &str = "not_admitted";
/// The name of a party that nothing names.
const UNKNOWN: &str = "unknown";
/// Members who left and are remembered.
const LEFT_MAX: usize = 256;

impl Rooms {
    /// Follows a channel into a room of the council.
    pub(crate) fn entered(
        &mut self,
        cx: &mut Context,
        calls: &Calls,
        channel: &Uniqueid,
        room: &RoomName,
    ) {
        if self.is_ours(cx, calls, room) {
            self.show(cx, room);
            let member = self.identify(cx, calls, channel, room);
            self.enter(cx, member, "");
        }
    }

    /// Witnesses a member, unless the log has it in that room.
    pub(super) fn enter(&mut self, cx: &mut Context, member: Member, detail: &str) {
        let known = cx.ledger.roll.member(&member.channel);
        match known.map(|known| known.room == member.room) {
            Some(true) => return,
            Some(false) => self.leave(cx, &member.channel, ""),
            None => {}
        }
        witness_member(cx, &member, Event::CouncilJoin, None, detail);
        cx.ledger.roll.set_member(member.clone());
        cx.remember(&Line::Member(Box::new(member.clone())));
        if member.role == Role::Unknown {
            self.meet(cx, &member);
        }
    }

    /// Follows a channel out of a room.
    pub(crate) fn left(&mut self, cx: &mut Context, channel: &Uniqueid, room: &RoomName) {
        let member = cx.ledger.roll.member(channel);
        if member.is_some_and(|member| member.room == *room) {
            self.leave(cx, channel, "");
        }
    }

    /// Witnesses that a member has left, unless the log has it.
    pub(super) fn leave(&mut self, cx: &mut Context, channel: &Uniqueid, detail: &str) {
        let Some(member) = cx.ledger.roll.remove_member(channel) else {
            return;
        };
        witness_member(cx, &member, Event::CouncilLeave, None, detail);
        cx.remember(&Line::Left {
            channel: channel.clone(),
        });
        self.unreadable.remove(channel);
        self.left.push_back(channel.clone());
        if self.left.len() > LEFT_MAX {
            self.left.pop_front();
        }
        self.drop_if_over(cx, &member.name);
    }

    /// Whether a channel was in a room lately.
    pub(super) fn has_left(&self, channel: &Uniqueid) -> bool {
        self.left.contains(channel)
    }

    /// Who a channel in a room is.
    pub(super) fn identify(
        &self,
        cx: &Context,
        calls: &Calls,
        channel: &Uniqueid,
        room: &RoomName,
    ) -> Member {
        let place = calls.place(channel);
        let place = place.filter(|place| place.part == Part::Primary);
        let slot = place.and_then(|place| calls.get(&place.call));
        let (role, name) = match slot {
            Some(slot) => (Role::Expert, slot.expert_id().to_owned()),
            None => self.identify_other(cx, channel),
        };
        let record = slot.map(|slot| slot.record());
        let trace_id = record.map(|record| record.trace_id.to_string());
        let of_room = || cx.ledger.roll.trace_of(room).map(str::to_owned);
        Member {
            channel: channel.clone(),
            room: room.clone(),
            role,
            name,
            muted: false,
            trace_id: trace_id.or_else(of_room),
            call_id: record.map(|record| record.call_id.to_string()),
        }
    }

    /// Who a channel is that belongs to no call of this bridge.
    fn identify_other(&self, cx: &Context, channel: &Uniqueid) -> (Role, String) {
        if let Some(Ours::Guardian { name }) = cx.names.parse(channel) {
            return (Role::Guardian, name);
        }
        match Bridges::parse(channel) {
            // The call is asked for, or it is another bridge's.
            Some(Bridges::Expert(_)) => return (Role::Expert, UNKNOWN.to_owned()),
            Some(Bridges::Guardian(name)) => return (Role::Guardian, name.to_owned()),
            None => {}
        }
        let known = cx.model.channel(channel);
        if let Some(name) = known.and_then(admitted_as) {
            return (Role::Guardian, name);
        }
        let calls_in = known.is_some_and(|known| {
            let contexts = [context::FROM_KAMAILIO, context::COUNCIL];
            let at = known.channel.context.as_bytes();
            contexts.iter().any(|context| context.as_bytes() == at)
                && known.channel.name.driver() == b"PJSIP"
        });
        if calls_in && !self.unreadable.contains(channel) {
            // An expert, whom Kamailio's gate let in, and whose call is asked for.
            return (Role::Expert, UNKNOWN.to_owned());
        }
        (Role::Unknown, UNKNOWN.to_owned())
    }

    /// Finds the members of a room that is the council's from now on.
    pub(super) fn find_members(&mut self, cx: &mut Context, calls: &Calls, room: &RoomName) {
        match cx.settings.council.backend {
            Backend::Room => {}
            Backend::Mcu => return,
        }
        let members = cx.model.members(room).into_iter().flatten();
        let members: Vec<Uniqueid> = members
            .map(|known| known.channel.uniqueid.clone())
            .collect();
        for channel in members {
            self.entered(cx, calls, &channel, room);
        }
    }

    /// Follows a comparison: the log's members are those of Asterisk, each under its name, and
    /// unknown parties are as the configuration wants them.
    pub(super) fn compare_members(&mut self, cx: &mut Context, calls: &Calls) {
        let members: Vec<Member> = cx.ledger.roll.members().cloned().collect();
        for member in members {
            let known = cx.model.channel(&member.channel);
            if known.and_then(|known| known.room.as_ref()) == Some(&member.room) {
                self.identify_again(cx, calls, member);
            } else {
                self.leave(cx, &member.channel, "seen at a comparison");
            }
        }
        let rooms: Vec<RoomName> = cx.model.rooms().cloned().collect();
        for room in rooms {
            self.find_members(cx, calls, &room);
        }
        self.settle(cx);
    }

    /// An expert's call may have become known, or turned out not to be one.
    fn identify_again(&mut self, cx: &mut Context, calls: &Calls, member: Member) {
        let again = self.identify(cx, calls, &member.channel, &member.room);
        if (again.role, &again.name) != (member.role, &member.name) && again.name != UNKNOWN {
            let member = Member {
                muted: member.muted,
                ..again
            };
            cx.ledger.roll.set_member(member.clone());
            cx.remember(&Line::Member(Box::new(member)));
        } else if again.role == Role::Unknown && member.role == Role::Unknown {
            self.hold(cx, &member);
        } else if again.role == Role::Unknown {
            let member = Member {
                muted: member.muted,
                ..again
            };
            cx.ledger.roll.set_member(member.clone());
            cx.remember(&Line::Member(Box::new(member.clone())));
            self.meet(cx, &member);
        }
    }

    /// Takes a channel for an unknown party, since its call cannot be read.
    pub(crate) fn set_unreadable(&mut self, cx: &mut Context, calls: &Calls, channel: &Uniqueid) {
        self.unreadable.insert(channel.clone());
        if let Some(member) = cx.ledger.roll.member(channel).cloned() {
            self.identify_again(cx, calls, member);
        }
    }

    /// A channel is gone.
    pub(crate) fn forget(&mut self, channel: &Uniqueid) {
        self.unreadable.remove(channel);
    }

    /// Counts an unknown party, and treats it by the configuration.
    fn meet(&self, cx: &mut Context, member: &Member) {
        let (done, room) = (done_to_unknown(cx), &member.room);
        warn!(%room, "an unknown party is in the room, it is {done}: {}", member.channel);
        cx.shell.measure(Measure::UnknownParty { done });
        match cx.settings.unknown_parties {
            UnknownParties::Remove => {
                witness_member(cx, member, Event::Remove, Some(NOT_ADMITTED), "");
            }
            UnknownParties::Mute | UnknownParties::Admit => {}
        }
        self.hold(cx, member);
    }

    /// Orders the configured treatment of an unknown party; again if an order had no effect.
    fn hold(&self, cx: &mut Context, member: &Member) {
        match cx.settings.unknown_parties {
            UnknownParties::Remove => cx.end_channel(member.channel.clone()),
            UnknownParties::Mute if !member.muted => {
                let known = cx.model.channel(&member.channel);
                if let Some(name) = known.map(|known| known.channel.name.clone()) {
                    let (room, channel) = (member.room.clone(), name);
                    let order = Action::ConfbridgeMute { room, channel };
                    // The next comparison orders again.
                    let _ = cx.ask(&order, Asked::Nothing);
                }
            }
            UnknownParties::Mute | UnknownParties::Admit => {}
        }
    }

    /// Unknown parties in rooms.
    pub(crate) fn unknown_parties(cx: &Context) -> u32 {
        let members = cx.ledger.roll.members();
        let unknown = members.filter(|member| member.role == Role::Unknown);
        u32::try_from(unknown.count()).unwrap_or(u32::MAX)
    }

    /// Notes and witnesses that a member was muted, or is no longer.
    pub(crate) fn note_mute(&mut self, cx: &mut Context, channel: &Uniqueid, muted: bool) {
        self.mute_changed.insert(channel.clone());
        let Some(member) = cx.ledger.roll.member(channel) else {
            return;
        };
        if member.muted == muted {
            return;
        }
        let member = Member {
            muted,
            ..member.clone()
        };
        let event = if muted { Event::Mute } else { Event::Unmute };
        let is_unknown = member.role == Role::Unknown && muted;
        let reason = is_unknown.then_some(NOT_ADMITTED);
        witness_member(cx, &member, event, reason, "");
        cx.ledger.roll.set_member(member.clone());
        cx.remember(&Line::Member(Box::new(member)));
    }

    /// Begins a comparison.
    pub(crate) fn comparison_begins(&mut self) {
        self.mute_changed.clear();
    }

    /// Takes over the mutes of a comparison, unless there is newer word of one.
    pub(crate) fn compare_mutes(&mut self, cx: &mut Context, snapshot: &Snapshot) {
        let changed = std::mem::take(&mut self.mute_changed);
        let members = snapshot.rooms.iter().flat_map(|room| &room.members);
        for member in members {
            let channel = &member.channel.uniqueid;
            if !changed.contains(channel) {
                self.note_mute(cx, channel, member.muted);
            }
        }
    }
}

/// The measure against unknown parties, for logs and metrics.
fn done_to_unknown(cx: &Context) -> &'static str {
    match cx.settings.unknown_parties {
        UnknownParties::Remove => "removed",
        UnknownParties::Mute => "muted",
        UnknownParties::Admit => "admitted",
    }
}

/// The guardian whom the dialplan has let in by an admission: its extension is the name after a
/// `g`.
fn admitted_as(known: &Known) -> Option<String> {
    let channel = &known.channel;
    let is_admitted = channel.context.as_bytes() == context::ADMITTED.as_bytes();
    let name = std::str::from_utf8(channel.exten.as_bytes()).ok()?;
    let name = name.strip_prefix('g').filter(|_| is_admitted)?;
    Some(name.to_owned())
}

/// Whether a guardian who was admitted is in a conference.
pub(super) fn has_admitted(model: &Model, room: &RoomName) -> bool {
    let mut members = model.members(room).into_iter().flatten();
    members.any(|known| admitted_as(known).is_some())
}

/// Whether another bridge at this gateway made the channel, and witnesses it.
pub(super) fn is_elsewhere(cx: &Context, channel: &Uniqueid) -> bool {
    cx.names.parse(channel).is_none() && Bridges::parse(channel).is_some()
}

/// Witnesses an event about a member: an expert's is one of the call's.
pub(super) fn witness_member(
    cx: &mut Context,
    member: &Member,
    event: Event,
    reason: Option<&str>,
    detail: &str,
) {
    if is_elsewhere(cx, &member.channel) {
        return;
    }
    let participant = participant_id(cx, &member.room, &member.channel);
    let is_expert = member.role == Role::Expert;
    let is_named = member.name != UNKNOWN || !is_expert;
    let name = Some(member.name.as_str()).filter(|_| is_named);
    let fact = Fact {
        trace_id: member.trace_id.as_deref(),
        call_id: member.call_id.as_deref(),
        expert: name.filter(|_| is_expert),
        guardian: name.filter(|_| !is_expert),
        participant: Some(&participant),
        reason,
        ..Fact::new(event, detail)
    };
    witness(cx, &member.room, fact);
}
