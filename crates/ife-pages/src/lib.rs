//! The pages of the expert and of the operator: plain files, part of the program, the same for all
//! readers, under policies that let nothing else in. Their data comes from the bridge's API.
//!
//! This crate opens no socket, reads no file at run time, and knows no call.

pub mod expert;
pub mod operator;

use axum::{
    extract::Request,
    http::{HeaderName, HeaderValue},
    middleware::Next,
    response::Response,
};

/// Headers of every answer that has none of that name. Pages have a policy of their own.
const HEADERS: [(&str, &str); 9] = [
    ("cache-control", "no-store"),
    (
        "content-security-policy",
        "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    ),
    ("referrer-policy", "no-referrer"),
    ("x-content-type-options", "nosniff"),
    ("x-frame-options", "DENY"),
    ("cross-origin-opener-policy", "same-origin"),
    ("cross-origin-embedder-policy", "require-corp"),
    ("cross-origin-resource-policy", "same-origin"),
    (
        "permissions-policy",
        "camera=(), microphone=(), geolocation=(), usb=(), payment=()",
    ),
];

/// Adds the headers that keep browsers from framing, sniffing, storing and sharing an answer.
pub async fn secured(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    for (name, value) in HEADERS {
        let headers = response.headers_mut();
        headers
            .entry(HeaderName::from_static(name))
            .or_insert(HeaderValue::from_static(value));
    }
    response
}

/// The media type of a file of the pages, by the end of its name.
fn media_type(path: &str) -> &'static str {
    match path.rsplit_once('.') {
        Some((_, "js" | "mjs")) => "text/javascript; charset=utf-8",
        Some((_, "css")) => "text/css; charset=utf-8",
        Some((_, "svg")) => "image/svg+xml",
        Some(_) | None => "text/html; charset=utf-8",
    }
}
