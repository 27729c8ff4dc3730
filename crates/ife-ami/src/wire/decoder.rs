use memchr::memchr;

use super::Limits;
use super::message::{MessageRef, Span};

/// Splits a byte stream from Asterisk into messages; how the stream is cut does not matter.
///
/// A line ends at LF, with or without a CR before it; an empty line ends a message. Call
/// [`Decoder::push`] with the bytes read, then [`Decoder::next_frame`] until it returns `None`. It
/// holds at most one message of [`Limits::message_bytes_max`] and the last piece pushed.
#[derive(Debug)]
pub struct Decoder {
    limits: Limits,
    buf: Vec<u8>,
    spans: Vec<Span>,
    /// Start of the message in `buf`; bytes before it are consumed.
    start: usize,
    /// Start of the unfinished line.
    line: usize,
    /// Bytes of `buf` before this position are searched for LF.
    searched: usize,
    mode: Mode,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mode {
    Banner,
    Message,
    Skip {
        line: Line,
        bytes: usize,
        reason: SkipReason,
    },
}

/// State of the unfinished line while skipping: whether it may still be empty.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Line {
    Empty,
    OnlyCr,
    Text,
}

/// An element of the stream.
#[derive(Debug, PartialEq)]
pub enum Frame<'a> {
    /// The first line of the connection, without its end.
    Banner(&'a [u8]),
    /// A whole message of at least one header.
    Message(MessageRef<'a>),
    /// A message was skipped. Its content is lost: the caller's model has a gap.
    Skipped {
        /// Bytes skipped, line ends included.
        bytes: usize,
        /// The limit that it broke.
        reason: SkipReason,
    },
}

/// Reasons why a message is skipped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SkipReason {
    /// A line over [`Limits::line_bytes_max`].
    Line,
    /// More than [`Limits::headers_max`] headers.
    Headers,
    /// Over [`Limits::message_bytes_max`].
    Message,
    /// Bytes were lost before the decoder: see [`Decoder::lose_sync`].
    LostBytes,
}

/// The stream cannot be decoded further: reopen the connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// The first line did not end within [`Limits::banner_bytes_max`].
    #[error("the banner is longer than {0} bytes")]
    BannerTooLong(usize),
    /// A message that broke a limit did not end within [`Limits::skip_bytes_max`].
    #[error("no end of message within {0} bytes")]
    NoEnd(usize),
}

impl Decoder {
    /// Creates a decoder at the start of a connection, before the banner.
    pub fn new(limits: Limits) -> Self {
        // Positions within a message are kept in 32 bits.
        let limits = Limits {
            message_bytes_max: limits.message_bytes_max.min(1 << 30),
            ..limits
        };
        Decoder {
            limits,
            buf: Vec::new(),
            spans: Vec::new(),
            start: 0,
            line: 0,
            searched: 0,
            mode: Mode::Banner,
        }
    }

    /// Creates a decoder for a stream after its banner.
    pub fn after_banner(limits: Limits) -> Self {
        Decoder {
            mode: Mode::Message,
            ..Decoder::new(limits)
        }
    }

    /// Appends bytes read. Drain [`Decoder::next_frame`] before the next push to bound the memory.
    pub fn push(&mut self, bytes: &[u8]) {
        self.compact();
        self.buf.extend_from_slice(bytes);
    }

    /// Reports lost bytes at this point: everything up to the next empty line is skipped.
    pub fn lose_sync(&mut self) {
        self.enter_skip(SkipReason::LostBytes, Line::Text);
        self.drop_all();
    }

    /// Returns the number of bytes held.
    pub fn buffered(&self) -> usize {
        self.buf.len() - self.start
    }

    /// Returns the next frame, `None` if it is incomplete. Do not use the decoder after an error.
    pub fn next_frame(&mut self) -> Result<Option<Frame<'_>>, DecodeError> {
        match self.mode {
            Mode::Banner => self.next_banner(),
            Mode::Skip { .. } => self.next_after_skip(),
            Mode::Message => self.next_message(),
        }
    }

    fn next_banner(&mut self) -> Result<Option<Frame<'_>>, DecodeError> {
        let max = self.limits.banner_bytes_max;
        let Some(end) = self.find_line_end() else {
            let too_long = self.buf.len() - self.start > max + 1;
            return if too_long {
                Err(DecodeError::BannerTooLong(max))
            } else {
                Ok(None)
            };
        };
        let (from, to) = (self.line, content_end(&self.buf, self.line, end));
        if to - from > max {
            return Err(DecodeError::BannerTooLong(max));
        }
        self.mode = Mode::Message;
        self.finish_message(end + 1);
        Ok(Some(Frame::Banner(&self.buf[from..to])))
    }

    fn next_message(&mut self) -> Result<Option<Frame<'_>>, DecodeError> {
        // The last message returned is consumed if `line` and `start` are both at its end.
        if self.line == self.start {
            self.spans.clear();
        }
        loop {
            let Some(end) = self.find_line_end() else {
                return match self.unfinished_over_limit() {
                    Some(reason) => self.skip_from_start(reason),
                    None => Ok(None),
                };
            };
            let to = content_end(&self.buf, self.line, end);
            if to == self.line {
                if self.spans.is_empty() {
                    self.finish_message(end + 1);
                    continue;
                }
                let (from, until) = (self.start, self.line);
                self.finish_message(end + 1);
                return Ok(Some(Frame::Message(MessageRef::new(
                    &self.buf[from..until],
                    &self.spans,
                ))));
            }
            if let Some(reason) = self.line_over_limit(to, end) {
                return self.skip_from_start(reason);
            }
            self.spans
                .push(header(&self.buf, self.start, self.line, to));
            self.line = end + 1;
            self.searched = self.line;
        }
    }

    fn line_over_limit(&self, to: usize, end: usize) -> Option<SkipReason> {
        if to - self.line > self.limits.line_bytes_max {
            Some(SkipReason::Line)
        } else if self.spans.len() >= self.limits.headers_max {
            Some(SkipReason::Headers)
        } else if end + 1 - self.start > self.limits.message_bytes_max {
            Some(SkipReason::Message)
        } else {
            None
        }
    }

    /// As `line_over_limit`, for an unfinished line: only a limit that the finished line would
    /// break first too, so that the result does not depend on how the stream is cut.
    fn unfinished_over_limit(&self) -> Option<SkipReason> {
        // One byte more than the limit may be the CR of the line end.
        if self.buf.len() - self.line > self.limits.line_bytes_max + 1 {
            Some(SkipReason::Line)
        } else {
            None
        }
    }

    fn skip_from_start(&mut self, reason: SkipReason) -> Result<Option<Frame<'_>>, DecodeError> {
        // From the unfinished or offending line on: no empty line precedes it.
        let before = self.line - self.start;
        self.start = self.line;
        self.enter_skip(reason, Line::Empty);
        if let Mode::Skip { bytes, .. } = &mut self.mode {
            *bytes = before;
        }
        self.next_after_skip()
    }

    fn enter_skip(&mut self, reason: SkipReason, line: Line) {
        self.spans.clear();
        self.mode = Mode::Skip {
            line,
            bytes: 0,
            reason,
        };
    }

    fn next_after_skip(&mut self) -> Result<Option<Frame<'_>>, DecodeError> {
        let Mode::Skip {
            mut line,
            mut bytes,
            reason,
        } = self.mode
        else {
            return Ok(None);
        };
        let max = self.limits.skip_bytes_max;
        loop {
            let rest = &self.buf[self.start..];
            let Some(at) = memchr(b'\n', rest) else {
                line = line.with(rest);
                bytes += rest.len();
                self.drop_all();
                self.mode = Mode::Skip {
                    line,
                    bytes,
                    reason,
                };
                return if bytes > max {
                    Err(DecodeError::NoEnd(max))
                } else {
                    Ok(None)
                };
            };
            let empty = line.with(&rest[..at]) != Line::Text;
            bytes += at + 1;
            line = Line::Empty;
            self.start += at + 1;
            if bytes > max {
                return Err(DecodeError::NoEnd(max));
            }
            if empty {
                self.mode = Mode::Message;
                self.finish_message(self.start);
                return Ok(Some(Frame::Skipped { bytes, reason }));
            }
        }
    }

    fn find_line_end(&mut self) -> Option<usize> {
        match memchr(b'\n', &self.buf[self.searched..]) {
            Some(at) => Some(self.searched + at),
            None => {
                self.searched = self.buf.len();
                None
            }
        }
    }

    fn finish_message(&mut self, next: usize) {
        self.start = next;
        self.line = next;
        self.searched = next;
    }

    fn drop_all(&mut self) {
        self.buf.clear();
        self.finish_message(0);
    }

    /// Moves the unfinished message to the front of the buffer.
    fn compact(&mut self) {
        if self.start == self.buf.len() {
            let unfinished = self.line != self.start;
            debug_assert!(
                !unfinished,
                "a line cannot start behind the end of the buffer"
            );
            self.drop_all();
        } else if self.start > 0 {
            self.buf.copy_within(self.start.., 0);
            self.buf.truncate(self.buf.len() - self.start);
            self.line -= self.start;
            self.searched -= self.start;
            self.start = 0;
        }
    }
}

impl Line {
    fn with(self, more: &[u8]) -> Line {
        match (self, more) {
            (_, []) => self,
            (Line::Empty, [b'\r']) => Line::OnlyCr,
            (Line::Empty | Line::OnlyCr | Line::Text, _) => Line::Text,
        }
    }
}

/// Returns the end of the line's content: before the LF at `end` and a preceding CR.
fn content_end(buf: &[u8], line: usize, end: usize) -> usize {
    if end > line && buf[end - 1] == b'\r' {
        end - 1
    } else {
        end
    }
}

fn header(buf: &[u8], start: usize, line: usize, to: usize) -> Span {
    // `Limits::message_bytes_max`, checked before, bounds the length far below 4 GiB.
    let at = |position: usize| (position - start) as u32;
    let content = &buf[line..to];
    let Some(colon) = memchr(b':', content) else {
        return Span {
            key_start: at(line),
            key_end: at(line),
            value_start: at(line),
            value_end: at(to),
        };
    };
    let after = line + colon + 1;
    let value = if buf.get(after) == Some(&b' ') && after < to {
        after + 1
    } else {
        after
    };
    Span {
        key_start: at(line),
        key_end: at(line + colon),
        value_start: at(value),
        value_end: at(to),
    }
}
