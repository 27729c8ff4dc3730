//! Short ASCII text stored in place, so that a parsed header is copied without allocation.

use std::fmt;

/// At most `N` bytes of ASCII.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Inline<const N: usize> {
    // Bytes past `len` are always zero, so the derived comparisons compare the text.
    bytes: [u8; N],
    len: u16,
}

impl<const N: usize> Inline<N> {
    pub(crate) const fn new() -> Self {
        Inline {
            bytes: [0; N],
            len: 0,
        }
    }

    /// Returns the text, or `None` when it is longer than `N` or not ASCII.
    pub(crate) fn from_ascii(text: &[u8]) -> Option<Self> {
        let mut inline = Self::new();
        if !text.is_ascii() || !inline.push_bytes(text) {
            return None;
        }
        Some(inline)
    }

    /// Appends ASCII bytes. Returns false and appends nothing when they do not fit.
    #[must_use]
    pub(crate) fn push_bytes(&mut self, text: &[u8]) -> bool {
        let start = usize::from(self.len);
        match self.bytes.get_mut(start..start + text.len()) {
            Some(slot) => {
                slot.copy_from_slice(text);
                // N is at most 512 in this crate, so the sum fits.
                self.len += text.len() as u16;
                true
            }
            None => false,
        }
    }

    /// Puts the text from this offset on into lower case.
    pub(crate) fn make_lowercase_from(&mut self, start: usize) {
        if let Some(text) = self.bytes.get_mut(start..usize::from(self.len)) {
            text.make_ascii_lowercase();
        }
    }

    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.bytes[..usize::from(self.len)]
    }

    pub(crate) fn as_str(&self) -> &str {
        // Only ASCII is ever pushed.
        std::str::from_utf8(self.as_bytes()).unwrap_or_default()
    }

    pub(crate) fn len(&self) -> usize {
        usize::from(self.len)
    }
}

impl<const N: usize> fmt::Debug for Inline<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}

impl<const N: usize> fmt::Write for Inline<N> {
    fn write_str(&mut self, s: &str) -> fmt::Result {
        if s.is_ascii() && self.push_bytes(s.as_bytes()) {
            Ok(())
        } else {
            Err(fmt::Error)
        }
    }
}
