//! Where a Contact can be reached: the host and port of its URI, as `host:port` in lower case.

/// Longest address that is kept: a host name of 253 bytes, a colon and a port.
const ADDRESS_LEN_MAX: usize = 260;
/// Longest Contact that is looked at, in bytes.
const CONTACT_LEN_MAX: usize = 2048;

/// The address of the first URI in the body of a Contact header field (RFC 3261 20.10); `None` for anything that is not one.
///
/// The port that a URI does not name is that of its scheme and transport (RFC 3261 19.1.2).
pub(crate) fn address(contact: &[u8]) -> Option<Vec<u8>> {
    if contact.len() > CONTACT_LEN_MAX {
        return None;
    }
    let uri = uri(contact)?;
    let colon = uri.iter().position(|&b| b == b':')?;
    let (scheme, rest) = (&uri[..colon], &uri[colon + 1..]);
    let is_secure = scheme.eq_ignore_ascii_case(b"sips");
    if !is_secure && !scheme.eq_ignore_ascii_case(b"sip") {
        return None;
    }
    let end = rest.iter().position(|&b| b == b'?').unwrap_or(rest.len());
    let rest = &rest[..end];
    // A user part may hold ';' but neither host nor parameters may hold '@'.
    let host_on = rest.iter().rposition(|&b| b == b'@').map_or(0, |at| at + 1);
    let rest = &rest[host_on..];
    let end = rest.iter().position(|&b| b == b';').unwrap_or(rest.len());
    let (host_port, parameters) = rest.split_at(end);
    let is_tls = is_secure
        || parameters
            .split(|&b| b == b';')
            .any(|parameter| parameter.eq_ignore_ascii_case(b"transport=tls"));
    normal(host_port, if is_tls { b"5061" } else { b"5060" })
}

/// `host:port` as it is compared; `port` where there is none.
fn normal(host_port: &[u8], port: &[u8]) -> Option<Vec<u8>> {
    let host_end = match host_port.first()? {
        b'[' => host_port.iter().position(|&b| b == b']')? + 1,
        _ => host_port
            .iter()
            .position(|&b| b == b':')
            .unwrap_or(host_port.len()),
    };
    let (host, rest) = host_port.split_at(host_end);
    let port = match rest {
        [] => port,
        [b':', digits @ ..] if !digits.is_empty() && digits.iter().all(u8::is_ascii_digit) => {
            digits
        }
        [..] => return None,
    };
    let is_host = |b: &u8| b.is_ascii_alphanumeric() || b"-._:[]".contains(b);
    if host.is_empty() || !host.iter().all(is_host) {
        return None;
    }
    let mut address = host.to_ascii_lowercase();
    address.push(b':');
    address.extend_from_slice(port);
    (address.len() <= ADDRESS_LEN_MAX).then_some(address)
}

/// What a script names as `host:port`, as it is compared.
pub(crate) fn named(address: &[u8]) -> Option<Vec<u8>> {
    normal(address, b"5060")
}

/// The first URI: inside of brackets, or up to the header's own parameters.
fn uri(contact: &[u8]) -> Option<&[u8]> {
    let contact = contact.trim_ascii_start();
    let unquoted = match contact {
        [b'"', rest @ ..] => after_quote(rest)?,
        [..] => contact,
    };
    match unquoted.iter().position(|&b| b == b'<') {
        Some(open) => {
            let inner = &unquoted[open + 1..];
            Some(&inner[..inner.iter().position(|&b| b == b'>')?])
        }
        None => {
            let end = unquoted
                .iter()
                .position(|b| b";,?".contains(b))
                .unwrap_or(unquoted.len());
            Some(unquoted[..end].trim_ascii())
        }
    }
}

/// What follows a quoted string whose first quote is gone.
fn after_quote(text: &[u8]) -> Option<&[u8]> {
    let mut at = 0;
    loop {
        match text.get(at)? {
            b'"' => return Some(&text[at + 1..]),
            b'\\' => at += 2,
            _ => at += 1,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_address_is_that_of_the_first_uri() {
        for (contact, expected) in [
            ("<sip:a@192.0.2.1:5070>", "192.0.2.1:5070"),
            (
                " \"A <x>, \\\" B\" <sip:a;b=c@Host.Example>;q=1",
                "host.example:5060",
            ),
            ("sip:a@h.example;expires=5", "h.example:5060"),
            ("<sip:h.example;transport=TLS>", "h.example:5061"),
            (
                "<sips:a@h.example?Subject=x>, <sip:b@other>",
                "h.example:5061",
            ),
            ("<sip:a@[2001:DB8::1]:5062>", "[2001:db8::1]:5062"),
        ] {
            let found = address(contact.as_bytes());
            assert_eq!(found.as_deref(), Some(expected.as_bytes()), "{contact}");
        }
        assert_eq!(
            named(b"Host:5080").as_deref(),
            Some(b"host:5080".as_slice())
        );
    }

    #[test]
    fn what_is_no_sip_uri_has_no_address() {
        let long = format!("<sip:a@{}>", "x".repeat(300));
        for contact in [
            "",
            "*",
            "<>",
            "<sip:>",
            "<tel:+15551230001>",
            "<sip:a@h:>",
            "<sip:a@h:x>",
            "\"A",
            "<sip:a@h",
            "<sip:a@[::1>",
            "<sip:a@h h>",
            &long,
        ] {
            assert_eq!(address(contact.as_bytes()), None, "{contact}");
        }
    }
}
