use std::collections::BTreeSet;

use super::state::{Change, Model, Touched};
use super::{Room, Snapshot};
use crate::value::{RoomName, Uniqueid};

impl Model {
    /// Merges the lists of a resync. Events since it began take precedence over the lists.
    pub(super) fn snapshot(&mut self, snapshot: &Snapshot, changes: &mut Vec<Change>) {
        let touched = self.touched.take().unwrap_or_default();
        for channel in &snapshot.channels {
            if !touched.channels.contains(&channel.uniqueid) {
                self.update(channel, changes);
            }
        }
        for room in &snapshot.rooms {
            self.merge_room(room, &touched, changes);
        }
        // An unreadable row may be the missing object.
        if snapshot.unreadable == 0 {
            self.end_vanished(snapshot, &touched, changes);
        }
        changes.push(Change::InStep);
    }

    fn merge_room(&mut self, room: &Room, touched: &Touched, changes: &mut Vec<Change>) {
        if !touched.rooms.contains(&room.name) {
            self.start_room(&room.name, changes);
        }
        for member in &room.members {
            let id = &member.channel.uniqueid;
            if touched.members.contains(id)
                || (touched.channels.contains(id) && !self.channels.contains_key(id))
            {
                continue;
            }
            self.update(&member.channel, changes);
            self.join(&room.name, id, changes);
        }
    }

    fn end_vanished(&mut self, snapshot: &Snapshot, touched: &Touched, changes: &mut Vec<Change>) {
        let mut present: BTreeSet<&Uniqueid> = snapshot
            .channels
            .iter()
            .map(|channel| &channel.uniqueid)
            .collect();
        let mut memberships: BTreeSet<(&RoomName, &Uniqueid)> = BTreeSet::new();
        for room in &snapshot.rooms {
            // A channel created between two lists is only in the later one.
            present.extend(room.members.iter().map(|member| &member.channel.uniqueid));
            memberships.extend(
                room.members
                    .iter()
                    .map(|member| (&room.name, &member.channel.uniqueid)),
            );
        }
        let gone = self
            .channels
            .values()
            .map(|entry| entry.known.channel.clone())
            .filter(|channel| {
                !present.contains(&channel.uniqueid)
                    && !touched.channels.contains(&channel.uniqueid)
            });
        for channel in gone.collect::<Vec<_>>() {
            self.hang_up(&channel, None, None, changes);
        }
        let left = self
            .rooms
            .iter()
            .flat_map(|(room, members)| members.iter().map(move |id| (room.clone(), id.clone())));
        let left = left.filter(|(room, id)| {
            !memberships.contains(&(room, id)) && !touched.members.contains(id)
        });
        for (room, id) in left.collect::<Vec<_>>() {
            self.leave(&room, &id, changes);
        }
        let listed: BTreeSet<&RoomName> = snapshot.rooms.iter().map(|room| &room.name).collect();
        let ended = self
            .rooms
            .keys()
            .filter(|room| !listed.contains(room) && !touched.rooms.contains(*room));
        for room in ended.cloned().collect::<Vec<_>>() {
            self.end_room(&room, changes);
        }
    }
}
