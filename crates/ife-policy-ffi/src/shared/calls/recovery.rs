//! A sole owner of the state recovers the calls of dead workers.

use std::sync::atomic::Ordering::SeqCst;

use ife_witness::ring::Fate;

use super::record::RingEntry;
use super::{ACTIVE, CallRef, Calls, PENDING, STATE_MASK, expires_s};
use crate::shared::quota::Seat;

impl Calls<'_> {
    /// Settles calls whose worker died before it noted the progress of their entry. A call that has
    /// no entry is removed, so that its repeated INVITE is decided anew; `removed` takes its seat.
    ///
    /// Returns the number of entries that are in a ring and not on disk yet.
    pub(crate) fn settle(
        &self,
        now_s: u64,
        mut fate: impl FnMut(RingEntry) -> Option<Fate>,
        mut removed: impl FnMut(Option<(Seat, u32)>),
    ) -> usize {
        let mut unsynced = 0;
        for (slot, control) in self.control.iter().enumerate() {
            let control = control.load(SeqCst);
            let call_ref = CallRef { slot, control };
            let record = self.record(slot);
            match control & STATE_MASK {
                _ if expires_s(control) < now_s => {}
                PENDING => removed(self.abort(call_ref)),
                ACTIVE if record.witnessed() < 2 => match record.entry().and_then(&mut fate) {
                    Some(Fate::OnDisk) => record.set_witnessed(2),
                    Some(Fate::InRing) => {
                        record.set_witnessed(1);
                        unsynced += 1;
                    }
                    Some(Fate::NotPushed) => removed(self.abort(call_ref)),
                    None => {}
                },
                _ => {}
            }
        }
        unsynced
    }

    /// Visits every call under way with expert and lease, to assign seats again. For a sole owner.
    pub(crate) fn reseat(
        &self,
        now_s: u64,
        mut seat_for: impl FnMut(u64, u32, u64) -> Option<Seat>,
    ) {
        for (slot, control) in self.control.iter().enumerate() {
            let control = control.load(SeqCst);
            let record = self.record(slot);
            if control & STATE_MASK == ACTIVE && expires_s(control) >= now_s {
                let tag = self.seat_tag(&record.key());
                let seat = seat_for(record.expert(), tag, expires_s(control));
                record.set_seat(seat);
            }
        }
    }
}
