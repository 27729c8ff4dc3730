//! Reads entries of a log directory.
