//! RFC 3339 times, by the proleptic Gregorian calendar.

const DAY_S: u64 = 86_400;
const SECOND_NS: u64 = 1_000_000_000;
/// 9999-12-31T23:59:59Z, the last second that the format has room for.
const LAST_S: u64 = 253_402_300_799;

/// Appends nanoseconds since 1970 as `2026-01-31T23:59:59.123456789Z`. Allocates only to grow
/// `out`.
pub fn append_ns(unix_ns: u64, out: &mut Vec<u8>) {
    append(unix_ns / SECOND_NS, unix_ns % SECOND_NS, 9, out);
}

/// Returns Unix seconds as `2026-01-31T23:59:59Z`; a time after year 9999 as the end of that year.
#[must_use]
pub fn of_s(unix_s: u64) -> String {
    text(unix_s, 0, 0)
}

/// Returns Unix milliseconds as `2026-01-31T23:59:59.123Z`; otherwise as [`of_s`].
#[must_use]
pub fn of_ms(unix_ms: u64) -> String {
    text(unix_ms / 1_000, unix_ms % 1_000 * 1_000_000, 3)
}

fn text(unix_s: u64, nanos: u64, decimals: usize) -> String {
    let mut out = Vec::with_capacity(30);
    append(unix_s, nanos, decimals, &mut out);
    out.into_iter().map(char::from).collect()
}

fn append(unix_s: u64, nanos: u64, decimals: usize, out: &mut Vec<u8>) {
    let seconds = unix_s.min(LAST_S);
    let (year, month, day) = date(seconds / DAY_S);
    let of_day = seconds % DAY_S;
    for (value, width, after) in [
        (year, 4, b'-'),
        (month, 2, b'-'),
        (day, 2, b'T'),
        (of_day / 3_600, 2, b':'),
        (of_day / 60 % 60, 2, b':'),
        (of_day % 60, 2, b'.'),
        (nanos, 9, b'Z'),
    ] {
        padded(value, width, out);
        out.push(after);
    }
    if decimals < 9 {
        // The point goes with the last decimal.
        let cut = if decimals == 0 { 11 } else { 10 - decimals };
        out.truncate(out.len() - cut);
        out.push(b'Z');
    }
}

fn padded(value: u64, width: usize, out: &mut Vec<u8>) {
    let start = out.len();
    out.resize(start + width, b'0');
    let mut rest = value;
    for digit in out[start..].iter_mut().rev() {
        *digit = b'0' + (rest % 10) as u8;
        rest /= 10;
    }
}

/// Returns the nanoseconds since 1970 of an RFC 3339 date and time with any offset.
///
/// `None` for another text, for times outside of 1970 to 2554 and for leap seconds, which Unix time
/// has no number for. Decimals after the ninth are cut off.
///
/// ```
/// use ife_words::time::parse_ns;
/// assert_eq!(parse_ns("1970-01-01T01:00:00.5+01:00"), Some(500_000_000));
/// ```
#[must_use]
pub fn parse_ns(text: &str) -> Option<u64> {
    let (seconds, nanos) = parse(text)?;
    seconds.checked_mul(SECOND_NS)?.checked_add(nanos)
}

/// Returns the seconds since 1970, as [`parse_ns`] but until year 9999.
#[must_use]
pub fn parse_s(text: &str) -> Option<u64> {
    parse(text).map(|(seconds, _)| seconds)
}

/// Returns true for a `date-time` of RFC 3339 section 5.6 in any year, the second 60 included.
#[must_use]
pub fn is_rfc3339(text: &str) -> bool {
    read(text, 60).is_some()
}

fn parse(text: &str) -> Option<(u64, u64)> {
    let (seconds, nanos) = read(text, 59)?;
    Some((u64::try_from(seconds).ok()?, nanos))
}

fn read(text: &str, second_max: i64) -> Option<(i64, u64)> {
    let (date, time) = text.split_once(['T', 't'])?;
    let [year, month, day] = fields(date, b'-', [4, 2, 2])?;
    let days = days_since_1970(year, month, day)?;
    let (clock, rest) = time.split_at_checked(8)?;
    let [hour, minute, second] = fields(clock, b':', [2, 2, 2])?;
    if hour > 23 || minute > 59 || second > second_max {
        return None;
    }
    let local = days * DAY_S as i64 + hour * 3_600 + minute * 60 + second;
    let (nanos, offset) = match rest.strip_prefix('.') {
        Some(rest) => decimals(rest)?,
        None => (0, rest),
    };
    Some((local - offset_s(offset)?, nanos))
}

/// Splits decimals, at least one, from what follows.
fn decimals(text: &str) -> Option<(u64, &str)> {
    let len = text.bytes().take_while(u8::is_ascii_digit).count();
    let (digits, rest) = text.split_at(len);
    let kept = &digits[..len.min(9)];
    let value: u64 = kept.parse().ok()?;
    Some((value * 10u64.pow(9 - kept.len() as u32), rest))
}

fn offset_s(text: &str) -> Option<i64> {
    if text == "Z" || text == "z" {
        return Some(0);
    }
    let sign = match text.as_bytes().first()? {
        b'+' => 1,
        b'-' => -1,
        _ => return None,
    };
    let [hour, minute] = fields(text.get(1..)?, b':', [2, 2])?;
    (hour <= 23 && minute <= 59).then_some(sign * (hour * 3_600 + minute * 60))
}

/// Parses unsigned decimal fields of exactly these widths, joined by `separator`.
fn fields<const N: usize>(text: &str, separator: u8, widths: [usize; N]) -> Option<[i64; N]> {
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

/// Howard Hinnant's `days_from_civil`; `None` for a day that is not in the calendar.
fn days_since_1970(year: i64, month: i64, day: i64) -> Option<i64> {
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let month_days = match month {
        2 if leap => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        1..=12 => 31,
        _ => return None,
    };
    if !(1..=month_days).contains(&day) {
        return None;
    }
    let year = if month <= 2 { year - 1 } else { year };
    let (era, year_of_era) = (year.div_euclid(400), year.rem_euclid(400));
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    Some(era * 146_097 + day_of_era - 719_468)
}

/// Returns year, month and day of a day since 1970, by eras of 400 years from 1 March.
fn date(days: u64) -> (u64, u64, u64) {
    let days = days + 719_468;
    let (era, of_era) = (days / 146_097, days % 146_097);
    let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let march_month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * march_month + 2) / 5 + 1;
    let month = if march_month < 10 {
        march_month + 3
    } else {
        march_month - 9
    };
    (era * 400 + year_of_era + u64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_instants() {
        for (ns, expected) in [
            (0, "1970-01-01T00:00:00.000000000Z"),
            (951_782_399_000_000_000, "2000-02-28T23:59:59.000000000Z"),
            (951_782_400_000_000_001, "2000-02-29T00:00:00.000000001Z"),
            (1_709_251_199_999_999_999, "2024-02-29T23:59:59.999999999Z"),
            (1_709_251_200_000_000_000, "2024-03-01T00:00:00.000000000Z"),
            (1_798_761_599_120_000_000, "2026-12-31T23:59:59.120000000Z"),
            (4_107_542_399_000_000_000, "2100-02-28T23:59:59.000000000Z"),
            (4_107_542_400_000_000_000, "2100-03-01T00:00:00.000000000Z"),
            (u64::MAX, "2554-07-21T23:34:33.709551615Z"),
        ] {
            let mut out = b"at ".to_vec();
            append_ns(ns, &mut out);
            assert_eq!(out, format!("at {expected}").as_bytes());
            assert_eq!(parse_ns(expected), Some(ns), "{expected}");
        }
    }

    #[test]
    fn decimals_are_cut() {
        assert_eq!(of_ms(1_790_000_000_007), "2026-09-21T14:13:20.007Z");
        assert_eq!(of_s(951_782_399), "2000-02-28T23:59:59Z");
        assert_eq!(of_s(LAST_S), "9999-12-31T23:59:59Z");
        assert_eq!(of_s(u64::MAX), "9999-12-31T23:59:59Z");
        assert_eq!(parse_s("9999-12-31T23:59:59.9Z"), Some(LAST_S));
    }

    #[test]
    fn every_form_of_the_rfc_is_read() {
        for (text, ns) in [
            ("1970-01-01t00:00:01z", 1_000_000_000),
            ("1970-01-01T00:00:01.5Z", 1_500_000_000),
            ("1970-01-01T00:00:00.0000000019Z", 1),
            ("2026-01-31T13:34:56+01:00", 1_769_862_896_000_000_000),
            ("2026-01-31T11:04:56-01:30", 1_769_862_896_000_000_000),
        ] {
            assert_eq!(parse_ns(text), Some(ns), "{text}");
        }
        for other in ["0000-02-29T00:00:00Z", "2016-12-31T23:59:60Z"] {
            assert!(is_rfc3339(other) && parse_ns(other).is_none(), "{other}");
        }
    }

    #[test]
    fn other_texts_are_refused() {
        for bad in [
            "",
            "1970-01-01",
            "1970-01-01T00:00:01",
            "1970-01-01T00:00:01.Z",
            "1970-01-01 00:00:01Z",
            "1970-01-01T00:00:00Zx",
            "1970-01-01T24:00:00Z",
            "2016-12-31T23:59:60Z",
            "1969-12-31T23:59:59Z",
            "1970-01-01T00:00:00+01:00",
            "1970-13-01T00:00:00Z",
            "1970-01-00T00:00:00Z",
            "2100-02-29T00:00:00Z",
            "x970-01-01T00:00:00Z",
            "2026-01-01Té0:00:00Z",
            "9999-01-01T00:00:00Z",
        ] {
            assert_eq!(parse_ns(bad), None, "{bad}");
        }
    }
}
