//! What tests, benches and fuzz targets of the C ABI share.
#![allow(
    dead_code,
    unreachable_pub,
    missing_docs,
    unused_imports,
    clippy::unwrap_used,
    reason = "each user needs a part of it"
)]

pub mod arbitrary;
pub mod calls;
pub mod gate;

pub use calls::*;
