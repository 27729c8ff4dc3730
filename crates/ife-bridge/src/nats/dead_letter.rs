//! Messages that can never be worked off, as they are stored for a person to look at.

use async_nats::{HeaderMap, HeaderValue};
use axum::body::Bytes;

use super::decide::Poison;

/// Longest value of a header of ours.
const VALUE_LEN_MAX: usize = 256;
/// Room for headers within the server's limit of a message.
const HEADERS_LEN_MAX: usize = 2_048;

/// Where a message came from.
#[derive(Debug, Clone, Copy)]
pub(super) struct Origin<'a> {
    pub(super) subject: &'a str,
    pub(super) stream: &'a str,
    pub(super) sequence: u64,
    pub(super) delivered: i64,
}

/// Headers and body. The sender's own headers are left behind; a body too large to be sent again
/// stays in the stream, where its sequence number finds it.
pub(super) fn letter(
    poison: &Poison,
    origin: Origin<'_>,
    body: &Bytes,
    payload_max: usize,
) -> (HeaderMap, Bytes) {
    let fits = body.len() + HEADERS_LEN_MAX <= payload_max;
    let mut headers = HeaderMap::new();
    let mut set = |name: &'static str, value: &str| headers.insert(name, clean(value));
    set("IFE-Reason", &poison.reason);
    set("IFE-Detail", &poison.detail);
    set("IFE-Subject", origin.subject);
    set("IFE-Stream", origin.stream);
    set("IFE-Sequence", &origin.sequence.to_string());
    set("IFE-Deliveries", &origin.delivered.to_string());
    if !fits {
        set("IFE-Body", "left out: too large");
    }
    (headers, if fits { body.clone() } else { Bytes::new() })
}

/// Printable ASCII: a stranger's text stays within its header.
fn clean(value: &str) -> HeaderValue {
    let printable = |c: char| if matches!(c, ' '..='~') { c } else { '?' };
    let text: String = value.chars().take(VALUE_LEN_MAX).map(printable).collect();
    HeaderValue::from(text.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn poison(detail: &str) -> Poison {
        Poison {
            reason: "INVALID_REQUEST".into(),
            detail: detail.into(),
        }
    }

    const ORIGIN: Origin<'_> = Origin {
        subject: "if.connect.escalate",
        stream: "IFCONNECT",
        sequence: 7,
        delivered: 1,
    };

    #[test]
    fn a_strangers_text_stays_in_its_header() {
        let detail = format!("a\r\nIFE-Reason: none\u{1F600}{}", "x".repeat(1_000));
        let (headers, body) = letter(&poison(&detail), ORIGIN, &Bytes::from("b"), 1 << 20);
        let told = headers.get("IFE-Detail").expect("it is there").as_str();
        assert!(told.starts_with("a??IFE-Reason: none?x") && told.len() == VALUE_LEN_MAX);
        assert_eq!(
            headers.get("IFE-Reason").map(HeaderValue::as_str),
            Some("INVALID_REQUEST")
        );
        assert_eq!(
            headers.get("IFE-Sequence").map(HeaderValue::as_str),
            Some("7")
        );
        assert_eq!(body.as_ref(), b"b");
    }

    #[test]
    fn a_body_too_large_for_headers_stays_in_the_stream() {
        let body = Bytes::from(vec![b'x'; 4_000]);
        assert!(letter(&poison("x"), ORIGIN, &body, 4_096).1.is_empty());
        assert_eq!(letter(&poison("x"), ORIGIN, &body, 8_192).1.len(), 4_000);
    }
}
