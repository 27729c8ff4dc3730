use std::collections::{BTreeMap, BTreeSet};

use crate::event::{Channel, ChannelState, Event};
use crate::session::Output;
use crate::value::{ChannelName, RoomName, Uniqueid};

/// Channels and rooms, in step with Asterisk if every [`Output`] of a session is applied in order.
///
/// Events and resyncs produce the same [`Change`]s. Asterisk's channels bound the memory.
#[derive(Debug, Default)]
pub struct Model {
    pub(super) channels: BTreeMap<Uniqueid, Entry>,
    pub(super) rooms: BTreeMap<RoomName, BTreeSet<Uniqueid>>,
    /// Objects with events since the current resync began, whose lists may be older.
    pub(super) touched: Option<Touched>,
}

#[derive(Debug)]
pub(super) struct Entry {
    pub(super) known: Known,
    ringing: bool,
}

/// A channel in the model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Known {
    /// Its last reported state.
    pub channel: Channel,
    /// Its room.
    pub room: Option<RoomName>,
}

#[derive(Debug, Default)]
pub(super) struct Touched {
    pub(super) channels: BTreeSet<Uniqueid>,
    pub(super) rooms: BTreeSet<RoomName>,
    pub(super) members: BTreeSet<Uniqueid>,
}

/// A change of the model.
#[derive(Debug, Clone, PartialEq)]
pub enum Change {
    /// A channel was added.
    Appeared(Channel),
    /// A channel's far side rings.
    Ringing(Uniqueid),
    /// A channel was answered.
    Up(Uniqueid),
    /// The far side requested the channel's end. It may leave its room before `Gone`.
    Leaving {
        /// The channel.
        uniqueid: Uniqueid,
        /// The channel driver's code, for PJSIP the SIP status; `None` if not reported.
        tech_cause: Option<u64>,
    },
    /// A channel ended.
    Gone {
        /// The channel.
        channel: Channel,
        /// Q.850 cause of `Hangup`; `None` if only a resync revealed the end.
        cause: Option<u8>,
        /// The channel driver's code, for PJSIP the SIP status; `None` if not reported.
        tech_cause: Option<u64>,
    },
    /// An `Originate` failed and there is no channel of that id: no `Hangup` follows.
    NoChannel(Uniqueid),
    /// A channel joined a room.
    Joined {
        /// The channel.
        uniqueid: Uniqueid,
        /// The room.
        room: RoomName,
    },
    /// A channel left a room.
    Left {
        /// The channel.
        uniqueid: Uniqueid,
        /// The room.
        room: RoomName,
    },
    /// A room was added.
    RoomStarted(RoomName),
    /// A room ended.
    RoomEnded(RoomName),
    /// A resync was merged: the model equals Asterisk's state. Compare calls with it.
    InStep,
}

impl Model {
    /// Returns an empty model.
    pub fn new() -> Self {
        Self::default()
    }

    /// Returns the channel of that id.
    pub fn channel(&self, id: &Uniqueid) -> Option<&Known> {
        self.channels.get(id).map(|entry| &entry.known)
    }

    /// Returns whether that channel's far side has rung.
    pub fn is_ringing(&self, id: &Uniqueid) -> bool {
        self.channels.get(id).is_some_and(|entry| entry.ringing)
    }

    /// Returns all channels, unordered.
    pub fn channels(&self) -> impl Iterator<Item = &Known> {
        self.channels.values().map(|entry| &entry.known)
    }

    /// Returns the participants of a room, `None` if there is no such room.
    pub fn members(&self, room: &RoomName) -> Option<impl Iterator<Item = &Known>> {
        let members = self.rooms.get(room)?;
        Some(members.iter().filter_map(|id| self.channel(id)))
    }

    /// Returns all rooms, unordered.
    pub fn rooms(&self) -> impl Iterator<Item = &RoomName> {
        self.rooms.keys()
    }

    /// Applies an output of the session and appends the changes to `changes`.
    pub fn apply(&mut self, output: &Output, changes: &mut Vec<Change>) {
        match output {
            Output::Event(event) => self.event(event, changes),
            Output::ResyncStarted => self.touched = Some(Touched::default()),
            Output::Snapshot(snapshot) => self.snapshot(snapshot, changes),
            Output::Gap(_) | Output::Down(_) | Output::ResyncFailed(_) => self.touched = None,
            Output::Connect | Output::Close | Output::Up(_) | Output::Answer { .. } => {}
        }
    }

    fn event(&mut self, event: &Event, changes: &mut Vec<Change>) {
        match event {
            // Only this event creates a channel: any other may follow its `Hangup`.
            Event::Newchannel(channel) => {
                self.touch_channel(channel);
                self.update(channel, changes);
            }
            Event::Shown(channel) => self.update_known(channel, changes),
            Event::HangupRequest {
                channel,
                tech_cause,
            } => {
                self.update_known(channel, changes);
                if self.channels.contains_key(&channel.uniqueid) {
                    changes.push(Change::Leaving {
                        uniqueid: channel.uniqueid.clone(),
                        tech_cause: *tech_cause,
                    });
                }
            }
            Event::Dial { from, to, ringing } => {
                from.iter()
                    .for_each(|from| self.update_known(from, changes));
                self.update_known(to, changes);
                if *ringing {
                    self.ring(&to.uniqueid, changes);
                }
            }
            Event::Hangup {
                channel,
                cause,
                tech_cause,
            } => {
                // A channel that ends in state `Up` was answered, even if that event was missed.
                self.update_known(channel, changes);
                self.hang_up(channel, Some(*cause), *tech_cause, changes);
            }
            Event::OriginateFailed(id) => {
                if !self.channels.contains_key(id) {
                    changes.push(Change::NoChannel(id.clone()));
                }
            }
            Event::ConfbridgeStart { room } => self.start_room(room, changes),
            Event::ConfbridgeEnd { room } => self.end_room(room, changes),
            Event::ConfbridgeJoin { room, channel } => {
                self.update_known(channel, changes);
                self.join(room, &channel.uniqueid, changes);
            }
            Event::ConfbridgeLeave { room, channel } => {
                self.leave(room, &channel.uniqueid, changes)
            }
            Event::Rename { uniqueid, new_name } => self.rename(uniqueid, new_name.as_bytes()),
            Event::ConfbridgeMute { .. } | Event::UserEvent { .. } => {}
        }
    }

    /// Updates a channel from an event; no effect if it is not in the model.
    fn update_known(&mut self, channel: &Channel, changes: &mut Vec<Change>) {
        if self.channels.contains_key(&channel.uniqueid) {
            self.touch_channel(channel);
            self.update(channel, changes);
        }
    }

    fn touch_channel(&mut self, channel: &Channel) {
        if let Some(touched) = &mut self.touched
            && !touched.channels.contains(&channel.uniqueid)
        {
            touched.channels.insert(channel.uniqueid.clone());
        }
    }

    /// Creates or updates a channel.
    pub(super) fn update(&mut self, channel: &Channel, changes: &mut Vec<Change>) {
        let id = &channel.uniqueid;
        let was_up = match self.channels.get_mut(id) {
            Some(entry) => {
                let shown = &mut entry.known.channel;
                let was_up = shown.state == ChannelState::Up;
                if shown != channel {
                    *shown = channel.clone();
                }
                // An answered channel stays so: a late event does not revert it.
                if was_up {
                    shown.state = ChannelState::Up;
                }
                was_up
            }
            None => {
                let known = Known {
                    channel: channel.clone(),
                    room: None,
                };
                self.channels.insert(
                    id.clone(),
                    Entry {
                        known,
                        ringing: false,
                    },
                );
                changes.push(Change::Appeared(channel.clone()));
                false
            }
        };
        if channel.state == ChannelState::Ringing {
            self.ring(id, changes);
        }
        if channel.state == ChannelState::Up && !was_up {
            changes.push(Change::Up(id.clone()));
        }
    }

    fn ring(&mut self, id: &Uniqueid, changes: &mut Vec<Change>) {
        if let Some(entry) = self.channels.get_mut(id)
            && !entry.ringing
        {
            entry.ringing = true;
            changes.push(Change::Ringing(id.clone()));
        }
    }

    pub(super) fn hang_up(
        &mut self,
        channel: &Channel,
        cause: Option<u8>,
        tech_cause: Option<u64>,
        changes: &mut Vec<Change>,
    ) {
        let id = &channel.uniqueid;
        self.touch_channel(channel);
        if let Some(room) = self
            .channels
            .get(id)
            .and_then(|entry| entry.known.room.clone())
        {
            self.leave(&room, id, changes);
        }
        self.channels.remove(id);
        changes.push(Change::Gone {
            channel: channel.clone(),
            cause,
            tech_cause,
        });
    }

    pub(super) fn start_room(&mut self, room: &RoomName, changes: &mut Vec<Change>) {
        self.touch_room(room);
        if !self.rooms.contains_key(room) {
            self.rooms.insert(room.clone(), BTreeSet::new());
            changes.push(Change::RoomStarted(room.clone()));
        }
    }

    pub(super) fn end_room(&mut self, room: &RoomName, changes: &mut Vec<Change>) {
        self.touch_room(room);
        for id in self.rooms.get(room).cloned().unwrap_or_default() {
            self.leave(room, &id, changes);
        }
        if self.rooms.remove(room).is_some() {
            changes.push(Change::RoomEnded(room.clone()));
        }
    }

    pub(super) fn join(&mut self, room: &RoomName, id: &Uniqueid, changes: &mut Vec<Change>) {
        self.start_room(room, changes);
        let Some(entry) = self.channels.get_mut(id) else {
            return;
        };
        let before = entry.known.room.replace(room.clone());
        self.touch_member(id);
        if before.as_ref() == Some(room) {
            return;
        }
        if let Some(before) = before {
            self.rooms.entry(before.clone()).or_default().remove(id);
            changes.push(Change::Left {
                uniqueid: id.clone(),
                room: before,
            });
        }
        self.rooms
            .entry(room.clone())
            .or_default()
            .insert(id.clone());
        changes.push(Change::Joined {
            uniqueid: id.clone(),
            room: room.clone(),
        });
    }

    pub(super) fn leave(&mut self, room: &RoomName, id: &Uniqueid, changes: &mut Vec<Change>) {
        self.touch_member(id);
        if let Some(members) = self.rooms.get_mut(room)
            && members.remove(id)
        {
            if let Some(entry) = self.channels.get_mut(id) {
                entry.known.room = None;
            }
            changes.push(Change::Left {
                uniqueid: id.clone(),
                room: room.clone(),
            });
        }
    }

    fn rename(&mut self, id: &Uniqueid, name: &[u8]) {
        if let (Some(entry), Ok(name)) = (self.channels.get_mut(id), ChannelName::parse(name)) {
            entry.known.channel.name = name;
        }
    }

    fn touch_room(&mut self, room: &RoomName) {
        if let Some(touched) = &mut self.touched {
            touched.rooms.insert(room.clone());
        }
    }

    fn touch_member(&mut self, id: &Uniqueid) {
        if let Some(touched) = &mut self.touched {
            touched.members.insert(id.clone());
        }
    }
}
