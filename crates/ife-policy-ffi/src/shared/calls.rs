//! Calls that the gate approved: the keys by which later requests and replies are matched, and the
//! holder of each seat.
//!
//! ```text
//! EMPTY --begin--> PENDING --publish--> ACTIVE --end--> ENDED --lingered, begin--> PENDING ...
//!                     `--abort, withdraw--> FREE (ENDED, expired)
//! control word: expires_s (32) | tag of the Call-ID (29) | state (3)
//! ```
//!
//! Tables are searched by Call-ID alone. Two workers that begin the same call at the same instant
//! may claim two slots: each then searches for the other; the higher slot withdraws, the lower one
//! waits for that. A worker killed in between leaves a PENDING record, which no search finds; the
//! next sole owner of the state frees it, see `recovery`. Only the owner writes a PENDING record;
//! its flags, seat, dialogs and parties change later, word by word.

mod party;
mod record;
mod recovery;
mod search;

use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};

use ife_guard::CallKey;

use super::hash::Key;
use super::quota::Seat;
use super::step::step;
pub(crate) use party::{Known, NextHop, Party};
pub(super) use record::RECORD_WORDS;
use record::Record;
pub(crate) use record::{Call, RingEntry, Side, Stage};

const SLOTS_PER_LINE: usize = 8;
const LINES_MAX: usize = 16;
const TRIES: usize = 64;
const LOOKS: usize = 256;
/// Reads of a record whose lease other workers change.
const RELOADS: usize = 8;
/// How long late requests still match an ended call, seconds: 64 x T1 of RFC 3261.
const LINGER_S: u64 = 32;

const PENDING: u64 = 1;
const ACTIVE: u64 = 2;
const ENDED: u64 = 3;
const STATE_MASK: u64 = 7;
const TAG_MASK: u64 = (1 << 29) - 1;

/// A record as a search found it. Changes are refused once the slot belongs to another call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct CallRef {
    slot: usize,
    control: u64,
}

impl CallRef {
    /// Returns whether both are the same record, under any lease.
    pub(crate) fn is_same(self, other: Self) -> bool {
        let tag = |call_ref: Self| call_ref.control & (TAG_MASK << 3);
        self.slot == other.slot && tag(self) == tag(other)
    }
}

/// A record that only this process may write until it is published.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Begun {
    call_ref: CallRef,
    /// The tag by which the call holds its seat.
    pub(crate) seat_tag: u32,
}

/// Answer of [`Calls::begin`].
pub(crate) enum Begin {
    Begun(Begun),
    /// The call is under way, perhaps by another worker at this instant.
    Already,
    Full,
}

/// The new lease of a seat.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Lease {
    pub(crate) seat: Seat,
    pub(crate) tag: u32,
    pub(crate) expires_s: u64,
}

/// The sender of a request within a dialog, by its tags.
#[derive(Clone, Copy)]
pub(crate) struct Tags<'a> {
    pub(crate) from: &'a [u8],
    pub(crate) to: &'a [u8],
}

/// One dialog of a call, as a message within it names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Dialog {
    pub(crate) number: usize,
    /// The From tag of the message is the caller's.
    pub(crate) is_from_caller: bool,
}

impl Dialog {
    pub(crate) fn from(self) -> Side {
        if self.is_from_caller {
            Side::Caller
        } else {
            Side::Callee(self.number)
        }
    }

    pub(crate) fn to(self) -> Side {
        if self.is_from_caller {
            Side::Callee(self.number)
        } else {
            Side::Caller
        }
    }
}

pub(crate) struct Calls<'a> {
    pub(super) control: &'a [AtomicU64],
    pub(super) data: &'a [AtomicU64],
    pub(super) key: Key,
}

impl<'a> Calls<'a> {
    /// Returns the tag by which the call holds its seat; never 0.
    pub(crate) fn seat_tag(&self, key: &CallKey) -> u32 {
        let mut both = [0; 32];
        both[..16].copy_from_slice(&key.call_id);
        both[16..].copy_from_slice(&key.caller_tag);
        (self.key.hash(&both).low >> 32) as u32 | 1
    }

    /// Makes a record of the call, PENDING until `expires_s`, or returns [`Begin::Already`].
    pub(crate) fn begin(
        &self,
        key: &CallKey,
        expert: u64,
        seat: Seat,
        expires_s: u64,
        now_s: u64,
    ) -> Begin {
        let hash = self.key.hash(&key.call_id);
        let seat_tag = self.seat_tag(key);
        for _ in 0..TRIES {
            let (own, free) = self.look(key, hash, now_s, None);
            if own.is_some() {
                return Begin::Already;
            }
            let Some(free) = free else { return Begin::Full };
            let control =
                expires_s.min(u64::from(u32::MAX)) << 32 | (hash.low & TAG_MASK) << 3 | PENDING;
            step();
            if self.control[free.slot]
                .compare_exchange(free.control, control, SeqCst, SeqCst)
                .is_err()
            {
                continue;
            }
            let call_ref = CallRef {
                slot: free.slot,
                control,
            };
            self.record(call_ref.slot).set_identity(key, expert, seat);
            if self.alone(key, hash, call_ref, now_s) {
                return Begin::Begun(Begun { call_ref, seat_tag });
            }
            self.free(call_ref);
            return Begin::Already;
        }
        Begin::Full
    }

    /// Returns the call with this key, if it is ACTIVE or PENDING.
    pub(crate) fn under_way(&self, key: &CallKey, now_s: u64) -> Option<CallRef> {
        self.look(key, self.key.hash(&key.call_id), now_s, None).0
    }

    /// Returns true if a call with this Call-ID may have a record, in any state.
    pub(crate) fn is_held(&self, call_id: &[u8], now_s: u64) -> bool {
        let call_id = CallKey::hash(call_id);
        let hash = self.key.hash(&call_id);
        let mut is_held = false;
        self.each(hash, |slot, control| {
            let is_tagged = (control >> 3) & TAG_MASK == hash.low & TAG_MASK;
            // A PENDING record may lack its identity.
            is_held |= expires_s(control) >= now_s
                && is_tagged
                && (control & STATE_MASK == PENDING || self.record(slot).has_call_id(&call_id));
        });
        is_held
    }

    /// Fills and publishes a record, so that searches find it.
    pub(crate) fn publish(&self, begun: Begun, call: &Call, max_call_s: u32) -> Option<CallRef> {
        self.record(begun.call_ref.slot).set_call(call, max_call_s);
        self.to_state(begun.call_ref, ACTIVE)
    }

    /// Notes a further decision about an active call: its entry and CSeq.
    pub(crate) fn redecide(&self, call_ref: CallRef, call: &Call) {
        self.record(call_ref.slot).set_decision(call);
    }

    /// Notes the progress of the decision's entry: 1 in a ring, 2 on disk.
    pub(crate) fn witnessed(&self, call_ref: CallRef, level: u32) {
        self.record(call_ref.slot).set_witnessed(level);
    }

    /// Notes that the decision has no entry: the ring had no room.
    pub(crate) fn forget_entry(&self, call_ref: CallRef) {
        self.record(call_ref.slot).forget_entry();
    }

    /// Notes that the answer of a dialog, or the call's end (`None`), has an entry.
    pub(crate) fn set_logged(&self, call_ref: CallRef, dialog: Option<usize>) {
        self.record(call_ref.slot).set_logged(dialog);
    }

    pub(crate) fn is_answer_logged(&self, call_ref: CallRef, dialog: usize) -> bool {
        self.record(call_ref.slot).is_answer_logged(dialog)
    }

    /// Returns the dialog of a message: same Call-ID, the caller's tag, and a known tag of the
    /// callee.
    pub(crate) fn find_dialog(
        &self,
        call_id: &[u8],
        tags: Tags<'_>,
        now_s: u64,
    ) -> Option<(CallRef, Call, Dialog)> {
        let (from, to) = (self.tag_word(tags.from), self.tag_word(tags.to));
        let (from_key, to_key) = (CallKey::hash(tags.from), CallKey::hash(tags.to));
        let dialog = |record: Record<'_>| {
            if record.has_caller_tag(&from_key)
                && let Some(number) = record.dialog(to)
            {
                return Some(Dialog {
                    number,
                    is_from_caller: true,
                });
            }
            let number = record
                .has_caller_tag(&to_key)
                .then(|| record.dialog(from))??;
            Some(Dialog {
                number,
                is_from_caller: false,
            })
        };
        let (call_ref, call) = self.find(call_id, now_s, |record| dialog(record).is_some())?;
        let dialog = dialog(self.record(call_ref.slot))?;
        Some((call_ref, call, dialog))
    }

    pub(crate) fn party(&self, call_ref: CallRef, side: Side) -> Party<'a> {
        self.record(call_ref.slot).party(side, self.key)
    }

    /// Returns the key of the hashes that parties hold.
    pub(crate) fn key(&self) -> Key {
        self.key
    }

    /// Returns the callee's dialog with this tag, made if needed; `None` without tag or room.
    pub(crate) fn learn_dialog(
        &self,
        call_ref: CallRef,
        tag: &[u8],
        confirmed: bool,
    ) -> Option<usize> {
        if tag.is_empty() {
            return None;
        }
        let tag = self.tag_word(tag);
        self.record(call_ref.slot).dialog_for(tag, confirmed)
    }

    pub(crate) fn stage(&self, call_ref: CallRef, dialog: usize) -> Stage {
        self.record(call_ref.slot).stage(dialog)
    }

    /// Moves a dialog on and returns its previous stage.
    pub(crate) fn set_stage(&self, call_ref: CallRef, dialog: usize, stage: Stage) -> Stage {
        self.record(call_ref.slot).set_stage(dialog, stage)
    }

    /// Returns true while a dialog of the call is confirmed and has not ended.
    pub(crate) fn has_confirmed(&self, call_ref: CallRef) -> bool {
        self.record(call_ref.slot).has_confirmed()
    }

    /// Returns true if a side of a call under way was heard at `ip`. Reads every record.
    pub(crate) fn is_heard(&self, ip: IpAddr, now_s: u64) -> bool {
        self.control.iter().enumerate().any(|(slot, control)| {
            let control = control.load(SeqCst);
            control & STATE_MASK == ACTIVE
                && expires_s(control) >= now_s
                && Record::sides()
                    .any(|side| self.record(slot).party(side, self.key).knows(ip) == Known::Heard)
        })
    }

    /// Returns the call of a message by its Call-ID and caller's tag.
    pub(crate) fn find_caller(
        &self,
        call_id: &[u8],
        caller_tag: &[u8],
        now_s: u64,
    ) -> Option<(CallRef, Call)> {
        let tag = CallKey::hash(caller_tag);
        self.find(call_id, now_s, |record| record.has_caller_tag(&tag))
    }

    /// Returns the call of a Call-ID, by any caller.
    pub(crate) fn find_call_id(&self, call_id: &[u8], now_s: u64) -> Option<(CallRef, Call)> {
        self.find(call_id, now_s, |_| true)
    }

    /// Starts the lease of an answered call: its record, and then its seat, last `max_call_s` from
    /// `now_s`. Returns the lease to change.
    pub(crate) fn connect(&self, call_ref: CallRef, now_s: u64) -> Option<Lease> {
        let record = self.record(call_ref.slot);
        let lease = self.change_lease(call_ref, now_s + record.max_call_s());
        record.set_connected();
        lease
    }

    /// Shortens the lease of a call whose end may not be seen. Returns the lease to change.
    pub(crate) fn shorten(&self, call_ref: CallRef, expires_s: u64) -> Option<Lease> {
        if self::expires_s(call_ref.control) <= expires_s {
            None
        } else {
            self.change_lease(call_ref, expires_s)
        }
    }

    /// Ends the lease of a ringing call at `expires_s` at the earliest. Returns the lease to
    /// change.
    pub(crate) fn prolong(&self, call_ref: CallRef, expires_s: u64) -> Option<Lease> {
        if self::expires_s(call_ref.control) >= expires_s {
            None
        } else {
            self.change_lease(call_ref, expires_s)
        }
    }

    fn change_lease(&self, call_ref: CallRef, expires_s: u64) -> Option<Lease> {
        let record = self.record(call_ref.slot);
        let expires_s = expires_s.min(u64::from(u32::MAX));
        let control = expires_s << 32 | (call_ref.control & (TAG_MASK << 3)) | ACTIVE;
        step();
        self.control[call_ref.slot]
            .compare_exchange(call_ref.control, control, SeqCst, SeqCst)
            .ok()?;
        let seat = record.seat()?;
        Some(Lease {
            seat,
            tag: self.seat_tag(&record.key()),
            expires_s,
        })
    }

    /// Ends the call. Its record lingers for late requests. Returns the seat to release.
    pub(crate) fn end(&self, call_ref: CallRef, now_s: u64) -> Option<(Seat, u32)> {
        let record = self.record(call_ref.slot);
        let seat = (record.seat()?, self.seat_tag(&record.key()));
        if call_ref.control & STATE_MASK == ACTIVE {
            let control = (now_s + LINGER_S).min(u64::from(u32::MAX)) << 32
                | (call_ref.control & (TAG_MASK << 3))
                | ENDED;
            step();
            // Refused after another worker ended the call or took the slot; the tag protects the
            // seat.
            let _ = self.control[call_ref.slot].compare_exchange(
                call_ref.control,
                control,
                SeqCst,
                SeqCst,
            );
        }
        Some(seat)
    }

    /// Removes the call as if it had never begun. Returns the seat to release.
    pub(crate) fn abort(&self, call_ref: CallRef) -> Option<(Seat, u32)> {
        let record = self.record(call_ref.slot);
        let seat = record
            .seat()
            .map(|seat| (seat, self.seat_tag(&record.key())));
        step();
        self.free(call_ref);
        seat
    }

    pub(crate) fn active(&self, now_s: u64) -> u64 {
        let active = |control: &&AtomicU64| {
            let control = control.load(SeqCst);
            control & STATE_MASK == ACTIVE && expires_s(control) >= now_s
        };
        self.control.iter().filter(active).count() as u64
    }

    fn to_state(&self, call_ref: CallRef, state: u64) -> Option<CallRef> {
        let control = call_ref.control & !STATE_MASK | state;
        step();
        self.control[call_ref.slot]
            .compare_exchange(call_ref.control, control, SeqCst, SeqCst)
            .ok()?;
        Some(CallRef {
            slot: call_ref.slot,
            control,
        })
    }

    fn free(&self, call_ref: CallRef) {
        let control = call_ref.control & (TAG_MASK << 3) | ENDED;
        let _ =
            self.control[call_ref.slot].compare_exchange(call_ref.control, control, SeqCst, SeqCst);
    }

    fn tag_word(&self, tag: &[u8]) -> u64 {
        self.key.hash(tag).low | 1
    }

    fn record(&self, slot: usize) -> Record<'a> {
        Record(&self.data[slot * RECORD_WORDS..(slot + 1) * RECORD_WORDS])
    }
}

fn expires_s(control: u64) -> u64 {
    control >> 32
}
