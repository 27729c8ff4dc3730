//! Bytes to messages: limits, the decoder and the borrowed and owned message.

mod decoder;
mod limits;
mod message;
mod text;

pub use decoder::{DecodeError, Decoder, Frame, SkipReason};
pub use limits::Limits;
pub use message::{Kind, Message, MessageRef, Repeated};
pub use text::Text;

pub(crate) use text::parse_u64;
