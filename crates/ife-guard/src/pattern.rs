//! Addresses of the registry: exact ones and globs, and their precedence.
//!
//! A glob is `sip:prefix*suffix@host`: one `*`, in the user part, for any run of characters, none
//! included. The host has no wildcard, so that a host's globs are found by hash. Of several that
//! match, the winner is
//!
//! 1. the exact address,
//! 2. otherwise the glob with the longest prefix,
//! 3. among those, the one with the longest suffix.
//!
//! Two globs of the same prefix and suffix length that both match are the same glob, so there is
//! always one winner. Two globs that overlap where one has the longer prefix and the other the
//! longer suffix ([`Pattern::crosses`]) have a winner too, but a surprising one: the registry
//! refuses such pairs.

use ife_message::{Aor, AorError};

/// Most literal characters in the user part of a glob.
pub const GLOB_LITERAL_LEN_MAX: usize = 64;

/// An exact address of record or a glob.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Pattern {
    /// Normalised `sip:user@host`, with the `*` if any.
    text: String,
    /// Offset of the `@`.
    at: usize,
    /// Offset of the `*`.
    star: Option<usize>,
}

/// Errors of parsing a [`Pattern`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PatternError {
    /// The text is no SIP address.
    #[error("{0}")]
    Aor(AorError),
    /// The user part has more than one `*`.
    #[error("more than one `*`")]
    Stars,
    /// The host has a `*`.
    #[error("a `*` in the host part")]
    HostStar,
    /// The user part is longer than [`GLOB_LITERAL_LEN_MAX`].
    #[error("a glob with more than 64 characters besides `*`")]
    TooLong,
    /// The text has a port, parameters, a display name or brackets.
    #[error("more than `sip:user@host`")]
    NotBare,
}

impl Pattern {
    /// Parses `sip:user@host` or `sip:pre*suf@host`.
    pub fn parse(text: &str) -> Result<Self, PatternError> {
        let (user, host) = text.split_once('@').unwrap_or((text, ""));
        if host.contains('*') {
            return Err(PatternError::HostStar);
        }
        if user.matches('*').count() > 1 {
            return Err(PatternError::Stars);
        }
        let aor = Aor::parse(text.as_bytes()).map_err(PatternError::Aor)?;
        let bare = text.starts_with("sip:") || text.starts_with("sips:");
        if !bare || !host.eq_ignore_ascii_case(aor.host()) && !host.starts_with('[') {
            return Err(PatternError::NotBare);
        }
        // An escaped star is a literal, but normalising makes it a wildcard.
        if user.contains('*') != aor.user().contains('*') {
            return Err(PatternError::Stars);
        }
        let text = aor.as_str().to_owned();
        let star = text.find('*');
        let at = text.len() - aor.host().len() - 1;
        if star.is_some() && aor.user().len() > GLOB_LITERAL_LEN_MAX + 1 {
            return Err(PatternError::TooLong);
        }
        Ok(Self { text, at, star })
    }

    /// Returns the normalised text.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Returns whether the text has a `*`.
    pub fn is_glob(&self) -> bool {
        self.star.is_some()
    }

    /// Returns the host in lower case.
    pub fn host(&self) -> &str {
        self.text.get(self.at + 1..).unwrap_or_default()
    }

    /// Returns the text before the `*`; the whole user part of an exact address.
    pub fn prefix(&self) -> &str {
        self.text
            .get("sip:".len()..self.star.unwrap_or(self.at))
            .unwrap_or_default()
    }

    /// Returns the text after the `*`; empty for an exact address.
    pub fn suffix(&self) -> &str {
        self.star
            .and_then(|star| self.text.get(star + 1..self.at))
            .unwrap_or_default()
    }

    /// Returns whether the pattern matches this address.
    pub fn matches(&self, aor: &Aor) -> bool {
        if self.star.is_none() {
            return self.text == aor.as_str();
        }
        self.host() == aor.host()
            && aor
                .user()
                .strip_prefix(self.prefix())
                .is_some_and(|rest| rest.ends_with(self.suffix()))
    }

    /// Returns whether both match some address although neither is a special case of the other.
    pub fn crosses(&self, other: &Self) -> bool {
        let (long, short) = if self.prefix().len() >= other.prefix().len() {
            (self, other)
        } else {
            (other, self)
        };
        self.is_glob()
            && other.is_glob()
            && self.host() == other.host()
            && long.prefix().len() > short.prefix().len()
            && long.prefix().starts_with(short.prefix())
            && short.suffix().len() > long.suffix().len()
            && short.suffix().ends_with(long.suffix())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pattern(text: &str) -> Pattern {
        Pattern::parse(text).unwrap_or_else(|e| panic!("{text}: {e}"))
    }

    fn aor(text: &str) -> Aor {
        Aor::parse(text.as_bytes()).unwrap_or_else(|e| panic!("{text}: {e}"))
    }

    #[test]
    fn matches_what_it_says() {
        for (glob, address, expected) in [
            ("sip:a@h.example", "sip:a@H.EXAMPLE:5070;x=y", true),
            ("sip:a@h.example", "sip:A@h.example", false),
            ("sip:expert-*@h.example", "sip:expert-@h.example", true),
            ("sip:expert-*@h.example", "sip:expert-x@h.example", true),
            (
                "sip:expert-*@h.example",
                "sip:expert-x@sub.h.example",
                false,
            ),
            ("sip:*@h.example", "sips:any%41@h.example", true),
            ("sip:a*a@h.example", "sip:a@h.example", false),
            ("sip:a*a@h.example", "sip:aa@h.example", true),
            ("sip:a*b@h.example", "sip:axxb@h.example", true),
            ("sip:a*b@[2001:DB8::1]", "sip:ab@[2001:db8:0::1]", true),
        ] {
            assert_eq!(
                pattern(glob).matches(&aor(address)),
                expected,
                "{glob} {address}"
            );
        }
    }

    #[test]
    fn refuses_what_cannot_be_looked_up() {
        for (text, expected) in [
            ("sip:a@*.example", PatternError::HostStar),
            ("sip:a*b*@h.example", PatternError::Stars),
            ("sip:a%2A@h.example", PatternError::Stars),
            ("sip:a@h.example:5060", PatternError::NotBare),
            ("sip:a@h.example;user=phone", PatternError::NotBare),
            ("<sip:a@h.example>", PatternError::NotBare),
            ("sip:h.example", PatternError::Aor(AorError::NoUser)),
            ("tel:+123", PatternError::Aor(AorError::Scheme)),
            ("", PatternError::Aor(AorError::Empty)),
        ] {
            assert_eq!(Pattern::parse(text), Err(expected), "{text}");
        }
        let long = format!("sip:{}*@h.example", "x".repeat(65));
        assert_eq!(Pattern::parse(&long), Err(PatternError::TooLong));
    }

    #[test]
    fn crossing_pairs_are_those_without_an_obvious_winner() {
        for (a, b, expected) in [
            ("sip:a*@h.example", "sip:*b@h.example", true),
            ("sip:a*b@h.example", "sip:ab*@h.example", true),
            ("sip:a*@h.example", "sip:ab*@h.example", false),
            ("sip:a*b@h.example", "sip:*b@h.example", false),
            ("sip:a*@h.example", "sip:*b@other.example", false),
            ("sip:a*c@h.example", "sip:ab*d@h.example", false),
            ("sip:ax@h.example", "sip:*x@h.example", false),
        ] {
            assert_eq!(pattern(a).crosses(&pattern(b)), expected, "{a} {b}");
            assert_eq!(pattern(b).crosses(&pattern(a)), expected, "{b} {a}");
        }
    }
}
