//! The evidence server: links of experts and guardians, files and WebRTC connections of all calls
//! (docs/evidence.md). No failure in here ends a call.
//!
//! ```text
//! engine ----EvidenceDesk--+                                    +--> UDP port
//! HTTP ----EvidenceHandle--+--> one task: select() -> apply() --+--> witness ring, engine, events
//! UDP port, files, timers--+        owns every session          +--> files, read and checked by blocks
//! ```

mod blocks;
mod case;
mod decision;
mod desk;
mod drive;
mod grant;
mod http;
mod port;
mod server;
mod settings;
mod source;
mod talk;
mod turn;

pub use desk::{About, EvidenceDesk, EvidenceHandle};
pub use http::router;
pub use server::Server;
pub use settings::{EvidenceError, Settings};
