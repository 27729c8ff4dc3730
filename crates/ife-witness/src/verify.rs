//! Verifies a log directory.
