//! The operator's page (`/ui`) and what it shows of the witness log, for `api/witness.rs`.
//! docs/operator-page.md is for its readers.
//!
//! The page holds no data and no secret; everything it shows comes from `/v1/...`, where every request is checked like any other.

pub mod bundle;
pub mod entry;
pub mod follow;
pub mod index;
pub mod log;
pub mod page;
pub mod shape;
pub mod verdicts;

#[cfg(test)]
mod tests;
