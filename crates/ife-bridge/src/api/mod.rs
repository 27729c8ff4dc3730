//! The HTTP API: routes and their OpenAPI description come from the same annotations, so neither
//! can be without the other.

mod calls;
mod decisions;
mod events;
mod evidence;
mod health;
mod policy;
mod problem;
mod request;
mod rooms;
mod witness;

use std::{sync::Arc, time::Duration};

use axum::{
    Json, Router,
    body::Bytes,
    http::{StatusCode, header},
    middleware,
    routing::get,
};
use ife_pages::{operator, secured};
use ife_trace::Log;
use tower_http::{limit::RequestBodyLimitLayer, timeout::TimeoutLayer};
use utoipa::OpenApi;
use utoipa_axum::{router::OpenApiRouter, routes};

pub use problem::Problem;
pub(crate) use problem::{Refusals, everywhere as problems_everywhere};
pub(crate) use request::{Asked, Number};

use crate::{
    agents::Agents,
    evidence::EvidenceHandle,
    handle::{Command, EngineHandle, Reply},
    metrics::Metrics,
    refusal::{ErrorName, Refusal},
};

/// Longest request body, in bytes: an IFMessage.
const BODY_LEN_MAX: usize = 1 << 20;
/// Longest time that a request may take; the engine's own waits are shorter.
const REQUEST_TIME_MAX: Duration = Duration::from_secs(300);

/// What handlers need.
#[derive(Debug, Clone)]
pub struct AppState {
    /// The engine.
    pub engine: EngineHandle,
    /// Who may escalate.
    pub agents: Arc<Agents>,
    /// Values of `/metrics`.
    pub metrics: Arc<Metrics>,
    /// Where experts get evidence, if they do.
    pub evidence: Option<EvidenceHandle>,
    /// The witness log, if it is configured.
    pub log: Option<Arc<Log>>,
}

impl AppState {
    /// Asks the engine, and answers with its reply.
    async fn answer<T: Send + 'static>(
        &self,
        command: impl FnOnce(Reply<T>) -> Command,
    ) -> Result<Json<T>, Problem> {
        Ok(Json(self.engine.ask(command).await?))
    }

    /// The same, with the status of a creation.
    async fn created<T: Send + 'static>(
        &self,
        command: impl FnOnce(Reply<T>) -> Command,
    ) -> Result<(StatusCode, Json<T>), Problem> {
        Ok((StatusCode::CREATED, self.answer(command).await?))
    }
}

#[derive(OpenApi)]
#[openapi(
    info(
        title = "IF.ESCALATE bridge",
        description = "Calls human experts over SIP and joins them to an H.323 council. Errors are \
                      problem details (RFC 9457).",
        license(name = "MIT OR Apache-2.0")
    ),
    components(schemas(problem::ProblemBody))
)]
struct Document;

/// The routes, and the document that describes them.
pub fn router(state: AppState) -> (Router, utoipa::openapi::OpenApi) {
    let (router, document) = OpenApiRouter::with_openapi(Document::openapi())
        .routes(routes!(calls::escalate))
        .routes(routes!(calls::initiate, calls::list))
        .routes(routes!(calls::show, calls::terminate))
        .routes(routes!(decisions::decide))
        .routes(routes!(calls::bridge))
        .routes(routes!(policy::approve))
        .routes(routes!(rooms::list, rooms::create))
        .routes(routes!(rooms::show, rooms::end))
        .routes(routes!(rooms::mute))
        .routes(routes!(rooms::remove))
        .routes(routes!(rooms::admit))
        .routes(routes!(rooms::links))
        .routes(routes!(evidence::peers))
        .routes(routes!(evidence::send))
        .routes(routes!(evidence::broadcast))
        .routes(routes!(events::stream))
        .routes(routes!(witness::checkpoint))
        .routes(routes!(witness::verdicts))
        .routes(routes!(witness::search))
        .routes(routes!(witness::story))
        .routes(routes!(witness::entry))
        .routes(routes!(witness::proof))
        .routes(routes!(health::live))
        .routes(routes!(health::ready))
        .routes(routes!(health::metrics))
        .split_for_parts();
    // As bytes: a handler is cloned for every request, and the document is large.
    let served = Bytes::from(serde_json::to_vec(&document).unwrap_or_default());
    let serve = move || async move { ([(header::CONTENT_TYPE, "application/json")], served) };
    let router = router
        .route("/v1/openapi.json", get(serve))
        .merge(operator::routes())
        .fallback(|| async { Problem(Refusal::new(ErrorName::NotFound, "no such resource")) })
        .with_state(state)
        .layer(TimeoutLayer::with_status_code(
            StatusCode::GATEWAY_TIMEOUT,
            REQUEST_TIME_MAX,
        ))
        .layer(RequestBodyLimitLayer::new(BODY_LEN_MAX))
        .layer(middleware::from_fn(problem::everywhere))
        .layer(middleware::from_fn(secured));
    (router, document)
}
