//! All calls: those under way, those that ended lately, and the channels of both.

mod dial;
mod evidence;
mod legs;
mod messages;
mod moving;
mod notify;
mod orders;
mod shown;
mod slot;

use std::{
    collections::{BTreeMap, VecDeque},
    time::Duration,
};

use ife_ami::{
    Model,
    event::Channel,
    value::{RoomName, Uniqueid},
};
use ife_call::{Backend, Leg};

pub(crate) use dial::{RECORD, place, record_of};
pub(crate) use legs::{Bridges, LegChannel, Names, Ours, Part, hex_of};
pub(crate) use orders::Consequence;
pub(crate) use slot::Slot;

pub(crate) use crate::record::CallId;

use crate::{context::Context, council::context, decisions, timers::Due};
use legs::Legs;

/// A call that ended is kept for so long, because a leg may show itself and must be hung up.
const LINGER: Duration = Duration::from_secs(60);
/// Calls that are kept for it, so that a flood of short calls does not fill the memory. A leg of an
/// earlier one is found by the next comparison.
const LINGERING_MAX: usize = 256;

/// Owner of all calls.
#[derive(Debug, Default)]
pub(crate) struct Calls {
    slots: BTreeMap<CallId, Slot>,
    legs: Legs,
    /// Calls that ended and are kept, in the order of their ends.
    lingering: VecDeque<CallId>,
}

impl Calls {
    pub(crate) fn get(&self, call_id: &str) -> Option<&Slot> {
        self.slots.get(call_id)
    }

    pub(crate) fn get_mut(&mut self, call_id: &str) -> Option<&mut Slot> {
        self.slots.get_mut(call_id)
    }

    pub(crate) fn contains(&self, call_id: &str) -> bool {
        self.slots.contains_key(call_id)
    }

    pub(crate) fn all(&self) -> impl Iterator<Item = &Slot> {
        self.slots.values()
    }

    pub(crate) fn ids(&self) -> Vec<CallId> {
        self.slots.keys().cloned().collect()
    }

    /// Calls that have not ended.
    pub(crate) fn live(&self) -> impl Iterator<Item = &Slot> {
        self.all().filter(|slot| slot.is_live())
    }

    /// Calls to a room that have not ended.
    pub(crate) fn live_in(&self, room: &RoomName) -> impl Iterator<Item = &Slot> {
        self.live().filter(move |slot| slot.room() == room)
    }

    pub(crate) fn live_in_mut(&mut self, room: &RoomName) -> impl Iterator<Item = &mut Slot> {
        let slots = self.slots.values_mut();
        slots.filter(move |slot| slot.is_live() && slot.room() == room)
    }

    /// Takes a call in, with the channels that it has already.
    pub(crate) fn insert(&mut self, slot: Slot) {
        let id = slot.id().clone();
        if let Some(channel) = slot.channel(Leg::Expert(0)) {
            let place = LegChannel {
                call: id.clone(),
                leg: Leg::Expert(0),
                part: Part::Primary,
            };
            self.legs.add(channel.clone(), place);
        }
        self.slots.insert(id, slot);
    }

    /// The leg that a channel belongs to.
    pub(crate) fn place(&self, channel: &Uniqueid) -> Option<&LegChannel> {
        self.legs.place(channel)
    }

    /// The leg that a channel belongs to, with its call.
    pub(crate) fn at(&mut self, channel: &Uniqueid) -> Option<(LegChannel, &mut Slot)> {
        let place = self.legs.place(channel)?.clone();
        let slot = self.slots.get_mut(&place.call)?;
        Some((place, slot))
    }

    /// Drops a channel that is gone.
    pub(crate) fn remove_channel(&mut self, channel: &Uniqueid) {
        self.legs.remove(channel);
    }

    /// Carries out the orders of a call up to one that concerns other parts.
    pub(crate) fn work(&mut self, cx: &mut Context, call_id: &str) -> Option<Consequence> {
        self.slots.get_mut(call_id)?.work(cx, &mut self.legs)
    }

    /// Finds the leg of a channel; false when it belongs to no call of this bridge.
    pub(crate) fn settle_place(&mut self, cx: &Context, channel: &Channel) -> bool {
        let id = &channel.uniqueid;
        if self.place(id).is_some() {
            return true;
        }
        let place = match cx.names.parse(id) {
            Some(Ours::Expert { call_id, attempt }) => self.get(&call_id).map(|slot| LegChannel {
                call: slot.id().clone(),
                leg: Leg::Expert(attempt),
                part: Part::Primary,
            }),
            Some(Ours::Far | Ours::Guardian { .. }) => None,
            None => self.place_of_child(cx, channel),
        };
        let Some(place) = place else {
            return false;
        };
        if let Some(slot) = self.get_mut(&place.call) {
            slot.set_channel(place.leg, place.part, id.clone());
        }
        self.legs.add(id.clone(), place);
        true
    }

    /// The leg of a channel that a leg of this bridge dialled: the SIP channel behind the Local
    /// one, or the H.323 leg to an MCU.
    fn place_of_child(&self, cx: &Context, channel: &Channel) -> Option<LegChannel> {
        let parent = self.place(&channel.linkedid)?;
        let (leg, part) = match channel.name.driver() {
            b"PJSIP" if cx.names.parse(&channel.linkedid).is_some() => (parent.leg, Part::Sip),
            b"OOH323" if cx.settings.council.backend == Backend::Mcu => {
                (Leg::Council, Part::Primary)
            }
            _ => return None,
        };
        let call = parent.call.clone();
        Some(LegChannel { call, leg, part })
    }

    /// Whether a call of this bridge goes to the room, or an expert is in it, whom any bridge
    /// called or who called in.
    pub(crate) fn uses(&self, model: &Model, room: &RoomName) -> bool {
        let mut channels = model.channels();
        self.live_in(room).next().is_some()
            || channels.any(|known| {
                known.room.as_ref() == Some(room)
                    && match Bridges::parse(&known.channel.uniqueid) {
                        Some(Bridges::Expert(_)) => true,
                        Some(Bridges::Guardian(_)) => false,
                        None => {
                            known.channel.context.as_bytes() == context::FROM_KAMAILIO.as_bytes()
                        }
                    }
            })
    }

    /// Keeps a call that has ended for a while.
    pub(crate) fn linger(&mut self, cx: &mut Context, call_id: CallId) {
        cx.after(LINGER, Due::Forget(call_id.clone()));
        self.lingering.push_back(call_id);
        if self.lingering.len() > LINGERING_MAX
            && let Some(oldest) = self.lingering.front().cloned()
        {
            self.forget(cx, &oldest);
        }
    }

    /// Keeps nothing of a call but its history.
    pub(crate) fn forget(&mut self, cx: &mut Context, call_id: &str) {
        self.lingering.retain(|lingering| **lingering != *call_id);
        if let Some(slot) = self.slots.remove(call_id) {
            slot.channels()
                .for_each(|channel| self.legs.remove(channel));
            if let Some(oldest) = cx.ledger.end(slot.detail(cx)) {
                decisions::forget(cx, &oldest.call);
            }
        }
    }
}
