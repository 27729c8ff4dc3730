//! The record of one call: 128 words in shared memory.
//!
//! Its owner writes it while it is PENDING; the control word then publishes it. Flags, seat,
//! dialogs and parties change later, word by word. The caller is one party; the callee is one for
//! each tag that it answers with (RFC 3261 12.1.2).

use std::sync::atomic::{
    AtomicU64,
    Ordering::{Relaxed, SeqCst},
};

use ife_guard::{CallKey, Direction, Text};
use ife_witness::ring::RecordEnd;

use super::party::{PARTY_WORDS, Party};
use crate::shared::hash::Key;
use crate::shared::layout::PROCESSES_MAX;
use crate::shared::quota::Seat;
use crate::shared::step::step;

/// Words of one record: 1,024 bytes.
pub(in crate::shared) const RECORD_WORDS: usize = 128;

/// Word indices in a record.
mod word {
    pub(super) const CALL_ID: usize = 0; // 2 words
    pub(super) const CALLER_TAG: usize = 2; // 2 words
    pub(super) const EXPERT: usize = 4;
    pub(super) const SEAT: usize = 5;
    pub(super) const FLAGS: usize = 6;
    pub(super) const MAX_CALL_S: usize = 7;
    pub(super) const SEQ: usize = 8;
    pub(super) const LEAF_HASH: usize = 9; // 4 words
    pub(super) const ENTRY_EPOCH: usize = 13; // 0: the decision is not to have an entry
    pub(super) const ENTRY_END: usize = 14;
    pub(super) const CALLER: usize = 15; // a party
    pub(super) const DIALOGS: usize = CALLER + super::PARTY_WORDS; // tag, state, a party: each
    pub(super) const LENGTHS: usize = DIALOGS + super::DIALOGS * super::DIALOG_WORDS;
    pub(super) const TEXT: usize = LENGTHS + 1; // trace id, hazard, expert, kid
}

/// Dialogs of one call: a call that forks has one for each phone that answers.
const DIALOGS: usize = 4;
const DIALOG_WORDS: usize = 2 + PARTY_WORDS;
const TEXT_BYTES: usize = (RECORD_WORDS - word::TEXT) * 8;
const _: () = assert!(128 + 32 + 128 + 64 <= TEXT_BYTES);

mod flag {
    pub(super) const CONNECTED: u64 = 1;
    /// The decision's entry is in a ring.
    pub(super) const WITNESSED: u64 = 2;
    /// The decision's entry is on disk.
    pub(super) const ON_DISK: u64 = 4;
    /// The answer of the dialog with number n has an entry: bit 3 + n.
    pub(super) const ANSWER_LOGGED_SHIFT: usize = 3; // 4 bits
    /// The end of the call has an entry.
    pub(super) const END_LOGGED: u64 = 1 << 7;
    pub(super) const DIRECTION_SHIFT: u32 = 8; // 2 bits
    pub(super) const WORKER_SHIFT: u32 = 16; // 16 bits
    pub(super) const CSEQ_SHIFT: u32 = 32; // 32 bits

    pub(super) const fn answer_logged(dialog: usize) -> u64 {
        1 << (ANSWER_LOGGED_SHIFT + dialog)
    }

    /// The flags that a further decision about the call leaves.
    pub(super) const OF_CALL: u64 =
        CONNECTED | END_LOGGED | (((1 << super::DIALOGS) - 1) << ANSWER_LOGGED_SHIFT);
}

const _: () = assert!(PROCESSES_MAX <= 1 << 16 && DIALOGS <= 4);

/// The entry of a decision, as its worker knows it before the push.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RingEntry {
    /// Number of the process that has the ring.
    pub(crate) worker: u16,
    pub(crate) end: RecordEnd,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    Caller,
    /// The callee of the dialog with this number.
    Callee(usize),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stage {
    Early,
    Confirmed,
    Ended,
}

impl Stage {
    fn of(word: u64) -> Self {
        match word {
            1 => Self::Confirmed,
            2 => Self::Ended,
            _ => Self::Early,
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Call {
    pub(crate) connected: bool,
    pub(crate) ended: bool,
    /// The call's end has an entry.
    pub(crate) is_end_logged: bool,
    /// The decision's entry, pushed or about to be.
    pub(crate) entry: Option<RingEntry>,
    /// 0 no entry, 1 in a ring, 2 on disk.
    pub(crate) witnessed: u32,
    pub(crate) direction: Option<Direction>,
    /// CSeq of the INVITE that was approved last.
    pub(crate) cseq: u32,
    pub(crate) seq: u64,
    pub(crate) leaf_hash: [u8; 32],
    pub(crate) trace_id: Text<128>,
    pub(crate) hazard: Text<32>,
    pub(crate) expert: Text<128>,
    pub(crate) kid: Text<64>,
}

/// The words of one record.
#[derive(Clone, Copy)]
pub(super) struct Record<'a>(pub(super) &'a [AtomicU64]);

impl<'r> Record<'r> {
    /// Sets the identity of the call, and clears the dialogs and parties of an earlier call.
    pub(super) fn set_identity(self, key: &CallKey, expert: u64, seat: Seat) {
        store_bytes(&self.0[word::CALL_ID..], &key.call_id);
        store_bytes(&self.0[word::CALLER_TAG..], &key.caller_tag);
        self.0[word::EXPERT].store(expert, Relaxed);
        self.set_seat(Some(seat));
        self.0[word::FLAGS].store(0, Relaxed);
        for word in &self.0[word::CALLER..word::LENGTHS] {
            step();
            word.store(0, Relaxed);
        }
    }

    /// Sets the call's facts and its decision.
    pub(super) fn set_call(self, call: &Call, max_call_s: u32) {
        let texts = [&*call.trace_id, &*call.hazard, &*call.expert, &*call.kid];
        let mut bytes = [0; TEXT_BYTES];
        let mut end = 0;
        let mut lengths = 0;
        for (i, text) in texts.into_iter().enumerate() {
            bytes[end..end + text.len()].copy_from_slice(text.as_bytes());
            end += text.len();
            lengths |= (text.len() as u64) << (16 * i);
        }
        self.0[word::LENGTHS].store(lengths, Relaxed);
        store_bytes(&self.0[word::TEXT..], &bytes[..end.next_multiple_of(8)]);
        self.0[word::MAX_CALL_S].store(u64::from(max_call_s), Relaxed);
        self.set_decision(call);
    }

    /// Sets the decision about the call; not witnessed yet.
    pub(super) fn set_decision(self, call: &Call) {
        store_bytes(&self.0[word::LEAF_HASH..], &call.leaf_hash);
        self.0[word::SEQ].store(call.seq, Relaxed);
        let (epoch, end) = call.entry.map_or((0, 0), |e| (e.end.epoch, e.end.position));
        self.0[word::ENTRY_EPOCH].store(epoch, Relaxed);
        self.0[word::ENTRY_END].store(end, Relaxed);
        let worker = call.entry.map_or(0, |entry| entry.worker);
        let flags = u64::from(call.cseq) << flag::CSEQ_SHIFT
            | u64::from(worker) << flag::WORKER_SHIFT
            | u64::from(Direction::number(call.direction)) << flag::DIRECTION_SHIFT
            | self.0[word::FLAGS].load(SeqCst) & flag::OF_CALL;
        self.0[word::FLAGS].store(flags, SeqCst);
    }

    /// Notes the progress of the decision's entry: 1 in a ring, 2 on disk.
    pub(super) fn set_witnessed(self, level: u32) {
        let on_disk = if level >= 2 { flag::ON_DISK } else { 0 };
        self.0[word::FLAGS].fetch_or(flag::WITNESSED | on_disk, SeqCst);
    }

    /// Notes that the decision has no entry: the ring had no room.
    pub(super) fn forget_entry(self) {
        self.0[word::ENTRY_EPOCH].store(0, SeqCst);
    }

    pub(super) fn entry(self) -> Option<RingEntry> {
        let end = RecordEnd {
            epoch: self.0[word::ENTRY_EPOCH].load(SeqCst),
            position: self.0[word::ENTRY_END].load(SeqCst),
        };
        let worker = (self.0[word::FLAGS].load(SeqCst) >> flag::WORKER_SHIFT) as u16;
        (end.epoch != 0).then_some(RingEntry { worker, end })
    }

    /// Notes that the answer of a dialog, or the call's end (`None`), has an entry.
    pub(super) fn set_logged(self, dialog: Option<usize>) {
        let bit = dialog.map_or(flag::END_LOGGED, flag::answer_logged);
        self.0[word::FLAGS].fetch_or(bit, SeqCst);
    }

    pub(super) fn is_answer_logged(self, dialog: usize) -> bool {
        self.0[word::FLAGS].load(SeqCst) & flag::answer_logged(dialog) != 0
    }

    /// Returns the progress of the decision's entry, see [`Call::witnessed`].
    pub(super) fn witnessed(self) -> u32 {
        let flags = self.0[word::FLAGS].load(SeqCst);
        u32::from(flags & flag::WITNESSED != 0) + u32::from(flags & flag::ON_DISK != 0)
    }

    pub(super) fn set_connected(self) {
        self.0[word::FLAGS].fetch_or(flag::CONNECTED, SeqCst);
    }

    pub(super) fn max_call_s(self) -> u64 {
        self.0[word::MAX_CALL_S].load(SeqCst)
    }

    /// Returns the number of the expert, see [`ife_guard::expert_number`].
    pub(super) fn expert(self) -> u64 {
        self.0[word::EXPERT].load(SeqCst)
    }

    pub(super) fn seat(self) -> Option<Seat> {
        Seat::from_word(self.0[word::SEAT].load(SeqCst))
    }

    pub(super) fn set_seat(self, seat: Option<Seat>) {
        self.0[word::SEAT].store(seat.map_or(0, Seat::to_word), SeqCst);
    }

    pub(super) fn key(self) -> CallKey {
        CallKey {
            call_id: load_bytes(&self.0[word::CALL_ID..]),
            caller_tag: load_bytes(&self.0[word::CALLER_TAG..]),
        }
    }

    pub(super) fn has_call_id(self, call_id: &[u8; 16]) -> bool {
        load_bytes::<16>(&self.0[word::CALL_ID..]) == *call_id
    }

    pub(super) fn has_caller_tag(self, tag: &[u8; 16]) -> bool {
        load_bytes::<16>(&self.0[word::CALLER_TAG..]) == *tag
    }

    /// Returns the dialog with the callee's tag of this hash.
    pub(super) fn dialog(self, tag: u64) -> Option<usize> {
        (0..DIALOGS).find(|&dialog| self.tag(dialog).load(SeqCst) == tag)
    }

    /// Returns the dialog of a tag, made if needed. When all are in use, one that ended or is early
    /// gives way to one that is confirmed.
    pub(super) fn dialog_for(self, tag: u64, is_confirmed: bool) -> Option<usize> {
        for dialog in 0..DIALOGS {
            step();
            match self.tag(dialog).compare_exchange(0, tag, SeqCst, SeqCst) {
                Ok(_) => return Some(dialog),
                Err(found) if found == tag => return Some(dialog),
                Err(_) => {}
            }
        }
        if !is_confirmed {
            return None;
        }
        let dialog = (0..DIALOGS)
            .rev()
            .find(|&dialog| self.stage(dialog) != Stage::Confirmed)?;
        self.0[word::FLAGS].fetch_and(!flag::answer_logged(dialog), SeqCst);
        for word in self.dialog_words(dialog) {
            step();
            word.store(0, SeqCst);
        }
        self.tag(dialog).store(tag, SeqCst);
        Some(dialog)
    }

    pub(super) fn stage(self, dialog: usize) -> Stage {
        Stage::of(self.dialog_words(dialog)[1].load(SeqCst))
    }

    /// Moves the dialog on and returns its previous stage; an ended dialog stays ended.
    pub(super) fn set_stage(self, dialog: usize, stage: Stage) -> Stage {
        step();
        Stage::of(self.dialog_words(dialog)[1].fetch_max(stage as u64, SeqCst))
    }

    /// Returns true if any dialog is confirmed and has not ended.
    pub(super) fn has_confirmed(self) -> bool {
        (0..DIALOGS).any(|dialog| {
            self.tag(dialog).load(SeqCst) != 0 && self.stage(dialog) == Stage::Confirmed
        })
    }

    pub(super) fn party(self, side: Side, key: Key) -> Party<'r> {
        let words = match side {
            Side::Caller => &self.0[word::CALLER..][..PARTY_WORDS],
            Side::Callee(dialog) => &self.dialog_words(dialog)[2..],
        };
        Party { words, key }
    }

    pub(super) fn sides() -> impl Iterator<Item = Side> {
        std::iter::once(Side::Caller).chain((0..DIALOGS).map(Side::Callee))
    }

    /// Reads the call. The caller checks that the record did not change hands meanwhile.
    pub(super) fn read(self, ended: bool) -> Call {
        let flags = self.0[word::FLAGS].load(SeqCst);
        let lengths = self.0[word::LENGTHS].load(SeqCst);
        let bytes: [u8; TEXT_BYTES] = load_bytes(&self.0[word::TEXT..]);
        let mut start = 0;
        let mut next = |i: usize| {
            let len = (lengths >> (16 * i)) as usize & 0xffff;
            let text = bytes.get(start..start + len).unwrap_or_default();
            start += len;
            std::str::from_utf8(text).unwrap_or_default()
        };
        Call {
            connected: flags & flag::CONNECTED != 0,
            ended,
            is_end_logged: flags & flag::END_LOGGED != 0,
            entry: self.entry(),
            witnessed: self.witnessed(),
            direction: Direction::of_number(flags >> flag::DIRECTION_SHIFT & 3),
            cseq: (flags >> flag::CSEQ_SHIFT) as u32,
            seq: self.0[word::SEQ].load(SeqCst),
            leaf_hash: load_bytes(&self.0[word::LEAF_HASH..]),
            trace_id: Text::of(next(0)),
            hazard: Text::of(next(1)),
            expert: Text::of(next(2)),
            kid: Text::of(next(3)),
        }
    }

    fn tag(&self, dialog: usize) -> &'r AtomicU64 {
        &self.dialog_words(dialog)[0]
    }

    fn dialog_words(&self, dialog: usize) -> &'r [AtomicU64] {
        &self.0[word::DIALOGS + dialog * DIALOG_WORDS..][..DIALOG_WORDS]
    }
}

fn load_bytes<const N: usize>(words: &[AtomicU64]) -> [u8; N] {
    let mut bytes = [0; N];
    for (chunk, word) in bytes.chunks_exact_mut(8).zip(words) {
        chunk.copy_from_slice(&word.load(SeqCst).to_le_bytes());
    }
    bytes
}

/// Stores `bytes`, whose length is a multiple of 8.
fn store_bytes(words: &[AtomicU64], bytes: &[u8]) {
    for (chunk, word) in bytes.as_chunks::<8>().0.iter().zip(words) {
        step();
        word.store(u64::from_le_bytes(*chunk), Relaxed);
    }
}
