//! Finds the session description in a message body.

/// Most parts of a multipart body that are looked at.
const PARTS_MAX: usize = 8;

/// The SDP of a body: all of it for `application/sdp`, the first such part of a `multipart/*` one.
///
/// Not a MIME parser (RFC 2046): what it does not recognise has no SDP, and the hash of the whole message covers it all the same.
pub(crate) fn find<'a>(content_type: &[u8], body: &'a [u8]) -> Option<&'a [u8]> {
    if body.is_empty() {
        return None;
    }
    if is_type(content_type, b"application/sdp") {
        return Some(body);
    }
    let (kind, _) = split_once(content_type, b"/")?;
    if !kind.trim_ascii().eq_ignore_ascii_case(b"multipart") {
        return None;
    }
    let boundary = parameter(content_type, b"boundary")?;
    let mut delimiter = b"--".to_vec();
    delimiter.extend_from_slice(boundary);
    let (_, mut rest) = split_once(body, &delimiter)?;
    for _ in 0..PARTS_MAX {
        let (part, after) = split_once(rest, &delimiter)?;
        let (head, content) = split_once(part, b"\r\n\r\n")?;
        if part_is_sdp(head) {
            return content.strip_suffix(b"\r\n");
        }
        rest = after;
    }
    None
}

fn part_is_sdp(head: &[u8]) -> bool {
    head.split(|&b| b == b'\n').any(|line| {
        split_once(line, b":").is_some_and(|(name, value)| {
            name.trim_ascii().eq_ignore_ascii_case(b"content-type")
                && is_type(value, b"application/sdp")
        })
    })
}

fn is_type(content_type: &[u8], wanted: &[u8]) -> bool {
    let end = content_type
        .iter()
        .position(|&b| b == b';')
        .unwrap_or(content_type.len());
    content_type[..end]
        .trim_ascii()
        .eq_ignore_ascii_case(wanted)
}

fn parameter<'a>(content_type: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    content_type
        .split(|&b| b == b';')
        .skip(1)
        .find_map(|parameter| {
            let (found, value) = split_once(parameter, b"=")?;
            let value = value.trim_ascii();
            let value = value
                .strip_prefix(b"\"")
                .and_then(|v| v.strip_suffix(b"\""))
                .unwrap_or(value);
            // RFC 2046 5.1.1: 1 to 70 characters.
            (found.trim_ascii().eq_ignore_ascii_case(name) && (1..=70).contains(&value.len()))
                .then_some(value)
        })
}

fn split_once<'a>(text: &'a [u8], by: &[u8]) -> Option<(&'a [u8], &'a [u8])> {
    let at = text.windows(by.len()).position(|window| window == by)?;
    Some((&text[..at], &text[at + by.len()..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_plain_and_multipart_sdp_and_nothing_else() {
        let multipart = b"--b1\r\nContent-Type: text/plain\r\n\r\nhi\r\n--b1\r\ncontent-type : application/SDP; x=1\r\n\r\nv=0\r\ns=-\r\n\r\n--b1--\r\n";
        type Case<'a> = (&'a [u8], &'a [u8], Option<&'a [u8]>);
        let cases: [Case<'_>; 10] = [
            (b"application/sdp", b"v=0\r\n", Some(b"v=0\r\n")),
            (b" Application/SDP ;charset=x", b"v=0\r\n", Some(b"v=0\r\n")),
            (b"application/sdp", b"", None),
            (b"application/sdpx", b"v=0", None),
            (b"", b"v=0", None),
            (
                b"multipart/mixed;boundary=b1",
                multipart,
                Some(b"v=0\r\ns=-\r\n"),
            ),
            (
                b"multipart/mixed; boundary=\"b1\"",
                multipart,
                Some(b"v=0\r\ns=-\r\n"),
            ),
            (b"multipart/mixed; boundary=", multipart, None),
            (b"multipart/mixed; boundary=zz", multipart, None),
            (b"multipart/mixed", multipart, None),
        ];
        for (content_type, body, expected) in cases {
            assert_eq!(
                find(content_type, body),
                expected,
                "{}",
                String::from_utf8_lossy(content_type)
            );
        }
    }
}
