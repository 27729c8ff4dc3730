//! The experts' side of HTTP (docs/evidence.md, 1): a link is traded for a cookie, an SDP offer for
//! an answer. A refusal is a problem (RFC 9457) with a `code` that the page knows.

use std::time::Duration;

use axum::{
    Json, Router,
    body::Bytes,
    extract::{Path, State},
    http::{HeaderMap, HeaderValue, StatusCode, header},
    middleware,
    response::{IntoResponse, Response},
    routing::{delete, get, post},
};
use ife_pages::secured;
use serde_json::json;
use tower_http::{limit::RequestBodyLimitLayer, timeout::TimeoutLayer};

use super::{
    EvidenceHandle, decision,
    desk::{Denied, Description, Order, Pass, Proofs},
};
use crate::api::problems_everywhere;

const COOKIE: &str = "ife_evidence";
/// Longest offer, bytes.
const OFFER_LEN_MAX: usize = 65_536;
const REQUEST_TIME_MAX: Duration = Duration::from_secs(30);
/// So long an offer waits for files that are still being read.
const PREPARING_TIME_MAX: Duration = Duration::from_secs(10);
const PREPARING_STEP: Duration = Duration::from_millis(100);

/// The routes, and around them the headers that pages of experts get. `pages` are the routes of the
/// page itself.
pub fn router(handle: EvidenceHandle, pages: Router) -> Router {
    Router::new()
        .route("/e/{session}/redeem", post(redeem))
        .route("/e/{session}/state", get(describe))
        .route("/e/{session}/offer", post(offer))
        .route("/e/{session}/peer/{peer}", delete(hang_up))
        .route("/e/{session}/proof", get(prove))
        .route("/e/{session}/accept", post(decision::accept))
        .route(
            "/e/{session}/decision",
            get(decision::ask).post(decision::decide),
        )
        .with_state(handle)
        .merge(pages)
        .layer(TimeoutLayer::with_status_code(
            StatusCode::GATEWAY_TIMEOUT,
            REQUEST_TIME_MAX,
        ))
        .layer(RequestBodyLimitLayer::new(OFFER_LEN_MAX))
        .layer(middleware::from_fn(problems_everywhere))
        .layer(middleware::from_fn(secured))
}

async fn redeem(
    State(handle): State<EvidenceHandle>,
    Path(session): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Denied> {
    let token = bearer(&headers).ok_or(Denied::Unauthorized)?.to_owned();
    let named = session.clone();
    let (cookie, description) = handle
        .ask(|reply| Order::Redeem(named, token, reply))
        .await?;
    let secure = if handle.settings.is_secure() {
        "; Secure"
    } else {
        ""
    };
    // The session was found, so its name is base64url.
    let cookie = format!("{COOKIE}={cookie}; HttpOnly; SameSite=Strict; Path=/e/{session}{secure}");
    let headers = [(header::SET_COOKIE, cookie)];
    Ok((headers, Json(description)).into_response())
}

async fn describe(
    State(handle): State<EvidenceHandle>,
    Path(session): Path<String>,
    headers: HeaderMap,
) -> Result<Json<Description>, Denied> {
    let pass = pass(session, &headers)?;
    Ok(Json(
        handle.ask(|reply| Order::Describe(pass, reply)).await?,
    ))
}

async fn offer(
    State(handle): State<EvidenceHandle>,
    Path(session): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, Denied> {
    let pass = pass(session, &headers)?;
    let kind = headers.get(header::CONTENT_TYPE);
    let is_sdp = kind.is_some_and(|kind| kind.as_bytes().starts_with(b"application/sdp"));
    let sdp = String::from_utf8(body.into()).ok().filter(|_| is_sdp);
    let sdp = sdp.ok_or_else(|| {
        Denied::BadOffer("the body must be SDP, Content-Type application/sdp".to_owned())
    })?;
    let mut waited = Duration::ZERO;
    let answer = loop {
        let (pass, sdp) = (pass.clone(), sdp.clone());
        match handle.ask(|reply| Order::Offer(pass, sdp, reply)).await {
            Err(Denied::Preparing) if waited < PREPARING_TIME_MAX => {
                tokio::time::sleep(PREPARING_STEP).await;
                waited += PREPARING_STEP;
            }
            result => break result?,
        }
    };
    let location = format!("/e/{}/peer/{}", pass.session, answer.peer);
    let headers = [
        (header::CONTENT_TYPE, "application/sdp".to_owned()),
        (header::LOCATION, location),
    ];
    let mut response = (StatusCode::CREATED, headers, answer.sdp).into_response();
    for link in answer.ice_servers.iter().flat_map(|server| server.links()) {
        if let Ok(value) = HeaderValue::try_from(link) {
            response.headers_mut().append(header::LINK, value);
        }
    }
    Ok(response)
}

async fn hang_up(
    State(handle): State<EvidenceHandle>,
    Path((session, peer)): Path<(String, String)>,
    headers: HeaderMap,
) -> Result<StatusCode, Denied> {
    let pass = pass(session, &headers)?;
    let peer = peer.parse().map_err(|_| Denied::NoPeer)?;
    handle.ask(|reply| Order::Hangup(pass, peer, reply)).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn prove(
    State(handle): State<EvidenceHandle>,
    Path(session): Path<String>,
    headers: HeaderMap,
) -> Result<Json<Proofs>, Denied> {
    Ok(Json(handle.prove(pass(session, &headers)?).await?))
}

/// The token of `Authorization: Bearer`.
fn bearer(headers: &HeaderMap) -> Option<&str> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = value.split_at_checked(7)?;
    scheme.eq_ignore_ascii_case("bearer ").then_some(token)
}

pub(super) fn pass(session: String, headers: &HeaderMap) -> Result<Pass, Denied> {
    let values = headers.get_all(header::COOKIE).iter();
    let mut pairs = values
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(';'))
        .filter_map(|pair| pair.trim().split_once('='));
    let cookie = pairs.find(|(name, _)| *name == COOKIE);
    let (_, cookie) = cookie.ok_or(Denied::Unauthorized)?;
    Ok(Pass {
        session,
        cookie: cookie.to_owned(),
    })
}

impl IntoResponse for Denied {
    fn into_response(self) -> Response {
        let (status, code, detail) = match self {
            Denied::Unauthorized => (
                StatusCode::UNAUTHORIZED,
                "LINK_INVALID",
                "this link is not valid, or its time has run out".to_owned(),
            ),
            Denied::Used => (
                StatusCode::CONFLICT,
                "LINK_USED",
                "this link was opened already, in another browser".to_owned(),
            ),
            Denied::Over => (
                StatusCode::GONE,
                "CALL_OVER",
                "the call is over, and with it the access to its evidence".to_owned(),
            ),
            Denied::NotExpert => (
                StatusCode::FORBIDDEN,
                "NOT_EXPERT",
                "this is a guardian's link: only the expert accepts and decides by page".to_owned(),
            ),
            Denied::Preparing => (
                StatusCode::SERVICE_UNAVAILABLE,
                "PREPARING",
                "the files are still being read".to_owned(),
            ),
            Denied::BadOffer(why) => (StatusCode::BAD_REQUEST, "BAD_OFFER", why),
            Denied::NoLog => (
                StatusCode::NOT_FOUND,
                "NO_LOG",
                "this bridge was not told where the witness log is".to_owned(),
            ),
            Denied::NoPeer => (
                StatusCode::NOT_FOUND,
                "NO_PEER",
                "there is no such connection".to_owned(),
            ),
            Denied::Busy => (
                StatusCode::SERVICE_UNAVAILABLE,
                "BUSY",
                "the evidence server has too much to do".to_owned(),
            ),
        };
        let body = json!({
            "type": format!("urn:if-escalate:error:{}", code.to_lowercase().replace('_', "-")),
            "title": status.canonical_reason().unwrap_or_default(),
            "status": status.as_u16(),
            "detail": detail,
            "code": code,
        });
        let mut response = (status, Json(body)).into_response();
        let headers = response.headers_mut();
        let kind = HeaderValue::from_static("application/problem+json");
        headers.insert(header::CONTENT_TYPE, kind);
        if status == StatusCode::SERVICE_UNAVAILABLE {
            headers.insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
        }
        if status == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
}
