//! Evidence from http(s) hosts: allowed ones alone, redirects included, within limits of size, type
//! and time.

use std::{io, time::Duration};

use reqwest::{Certificate, Client, Url, header::CONTENT_TYPE, redirect::Policy};
use tokio::time::timeout;

use super::{
    Missing, SourceError, kinds,
    spool::{Growing, Spool, Spooled},
};
use crate::{
    allowed::is_allowed,
    config,
    plain_file::{self, FileError, KEY_LEN_MAX},
};

const CONNECT_TIME_MAX: Duration = Duration::from_secs(10);
const REDIRECTS_MAX: usize = 5;

/// Whom files may be fetched from.
#[derive(Debug)]
pub(super) struct Hosts {
    client: Client,
    allowed: Vec<String>,
    media_types: Vec<String>,
    time_max: Duration,
    pub(super) spool: Spool,
}

impl Hosts {
    pub(super) fn new(evidence: &config::Evidence, spool: Spool) -> Result<Hosts, SourceError> {
        let allowed: Vec<String> = evidence
            .allowed_hosts
            .iter()
            .map(|host| host.to_ascii_lowercase())
            .collect();
        Ok(Hosts {
            client: client(evidence, allowed.clone())?,
            allowed,
            media_types: evidence.media_types.clone(),
            time_max: Duration::from_secs(evidence.http_s),
            spool,
        })
    }

    /// Fetches a file into the spool; gives its media type as well.
    pub(super) async fn fetch(
        &self,
        uri: &str,
        len_max: u64,
    ) -> Result<(Spooled, String), Missing> {
        let url = Url::parse(uri).map_err(|error| Missing::new("not_allowed", error))?;
        if !is_allowed(&url, &self.allowed) {
            return Err(Missing::new("not_allowed", "the host is not allowed"));
        }
        let fetched = timeout(self.time_max, self.get(url, len_max)).await;
        fetched.unwrap_or_else(|_| Err(Missing::new("timeout", "the host is too slow")))
    }

    async fn get(&self, url: Url, len_max: u64) -> Result<(Spooled, String), Missing> {
        let name = kinds::last_part(url.as_str());
        let sent = self.client.get(url).send().await;
        let mut response = sent.map_err(|error| missing_of(&error))?;
        if !response.status().is_success() {
            // A redirect that was not followed ends here as well.
            let code = if response.status().is_redirection() {
                "not_allowed"
            } else {
                "http_status"
            };
            return Err(Missing::new(code, response.status()));
        }
        let header = response.headers().get(CONTENT_TYPE);
        let kind = kinds::of_header(header.and_then(|value| value.to_str().ok()), &name);
        if !kinds::is_taken(&kind, &self.media_types) {
            return Err(Missing::new("type_not_allowed", kind));
        }
        let too_large = || Missing::new("too_large", format!("more than {len_max} bytes"));
        if response.content_length().is_some_and(|len| len > len_max) {
            return Err(too_large());
        }
        let mut file = self.spool.begin().map_err(|error| disk(&error))?;
        while let Some(piece) = response.chunk().await.map_err(|error| missing_of(&error))? {
            if file.len() + piece.len() as u64 > len_max {
                return Err(too_large());
            }
            file = write(file, piece.into()).await?;
        }
        Ok((file.finish(), kind))
    }
}

/// Off the runtime's threads, because a disk may take its time.
async fn write(mut file: Growing, piece: Vec<u8>) -> Result<Growing, Missing> {
    let written = tokio::task::spawn_blocking(move || file.write(&piece).map(|()| file)).await;
    let written = written.unwrap_or_else(|_| Err(io::Error::other("the writer has failed")));
    written.map_err(|error| disk(&error))
}

fn disk(error: &io::Error) -> Missing {
    let is_full = matches!(
        error.kind(),
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded
    );
    Missing::new(if is_full { "no_space" } else { "unreadable" }, error)
}

fn missing_of(error: &reqwest::Error) -> Missing {
    let code = if error.is_timeout() {
        "timeout"
    } else if error.is_redirect() {
        "not_allowed"
    } else {
        "unreachable"
    };
    // The whole chain: reqwest's own words rarely have the reason.
    let (mut why, mut source) = (error.to_string(), std::error::Error::source(error));
    while let Some(inner) = source {
        why = format!("{why}: {inner}");
        source = inner.source();
    }
    Missing::new(code, why)
}

fn client(evidence: &config::Evidence, allowed: Vec<String>) -> Result<Client, SourceError> {
    let follow = Policy::custom(move |attempt| {
        let from_https = attempt
            .previous()
            .last()
            .is_some_and(|url| url.scheme() == "https");
        let is_weaker = from_https && attempt.url().scheme() != "https";
        if attempt.previous().len() > REDIRECTS_MAX
            || is_weaker
            || !is_allowed(attempt.url(), &allowed)
        {
            attempt.stop()
        } else {
            attempt.follow()
        }
    });
    let mut builder = Client::builder()
        .redirect(follow)
        .connect_timeout(CONNECT_TIME_MAX)
        // The list of hosts decides where a request goes, not the environment.
        .no_proxy()
        .referer(false)
        .pool_max_idle_per_host(0)
        .user_agent(concat!("ife-bridge/", env!("CARGO_PKG_VERSION")));
    if let Some(path) = &evidence.http_ca {
        let pem = plain_file::read(path, KEY_LEN_MAX)?;
        for certificate in Certificate::from_pem_bundle(&pem).map_err(FileError::at(path))? {
            builder = builder.add_root_certificate(certificate);
        }
    }
    Ok(builder.build()?)
}
