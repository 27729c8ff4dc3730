//! The gate without a call.

use axum::{Json, extract::State};

use super::{AppState, Problem, problem::Refusals, request::Body};
use crate::handle::{Approval, ApproveExternalCall, Command};

/// `approve_external_call` (`if://guard/policy/external-call`): the gate's verdict on an expert and
/// a hazard. Nothing is called or spent.
#[utoipa::path(
    post,
    path = "/v1/policy/external-call",
    tag = "policy",
    request_body = ApproveExternalCall,
    responses((status = 200, body = Approval), Refusals<400>),
)]
pub(super) async fn approve(
    State(state): State<AppState>,
    Body(request): Body<ApproveExternalCall>,
) -> Result<Json<Approval>, Problem> {
    state.answer(|reply| Command::Approve(request, reply)).await
}
