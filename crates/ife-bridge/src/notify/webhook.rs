//! Webhooks, signed as in Standard Webhooks (standardwebhooks.com, version 1, symmetric).

use std::error::Error;

use aws_lc_rs::hmac;
use base64::{Engine, engine::general_purpose::STANDARD};
use ife_engine::notice::{Notice, Outcome};
use reqwest::{Url, header::CONTENT_TYPE};

use super::Settings;
use crate::{allowed, clock};

/// Sends a notice once; gives the outcome, and the reason for a person.
pub(super) async fn send(
    settings: &Settings,
    url: &str,
    secret: &str,
    id: &str,
    notice: &Notice,
) -> (Outcome, String) {
    let Some(key) = settings.secrets.get(secret) else {
        return (Outcome::NotConfigured, format!("no secret {secret}"));
    };
    let Ok(url) = Url::parse(url) else {
        return (Outcome::NotAllowed, "not a URL".to_owned());
    };
    if !allowed::is_allowed(&url, &settings.allowed_hosts) {
        return (Outcome::NotAllowed, "the host is not allowed".to_owned());
    }
    let body = notice.body(settings.link_s).to_string();
    let timestamp = (clock::unix_ms() / 1_000).to_string();
    let request = settings
        .client
        .post(url)
        .header(CONTENT_TYPE, "application/json")
        .header("webhook-id", id)
        .header("webhook-signature", signature(key, id, &timestamp, &body))
        .header("webhook-timestamp", timestamp)
        .body(body);
    match request.send().await {
        Ok(response) => {
            let status = response.status();
            (Outcome::of_http(status.as_u16()), status.to_string())
        }
        Err(error) => {
            let outcome = if error.is_timeout() {
                Outcome::Timeout
            } else {
                Outcome::Unreachable
            };
            // Without the URL, which may have a token in it.
            (outcome, whole(&error.without_url()))
        }
    }
}

/// An error with its causes: reqwest's own words rarely have the reason.
fn whole(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}

/// Value of `webhook-signature`.
fn signature(key: &hmac::Key, id: &str, timestamp: &str, body: &str) -> String {
    let signed = format!("{id}.{timestamp}.{body}");
    format!("v1,{}", STANDARD.encode(hmac::sign(key, signed.as_bytes())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_example_of_the_specification_has_its_signature() {
        // From the reference libraries' own tests.
        let secret = STANDARD.decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw");
        let key = hmac::Key::new(hmac::HMAC_SHA256, &secret.expect("base64"));
        let made = signature(
            &key,
            "msg_p5jXN8AQM9LWM0D4loKWxJek",
            "1614265330",
            r#"{"test": 2432232314}"#,
        );
        assert_eq!(made, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }
}
