//! Bytes to messages, for every cut of the stream.

// Tests pick single cases out of many.
#![allow(clippy::wildcard_enum_match_arm)]

use ife_ami::wire::{DecodeError, Decoder, Frame, Kind, Limits, SkipReason};
use proptest::prelude::*;

const SMALL: Limits = Limits {
    line_bytes_max: 40,
    headers_max: 5,
    message_bytes_max: 120,
    skip_bytes_max: 400,
    banner_bytes_max: 30,
};

/// A frame as plain data.
#[derive(Debug, Clone, PartialEq)]
enum Plain {
    Banner(Vec<u8>),
    Message(Vec<(Vec<u8>, Vec<u8>)>),
    Skipped(usize, SkipReason),
    Error(DecodeError),
}

fn decode_all(decoder: &mut Decoder, pieces: &[&[u8]]) -> Vec<Plain> {
    let mut found = Vec::new();
    for piece in pieces {
        decoder.push(piece);
        loop {
            match decoder.next_frame() {
                Ok(Some(Frame::Banner(line))) => found.push(Plain::Banner(line.to_vec())),
                Ok(Some(Frame::Message(message))) => {
                    let headers = message
                        .headers()
                        .map(|(key, value)| (key.to_vec(), value.to_vec()));
                    found.push(Plain::Message(headers.collect()));
                }
                Ok(Some(Frame::Skipped { bytes, reason })) => {
                    found.push(Plain::Skipped(bytes, reason))
                }
                Ok(None) => break,
                Err(error) => {
                    found.push(Plain::Error(error));
                    return found;
                }
            }
        }
    }
    found
}

fn messages(stream: &[u8]) -> Vec<Plain> {
    decode_all(&mut Decoder::after_banner(SMALL), &[stream])
}

fn message(headers: &[(&str, &str)]) -> Plain {
    let bytes = |text: &str| text.as_bytes().to_vec();
    Plain::Message(
        headers
            .iter()
            .map(|(key, value)| (bytes(key), bytes(value)))
            .collect(),
    )
}

#[test]
fn lines_end_with_crlf_or_lf_alone() {
    let wanted = vec![message(&[("A", "1"), ("B", "2")])];
    for stream in [
        "A: 1\r\nB: 2\r\n\r\n",
        "A: 1\nB: 2\n\n",
        "A: 1\r\nB: 2\n\r\n",
        "A: 1\r\nB: 2\r\n\n",
    ] {
        assert_eq!(messages(stream.as_bytes()), wanted, "{stream:?}");
    }
}

#[test]
fn empty_lines_between_messages_mean_nothing() {
    assert_eq!(
        messages(b"\r\n\n\r\nA: 1\r\n\r\n\r\n\r\nB: 2\r\n\r\n"),
        [message(&[("A", "1")]), message(&[("B", "2")])]
    );
}

#[test]
fn one_blank_after_the_colon_is_not_the_value() {
    let table = [
        ("A:1", "1"),
        ("A: 1", "1"),
        ("A:  1", " 1"),
        ("A: 1 ", "1 "),
        ("A:", ""),
        ("A: ", ""),
        ("A: b: c", "b: c"),
    ];
    for (line, value) in table {
        assert_eq!(
            messages(format!("{line}\r\n\r\n").as_bytes()),
            [message(&[("A", value)])],
            "{line:?}"
        );
    }
}

#[test]
fn values_are_bytes() {
    let stream = b"CallerIDName: \xff\xfe\0\x1b\r \r\n\r\n";
    let wanted = Plain::Message(vec![(
        b"CallerIDName".to_vec(),
        b"\xff\xfe\0\x1b\r ".to_vec(),
    )]);
    assert_eq!(messages(stream), [wanted]);
}

#[test]
fn a_line_without_a_colon_has_no_key() {
    assert_eq!(
        messages(b"hello\r\nA: 1\r\n\r\n"),
        [message(&[("", "hello"), ("A", "1")])]
    );
}

#[test]
fn headers_repeat_and_match_without_case() {
    let mut decoder = Decoder::after_banner(SMALL);
    decoder.push(b"Variable: a\r\nvariable: b\r\nCause: 1\r\nCAUSE: 1\r\n\r\n");
    let Ok(Some(Frame::Message(message))) = decoder.next_frame() else {
        panic!("a message")
    };
    assert_eq!(message.all("Variable").collect::<Vec<_>>(), [b"a", b"b"]);
    assert_eq!(message.first("VARIABLE"), Some(&b"a"[..]));
    assert!(message.unique("Variable").is_err());
    assert_eq!(message.unique("Cause"), Ok(Some(&b"1"[..])));
    assert_eq!(message.unique("None"), Ok(None));
}

#[test]
fn an_event_with_a_response_is_an_event() {
    let mut decoder = Decoder::after_banner(SMALL);
    decoder.push(b"Response: Failure\r\nEvent: OriginateResponse\r\n\r\n");
    let Ok(Some(Frame::Message(message))) = decoder.next_frame() else {
        panic!("a message")
    };
    assert_eq!(message.kind(), Kind::Event(b"OriginateResponse"));
}

#[test]
fn a_message_over_a_limit_is_left_out_and_the_next_is_read() {
    let long_line = format!("A: {}\r\nB: 2\r\n\r\n", "x".repeat(60));
    let many = "A: 1\r\n".repeat(6) + "\r\n";
    let long = "A: 345678901234567890123456789012345\r\n".repeat(4) + "\r\n";
    for (text, reason) in [
        (&long_line, SkipReason::Line),
        (&many, SkipReason::Headers),
        (&long, SkipReason::Message),
    ] {
        let stream = format!("{text}C: 3\r\n\r\n");
        assert_eq!(
            messages(stream.as_bytes()),
            [Plain::Skipped(text.len(), reason), message(&[("C", "3")])]
        );
    }
}

#[test]
fn a_message_without_end_ends_the_stream() {
    let stream = "A: 1\r\n".repeat(100);
    assert_eq!(
        messages(stream.as_bytes()),
        [Plain::Error(DecodeError::NoEnd(400))]
    );
    let stream = "x".repeat(500);
    assert_eq!(
        messages(stream.as_bytes()),
        [Plain::Error(DecodeError::NoEnd(400))]
    );
}

#[test]
fn a_banner_without_end_ends_the_stream() {
    let mut decoder = Decoder::new(SMALL);
    assert_eq!(
        decode_all(&mut decoder, &[b"y".repeat(40).as_slice()]),
        [Plain::Error(DecodeError::BannerTooLong(30))]
    );
}

#[test]
fn lost_bytes_cost_at_most_up_to_the_next_empty_line() {
    let mut decoder = Decoder::after_banner(SMALL);
    assert_eq!(decode_all(&mut decoder, &[b"A: 1\r\nB: "]), []);
    decoder.lose_sync();
    let found = decode_all(
        &mut decoder,
        &[b"tail\r\nEvent: Hangup\r\n\r\nC: 3\r\n\r\n"],
    );
    assert_eq!(
        found,
        [
            Plain::Skipped(23, SkipReason::LostBytes),
            message(&[("C", "3")])
        ]
    );
}

/// Streams similar to AMI, with all kinds of errors.
fn stream() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        8 => "[A-Za-z]{0,6}: [ -~]{0,20}\r\n".prop_map(String::into_bytes),
        4 => Just(b"\r\n".to_vec()),
        2 => Just(b"\n".to_vec()),
        2 => Just(b"\r".to_vec()),
        1 => Just(vec![b'x'; 45]),
        2 => prop::collection::vec(any::<u8>(), 0..12),
    ];
    prop::collection::vec(piece, 0..40).prop_map(|pieces| pieces.concat())
}

proptest! {
    #[test]
    fn cuts_do_not_matter(
        stream in stream(),
        cuts in prop::collection::vec(0usize..1_000, 0..20),
        banner: bool,
    ) {
        let fresh = || if banner { Decoder::new(SMALL) } else { Decoder::after_banner(SMALL) };
        let whole = decode_all(&mut fresh(), &[&stream]);
        let bytes: Vec<&[u8]> = stream.chunks(1).collect();
        prop_assert_eq!(&decode_all(&mut fresh(), &bytes), &whole);

        let cuts = cuts.into_iter().map(|cut| cut.min(stream.len()));
        let mut cuts: Vec<usize> = cuts.chain([0, stream.len()]).collect();
        cuts.sort_unstable();
        let pieces: Vec<&[u8]> = cuts.windows(2).map(|pair| &stream[pair[0]..pair[1]]).collect();
        prop_assert_eq!(&decode_all(&mut fresh(), &pieces), &whole);
    }

    #[test]
    fn memory_is_bound(stream in stream(), size in 1usize..50) {
        let mut decoder = Decoder::after_banner(SMALL);
        for piece in stream.chunks(size) {
            let ended = matches!(decode_all(&mut decoder, &[piece]).last(), Some(Plain::Error(_)));
            prop_assert!(decoder.buffered() <= SMALL.message_bytes_max + SMALL.line_bytes_max + 2);
            if ended {
                break;
            }
        }
    }

    #[test]
    fn every_message_keeps_the_limits(stream in stream()) {
        for frame in messages(&stream) {
            if let Plain::Message(headers) = frame {
                prop_assert!(!headers.is_empty() && headers.len() <= SMALL.headers_max);
                for (key, value) in headers {
                    prop_assert!(key.len() + value.len() <= SMALL.line_bytes_max);
                    prop_assert!(!value.contains(&b'\n') && !key.contains(&b'\n'));
                }
            }
        }
    }
}
