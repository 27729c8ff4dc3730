//! What Asterisk holds: the answer to a resync, and a model kept in step by events and resyncs.

mod book;
mod merge;
mod snapshot;

pub use book::{Change, Known, Model};
pub use snapshot::{Member, Room, Snapshot};
