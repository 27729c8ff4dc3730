//! Calls that were approved here: what later requests and replies of the call are recognised by, and who holds its seat.
//!
//! ```text
//! EMPTY --begin--> PENDING --publish--> ACTIVE --end--> ENDED --lingered, begin--> PENDING ...
//!                     `--abort, withdraw--> FREE (ENDED, expired)
//! control word: expires_s (32) | tag of the Call-ID (29) | state (3)
//! ```
//!
//! Tables are searched by Call-ID alone. Two workers that begin the same call at the same instant may claim two slots: each then looks for
//! the other; the higher slot withdraws, the lower one waits until it has. A worker killed in between leaves a PENDING record, which
//! nobody can find and which expires. Only the owner writes a PENDING record, and only its tags, flags and seat change later, word by word.

use std::sync::atomic::{AtomicU64, Ordering::SeqCst};

use ife_guard::{CallKey, Direction, Text};

use super::hash::{Hash, Key};
use super::probe::Lines;
use super::quota::Seat;
use super::step::step;

/// Words of one record: 512 bytes.
pub(super) const RECORD_WORDS: usize = 64;
const SLOTS_PER_LINE: usize = 8;
const LINES_MAX: usize = 16;
const TRIES: usize = 64;
const LOOKS: usize = 256;
/// How long an ended call is still recognised: late requests of its dialog, 64 x T1 of RFC 3261.
const LINGER_S: u64 = 32;

const PENDING: u64 = 1;
const ACTIVE: u64 = 2;
const ENDED: u64 = 3;
const STATE_MASK: u64 = 7;
const TAG_MASK: u64 = (1 << 29) - 1;

/// Places in a record.
mod word {
    pub(super) const CALL_ID: usize = 0; // 2 words
    pub(super) const CALLER_TAG: usize = 2; // 2 words
    pub(super) const EXPERT: usize = 4;
    pub(super) const SEAT: usize = 5;
    pub(super) const FLAGS: usize = 6;
    pub(super) const MAX_CALL_S: usize = 7;
    pub(super) const SEQ: usize = 8;
    pub(super) const LEAF_HASH: usize = 9; // 4 words
    pub(super) const CALLEE_TAGS: usize = 13; // 4 words
    pub(super) const LENGTHS: usize = 17;
    pub(super) const TEXT: usize = 18; // trace id, hazard, expert, kid, one after the other
}
const CALLEE_TAGS: usize = 4;
const TEXT_BYTES: usize = (RECORD_WORDS - word::TEXT) * 8;
const _: () = assert!(128 + 32 + 128 + 64 <= TEXT_BYTES);

mod flag {
    pub(super) const CONNECTED: u64 = 1;
    /// The decision's entry is in a ring.
    pub(super) const WITNESSED: u64 = 2;
    /// And on disk.
    pub(super) const ON_DISK: u64 = 4;
    pub(super) const DIRECTION_SHIFT: u32 = 8; // 2 bits
    pub(super) const CSEQ_SHIFT: u32 = 32; // 32 bits
}

/// What a record says of its call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Call {
    pub(crate) connected: bool,
    pub(crate) ended: bool,
    /// 0 not, 1 in a ring, 2 on disk.
    pub(crate) witnessed: u32,
    pub(crate) direction: Direction,
    /// Of the INVITE that was approved last.
    pub(crate) cseq: u32,
    pub(crate) seq: u64,
    pub(crate) leaf_hash: [u8; 32],
    pub(crate) trace_id: Text<128>,
    pub(crate) hazard: Text<32>,
    pub(crate) expert: Text<128>,
    pub(crate) kid: Text<64>,
}

/// A record as its finder saw it. Changes through it are refused once the slot belongs to another call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    slot: usize,
    control: u64,
}

/// A record that only this process may write until it is published.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Begun {
    place: Place,
    /// Names the call on its seat.
    pub(crate) seat_tag: u32,
}

/// Answer of [`Calls::begin`].
pub(crate) enum Begin {
    Begun(Begun),
    /// Under way already, perhaps by another worker at this instant.
    Already,
    Full,
}

/// A seat's lease as it should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Lease {
    pub(crate) seat: Seat,
    pub(crate) tag: u32,
    pub(crate) expires_s: u64,
}

/// Who sent a request within a dialog, by its tags.
#[derive(Clone, Copy)]
pub(crate) struct Tags<'a> {
    pub(crate) from: &'a [u8],
    pub(crate) to: &'a [u8],
}

/// The table in shared memory.
pub(crate) struct Calls<'a> {
    pub(super) control: &'a [AtomicU64],
    pub(super) data: &'a [AtomicU64],
    pub(super) key: Key,
}

impl<'a> Calls<'a> {
    /// Tag by which the call holds its seat; never 0.
    pub(crate) fn seat_tag(&self, key: &CallKey) -> u32 {
        let mut both = [0; 32];
        both[..16].copy_from_slice(&key.call_id);
        both[16..].copy_from_slice(&key.caller_tag);
        (self.key.hash(&both).low >> 32) as u32 | 1
    }

    /// A new record of the call, PENDING until `expires_s`, or [`Begin::Already`].
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
            let place = Place {
                slot: free.slot,
                control,
            };
            self.write_identity(place, key, expert, seat);
            if self.alone(key, hash, place, now_s) {
                return Begin::Begun(Begun { place, seat_tag });
            }
            self.free(place);
            return Begin::Already;
        }
        Begin::Full
    }

    /// The call with this key, if it is ACTIVE or PENDING.
    pub(crate) fn under_way(&self, key: &CallKey, now_s: u64) -> Option<Place> {
        self.look(key, self.key.hash(&key.call_id), now_s, None).0
    }

    /// Fills and publishes a record: from here on it is found.
    pub(crate) fn publish(&self, begun: Begun, call: &Call, max_call_s: u32) -> Option<Place> {
        let record = self.record(begun.place.slot);
        let texts = [
            call.trace_id.as_bytes(),
            call.hazard.as_bytes(),
            call.expert.as_bytes(),
            call.kid.as_bytes(),
        ];
        let mut bytes = [0; TEXT_BYTES];
        let mut end = 0;
        let mut lengths = 0;
        for (i, text) in texts.into_iter().enumerate() {
            bytes[end..end + text.len()].copy_from_slice(text);
            end += text.len();
            lengths |= (text.len() as u64) << (16 * i);
        }
        record[word::LENGTHS].store(lengths, SeqCst);
        for (word, chunk) in record[word::TEXT..]
            .iter()
            .zip(bytes.chunks_exact(8))
            .take(end.div_ceil(8))
        {
            word.store(
                u64::from_le_bytes(chunk.try_into().unwrap_or_default()),
                SeqCst,
            );
        }
        record[word::MAX_CALL_S].store(u64::from(max_call_s), SeqCst);
        self.set_decision(record, call);
        self.to_state(begun.place, ACTIVE)
    }

    /// Notes a further decision about an active call: its entry and CSeq.
    pub(crate) fn redecide(&self, place: Place, call: &Call) {
        self.set_decision(self.record(place.slot), call);
    }

    /// Notes how far the decision's entry has got: 1 in a ring, 2 on disk.
    pub(crate) fn witnessed(&self, place: Place, level: u32) {
        let bit = if level >= 2 {
            flag::WITNESSED | flag::ON_DISK
        } else {
            flag::WITNESSED
        };
        self.record(place.slot)[word::FLAGS].fetch_or(bit, SeqCst);
    }

    /// The call of a request within a dialog: same Call-ID, one tag the caller's and the other one that the callee was seen with.
    pub(crate) fn find_dialog(
        &self,
        call_id: &[u8],
        tags: Tags<'_>,
        now_s: u64,
    ) -> Option<(Place, Call)> {
        let (from, to) = (self.tag_word(tags.from), self.tag_word(tags.to));
        let (from_key, to_key) = (CallKey::hash(tags.from), CallKey::hash(tags.to));
        self.find(call_id, now_s, |record| {
            let callee = |tag: u64| {
                record[word::CALLEE_TAGS..][..CALLEE_TAGS]
                    .iter()
                    .any(|word| word.load(SeqCst) == tag)
            };
            let caller = |tag: &[u8; 16]| same_bytes(&record[word::CALLER_TAG..], tag);
            (caller(&from_key) && callee(to)) || (caller(&to_key) && callee(from))
        })
    }

    /// The call of a message by its Call-ID and caller's tag.
    pub(crate) fn find_caller(
        &self,
        call_id: &[u8],
        caller_tag: &[u8],
        now_s: u64,
    ) -> Option<(Place, Call)> {
        let tag = CallKey::hash(caller_tag);
        self.find(call_id, now_s, |record| {
            same_bytes(&record[word::CALLER_TAG..], &tag)
        })
    }

    /// The call of a Call-ID, whoever called.
    pub(crate) fn find_call_id(&self, call_id: &[u8], now_s: u64) -> Option<(Place, Call)> {
        self.find(call_id, now_s, |_| true)
    }

    /// Remembers a tag that the callee answered with.
    pub(crate) fn learn_callee_tag(&self, place: Place, tag: &[u8], connected: bool) {
        if tag.is_empty() {
            return;
        }
        let tag = self.tag_word(tag);
        let tags = &self.record(place.slot)[word::CALLEE_TAGS..][..CALLEE_TAGS];
        for word in tags {
            let found = word.load(SeqCst);
            if found == tag {
                return;
            }
            match word.compare_exchange(0, tag, SeqCst, SeqCst) {
                Ok(_) => return,
                Err(other) if other == tag => return,
                Err(_) => {}
            }
        }
        if connected {
            // More branches rang than there is room for: the one that answered counts.
            tags[CALLEE_TAGS - 1].store(tag, SeqCst);
        }
    }

    /// The call was answered: its record, and then its seat, last `max_call_s` from here on. Returns the lease to change.
    pub(crate) fn connect(&self, place: Place, now_s: u64) -> Option<Lease> {
        let record = self.record(place.slot);
        let lease = self.change_lease(place, now_s + record[word::MAX_CALL_S].load(SeqCst));
        record[word::FLAGS].fetch_or(flag::CONNECTED, SeqCst);
        lease
    }

    /// The call is likely to end without our seeing it: its lease ends at `expires_s` at the latest. Returns the lease to change.
    pub(crate) fn shorten(&self, place: Place, expires_s: u64) -> Option<Lease> {
        if self::expires_s(place.control) <= expires_s {
            None
        } else {
            self.change_lease(place, expires_s)
        }
    }

    fn change_lease(&self, place: Place, expires_s: u64) -> Option<Lease> {
        let record = self.record(place.slot);
        let expires_s = expires_s.min(u64::from(u32::MAX));
        let control = expires_s << 32 | (place.control & (TAG_MASK << 3)) | ACTIVE;
        step();
        self.control[place.slot]
            .compare_exchange(place.control, control, SeqCst, SeqCst)
            .ok()?;
        let seat = Seat::from_word(record[word::SEAT].load(SeqCst))?;
        Some(Lease {
            seat,
            tag: self.seat_tag(&key_of(record)),
            expires_s,
        })
    }

    /// The call is over. It lingers, so that late requests of its dialog are recognised. Returns the seat to release.
    pub(crate) fn end(&self, place: Place, now_s: u64) -> Option<(Seat, u32)> {
        let record = self.record(place.slot);
        let seat = (
            Seat::from_word(record[word::SEAT].load(SeqCst))?,
            self.seat_tag(&key_of(record)),
        );
        if place.control & STATE_MASK == ACTIVE {
            let control = (now_s + LINGER_S).min(u64::from(u32::MAX)) << 32
                | (place.control & (TAG_MASK << 3))
                | ENDED;
            step();
            // Refused when another worker ended it or the slot changed hands; the seat's tag tells whose it is.
            let _ =
                self.control[place.slot].compare_exchange(place.control, control, SeqCst, SeqCst);
        }
        Some(seat)
    }

    /// As if the call had never begun. Returns the seat to release.
    pub(crate) fn abort(&self, place: Place) -> Option<(Seat, u32)> {
        let record = self.record(place.slot);
        let seat = Seat::from_word(record[word::SEAT].load(SeqCst))
            .map(|seat| (seat, self.seat_tag(&key_of(record))));
        step();
        self.free(place);
        seat
    }

    /// Calls under way.
    pub(crate) fn active(&self, now_s: u64) -> u64 {
        let active = |control: &&AtomicU64| {
            let control = control.load(SeqCst);
            control & STATE_MASK == ACTIVE && expires_s(control) >= now_s
        };
        self.control.iter().filter(active).count() as u64
    }

    /// Every call under way with its expert and the end of its lease, so that seats can be given anew. For a sole owner.
    pub(crate) fn reseat(
        &self,
        now_s: u64,
        mut seat_for: impl FnMut(u64, u32, u64) -> Option<Seat>,
    ) {
        for (slot, control) in self.control.iter().enumerate() {
            let control = control.load(SeqCst);
            let record = self.record(slot);
            if control & STATE_MASK == ACTIVE && expires_s(control) >= now_s {
                let tag = self.seat_tag(&key_of(record));
                let seat = seat_for(record[word::EXPERT].load(SeqCst), tag, expires_s(control));
                record[word::SEAT].store(seat.map_or(0, Seat::to_word), SeqCst);
            }
        }
    }

    fn find(
        &self,
        call_id: &[u8],
        now_s: u64,
        matches: impl Fn(&[AtomicU64]) -> bool,
    ) -> Option<(Place, Call)> {
        let call_id = CallKey::hash(call_id);
        let hash = self.key.hash(&call_id);
        let mut best: Option<(Place, Call)> = None;
        self.each(hash, |slot, control| {
            let wanted =
                matches!(control & STATE_MASK, ACTIVE | ENDED) && expires_s(control) >= now_s;
            let record = self.record(slot);
            if !wanted || !same_bytes(record, &call_id) || !matches(record) {
                return;
            }
            let call = read(record, control);
            // Unchanged control: what was read belongs to one call.
            if self.control[slot].load(SeqCst) == control
                && best.as_ref().is_none_or(|(_, b)| b.ended)
            {
                best = Some((Place { slot, control }, call));
            }
        });
        best
    }

    /// This call's own live record, other than in `except`, and the best slot for a new one: free, else one that lingers longest.
    fn look(
        &self,
        key: &CallKey,
        hash: Hash,
        now_s: u64,
        except: Option<usize>,
    ) -> (Option<Place>, Option<Place>) {
        let mut own = None;
        let mut free: Option<Place> = None;
        let mut lingering: Option<Place> = None;
        self.each(hash, |slot, control| {
            let place = Place { slot, control };
            let is_tagged = (control >> 3) & TAG_MASK == hash.low & TAG_MASK;
            if control == 0 || expires_s(control) < now_s {
                free = free.or(Some(place));
            } else if control & STATE_MASK == ENDED {
                if lingering.is_none_or(|other| control < other.control) {
                    lingering = Some(place);
                }
            } else if is_tagged
                && Some(slot) != except
                && own.is_none()
                && self.may_hold(key, place)
            {
                own = Some(place);
            }
        });
        (own, free.or(lingering))
    }

    /// Is this live record the call's? While it is PENDING its identity may not be written yet: then the tag decides.
    fn may_hold(&self, key: &CallKey, place: Place) -> bool {
        let record = self.record(place.slot);
        place.control & STATE_MASK == PENDING
            || (same_bytes(record, &key.call_id)
                && same_bytes(&record[word::CALLER_TAG..], &key.caller_tag))
    }

    /// After a claim: no other worker has claimed the same call. The lower slot waits for the higher one to withdraw.
    fn alone(&self, key: &CallKey, hash: Hash, place: Place, now_s: u64) -> bool {
        for _ in 0..LOOKS {
            step();
            match self.look(key, hash, now_s, Some(place.slot)).0 {
                None => return true,
                Some(other) if other.control & STATE_MASK == PENDING && other.slot > place.slot => {
                    std::thread::yield_now()
                }
                Some(_) => return false,
            }
        }
        false
    }

    /// Every used slot of the name's probe order, up to the first that was never used, which is reported too.
    fn each(&self, hash: Hash, mut visit: impl FnMut(usize, u64)) {
        for line in Lines::new(hash, self.control.len(), SLOTS_PER_LINE, LINES_MAX) {
            for slot in line..line + SLOTS_PER_LINE {
                step();
                let control = self.control[slot].load(SeqCst);
                visit(slot, control);
                if control == 0 {
                    return;
                }
            }
        }
    }

    fn write_identity(&self, place: Place, key: &CallKey, expert: u64, seat: Seat) {
        let record = self.record(place.slot);
        store_bytes(&record[word::CALL_ID..], &key.call_id);
        store_bytes(&record[word::CALLER_TAG..], &key.caller_tag);
        record[word::EXPERT].store(expert, SeqCst);
        record[word::SEAT].store(seat.to_word(), SeqCst);
        record[word::FLAGS].store(0, SeqCst);
        for tag in &record[word::CALLEE_TAGS..][..CALLEE_TAGS] {
            tag.store(0, SeqCst);
        }
    }

    fn set_decision(&self, record: &[AtomicU64], call: &Call) {
        for (word, chunk) in record[word::LEAF_HASH..]
            .iter()
            .zip(call.leaf_hash.chunks_exact(8))
        {
            word.store(
                u64::from_le_bytes(chunk.try_into().unwrap_or_default()),
                SeqCst,
            );
        }
        record[word::SEQ].store(call.seq, SeqCst);
        let connected = record[word::FLAGS].load(SeqCst) & flag::CONNECTED;
        let flags = u64::from(call.cseq) << flag::CSEQ_SHIFT
            | (call.direction as u64) << flag::DIRECTION_SHIFT
            | connected;
        record[word::FLAGS].store(flags, SeqCst);
    }

    fn to_state(&self, place: Place, state: u64) -> Option<Place> {
        let control = place.control & !STATE_MASK | state;
        step();
        self.control[place.slot]
            .compare_exchange(place.control, control, SeqCst, SeqCst)
            .ok()?;
        Some(Place {
            slot: place.slot,
            control,
        })
    }

    fn free(&self, place: Place) {
        let control = place.control & (TAG_MASK << 3) | ENDED;
        let _ = self.control[place.slot].compare_exchange(place.control, control, SeqCst, SeqCst);
    }

    fn tag_word(&self, tag: &[u8]) -> u64 {
        self.key.hash(tag).low | 1
    }

    fn record(&self, slot: usize) -> &'a [AtomicU64] {
        &self.data[slot * RECORD_WORDS..(slot + 1) * RECORD_WORDS]
    }
}

fn read(record: &[AtomicU64], control: u64) -> Call {
    let flags = record[word::FLAGS].load(SeqCst);
    let lengths = record[word::LENGTHS].load(SeqCst);
    let mut bytes = [0; TEXT_BYTES];
    for (chunk, word) in bytes.chunks_exact_mut(8).zip(&record[word::TEXT..]) {
        chunk.copy_from_slice(&word.load(SeqCst).to_le_bytes());
    }
    let mut start = 0;
    let mut next = |i: usize| {
        let len = (lengths >> (16 * i)) as usize & 0xffff;
        let text = bytes.get(start..start + len).unwrap_or_default();
        start += len;
        std::str::from_utf8(text).unwrap_or_default()
    };
    let mut leaf_hash = [0; 32];
    load_bytes(&record[word::LEAF_HASH..], &mut leaf_hash);
    Call {
        connected: flags & flag::CONNECTED != 0,
        ended: control & STATE_MASK == ENDED,
        witnessed: u32::from(flags & flag::WITNESSED != 0) + u32::from(flags & flag::ON_DISK != 0),
        direction: match (flags >> flag::DIRECTION_SHIFT) & 3 {
            1 => Direction::ToExpert,
            2 => Direction::ToCouncil,
            _ => Direction::Unknown,
        },
        cseq: (flags >> flag::CSEQ_SHIFT) as u32,
        seq: record[word::SEQ].load(SeqCst),
        leaf_hash,
        trace_id: Text::of(next(0)),
        hazard: Text::of(next(1)),
        expert: Text::of(next(2)),
        kid: Text::of(next(3)),
    }
}

fn key_of(record: &[AtomicU64]) -> CallKey {
    let mut key = CallKey::default();
    load_bytes(&record[word::CALL_ID..], &mut key.call_id);
    load_bytes(&record[word::CALLER_TAG..], &mut key.caller_tag);
    key
}

fn same_bytes(words: &[AtomicU64], bytes: &[u8; 16]) -> bool {
    let mut found = [0; 16];
    load_bytes(words, &mut found);
    found == *bytes
}

fn load_bytes(words: &[AtomicU64], bytes: &mut [u8]) {
    for (chunk, word) in bytes.chunks_exact_mut(8).zip(words) {
        chunk.copy_from_slice(&word.load(SeqCst).to_le_bytes());
    }
}

fn store_bytes(words: &[AtomicU64], bytes: &[u8; 16]) {
    for (chunk, word) in bytes.chunks_exact(8).zip(words) {
        step();
        word.store(
            u64::from_le_bytes(chunk.try_into().unwrap_or_default()),
            SeqCst,
        );
    }
}

fn expires_s(control: u64) -> u64 {
    control >> 32
}
