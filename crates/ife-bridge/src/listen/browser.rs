//! Where no token is asked for, a browser that can reach the listener could be made to use it by
//! any page that its user looks at. So requests that a browser marks as another site's are refused,
//! and, on the Unix socket, those for a host that has a domain name: it reaches a browser by a
//! forwarded port of loopback, to which a stranger's name can be made to point (DNS rebinding).

use std::net::IpAddr;

use axum::{
    extract::Request,
    http::{HeaderMap, HeaderName, header},
    middleware::Next,
    response::{IntoResponse, Response},
};
use ife_pages::operator;

use crate::{
    api::Problem,
    refusal::{ErrorName, Refusal},
};

/// For a listener by client certificates alone, which browsers present to any page.
pub(super) async fn check_site(request: Request, next: Next) -> Response {
    if is_strange(request.headers()) && !operator::is_public(request.uri().path()) {
        return refusal("a page of another site may not use the bridge");
    }
    next.run(request).await
}

/// For the Unix socket.
pub(super) async fn check_local(request: Request, next: Next) -> Response {
    if !is_local(request.headers()) {
        return refusal("on this socket the host must be localhost, or a name without a dot");
    }
    check_site(request, next).await
}

fn refusal(why: &'static str) -> Response {
    Problem(Refusal::new(ErrorName::Forbidden, why)).into_response()
}

fn text(headers: &HeaderMap, name: HeaderName) -> Option<&str> {
    headers.get(name).map(|value| value.to_str().unwrap_or("?"))
}

/// What browsers add by themselves (Fetch standard; Fetch Metadata): programs send neither.
fn is_strange(headers: &HeaderMap) -> bool {
    let site = text(headers, HeaderName::from_static("sec-fetch-site"));
    if site.is_some_and(|site| site != "same-origin" && site != "none") {
        return true;
    }
    let Some(origin) = text(headers, header::ORIGIN) else {
        return false;
    };
    let host = text(headers, header::HOST).unwrap_or_default();
    let authority = origin.split_once("://").map(|(_, authority)| authority);
    !authority.is_some_and(|authority| authority.eq_ignore_ascii_case(host))
}

fn is_local(headers: &HeaderMap) -> bool {
    let Some(host) = text(headers, header::HOST) else {
        // HTTP/1.0: no browser.
        return true;
    };
    let name = match host.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or_default(),
        None => host.split(':').next().unwrap_or_default(),
    };
    match name.parse::<IpAddr>() {
        Ok(address) => address.is_loopback(),
        Err(_) => !name.contains('.') || name.ends_with(".localhost"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(all: &[(&'static str, &'static str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in all {
            let value = value.parse().expect("a value");
            headers.insert(HeaderName::from_static(name), value);
        }
        headers
    }

    #[test]
    fn requests_of_other_sites_are_strange_and_those_of_programs_are_not() {
        for (all, strange) in [
            (vec![("host", "bridge")], false),
            (
                vec![
                    ("host", "localhost:8080"),
                    ("origin", "http://localhost:8080"),
                ],
                false,
            ),
            (
                vec![
                    ("host", "localhost:8080"),
                    ("origin", "https://evil.example"),
                ],
                true,
            ),
            (vec![("host", "localhost:8080"), ("origin", "null")], true),
            (
                vec![("host", "localhost:8080"), ("sec-fetch-site", "cross-site")],
                true,
            ),
            (
                vec![("host", "localhost:8080"), ("sec-fetch-site", "same-site")],
                true,
            ),
            (
                vec![
                    ("host", "localhost:8080"),
                    ("sec-fetch-site", "same-origin"),
                ],
                false,
            ),
            (
                vec![("host", "localhost:8080"), ("sec-fetch-site", "none")],
                false,
            ),
        ] {
            assert_eq!(is_strange(&headers(&all)), strange, "{all:?}");
        }
    }

    #[test]
    fn hosts_with_a_domain_are_not_local() {
        for (host, local) in [
            ("localhost:8080", true),
            ("bridge", true),
            ("127.0.0.1:8080", true),
            ("[::1]:8080", true),
            ("operator.localhost", true),
            ("evil.example:8080", false),
            ("192.0.2.1", false),
            ("[2001:db8::1]:80", false),
        ] {
            assert_eq!(is_local(&headers(&[("host", host)])), local, "{host}");
        }
        assert!(is_local(&headers(&[])));
    }
}
