//! The library's answer to a request: the gates' verdict and what became of its entry.

use ife_guard::Verdict;
use ife_witness::ring::RecordEnd;

use crate::shared::calls::NextHop;
use crate::waiting::Ticket;
use crate::witness::Prepared;

/// A verdict and the state of its entry.
pub(crate) struct Decision {
    pub(crate) verdict: Verdict,
    /// Approved as part of an approved call.
    pub(crate) in_dialog: bool,
    /// 0 no entry, 1 in the ring, 2 on disk.
    pub(crate) witnessed: u32,
    pub(crate) seq: u64,
    pub(crate) leaf_hash: [u8; 32],
    /// End of the approval's entry in this process's ring.
    pub(crate) entry_end: Option<RecordEnd>,
    /// The decision waits for the disk elsewhere, and is not to be carried out before.
    pub(crate) ticket: Option<Ticket>,
    /// The next hop of a request in a dialog.
    pub(crate) next_hop: Option<NextHop>,
}

impl Decision {
    pub(crate) fn of(verdict: Verdict) -> Self {
        Self {
            verdict,
            in_dialog: false,
            witnessed: 0,
            seq: 0,
            leaf_hash: [0; 32],
            entry_end: None,
            ticket: None,
            next_hop: None,
        }
    }

    /// Notes that the entry is in the ring.
    pub(crate) fn entered(&mut self, prepared: Prepared) {
        self.witnessed = 1;
        self.seq = prepared.seq;
        self.leaf_hash = prepared.leaf_hash;
        self.entry_end = Some(prepared.end);
    }
}
