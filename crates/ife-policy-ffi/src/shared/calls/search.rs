//! Searches of the table by Call-ID or by key, in the order in which slots are probed.

use std::sync::atomic::Ordering::SeqCst;

use ife_guard::CallKey;

use super::record::{Call, Record};
use super::{
    ACTIVE, CallRef, Calls, ENDED, LINES_MAX, LOOKS, PENDING, RELOADS, SLOTS_PER_LINE, STATE_MASK,
    TAG_MASK, expires_s,
};
use crate::shared::hash::Hash;
use crate::shared::probe::Lines;
use crate::shared::step::step;

impl Calls<'_> {
    pub(super) fn find(
        &self,
        call_id: &[u8],
        now_s: u64,
        matches: impl Fn(Record<'_>) -> bool,
    ) -> Option<(CallRef, Call)> {
        let call_id = CallKey::hash(call_id);
        let hash = self.key.hash(&call_id);
        let mut best: Option<(CallRef, Call)> = None;
        self.each(hash, |slot, first| {
            let mut control = first;
            for _ in 0..RELOADS {
                let record = self.record(slot);
                let wanted =
                    matches!(control & STATE_MASK, ACTIVE | ENDED) && expires_s(control) >= now_s;
                if !wanted || !record.has_call_id(&call_id) || !matches(record) {
                    return;
                }
                let call = record.read(control & STATE_MASK == ENDED);
                let now = self.control[slot].load(SeqCst);
                // Unchanged control word: the data belong to one call. If the lease moved, read
                // again.
                if now == control {
                    if best.as_ref().is_none_or(|(_, b)| b.ended) {
                        best = Some((CallRef { slot, control }, call));
                    }
                    return;
                }
                control = now;
            }
        });
        best
    }

    /// Returns the call's own live record outside of `except`, and the best slot for a new one: a
    /// free one, else the one that lingers longest.
    pub(super) fn look(
        &self,
        key: &CallKey,
        hash: Hash,
        now_s: u64,
        except: Option<usize>,
    ) -> (Option<CallRef>, Option<CallRef>) {
        let mut own = None;
        let mut free: Option<CallRef> = None;
        let mut lingering: Option<CallRef> = None;
        self.each(hash, |slot, control| {
            let call_ref = CallRef { slot, control };
            let is_tagged = (control >> 3) & TAG_MASK == hash.low & TAG_MASK;
            if control == 0 || expires_s(control) < now_s {
                free = free.or(Some(call_ref));
            } else if control & STATE_MASK == ENDED {
                if lingering.is_none_or(|other| control < other.control) {
                    lingering = Some(call_ref);
                }
            } else if is_tagged
                && Some(slot) != except
                && own.is_none()
                && self.may_hold(key, call_ref)
            {
                own = Some(call_ref);
            }
        });
        (own, free.or(lingering))
    }

    /// Returns whether this live record is the call's. A PENDING record may lack its identity; then
    /// the tag decides.
    pub(super) fn may_hold(&self, key: &CallKey, call_ref: CallRef) -> bool {
        let record = self.record(call_ref.slot);
        call_ref.control & STATE_MASK == PENDING || record.key() == *key
    }

    /// Returns true if no other worker has claimed the same call. The lower slot waits for the
    /// higher one to withdraw.
    pub(super) fn alone(&self, key: &CallKey, hash: Hash, call_ref: CallRef, now_s: u64) -> bool {
        for _ in 0..LOOKS {
            step();
            match self.look(key, hash, now_s, Some(call_ref.slot)).0 {
                None => return true,
                Some(other)
                    if other.control & STATE_MASK == PENDING && other.slot > call_ref.slot =>
                {
                    std::thread::yield_now()
                }
                Some(_) => return false,
            }
        }
        false
    }

    /// Visits used slots of the name's probe order, through the first that was never used.
    pub(super) fn each(&self, hash: Hash, mut visit: impl FnMut(usize, u64)) {
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
}
