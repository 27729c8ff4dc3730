//! Sans-IO evidence session over a WebRTC data channel: signed manifest, chunks, acknowledgements,
//! signed receipt (docs/evidence.md). Never opens a socket or a file, reads no clock and draws no
//! randomness but what DTLS and ICE draw inside str0m.
//!
//! Methods come in four kinds: bare getters; `handle_*`, by which the outside comes in; commands
//! such as [`Session::say`]; and `poll`, which is called until it answers with a time-out after
//! every `handle_*` and every command. `now` is always an argument. Errors are bad input; panics
//! are bugs.

pub mod agent;
mod flight;
pub mod frame;
pub mod link;
pub mod manifest;
pub mod message;
pub mod peer;
pub mod receiver;
pub mod sender;
pub mod session;
pub mod talk;

pub use agent::{Agent, AgentConfig, AgentOutput};
pub use frame::Frame;
pub use link::{Link, Redeemed, Token};
pub use manifest::{FileEntry, FileHasher, Manifest, ManifestError};
pub use message::{Binding, Body, Inbox, Outbox, Refused};
pub use peer::{Datagram, Peer, PeerError, PeerOutput};
pub use receiver::{Receiver, ReceiverOutput};
pub use sender::{Sender, SenderOutput};
pub use session::{Now, Session, SessionConfig, SessionOutput};
pub use talk::{Heard, Measured, Talk, TalkError};

/// Label of the data channel.
pub const CHANNEL_LABEL: &str = "if-agent-messaging";
/// Largest message of either kind, in bytes (what Chromium takes).
pub const MESSAGE_LEN_MAX: usize = 262_144;
/// Bytes that may be sent and not yet acknowledged; two blocks where that is more.
pub const WINDOW_LEN: u64 = 1 << 20;
