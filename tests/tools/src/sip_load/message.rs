//! As much of a SIP message as the two ends of a call need.

use std::str;

/// A received message, of which this program's proxy is trusted to send good ones.
pub(crate) struct Message<'a> {
    pub(crate) first_line: &'a str,
    head: &'a str,
}

impl<'a> Message<'a> {
    pub(crate) fn parse(bytes: &'a [u8]) -> Option<Self> {
        let text = str::from_utf8(bytes).ok()?;
        let (head, _) = text.split_once("\r\n\r\n")?;
        let (first_line, head) = head.split_once("\r\n")?;
        Some(Self { first_line, head })
    }

    /// The status of a reply.
    pub(crate) fn code(&self) -> Option<u16> {
        let rest = self.first_line.strip_prefix("SIP/2.0 ")?;
        rest.get(..3)?.parse().ok()
    }

    /// The method of a request, or of the request that a reply is for.
    pub(crate) fn method(&self) -> Option<&'a str> {
        self.header("CSeq")?.rsplit(' ').next()
    }

    /// The number of the call, which ends its Call-ID.
    pub(crate) fn number(&self) -> Option<usize> {
        self.header("Call-ID")?.rsplit('-').next()?.parse().ok()
    }

    pub(crate) fn header(&self, name: &str) -> Option<&'a str> {
        self.headers(name).next()
    }

    /// The values of all header fields of this name.
    pub(crate) fn headers(&self, name: &str) -> impl DoubleEndedIterator<Item = &'a str> {
        self.head.split('\n').filter_map(move |line| {
            let (found, value) = line.split_once(':')?;
            found.eq_ignore_ascii_case(name).then(|| value.trim())
        })
    }

    /// The URI between the angle brackets of a header field.
    pub(crate) fn uri(&self, name: &str) -> Option<&'a str> {
        let (_, rest) = self.header(name)?.split_once('<')?;
        Some(rest.split_once('>')?.0)
    }
}
