//! The calls of workers that were killed, settled by the next server's start.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use ife_witness::ring::Remains;

use super::ring_name;
use crate::options::Options;
use crate::shared::Shared;

/// Longest wait for the entries of dead workers to reach the disk. Other processes that open the
/// state wait meanwhile.
const SYNC_WAIT_MAX: Duration = Duration::from_secs(1);
const POLL: Duration = Duration::from_millis(5);

/// Settles calls whose worker died between their entry and its note in their record. Waits for
/// entries to be on disk if decisions wait for that.
pub(super) fn settle(shared: &Shared, options: &Options, now_s: u64) {
    let start = Instant::now();
    let wait = options.witness_wait.min(SYNC_WAIT_MAX);
    while settle_once(shared, options, now_s) > 0 && start.elapsed() < wait {
        std::thread::sleep(POLL);
    }
}

/// Returns the number of entries that are in a ring and not on disk.
fn settle_once(shared: &Shared, options: &Options, now_s: u64) -> usize {
    let mut rings = HashMap::new();
    shared.calls().settle(
        now_s,
        |entry| {
            let read =
                || Remains::read(&options.state_dir, &ring_name(options, entry.worker.into()));
            // An absent ring belonged to an earlier boot or producer name; its calls expire.
            let ring = rings.entry(entry.worker).or_insert_with(|| read().ok());
            ring.as_ref()?.fate(entry.end)
        },
        |seat| shared.release(seat),
    )
}
