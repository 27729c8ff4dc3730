//! What must survive a restart: which messages were accepted and answered, and the calls that came
//! of them. A message is on disk before its call is placed and its answer before it is given, so
//! that a restart neither forgets nor calls twice.
//!
//! One file, `calls.log`: a line per record, `<CRC-32C, 8 hex digits> <JSON>`. System calls: write,
//! fdatasync (once per batch). When the file has grown, and at each start, it is written anew from
//! the calls still remembered: write to `calls.log.new`, fsync, rename, fsync of the directory.
//!
//! | step | fails | fails but persisted |
//! |---|---|---|
//! | append or fdatasync | nothing more is accepted until a restart (503) | the record is read at the next start: an accepted call is taken over or ends |
//! | rewrite before rename | as for an append; the old file is whole | `calls.log.new` is overwritten next time |
//! | rename or fsync of the directory | as for an append | the new file means the same as the old one |
//!
//! At the start each of them ends the bridge. A torn last line is the trace of a crash, and is
//! dropped. Any other bad line: the bridge does not start.

mod writer;

pub use ife_engine::{
    ledger::{Ledger, Remembered},
    record::{Answer, CallRecord, Line, MessageKey, Origin},
};
pub use writer::{Store, StoreError};
