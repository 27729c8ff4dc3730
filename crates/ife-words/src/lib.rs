//! The words that crates of IF.ESCALATE have in common: hex, RFC 3339 times, gates, events.
//! Never reads a clock, a file, a socket or randomness, and depends on no package.

mod acceptance;
mod direction;
mod event;
mod gate;
pub mod hex;
pub mod time;
mod words;

pub use acceptance::Acceptance;
pub use direction::Direction;
pub use event::Event;
pub use gate::Gate;
