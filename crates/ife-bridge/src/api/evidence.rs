//! Agents' side of the evidence channels: who is connected, and messages to them.

use axum::{
    Json,
    extract::{Path, State},
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{AppState, Problem, problem::ProblemBody, request::Body};
use crate::{
    evidence::EvidenceHandle,
    refusal::{ErrorName, Refusal},
    view::EvidencePeer,
};

/// A message to experts.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct AgentMessage {
    /// Any object of at most 64 KiB; the expert's page or agent gets it as `agent.message`, signed
    /// by the bridge.
    #[schema(value_type = Object)]
    message: serde_json::Map<String, serde_json::Value>,
}

/// Whom a message was sent to.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Delivered {
    /// Experts with an open channel.
    peers: Vec<EvidencePeer>,
}

/// Longest message, bytes of JSON.
const MESSAGE_LEN_MAX: usize = 65_536;

/// Experts whose evidence channel is open (`getConnectedPeers`).
#[utoipa::path(
    get,
    path = "/v1/evidence/peers",
    tag = "evidence",
    responses((status = 200, body = Vec<EvidencePeer>), (status = 503, body = ProblemBody)),
)]
pub(super) async fn peers(
    State(state): State<AppState>,
) -> Result<Json<Vec<EvidencePeer>>, Problem> {
    Ok(Json(handle(&state)?.peers().await?))
}

/// Sends a message to the expert of one call (`sendIFMessage`). What experts send comes as events
/// `evidence` of `GET /v1/events`.
#[utoipa::path(
    post,
    path = "/v1/evidence/peers/{call_id}/messages",
    tag = "evidence",
    params(("call_id" = String, Path)),
    request_body = AgentMessage,
    responses(
        (status = 200, body = Delivered),
        (status = 400, body = ProblemBody),
        (status = 404, body = ProblemBody),
        (status = 503, body = ProblemBody),
    ),
)]
pub(super) async fn send(
    State(state): State<AppState>,
    Path(call_id): Path<String>,
    Body(request): Body<AgentMessage>,
) -> Result<Json<Delivered>, Problem> {
    let peers = say(&state, Some(call_id), request).await?;
    if peers.is_empty() {
        let refusal = Refusal::new(
            ErrorName::NotFound,
            "this call has no open evidence channel",
        );
        return Err(refusal.into());
    }
    Ok(Json(Delivered { peers }))
}

/// Sends a message to every expert whose channel is open (`broadcastIFMessage`).
#[utoipa::path(
    post,
    path = "/v1/evidence/messages",
    tag = "evidence",
    request_body = AgentMessage,
    responses(
        (status = 200, body = Delivered),
        (status = 400, body = ProblemBody),
        (status = 503, body = ProblemBody),
    ),
)]
pub(super) async fn broadcast(
    State(state): State<AppState>,
    Body(request): Body<AgentMessage>,
) -> Result<Json<Delivered>, Problem> {
    let peers = say(&state, None, request).await?;
    Ok(Json(Delivered { peers }))
}

async fn say(
    state: &AppState,
    call_id: Option<String>,
    request: AgentMessage,
) -> Result<Vec<EvidencePeer>, Refusal> {
    let handle = handle(state)?;
    let len = serde_json::to_vec(&request.message).map_or(usize::MAX, |json| json.len());
    if len > MESSAGE_LEN_MAX {
        return Err(Refusal::field("message", "must be at most 64 KiB"));
    }
    handle.say(call_id, request.message).await
}

fn handle(state: &AppState) -> Result<&EvidenceHandle, Refusal> {
    let absent = || Refusal::new(ErrorName::Unavailable, "this bridge serves no evidence");
    state.evidence.as_ref().ok_or_else(absent)
}
