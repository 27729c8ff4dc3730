//! Search for the entries of a call or an escalation, newest first, without an index.
//!
//! Each bundle is searched as a whole for the member's text before its entries are parsed.

use std::collections::VecDeque;
use std::ops::Range;

use memchr::memmem::Finder;

use super::{Indexed, LogDir, LogError};
use crate::tile::{self, TILE_WIDTH, bundle_of};
use crate::verify::json;

/// A condition on entries.
#[derive(Debug, Clone)]
pub struct Query {
    member: &'static str,
    /// The value as canonical JSON, quotes included.
    value: String,
    finder: Finder<'static>,
}

impl Query {
    /// Selects entries with this trace id.
    #[must_use]
    pub fn trace_id(id: &str) -> Self {
        Self::new("trace_id", id)
    }

    /// Selects entries with this SIP Call-ID.
    #[must_use]
    pub fn call_id(id: &str) -> Self {
        Self::new("call_id", id)
    }

    fn new(member: &'static str, value: &str) -> Self {
        // serde_json escapes strings exactly as RFC 8785 section 3.2.2.2.
        let value = serde_json::Value::from(value).to_string();
        let text = format!("\"{member}\":{value}");
        Self {
            member,
            value,
            finder: Finder::new(text.as_bytes()).into_owned(),
        }
    }

    /// Returns true if the entry is JSON with the member at top level, not inside a text.
    #[must_use]
    pub fn matches(&self, entry: &[u8]) -> bool {
        if self.finder.find(entry).is_none() {
            return false;
        }
        let inside = &self.value.as_bytes()[1..self.value.len() - 1];
        let mut found = false;
        let read = json::members(entry, |key, value| {
            found |= key == self.member.as_bytes() && value == json::Value::String(inside);
        });
        read.is_ok() && found
    }
}

/// Returns the matching entries of `range`, newest first, in a log of `size` entries.
///
/// The search is lazy and reads the range's bundles from the last to the first.
#[must_use]
pub fn find<'d>(dir: &'d LogDir, size: u64, range: Range<u64>, query: Query) -> Find<'d> {
    let end = range.end.min(size);
    Find {
        dir,
        size,
        start: range.start,
        end,
        query,
        found: VecDeque::new(),
    }
}

/// Iterator over matching entries; ends after the first error.
#[derive(Debug)]
pub struct Find<'d> {
    dir: &'d LogDir,
    size: u64,
    start: u64,
    /// Entries from this index on are searched.
    end: u64,
    query: Query,
    found: VecDeque<Indexed>,
}

impl Find<'_> {
    /// Returns the index from which entries are searched, for a progress bar.
    #[must_use]
    pub fn searched_down_to(&self) -> u64 {
        self.end
    }

    /// Searches the bundle below `end`.
    fn step(&mut self) -> Result<(), LogError> {
        let last = self.end - 1;
        let first = last - last % TILE_WIDTH;
        let Some(tile) = bundle_of(last, self.size) else {
            self.end = self.start;
            return Ok(());
        };
        let bytes = self.dir.entries(&tile)?;
        let range = self.start.max(first)..self.end;
        self.end = range.start;
        if self.query.finder.find(&bytes).is_none() {
            return Ok(());
        }
        for (index, entry) in (first..).zip(tile::entries(&bytes)) {
            // `LogDir::entries` has checked the bundle, so it contains no error.
            let Ok((_, entry)) = entry else { break };
            if range.contains(&index) && self.query.matches(entry) {
                self.found.push_front(Indexed {
                    index,
                    entry: entry.to_vec(),
                });
            }
        }
        Ok(())
    }
}

impl Iterator for Find<'_> {
    type Item = Result<Indexed, LogError>;

    fn next(&mut self) -> Option<Self::Item> {
        while self.found.is_empty() && self.end > self.start {
            if let Err(error) = self.step() {
                self.end = self.start;
                return Some(Err(error));
            }
        }
        self.found.pop_front().map(Ok)
    }
}
