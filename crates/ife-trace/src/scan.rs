//! A search of the log, the newest entries first: by the sorted files beside it where they answer,
//! else bundle by bundle.

use std::time::{Duration, Instant};

use ife_witness::{
    places,
    reader::{LogDir, LogError},
    tile::{self, TILE_WIDTH, bundle_of},
};
use memchr::memmem;

use crate::{
    index::{Member, Wanted},
    record::Record,
};

/// Bundles that one search reads at most without an index.
const SCAN_MAX: u32 = 1 << 10;
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
    let mut bundles = 0;
    while scan.down_to > 0
        && bundles < SCAN_MAX
        && scan.found.len() < enough
        && begun.elapsed() < SCAN_TIME_MAX
    {
        // A run that cannot be read is none: the entries have the answer.
        if let Some(Ok((block, places))) = candidates(dir, scan.down_to, wanted) {
            scan.places(dir, size, wanted, &places, enough)?;
            if scan.found.len() < enough {
                scan.down_to = block.first();
            }
            scan.time_ns = None;
        } else {
            scan.bundle(dir, size, wanted)?;
            bundles += 1;
        }
    }
    if scan.time_ns.is_none() && before > 0 {
        scan.time_ns = first_time(dir, size, scan.down_to)?;
    }
    Ok(scan)
}

/// Asks the run of the block below `end`, where it knows the member that is wanted.
fn candidates(
    dir: &LogDir,
    end: u64,
    wanted: &Wanted,
) -> Option<Result<places::Candidates, places::Damaged>> {
    let text = wanted.text.as_deref().filter(|_| !wanted.is_prefix)?;
    let member = match wanted.member {
        Member::TraceId => places::Member::TraceId,
        Member::CallId => places::Member::CallId,
        Member::Any | Member::Expert => return None,
    };
    places::find(dir, end, member, text)
}

/// Time of the first entry of a bundle that has one, ns since 1970.
fn first_time(dir: &LogDir, size: u64, index: u64) -> Result<Option<i64>, LogError> {
    let Some(bundle) = bundle_of(index, size) else {
        return Ok(None);
    };
    let bytes = dir.entries(&bundle)?;
    let time = |entry: Result<(usize, &[u8]), _>| Record::whole(index, entry.ok()?.1)?.time_ns;
    Ok(tile::entries(&bytes).find_map(time))
}

impl Scan {
    /// Takes the entries at these places that are wanted indeed, the newest first, until there are
    /// enough; `down_to` follows.
    pub(crate) fn places(
        &mut self,
        dir: &LogDir,
        size: u64,
        wanted: &Wanted,
        places: &[u64],
        enough: usize,
    ) -> Result<(), LogError> {
        let mut places = places.iter().rev().copied().peekable();
        while let Some(newest) = places.peek().copied()
            && self.found.len() < enough
            && let Some(bundle) = bundle_of(newest, size)
        {
            let first = newest - newest % TILE_WIDTH;
            let bytes = dir.entries(&bundle)?;
            let entries: Vec<&[u8]> = tile::entries(&bytes)
                .map_while(|entry| entry.ok().map(|(_, entry)| entry))
                .collect();
            while let Some(place) = places.next_if(|place| *place >= first) {
                // Below 256.
                let entry = entries.get((place - first) as usize);
                let record = entry.and_then(|entry| Record::whole(place, entry));
                self.found
                    .extend(record.filter(|record| wanted.is_in(record)));
            }
            self.down_to = first;
        }
        Ok(())
    }

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

/// Returns whether a bundle can hold a match: its text as JSON has it. Most bundles cannot,
/// and need not be parsed.
fn may_hold(bundle: &[u8], wanted: &Wanted) -> bool {
    let Some(text) = &wanted.text else {
        return true;
    };
    // serde_json escapes by RFC 8785 section 3.2.2.2, which is how entries are written.
    let quoted = serde_json::Value::from(text.as_str()).to_string();
    let inside = &quoted.as_bytes()[1..quoted.len() - 1];
    memmem::find(bundle, inside).is_some()
}
