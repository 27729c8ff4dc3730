//! The wire formats of IF.ESCALATE: X-IF-* headers, signed bytes, addresses, keys, IFMessage. Never
//! reads a clock, a file, a socket or randomness, and never panics on input.
//!
//! Header bodies are untrusted. Every parser is bounded, linear in its input and total: it returns
//! a value, or an error with fault and position. Parsing a signature header, building the signed
//! bytes and verifying them allocates nothing beyond the caller's buffer.

pub mod aor;
pub mod decision;
pub mod escalate;
pub mod header;
pub mod ids;
pub mod ifmessage;
pub mod json;
pub mod key;
pub mod printable;
pub mod sign;
pub mod signature;

mod inline;
mod received;

pub use aor::{Aor, AorError};
pub use decision::Decision;
pub use escalate::{Briefing, Escalate, call_id};
pub use header::{Fault, HeaderError, WitnessHash};
pub use ids::{Hazard, Kid, TraceId};
pub use ifmessage::{IfMessage, MessageError, MessageSignature};
pub use key::{KeyError, KnownKey, PrivateKey, PublicKey};
pub use received::Received;
pub use sign::{SignError, SignedFields};
pub use signature::{AnySignature, Covered, LegacySignature, Part, SignatureHeader};
