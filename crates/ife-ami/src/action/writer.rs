use std::fmt;

/// Longest line to Asterisk without its end. At 1023, Asterisk 16.28 and 22.10.1 drop the action
/// and answer with an error without its id.
pub const LINE_BYTES_MAX: usize = 1022;

/// Largest number of headers, `Action` and `ActionID` included. At 129, Asterisk answers likewise.
pub const HEADERS_MAX: usize = 128;

/// Reasons why an action cannot be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum EncodeError {
    /// A line that Asterisk would truncate or drop.
    #[error("line {key} has {len} bytes, at most {LINE_BYTES_MAX} are allowed")]
    LineTooLong {
        /// The header.
        key: &'static str,
        /// Bytes of the whole line without its end.
        len: usize,
    },
    /// More headers than Asterisk reads.
    #[error("more than {HEADERS_MAX} headers")]
    TooManyHeaders,
    /// A byte that would end the line: CR, LF or NUL.
    #[error("CR, LF or NUL in the value of {key}")]
    LineBreak {
        /// The header.
        key: &'static str,
    },
}

/// Identifies an action and its answers; unique across the reconnects of a [`crate::Session`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ActionId(pub(crate) u64);

impl ActionId {
    /// Creates an id for use of the codec without [`crate::Session`].
    pub fn new(number: u64) -> Self {
        ActionId(number)
    }

    /// Parses an `ActionID:` value; `None` if this crate did not create it.
    pub fn parse(value: &[u8]) -> Option<Self> {
        crate::wire::parse_u64(value.strip_prefix(b"ife-")?).map(ActionId)
    }
}

impl fmt::Display for ActionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ife-{}", self.0)
    }
}

/// Writes one action. The last check before the wire: it refuses line breaks that a type let pass.
pub(super) struct Writer<'a> {
    out: &'a mut Vec<u8>,
    start: usize,
    headers: usize,
}

impl<'a> Writer<'a> {
    pub(super) fn begin(out: &'a mut Vec<u8>, action: &'static str, id: &ActionId) -> Self {
        let start = out.len();
        out.extend_from_slice(format!("Action: {action}\r\nActionID: {id}\r\n").as_bytes());
        Writer {
            out,
            start,
            headers: 2,
        }
    }

    pub(super) fn line(
        &mut self,
        key: &'static str,
        value: impl AsRef<[u8]>,
    ) -> Result<(), EncodeError> {
        let value = value.as_ref();
        if value.iter().any(|byte| matches!(byte, b'\r' | b'\n' | 0)) {
            return Err(EncodeError::LineBreak { key });
        }
        let len = key.len() + 2 + value.len();
        if len > LINE_BYTES_MAX {
            return Err(EncodeError::LineTooLong { key, len });
        }
        self.headers += 1;
        if self.headers > HEADERS_MAX {
            return Err(EncodeError::TooManyHeaders);
        }
        for part in [key.as_bytes(), b": ", value, b"\r\n"] {
            self.out.extend_from_slice(part);
        }
        Ok(())
    }

    pub(super) fn finish(self) -> Result<(), EncodeError> {
        self.out.extend_from_slice(b"\r\n");
        Ok(())
    }

    pub(super) fn abandon(self, error: EncodeError) -> Result<(), EncodeError> {
        self.out.truncate(self.start);
        Err(error)
    }
}
