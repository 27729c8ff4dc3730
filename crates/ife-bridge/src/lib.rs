//! The bridge's tokio shell: AMI, HTTP API, IF.connect intake, evidence server, metrics.
//! Decides nothing about a call by itself: ife-guard decides whether, ife-call what follows.

pub mod agents;
mod allowed;
pub mod ami;
pub mod api;
pub mod clock;
pub mod config;
pub mod engine;
pub mod evidence;
pub mod gate;
pub mod handle;
pub mod listen;
pub mod log;
pub mod metrics;
pub mod nats;
pub mod notify;
mod plain_file;
pub mod run;
pub mod speech;
pub mod store;
pub mod witness;

pub use ife_engine::{refusal, view};
pub use plain_file::FileError;
