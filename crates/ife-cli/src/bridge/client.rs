//! The way to the bridge: one request at a time over its Unix socket or TLS, answers of bounded
//! size, readable refusals.

use std::{error::Error, path::Path, time::Duration};

use reqwest::{
    Certificate, Client, ClientBuilder, Identity, Method, RequestBuilder, Response, StatusCode,
    Url, header,
};
use serde::de::DeserializeOwned;
use serde_json::Value;
use zeroize::Zeroizing;

use super::{BridgeAddress, paint, shape::Problem};
use crate::{
    Failure, Outcome, cli::BridgeArgs, output::Output, registry::read_bytes, text::harmless,
};

/// Longest answer that is read, in bytes: some thousand calls.
const ANSWER_LEN_MAX: usize = 32 << 20;
/// Largest file of a token, certificate or key, in bytes.
const FILE_LEN_MAX: u64 = 1 << 20;
/// How long a connection may take to come up.
const CONNECT_TIME_MAX: Duration = Duration::from_secs(10);
/// How long an answer may take: longer than the bridge's own limit for a request.
const ANSWER_TIME_MAX: Duration = Duration::from_secs(330);
/// The stream of events has a line every 15 s.
pub(super) const EVENTS_SILENT_MAX: Duration = Duration::from_secs(45);

/// A bridge that is talked to.
pub(super) struct Bridge {
    http: Client,
    base: Url,
    place: BridgeAddress,
    token: Option<Zeroizing<String>>,
}

/// The bridge's answer.
pub(super) enum Answer {
    /// Done; `Null` where the answer is empty.
    Done(Value),
    /// It refused the request.
    No(Box<No>),
}

/// A refusal, with the text for a person.
pub(super) struct No {
    raw: Value,
    problem: Problem,
    retry_after_s: Option<u64>,
}

impl No {
    /// Prints it.
    pub(super) fn tell(&self, out: &mut Output) -> Result<Outcome, Failure> {
        if out.json() {
            out.value(&self.raw)?;
        } else {
            for line in paint::problem(&self.problem, self.retry_after_s) {
                out.line(line)?;
            }
        }
        Ok(Outcome::No)
    }
}

/// A client that trusts the authorities of a file, or those that the system trusts.
pub(crate) fn trusting(ca: Option<&Path>) -> Result<Client, Failure> {
    builder(ca)?
        .build()
        .map_err(|error| Failure::unanswered(format!("cannot set up TLS: {}", root(&error))))
}

fn builder(ca: Option<&Path>) -> Result<ClientBuilder, Failure> {
    let builder = ClientBuilder::new()
        .no_proxy()
        .redirect(reqwest::redirect::Policy::none())
        .connect_timeout(CONNECT_TIME_MAX);
    let Some(file) = ca else {
        return Ok(builder);
    };
    let pem = read_bytes(file, FILE_LEN_MAX)?;
    let certificates = Certificate::from_pem_bundle(&pem)
        .map_err(|error| bad_file(file, "not certificates in PEM", &error))?;
    if certificates.is_empty() {
        return Err(holds_no(file, "certificate in PEM"));
    }
    Ok(builder.tls_certs_only(certificates))
}

impl Bridge {
    pub(super) fn new(args: &BridgeArgs) -> Result<Bridge, Failure> {
        let mut builder = builder(args.ca.as_deref())?;
        let base = match &args.bridge {
            BridgeAddress::Unix(path) => {
                builder = builder.unix_socket(path.as_path());
                // Over a socket the host is but a name.
                Url::parse("http://bridge/").map_err(|error| Failure::usage(error.to_string()))?
            }
            BridgeAddress::Tcp(url) => url.clone(),
        };
        if let Some(file) = &args.cert {
            builder = builder.identity(identity(file, args.cert_key.as_deref())?);
        }
        let http = builder
            .build()
            .map_err(|error| Failure::unanswered(format!("{}: {}", args.bridge, root(&error))))?;
        Ok(Bridge {
            http,
            base,
            place: args.bridge.clone(),
            token: args.token_file.as_deref().map(token).transpose()?,
        })
    }

    /// A path of which each segment may be any text.
    fn url(&self, segments: &[&str]) -> Url {
        let mut url = self.base.clone();
        if let Ok(mut path) = url.path_segments_mut() {
            path.clear().extend(segments);
        }
        url
    }

    fn request(&self, method: Method, url: Url) -> RequestBuilder {
        let request = self.http.request(method, url);
        match &self.token {
            Some(token) => request.bearer_auth(token.as_str()),
            None => request,
        }
    }

    pub(super) async fn get(&self, segments: &[&str]) -> Result<Answer, Failure> {
        self.ask(self.request(Method::GET, self.url(segments)))
            .await
    }

    pub(super) async fn delete(&self, segments: &[&str]) -> Result<Answer, Failure> {
        self.ask(self.request(Method::DELETE, self.url(segments)))
            .await
    }

    pub(super) async fn put(&self, segments: &[&str], body: &Value) -> Result<Answer, Failure> {
        self.ask(self.request(Method::PUT, self.url(segments)).json(body))
            .await
    }

    pub(super) async fn post(&self, segments: &[&str], body: &Value) -> Result<Answer, Failure> {
        self.ask(self.request(Method::POST, self.url(segments)).json(body))
            .await
    }

    /// Hands over a message, byte for byte as it was signed.
    pub(super) async fn escalate(&self, message: Vec<u8>, wait: bool) -> Result<Answer, Failure> {
        let mut url = self.url(&["v1", "escalations"]);
        if wait {
            url.set_query(Some("wait=connected"));
        }
        let request = self
            .request(Method::POST, url)
            .header(header::CONTENT_TYPE, "application/json")
            .body(message);
        self.ask(request).await
    }

    /// The stream of live events; chunks are read from the response.
    pub(super) async fn events(&self) -> Result<Response, Failure> {
        let request = self.request(Method::GET, self.url(&["v1", "events"]));
        let response = request
            .send()
            .await
            .map_err(|error| self.unreachable(&error))?;
        if response.status() == StatusCode::OK {
            return Ok(response);
        }
        match self.answer(response).await? {
            Answer::Done(_) => Err(self.silent("no stream of events")),
            Answer::No(no) => Err(self.silent(&harmless(&no.problem.detail))),
        }
    }

    async fn ask(&self, request: RequestBuilder) -> Result<Answer, Failure> {
        let response = request.timeout(ANSWER_TIME_MAX).send().await;
        self.answer(response.map_err(|error| self.unreachable(&error))?)
            .await
    }

    async fn answer(&self, mut response: Response) -> Result<Answer, Failure> {
        let status = response.status();
        let retry_after_s = response
            .headers()
            .get(header::RETRY_AFTER)
            .and_then(|value| value.to_str().ok()?.parse().ok());
        let mut body = Vec::new();
        while let Some(chunk) = response
            .chunk()
            .await
            .map_err(|error| self.unreachable(&error))?
        {
            if body.len() + chunk.len() > ANSWER_LEN_MAX {
                return Err(self.silent(&format!("an answer of more than {ANSWER_LEN_MAX} bytes")));
            }
            body.extend_from_slice(&chunk);
        }
        if body.is_empty() && status.is_success() {
            return Ok(Answer::Done(Value::Null));
        }
        let raw: Value = match serde_json::from_slice(&body) {
            Ok(value) => value,
            Err(_) => return Err(self.no_problem(status)),
        };
        // `/readyz` names with 503 the part that is down, in the same shape as with 200.
        if status.is_success() || raw.get("ami").is_some() {
            return Ok(Answer::Done(raw));
        }
        let problem: Problem = serde_json::from_value(raw.clone()).unwrap_or_default();
        if problem.code.is_empty() {
            return Err(self.no_problem(status));
        }
        // Who asks is not known there: the question was not looked at.
        if problem.code == "UNAUTHENTICATED" {
            return Err(self.no_problem(status));
        }
        if problem.code == "UNAVAILABLE" {
            let failure = self.silent(&harmless(&problem.detail));
            return Err(match retry_after_s {
                Some(seconds) => failure.hint(format!("try again in {seconds} s")),
                None => failure,
            });
        }
        Ok(Answer::No(Box::new(No {
            raw,
            problem,
            retry_after_s,
        })))
    }

    /// An error that is none of the bridge's own.
    fn no_problem(&self, status: StatusCode) -> Failure {
        let failure = self.silent(&format!("answered {status}"));
        if status == StatusCode::UNAUTHORIZED {
            return failure.hint("it wants a bearer token (--token-file), or another one");
        }
        failure.hint("is this the API of ife-bridge?")
    }

    /// There is no answer, and why.
    fn silent(&self, why: &str) -> Failure {
        Failure::unanswered(format!("{}: {why}", self.place))
    }

    pub(super) fn unreachable(&self, error: &reqwest::Error) -> Failure {
        let why = if error.is_timeout() {
            "no answer in time".to_owned()
        } else {
            root(error)
        };
        let failure = self.silent(&why);
        if let Some(io) = source_of::<std::io::Error>(error) {
            let denied = io.kind() == std::io::ErrorKind::PermissionDenied;
            match self.place {
                BridgeAddress::Unix(_) if denied => {
                    return failure
                        .hint("who may open the socket may use the API: be root, or in its group");
                }
                BridgeAddress::Unix(_) | BridgeAddress::Tcp(_) => {}
            }
        }
        if why.contains("certificate") {
            return failure.hint(
                "--ca names the authority of the bridge's certificate, --cert a \
             client certificate, if it wants one",
            );
        }
        if error.is_connect() {
            return failure.hint(
                "is ife-bridge running? --bridge, or IFE_BRIDGE, says where it listens (listen: \
                in bridge.yaml)",
            );
        }
        failure
    }
}

/// The answer in its expected shape.
pub(super) fn shaped<T: DeserializeOwned>(value: &Value) -> Result<T, Failure> {
    serde_json::from_value(value.clone()).map_err(|error| {
        Failure::unanswered(format!("the bridge's answer is not understood: {error}"))
    })
}

/// The innermost error: that of the system or of TLS.
fn root(error: &reqwest::Error) -> String {
    let mut last: &dyn Error = error;
    while let Some(source) = last.source() {
        last = source;
    }
    harmless(&last.to_string())
}

fn source_of<'a, T: Error + 'static>(error: &'a (dyn Error + 'static)) -> Option<&'a T> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(found) = error.downcast_ref() {
            return Some(found);
        }
        next = error.source();
    }
    None
}

fn token(file: &Path) -> Result<Zeroizing<String>, Failure> {
    let bytes = Zeroizing::new(read_bytes(file, FILE_LEN_MAX)?);
    let text = std::str::from_utf8(&bytes).unwrap_or_default().trim();
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(holds_no(file, "token"));
    }
    Ok(Zeroizing::new(text.to_owned()))
}

fn identity(cert: &Path, key: Option<&Path>) -> Result<Identity, Failure> {
    let mut pem = Zeroizing::new(read_bytes(cert, FILE_LEN_MAX)?);
    if let Some(key) = key {
        pem.push(b'\n');
        pem.extend_from_slice(&Zeroizing::new(read_bytes(key, FILE_LEN_MAX)?));
    }
    Identity::from_pem(&pem).map_err(|error| {
        bad_file(cert, "no client certificate with its key, in PEM", &error)
            .hint("--cert-key names the file of the private key")
    })
}

fn holds_no(file: &Path, what: &str) -> Failure {
    Failure::unanswered(format!("{}: holds no {what}", file.display()))
}

fn bad_file(file: &Path, what: &str, error: &reqwest::Error) -> Failure {
    Failure::unanswered(format!("{}: {what}: {}", file.display(), root(error)))
}
