//! Short text in a fixed buffer, so that a verdict needs no heap.

use std::fmt;

/// At most `N` bytes of UTF-8, cut at a character boundary, with control characters replaced.
#[derive(Clone, Copy)]
pub struct Text<const N: usize> {
    len: u16,
    cut: bool,
    bytes: [u8; N],
}

impl<const N: usize> Text<N> {
    /// Returns an empty text.
    #[must_use]
    pub const fn new() -> Self {
        assert!(N <= u16::MAX as usize);
        Self {
            len: 0,
            cut: false,
            bytes: [0; N],
        }
    }

    /// Returns a copy of `text`, cut and cleaned.
    #[must_use]
    pub fn of(text: &str) -> Self {
        let mut out = Self::new();
        out.push_str(text);
        out
    }

    /// Returns the text.
    pub fn as_str(&self) -> &str {
        // Only whole characters are copied in, so this cannot fail; an empty text beats a panic.
        std::str::from_utf8(self.bytes.get(..usize::from(self.len)).unwrap_or_default())
            .unwrap_or_default()
    }

    /// Returns the text's bytes, without the UTF-8 check of [`Self::as_str`].
    pub fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..usize::from(self.len)).unwrap_or_default()
    }

    /// Appends `text`; each control character becomes `?`.
    pub fn push_str(&mut self, text: &str) {
        if text.bytes().all(|b| (0x20..0x7f).contains(&b)) {
            self.push_bytes_ascii(text.as_bytes());
            return;
        }
        for c in text.chars() {
            let c = if is_unsafe(c) { '?' } else { c };
            if !self.push_char(c) {
                return;
            }
        }
    }

    fn push_bytes_ascii(&mut self, ascii: &[u8]) {
        if self.cut {
            return;
        }
        let start = usize::from(self.len);
        let room = N.saturating_sub(start);
        let take = ascii.len().min(room);
        self.cut = take < ascii.len();
        if let (Some(to), Some(from)) = (self.bytes.get_mut(start..start + take), ascii.get(..take))
        {
            to.copy_from_slice(from);
            self.len += take as u16; // at most N, which fits
        }
    }

    fn push_char(&mut self, c: char) -> bool {
        if self.cut {
            return false;
        }
        let mut utf8 = [0; 4];
        let encoded = c.encode_utf8(&mut utf8).as_bytes();
        let start = usize::from(self.len);
        let Some(to) = self.bytes.get_mut(start..start + encoded.len()) else {
            self.cut = true;
            return false;
        };
        to.copy_from_slice(encoded);
        self.len += encoded.len() as u16; // at most 4, and checked against N
        true
    }
}

/// Returns true for control characters (C0, DEL, C1) and those that reorder or hide text.
fn is_unsafe(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}'
            | '\u{feff}')
}

impl<const N: usize> Default for Text<N> {
    fn default() -> Self {
        Self::new()
    }
}

impl<const N: usize> std::ops::Deref for Text<N> {
    type Target = str;

    fn deref(&self) -> &str {
        self.as_str()
    }
}

impl<const N: usize> fmt::Debug for Text<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}

impl<const N: usize> fmt::Display for Text<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl<const N: usize> fmt::Write for Text<N> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.push_str(text);
        Ok(())
    }
}

impl<const N: usize> PartialEq<str> for Text<N> {
    fn eq(&self, other: &str) -> bool {
        self.as_str() == other
    }
}

impl<const N: usize> PartialEq for Text<N> {
    fn eq(&self, other: &Self) -> bool {
        self.as_str() == other.as_str()
    }
}

impl<const N: usize> Eq for Text<N> {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cuts_at_a_character_boundary() {
        assert_eq!(Text::<4>::of("abcé").as_str(), "abc");
        assert_eq!(Text::<5>::of("abcé").as_str(), "abcé");
        assert_eq!(Text::<3>::of("abcdef").as_str(), "abc");
    }

    #[test]
    fn nothing_after_a_cut_slips_in() {
        // A shorter character after one that did not fit would hide that text is missing.
        let mut text = Text::<2>::of("aéb");
        text.push_str("b");
        assert_eq!(text.as_str(), "a");
    }

    #[test]
    fn control_characters_never_get_in() {
        assert_eq!(
            Text::<32>::of("a\r\nb\u{7f}\u{85}\u{202e}é").as_str(),
            "a??b???é"
        );
    }
}
