use std::fmt;

use super::Text;

/// Position of a header in the bytes of its message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Span {
    pub(crate) key_start: u32,
    pub(crate) key_end: u32,
    pub(crate) value_start: u32,
    pub(crate) value_end: u32,
}

/// A message in the decoder's buffer.
#[derive(Clone, Copy)]
pub struct MessageRef<'a> {
    bytes: &'a [u8],
    spans: &'a [Span],
}

/// The kind of a message. `Event:` takes precedence: `OriginateResponse` has `Response:` too.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind<'a> {
    /// The value of `Event:`.
    Event(&'a [u8]),
    /// The value of `Response:` in a message without `Event:`.
    Response(&'a [u8]),
    /// Neither.
    Other,
}

/// A single-value header is repeated with another value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("header {0} is repeated with another value")]
pub struct Repeated(pub &'static str);

impl<'a> MessageRef<'a> {
    pub(crate) fn new(bytes: &'a [u8], spans: &'a [Span]) -> Self {
        MessageRef { bytes, spans }
    }

    /// Returns all headers in wire order. A line without a colon has an empty key.
    pub fn headers(self) -> impl Iterator<Item = (&'a [u8], &'a [u8])> {
        let bytes = self.bytes;
        self.spans
            .iter()
            .map(move |span| (key(bytes, span), value(bytes, span)))
    }

    /// Returns the value of the first header of that name, which is case-insensitive.
    pub fn first(self, name: &str) -> Option<&'a [u8]> {
        self.all(name).next()
    }

    /// Returns the values of all headers of that name, such as the repeated `ChanVariable`.
    pub fn all(self, name: &str) -> impl Iterator<Item = &'a [u8]> {
        let bytes = self.bytes;
        self.spans
            .iter()
            .filter(move |span| (span.key_end - span.key_start) as usize == name.len())
            .filter(move |span| key(bytes, span).eq_ignore_ascii_case(name.as_bytes()))
            .map(move |span| value(bytes, span))
    }

    /// Returns the value of a single-value header. Equal repetitions count as one.
    pub fn unique(self, name: &'static str) -> Result<Option<&'a [u8]>, Repeated> {
        let mut values = self.all(name);
        let first = values.next();
        match values.find(|other| Some(*other) != first) {
            Some(_) => Err(Repeated(name)),
            None => Ok(first),
        }
    }

    /// Returns the kind, by `Event:` and then by `Response:`.
    pub fn kind(self) -> Kind<'a> {
        if let Some(name) = self.first("Event") {
            return Kind::Event(name);
        }
        self.first("Response").map_or(Kind::Other, Kind::Response)
    }

    /// Returns a copy independent of the decoder's buffer.
    pub fn to_message(self) -> Message {
        Message {
            bytes: self.bytes.into(),
            spans: self.spans.into(),
        }
    }
}

impl fmt::Debug for MessageRef<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list()
            .entries(
                self.headers()
                    .map(|(key, value)| (Text::from(key), Text::from(value))),
            )
            .finish()
    }
}

impl PartialEq for MessageRef<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.headers().eq(other.headers())
    }
}

/// An owned message.
#[derive(Clone)]
pub struct Message {
    bytes: Box<[u8]>,
    spans: Box<[Span]>,
}

impl Message {
    /// Returns the borrowed form, which has all accessors.
    pub fn view(&self) -> MessageRef<'_> {
        MessageRef::new(&self.bytes, &self.spans)
    }
}

impl fmt::Debug for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.view().fmt(f)
    }
}

impl PartialEq for Message {
    fn eq(&self, other: &Self) -> bool {
        self.view() == other.view()
    }
}

impl Eq for Message {}

fn key<'a>(bytes: &'a [u8], span: &Span) -> &'a [u8] {
    &bytes[span.key_start as usize..span.key_end as usize]
}

fn value<'a>(bytes: &'a [u8], span: &Span) -> &'a [u8] {
    &bytes[span.value_start as usize..span.value_end as usize]
}
