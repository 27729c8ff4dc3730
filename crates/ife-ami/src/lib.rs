//! Sans-IO codec and session of the Asterisk Manager Interface (AMI).
//! Never opens a socket, reads a clock, draws randomness or knows what a call is for.

pub mod action;
pub mod event;
pub mod model;
pub mod session;
pub mod value;
pub mod wire;

pub use action::{Action, ActionId};
pub use event::Event;
pub use model::{Change, Model};
pub use session::{Config, Jitter, Output, Session};
