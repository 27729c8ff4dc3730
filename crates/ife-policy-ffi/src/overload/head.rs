//! The header fields of a plain INVITE or ACK that a refusal repeats.

/// Longest head that is read, bytes.
const HEAD_MAX: usize = 4096;
const VIAS_MAX: usize = 8;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Method {
    Invite,
    Ack,
}

/// The head of a request, the values without blanks around them.
#[derive(Debug)]
pub(super) struct Head<'a> {
    pub(super) method: Method,
    vias: [&'a str; VIAS_MAX],
    via_count: usize,
    pub(super) from: &'a str,
    pub(super) to: &'a str,
    pub(super) call_id: &'a str,
    pub(super) cseq: &'a str,
}

impl<'a> Head<'a> {
    /// Returns the head of an INVITE or ACK that has each field once, in one line, and arrived by
    /// UDP; `None` for any other.
    pub(super) fn parse(datagram: &'a [u8]) -> Option<Self> {
        let mut lines = Lines(datagram.get(..HEAD_MAX).unwrap_or(datagram));
        let (method, name) = method_of(lines.next()?)?;
        let mut fields = Fields::default();
        loop {
            let line = lines.next()?;
            if line.is_empty() {
                break;
            }
            fields.take(line)?;
        }
        let head = Self {
            method,
            vias: fields.vias,
            via_count: fields.via_count,
            from: fields.from?,
            to: fields.to?,
            call_id: fields.call_id?,
            cseq: fields.cseq?,
        };
        head.is_plain(name).then_some(head)
    }

    /// The Via fields, from top to bottom.
    pub(super) fn vias(&self) -> &[&'a str] {
        self.vias.get(..self.via_count).unwrap_or_default()
    }

    /// Returns true if To surely has no tag: the request belongs to no dialog.
    pub(super) fn may_begin_call(&self) -> bool {
        !self.to.as_bytes().windows(3).enumerate().any(|(at, word)| {
            let rest = self.to.get(at + 3..).unwrap_or("=");
            word.eq_ignore_ascii_case(b"tag") && rest.trim_start().starts_with('=')
        })
    }

    pub(super) fn is_ack_of(&self, tag: &str) -> bool {
        self.to
            .strip_suffix(tag)
            .is_some_and(|rest| rest.ends_with(";tag="))
    }

    fn is_plain(&self, method: &str) -> bool {
        let is_cseq = |(number, name): (&str, &str)| {
            (1..=10).contains(&number.len())
                && number.bytes().all(|b| b.is_ascii_digit())
                && name == method
        };
        let is_via = |via: &&str| via.starts_with("SIP/2.0/UDP ") && !via.contains([',', '"']);
        self.vias().first().is_some_and(is_via)
            && self.cseq.split_once(' ').is_some_and(is_cseq)
            && ![self.from, self.to, self.call_id].contains(&"")
    }
}

fn method_of(line: &[u8]) -> Option<(Method, &'static str)> {
    let words = text(line)?;
    let (method, rest) = words.split_once(' ')?;
    let (_, version) = rest.split_once(' ')?;
    match method {
        "INVITE" if version == "SIP/2.0" => Some((Method::Invite, "INVITE")),
        "ACK" if version == "SIP/2.0" => Some((Method::Ack, "ACK")),
        _ => None,
    }
}

#[derive(Default)]
struct Fields<'a> {
    vias: [&'a str; VIAS_MAX],
    via_count: usize,
    from: Option<&'a str>,
    to: Option<&'a str>,
    call_id: Option<&'a str>,
    cseq: Option<&'a str>,
}

impl<'a> Fields<'a> {
    /// Keeps the value of a line that a refusal repeats. `None` for a fold, a second value, and
    /// more than can be kept.
    fn take(&mut self, line: &'a [u8]) -> Option<()> {
        let first = line.first()?.to_ascii_lowercase();
        if matches!(first, b' ' | b'\t') {
            return None;
        }
        if !matches!(first, b'v' | b'f' | b't' | b'c' | b'i') {
            return Some(());
        }
        let colon = line.iter().position(|b| *b == b':')?;
        let (name, value) = (
            line.get(..colon)?.trim_ascii_end(),
            line.get(colon + 1..)?.trim_ascii(),
        );
        let is = |short: &[u8], long: &[u8]| {
            name.eq_ignore_ascii_case(short) || name.eq_ignore_ascii_case(long)
        };
        if is(b"v", b"via") {
            *self.vias.get_mut(self.via_count)? = text(value)?;
            self.via_count += 1;
            return Some(());
        }
        let kept = if is(b"f", b"from") {
            &mut self.from
        } else if is(b"t", b"to") {
            &mut self.to
        } else if is(b"i", b"call-id") {
            &mut self.call_id
        } else if is(b"cseq", b"cseq") {
            &mut self.cseq
        } else {
            return Some(());
        };
        kept.replace(text(value)?).is_none().then_some(())
    }
}

/// Returns the text of a line or value; `None` if it has control characters.
fn text(bytes: &[u8]) -> Option<&str> {
    let is_printable = |b: &u8| (*b >= b' ' && *b != 0x7f) || *b == b'\t';
    if !bytes.iter().all(is_printable) {
        return None;
    }
    std::str::from_utf8(bytes).ok()
}

/// Lines that end with CR LF, without it. Ends early at any other line.
struct Lines<'a>(&'a [u8]);

impl<'a> Iterator for Lines<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        let end = self.0.iter().position(|b| *b == b'\n')?;
        let (line, rest) = self.0.split_at_checked(end + 1)?;
        self.0 = rest;
        line.strip_suffix(b"\r\n")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAIN: [&str; 7] = [
        "INVITE sip:e@advisor SIP/2.0",
        "Via: SIP/2.0/UDP 192.0.2.9:5062;branch=z9hG4bK-1",
        "From: <sip:c@council>;tag=1",
        "To: <sip:e@advisor>",
        "Call-ID: a@b",
        "CSeq: 7 INVITE",
        "Content-Length: 0",
    ];

    fn request(lines: &[&str]) -> String {
        lines.join("\r\n") + "\r\n\r\n"
    }

    /// The plain INVITE with line `index` replaced.
    fn with(index: usize, line: &str) -> String {
        let mut lines = PLAIN;
        lines[index] = line;
        request(&lines)
    }

    fn is_read(request: &str) -> bool {
        Head::parse(request.as_bytes()).is_some()
    }

    #[test]
    fn a_plain_invite_is_read_whole() {
        let request = request(&PLAIN) + "body";
        let head = Head::parse(request.as_bytes()).expect("plain");
        assert_eq!(head.method, Method::Invite);
        assert_eq!(head.vias(), ["SIP/2.0/UDP 192.0.2.9:5062;branch=z9hG4bK-1"]);
        assert_eq!(
            (head.from, head.to),
            ("<sip:c@council>;tag=1", "<sip:e@advisor>")
        );
        assert_eq!((head.call_id, head.cseq), ("a@b", "7 INVITE"));
        assert!(head.may_begin_call());
    }

    #[test]
    fn whatever_is_unusual_is_left_to_the_server() {
        let many = format!("{}\r\n", PLAIN[1]).repeat(VIAS_MAX) + PLAIN[1];
        let long = format!("X: {}", "x".repeat(HEAD_MAX));
        for (index, line) in [
            (0, "OPTIONS sip:e@advisor SIP/2.0"),
            (0, "invite sip:e@advisor SIP/2.0"),
            (0, "INVITE  sip:e@advisor SIP/2.0"),
            (0, "INVITE sip:e@advisor SIP/2.0 "),
            (0, "INVITE sip:e@advisor SIP/3.0"),
            (0, "SIP/2.0 200 OK"),
            (0, ""),
            (1, "Vie: SIP/2.0/UDP h"),
            (1, "Via: SIP/2.0/TCP h;branch=z9hG4bK-1"),
            (1, "Via: SIP/2.0/UDP h;branch=1, SIP/2.0/UDP g;branch=2"),
            (1, "Via: SIP/2.0/UDP h;x=\"a;b\""),
            (1, &many),
            (2, "From: <sip:c@council>;tag=1\r\nf: <sip:c@council>;tag=2"),
            (2, "From: <sip:c@council>\r\n ;tag=1"),
            (2, "From:"),
            (3, "To: <sip:e@advisor>\nX: y"),
            (3, "To: <sip:e@\radvisor>"),
            (3, "To: <sip:e@\u{1}advisor>"),
            (3, "To: <sip:e@advisor>\r\nTo : <sip:e@advisor>"),
            (4, "Call-ID:\t"),
            (4, "Call-ID"),
            (5, "CSeq: 7 ACK"),
            (5, "CSeq: 7"),
            (5, "CSeq: x INVITE"),
            (5, "CSeq: 12345678901 INVITE"),
            (6, "\tfold"),
            (6, &long),
        ] {
            assert!(!is_read(&with(index, line)), "{line:?}");
        }
        assert!(!is_read(&PLAIN.join("\r\n")), "no end of the head");
        assert!(Head::parse(b"INVITE sip:e@advisor SIP/2.0\r\nTo: \xff\r\n\r\n").is_none());
    }

    #[test]
    fn no_prefix_and_no_changed_byte_is_a_panic() {
        let whole = request(&PLAIN);
        for end in 0..whole.len() {
            assert!(!is_read(&whole[..end]), "{end}");
        }
        for at in 0..whole.len() {
            for byte in [0, b'\t', b'\n', b'\r', b' ', b':', b';', b'=', 0x80, 0xff] {
                let mut changed = whole.clone().into_bytes();
                changed[at] = byte;
                let _ = Head::parse(&changed).map(|head| head.may_begin_call());
            }
        }
    }

    #[test]
    fn a_request_within_a_dialog_is_seen_in_any_spelling() {
        for (to, begins) in [
            ("<sip:e@advisor>", true),
            ("\"The stage\" <sip:stage@advisor>;user=phone", true),
            ("<sip:e@advisor>;tag=2", false),
            ("<sip:e@advisor> ; TaG = 2", false),
            ("sip:e@advisor;x=y;tag=2", false),
            ("<sip:e@advisor>;tag=", false),
        ] {
            let request = with(3, &format!("To: {to}"));
            let head = Head::parse(request.as_bytes()).expect("plain");
            assert_eq!(head.may_begin_call(), begins, "{to}");
        }
    }

    #[test]
    fn the_ack_of_a_refusal_has_its_tag_at_the_end() {
        let ack = |to: &str| {
            let request = with(3, &format!("To: {to}"));
            request.replace("INVITE", "ACK")
        };
        for (to, is_own) in [
            ("<sip:e@advisor>;tag=ife503-1", true),
            ("<sip:e@advisor>;tag=ife503-2", false),
            ("<sip:e@advisor>;tag=ife503-1;x", false),
            ("<sip:e@advisor>;x=ife503-1", false),
            ("<sip:e@advisor>", false),
        ] {
            let request = ack(to);
            let head = Head::parse(request.as_bytes()).expect("plain");
            assert_eq!(head.method, Method::Ack);
            assert_eq!(head.is_ack_of("ife503-1"), is_own, "{to}");
        }
    }
}
