//! Addresses of record: `sip:user@host` in one spelling, equal as bytes for the same person.
//!
//! RFC 3261 section 25.1 gives the grammar and 19.1.4 the equivalence: scheme and host ignore case,
//! `sips` names the same person as `sip`, an escape of an unreserved character equals the
//! character, every other escape stays and is written in upper case. Port, parameters and headers
//! are no part of an address of record. IPv6 hosts are written by RFC 5952.

mod host;

use std::{fmt, str::FromStr};

use ife_words::hex;

use crate::{header::trim, inline::Inline};

/// Longest address of record, in bytes.
pub const AOR_LEN_MAX: usize = 256;
/// Longest URI or name-addr that is parsed, in bytes.
pub const URI_LEN_MAX: usize = 1024;

/// A normalised address of record.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Aor {
    text: Inline<AOR_LEN_MAX>,
    /// Offset of the `@`.
    at: u16,
}

/// Reasons why a URI has no address of record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AorError {
    /// Empty.
    #[error("the URI is empty")]
    Empty,
    /// Longer than [`URI_LEN_MAX`], or than [`AOR_LEN_MAX`] once normalised.
    #[error("the URI is too long")]
    TooLong,
    /// A control character, a space, a quote or a byte above 0x7e.
    #[error("the URI holds a character that is not allowed")]
    BadByte,
    /// Quotes or angle brackets that do not match, or text after them.
    #[error("the name or the brackets around the URI are malformed")]
    Brackets,
    /// Neither `sip:` nor `sips:`.
    #[error("the URI is neither sip: nor sips:")]
    Scheme,
    /// No user part: `sip:host` names a machine, not a person.
    #[error("the URI has no user part")]
    NoUser,
    /// A character in the user part that has to be escaped, a second `@`, or a password.
    #[error("the user part of the URI is malformed")]
    User,
    /// A `%` without two hex digits.
    #[error("a percent escape in the URI is malformed")]
    Escape,
    /// Not a host name, IPv4 address or bracketed IPv6 address.
    #[error("the host of the URI is malformed")]
    Host,
    /// Not a number from 1 to 65535.
    #[error("the port of the URI is malformed")]
    Port,
}

impl Aor {
    /// Parses a SIP URI (`sips:Alice@Example.COM:5061;transport=tls`) or a name-addr (`"Alice"
    /// <sip:alice@example.com>;tag=1`).
    pub fn parse(input: &[u8]) -> Result<Aor, AorError> {
        let uri = addr_spec(input)?;
        if !uri
            .iter()
            .all(|&b| b.is_ascii_graphic() && !matches!(b, b'<' | b'>' | b'"'))
        {
            return Err(AorError::BadByte);
        }
        let rest = strip_scheme(uri).ok_or(AorError::Scheme)?;
        // Host, parameters and headers hold no bare '@', so there is exactly one.
        let at = rest
            .iter()
            .position(|&b| b == b'@')
            .ok_or(AorError::NoUser)?;
        let (user, tail) = (&rest[..at], &rest[at + 1..]);
        if tail.contains(&b'@') {
            return Err(AorError::User);
        }
        let mut text = Inline::new();
        append(&mut text, b"sip:")?;
        append_user(&mut text, user)?;
        let at = text.len() as u16;
        append(&mut text, b"@")?;
        host::append_host(&mut text, tail)?;
        Ok(Aor { text, at })
    }

    /// Returns `sip:user@host`.
    pub fn as_str(&self) -> &str {
        self.text.as_str()
    }

    /// Returns `sip:user@host`.
    pub fn as_bytes(&self) -> &[u8] {
        self.text.as_bytes()
    }

    /// Returns the user part, escapes normalised.
    pub fn user(&self) -> &str {
        self.as_str()
            .get(4..usize::from(self.at))
            .unwrap_or_default()
    }

    /// Returns the host in lower case; an IPv6 address with its brackets.
    pub fn host(&self) -> &str {
        self.as_str()
            .get(usize::from(self.at) + 1..)
            .unwrap_or_default()
    }
}

/// Returns the URI inside a name-addr, or the whole of an addr-spec.
fn addr_spec(input: &[u8]) -> Result<&[u8], AorError> {
    let input = trim(input);
    if input.is_empty() {
        return Err(AorError::Empty);
    }
    if input.len() > URI_LEN_MAX {
        return Err(AorError::TooLong);
    }
    let after_name = if input[0] == b'"' {
        trim(skip_quoted(input).ok_or(AorError::Brackets)?)
    } else {
        input
    };
    let Some(open) = after_name.iter().position(|&b| b == b'<') else {
        return if input[0] == b'"' {
            Err(AorError::Brackets)
        } else {
            Ok(input)
        };
    };
    if !after_name[..open].iter().all(|&b| is_display_byte(b)) || (input[0] == b'"' && open > 0) {
        return Err(AorError::Brackets);
    }
    let inner = &after_name[open + 1..];
    let close = inner
        .iter()
        .position(|&b| b == b'>')
        .ok_or(AorError::Brackets)?;
    match trim(&inner[close + 1..]) {
        [] | [b';', ..] => Ok(&inner[..close]),
        [..] => Err(AorError::Brackets),
    }
}

/// Returns the text after a quoted string, `\` escaping the next byte.
fn skip_quoted(text: &[u8]) -> Option<&[u8]> {
    let mut bytes = text.iter().enumerate().skip(1);
    while let Some((offset, &byte)) = bytes.next() {
        match byte {
            b'"' => return Some(&text[offset + 1..]),
            b'\\' => _ = bytes.next(),
            b'\r' | b'\n' => return None,
            _ => {}
        }
    }
    None
}

/// Returns true for bytes of an unquoted display name: tokens and spaces (RFC 3261 section 25.1).
fn is_display_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
        || matches!(
            byte,
            b' ' | b'\t' | b'-' | b'.' | b'!' | b'%' | b'*' | b'_' | b'+' | b'`' | b'\'' | b'~'
        )
}

fn strip_scheme(uri: &[u8]) -> Option<&[u8]> {
    let colon = uri.iter().take(5).position(|&b| b == b':')?;
    let scheme = &uri[..colon];
    (scheme.eq_ignore_ascii_case(b"sip") || scheme.eq_ignore_ascii_case(b"sips"))
        .then(|| &uri[colon + 1..])
}

/// `unreserved` of RFC 3261 section 25.1.
fn is_unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
        || matches!(
            byte,
            b'-' | b'_' | b'.' | b'!' | b'~' | b'*' | b'\'' | b'(' | b')'
        )
}

/// `user-unreserved` of RFC 3261 section 25.1.
fn is_user_unreserved(byte: u8) -> bool {
    matches!(byte, b'&' | b'=' | b'+' | b'$' | b',' | b';' | b'?' | b'/')
}

fn append_user(text: &mut Inline<AOR_LEN_MAX>, user: &[u8]) -> Result<(), AorError> {
    if user.is_empty() {
        return Err(AorError::NoUser);
    }
    let mut rest = user;
    loop {
        // Bytes that need no escape are copied at once.
        let plain = rest
            .iter()
            .position(|&b| !(is_unreserved(b) || is_user_unreserved(b)))
            .unwrap_or(rest.len());
        append(text, &rest[..plain])?;
        let [byte, tail @ ..] = &rest[plain..] else {
            return Ok(());
        };
        if *byte == b'%' {
            let (high, low) = escape_digits(tail).ok_or(AorError::Escape)?;
            rest = &tail[2..];
            match high << 4 | low {
                plain if is_unreserved(plain) => append(text, &[plain])?,
                _ => append(
                    text,
                    &[
                        b'%',
                        tail[0].to_ascii_uppercase(),
                        tail[1].to_ascii_uppercase(),
                    ],
                )?,
            }
        } else {
            return Err(AorError::User);
        }
    }
}

fn escape_digits(text: &[u8]) -> Option<(u8, u8)> {
    Some((hex::value(*text.first()?)?, hex::value(*text.get(1)?)?))
}

fn append(text: &mut Inline<AOR_LEN_MAX>, bytes: &[u8]) -> Result<(), AorError> {
    if text.push_bytes(bytes) {
        Ok(())
    } else {
        Err(AorError::TooLong)
    }
}

impl FromStr for Aor {
    type Err = AorError;
    fn from_str(text: &str) -> Result<Self, AorError> {
        Aor::parse(text.as_bytes())
    }
}

impl fmt::Display for Aor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl fmt::Debug for Aor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Aor({:?})", self.as_str())
    }
}

impl AsRef<str> for Aor {
    fn as_ref(&self) -> &str {
        self.as_str()
    }
}
