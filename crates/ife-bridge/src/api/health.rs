//! Liveness, readiness, metrics.

use axum::{
    Json,
    extract::State,
    http::{HeaderName, StatusCode, header},
};

use super::{AppState, Problem};
use crate::{handle::Command, view::Health};

/// The process answers.
#[utoipa::path(get, path = "/healthz", tag = "health", responses((status = 200)))]

pub(super) async fn live() -> StatusCode {
    StatusCode::OK
}

/// Readiness for new calls: AMI, the witness and the store are up, Asterisk reaches Kamailio and
/// ends the legs that the bridge hangs up, and the bridge does not drain. The body names each
/// part's state.
#[utoipa::path(
    get,
    path = "/readyz",
    tag = "health",
    responses((status = 200, body = Health), (status = 503, body = Health)),
)]
pub(super) async fn ready(
    State(state): State<AppState>,
) -> Result<(StatusCode, Json<Health>), Problem> {
    let health = state.engine.ask(Command::Health).await?;
    let gateway = health.ami && health.kamailio != Some(false) && health.stuck_channels == 0;
    let kept = health.witness && health.store;
    let ready = gateway && kept && health.nats != Some(false) && !health.draining;
    let status = if ready {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    };
    Ok((status, Json(health)))
}

/// Prometheus metrics (OpenMetrics text).
#[utoipa::path(
    get,
    path = "/metrics",
    tag = "health",
    responses((status = 200, body = String, content_type = "application/openmetrics-text")),
)]
pub(super) async fn metrics(
    State(state): State<AppState>,
) -> ([(HeaderName, &'static str); 1], String) {
    let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    ([(header::CONTENT_TYPE, kind)], state.metrics.text())
}
