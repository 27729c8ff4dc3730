//! Canonical JSON (RFC 8785) for the types that entries use, appended to a byte vector.

use ife_words::hex;

/// For each byte: 0 to copy, 1 if not ASCII, else the letter after the backslash (`u`: `\u00xx`).
const CLASS: [u8; 256] = {
    let mut class = [0u8; 256];
    let mut byte = 0;
    while byte < 256 {
        class[byte] = match byte {
            0x08 => b'b',
            0x09 => b't',
            0x0a => b'n',
            0x0c => b'f',
            0x0d => b'r',
            0x22 => b'"',
            0x5c => b'\\',
            0x00..=0x1f => b'u',
            0x80..=0xff => 1,
            _ => 0,
        };
        byte += 1;
    }
    class
};

const REPLACEMENT: &[u8] = "\u{fffd}".as_bytes();

/// Appends `text` as the inside of a JSON string. Invalid UTF-8 becomes U+FFFD, one for each
/// maximal invalid part (Unicode Standard, section 3.9, and `String::from_utf8_lossy`).
pub(super) fn escape(text: &[u8], out: &mut Vec<u8>) {
    let _ = escape_within(text, usize::MAX, out);
}

/// As [`escape`], for whole characters of at most `budget` bytes. True if all was written.
pub(super) fn escape_within(text: &[u8], budget: usize, out: &mut Vec<u8>) -> bool {
    let limit = out.len().saturating_add(budget);
    let mut rest = text;
    while !rest.is_empty() {
        let plain = plain_len(rest);
        let room = limit - out.len();
        if plain > room {
            out.extend_from_slice(&rest[..room]);
            return false;
        }
        out.extend_from_slice(&rest[..plain]);
        rest = &rest[plain..];
        let Some(&byte) = rest.first() else { break };
        let mut unit = [0u8; 6];
        let (written, taken) = match CLASS[usize::from(byte)] {
            1 => {
                let (bytes, taken) = scalar(rest);
                unit[..bytes.len()].copy_from_slice(bytes);
                (bytes.len(), taken)
            }
            b'u' => {
                unit = [
                    b'\\',
                    b'u',
                    b'0',
                    b'0',
                    hex::digit(byte >> 4),
                    hex::digit(byte),
                ];
                (6, 1)
            }
            letter => {
                unit[..2].copy_from_slice(&[b'\\', letter]);
                (2, 1)
            }
        };
        if written > limit - out.len() {
            return false;
        }
        out.extend_from_slice(&unit[..written]);
        rest = &rest[taken..];
    }
    true
}

/// Returns the number of leading bytes that need no escape; tests eight bytes at a time.
fn plain_len(text: &[u8]) -> usize {
    const ONES: u64 = 0x0101_0101_0101_0101;
    const HIGH: u64 = ONES * 0x80;
    // Marks each zero byte by its high bit, perhaps also the byte after it, which is harmless.
    let zero = |word: u64| word.wrapping_sub(ONES) & !word & HIGH;
    let (words, _) = text.as_chunks::<8>();
    let is_plain = |word: &[u8; 8]| {
        let word = u64::from_le_bytes(*word);
        let below_space = word.wrapping_sub(ONES * 0x20) & HIGH;
        let quote = zero(word ^ (ONES * u64::from(b'"')));
        let backslash = zero(word ^ (ONES * u64::from(b'\\')));
        (word & HIGH) | below_space | quote | backslash == 0
    };
    let start = words.iter().take_while(|word| is_plain(word)).count() * 8;
    let rest = &text[start..];
    start
        + rest
            .iter()
            .position(|&b| CLASS[usize::from(b)] != 0)
            .unwrap_or(rest.len())
}

/// Returns the first character of `rest`, which is not ASCII, or U+FFFD, and the bytes consumed.
fn scalar(rest: &[u8]) -> (&[u8], usize) {
    let head = &rest[..rest.len().min(4)];
    let (valid, error_len) = match std::str::from_utf8(head) {
        Ok(_) => (head.len(), None),
        Err(e) => (e.valid_up_to(), e.error_len()),
    };
    if valid > 0 {
        // A UTF-8 lead byte states the length of its character.
        let len = match head[0] {
            0xf0.. => 4,
            0xe0.. => 3,
            _ => 2,
        };
        return (&head[..len], len);
    }
    // No error length: the text ends inside a character, which is one invalid part if it ends here.
    (REPLACEMENT, error_len.unwrap_or(head.len()))
}

/// Appends `number` in decimal.
pub(super) fn number(mut number: u64, out: &mut Vec<u8>) {
    let mut digits = [0u8; 20];
    let mut at = digits.len();
    loop {
        at -= 1;
        digits[at] = b'0' + (number % 10) as u8;
        number /= 10;
        if number == 0 {
            break;
        }
    }
    out.extend_from_slice(&digits[at..]);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn escaped(text: &[u8]) -> String {
        let mut out = Vec::new();
        escape(text, &mut out);
        String::from_utf8(out).expect("escape writes UTF-8")
    }

    #[test]
    fn escapes_are_those_of_rfc_8785() {
        let cases: [(&[u8], &str); 8] = [
            (b"plain", "plain"),
            (b"a\"b\\c/d", "a\\\"b\\\\c/d"),
            (b"\x08\x09\x0a\x0c\x0d", "\\b\\t\\n\\f\\r"),
            (b"\x00\x01\x1f\x7f", "\\u0000\\u0001\\u001f\x7f"),
            (
                "h\u{e9}llo \u{1f600} \u{2028}".as_bytes(),
                "h\u{e9}llo \u{1f600} \u{2028}",
            ),
            (b"", ""),
            (b"\xff", "\u{fffd}"),
            (b"ok\xe2\x82", "ok\u{fffd}"),
        ];
        for (text, expected) in cases {
            assert_eq!(escaped(text), expected, "{text:?}");
        }
    }

    #[test]
    fn invalid_utf8_is_replaced_as_the_standard_library_does() {
        let mut seed = 7u32;
        for _ in 0..20_000 {
            let mut text = [0u8; 9];
            for byte in &mut text {
                seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                // Mostly bytes of multi-byte characters, so that valid and cut ones occur.
                *byte = match seed >> 29 {
                    0 => b'a',
                    1 => 0xe2,
                    2 => 0x82,
                    3 => 0xac,
                    4 => 0xf0,
                    5 => 0xed,
                    _ => 0x80 | (seed >> 20) as u8,
                };
            }
            assert_eq!(escaped(&text), String::from_utf8_lossy(&text), "{text:x?}");
        }
    }

    #[test]
    fn the_stride_of_eight_finds_every_byte_that_needs_an_escape() {
        for byte in 0..=255u8 {
            for at in 0..24 {
                let mut text = *b"abcdefgh ijklm~!ABCDEFGH";
                text[at] = byte;
                let expected = if CLASS[usize::from(byte)] == 0 {
                    text.len()
                } else {
                    at
                };
                assert_eq!(plain_len(&text), expected, "{byte:#x} at {at}");
            }
        }
    }

    #[test]
    fn a_budget_never_splits_a_character_or_an_escape() {
        let text = "ab\r\u{20ac}\x01z".as_bytes();
        let whole = escaped(text);
        for budget in 0..=whole.len() {
            let mut out = Vec::new();
            let all = escape_within(text, budget, &mut out);
            assert_eq!(all, budget >= whole.len());
            let part = String::from_utf8(out).expect("whole characters only");
            assert!(
                whole.starts_with(&part) && part.len() <= budget,
                "{budget}: {part}"
            );
            assert!(
                serde_json::from_str::<String>(&format!("\"{part}\"")).is_ok(),
                "{part}"
            );
        }
    }

    #[test]
    fn numbers_are_decimal() {
        for n in [0, 9, 10, 12_345, u64::MAX] {
            let mut out = Vec::new();
            number(n, &mut out);
            assert_eq!(out, n.to_string().as_bytes());
        }
    }
}
