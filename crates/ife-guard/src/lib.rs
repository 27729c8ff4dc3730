//! Call policy: a registry of experts and councils, its compiled image, the gates for an INVITE.
//! It never reads a clock, file, socket or random number, never allocates by the size of a request,
//! and never forwards a call.

mod decide;
mod explain;
mod gates;
pub mod image;
mod keys;
mod memory;
pub mod network;
pub mod pattern;
mod policy;
pub mod registry;
mod request;
pub mod scope;
mod state;
mod text;
mod time;
mod verdict;

pub use decide::decide;
pub use explain::{GateReport, Outcome, explain};
pub use image::Image;
pub use keys::KeyCache;
pub use memory::MemoryState;
pub use network::flood_source;
pub use pattern::Pattern;
pub use policy::Policy;
pub use registry::{Registry, RegistryError, RegistryErrors};
pub use request::{HeaderValue, Request, Transport};
pub use state::{
    Begin, CallKey, CallLimits, Now, SAME_ATTEMPT_REPEATS_MAX, SAME_ATTEMPT_WINDOW_MS,
    SETUP_LEASE_S, Sight, State, Token, expert_number,
};
pub use text::Text;
pub use verdict::{Direction, Gate, Verdict};
