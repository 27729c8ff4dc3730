//! A fast validating scanner for canonical JSON objects (RFC 8785).
//!
//! Stricter than the RFC in one point: numbers are integers up to 2^53 - 1 in size, as in entries.

use std::cmp::Ordering;

use crate::entry::NUMBER_MAX;

/// Largest depth of nested objects and arrays.
const DEPTH_MAX: u32 = 8;

/// A member's value. Strings are raw, with escapes; objects are their whole text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Value<'a> {
    /// Text between the quotes.
    String(&'a [u8]),
    /// A non-negative integer.
    Number(u64),
    /// A negative integer.
    Negative,
    /// Text including the braces.
    Object(&'a [u8]),
    /// An array.
    Array,
    /// `true` or `false`.
    Bool,
    /// `null`.
    Null,
}

/// Position and kind of a violation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct NotCanonical {
    /// Position in bytes from the text's start.
    pub(crate) offset: usize,
    /// The error.
    pub(crate) what: &'static str,
}

/// Checks that `text` is exactly one canonical JSON object; calls `each` for its members in order.
pub(crate) fn members<'a>(
    text: &'a [u8],
    mut each: impl FnMut(&'a [u8], Value<'a>),
) -> Result<(), NotCanonical> {
    if let Err(error) = std::str::from_utf8(text) {
        return Err(NotCanonical {
            offset: error.valid_up_to(),
            what: "not UTF-8",
        });
    }
    let mut scanner = Scanner { text, at: 0 };
    scanner.object(DEPTH_MAX, &mut each)?;
    if scanner.at == text.len() {
        Ok(())
    } else {
        scanner.fail("bytes after the object")
    }
}

struct Scanner<'a> {
    text: &'a [u8],
    at: usize,
}

impl<'a> Scanner<'a> {
    fn fail<T>(&self, what: &'static str) -> Result<T, NotCanonical> {
        Err(NotCanonical {
            offset: self.at,
            what,
        })
    }

    fn peek(&self) -> Option<u8> {
        self.text.get(self.at).copied()
    }

    fn expect(&mut self, byte: u8, what: &'static str) -> Result<(), NotCanonical> {
        if self.peek() != Some(byte) {
            return self.fail(what);
        }
        self.at += 1;
        Ok(())
    }

    fn object(
        &mut self,
        depth: u32,
        each: &mut impl FnMut(&'a [u8], Value<'a>),
    ) -> Result<(), NotCanonical> {
        self.expect(b'{', "an object expected")?;
        if self.peek() == Some(b'}') {
            self.at += 1;
            return Ok(());
        }
        let mut before: Option<&[u8]> = None;
        loop {
            let start = self.at;
            let key = self.string()?;
            if before.is_some_and(|before| order(before, key) != Ordering::Less) {
                self.at = start;
                return self.fail("members out of order, or one twice");
            }
            before = Some(key);
            self.expect(b':', "':' expected, without space")?;
            let value = self.value(depth)?;
            each(key, value);
            match self.peek() {
                Some(b',') => self.at += 1,
                Some(b'}') => break,
                _ => return self.fail("',' or '}' expected, without space"),
            }
        }
        self.at += 1;
        Ok(())
    }

    fn value(&mut self, depth: u32) -> Result<Value<'a>, NotCanonical> {
        let start = self.at;
        match self.peek() {
            Some(b'"') => self.string().map(Value::String),
            Some(b'-' | b'0'..=b'9') => self.number(),
            Some(b'{') if depth > 1 => {
                self.object(depth - 1, &mut |_, _| {})?;
                Ok(Value::Object(&self.text[start..self.at]))
            }
            Some(b'[') if depth > 1 => self.array(depth - 1),
            Some(b'{' | b'[') => self.fail("nested too deep"),
            Some(b't') => self.word(b"true", Value::Bool),
            Some(b'f') => self.word(b"false", Value::Bool),
            Some(b'n') => self.word(b"null", Value::Null),
            _ => self.fail("a value expected, without space"),
        }
    }

    fn array(&mut self, depth: u32) -> Result<Value<'a>, NotCanonical> {
        self.at += 1;
        if self.peek() == Some(b']') {
            self.at += 1;
            return Ok(Value::Array);
        }
        loop {
            self.value(depth)?;
            match self.peek() {
                Some(b',') => self.at += 1,
                Some(b']') => break,
                _ => return self.fail("',' or ']' expected, without space"),
            }
        }
        self.at += 1;
        Ok(Value::Array)
    }

    fn word(&mut self, word: &[u8], value: Value<'a>) -> Result<Value<'a>, NotCanonical> {
        if !self.text[self.at..].starts_with(word) {
            return self.fail("a value expected, without space");
        }
        self.at += word.len();
        Ok(value)
    }

    fn number(&mut self) -> Result<Value<'a>, NotCanonical> {
        let negative = self.peek() == Some(b'-');
        let first = self.at + usize::from(negative);
        let digits = self.text[first..]
            .iter()
            .take_while(|b| b.is_ascii_digit())
            .count();
        let text = &self.text[first..first + digits];
        // 16 digits suffice for 2^53 - 1 and cannot overflow.
        if digits == 0 || digits > 16 || (text[0] == b'0' && (digits > 1 || negative)) {
            return self.fail("a plain integer up to 2^53 - 1 expected");
        }
        let value = text
            .iter()
            .fold(0, |value, digit| value * 10 + u64::from(digit - b'0'));
        if value > NUMBER_MAX {
            return self.fail("a plain integer up to 2^53 - 1 expected");
        }
        self.at = first + digits;
        Ok(if negative {
            Value::Negative
        } else {
            Value::Number(value)
        })
    }

    /// Returns the text between the quotes.
    fn string(&mut self) -> Result<&'a [u8], NotCanonical> {
        self.expect(b'"', "a string expected, without space")?;
        let start = self.at;
        loop {
            self.at += plain_len(&self.text[self.at..]);
            match self.peek() {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(&self.text[start..self.at - 1]);
                }
                Some(b'\\') => self.escape()?,
                Some(_) => return self.fail("a control character in a string"),
                None => return self.fail("the text ends inside a string"),
            }
        }
    }

    /// RFC 8785 section 3.2.2.2: short escapes, `\u00xx` for other control characters, no others.
    fn escape(&mut self) -> Result<(), NotCanonical> {
        let rest = &self.text[self.at + 1..];
        let len = match rest {
            [b'"' | b'\\' | b'b' | b't' | b'n' | b'f' | b'r', ..] => 2,
            [b'u', b'0', b'0', b'1', b'0'..=b'9' | b'a'..=b'f', ..] => 6,
            [b'u', b'0', b'0', b'0', b'0'..=b'7' | b'b' | b'e' | b'f', ..] => 6,
            _ => return self.fail("not the canonical escape"),
        };
        self.at += len;
        Ok(())
    }
}

/// Returns the bytes before the first quote, backslash or control character; tests eight at a time.
fn plain_len(text: &[u8]) -> usize {
    const ONES: u64 = u64::MAX / 255;
    let (words, rest) = text.as_chunks::<8>();
    for (i, word) in words.iter().enumerate() {
        let word = u64::from_le_bytes(*word);
        let below_space = word.wrapping_sub(ONES * 0x20);
        let quote = (word ^ (ONES * 0x22)).wrapping_sub(ONES);
        let backslash = (word ^ (ONES * 0x5c)).wrapping_sub(ONES);
        // A borrow spoils only bytes after the first match, and bytes over 0x7f never match.
        let found = (below_space | quote | backslash) & !word & (ONES * 0x80);
        if found != 0 {
            return i * 8 + found.trailing_zeros() as usize / 8;
        }
    }
    let special = |b: &u8| *b < 0x20 || *b == b'"' || *b == b'\\';
    words.len() * 8 + rest.iter().position(special).unwrap_or(rest.len())
}

/// Orders member names by their UTF-16 code units (RFC 8785 section 3.2.3).
fn order(a: &[u8], b: &[u8]) -> Ordering {
    let simple = |key: &[u8]| key.iter().all(|b| b.is_ascii() && *b != b'\\');
    if simple(a) && simple(b) {
        return a.cmp(b);
    }
    utf16(a).cmp(utf16(b))
}

/// Returns the UTF-16 code units of a checked string: valid UTF-8 with canonical escapes.
fn utf16(raw: &[u8]) -> impl Iterator<Item = u16> {
    let text = std::str::from_utf8(raw).unwrap_or_default();
    let mut chars = text.chars();
    let plain = std::iter::from_fn(move || match chars.next()? {
        '\\' => Some(match chars.next()? {
            'b' => '\u{8}',
            't' => '\t',
            'n' => '\n',
            'f' => '\u{c}',
            'r' => '\r',
            'u' => {
                let code = chars.by_ref().take(4).filter_map(|c| c.to_digit(16));
                char::from_u32(code.fold(0, |code, digit| code * 16 + digit))?
            }
            other => other,
        }),
        other => Some(other),
    });
    plain.flat_map(|c| {
        let mut units = [0; 2];
        let len = c.encode_utf16(&mut units).len();
        units.into_iter().take(len)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str) -> Result<(), NotCanonical> {
        members(text.as_bytes(), |_, _| {})
    }

    #[test]
    fn canonical_objects_pass() {
        for text in [
            "{}",
            r#"{"a":1}"#,
            r#"{"":null,"a":true,"b":false}"#,
            r#"{"a":{"b":[1,-2,"x",{}],"c":[]},"b":9007199254740991}"#,
            r#"{"a":"\"\\\b\t\n\f\r\u0000\u000b\u000e\u001f /\u007f"}"#
                .replace(r"\u007f", "\u{7f}")
                .as_str(),
            "{\"a\":\"\u{20ac}\u{1f600}\"}",
            // RFC 8785 section 3.2.3: in UTF-16, the emoji's surrogates sort before U+FB33.
            "{\"\\r\":1,\"1\":2,\"\u{80}\":3,\"\u{f6}\":4,\"\u{20ac}\":5,\
             \"\u{1f600}\":6,\"\u{fb33}\":7}",
        ] {
            assert_eq!(check(text), Ok(()), "{text}");
        }
    }

    #[test]
    fn everything_else_is_refused_where_it_goes_wrong() {
        for (text, offset) in [
            ("", 0),
            ("[]", 0),
            ("{} ", 2),
            ("{ }", 1),
            (r#"{"a" :1}"#, 4),
            (r#"{"a": 1}"#, 5),
            (r#"{"a":1 }"#, 6),
            (r#"{"a":1,}"#, 7),
            (r#"{"b":1,"a":1}"#, 7),
            (r#"{"a":1,"a":1}"#, 7),
            ("{\"\u{fb33}\":1,\"\u{1f600}\":1}", 9),
            (r#"{"a":01}"#, 5),
            (r#"{"a":-0}"#, 5),
            (r#"{"a":1.0}"#, 6),
            (r#"{"a":1e3}"#, 6),
            (r#"{"a":9007199254740992}"#, 5),
            (r#"{"a":99999999999999999999999}"#, 5),
            (r#"{"a":-}"#, 5),
            (r#"{"a":tru}"#, 5),
            (r#"{"a":"x"#, 7),
            (r#"{"a":"\/"}"#, 6),
            (r#"{"a":"\u0041"}"#, 6),
            (r#"{"a":"\u000A"}"#, 6),
            (r#"{"a":"\u000a"}"#, 6),
            (r#"{"a":"\u001F"}"#, 6),
            (r#"{"a":"\u00"#, 6),
            (r#"{"a":"\"#, 6),
            ("{\"a\":\"\n\"}", 6),
            (r#"{"a":[1,]}"#, 8),
            (r#"{"a":[1 ]}"#, 7),
            (r#"{"a":{{"#, 6),
        ] {
            assert_eq!(check(text).map_err(|e| e.offset), Err(offset), "{text}");
        }
        assert_eq!(
            members(b"{\"a\":\"\xff\"}", |_, _| {}),
            Err(NotCanonical {
                offset: 6,
                what: "not UTF-8"
            })
        );
    }

    #[test]
    fn depth_is_bounded() {
        let nested = |n: usize| format!("{}1{}", r#"{"a":"#.repeat(n), "}".repeat(n));
        assert_eq!(check(&nested(8)), Ok(()));
        assert_eq!(
            check(&nested(9)).map_err(|e| e.what),
            Err("nested too deep")
        );
        assert!(check(&format!("{{\"a\":{}", "[".repeat(100_000))).is_err());
    }

    #[test]
    fn own_members_are_passed_in_order() {
        let mut found = Vec::new();
        let text = br#"{"a":"x\ny","b":{"c":7},"d":12,"e":-3,"f":[1]}"#;
        members(text, |key, value| found.push((key, value))).expect("canonical");
        let expected: [(&[u8], Value<'_>); 5] = [
            (b"a", Value::String(b"x\\ny")),
            (b"b", Value::Object(b"{\"c\":7}")),
            (b"d", Value::Number(12)),
            (b"e", Value::Negative),
            (b"f", Value::Array),
        ];
        assert_eq!(found, expected);
    }

    #[test]
    fn plain_len_finds_the_first_special_byte_at_every_place() {
        for special in [0, 0x1f, b'"', b'\\'] {
            for len in 0..40 {
                for place in 0..=len {
                    for filler in [b' ', b'!', b'#', b'[', b']', 0x7f, 0x80, 0xa2, 0xdc, 0xff] {
                        let mut text = vec![filler; len];
                        text.insert(place, special);
                        assert_eq!(plain_len(&text), place, "{special:#x} in {filler:#x}");
                    }
                }
            }
        }
        assert_eq!(plain_len(&[b'a'; 21]), 21);
    }

    #[test]
    fn agrees_with_serde_json_on_mutated_entries() {
        // A text that passes must be JSON, and equal to its serialization with sorted members.
        let seed_text = br#"{"a":"q\"\u0001","b":[1,22,{"c":null}],"d":-5,"e":true,"f":""}"#;
        let (mut state, mut passed) = (1u64, 0);
        for _ in 0..200_000 {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            let mut text = seed_text.to_vec();
            let at = (state >> 33) as usize % text.len();
            match (state >> 20) % 3 {
                0 => text[at] = (state >> 24) as u8,
                1 => text.insert(at, b"{}[]\",:\\u0 19ae-"[(state >> 28) as usize % 16]),
                _ => drop(text.remove(at)),
            }
            if members(&text, |_, _| {}).is_ok() {
                passed += 1;
                let value: serde_json::Value = serde_json::from_slice(&text).expect("valid JSON");
                assert_eq!(value.to_string().as_bytes(), text, "not canonical");
            }
        }
        assert!(passed > 1000, "only {passed} mutations stayed canonical");
    }
}
