//! The bridge's tokio shell: AMI, HTTP API, IF.connect intake, evidence server, metrics.
//! Decides nothing about a call by itself: ife-guard says whether, ife-call says what next.

pub mod agents;
pub mod api;
pub mod config;
pub mod handle;
pub mod refusal;
pub mod view;
