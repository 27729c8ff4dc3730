//! State of Asterisk: the result of a resync, and a model in step by events and resyncs.

mod merge;
mod snapshot;
mod state;

pub use snapshot::{Member, Room, Snapshot};
pub use state::{Change, Known, Model};
