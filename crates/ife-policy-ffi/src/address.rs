//! Addresses that SIP URIs name: host, port and transport, compared as addresses and never as text.
//!
//! No name is resolved. A name is compared with a name, in lower case and without a final dot.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ife_guard::Transport;

use crate::shared::hash::Key;

/// Longest host name, in bytes (RFC 1035 2.3.4).
const HOST_LEN_MAX: usize = 253;
/// Longest header field body that is parsed, in bytes.
const FIELD_LEN_MAX: usize = 4096;

/// The address of a URI.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Address<'a> {
    /// The host as written in the URI, brackets included.
    pub(crate) host: &'a [u8],
    /// The host as an IP address; IPv4-mapped IPv6 is IPv4.
    pub(crate) ip: Option<IpAddr>,
    /// The port of the URI, or that of its scheme and transport (RFC 3261 19.1.2).
    pub(crate) port: u16,
    /// The transport of the URI; `sips` without a transport is TLS.
    pub(crate) transport: Option<Transport>,
}

impl<'a> Address<'a> {
    /// Returns the address of a `sip:` or `sips:` URI; `None` for anything else. `maddr` overrides
    /// the host (RFC 3261 19.1.1).
    pub(crate) fn of_uri(uri: &'a [u8]) -> Option<Self> {
        let colon = uri.iter().position(|&b| b == b':')?;
        let (scheme, rest) = (&uri[..colon], &uri[colon + 1..]);
        let is_secure = scheme.eq_ignore_ascii_case(b"sips");
        if !is_secure && !scheme.eq_ignore_ascii_case(b"sip") {
            return None;
        }
        let rest = before(rest, b'?');
        // A user part may hold ';', but neither host nor parameters may hold '@'.
        let at = rest.iter().rposition(|&b| b == b'@');
        let rest = &rest[at.map_or(0, |at| at + 1)..];
        let host_port = before(rest, b';');
        let mut parameters = Parameters::default();
        for parameter in rest[host_port.len()..].split(|&b| b == b';') {
            parameters.read(parameter);
        }
        let named = match parameters.transport {
            Some(name) => Some(transport(name)?),
            None => None,
        };
        let transport = if is_secure {
            Some(secure(named))
        } else {
            named
        };
        let default_port = match transport {
            Some(Transport::Tls | Transport::Wss) => 5061,
            Some(Transport::Udp | Transport::Tcp | Transport::Sctp | Transport::Ws) | None => 5060,
        };
        let (host, port) = split(host_port)?;
        let host = parameters.maddr.unwrap_or(host);
        Some(Self {
            host,
            ip: literal(host)?,
            port: port.unwrap_or(default_port),
            transport,
        })
    }

    /// Returns a keyed hash of host and port, equal for all spellings of an address.
    pub(crate) fn hash(&self, key: Key) -> u64 {
        let mut bytes = [0; 3 + HOST_LEN_MAX];
        bytes[..2].copy_from_slice(&self.port.to_be_bytes());
        let len = match self.ip {
            Some(ip) => {
                bytes[2] = 1;
                bytes[3..19].copy_from_slice(&octets(ip));
                19
            }
            None => {
                let name = self.host.strip_suffix(b".").unwrap_or(self.host);
                for (to, from) in bytes[3..].iter_mut().zip(name) {
                    *to = from.to_ascii_lowercase();
                }
                3 + name.len().min(HOST_LEN_MAX)
            }
        };
        key.hash(&bytes[..len]).low
    }
}

/// Returns the 16 bytes of an address; IPv4 as mapped IPv6.
pub(crate) fn octets(ip: IpAddr) -> [u8; 16] {
    match ip {
        IpAddr::V4(v4) => v4.to_ipv6_mapped().octets(),
        IpAddr::V6(v6) => v6.octets(),
    }
}

pub(crate) fn of_octets(octets: [u8; 16]) -> IpAddr {
    Ipv6Addr::from(octets).to_canonical()
}

/// The URIs of a header field of name-addr or addr-spec elements: Contact, Route, Record-Route.
pub(crate) struct Uris<'a> {
    rest: &'a [u8],
}

/// An element that holds no URI, neither in brackets nor bare.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Malformed;

impl<'a> Uris<'a> {
    /// Returns the URIs of one field body.
    pub(crate) fn of(field: &'a [u8]) -> Self {
        let field = if field.len() > FIELD_LEN_MAX {
            b"<"
        } else {
            field
        };
        Self {
            rest: field.trim_ascii(),
        }
    }
}

impl<'a> Iterator for Uris<'a> {
    type Item = Result<&'a [u8], Malformed>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let Some((uri, rest)) = element(self.rest) else {
            self.rest = &[];
            return Some(Err(Malformed));
        };
        self.rest = rest;
        Some(Ok(uri))
    }
}

/// Returns the first element's URI and the text after its comma.
fn element(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let text = match text {
        [b'"', rest @ ..] => after_quote(rest)?,
        [..] => text,
    };
    let comma = text.iter().position(|&b| b == b',').unwrap_or(text.len());
    match text.iter().position(|&b| b == b'<') {
        Some(open) if open < comma => {
            let inner = &text[open + 1..];
            let close = inner.iter().position(|&b| b == b'>')?;
            Some((
                inner[..close].trim_ascii(),
                after_comma(&inner[close + 1..])?,
            ))
        }
        Some(_) | None => {
            let uri = before(&text[..comma], b';').trim_ascii();
            Some((uri, after_comma(&text[comma..])?))
        }
    }
}

/// Returns the text after the next comma outside of quotes, past header parameters.
fn after_comma(mut text: &[u8]) -> Option<&[u8]> {
    loop {
        match text {
            [] => return Some(&[]),
            [b',', rest @ ..] => return Some(rest.trim_ascii_start()),
            [b'"', rest @ ..] => text = after_quote(rest)?,
            [_, rest @ ..] => text = rest,
        }
    }
}

/// Returns the text after a quoted string whose first quote is consumed.
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

#[derive(Default)]
struct Parameters<'a> {
    transport: Option<&'a [u8]>,
    maddr: Option<&'a [u8]>,
}

impl<'a> Parameters<'a> {
    /// Notes a parameter; the first of each name counts.
    fn read(&mut self, parameter: &'a [u8]) {
        let Some(equals) = parameter.iter().position(|&b| b == b'=') else {
            return;
        };
        let (name, value) = (parameter[..equals].trim_ascii(), &parameter[equals + 1..]);
        let slot = if name.eq_ignore_ascii_case(b"transport") {
            &mut self.transport
        } else if name.eq_ignore_ascii_case(b"maddr") {
            &mut self.maddr
        } else {
            return;
        };
        slot.get_or_insert(value.trim_ascii());
    }
}

fn transport(name: &[u8]) -> Option<Transport> {
    let name = std::str::from_utf8(name).ok()?;
    Transport::of(&name.to_ascii_lowercase())
}

/// Returns the transport of a `sips` URI (RFC 3261 26.2.2): `tcp` there means TLS over TCP.
fn secure(named: Option<Transport>) -> Transport {
    match named {
        Some(Transport::Ws | Transport::Wss) => Transport::Wss,
        Some(Transport::Udp | Transport::Tcp | Transport::Tls | Transport::Sctp) | None => {
            Transport::Tls
        }
    }
}

fn split(host_port: &[u8]) -> Option<(&[u8], Option<u16>)> {
    let host_port = host_port.trim_ascii();
    let host_end = match host_port.first()? {
        b'[' => host_port.iter().position(|&b| b == b']')? + 1,
        _ => before(host_port, b':').len(),
    };
    let (host, rest) = host_port.split_at(host_end);
    match rest {
        [] => Some((host, None)),
        [b':', digits @ ..] if digits.len() <= 5 => {
            let port = std::str::from_utf8(digits).ok()?.parse().ok()?;
            (digits.iter().all(u8::is_ascii_digit) && port != 0).then_some((host, Some(port)))
        }
        [..] => None,
    }
}

/// Returns the IP address of a host, `Some(None)` for a name, `None` if it is neither.
fn literal(host: &[u8]) -> Option<Option<IpAddr>> {
    let text = std::str::from_utf8(host).ok()?;
    if let Some(inner) = text.strip_prefix('[') {
        let v6: Ipv6Addr = inner.strip_suffix(']')?.parse().ok()?;
        return Some(Some(IpAddr::V6(v6).to_canonical()));
    }
    if let Ok(v4) = text.parse::<Ipv4Addr>() {
        return Some(Some(IpAddr::V4(v4)));
    }
    let is_name = |b: u8| b.is_ascii_alphanumeric() || b"-._".contains(&b);
    (!host.is_empty() && host.len() <= HOST_LEN_MAX && host.iter().copied().all(is_name))
        .then_some(None)
}

/// Returns the bytes before the first `end`, or all.
fn before(text: &[u8], end: u8) -> &[u8] {
    &text[..text.iter().position(|&b| b == end).unwrap_or(text.len())]
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: Key = Key(1, 2);

    fn shown(uri: &str) -> Option<String> {
        let address = Address::of_uri(uri.as_bytes())?;
        let host = match address.ip {
            Some(ip) => ip.to_string(),
            None => String::from_utf8_lossy(address.host).into_owned(),
        };
        let transport = address.transport.map_or("-", Transport::as_str);
        Some(format!("{host} {} {transport}", address.port))
    }

    #[test]
    fn host_port_and_transport_of_a_uri() {
        for (uri, expected) in [
            ("sip:a@192.0.2.1:5070", "192.0.2.1 5070 -"),
            ("sip:a;b=c@h.example;q=1", "h.example 5060 -"),
            ("sip:h.example;transport=TLS", "h.example 5061 tls"),
            ("sips:a@h.example?Subject=x", "h.example 5061 tls"),
            ("sips:a@h.example;transport=tcp", "h.example 5061 tls"),
            ("sip:a@[2001:DB8:0::1]:5062", "2001:db8::1 5062 -"),
            ("sip:a@[::ffff:192.0.2.1]", "192.0.2.1 5060 -"),
            ("sip:a@h.example;maddr=192.0.2.9", "192.0.2.9 5060 -"),
            (
                "sip:a@192.0.2.1;alias=203.0.113.1~5060~1",
                "192.0.2.1 5060 -",
            ),
        ] {
            assert_eq!(shown(uri).as_deref(), Some(expected), "{uri}");
        }
    }

    #[test]
    fn other_text_has_no_address() {
        let long = format!("sip:a@{}", "x".repeat(300));
        for uri in [
            "",
            "*",
            "sip:",
            "tel:+15551230001",
            "sip:a@h:",
            "sip:a@h:x",
            "sip:a@h:0",
            "sip:a@h:65536",
            "sip:a@[::1",
            "sip:a@h h",
            "sip:a@h;transport=pigeon",
            &long,
        ] {
            assert_eq!(shown(uri), None, "{uri}");
        }
    }

    #[test]
    fn one_address_has_one_hash() {
        let hash = |uri: &'static str| {
            Address::of_uri(uri.as_bytes())
                .expect("an address")
                .hash(KEY)
        };
        assert_eq!(
            hash("sip:a@[2001:db8::1]"),
            hash("sip:b@[2001:0DB8:0:0::1]:5060;x=y")
        );
        assert_eq!(hash("sip:a@Host.Example."), hash("sip:host.example:5060"));
        assert_eq!(hash("sips:a@h.example"), hash("sip:h.example:5061"));
        assert_ne!(hash("sip:a@192.0.2.1"), hash("sip:a@192.0.2.1:5061"));
        assert_ne!(hash("sip:a@192.0.2.1"), hash("sip:a@192.0.2.2"));
    }

    #[test]
    fn the_uris_of_a_field() {
        let uris = |field: &str| -> Vec<String> {
            Uris::of(field.as_bytes())
                .map(|uri| match uri {
                    Ok(uri) => String::from_utf8_lossy(uri).into_owned(),
                    Err(Malformed) => "malformed".to_owned(),
                })
                .collect()
        };
        for (field, expected) in [
            ("", vec![]),
            (
                " <sip:a;lr> , <sip:b;lr>;x=\"1,<2\" ,<sip:c>",
                vec!["sip:a;lr", "sip:b;lr", "sip:c"],
            ),
            ("\"A, <b> \\\" c\" <sip:a@b>;q=1", vec!["sip:a@b"]),
            ("Duty Desk <sip:a@b>", vec!["sip:a@b"]),
            ("sip:a@b;expires=5, sip:c@d", vec!["sip:a@b", "sip:c@d"]),
            ("<sip:a", vec!["malformed"]),
            ("\"A <sip:a>", vec!["malformed"]),
        ] {
            assert_eq!(uris(field), expected, "{field}");
        }
        assert_eq!(uris(&"<sip:a>,".repeat(1000)), ["malformed"]);
    }
}
