//! Instants of the registry: RFC 3339 dates and date-times as Unix seconds.

/// Returns the seconds since 1970 of `2026-01-31`, `2026-01-31T12:00:00Z` or
/// `2026-01-31T12:00:00+01:00`; `None` for any other text and for instants before 1970. A date
/// alone is its first second in UTC. Fractions and leap seconds are refused.
pub(crate) fn parse_instant(text: &str) -> Option<u64> {
    let (date, time) = match text.split_once(['T', 't']) {
        Some((date, time)) => (date, time),
        None => (text, "00:00:00Z"),
    };
    let [year, month, day] = numbers(date, b'-', [4, 2, 2])?;
    let days = days_since_1970(year, month, day)?;
    let (clock, offset) = time.split_at_checked(8)?;
    let [hour, minute, second] = numbers(clock, b':', [2, 2, 2])?;
    if hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    let local = days * 86_400 + hour * 3600 + minute * 60 + second;
    u64::try_from(local - offset_seconds(offset)?).ok()
}

fn offset_seconds(text: &str) -> Option<i64> {
    if text == "Z" || text == "z" {
        return Some(0);
    }
    let sign = match text.as_bytes().first()? {
        b'+' => 1,
        b'-' => -1,
        _ => return None,
    };
    let [hour, minute] = numbers(text.get(1..)?, b':', [2, 2])?;
    (hour <= 23 && minute <= 59).then_some(sign * (hour * 3600 + minute * 60))
}

/// Parses unsigned decimal fields of exactly these widths, joined by `separator`.
fn numbers<const N: usize>(text: &str, separator: u8, widths: [usize; N]) -> Option<[i64; N]> {
    let mut fields = text.split(char::from(separator));
    let mut out = [0; N];
    for (value, width) in out.iter_mut().zip(widths) {
        let field = fields.next()?;
        if field.len() != width || !field.bytes().all(|b| b.is_ascii_digit()) {
            return None;
        }
        *value = field.parse().ok()?;
    }
    fields.next().is_none().then_some(out)
}

/// Howard Hinnant's `days_from_civil`, for years from 1970.
fn days_since_1970(year: i64, month: i64, day: i64) -> Option<i64> {
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let month_days = match month {
        2 if leap => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        1..=12 => 31,
        _ => return None,
    };
    if year < 1970 || !(1..=month_days).contains(&day) {
        return None;
    }
    let year = if month <= 2 { year - 1 } else { year };
    let era = year / 400;
    let year_of_era = year % 400;
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    Some(era * 146_097 + day_of_era - 719_468)
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
