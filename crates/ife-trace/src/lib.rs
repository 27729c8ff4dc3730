//! An escalation in the witness log: search, story and ladder, verdicts over time.
//! Never writes a file, opens a socket or reads a wall clock; knows no runtime, no HTTP, no engine.
//!
//! The bridge's API serves [`Log`]; its page and ifectl draw the same rows of [`ladder`].

pub mod bundle;
mod follow;
pub mod index;
pub mod ladder;
mod log;
pub mod record;
mod scan;
mod search;
pub mod verdicts;

pub use self::{
    log::{Alarm, INDEX_MAX, Log, Proof, Standing, State},
    scan::{Scan, scan},
    search::{
        CheckpointView, Found, STORY_MAX, SearchError, SearchedTo, SignatureView, Story,
        StoryEntry, TraceView, rfc3339,
    },
};

#[cfg(test)]
mod tests;
