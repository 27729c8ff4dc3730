//! Reads as much of a SIP message as the gate looks at. Bodies of header fields stay raw, folding
//! included, as Kamailio gives them.

use ife_guard::HeaderValue;

use crate::Failure;

/// A request, in parts.
#[derive(Debug)]
pub(crate) struct SipRequest {
    pub(crate) method: Vec<u8>,
    pub(crate) ruri: Vec<u8>,
    fields: Vec<(String, Vec<u8>)>,
    pub(crate) body: Vec<u8>,
    /// True when bare line feeds were taken for CRLF.
    pub(crate) line_ends_changed: bool,
}

/// Long names of the compact forms that matter here (RFC 3261 section 7.3.3).
const COMPACT: [(&str, &str); 5] = [
    ("f", "from"),
    ("t", "to"),
    ("i", "call-id"),
    ("v", "via"),
    ("l", "content-length"),
];

impl SipRequest {
    /// Parses a request as captured, or as someone typed it with bare line feeds.
    pub(crate) fn parse(bytes: &[u8], file: &str) -> Result<SipRequest, Failure> {
        let fail = |line: usize, what: &str| {
            Failure::no(format!("{file}:{line}: {what}"))
                .hint("this must be one SIP request, as captured from the wire")
        };
        let line_ends_changed = !bytes.contains(&b'\r');
        let text = if line_ends_changed {
            to_crlf(bytes)
        } else {
            bytes.to_vec()
        };
        let end =
            find(&text, b"\r\n\r\n").ok_or_else(|| fail(1, "no empty line after the headers"))?;
        let (head, body) = (&text[..end], &text[end + 4..]);
        let mut lines = head
            .split(|&b| b == b'\n')
            .map(|line| line.strip_suffix(b"\r").unwrap_or(line));
        let start: Vec<&[u8]> = lines
            .next()
            .unwrap_or_default()
            .split(|&b| b == b' ')
            .collect();
        let [method, ruri, b"SIP/2.0"] = start[..] else {
            return Err(fail(1, "the first line is not METHOD URI SIP/2.0"));
        };
        let mut fields: Vec<(String, Vec<u8>)> = Vec::new();
        for (number, line) in lines.enumerate() {
            match (line, fields.last_mut()) {
                ([b' ' | b'\t', ..], Some((_, value))) => {
                    value.extend_from_slice(b"\r\n");
                    value.extend_from_slice(line);
                }
                _ => {
                    fields.push(field(line).ok_or_else(|| fail(number + 2, "not a header field"))?)
                }
            }
        }
        let mut request = SipRequest {
            method: method.to_vec(),
            ruri: ruri.to_vec(),
            fields,
            body: body.to_vec(),
            line_ends_changed,
        };
        request
            .cut_body()
            .ok_or_else(|| fail(1, "Content-Length is more than the body that follows"))?;
        Ok(request)
    }

    /// An INVITE without any field.
    pub(crate) fn invite() -> SipRequest {
        SipRequest {
            method: b"INVITE".to_vec(),
            ruri: Vec::new(),
            fields: Vec::new(),
            body: Vec::new(),
            line_ends_changed: false,
        }
    }

    /// Puts a field in place of all of that name.
    pub(crate) fn set(&mut self, name: &str, value: &str) {
        let name = name.to_ascii_lowercase();
        self.fields.retain(|(other, _)| *other != name);
        self.fields.push((name, value.as_bytes().to_vec()));
    }

    /// How often a field occurs, and its first body.
    pub(crate) fn header(&self, name: &str) -> HeaderValue<'_> {
        let mut found = self.values(name);
        match (found.next(), found.count()) {
            (None, _) => HeaderValue::Absent,
            (Some(first), 0) => HeaderValue::One(first),
            (Some(_), more) => {
                HeaderValue::Many(u32::try_from(more).unwrap_or(u32::MAX).saturating_add(1))
            }
        }
    }

    /// First body of a field without the white space around it; empty if there is none.
    pub(crate) fn first(&self, name: &str) -> &[u8] {
        self.values(name).next().unwrap_or_default().trim_ascii()
    }

    /// Whether any field is one of the gate's.
    pub(crate) fn has_if_field(&self) -> bool {
        self.fields.iter().any(|(name, _)| {
            name.get(..5)
                .is_some_and(|start| start.eq_ignore_ascii_case("x-if-"))
        })
    }

    /// The URIs of all Route fields, each with what follows it.
    pub(crate) fn routes(&self) -> impl Iterator<Item = &[u8]> {
        self.values("route")
            .flat_map(|value| value.split_inclusive(|&b| b == b'>'))
            .filter(|part| part.contains(&b'<'))
    }

    /// URI of a From or To field.
    pub(crate) fn uri(&self, name: &str) -> &[u8] {
        let value = self.first(name);
        let outside = after_quotes(value);
        match (
            outside.iter().position(|&b| b == b'<'),
            outside.iter().position(|&b| b == b'>'),
        ) {
            (Some(open), Some(close)) if open < close => &outside[open + 1..close],
            _ => value
                .split(|&b| b == b';')
                .next()
                .unwrap_or_default()
                .trim_ascii(),
        }
    }

    /// `tag` of a From or To field; empty if there is none.
    pub(crate) fn tag(&self, name: &str) -> &[u8] {
        let value = self.first(name);
        let outside = after_quotes(value);
        let start = outside
            .iter()
            .position(|&b| b == b'>')
            .map_or(0, |close| close + 1);
        let parameters = outside[start..]
            .split(|&b| b == b';')
            .skip(1)
            .map(<[u8]>::trim_ascii);
        let mut tags = parameters.filter_map(|p| {
            p.get(..4)
                .filter(|n| n.eq_ignore_ascii_case(b"tag="))
                .map(|_| &p[4..])
        });
        tags.next().unwrap_or_default()
    }

    /// Number in CSeq; 0 if there is none.
    pub(crate) fn cseq(&self) -> u32 {
        let digits = self
            .first("cseq")
            .split(|b| !b.is_ascii_digit())
            .next()
            .unwrap_or_default();
        std::str::from_utf8(digits)
            .ok()
            .and_then(|text| text.parse().ok())
            .unwrap_or(0)
    }

    /// Transport in the topmost Via, lower-case.
    pub(crate) fn via_transport(&self) -> Option<String> {
        let protocol = self
            .first("via")
            .split(|b| b.is_ascii_whitespace())
            .next()?;
        let transport = protocol.rsplit(|&b| b == b'/').next()?;
        Some(String::from_utf8_lossy(transport).to_ascii_lowercase())
    }

    fn values(&self, name: &str) -> impl Iterator<Item = &[u8]> {
        self.fields
            .iter()
            .filter(move |(other, _)| other.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_slice())
    }

    /// Cuts the body to Content-Length; `None` when it is shorter than that.
    fn cut_body(&mut self) -> Option<()> {
        let length = self.first("content-length");
        if length.is_empty() || self.line_ends_changed {
            return Some(());
        }
        let length: usize = std::str::from_utf8(length).ok()?.parse().ok()?;
        if length > self.body.len() {
            return None;
        }
        self.body.truncate(length);
        Some(())
    }
}

fn to_crlf(bytes: &[u8]) -> Vec<u8> {
    bytes
        .iter()
        .flat_map(|b| {
            if *b == b'\n' {
                b"\r\n".as_slice()
            } else {
                std::slice::from_ref(b)
            }
        })
        .copied()
        .collect()
}

fn field(line: &[u8]) -> Option<(String, Vec<u8>)> {
    let colon = line.iter().position(|&b| b == b':')?;
    let name = std::str::from_utf8(&line[..colon])
        .ok()?
        .trim_end()
        .to_ascii_lowercase();
    if name.is_empty() || !name.bytes().all(|b| b.is_ascii_graphic()) {
        return None;
    }
    let name = COMPACT
        .iter()
        .find(|(short, _)| *short == name)
        .map_or(name, |(_, long)| (*long).to_owned());
    Some((name, line[colon + 1..].to_vec()))
}

/// What follows a leading quoted string.
fn after_quotes(value: &[u8]) -> &[u8] {
    if value.first() != Some(&b'"') {
        return value;
    }
    let mut escaped = false;
    for (at, &byte) in value.iter().enumerate().skip(1) {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'"' => return &value[at + 1..],
            _ => {}
        }
    }
    value
}

fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    haystack
        .windows(needle.len())
        .position(|window| window == needle)
}

#[cfg(test)]
mod tests {
    use super::*;

    const INVITE: &str = "INVITE sip:expert@external.advisor SIP/2.0\r\n\
        Via: SIP/2.0/TLS 127.0.0.1:5070;branch=z9hG4bK1\r\n\
        f: \"A <sip:mallory@x>;tag=9\" <sip:council@council.example;x=y>;tag=abc\r\n\
        To: <sip:expert@external.advisor>\r\n\
        Call-ID: c1\r\n\
        CSeq: 7 INVITE\r\n\
        X-IF-Hazard: safe\r\n ty\r\n\
        X-If-Trace-Id: one\r\n\
        x-if-trace-id: two\r\n\
        Content-Length: 2\r\n\r\nv=0\r\n";

    #[test]
    fn the_parts_that_the_gate_looks_at_are_found() {
        let request = SipRequest::parse(INVITE.as_bytes(), "f").expect("a request");
        assert_eq!(
            (request.method.as_slice(), request.ruri.as_slice()),
            (
                b"INVITE".as_slice(),
                b"sip:expert@external.advisor".as_slice()
            )
        );
        assert_eq!(request.uri("From"), b"sip:council@council.example;x=y");
        assert_eq!(
            (request.tag("From"), request.tag("To")),
            (b"abc".as_slice(), b"".as_slice())
        );
        assert_eq!(
            (request.first("Call-ID"), request.cseq()),
            (b"c1".as_slice(), 7)
        );
        assert_eq!(request.via_transport().as_deref(), Some("tls"));
        assert_eq!(request.body, b"v=");
    }

    #[test]
    fn folding_and_repetition_stay_visible() {
        let request = SipRequest::parse(INVITE.as_bytes(), "f").expect("a request");
        assert_eq!(
            request.header("X-IF-Hazard"),
            HeaderValue::One(b" safe\r\n ty")
        );
        assert_eq!(request.header("X-IF-Trace-ID"), HeaderValue::Many(2));
        assert_eq!(request.header("X-IF-Signature"), HeaderValue::Absent);
    }

    #[test]
    fn every_uri_of_every_route_is_found() {
        let routed = INVITE.replace(
            "Call-ID",
            "Route: \"x\" <sip:a@b;lr>,<sip:c@d;lr>;x=y\r\nroute: <sip:e@f>\r\nCall-ID",
        );
        let request = SipRequest::parse(routed.as_bytes(), "f").expect("a request");
        let routes: Vec<String> = request
            .routes()
            .map(|uri| String::from_utf8_lossy(uri).into_owned())
            .collect();
        assert_eq!(
            routes,
            [" \"x\" <sip:a@b;lr>", ",<sip:c@d;lr>", " <sip:e@f>"]
        );
    }

    #[test]
    fn a_field_of_the_gate_is_seen_in_any_letter_case() {
        let request = SipRequest::parse(INVITE.as_bytes(), "f").expect("a request");
        assert!(request.has_if_field());
        let other = "INVITE sip:a@b SIP/2.0\r\nX-Iffy: 1\r\n\r\n";
        let request = SipRequest::parse(other.as_bytes(), "f").expect("a request");
        assert!(!request.has_if_field());
    }

    #[test]
    fn typed_line_ends_become_those_of_the_wire() {
        let typed = INVITE.replace("\r\n", "\n");
        let request = SipRequest::parse(typed.as_bytes(), "f").expect("a request");
        assert!(request.line_ends_changed);
        assert_eq!(request.body, b"v=0\r\n");
    }

    #[test]
    fn what_is_no_request_is_refused_with_the_line() {
        for (text, at) in [
            ("INVITE sip:a@b SIP/2.0\r\n", "f:1: no empty line"),
            ("SIP/2.0 200 OK\r\n\r\n", "f:1: the first line"),
            (
                "INVITE sip:a@b SIP/2.0\r\nVia: x\r\nnonsense\r\n\r\n",
                "f:3: not a header field",
            ),
            (
                "INVITE sip:a@b SIP/2.0\r\nContent-Length: 5\r\n\r\nabc",
                "f:1: Content-Length",
            ),
            ("", "f:1: no empty line"),
        ] {
            let failure = SipRequest::parse(text.as_bytes(), "f").expect_err(text);
            assert!(failure.what.starts_with(at), "{text:?}: {failure}");
        }
    }
}
