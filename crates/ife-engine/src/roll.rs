//! The rooms and their members as the log has them, and the admissions that are live. They outlive
//! a restart, so that the next process goes on with the log where this one was.

use std::collections::BTreeMap;

use ife_ami::value::{RoomName, Uniqueid};
use serde::{Deserialize, Serialize};

use crate::record::{Line, text};

ife_words::words! {
    /// The part that a member has in its room, in the words of the API.
    #[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
    #[serde(rename_all = "snake_case")]
    pub enum Role {
        /// An expert, by an approved call.
        Expert = "expert",
        /// A guardian who was called, or was admitted.
        Guardian = "guardian",
        /// Any other party.
        Unknown = "unknown",
    }
}

/// A member of a room.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Member {
    /// Its channel.
    #[serde(with = "text")]
    pub channel: Uniqueid,
    /// Its room.
    #[serde(with = "text")]
    pub room: RoomName,
    /// Its part.
    pub role: Role,
    /// Expert id, name of the guardian, or `unknown`.
    pub name: String,
    /// Whether the room hears it.
    #[serde(default)]
    pub muted: bool,
    /// Correlates everything about one escalation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trace_id: Option<String>,
    /// The bridge's name of an expert's call.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub call_id: Option<String>,
}

/// An admission of a guardian.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Admitted {
    /// Name in the configuration.
    pub guardian: String,
    /// The room.
    #[serde(with = "text")]
    pub room: RoomName,
    /// Bandwidth granted, bit/s.
    pub bandwidth_bps: u64,
    /// When the terminal must have dialled in, Unix milliseconds; 0 when it was withdrawn.
    pub until_ms: u64,
}

/// Rooms, members and admissions.
#[derive(Debug, Default)]
pub struct Roll {
    /// Open rooms, with the trace id of the call that opened each.
    rooms: BTreeMap<RoomName, Option<String>>,
    members: BTreeMap<Uniqueid, Member>,
    admissions: BTreeMap<String, Admitted>,
    /// Number of the gateway's last note that was followed.
    noted: Option<u64>,
}

impl Roll {
    /// Rooms that are open by the log.
    pub fn rooms(&self) -> impl Iterator<Item = &RoomName> {
        self.rooms.keys()
    }

    /// Whether a room is open by the log.
    pub fn has_room(&self, room: &RoomName) -> bool {
        self.rooms.contains_key(room)
    }

    /// Trace id of the call that opened a room.
    pub fn trace_of(&self, room: &RoomName) -> Option<&str> {
        self.rooms.get(room)?.as_deref()
    }

    /// Notes that a room is open.
    pub fn add_room(&mut self, room: RoomName, trace_id: Option<String>) {
        self.rooms.insert(room, trace_id);
    }

    /// Notes that a room is open no longer.
    pub fn remove_room(&mut self, room: &RoomName) {
        self.rooms.remove(room);
    }

    /// Everybody who is in a room by the log.
    pub fn members(&self) -> impl Iterator<Item = &Member> {
        self.members.values()
    }

    /// The members of one room.
    pub fn members_of(&self, room: &RoomName) -> impl Iterator<Item = &Member> {
        self.members().filter(move |member| member.room == *room)
    }

    /// The member whose channel it is.
    pub fn member(&self, channel: &Uniqueid) -> Option<&Member> {
        self.members.get(channel)
    }

    /// Notes a member, or a change of it.
    pub fn set_member(&mut self, member: Member) {
        self.members.insert(member.channel.clone(), member);
    }

    /// Notes that a member has left.
    pub fn remove_member(&mut self, channel: &Uniqueid) -> Option<Member> {
        self.members.remove(channel)
    }

    /// All admissions that were not dropped.
    pub fn admissions(&self) -> impl Iterator<Item = &Admitted> {
        self.admissions.values()
    }

    /// The admission of a guardian.
    pub fn admission(&self, guardian: &str) -> Option<&Admitted> {
        self.admissions.get(guardian)
    }

    /// Notes an admission, in place of an earlier one of the guardian.
    pub fn set_admission(&mut self, admitted: Admitted) {
        self.admissions.insert(admitted.guardian.clone(), admitted);
    }

    /// Drops an admission.
    pub fn drop_admission(&mut self, guardian: &str) {
        self.admissions.remove(guardian);
    }

    /// Number of the gateway's last note that was followed; `None` before the first reading.
    pub fn noted(&self) -> Option<u64> {
        self.noted
    }

    /// Notes the number of the gateway's last note that was followed.
    pub fn set_noted(&mut self, number: u64) {
        self.noted = Some(number);
    }

    /// The fewest lines from which all of it can be read again.
    pub(crate) fn lines(&self) -> impl Iterator<Item = Line> {
        let rooms = self.rooms.iter().map(|(room, trace_id)| Line::RoomOpen {
            room: room.clone(),
            trace_id: trace_id.clone(),
        });
        let members = self.members().cloned().map(Box::new).map(Line::Member);
        let admissions = self.admissions().cloned().map(Line::Admitted);
        let noted = self.noted.map(|number| Line::Noted { number });
        rooms.chain(members).chain(admissions).chain(noted)
    }
}
