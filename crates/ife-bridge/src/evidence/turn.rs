//! Time-limited TURN credentials, by the scheme that coturn calls `use-auth-secret`.

use aws_lc_rs::hmac;
use base64::{Engine, engine::general_purpose::STANDARD};

/// Secret and URIs of the TURN server.
pub(super) struct TurnServer {
    urls: Vec<String>,
    key: hmac::Key,
    ttl_s: u64,
}

/// A browser's access to it.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub(super) struct IceServer {
    pub(super) urls: Vec<String>,
    pub(super) username: String,
    pub(super) credential: String,
}

impl TurnServer {
    pub(super) fn new(urls: Vec<String>, secret: &[u8], ttl_s: u64) -> TurnServer {
        // HMAC-SHA1 is the scheme's, and not broken by collisions of SHA-1.
        let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, secret);
        TurnServer { urls, key, ttl_s }
    }

    /// Credentials for one session, good from now on for the configured time.
    pub(super) fn credentials(&self, session: &str, now_unix_s: u64) -> IceServer {
        let username = format!("{}:{session}", now_unix_s.saturating_add(self.ttl_s));
        let credential = STANDARD.encode(hmac::sign(&self.key, username.as_bytes()));
        IceServer {
            urls: self.urls.clone(),
            username,
            credential,
        }
    }
}

impl IceServer {
    /// As `Link` headers (RFC 9725, 4.6). Everything in it was checked: no quote, no angle bracket.
    pub(super) fn links(&self) -> impl Iterator<Item = String> {
        self.urls.iter().map(|url| {
            format!(
                "<{url}>; rel=\"ice-server\"; username=\"{}\"; credential=\"{}\"; \
                credential-type=\"password\"",
                self.username, self.credential
            )
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_are_those_that_coturn_computes() {
        let server = TurnServer::new(vec!["turn:turn.example:3478".into()], b"north", 100);
        let given = server.credentials("abc", 1_790_000_000);
        assert_eq!(given.username, "1790000100:abc");
        // printf %s 1790000100:abc | openssl dgst -sha1 -hmac north -binary | base64
        assert_eq!(given.credential, "ebhyJgXQ3HjBlqgc7L1TdmOnY9I=");
        let link = given.links().next().expect("one URI, one header");
        assert!(link.starts_with("<turn:turn.example:3478>; rel=\"ice-server\"; username="));
    }
}
