//! Checks of the ways to notify an expert of a call.

use super::super::channel::{is_mail_address, url_problem};
use super::super::errors::At;
use super::super::limits::{CHANNELS_MAX, URL_LEN_MAX};
use super::super::{Channel, raw};
use super::Problems;

pub(super) fn channels(
    problems: &mut Problems,
    at: &At<'_>,
    raw: Option<&[raw::Channel<'_>]>,
) -> Vec<Channel> {
    let Some(raw) = raw else {
        return Vec::new();
    };
    let raw = problems.listed(at, raw, CHANNELS_MAX);
    let channels = raw.iter().enumerate();
    channels
        .filter_map(|(index, raw)| channel(problems, &at.index(index), raw))
        .collect()
}

fn channel(problems: &mut Problems, at: &At<'_>, raw: &raw::Channel<'_>) -> Option<Channel> {
    let (webhook, secret) = (raw.webhook.as_deref(), raw.secret.as_deref());
    match (webhook, secret, raw.mail.as_deref()) {
        (Some(url), Some(secret), None) => webhook_of(problems, at, url, secret),
        (None, None, Some(address)) if is_mail_address(address) => Some(Channel::Mail {
            address: address.to_owned(),
        }),
        (None, None, Some(_)) => {
            problems.hint(
                &at.key("mail"),
                "not a mail address",
                "user@host alone, at most 254 bytes, for example desk@external.advisor",
            );
            None
        }
        (_, _, _) => {
            problems.hint(
                at,
                "neither a webhook nor a mail address",
                "{webhook: URL, secret: NAME} or {mail: ADDRESS}",
            );
            None
        }
    }
}

fn webhook_of(problems: &mut Problems, at: &At<'_>, url: &str, secret: &str) -> Option<Channel> {
    let before = problems.count;
    // The URL is not repeated: it may have a token in it.
    if url.len() > URL_LEN_MAX {
        problems.hint(
            &at.key("webhook"),
            "the URL is too long",
            format!("at most {URL_LEN_MAX} bytes"),
        );
    } else if let Some(problem) = url_problem(url) {
        problems.hint(
            &at.key("webhook"),
            problem,
            "https://host[:port]/path, or http:// with a loopback address",
        );
    }
    let is_allowed = |b: u8| b.is_ascii_alphanumeric() || b"._-".contains(&b);
    if secret.is_empty() || secret.len() > 64 || !secret.bytes().all(is_allowed) {
        problems.hint(
            &at.key("secret"),
            "not the name of a secret",
            "1 to 64 of A-Z, a-z, 0-9 and ._-, as in `notify.secrets` of the bridge",
        );
    }
    (problems.count == before).then(|| Channel::Webhook {
        url: url.to_owned(),
        secret: secret.to_owned(),
    })
}
