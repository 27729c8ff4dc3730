/// What a peer may make the decoder hold, in bytes and counts.
///
/// A message that breaks a limit is skipped up to its end and reported, and the connection is kept. Only a
/// message whose end does not come within [`Limits::skip_bytes_max`] ends the connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Longest line, line end not counted. Asterisk builds event values of up to 8 KiB (channel variables).
    pub line_bytes_max: usize,
    /// Most headers in one message. A channel event has about 30.
    pub headers_max: usize,
    /// Longest message, all its lines with their ends.
    pub message_bytes_max: usize,
    /// Longest stretch skipped in search of the end of a message that broke a limit.
    pub skip_bytes_max: usize,
    /// Longest first line of a connection. Asterisk's is about 30 bytes.
    pub banner_bytes_max: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            line_bytes_max: 16 * 1024,
            headers_max: 512,
            message_bytes_max: 64 * 1024,
            skip_bytes_max: 4 * 1024 * 1024,
            banner_bytes_max: 256,
        }
    }
}
