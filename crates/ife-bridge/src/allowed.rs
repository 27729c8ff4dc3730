//! Hosts that the bridge may send requests to.

use reqwest::Url;

/// By name, and by port where the list names one; otherwise by the scheme's own port. Never with a
/// user in the URI.
pub(crate) fn is_allowed(url: &Url, allowed: &[String]) -> bool {
    let Some(host) = url.host_str().filter(|_| {
        matches!(url.scheme(), "http" | "https")
            && url.username().is_empty()
            && url.password().is_none()
    }) else {
        return false;
    };
    let port = url.port_or_known_default().unwrap_or(0);
    let with_port = format!("{host}:{port}");
    let is_usual = url.port().is_none();
    allowed
        .iter()
        .any(|one| *one == with_port || (is_usual && one == host))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_are_allowed_by_name_and_port() {
        let allowed = ["files.example".to_owned(), "127.0.0.1:8080".to_owned()];
        let cases = [
            ("https://files.example/a", true),
            ("http://FILES.example:80/a", true),
            ("https://files.example:444/a", false),
            ("https://files.example.evil/a", false),
            ("https://files.example@evil/a", false),
            ("https://user@files.example/a", false),
            ("http://127.0.0.1:8080/a", true),
            ("http://127.0.0.1/a", false),
            ("ftp://files.example/a", false),
            ("file:///etc/passwd", false),
        ];
        for (url, expected) in cases {
            let url = Url::parse(url).expect("it is a URI");
            assert_eq!(is_allowed(&url, &allowed), expected, "{url}");
        }
    }
}
