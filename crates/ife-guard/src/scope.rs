//! Scope: whether a request concerns a party of the registry, or is none of the gate's business.
//!
//! Looser than the gates on purpose: any spelling by which a server might still find the party
//! counts (letter case, escapes, a password, parameters in the user part, another name of this
//! server), and the gates then refuse it. No URI is unreadable: it names a party or it does not.

use std::net::Ipv6Addr;

use crate::image::{Folded, Image};

/// Returns whether a message concerns a party: it carries a header of the gate, or its From or one
/// of its targets (Request-URI, Route) names one.
///
/// A message without From is one that the server could not read, which the gates refuse.
/// `is_own` returns whether a host is this server itself.
#[must_use]
pub fn concerns<'a>(
    image: &Image<'_>,
    has_header: bool,
    from: &[u8],
    targets: impl IntoIterator<Item = &'a [u8]>,
    is_own: impl Fn(&[u8]) -> bool,
) -> bool {
    has_header
        || from.is_empty()
        || names_party(image, from, &is_own)
        || targets
            .into_iter()
            .any(|uri| names_party(image, uri, &is_own))
}

/// Returns whether a URI may name an expert or a council.
///
/// A user of this server at one of its names is the same user at every other name, because
/// location services are usually searched by the user part alone.
#[must_use]
pub fn names_party(image: &Image<'_>, uri: &[u8], is_own: impl Fn(&[u8]) -> bool) -> bool {
    let Some((user, tail)) = split(uri) else {
        return false;
    };
    let mut host = Folded::default();
    let plain = plain_user(user);
    let is_party = |host: &[u8]| {
        let named = |user| Folded::address(user, host).is_some_and(|aor| image.knows(&aor));
        named(user) || plain.as_ref().is_some_and(|plain| named(plain.as_bytes()))
    };
    let Some(bare) = host_of(tail, &mut host) else {
        return false;
    };
    if is_party(host.as_bytes()) {
        return true;
    }
    let mut own = image.own_hosts().peekable();
    own.peek().is_some() && is_own(bare) && own.any(|name| is_party(name.as_bytes()))
}

/// Returns the user part, without a password, and everything after the `@`.
fn split(uri: &[u8]) -> Option<(&[u8], &[u8])> {
    let uri = match uri.iter().position(|&b| b == b'<') {
        Some(open) => uri.get(open + 1..)?,
        None => uri,
    };
    let uri = uri.trim_ascii();
    let colon = uri.iter().take(5).position(|&b| b == b':')?;
    let scheme = uri.get(..colon)?;
    if !scheme.eq_ignore_ascii_case(b"sip") && !scheme.eq_ignore_ascii_case(b"sips") {
        return None;
    }
    let rest = uri.get(colon + 1..)?;
    let at = rest.iter().position(|&b| b == b'@')?;
    let (user, tail) = (rest.get(..at)?, rest.get(at + 1..)?);
    let end = user.iter().position(|&b| b == b':').unwrap_or(user.len());
    Some((user.get(..end)?, tail))
}

/// Writes the host of `host[:port][;parameters][?headers]` as the registry spells it. Returns it
/// without brackets.
fn host_of<'u>(tail: &'u [u8], host: &mut Folded) -> Option<&'u [u8]> {
    if let Some(inner) = tail.strip_prefix(b"[") {
        let address = inner.get(..inner.iter().position(|&b| b == b']')?)?;
        let ip: Ipv6Addr = std::str::from_utf8(address).ok()?.parse().ok()?;
        host.push(format!("[{ip}]").as_bytes()).then_some(address)
    } else {
        let is_end = |b: &u8| matches!(b, b':' | b';' | b'?' | b'>') || b.is_ascii_whitespace();
        let end = tail.iter().position(is_end).unwrap_or(tail.len());
        let name = tail.get(..end)?;
        let name = name.strip_suffix(b".").unwrap_or(name);
        host.push(name).then_some(name)
    }
}

/// Returns the user part without parameters and, of a telephone number, without visual separators
/// (RFC 3966 3); `None` if that changes nothing.
fn plain_user(user: &[u8]) -> Option<Folded> {
    let user = Folded::of(user)?;
    let text = user.as_bytes();
    let end = text.iter().position(|&b| b == b';').unwrap_or(text.len());
    let number = text.get(..end)?;
    let is_separator = |b: &u8| matches!(b, b'-' | b'.' | b'(' | b')');
    let is_phone = number
        .iter()
        .all(|b| b.is_ascii_digit() || *b == b'+' || is_separator(b));
    let mut plain = Folded::default();
    for byte in number {
        let is_kept = !is_phone || !is_separator(byte);
        if is_kept && !plain.push(&[*byte]) {
            return None;
        }
    }
    (plain.as_bytes() != text).then_some(plain)
}
