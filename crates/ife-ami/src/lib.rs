//! Sans-IO codec and session of the Asterisk Manager Interface (AMI).
//! Never opens a socket, reads a clock, draws randomness or knows what a call is for.
//!
//! | module | holds |
//! |---|---|
//! | [`wire`] | bytes to messages: [`wire::Decoder`], limits, [`wire::Text`] for values that are not always UTF-8 |
//! | [`value`] | values that may go to Asterisk; each type admits one alphabet, so what exists is safe to send |
//! | [`action`] | what may be asked of Asterisk, and how it is written |
//! | [`event`] | what Asterisk reports, typed; unknown events raw, contradictory ones marked and never acted on |
//! | [`session`] | connection, login, heartbeat, answers, lists, back-off, resync after any gap |
//! | [`model`] | channels and rooms in step with Asterisk, and what became different |
//!
//! # How a shell drives it
//!
//! One task reads the socket into a bounded queue and does nothing else: Asterisk drops a reader that leaves about
//! 3,000 events unread, without a word. The owner of the [`Session`] then does, for ever:
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
//! // After anything happened: write what is to be written, and do what is to be done.
//! let to_write = session.poll_transmit();
//! while let Some(output) = session.poll_output() {
//!     model.apply(&output, &mut changes);
//!     match output {
//!         // Open the transport, TLS if so configured. Then `handle_connected`, or `handle_closed` if it failed.
//!         Output::Connect => session.handle_closed(now, Jitter(0x1234)),
//!         // Drop it, then `handle_closed`.
//!         Output::Close => session.handle_closed(now, Jitter(0x4321)),
//!         Output::Answer { .. } | Output::Event(_) => {}
//!         Output::Up(_) | Output::Down(_) | Output::Gap(_) => {}
//!         Output::ResyncStarted | Output::Snapshot(_) | Output::ResyncFailed(_) => {}
//!     }
//! }
//! // `changes` say what to tell the state machines of calls; `Change::InStep` is the time to compare each with the
//! // model. Then wait for bytes (`handle_bytes`), for this deadline (`handle_timeout`), or for work (`submit`).
//! let deadline = session.poll_timeout();
//! # assert!(deadline.is_some() && to_write.is_none() && changes.is_empty());
//! # Ok(())
//! # }
//! ```
//!
//! `examples/watch.rs` is a whole shell in 100 lines.
//!
//! # What holds
//!
//! - An action is sent at most once. What was under way when a connection ended is answered [`session::Outcome::Lost`].
//! - Every action is answered, whatever happens.
//! - A value cannot end its line, set a second variable, name everybody, or become more of a dial string than it is.
//! - How the stream is cut does not change what comes out. No input panics. Memory is bound by [`wire::Limits`] and
//!   [`Config`].
//! - Channels are joined by unique id, which [`action::Originate::channel_id`] presets, never by name.
//! - After a gap of any kind nothing is assumed: all is listed, and events that came meanwhile win over the lists.
//!
//! # What Asterisk does, measured on 16.28 and 22.10.1
//!
//! Each of these is a test in `tests/traps.rs` or `tests/captures.rs`.
//!
//! - `Variable: PJSIP_HEADER(add,X-Name)=value` on an asynchronous `Originate` sets a header of the INVITE itself
//!   ([`value::Variable::SipHeader`]); no `Local` channel and no pre-dial handler are needed.
//! - When an originated call fails, the extension `failed` of the destination's context is run on a channel
//!   `OutgoingSpoolFailed`, and `h` at every end. A pattern such as `_.` matches both, and makes rooms of these names.
//! - `ConfbridgeJoin` comes after the announcement to a lonely first participant, 2.5 s late, unless the user profile
//!   has `announce_only_user=no`. `ConfbridgeList` shows the participant before it.
//! - A far side that hangs up gives `HangupRequest`, then leaves its room, then `Hangup`. One that is removed, or hung
//!   up by an action, gives no `HangupRequest`.
//! - A call that Asterisk gave up by its own timer has cause 0 on 16, and 19 on 22 even when nothing rang.
//! - Lines of more than 1022 bytes and actions of more than 128 headers are answered by an error without an `ActionID`.

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
