//! What crosses the wire of IF.ESCALATE: the X-IF-* headers and their signed bytes, addresses of record, keys, and IFMessage.
//! Never reads a clock, a file, a socket or randomness, and never panics on input.
//!
//! Header bodies come from strangers. Every parser here is bounded, linear in its input and total: it answers with a value or with an
//! error that says what is wrong and where. Parsing a signature header, building the signed bytes and verifying them allocates nothing
//! beyond the caller's buffer.

pub mod aor;
pub mod escalate;
pub mod header;
pub mod ids;
pub mod ifmessage;
pub mod json;
pub mod key;
pub mod printable;
pub mod sign;
pub mod signature;

mod hex;
mod inline;
mod received;

pub use aor::{Aor, AorError};
pub use escalate::{Escalate, call_id};
pub use header::{Fault, HeaderError, WitnessHash};
pub use ids::{Hazard, Kid, TraceId};
pub use ifmessage::{IfMessage, MessageError, MessageSignature};
pub use key::{KeyError, PrivateKey, PublicKey};
pub use received::Received;
pub use sign::{SignError, SignedFields};
pub use signature::{AnySignature, Covered, LegacySignature, Part, SignatureHeader};
