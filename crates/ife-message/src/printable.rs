//! Characters of untrusted text that a terminal or a log may show unchanged.

/// Returns true for characters that control a terminal or are invisible on it: controls, line and
/// paragraph separators, interlinear marks, and Unicode's `Default_Ignorable_Code_Point` (Unicode
/// 15, DerivedCoreProperties.txt), among them direction overrides, tags and variation selectors.
#[must_use]
pub fn is_unseen(c: char) -> bool {
    c.is_control()
        || matches!(
            c,
            '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}'..='\u{1160}' | '\u{17b4}'..='\u{17b5}'
                | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
                | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}'
                | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}' | '\u{1bca0}'..='\u{1bca3}'
                | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e0fff}'
        )
}

/// Returns the text with every such character as `\u{...}`.
#[must_use]
pub fn escaped(text: &str) -> String {
    escaped_but(text, |_| false)
}

/// Like [`escaped`], but leaves the characters that `keep` accepts.
#[must_use]
pub fn escaped_but(text: &str, keep: impl Fn(char) -> bool) -> String {
    if text.bytes().all(|byte| matches!(byte, b' '..=b'~')) {
        return text.to_owned();
    }
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if is_unseen(c) && !keep(c) {
            out.extend(c.escape_unicode());
        } else {
            out.push(c);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_seen_is_escaped() {
        for (text, expected) in [
            ("a\u{1b}[2J\r\nb", "a\\u{1b}[2J\\u{d}\\u{a}b"),
            ("\u{202e}é\u{2066}", "\\u{202e}é\\u{2066}"),
            ("safe\u{e0041}\u{e007f}ty", "safe\\u{e0041}\\u{e007f}ty"),
            ("a\u{ad}b\u{180e}c\u{fe0f}", "a\\u{ad}b\\u{180e}c\\u{fe0f}"),
            ("Zoë 東京 \\ \"x\"", "Zoë 東京 \\ \"x\""),
        ] {
            assert_eq!(escaped(text), expected);
        }
        assert_eq!(escaped_but("a\nb\t", |c| c == '\n'), "a\nb\\u{9}");
    }
}
