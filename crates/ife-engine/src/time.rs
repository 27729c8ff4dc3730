//! The reading of both clocks that an action is applied at.

use std::time::Instant;

/// One reading of the shell's clocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Now {
    /// For waits.
    pub at: Instant,
    /// Milliseconds since 1970-01-01 UTC, for records and signatures.
    pub unix_ms: u64,
}

impl Now {
    /// Seconds since 1970-01-01 UTC.
    pub fn unix_s(self) -> u64 {
        self.unix_ms / 1_000
    }
}
