//! Text for people: times, sizes, and strings from strangers made harmless.

use std::{
    fmt::Write,
    time::{SystemTime, UNIX_EPOCH},
};

/// The clock, Unix seconds.
pub(crate) fn unix_now() -> u64 {
    // A clock before 1970 is told as 1970: every freshness check then fails, which is right.
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_secs())
}

/// The text with what a terminal does not show, or obeys, escaped.
pub(crate) fn harmless(text: &str) -> String {
    ife_message::printable::escaped(text)
}

/// Lower-case hex.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes
        .iter()
        .fold(String::with_capacity(bytes.len() * 2), |mut out, byte| {
            // Writing to a String cannot fail.
            _ = write!(out, "{byte:02x}");
            out
        })
}

/// `2026-01-01T00:00:00Z` of Unix seconds.
pub(crate) fn rfc3339(unix_s: u64) -> String {
    let (days, second) = (unix_s / 86_400, unix_s % 86_400);
    let (year, month, day) = civil(days);
    format!(
        "{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}Z",
        second / 3600,
        second / 60 % 60,
        second % 60
    )
}

/// Year, month and day of a day since 1970-01-01, in the proleptic Gregorian calendar.
fn civil(days: u64) -> (u64, u64, u64) {
    // Count from 0000-03-01, so that a leap day is the last of its year: eras of 400 years are all alike.
    let days = days + 719_468;
    let (era, day_of_era) = (days / 146_097, days % 146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let march_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * march_month + 2) / 5 + 1;
    let month = if march_month < 10 {
        march_month + 3
    } else {
        march_month - 9
    };
    (era * 400 + year_of_era + u64::from(month <= 2), month, day)
}

/// Nanoseconds since 1970 of an RFC 3339 time in UTC, as witness entries have it.
pub(crate) fn unix_ns(time: &str) -> Option<u64> {
    let digits = |range: std::ops::Range<usize>| time.get(range)?.parse::<u64>().ok();
    let (year, month, day) = (digits(0..4)?, digits(5..7)?, digits(8..10)?);
    let (hour, minute, second) = (digits(11..13)?, digits(14..16)?, digits(17..19)?);
    let fraction = time.get(19..)?.strip_suffix('Z')?;
    let nanos = match fraction.strip_prefix('.') {
        Some(text) => format!("{text:0<9}").get(..9)?.parse().ok()?,
        None if fraction.is_empty() => 0,
        None => return None,
    };
    if !(1..=12).contains(&month) || year < 1970 {
        return None;
    }
    let shifted = if month > 2 {
        (year, month - 3)
    } else {
        (year - 1, month + 9)
    };
    let (era_year, march_month) = shifted;
    let day_of_year = (153 * march_month + 2) / 5 + day.checked_sub(1)?;
    let days =
        365 * era_year + era_year / 4 - era_year / 100 + era_year / 400 + day_of_year - 719_468;
    let seconds = days * 86_400 + hour * 3600 + minute * 60 + second;
    seconds.checked_mul(1_000_000_000)?.checked_add(nanos)
}

/// `12,345`.
pub(crate) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// `1 expert`, `2 experts`, `12,345 experts`.
pub(crate) fn counted(count: u64, one: &str, many: &str) -> String {
    format!("{} {}", grouped(count), if count == 1 { one } else { many })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_told_in_utc() {
        for (unix_s, text) in [
            (0, "1970-01-01T00:00:00Z"),
            (951_782_399, "2000-02-28T23:59:59Z"),
            (951_782_400, "2000-02-29T00:00:00Z"),
            (1_767_225_600, "2026-01-01T00:00:00Z"),
            (4_107_542_399, "2100-02-28T23:59:59Z"),
            (4_107_542_400, "2100-03-01T00:00:00Z"),
        ] {
            assert_eq!(rfc3339(unix_s), text);
            assert_eq!(unix_ns(text), Some(unix_s * 1_000_000_000));
        }
    }

    #[test]
    fn nanoseconds_are_read() {
        assert_eq!(
            unix_ns("1970-01-01T00:00:01.000000002Z"),
            Some(1_000_000_002)
        );
        assert_eq!(unix_ns("1970-01-01T00:00:01.5Z"), Some(1_500_000_000));
        for bad in [
            "",
            "1970-01-01",
            "1970-01-01T00:00:01",
            "1970-13-01T00:00:00Z",
            "x970-01-01T00:00:00Z",
            "1970-01-00T00:00:00Z",
        ] {
            assert_eq!(unix_ns(bad), None, "{bad}");
        }
    }

    #[test]
    fn text_from_strangers_cannot_steer_a_terminal() {
        assert_eq!(
            harmless("a\u{1b}[2J\r\nb\u{202e}é"),
            "a\\u{1b}[2J\\u{d}\\u{a}b\\u{202e}é"
        );
    }

    #[test]
    fn numbers_are_grouped() {
        assert_eq!(
            ["0", "999", "1,000", "12,345,678"].map(str::to_owned),
            [0, 999, 1000, 12_345_678].map(grouped)
        );
    }
}
