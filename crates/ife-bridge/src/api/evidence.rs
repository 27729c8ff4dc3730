//! Agents' side of the evidence channels: who is connected, and messages to them.

use axum::{
    Json,
    extract::{Path, State},
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{AppState, Problem, problem::Refusals, request::Body};
use crate::{
    evidence::EvidenceHandle,
    refusal::{ErrorName, Refusal},
    view::{Delivery, EvidencePeer, MessageState},
};

/// A message to experts.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct AgentMessage {
    /// Any object of at most 16 KiB; the expert's page or agent gets it as `agent.message`, signed
    /// by the bridge. The page shows the text of its member `text`, or of `payload.text`; any other
    /// message as JSON.
    #[schema(value_type = Object)]
    message: serde_json::Map<String, serde_json::Value>,
}

/// Whom a message was sent to.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Delivered {
    /// Experts with an open channel.
    peers: Vec<EvidencePeer>,
    /// The message for each of them, in the same order.
    messages: Vec<Sent>,
}

/// A message on its way to one expert.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Sent {
    /// The call.
    call_id: String,
    /// Its id in `messages` of the call and in events.
    message_id: String,
    /// `shown` when it was shown to the expert within 5 s; otherwise `sent`, and an event
    /// `ifmessage_shown` follows when it is.
    state: MessageState,
}

impl Delivered {
    fn of(deliveries: Vec<Delivery>) -> Delivered {
        let sent = |delivery: &Delivery| Sent {
            call_id: delivery.peer.call_id.clone(),
            message_id: delivery.message_id.clone(),
            state: delivery.state,
        };
        Delivered {
            messages: deliveries.iter().map(sent).collect(),
            peers: deliveries
                .into_iter()
                .map(|delivery| delivery.peer)
                .collect(),
        }
    }
}

/// Experts whose evidence channel is open (`getConnectedPeers`).
#[utoipa::path(
    get,
    path = "/v1/evidence/peers",
    tag = "evidence",
    responses((status = 200, body = Vec<EvidencePeer>), Refusals<503>),
)]
pub(super) async fn peers(
    State(state): State<AppState>,
) -> Result<Json<Vec<EvidencePeer>>, Problem> {
    Ok(Json(handle(&state)?.peers().await?))
}

/// Sends a message to the expert of one call (`sendIFMessage`), and returns whether it was shown.
/// What experts send is in `messages` of `GET /v1/calls/{call_id}` and comes as events `evidence`
/// of `GET /v1/events`.
#[utoipa::path(
    post,
    path = "/v1/evidence/peers/{call_id}/messages",
    tag = "evidence",
    params(("call_id" = String, Path)),
    request_body = AgentMessage,
    responses((status = 200, body = Delivered), Refusals<400, 404, 409, 503>),
)]
pub(super) async fn send(
    State(state): State<AppState>,
    Path(call_id): Path<String>,
    Body(request): Body<AgentMessage>,
) -> Result<Json<Delivered>, Problem> {
    let deliveries = handle(&state)?.say(Some(call_id), request.message).await?;
    if deliveries.is_empty() {
        let refusal = Refusal::new(
            ErrorName::NotFound,
            "this call has no open evidence channel",
        );
        return Err(refusal.into());
    }
    Ok(Json(Delivered::of(deliveries)))
}

/// Sends a message to every expert whose channel is open (`broadcastIFMessage`).
#[utoipa::path(
    post,
    path = "/v1/evidence/messages",
    tag = "evidence",
    request_body = AgentMessage,
    responses((status = 200, body = Delivered), Refusals<400, 409, 503>),
)]
pub(super) async fn broadcast(
    State(state): State<AppState>,
    Body(request): Body<AgentMessage>,
) -> Result<Json<Delivered>, Problem> {
    let deliveries = handle(&state)?.say(None, request.message).await?;
    Ok(Json(Delivered::of(deliveries)))
}

fn handle(state: &AppState) -> Result<&EvidenceHandle, Refusal> {
    let absent = || Refusal::new(ErrorName::Unavailable, "this bridge serves no evidence");
    state.evidence.as_ref().ok_or_else(absent)
}
