//! The events of a YAML text and their positions, by unsafe-libyaml, the parser within serde_yaml.
//!
//! One parser gives values and positions, so both agree about any text. The only file that uses
//! unsafe-libyaml.
#![allow(unsafe_code)]

use std::marker::PhantomData;
use std::mem::MaybeUninit;
use std::ptr::NonNull;
use std::slice;

use unsafe_libyaml::{
    YAML_UTF8_ENCODING, yaml_event_delete, yaml_event_t, yaml_event_type_t as Type,
    yaml_parser_delete, yaml_parser_initialize, yaml_parser_parse, yaml_parser_set_encoding,
    yaml_parser_set_input_string, yaml_parser_t,
};

/// Line and column, both from 1, the column in characters.
pub(super) type Position = (usize, usize);

/// The beginning or the end of a node.
#[derive(Debug, PartialEq)]
pub(super) enum Event {
    SequenceStart,
    SequenceEnd,
    MappingStart,
    MappingEnd,
    Scalar(String),
    Alias,
}

/// The events of all documents of a text, in its order, up to the first fault of syntax.
///
/// The parser reads at most a line or 1,024 characters beyond the event it returns, so a caller
/// that stops at a depth of nesting bounds the parser's time, which is quadratic in that depth.
pub(super) struct Events<'y> {
    /// Made from a box. The parser holds its own address, so it never moves.
    parser: NonNull<yaml_parser_t>,
    text: PhantomData<&'y str>,
}

impl<'y> Events<'y> {
    pub(super) fn new(text: &'y str) -> Self {
        let place = Box::leak(Box::new(MaybeUninit::<yaml_parser_t>::uninit()));
        let parser = NonNull::from(place).cast::<yaml_parser_t>();
        // SAFETY: `parser` is memory of a parser's size and alignment that belongs to this value
        // alone; the first call initializes all of it and never fails, as memory that is lacking
        // ends the process. The lifetime 'y keeps the text in place while the parser reads it.
        unsafe {
            let _ = yaml_parser_initialize(parser.as_ptr());
            yaml_parser_set_encoding(parser.as_ptr(), YAML_UTF8_ENCODING);
            yaml_parser_set_input_string(parser.as_ptr(), text.as_ptr(), text.len() as u64);
        }
        Self {
            parser,
            text: PhantomData,
        }
    }

    /// Returns libyaml's next event; one of no type after the last. `None` at a fault of syntax.
    fn parse(&mut self) -> Option<RawEvent> {
        let mut event = MaybeUninit::uninit();
        // SAFETY: `new` initialized the parser, and its text lives. The call initializes the whole
        // event before all else, and where it fails the event owns nothing.
        unsafe {
            if yaml_parser_parse(self.parser.as_ptr(), event.as_mut_ptr()).fail {
                return None;
            }
            Some(RawEvent(event.assume_init()))
        }
    }
}

impl Iterator for Events<'_> {
    type Item = (Event, Position);

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let raw = self.parse()?;
            let event = match raw.0.type_ {
                Type::YAML_SEQUENCE_START_EVENT => Event::SequenceStart,
                Type::YAML_SEQUENCE_END_EVENT => Event::SequenceEnd,
                Type::YAML_MAPPING_START_EVENT => Event::MappingStart,
                Type::YAML_MAPPING_END_EVENT => Event::MappingEnd,
                Type::YAML_SCALAR_EVENT => Event::Scalar(raw.scalar()),
                Type::YAML_ALIAS_EVENT => Event::Alias,
                Type::YAML_STREAM_START_EVENT
                | Type::YAML_DOCUMENT_START_EVENT
                | Type::YAML_DOCUMENT_END_EVENT => continue,
                Type::YAML_STREAM_END_EVENT | Type::YAML_NO_EVENT => return None,
                // The enum is non-exhaustive; libyaml has no other type.
                _ => return None,
            };
            return Some((event, raw.position()));
        }
    }
}

impl Drop for Events<'_> {
    fn drop(&mut self) {
        let place = self.parser.cast::<MaybeUninit<yaml_parser_t>>();
        // SAFETY: `new` initialized the parser and made its memory as a box of this type; neither
        // is used after this.
        unsafe {
            yaml_parser_delete(self.parser.as_ptr());
            drop(Box::from_raw(place.as_ptr()));
        }
    }
}

/// An event of libyaml, which owns memory.
struct RawEvent(yaml_event_t);

impl RawEvent {
    /// Returns the text of a scalar; empty for any other event.
    fn scalar(&self) -> String {
        if self.0.type_ != Type::YAML_SCALAR_EVENT {
            return String::new();
        }
        // SAFETY: the type says which member of the union is in use. A scalar's value is `length`
        // initialized bytes, never null, which the event owns.
        let bytes = unsafe {
            let scalar = &self.0.data.scalar;
            slice::from_raw_parts(scalar.value, scalar.length as usize)
        };
        String::from_utf8_lossy(bytes).into_owned()
    }

    fn position(&self) -> Position {
        let start = self.0.start_mark;
        (start.line as usize + 1, start.column as usize + 1)
    }
}

impl Drop for RawEvent {
    fn drop(&mut self) {
        // SAFETY: libyaml made the event, and nothing else frees its memory.
        unsafe { yaml_event_delete(&raw mut self.0) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns the events as words, with `@`, line and column where a node begins.
    fn events(text: &str) -> String {
        let word = |(event, (line, column)): (Event, Position)| match event {
            Event::SequenceStart => format!("[@{line}:{column}"),
            Event::SequenceEnd => "]".to_owned(),
            Event::MappingStart => format!("{{@{line}:{column}"),
            Event::MappingEnd => "}".to_owned(),
            Event::Scalar(text) => format!("{text:?}@{line}:{column}"),
            Event::Alias => format!("*@{line}:{column}"),
        };
        Events::new(text).map(word).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn events_have_their_place() {
        for (text, expected) in [
            ("", ""),
            ("# none\n", ""),
            ("a", r#""a"@1:1"#),
            ("a: [b, *c]", r#"{@1:1 "a"@1:1 [@1:4 "b"@1:5 *@1:8 ] }"#),
            ("a:\n- b\n- ", r#"{@1:1 "a"@1:1 [@2:1 "b"@2:3 ""@3:2 ] }"#),
            ("a: !t &x b", r#"{@1:1 "a"@1:1 "b"@1:4 }"#),
            ("a: |\n  b\n  c\n", r#"{@1:1 "a"@1:1 "b\nc\n"@1:4 }"#),
            // Characters, not bytes; a tab is one.
            ("[ä€😀, b,\tc]", r#"[@1:1 "ä€😀"@1:2 "b"@1:7 "c"@1:10 ]"#),
            (
                "a: b\r\nc: d\r\n",
                r#"{@1:1 "a"@1:1 "b"@1:4 "c"@2:1 "d"@2:4 }"#,
            ),
            // YAML 1.1, by which serde_yaml reads, breaks lines here as well.
            ("# a\u{2028}b", r#""b"@2:1"#),
            ("\u{feff}a", r#""a"@1:2"#),
            (r#""\0\u00e4""#, r#""\0ä"@1:1"#),
        ] {
            assert_eq!(events(text), expected, "{text:?}");
        }
    }

    #[test]
    fn events_of_all_documents_follow_each_other() {
        let text = "%TAG !t! tag:x,2026:\n---\n&a !t!x a\n...\n---\n*a\n---\n";
        assert_eq!(events(text), r#""a"@3:1 *@6:1 ""@8:1"#);
    }

    #[test]
    fn events_end_at_the_first_fault() {
        for (text, expected) in [
            ("\0", ""),
            ("a\0", ""),
            ("a: \u{7f}", ""),
            ("%TAG a", ""),
            ("[a, b", r#"[@1:1 "a"@1:2 "b"@1:5"#),
            ("[&x a, !t b]]", r#"[@1:1 "a"@1:2 "b"@1:8 ]"#),
            ("- a\n\t- b", r#"[@1:1"#),
            ("a: \"b", r#"{@1:1 "a"@1:1"#),
        ] {
            assert_eq!(events(text), expected, "{text:?}");
            let mut events = Events::new(text);
            events.by_ref().for_each(drop);
            assert_eq!(events.next(), None, "{text:?}");
        }
    }

    #[test]
    fn a_parser_may_be_left_at_any_event() {
        let text = "%TAG !t! tag:x:\n---\na: &x [!t!y b, {? c : *x}]\nd: |\n  e\n---\nf\n";
        let count = Events::new(text).count();
        assert!(count > 10);
        for taken in 0..count {
            assert_eq!(Events::new(text).take(taken).count(), taken);
        }
    }
}
