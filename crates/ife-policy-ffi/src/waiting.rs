//! Decisions that wait for the disk without a worker: one process decides, another waits and
//! settles the decision.
//!
//! ```text
//! begin --> refused, or nothing to wait for: the answer is final
//!    `----> ticket --wait, settle--> approved: on disk in time (or best effort)
//!                          `-------> refused: late, or given up
//! ```

use std::collections::HashMap;
use std::time::{Duration, Instant};

use ife_guard::{CallKey, Verdict};
use ife_witness::ring::Observer;

use crate::admit;
use crate::decision::Decision;
use crate::message::Message;
use crate::options::Options;
use crate::plumbing::failure::Failure;
use crate::policy::{Policy, ring_name};
use crate::shared::calls::{Call, RingEntry};
use crate::sys;

/// Private details of refusals.
mod why {
    pub(super) const LATE: &str = "the decision was not on disk in time";
    pub(super) const GIVEN_UP: &str = "the server cannot keep one more call waiting";
}

/// Where a decision waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wait {
    /// In the deciding process, which blocks.
    Here,
    /// In another process, by a ticket.
    Elsewhere,
}

/// An approval that may be carried out once its entry is on disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ticket {
    pub(crate) entry: RingEntry,
    /// Entries in the log when the wait began.
    pub(crate) log_size: u64,
    /// The decision began the call; otherwise it repeats another one.
    pub(crate) began: bool,
}

/// Why a wait ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// The entry is on disk, or the deadline is over.
    Over,
    /// The server cannot keep the call waiting.
    GivenUp,
}

/// The rings of other processes that this process has waited for.
#[derive(Default)]
pub(crate) struct Rings(HashMap<u16, Observer>);

impl Rings {
    /// Waits until the entry is on disk, at most for `timeout`; returns whether it is.
    fn wait(&mut self, options: &Options, entry: RingEntry, timeout: Duration) -> bool {
        let known = self.0.get(&entry.worker);
        // A new owner of the number may have a new file.
        if known.is_none_or(|ring| ring.fate(entry.end).is_none()) {
            let name = ring_name(options, entry.worker.into());
            let Ok(ring) = Observer::open(&options.state_dir, &name) else {
                return false;
            };
            self.0.insert(entry.worker, ring);
        }
        self.0
            .get(&entry.worker)
            .is_some_and(|ring| ring.wait(entry.end, timeout))
    }
}

/// Waits until the ticket's entry is on disk, at most for `timeout`; returns whether it is.
pub(crate) fn wait(policy: &mut Policy, ticket: Ticket, timeout: Duration) -> bool {
    let start = Instant::now();
    let Policy { rings, options, .. } = policy;
    let is_on_disk = rings.wait(options, ticket.entry, timeout);
    if !is_on_disk {
        // A ring that is gone ends the wait at once: without a pause the caller's loop would spin.
        std::thread::sleep(timeout.saturating_sub(start.elapsed()));
    }
    is_on_disk
}

/// Settles a decision: an approval if its entry is on disk, else as when a worker has waited in
/// vain. `msg` is the request of the decision.
pub(crate) fn settle(
    policy: &mut Policy,
    msg: &Message<'_>,
    ticket: Ticket,
    end: End,
) -> Result<Decision, Failure> {
    policy.check_attached()?;
    let now = sys::now().0;
    let found = policy
        .shared
        .calls()
        .find_caller(msg.call_id, msg.from_tag, now.mono_ms / 1000)
        .filter(|(_, call)| call.entry == Some(ticket.entry));
    let mut decision = Decision::of(match &found {
        Some((_, call)) => of_call(call, msg),
        None => Verdict::approved(),
    });
    decision.verdict.call_key = CallKey::new(msg.call_id, msg.from_tag);
    if let Some((_, call)) = &found {
        decision.seq = call.seq;
        decision.leaf_hash = call.leaf_hash;
    }
    decision.witnessed = 1;
    let is_on_disk = end == End::Over && wait(policy, ticket, Duration::ZERO);
    if is_on_disk {
        policy.shared.stall().progressed();
        decision.witnessed = 2;
        if let Some((call_ref, _)) = &found {
            policy.shared.calls().witnessed(*call_ref, 2);
        }
    } else {
        note_stall(policy, ticket, end);
        if policy.options.witness_required {
            let is_under_way = found.is_some_and(|(_, call)| !call.ended);
            refuse(policy, msg, ticket, end, is_under_way, &mut decision);
        }
    }
    admit::count(policy, &decision.verdict);
    Ok(decision)
}

/// A log that grows has a slow writer, not a stalled one.
fn note_stall(policy: &Policy, ticket: Ticket, end: End) {
    let Some(worker) = &policy.worker else { return };
    if end == End::Over && worker.witness.log_size() == ticket.log_size {
        policy
            .shared
            .stall()
            .timed_out(sys::now().0.mono_ms, ticket.log_size);
    }
}

fn refuse(
    policy: &mut Policy,
    msg: &Message<'_>,
    ticket: Ticket,
    end: End,
    is_under_way: bool,
    decision: &mut Decision,
) {
    let why = match end {
        End::Over => why::LATE,
        End::GivenUp => why::GIVEN_UP,
    };
    if is_under_way {
        admit::refuse(policy, msg, ticket.began, decision, why);
    } else {
        // The caller has cancelled it: its end has an entry.
        admit::reject(decision, why);
    }
}

/// Returns the approval of a call under way.
fn of_call(call: &Call, msg: &Message<'_>) -> Verdict {
    let mut verdict = Verdict::approved();
    verdict.direction = call.direction;
    verdict.expert = call.expert;
    verdict.hazard = call.hazard;
    verdict.trace_id = call.trace_id;
    verdict.kid = call.kid;
    verdict.call_key = CallKey::new(msg.call_id, msg.from_tag);
    verdict
}
