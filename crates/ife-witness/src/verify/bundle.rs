//! Reads, hashes and scans one entry bundle. Bundles are independent, so threads share the work.

use std::ops::Range;

use super::entry::{self, Facts, Gap};
use crate::merkle::{Hash, leaf_hash};
use crate::reader::{LogDir, LogError, Problem};
use crate::tile::{self, TILE_WIDTH, Tile};

/// A bundle of well-formed entries, with the facts for tree and order.
#[derive(Debug)]
pub(super) struct Checked {
    pub(super) tile: Tile,
    bytes: Vec<u8>,
    entries: Vec<CheckedEntry>,
}

/// One entry; texts are ranges of the bundle's bytes.
#[derive(Debug)]
struct CheckedEntry {
    leaf: Hash,
    start: usize,
    producer: Range<usize>,
    epoch: u64,
    seq: u64,
    gap: Option<Box<Lost>>,
}

#[derive(Debug)]
struct Lost {
    producer: Range<usize>,
    epoch: u64,
    first_seq: u64,
    count: u64,
}

impl Checked {
    /// Returns the index of the first entry.
    pub(super) fn first(&self) -> u64 {
        self.tile.index * TILE_WIDTH
    }

    /// Returns the size of the entries, without their lengths.
    pub(super) fn entry_bytes(&self) -> u64 {
        (self.bytes.len() - 2 * self.entries.len()) as u64
    }

    /// Returns leaf hash, offset in the bundle and facts of each entry.
    pub(super) fn entries(&self) -> impl Iterator<Item = (Hash, usize, Facts<'_>)> {
        self.entries.iter().map(|one| {
            let gap = one.gap.as_deref().map(|lost| Gap {
                producer: &self.bytes[lost.producer.clone()],
                epoch: lost.epoch,
                first_seq: lost.first_seq,
                count: lost.count,
            });
            let producer = &self.bytes[one.producer.clone()];
            (
                one.leaf,
                one.start,
                Facts {
                    producer,
                    epoch: one.epoch,
                    seq: one.seq,
                    gap,
                },
            )
        })
    }
}

/// Reads and checks a bundle.
pub(super) fn check(dir: &LogDir, tile: Tile) -> Result<Checked, LogError> {
    let bytes = dir.entries(&tile)?;
    let mut checked = Vec::with_capacity(usize::from(tile.width));
    // `LogDir::entries` has checked the bundle, so it contains no error.
    for (position, (start, text)) in tile::entries(&bytes).filter_map(Result::ok).enumerate() {
        let facts = entry::facts(text).map_err(|wrong| {
            let index = tile.index * TILE_WIDTH + position as u64;
            let problem = Problem::Entry {
                index,
                what: wrong.what,
            };
            LogError::new(
                dir.path().join(tile.path()),
                (start + wrong.offset) as u64,
                problem,
            )
        })?;
        checked.push(CheckedEntry {
            leaf: leaf_hash(text),
            start,
            producer: range_in(&bytes, facts.producer),
            epoch: facts.epoch,
            seq: facts.seq,
            gap: facts.gap.map(|gap| Box::new(lost(&bytes, &gap))),
        });
    }
    Ok(Checked {
        tile,
        bytes,
        entries: checked,
    })
}

fn lost(bundle: &[u8], gap: &Gap<'_>) -> Lost {
    let producer = range_in(bundle, gap.producer);
    Lost {
        producer,
        epoch: gap.epoch,
        first_seq: gap.first_seq,
        count: gap.count,
    }
}

/// Returns the range of `part`, a slice of `whole`.
fn range_in(whole: &[u8], part: &[u8]) -> Range<usize> {
    let start = part.as_ptr().addr().saturating_sub(whole.as_ptr().addr());
    start..start + part.len()
}
