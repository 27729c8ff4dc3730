//! The daemon's loop.
