//! Witness entries.
