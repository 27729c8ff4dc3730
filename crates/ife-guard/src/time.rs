//! Instants of the registry: RFC 3339 dates and date-times as Unix seconds.

use ife_words::time::parse_s;

/// Returns the seconds since 1970 of `2026-01-31`, `2026-01-31T12:00:00Z` or
/// `2026-01-31T12:00:00+01:00`; `None` for any other text and for instants before 1970. A date
/// alone is its first second in UTC. Fractions and leap seconds are refused.
pub(crate) fn parse_instant(text: &str) -> Option<u64> {
    match text.len() {
        10 => parse_s(&format!("{text}T00:00:00Z")),
        _ if text.contains('.') => None,
        _ => parse_s(text),
    }
}

#[cfg(test)]
mod tests {
    use super::parse_instant;

    #[test]
    fn instants() {
        for (text, expected) in [
            ("1970-01-01", Some(0)),
            ("2000-02-29T00:00:00Z", Some(951_782_400)),
            ("2026-01-31T12:34:56Z", Some(1_769_862_896)),
            ("2026-01-31t12:34:56z", Some(1_769_862_896)),
            ("2026-01-31T13:34:56+01:00", Some(1_769_862_896)),
            ("2026-01-31T11:04:56-01:30", Some(1_769_862_896)),
            ("2100-02-29", None),
            ("2026-13-01", None),
            ("2026-00-01", None),
            ("2026-01-00", None),
            ("1969-12-31", None),
            ("1970-01-01T00:00:00+01:00", None),
            ("2026-1-1", None),
            ("2026-01-01T24:00:00Z", None),
            ("2026-01-01T00:00:60Z", None),
            ("2026-01-01T00:00:00", None),
            ("2026-01-01T00:00:00.5Z", None),
            ("2026-01-01 00:00:00Z", None),
            ("2026-01-01T00:00:00Zx", None),
            ("+026-01-01", None),
            ("", None),
            ("2026-01-01Té0:00:00Z", None),
        ] {
            assert_eq!(parse_instant(text), expected, "{text}");
        }
    }
}
