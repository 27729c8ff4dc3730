//! Decisions about calls.

use axum::{
    Json,
    extract::{Path, State},
    http::StatusCode,
};
use ife_engine::decisions::DecisionView;

use super::{AppState, Problem, problem::Refusals, request::Raw};
use crate::handle::{Command, Submission};

/// A decision about a call, signed by its expert or by a guardian. A later one of the same party
/// replaces it. `asked` of `GET /v1/calls/{call_id}` lists its members.
#[utoipa::path(
    post,
    path = "/v1/calls/{call_id}/decisions",
    tag = "calls",
    params(("call_id" = String, Path)),
    request_body(
        content = serde_json::Value,
        description = "The signed statement, see docs/decision.md",
    ),
    responses((status = 201, body = DecisionView), Refusals<400, 403, 404, 409, 413, 503>),
)]
pub(super) async fn decide(
    State(state): State<AppState>,
    Path(call_id): Path<String>,
    Raw(text): Raw,
) -> Result<(StatusCode, Json<DecisionView>), Problem> {
    let text = text.to_vec();
    let submission = Submission::Api { call_id, text };
    state
        .created(|reply| Command::Decide(submission, reply))
        .await
}
