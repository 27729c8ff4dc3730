//! Opening an evidence link (docs/evidence.md, section 1): the token for a cookie, an SDP offer for
//! an answer. Answers are bounded; refusals keep the bridge's words.

use std::{
    io::Read,
    net::{IpAddr, SocketAddr},
    path::Path,
    time::Duration,
};

use reqwest::{Client, RequestBuilder, Response, StatusCode, Url, header};
use serde::Deserialize;
use zeroize::Zeroizing;

use crate::{Failure, bridge::trusting, text::harmless};

/// Longest answer, in bytes: a description with 64 files that cannot be had.
const ANSWER_LEN_MAX: usize = 1 << 20;
/// Longest link, in bytes.
const LINK_LEN_MAX: u64 = 4096;
/// The bridge answers an offer within 30 s.
const ANSWER_TIME_MAX: Duration = Duration::from_secs(40);
/// Offers that are made while the bridge reads the files; it waits 10 s with each answer.
const OFFERS_MAX: u32 = 60;

/// A link that was not opened yet.
pub(super) struct Link {
    base: Url,
    token: Zeroizing<String>,
    http: Client,
}

/// The purpose of the link.
pub(super) struct Opened {
    base: Url,
    cookie: Zeroizing<String>,
    http: Client,
}

/// The session description.
#[derive(Debug, Deserialize)]
pub(super) struct Description {
    pub(super) session: String,
    pub(super) trace_id: String,
    pub(super) call_id: String,
    pub(super) hazard: String,
    pub(super) bridge: String,
    /// Whose link it is, as `source` of messages.
    pub(super) viewer: String,
    pub(super) bridge_key: String,
    pub(super) evidence: Offered,
}

/// The bridge's offer, beside the manifest.
#[derive(Debug, Deserialize)]
pub(super) struct Offered {
    #[serde(default)]
    pub(super) unavailable: Vec<Unavailable>,
}

/// A file that the escalation names and that cannot be had.
#[derive(Debug, Deserialize)]
pub(super) struct Unavailable {
    pub(super) name: String,
    pub(super) code: String,
}

/// A refusal (RFC 9457).
#[derive(Debug, Deserialize)]
struct Problem {
    detail: String,
    code: String,
}

impl Link {
    /// Reads a link from the command line, or from stdin for `-`.
    pub(super) fn read(text: &str, ca: Option<&Path>) -> Result<Link, Failure> {
        let mut line = Zeroizing::new(text.to_owned());
        if text == "-" {
            line.clear();
            std::io::stdin()
                .take(LINK_LEN_MAX)
                .read_to_string(&mut line)
                .map_err(|error| Failure::io(Path::new("stdin"), "read the link", &error))?;
        }
        let (base, token) = parsed(line.trim())?;
        Ok(Link {
            base,
            token,
            http: trusting(ca)?,
        })
    }

    /// The session's name.
    pub(super) fn session(&self) -> &str {
        self.base.path().rsplit('/').next().unwrap_or_default()
    }

    /// Redeems the token.
    pub(super) async fn open(self) -> Result<(Opened, Description), Failure> {
        let request = self
            .http
            .post(below(&self.base, "redeem"))
            .bearer_auth(self.token.as_str());
        let response = send(request, &self.base).await?;
        let cookie = response
            .headers()
            .get(header::SET_COOKIE)
            .and_then(|cookie| cookie.to_str().ok()?.split(';').next())
            .map(|cookie| Zeroizing::new(cookie.to_owned()));
        let body = body(response, &self.base).await?;
        let opened = Opened {
            cookie: cookie.ok_or_else(|| strange(&self.base, "no cookie"))?,
            base: self.base,
            http: self.http,
        };
        let description = serde_json::from_slice(&body)
            .map_err(|error| strange(&opened.base, &error.to_string()))?;
        Ok((opened, description))
    }
}

impl Opened {
    /// Gives the answer to an SDP offer, once the bridge has read the files.
    pub(super) async fn offer(&self, offer: &str) -> Result<String, Failure> {
        let mut offers = 0;
        loop {
            offers += 1;
            let request = self
                .http
                .post(below(&self.base, "offer"))
                .header(header::COOKIE, self.cookie.as_str())
                .header(header::CONTENT_TYPE, "application/sdp")
                .body(offer.to_owned());
            match send(request, &self.base).await {
                Ok(response) => {
                    let body = body(response, &self.base).await?;
                    return String::from_utf8(body)
                        .map_err(|_| strange(&self.base, "an answer that is not text"));
                }
                Err(failure) if failure.is_passing() && offers < OFFERS_MAX => {
                    tokio::time::sleep(Duration::from_secs(1)).await;
                }
                Err(failure) => return Err(failure),
            }
        }
    }

    /// Host and port of the bridge's evidence pages.
    pub(super) async fn address(&self) -> Result<SocketAddr, Failure> {
        let host = self.base.host_str().unwrap_or_default();
        let port = self.base.port_or_known_default().unwrap_or(443);
        let bare = host.trim_start_matches('[').trim_end_matches(']');
        let found = tokio::net::lookup_host((bare, port)).await;
        found
            .map_err(|error| unreachable(&self.base, &error.to_string()))?
            .next()
            .ok_or_else(|| unreachable(&self.base, "the name has no address"))
    }
}

/// Base and token. The token never appears in an error.
fn parsed(link: &str) -> Result<(Url, Zeroizing<String>), Failure> {
    let wrong = |why: &str| {
        Failure::usage(format!("not an evidence link: {why}"))
            .hint("a link is https://host/e/SESSION#TOKEN, in quotes for the shell")
    };
    let (base, token) = link
        .split_once('#')
        .ok_or_else(|| wrong("no # and token"))?;
    let base = Url::parse(base).map_err(|error| wrong(&error.to_string()))?;
    let host = base.host_str().ok_or_else(|| wrong("no host"))?;
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    let is_local = host == "localhost"
        || bare
            .parse()
            .is_ok_and(|address: IpAddr| address.is_loopback());
    if base.scheme() != "https" && !(base.scheme() == "http" && is_local) {
        return Err(wrong("neither https nor http to this host"));
    }
    if !base.path().contains("/e/") || base.path().ends_with('/') {
        return Err(wrong("its path is not /e/SESSION"));
    }
    if token.is_empty() || !token.bytes().all(|b| b.is_ascii_graphic()) {
        return Err(wrong("its token is malformed"));
    }
    Ok((base, Zeroizing::new(token.to_owned())))
}

fn below(base: &Url, name: &str) -> Url {
    let mut url = base.clone();
    if let Ok(mut path) = url.path_segments_mut() {
        path.push(name);
    }
    url
}

async fn send(request: RequestBuilder, base: &Url) -> Result<Response, Failure> {
    let response = request
        .timeout(ANSWER_TIME_MAX)
        .send()
        .await
        .map_err(|error| unreachable(base, &error.without_url().to_string()))?;
    let status = response.status();
    if status.is_success() {
        return Ok(response);
    }
    let body = body(response, base).await?;
    let Ok(problem) = serde_json::from_slice::<Problem>(&body) else {
        return Err(strange(base, &format!("answered {status}")));
    };
    let what = format!(
        "{} ({})",
        harmless(&problem.detail),
        harmless(&problem.code)
    );
    Err(if status == StatusCode::SERVICE_UNAVAILABLE {
        unreachable(base, &what)
    } else {
        Failure::no(what)
    })
}

async fn body(mut response: Response, base: &Url) -> Result<Vec<u8>, Failure> {
    let mut body = Vec::new();
    while let Some(chunk) = response
        .chunk()
        .await
        .map_err(|error| unreachable(base, &error.without_url().to_string()))?
    {
        if body.len() + chunk.len() > ANSWER_LEN_MAX {
            return Err(strange(base, "an answer of more than 1 MiB"));
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

/// The bridge cannot be reached, or not now.
fn unreachable(base: &Url, why: &str) -> Failure {
    let host = harmless(base.host_str().unwrap_or_default());
    Failure::unanswered(format!("{host}: {why}"))
}

/// An answer that no bridge gives.
fn strange(base: &Url, why: &str) -> Failure {
    let host = harmless(base.host_str().unwrap_or_default());
    Failure::no(format!("{host}: {}", harmless(why))).hint("is this a link of ife-bridge?")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_are_told_from_other_text_and_keep_their_token_secret() {
        for good in [
            "https://bridge.example/e/abc#token",
            "https://bridge.example:8443/proxy/e/abc#token",
            "http://127.0.0.1:8080/e/abc#token",
            "http://[::1]:8080/e/abc#token",
        ] {
            assert!(parsed(good).is_ok(), "{good}");
        }
        for bad in [
            "",
            "https://bridge.example/e/abc",
            "https://bridge.example/e/abc#",
            "http://bridge.example/e/abc#secret",
            "ftp://bridge.example/e/abc#secret",
            "https://bridge.example/other#secret",
            "https://bridge.example/e/#secret",
            "https://bridge.example/e/abc#secret\u{1b}",
            "nonsense#secret",
        ] {
            let failure = parsed(bad).expect_err(bad);
            assert!(!failure.to_string().contains("secret"), "{failure}");
        }
    }
}
