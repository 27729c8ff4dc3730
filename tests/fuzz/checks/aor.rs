//! Any bytes as a URI or name-addr: the address of record is that which a second, simple
//! implementation makes of them.

use std::net::{Ipv4Addr, Ipv6Addr};

use ife_message::Aor;

/// Compares the two, and parses the first one's output again.
pub(crate) fn check(data: &[u8]) {
    let found = Aor::parse(data).ok().map(|aor| aor.as_str().to_owned());
    assert_eq!(found, simple(data), "{:?}", String::from_utf8_lossy(data));
    if let Some(text) = found {
        let again = Aor::parse(text.as_bytes()).expect("a normal form parses");
        assert_eq!(again.as_str(), text);
        assert_eq!(format!("sip:{}@{}", again.user(), again.host()), text);
    }
}

/// RFC 3261 19.1.4 and 25.1 in the order of the text, a string at a time.
fn simple(data: &[u8]) -> Option<String> {
    // One char per byte, so that no byte is lost.
    let text: String = data.iter().map(|&b| char::from(b)).collect();
    let text = text.trim_matches([' ', '\t']);
    if text.is_empty() || text.len() != text.chars().count() && text.chars().count() > 1024 {
        return None;
    }
    if text.chars().count() > 1024 {
        return None;
    }
    let uri = inside_brackets(text)?;
    if uri
        .chars()
        .any(|c| !c.is_ascii_graphic() || "<>\"".contains(c))
    {
        return None;
    }
    let (scheme, rest) = uri.split_once(':')?;
    if !["sip", "sips"].contains(&scheme.to_ascii_lowercase().as_str()) {
        return None;
    }
    let mut parts = rest.split('@');
    let (user, tail) = (parts.next()?, parts.next()?);
    if parts.next().is_some() {
        return None;
    }
    let normal = format!("sip:{}@{}", user_of(user)?, host_of(tail)?);
    (normal.len() <= 256).then_some(normal)
}

/// The URI of a name-addr, or all of the text.
fn inside_brackets(text: &str) -> Option<String> {
    let rest = match text.strip_prefix('"') {
        Some(quoted) => {
            let mut escaped = false;
            let end = quoted.find(|c| {
                let ends = c == '"' && !escaped;
                escaped = c == '\\' && !escaped;
                ends
            })?;
            // A line break ends a quoted string only as the second half of an escape.
            let mut escaped = false;
            for c in quoted[..end].chars() {
                if !escaped && "\r\n".contains(c) {
                    return None;
                }
                escaped = c == '\\' && !escaped;
            }
            let after = quoted[end + 1..].trim_start_matches([' ', '\t']);
            if !after.starts_with('<') {
                return None;
            }
            after
        }
        None => text,
    };
    let Some((name, inner)) = rest.split_once('<') else {
        return Some(text.to_owned());
    };
    let is_name = |c: char| c.is_ascii_alphanumeric() || " \t-.!%*_+`'~".contains(c);
    let (uri, after) = inner.split_once('>')?;
    let after = after.trim_matches([' ', '\t']);
    (name.chars().all(is_name) && (after.is_empty() || after.starts_with(';')))
        .then(|| uri.to_owned())
}

/// Escapes of unreserved characters become the characters, the others upper case.
fn user_of(user: &str) -> Option<String> {
    let unreserved = |c: char| c.is_ascii_alphanumeric() || "-_.!~*'()".contains(c);
    let (mut out, mut rest) = (String::new(), user);
    while let Some(c) = rest.chars().next() {
        rest = &rest[1..];
        if c == '%' {
            let digits = rest.get(..2)?;
            if !digits.chars().all(|d| d.is_ascii_hexdigit()) {
                return None;
            }
            let plain = char::from(u8::from_str_radix(digits, 16).ok()?);
            if unreserved(plain) {
                out.push(plain);
            } else {
                out += &format!("%{}", digits.to_ascii_uppercase());
            }
            rest = &rest[2..];
        } else if unreserved(c) || "&=+$,;?/".contains(c) {
            out.push(c);
        } else {
            return None;
        }
    }
    (!out.is_empty()).then_some(out)
}

/// `host[:port]` up to parameters or headers, without the port.
fn host_of(tail: &str) -> Option<String> {
    let (host, rest) = if let Some(inner) = tail.strip_prefix('[') {
        let (address, rest) = inner.split_once(']')?;
        (format!("[{}]", address.parse::<Ipv6Addr>().ok()?), rest)
    } else {
        let end = tail.find([':', ';', '?']).unwrap_or(tail.len());
        (name_of(&tail[..end])?, &tail[end..])
    };
    match rest.chars().next() {
        None | Some(';' | '?') => Some(host),
        Some(':') => {
            let port = rest[1..].split([';', '?']).next()?;
            let digits = (1..=5).contains(&port.len()) && port.chars().all(|c| c.is_ascii_digit());
            (digits && (1..=65535).contains(&port.parse::<u32>().ok()?)).then_some(host)
        }
        Some(_) => None,
    }
}

fn name_of(name: &str) -> Option<String> {
    let labels = name.strip_suffix('.').unwrap_or(name);
    let last = labels.rsplit('.').next()?;
    if last.starts_with(|c: char| c.is_ascii_digit()) {
        name.parse::<Ipv4Addr>().ok()?;
        return Some(name.to_owned());
    }
    let is_label = |label: &str| {
        !label.is_empty()
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label.chars().all(|c| c.is_ascii_alphanumeric() || c == '-')
    };
    labels
        .split('.')
        .all(is_label)
        .then(|| name.to_ascii_lowercase())
}
