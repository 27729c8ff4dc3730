//! Values that may go to Asterisk, checked when they are made: what exists is safe to send.
//!
//! AMI has no quoting. A CR LF in a value runs a second action, a comma in `Variable:` sets two variables, and
//! `Hangup` takes a `/regex/` over all channels as its channel. Each type here admits one alphabet and nothing else.

use std::fmt;

/// Why a value was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ValueError {
    /// No byte at all.
    #[error("empty value")]
    Empty,
    /// More than the limit.
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
    /// A word that Asterisk would take for something other than a name.
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

/// The alphabet of anything that becomes part of a dial string: `[0-9A-Za-z_.-]`.
///
/// It has no `/`, `@`, `&`, `,`, `$`, `{`, `^`, `!`, `(`, `)`, `;` or blank, each of which means something to
/// `Dial`, to a channel driver or to the dialplan.
fn dial_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'-')
}

macro_rules! token {
    ($(#[$doc:meta])* $name:ident, $max:expr, $allowed:expr) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(Box<str>);

        impl $name {
            /// Most bytes.
            pub const LEN_MAX: usize = $max;

            /// Checks and takes a value.
            pub fn parse(bytes: impl AsRef<[u8]>) -> Result<Self, ValueError> {
                let bytes = bytes.as_ref();
                check(bytes, Self::LEN_MAX, $allowed)?;
                // Every alphabet here is ASCII, so nothing is lost.
                Ok($name(String::from_utf8_lossy(bytes).into()))
            }

            /// The value.
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
    /// The user part of a SIP URI that is dialled: [`DialToken`]'s alphabet and the `+` of E.164.
    SipUser, 80, |byte| dial_byte(byte) || byte == b'+'
);
token!(
    /// The host of a SIP URI that is dialled: a name or an IPv4 address, or an IPv6 address in brackets.
    SipHost, 160, |byte| dial_byte(byte) || matches!(byte, b'[' | b']' | b':')
);
token!(
    /// The name of a ConfBridge room, in the alphabet of dial strings.
    RoomName, 80, dial_byte
);
token!(
    /// A channel's unique id that we preset with `ChannelId:`, and by which everything about the leg is joined.
    ChannelId, 128, dial_byte
);
token!(
    /// The name of a channel variable, leading `_` (inherited once) or `__` (inherited always) included.
    VarName, 80, |byte| byte.is_ascii_alphanumeric() || byte == b'_'
);
token!(
    /// The name of a SIP header field.
    HeaderName, 64, |byte| byte.is_ascii_alphanumeric() || byte == b'-'
);
token!(
    /// The name of a `UserEvent`.
    UserEventName, 64, |byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-')
);

impl From<&RoomName> for DialToken {
    /// A room as an extension of the dialplan: both have one alphabet and one length.
    fn from(room: &RoomName) -> Self {
        DialToken(room.0.clone())
    }
}

impl From<&ChannelId> for Uniqueid {
    fn from(id: &ChannelId) -> Self {
        Uniqueid(id.0.clone())
    }
}

/// A channel's unique id as Asterisk reports it: printable ASCII without blank, comma and slash.
///
/// `Hangup` reads a leading slash as a regular expression over all channels.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Uniqueid(Box<str>);

impl Uniqueid {
    /// Most bytes, `AST_MAX_UNIQUEID` less its final NUL.
    pub const LEN_MAX: usize = 149;

    /// Checks and takes a value.
    pub fn parse(bytes: impl AsRef<[u8]>) -> Result<Self, ValueError> {
        let bytes = bytes.as_ref();
        check(bytes, Self::LEN_MAX, |byte| {
            byte.is_ascii_graphic() && !matches!(byte, b'/' | b',')
        })?;
        Ok(Uniqueid(String::from_utf8_lossy(bytes).into()))
    }

    /// The value.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Uniqueid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Uniqueid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Uniqueid({:?})", &self.0)
    }
}

impl std::borrow::Borrow<str> for Uniqueid {
    fn borrow(&self) -> &str {
        &self.0
    }
}

/// A channel's name as Asterisk reports it, such as `PJSIP/kamailio-00000001` or `OOH323/council-3`.
///
/// Peers influence it (chan_ooh323 uses the caller's name), so it is bytes, and it is never an identity: join by
/// [`Uniqueid`]. It is needed for `ConfbridgeMute` and `ConfbridgeKick`, which know channels by name alone.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ChannelName(Box<[u8]>);

impl ChannelName {
    /// Most bytes, `AST_CHANNEL_NAME`.
    pub const LEN_MAX: usize = 80 * 4;

    /// Checks and takes a value: no control byte, no leading slash, and none of the words that mean everybody.
    pub fn parse(bytes: impl AsRef<[u8]>) -> Result<Self, ValueError> {
        let bytes = bytes.as_ref();
        check(bytes, Self::LEN_MAX, |byte| !byte.is_ascii_control())?;
        let everybody = [&b"all"[..], b"participants", b"admin"];
        if bytes[0] == b'/'
            || everybody
                .iter()
                .any(|word| bytes.eq_ignore_ascii_case(word))
        {
            return Err(ValueError::Special);
        }
        Ok(ChannelName(bytes.into()))
    }

    /// The value.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The channel driver, the part before the first slash: `PJSIP`, `OOH323`, `Local`.
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

/// The value of a channel variable: bytes other than CR, LF, NUL, comma, double quote and backslash.
///
/// Asterisk cuts `Variable:` at commas and removes quotes and backslashes, so none of them would arrive.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct VarValue(Box<[u8]>);

impl VarValue {
    /// Most bytes. With name and header the line must stay within [`crate::action::LINE_BYTES_MAX`] as well.
    pub const LEN_MAX: usize = 1000;

    /// Checks and takes a value, which may be empty.
    pub fn parse(bytes: impl AsRef<[u8]>) -> Result<Self, ValueError> {
        let bytes = bytes.as_ref();
        let allowed = |byte| !matches!(byte, b'\r' | b'\n' | 0 | b',' | b'"' | b'\\');
        match check(bytes, Self::LEN_MAX, allowed) {
            Ok(()) | Err(ValueError::Empty) => Ok(VarValue(bytes.into())),
            Err(error) => Err(error),
        }
    }

    /// The value.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for VarValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "VarValue(\"{}\")", self.0.escape_ascii())
    }
}

/// One `Variable:` header of an `Originate`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Variable {
    /// A channel variable.
    Channel {
        /// Its name.
        name: VarName,
        /// Its value.
        value: VarValue,
    },
    /// A header of the INVITE that a PJSIP channel will send, set through `PJSIP_HEADER(add,name)`.
    ///
    /// The only comma that may stand in a variable's name: inside parentheses Asterisk does not cut at it.
    SipHeader {
        /// Name of the header field.
        name: HeaderName,
        /// Its value.
        value: VarValue,
    },
}

impl Variable {
    /// A channel variable from raw parts.
    pub fn channel(name: &str, value: impl AsRef<[u8]>) -> Result<Self, ValueError> {
        Ok(Variable::Channel {
            name: VarName::parse(name)?,
            value: VarValue::parse(value)?,
        })
    }

    /// A SIP header from raw parts.
    pub fn sip_header(name: &str, value: impl AsRef<[u8]>) -> Result<Self, ValueError> {
        Ok(Variable::SipHeader {
            name: HeaderName::parse(name)?,
            value: VarValue::parse(value)?,
        })
    }

    /// The number by which an H.323 leg calls itself: arrives at the far side as `CHANNEL(caller_h323id)`.
    /// The linked id does not cross an H.323 leg, so this is what correlates the two ends.
    pub fn caller_h323id(id: &DialToken) -> Self {
        Variable::Channel {
            name: VarName("CALLER_H323ID".into()),
            value: VarValue(id.0.as_bytes().into()),
        }
    }
}

/// A shared secret. `Debug` does not show it.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Box<str>);

impl Secret {
    /// Checks and takes a secret: printable ASCII, blanks allowed.
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
