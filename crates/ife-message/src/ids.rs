//! Trace id, hazard and key id: short names of a fixed alphabet, stored in place and cheap to copy.

use std::{fmt, str::FromStr};

use crate::{
    header::{self, HeaderError},
    inline::Inline,
};

/// `$name`: text of `$min` to `$max` characters accepted by `$allowed`.
macro_rules! name {
    ($(#[$doc:meta])* $name:ident, $what:expr, $min:literal..=$max:literal, $allowed:expr) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Inline<$max>);

        impl $name {
            /// Most characters.
            pub const MAX_LEN: usize = $max;

            /// Parses a header body or a plain text; spaces and tabs around it are ignored.
            pub fn parse(body: &[u8]) -> Result<Self, HeaderError> {
                let value = header::token($what, body, $min, $max, $allowed)?;
                // The alphabet is ASCII and the length is checked.
                Inline::from_ascii(value).map($name).ok_or(HeaderError {
                    what: $what,
                    fault: header::Fault::TooLong($max),
                })
            }

            /// Returns the text.
            pub fn as_str(&self) -> &str {
                self.0.as_str()
            }

            /// Returns the text as bytes.
            pub fn as_bytes(&self) -> &[u8] {
                self.0.as_bytes()
            }
        }

        impl FromStr for $name {
            type Err = HeaderError;
            fn from_str(text: &str) -> Result<Self, HeaderError> {
                Self::parse(text.as_bytes())
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(self.as_str())
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}({:?})", stringify!($name), self.as_str())
            }
        }

        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                self.as_str()
            }
        }
    };
}

name! {
    /// Correlates everything about one escalation: 8 to 128 of `[A-Za-z0-9._:-]`, usually a UUID.
    TraceId, header::TRACE_ID, 8..=128,
    |b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b':' | b'-')
}

name! {
    /// Name of a hazard: 1 to 32 of `[a-z0-9_-]`. Which hazards exist is data of the registry.
    Hazard, header::HAZARD, 1..=32,
    |b| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'_' | b'-')
}

name! {
    /// Name of a signing key: 1 to 64 of `[A-Za-z0-9._-]`.
    Kid, "kid", 1..=64, |b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-')
}
