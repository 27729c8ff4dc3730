//! Sans-IO codec and session of the Asterisk Manager Interface (AMI).
//! Never opens a socket, reads a clock, draws randomness or interprets a call.
//!
//! | module | holds |
//! |---|---|
//! | [`wire`] | bytes to messages: [`wire::Decoder`], limits, [`wire::Text`] for non-UTF-8 values |
//! | [`value`] | values for Asterisk; each type admits one alphabet, so each value is safe |
//! | [`action`] | actions for Asterisk and their encoding |
//! | [`event`] | typed events; others are passed over, contradictory ones counted and never acted on |
//! | [`session`] | connection, login, heartbeat, answers, lists, back-off, resync after any gap |
//! | [`model`] | channels and rooms in step with Asterisk, and their changes |
//!
//! # Driving a session
//!
//! One task only reads the socket into a bounded queue: Asterisk silently drops a reader with about
//! 3,000 unread events. The owner of the [`Session`] loops:
//!
//! ```
//! # use std::time::{Duration, Instant};
//! use ife_ami::session::Output;
//! use ife_ami::value::{DialToken, Secret};
//! use ife_ami::{Change, Config, Jitter, Model, Session};
//!
//! # fn main() -> Result<(), ife_ami::value::ValueError> {
//! # let now = Instant::now();
//! let config = Config::new(DialToken::parse("if-escalate")?, Secret::parse("secret")?);
//! let mut session = Session::new(config, now);
//! let mut model = Model::new();
//! let mut changes: Vec<Change> = Vec::new();
//!
//! // After every call: write and act.
//! let to_write = session.poll_transmit();
//! while let Some(output) = session.poll_output() {
//!     model.apply(&output, &mut changes);
//!     match output {
//!         // Open the transport, with TLS if configured. Then `handle_connected`, or
//!         // `handle_closed` on failure.
//!         Output::Connect => session.handle_closed(now, Jitter(0x1234)),
//!         // Drop the transport, then `handle_closed`.
//!         Output::Close => session.handle_closed(now, Jitter(0x4321)),
//!         Output::Answer { .. } | Output::Event(_) => {}
//!         Output::Up(_) | Output::Down(_) | Output::Gap(_) => {}
//!         Output::ResyncStarted | Output::Snapshot(_) | Output::ResyncFailed(_) => {}
//!     }
//! }
//! // Pass `changes` to the calls' state machines; at `Change::InStep` compare each with the model.
//! // Then wait for bytes (`handle_bytes`), this deadline (`handle_timeout`), or work (`submit`).
//! let deadline = session.poll_timeout();
//! # assert!(deadline.is_some() && to_write.is_none() && changes.is_empty());
//! # Ok(())
//! # }
//! ```
//!
//! `examples/watch.rs` is a complete shell in 100 lines.
//!
//! # Invariants
//!
//! - An action is sent at most once. An action pending when a connection ends is answered
//!   [`session::Outcome::Lost`].
//! - Every action is answered.
//! - A value cannot end its line, set a second variable, name all channels or extend a dial string.
//! - The result does not depend on how the stream is cut. No input panics. [`wire::Limits`] and
//!   [`Config`] bound the memory.
//! - Channels are joined by unique id, preset by [`action::Originate::channel_id`], never by name.
//! - After any gap everything is listed anew, and concurrent events take precedence over the lists.
//!
//! # Behaviour of Asterisk, measured on 16.28 and 22.10.1
//!
//! Each of these is a test in `tests/traps.rs` or `tests/captures.rs`.
//!
//! - After a failed originated call, the extension `failed` of the destination's context runs on a
//!   channel `OutgoingSpoolFailed`, and `h` at every end. A pattern such as `_.` matches both, and
//!   creates rooms of these names.
//! - `ConfbridgeJoin` follows the announcement to a lone first participant, 2.5 s late, unless the
//!   user profile has `announce_only_user=no`. `ConfbridgeList` shows the participant earlier.
//! - A far side that hangs up gives `HangupRequest`, then leaves its room, then `Hangup`. A removed
//!   one, or one hung up by an action, gives no `HangupRequest`.
//! - After Asterisk's own timer, a call has cause 0 on 16, and 19 on 22 even if nothing rang.
//! - The answer to a line over 1022 bytes or an action of more than 128 headers is an error without
//!   an `ActionID`.

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
