//! The errors of a registry, and the checks that are the same for every value of a kind.

use crate::registry::errors::{At, COUNTED_MAX, ERRORS_MAX, Problem};

/// The errors found: the first [`ERRORS_MAX`], and their count.
#[derive(Default)]
pub(in crate::registry) struct Problems {
    pub(in crate::registry) first: Vec<Problem>,
    pub(in crate::registry) count: usize,
}

impl Problems {
    pub(super) fn add(&mut self, at: &At<'_>, message: impl Into<String>, hint: Option<String>) {
        self.count += 1;
        if self.first.len() < ERRORS_MAX {
            self.first.push(Problem {
                path: at.to_string(),
                message: message.into(),
                hint,
            });
        }
    }

    pub(super) fn push(&mut self, problem: Problem) {
        self.count += 1;
        if self.first.len() < ERRORS_MAX {
            self.first.push(problem);
        }
    }

    /// Returns true once the check can stop.
    pub(super) fn is_full(&self) -> bool {
        self.count >= COUNTED_MAX
    }

    pub(super) fn hint(
        &mut self,
        at: &At<'_>,
        message: impl Into<String>,
        hint: impl Into<String>,
    ) {
        self.add(at, message, Some(hint.into()));
    }

    /// Checks a whole number within bounds; `default` when absent.
    pub(super) fn number(
        &mut self,
        at: &At<'_>,
        value: Option<u64>,
        range: std::ops::RangeInclusive<u32>,
        default: u32,
    ) -> u32 {
        let Some(value) = value else { return default };
        match u32::try_from(value) {
            Ok(value) if range.contains(&value) => value,
            Ok(_) | Err(_) => {
                self.add(
                    at,
                    format!("{value} is out of range"),
                    Some(format!("{} to {}", range.start(), range.end())),
                );
                default
            }
        }
    }

    /// Checks a text for people: not empty, not too long, one line.
    pub(super) fn line(&mut self, at: &At<'_>, text: &str, len_max: usize) -> String {
        if text.is_empty() || text.len() > len_max || text.chars().any(char::is_control) {
            self.hint(
                at,
                "not usable as text",
                format!("1 to {len_max} bytes on one line"),
            );
        }
        text.to_owned()
    }

    pub(super) fn count(&mut self, at: &At<'_>, len: usize, max: usize) {
        if len == 0 {
            self.hint(at, "the list is empty", "it needs at least one entry");
        } else if len > max {
            self.add(
                at,
                format!("{len} entries are too many"),
                Some(format!("at most {max}")),
            );
        }
    }

    /// Returns the entries to check one by one: at most as many as a list may have.
    pub(super) fn listed<'e, T>(&mut self, at: &At<'_>, entries: &'e [T], max: usize) -> &'e [T] {
        self.count(at, entries.len(), max);
        entries.get(..max).unwrap_or(entries)
    }
}
