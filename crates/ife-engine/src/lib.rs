//! What a bridge knows of its calls and tells about them: requests, answers, views and records.
//! Never opens a socket or file, reads a clock or draws randomness.

pub mod command;
pub mod ledger;
pub mod record;
pub mod refusal;
pub mod view;
