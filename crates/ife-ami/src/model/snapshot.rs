use std::collections::VecDeque;

use crate::event::{Channel, channel_row};
use crate::value::RoomName;
use crate::wire::Message;

/// All channels and rooms, from the lists of one resync.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Snapshot {
    /// Channels.
    pub channels: Vec<Channel>,
    /// Rooms. Rows count participants: `Parties` and `BridgeNumChannels` include announcers.
    pub rooms: Vec<Room>,
    /// Number of unreadable rows. If not 0, objects absent here may still exist.
    pub unreadable: usize,
}

/// A conference room.
#[derive(Debug, Clone, PartialEq)]
pub struct Room {
    /// Its name.
    pub name: RoomName,
    /// Its participants.
    pub members: Vec<Member>,
}

/// A participant of a room.
#[derive(Debug, Clone, PartialEq)]
pub struct Member {
    /// Its channel.
    pub channel: Channel,
    /// Whether it is muted.
    pub muted: bool,
}

impl Snapshot {
    pub(crate) fn add_channels(&mut self, rows: &[Message]) {
        for row in rows {
            match channel_row(row.view()) {
                Ok(channel) => self.channels.push(channel),
                Err(_) => self.unreadable += 1,
            }
        }
    }

    pub(crate) fn room_names(rows: &[Message]) -> VecDeque<RoomName> {
        // Rooms with names outside our alphabet do not belong to the bridge.
        rows.iter()
            .filter_map(|row| RoomName::parse(row.view().first("Conference")?).ok())
            .collect()
    }

    pub(crate) fn add_room(&mut self, mut room: Room, rows: &[Message]) {
        for row in rows {
            match channel_row(row.view()) {
                Ok(channel) => {
                    let muted = row
                        .view()
                        .first("Muted")
                        .is_some_and(|value| value.eq_ignore_ascii_case(b"yes"));
                    room.members.push(Member { channel, muted });
                }
                Err(_) => self.unreadable += 1,
            }
        }
        self.rooms.push(room);
    }
}
