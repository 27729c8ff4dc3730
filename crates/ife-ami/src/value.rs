//! Values for Asterisk, checked on creation: every value is safe to send.
//!
//! AMI has no quoting. A CR LF in a value starts a second action, a comma in `Variable:` sets two
//! variables, and `Hangup` accepts a `/regex/` over all channels. Each type admits one alphabet.

use std::fmt;

/// Reasons why a value is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ValueError {
    /// No bytes.
    #[error("empty value")]
    Empty,
    /// Over the limit.
    #[error("value of {len} bytes, at most {max} are allowed")]
    TooLong {
        /// Bytes given.
        len: usize,
        /// Bytes allowed.
        max: usize,
    },
    /// A byte outside the alphabet.
    #[error("byte 0x{byte:02x} at position {at} is not allowed")]
    Forbidden {
        /// The byte.
        byte: u8,
        /// Its position, from 0.
        at: usize,
    },
    /// A word with a special meaning to Asterisk.
    #[error("value has a special meaning to Asterisk")]
    Special,
}

fn check(bytes: &[u8], len_max: usize, allowed: impl Fn(u8) -> bool) -> Result<(), ValueError> {
    if bytes.is_empty() {
        return Err(ValueError::Empty);
    }
    if bytes.len() > len_max {
        return Err(ValueError::TooLong {
            len: bytes.len(),
            max: len_max,
        });
    }
    match bytes.iter().position(|byte| !allowed(*byte)) {
        Some(at) => Err(ValueError::Forbidden {
            byte: bytes[at],
            at,
        }),
        None => Ok(()),
    }
}

/// The alphabet of parts of dial strings: `[0-9A-Za-z_.-]`.
///
/// It excludes `/`, `@`, `&`, `,`, `$`, `{`, `^`, `!`, `(`, `)`, `;` and blank, each of which has a
/// meaning to `Dial`, a channel driver or the dialplan.
fn dial_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'-')
}

macro_rules! token {
    ($(#[$doc:meta])* $name:ident, $max:expr, $allowed:expr) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(Box<str>);

        impl $name {
            /// Largest length in bytes.
            pub const LEN_MAX: usize = $max;

            /// Checks a value.
            pub fn parse(bytes: impl AsRef<[u8]>) -> Result<Self, ValueError> {
                let bytes = bytes.as_ref();
                check(bytes, Self::LEN_MAX, $allowed)?;
                // Every alphabet here is ASCII, so nothing is replaced.
                Ok($name(String::from_utf8_lossy(bytes).into()))
            }

            /// Returns the value.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}({:?})", stringify!($name), &self.0)
            }
        }

        impl std::str::FromStr for $name {
            type Err = ValueError;

            fn from_str(text: &str) -> Result<Self, ValueError> {
                Self::parse(text)
            }
        }
    };
}

token!(
    /// A part of a dial string: extension, peer section, endpoint or context.
    DialToken, 80, dial_byte
);
token!(
    /// The user part of a dialled SIP URI: [`DialToken`]'s alphabet and the `+` of E.164.
    SipUser, 80, |byte| dial_byte(byte) || byte == b'+'
);
token!(
    /// The host of a dialled SIP URI: a name, an IPv4 address, or an IPv6 address in brackets.
    SipHost, 160, |byte| dial_byte(byte) || matches!(byte, b'[' | b']' | b':')
);
token!(
    /// The name of a ConfBridge room, in the alphabet of dial strings.
    RoomName, 80, dial_byte
);
token!(
    /// A channel's unique id, preset with `ChannelId:`; it joins everything about the leg.
    ChannelId, 128, dial_byte
);
token!(
    /// The name of a channel variable, with a leading `_` (inherited once) or `__` (always).
    VarName, 80, |byte| byte.is_ascii_alphanumeric() || byte == b'_'
);
token!(
    /// The name of a global variable: [`DialToken`]'s alphabet and slashes. It has no parenthesis,
    /// by which Asterisk knows a function.
    GlobalName, 200, |byte| dial_byte(byte) || byte == b'/'
);

token!(
    /// A channel's unique id in Asterisk: printable ASCII without blank, comma and slash, of at
    /// most `AST_MAX_UNIQUEID` bytes without its final NUL.
    ///
    /// `Hangup` parses a leading slash as a regular expression over all channels.
    Uniqueid, 149, |byte| byte.is_ascii_graphic() && !matches!(byte, b'/' | b',')
);

impl From<&ChannelId> for Uniqueid {
    fn from(id: &ChannelId) -> Self {
        Uniqueid(id.0.clone())
    }
}

/// A channel's name in Asterisk, such as `PJSIP/kamailio-00000001` or `OOH323/council-3`.
///
/// Peers influence it (chan_ooh323 uses the caller's name), so it is bytes and never an identity:
/// join by [`Uniqueid`]. Only `ConfbridgeMute` and `ConfbridgeKick` need it.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ChannelName(Box<[u8]>);

impl ChannelName {
    /// Largest length in bytes: `AST_CHANNEL_NAME`.
    pub const LEN_MAX: usize = 80 * 4;

    /// Checks a value: no control byte, no leading slash, and no word for all participants.
    pub fn parse(bytes: impl AsRef<[u8]>) -> Result<Self, ValueError> {
        let bytes = bytes.as_ref();
        check(bytes, Self::LEN_MAX, |byte| !byte.is_ascii_control())?;
        let reserved = [&b"all"[..], b"participants", b"admin"];
        if bytes[0] == b'/' || reserved.iter().any(|word| bytes.eq_ignore_ascii_case(word)) {
            return Err(ValueError::Special);
        }
        Ok(ChannelName(bytes.into()))
    }

    /// Returns the value.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// Returns the channel driver, the part before the first slash: `PJSIP`, `OOH323`, `Local`.
    pub fn driver(&self) -> &[u8] {
        self.0.split(|byte| *byte == b'/').next().unwrap_or(&self.0)
    }
}

impl fmt::Display for ChannelName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0.escape_ascii(), f)
    }
}

impl fmt::Debug for ChannelName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ChannelName({self})")
    }
}

/// The value of a channel variable: no CR, LF, NUL, comma, double quote or backslash.
///
/// Asterisk splits `Variable:` at commas and removes quotes and backslashes.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct VarValue(Box<[u8]>);

impl VarValue {
    /// Largest length in bytes; [`crate::action::LINE_BYTES_MAX`] also bounds the whole line.
    pub const LEN_MAX: usize = 1000;

    /// Checks a value, which may be empty.
    pub fn parse(bytes: impl AsRef<[u8]>) -> Result<Self, ValueError> {
        let bytes = bytes.as_ref();
        let allowed = |byte| !matches!(byte, b'\r' | b'\n' | 0 | b',' | b'"' | b'\\');
        match check(bytes, Self::LEN_MAX, allowed) {
            Ok(()) | Err(ValueError::Empty) => Ok(VarValue(bytes.into())),
            Err(error) => Err(error),
        }
    }

    /// Returns the value.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for VarValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "VarValue(\"{}\")", self.0.escape_ascii())
    }
}

/// A channel variable: one `Variable:` header of an `Originate`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Variable {
    /// Its name.
    pub name: VarName,
    /// Its value.
    pub value: VarValue,
}

impl Variable {
    /// Creates a channel variable from raw parts.
    pub fn channel(name: &str, value: impl AsRef<[u8]>) -> Result<Self, ValueError> {
        Ok(Variable {
            name: VarName::parse(name)?,
            value: VarValue::parse(value)?,
        })
    }
}

/// A shared secret. `Debug` does not show it.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Box<str>);

impl Secret {
    /// Checks a secret: printable ASCII, blanks allowed.
    pub fn parse(text: &str) -> Result<Self, ValueError> {
        check(text.as_bytes(), 128, |byte| {
            byte.is_ascii_graphic() || byte == b' '
        })?;
        Ok(Secret(text.into()))
    }

    pub(crate) fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}
