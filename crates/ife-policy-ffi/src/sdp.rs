//! Finds the session description in a message body, and masks the secrets in it.

use std::borrow::Cow;

/// Limit of parsed parts of a multipart body.
const PARTS_MAX: usize = 8;

/// Returns the SDP of a body: all of it for `application/sdp`, the first such part of a
/// `multipart/*` one.
///
/// Not a MIME parser (RFC 2046): a form that it does not recognise has no SDP. The hash of the
/// whole message covers the body in any case.
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

/// Replaces a secret in the log. No hash of it: some secrets are short enough to be guessed.
const MASK: &[u8] = b"****";

/// Returns the SDP without its secrets: SDES keys (RFC 4568), the ICE password (RFC 8839 5.4),
/// MIKEY messages (RFC 4567) and the `k=` line (RFC 8866 5.12). All other bytes stay. SDP without
/// secrets is not copied.
pub(crate) fn masked(sdp: &[u8]) -> Cow<'_, [u8]> {
    let mut out = Cow::Borrowed(sdp);
    for line in sdp.split_inclusive(|&b| b == b'\n' || b == b'\r') {
        let text = line.strip_suffix(b"\n").unwrap_or(line);
        let text = text.strip_suffix(b"\r").unwrap_or(text);
        let secret = secret_at(text);
        match (&mut out, secret) {
            (Cow::Borrowed(_), None) => {}
            (Cow::Borrowed(_), Some(at)) => {
                let before = line.as_ptr().addr() - sdp.as_ptr().addr();
                let mut copy = Vec::with_capacity(sdp.len());
                copy.extend_from_slice(&sdp[..before]);
                mask_line(&mut copy, line, text.len(), at);
                out = Cow::Owned(copy);
            }
            (Cow::Owned(copy), None) => copy.extend_from_slice(line),
            (Cow::Owned(copy), Some(at)) => mask_line(copy, line, text.len(), at),
        }
    }
    out
}

fn mask_line(out: &mut Vec<u8>, line: &[u8], text_len: usize, secret_at: usize) {
    out.extend_from_slice(&line[..secret_at]);
    out.extend_from_slice(MASK);
    out.extend_from_slice(&line[text_len..]);
}

/// Returns where the secret of a line begins; it ends with the line.
fn secret_at(line: &[u8]) -> Option<usize> {
    let (kind, value) = split_once(line, b"=")?;
    let value_at = line.len() - value.len();
    match kind.trim_ascii() {
        [b'k' | b'K'] => Some(value_at),
        [b'a' | b'A'] => {
            let (name, value) = split_once(value, b":")?;
            let name = name.trim_ascii();
            let secret = |wanted: &[u8]| name.eq_ignore_ascii_case(wanted);
            let at = line.len() - value.len();
            if secret(b"crypto") {
                // Tag and suite stay: `1 AES_CM_128_HMAC_SHA1_80 inline:...`.
                let mut spaces = value.iter().enumerate().filter(|(_, b)| **b == b' ');
                let keys = spaces.nth(1).map_or(0, |(space, _)| space + 1);
                let is_plain = !value[..keys]
                    .windows(7)
                    .any(|w| w.eq_ignore_ascii_case(b"inline:"));
                return Some(if is_plain { at + keys } else { at });
            }
            (secret(b"ice-pwd") || secret(b"key-mgmt")).then_some(at)
        }
        _ => None,
    }
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
    fn secrets_are_masked_and_all_else_stays() {
        let cases: [(&str, &str); 9] = [
            ("v=0\r\ns=-\r\n", "v=0\r\ns=-\r\n"),
            (
                "v=0\r\na=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:WVNfX19z|2^20|1:32 KDR=1\r\n\
                 a=sendrecv\r\n",
                "v=0\r\na=crypto:1 AES_CM_128_HMAC_SHA1_80 ****\r\na=sendrecv\r\n",
            ),
            (
                "a=ice-ufrag:8hhY\r\na=ice-pwd:asd88fgpdd777uzjYhagZg\r\n\
                 a=fingerprint:sha-256 AB:CD\r\na=setup:actpass\r\n",
                "a=ice-ufrag:8hhY\r\na=ice-pwd:****\r\na=fingerprint:sha-256 AB:CD\r\n\
                 a=setup:actpass\r\n",
            ),
            ("k=clear:secret\r\nt=0 0\r\n", "k=****\r\nt=0 0\r\n"),
            ("a=key-mgmt:mikey AQAF\n", "a=key-mgmt:****\n"),
            // Other ends of line, other cases, no end, the key where the suite belongs.
            ("A=ICE-PWD:x\rm=audio\r", "A=ICE-PWD:****\rm=audio\r"),
            ("v=0\na=ice-pwd:x", "v=0\na=ice-pwd:****"),
            ("a=crypto:1 inline:KEY x y", "a=crypto:****"),
            ("a=crypto:broken", "a=crypto:****"),
        ];
        for (sdp, expected) in cases {
            let got = masked(sdp.as_bytes());
            assert_eq!(String::from_utf8_lossy(&got), expected, "{sdp:?}");
        }
    }

    #[test]
    fn finds_plain_and_multipart_sdp_and_nothing_else() {
        let multipart = b"--b1\r\nContent-Type: text/plain\r\n\r\nhi\r\n--b1\r\n\
            content-type : application/SDP; x=1\r\n\r\nv=0\r\ns=-\r\n\r\n--b1--\r\n";
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
