//! The owner of all calls of a bridge: requests, rooms and guardians, timers, and health.
//! Never opens a socket or file, reads a clock, draws randomness or waits.
//!
//! [`Engine::apply`] takes in what happened, with the time; its orders go to the [`shell::Shell`].
//!
//! | module | owns |
//! |---|---|
//! | `calls` | every call with its machine, its channels and its history |
//! | `rooms` | rooms with their guardians, members and admissions |
//! | `requests` | requests whose answer is due, and all that waits for the store |
//! | `decisions` | decisions about calls: judged, witnessed, kept, published |
//! | `timers` | deadlines |
//! | `health` | the state of all parts |
//! | `context` | what these share: settings, the gate, Asterisk as it is known, the way to the shell |

pub mod command;
pub mod council;
pub mod decisions;
pub mod gate;
pub mod ledger;
pub mod notice;
pub mod record;
pub mod refusal;
pub mod roll;
pub mod settings;
pub mod shell;
pub mod time;
pub mod view;

mod answers;
mod calls;
mod context;
mod elsewhere;
mod engine;
mod follow;
mod gateway;
mod health;
mod observe;
mod requests;
mod rooms;
mod takeover;
mod timers;
mod uncalled;
mod upkeep;

pub use engine::{Action, Engine, Parts};
pub use gateway::FromLink;
