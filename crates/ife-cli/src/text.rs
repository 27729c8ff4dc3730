//! Text for people: times, sizes, and strings from strangers made harmless.

use std::time::{SystemTime, UNIX_EPOCH};

/// The clock, Unix seconds.
pub(crate) fn unix_now() -> u64 {
    // A clock before 1970 is shown as 1970: every freshness check then fails, which is right.
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_secs())
}

/// The text with characters escaped that a terminal does not show, or obeys.
pub(crate) fn harmless(text: &str) -> String {
    ife_message::printable::escaped(text)
}

/// Milliseconds since 1970.
pub(crate) fn unix_now_ms() -> u64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    since.map_or(0, |since| {
        u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
    })
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
