//! Addresses with the differences removed that a server may ignore: letter case, and escapes of
//! characters that a user part may hold unescaped.

use ife_words::hex;

/// Longest folded address; one of the registry is not longer (`Aor`).
const LEN_MAX: usize = 256;

/// A folded address, or a part of one.
#[derive(Clone, Copy)]
pub(crate) struct Folded {
    bytes: [u8; LEN_MAX],
    len: usize,
}

impl Default for Folded {
    fn default() -> Self {
        Self {
            bytes: [0; LEN_MAX],
            len: 0,
        }
    }
}

impl Folded {
    /// Folds a text; `None` if it is longer than any address.
    pub(crate) fn of(text: &[u8]) -> Option<Self> {
        let mut folded = Self::default();
        folded.push(text).then_some(folded)
    }

    /// Folds `sip:user@host`.
    pub(crate) fn address(user: &[u8], host: &[u8]) -> Option<Self> {
        let mut folded = Self::default();
        let fits =
            folded.push(b"sip:") && folded.push(user) && folded.push(b"@") && folded.push(host);
        fits.then_some(folded)
    }

    /// Folds and appends; false if there is no room.
    pub(crate) fn push(&mut self, mut text: &[u8]) -> bool {
        while let [first, rest @ ..] = text {
            let (byte, rest) = match text {
                [b'%', high, low, tail @ ..] => match (hex::value(*high), hex::value(*low)) {
                    (Some(high), Some(low)) if may_stand_plain(high << 4 | low) => {
                        (high << 4 | low, tail)
                    }
                    (..) => (*first, rest),
                },
                _ => (*first, rest),
            };
            let Some(slot) = self.bytes.get_mut(self.len) else {
                return false;
            };
            *slot = byte.to_ascii_lowercase();
            self.len += 1;
            text = rest;
        }
        true
    }

    pub(crate) fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..self.len).unwrap_or_default()
    }
}

/// `unreserved` and `user-unreserved` of RFC 3261 section 25.1.
fn may_stand_plain(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-_.!~*'()&=+$,;?/".contains(&byte)
}
