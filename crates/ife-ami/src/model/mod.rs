//! State of Asterisk: the result of a resync, and a model in step by events and resyncs.

mod book;
mod merge;
mod snapshot;

pub use book::{Change, Known, Model};
pub use snapshot::{Member, Room, Snapshot};
