//! Hexadecimal: written in lower case, read in either.

/// Returns the lower-case digit of the low four bits.
#[must_use]
pub const fn digit(nibble: u8) -> u8 {
    b"0123456789abcdef"[nibble as usize & 15]
}

/// Returns the value of one digit of either case.
#[must_use]
pub const fn value(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        b'A'..=b'F' => Some(digit - b'A' + 10),
        _ => None,
    }
}

/// Returns the digits of `bytes`, first byte first.
///
/// ```
/// assert_eq!(ife_words::hex::text(&[0, 0xa5]), "00a5");
/// ```
#[must_use]
pub fn text(bytes: &[u8]) -> String {
    let digits = bytes.iter().flat_map(|byte| [byte >> 4, byte & 15]);
    digits.map(|nibble| char::from(digit(nibble))).collect()
}

/// Returns the digits of a SHA-256, without allocation.
#[must_use]
pub fn digits_of_32(bytes: &[u8; 32]) -> [u8; 64] {
    let mut out = [0; 64];
    for (pair, byte) in out.as_chunks_mut::<2>().0.iter_mut().zip(bytes) {
        *pair = [digit(byte >> 4), digit(byte & 15)];
    }
    out
}

/// Reads exactly `2 * N` digits.
#[must_use]
pub fn decode<const N: usize>(text: &[u8]) -> Option<[u8; N]> {
    let (pairs, odd) = text.as_chunks::<2>();
    if pairs.len() != N || !odd.is_empty() {
        return None;
    }
    let mut out = [0; N];
    for (byte, [high, low]) in out.iter_mut().zip(pairs) {
        *byte = value(*high)? << 4 | value(*low)?;
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_become_digits_and_come_back() {
        let bytes: [u8; 32] = std::array::from_fn(|at| (at * 37) as u8);
        let digits = digits_of_32(&bytes);
        assert_eq!(text(&bytes).as_bytes(), digits);
        assert_eq!(decode(&digits), Some(bytes));
        assert_eq!(decode(&digits.to_ascii_uppercase()), Some(bytes));
    }

    #[test]
    fn another_length_or_character_is_refused() {
        for bad in ["", "0", "000", "0000", "0g", "é"] {
            assert_eq!(decode::<1>(bad.as_bytes()), None, "{bad}");
        }
    }
}
