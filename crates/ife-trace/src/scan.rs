//! A search of the log's bundles, the newest first, without an index.

use std::time::{Duration, Instant};

use ife_witness::{
    reader::{LogDir, LogError},
    tile::{self, TILE_WIDTH, bundle_of},
};
use memchr::memmem;

use crate::{index::Wanted, record::Record};

/// Entries that one search reads at most.
const SCAN_MAX: u64 = 1 << 18;
/// Time that it spends on them at most.
const SCAN_TIME_MAX: Duration = Duration::from_secs(2);

/// Found entries and how far the search went.
#[derive(Debug, Default)]
pub struct Scan {
    /// Entries that match, the newest first.
    pub found: Vec<Record>,
    /// Entries from here on have been searched.
    pub down_to: u64,
    /// Time of the earliest entry that was searched, ns since 1970.
    pub time_ns: Option<i64>,
}

/// Searches a log of `size` entries below entry `before`, as far as the limits of one search go.
/// `enough` matches end it. [`Scan::down_to`] is where the next search goes on.
///
/// # Errors
/// [`LogError`]: a bundle cannot be read.
pub fn scan(
    dir: &LogDir,
    size: u64,
    before: u64,
    wanted: &Wanted,
    enough: usize,
) -> Result<Scan, LogError> {
    let begun = Instant::now();
    let mut scan = Scan {
        down_to: before.min(size),
        ..Scan::default()
    };
    let end = scan.down_to.saturating_sub(SCAN_MAX);
    while scan.down_to > end && scan.found.len() < enough && begun.elapsed() < SCAN_TIME_MAX {
        scan.bundle(dir, size, wanted)?;
    }
    Ok(scan)
}

impl Scan {
    /// Searches the bundle below `down_to`.
    fn bundle(&mut self, dir: &LogDir, size: u64, wanted: &Wanted) -> Result<(), LogError> {
        let last = self.down_to.saturating_sub(1);
        let first = last - last % TILE_WIDTH;
        let Some(bundle) = bundle_of(last, size) else {
            self.down_to = 0;
            return Ok(());
        };
        let bytes = dir.entries(&bundle)?;
        let read = |(index, entry): (u64, Result<(usize, &[u8]), _>)| {
            let (_, entry) = entry.ok()?;
            Record::whole(index, entry)
        };
        let entries = || (first..=last).zip(tile::entries(&bytes)).filter_map(read);
        if may_hold(&bytes, wanted) {
            let mut found: Vec<Record> = entries().filter(|record| wanted.is_in(record)).collect();
            found.reverse();
            self.found.append(&mut found);
        }
        let time_ns = entries().find_map(|record| record.time_ns);
        self.time_ns = time_ns.or(self.time_ns);
        self.down_to = first;
        Ok(())
    }
}

/// Returns whether a bundle can hold what is wanted: its text as JSON has it. Most bundles cannot,
/// and need not be parsed.
fn may_hold(bundle: &[u8], wanted: &Wanted) -> bool {
    let Some(text) = &wanted.text else {
        return true;
    };
    // serde_json escapes as RFC 8785 section 3.2.2.2 says, which is how entries are written.
    let quoted = serde_json::Value::from(text.as_str()).to_string();
    let inside = &quoted.as_bytes()[1..quoted.len() - 1];
    memmem::find(bundle, inside).is_some()
}
