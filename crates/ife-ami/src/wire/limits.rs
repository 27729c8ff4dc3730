/// Bounds of the decoder, in bytes and counts.
///
/// A message over a limit is skipped and reported, and the connection continues. Only a message
/// that does not end within [`Limits::skip_bytes_max`] ends the connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Longest line without its end. Asterisk sends values of up to 8 KiB (channel variables).
    pub line_bytes_max: usize,
    /// Largest number of headers in a message. A channel event has about 30.
    pub headers_max: usize,
    /// Longest message, line ends included.
    pub message_bytes_max: usize,
    /// Longest search for the end of a message over a limit.
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
