//! The host of a SIP URI: name, IPv4 address or bracketed IPv6 address, in one spelling.

use std::{
    fmt::Write,
    net::{Ipv4Addr, Ipv6Addr},
    str::{self, FromStr},
};

use super::{AOR_LEN_MAX, AorError, append};
use crate::inline::Inline;

/// Longest textual IPv6 address, `INET6_ADDRSTRLEN` without the NUL.
const IPV6_LEN_MAX: usize = 45;

/// Appends the host of `host[:port][;parameters][?headers]`; checks and drops the port.
pub(super) fn append_host(text: &mut Inline<AOR_LEN_MAX>, tail: &[u8]) -> Result<(), AorError> {
    let rest = match tail {
        [b'[', inner @ ..] => {
            let close = inner
                .iter()
                .position(|&b| b == b']')
                .ok_or(AorError::Host)?;
            append_ipv6(text, &inner[..close])?;
            &inner[close + 1..]
        }
        [..] => {
            let end = tail
                .iter()
                .position(|b| matches!(b, b':' | b';' | b'?'))
                .unwrap_or(tail.len());
            append_name(text, &tail[..end])?;
            &tail[end..]
        }
    };
    match rest {
        [] | [b';' | b'?', ..] => Ok(()),
        [b':', port @ ..] => check_port(port),
        [..] => Err(AorError::Host),
    }
}

fn append_ipv6(text: &mut Inline<AOR_LEN_MAX>, address: &[u8]) -> Result<(), AorError> {
    if address.len() > IPV6_LEN_MAX {
        return Err(AorError::Host);
    }
    let address = str::from_utf8(address)
        .ok()
        .and_then(|a| Ipv6Addr::from_str(a).ok())
        .ok_or(AorError::Host)?;
    write!(text, "[{address}]").map_err(|_| AorError::TooLong)
}

/// Appends `hostname` or `IPv4address` of RFC 3261 section 25.1. A last label that does not begin
/// with a letter makes it an IPv4 address.
fn append_name(text: &mut Inline<AOR_LEN_MAX>, name: &[u8]) -> Result<(), AorError> {
    let labels = name.strip_suffix(b".").unwrap_or(name);
    let top = labels.rsplit(|&b| b == b'.').next().unwrap_or_default();
    if top.first().is_some_and(u8::is_ascii_digit) {
        str::from_utf8(name)
            .ok()
            .and_then(|a| Ipv4Addr::from_str(a).ok())
            .ok_or(AorError::Host)?;
    } else if !labels.split(|&b| b == b'.').all(is_label) {
        return Err(AorError::Host);
    }
    let start = text.len();
    append(text, name)?;
    text.make_lowercase_from(start);
    Ok(())
}

fn is_label(label: &[u8]) -> bool {
    let alphanumeric = |b: Option<&u8>| b.is_some_and(u8::is_ascii_alphanumeric);
    alphanumeric(label.first())
        && alphanumeric(label.last())
        && label
            .iter()
            .all(|&b| b.is_ascii_alphanumeric() || b == b'-')
}

fn check_port(rest: &[u8]) -> Result<(), AorError> {
    let end = rest
        .iter()
        .position(|b| matches!(b, b';' | b'?'))
        .unwrap_or(rest.len());
    let digits = &rest[..end];
    if !(1..=5).contains(&digits.len()) || !digits.iter().all(u8::is_ascii_digit) {
        return Err(AorError::Port);
    }
    let port = digits
        .iter()
        .fold(0u32, |n, d| n * 10 + u32::from(d - b'0'));
    if (1..=65535).contains(&port) {
        Ok(())
    } else {
        Err(AorError::Port)
    }
}
