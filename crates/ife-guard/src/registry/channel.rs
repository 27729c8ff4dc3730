//! Ways to notify an expert of a call beside the phone.

use std::net::IpAddr;

/// One way to notify an expert of a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Channel {
    /// A signed HTTP request; gateways of text messages and chats take it too.
    Webhook {
        /// `https://...`, or `http://` with a loopback host.
        url: String,
        /// Name of the secret in the bridge's configuration.
        secret: String,
    },
    /// A mail.
    Mail {
        /// `user@host`.
        address: String,
    },
}

impl Channel {
    /// Returns the kind's name: `webhook` or `mail`.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Channel::Webhook { .. } => "webhook",
            Channel::Mail { .. } => "mail",
        }
    }
}

/// Returns the requirement that a webhook's URL does not meet.
pub(super) fn url_problem(url: &str) -> Option<&'static str> {
    let (rest, is_secure) = match (url.strip_prefix("https://"), url.strip_prefix("http://")) {
        (Some(rest), _) => (rest, true),
        (None, Some(rest)) => (rest, false),
        (None, None) => return Some("not an https URL"),
    };
    let is_allowed = |b: u8| b.is_ascii_graphic() && !b"<>\"\\^`{|}#".contains(&b);
    if !url.bytes().all(is_allowed) {
        return Some("a URL with a fragment, or with characters that must be escaped");
    }
    let authority = rest.split(['/', '?']).next().unwrap_or_default();
    if authority.contains('@') {
        return Some("a URL with a user or a password");
    }
    let host = match authority.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or_default(),
        None => authority.split(':').next().unwrap_or_default(),
    };
    if host.is_empty() {
        return Some("a URL without a host");
    }
    let address = host.parse::<IpAddr>();
    let is_loopback = host == "localhost" || address.is_ok_and(|address| address.is_loopback());
    (!is_secure && !is_loopback).then_some("plain http to another host")
}

/// Returns whether the text is `user@host` without quotes, comments or a display name (RFC 5321
/// section 4.1.2, the form with dot-string and domain).
pub(super) fn is_mail_address(text: &str) -> bool {
    let Some((user, host)) = text.split_once('@') else {
        return false;
    };
    let is_atext = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+/=?^_`{|}~-".contains(&b);
    let is_atom = |atom: &str| !atom.is_empty() && atom.bytes().all(is_atext);
    let is_let_dig = |b: u8| b.is_ascii_alphanumeric() || b == b'-';
    let is_label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(is_let_dig)
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    text.len() <= 254
        && user.len() <= 64
        && user.split('.').all(is_atom)
        && host.split('.').all(is_label)
}
