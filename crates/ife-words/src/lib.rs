//! The words that crates of IF.ESCALATE have in common: hex, RFC 3339 times, gates, events.
//! Never reads a clock, a file, a socket or randomness, and depends on no package.

pub mod hex;
pub mod time;
