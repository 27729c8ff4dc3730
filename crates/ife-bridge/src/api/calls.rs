//! Escalations and calls.

use axum::{
    Json,
    extract::{Path, State},
    http::StatusCode,
};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::{
    AppState, Problem,
    problem::Refusals,
    request::{Asked, Body, Raw},
};
use crate::{
    agents, clock,
    handle::{BridgeExternalCall, Bridged, Command, InitiateCall, Terminated},
    view::{CallDetail, CallView},
};

/// How long the caller wants to wait.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub(super) struct Wait {
    /// `connected`: answer when the expert is in the council's conference, or when that failed.
    /// Otherwise as soon as the INVITE is on its way.
    #[serde(default)]
    #[param(inline)]
    wait: Option<WaitFor>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum WaitFor {
    Connected,
}

/// Result of `handle_escalate`: the call, and how it stands in the contract's words.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Escalated {
    /// `connected`, `rejected` (then `reason` is set), or `pending` while the expert is called.
    status: &'static str,
    /// `mcu_participant_id` by the contract's name.
    #[serde(skip_serializing_if = "Option::is_none")]
    h323_participant: Option<String>,
    /// The call.
    #[serde(flatten)]
    call: CallView,
}

impl From<CallView> for Escalated {
    fn from(call: CallView) -> Escalated {
        let status = if call.mcu_participant_id.is_some() {
            "connected"
        } else if call.sip_call_state.is_over() {
            "rejected"
        } else {
            "pending"
        };
        Escalated {
            status,
            h323_participant: call.mcu_participant_id.clone(),
            call,
        }
    }
}

/// Escalates: an IFMessage with performative `escalate`, signed by a registered agent. The same
/// message id gets the same answer.
#[utoipa::path(
    post,
    path = "/v1/escalations",
    tag = "calls",
    params(Wait),
    request_body(
        content = serde_json::Value,
        description = "IFMessage, see docs/schema/ifmessage.schema.json",
    ),
    responses((status = 201, body = Escalated), Refusals<400, 401, 403, 404, 502, 503>),
)]
pub(super) async fn escalate(
    State(state): State<AppState>,
    Asked(wait): Asked<Wait>,
    Raw(body): Raw,
) -> Result<(StatusCode, Json<Escalated>), Problem> {
    let message = state.agents.open(&body, clock::unix_ms() / 1_000)?;
    let escalation = Box::new(agents::escalation(&message)?);
    let wait = wait.wait == Some(WaitFor::Connected);
    let escalate = |reply| Command::Escalate {
        escalation,
        wait,
        resume: None,
        reply,
    };
    let (status, Json(view)) = state.created(escalate).await?;
    Ok((status, Json(view.into())))
}

/// `initiate_call`: calls one expert about one hazard.
#[utoipa::path(
    post,
    path = "/v1/calls",
    tag = "calls",
    request_body = InitiateCall,
    responses((status = 201, body = CallView), Refusals<400, 403, 404, 503>),
)]
pub(super) async fn initiate(
    State(state): State<AppState>,
    Body(request): Body<InitiateCall>,
) -> Result<(StatusCode, Json<CallView>), Problem> {
    state
        .created(|reply| Command::Initiate(request, reply))
        .await
}

/// Calls that are live or ended lately, newest first.
#[utoipa::path(
    get,
    path = "/v1/calls",
    tag = "calls",
    responses((status = 200, body = Vec<CallView>)),
)]
pub(super) async fn list(State(state): State<AppState>) -> Result<Json<Vec<CallView>>, Problem> {
    state.answer(Command::Calls).await
}

/// One call with its history.
#[utoipa::path(
    get,
    path = "/v1/calls/{call_id}",
    tag = "calls",
    params(("call_id" = String, Path)),
    responses((status = 200, body = CallDetail), Refusals<404>),
)]
pub(super) async fn show(
    State(state): State<AppState>,
    Path(call_id): Path<String>,
) -> Result<Json<CallDetail>, Problem> {
    state.answer(|reply| Command::Call(call_id, reply)).await
}

/// `terminate_call`: hangs up. Answers `not_found` for a call that is not there, which is what the
/// caller wanted.
#[utoipa::path(
    delete,
    path = "/v1/calls/{call_id}",
    tag = "calls",
    params(("call_id" = String, Path)),
    responses((status = 200, body = Terminated)),
)]
pub(super) async fn terminate(
    State(state): State<AppState>,
    Path(call_id): Path<String>,
) -> Result<Json<Terminated>, Problem> {
    state
        .answer(|reply| Command::Terminate(call_id, reply))
        .await
}

/// `bridge_external_call`: joins an answered call to a conference, and answers only after the join
/// was seen. Idempotent.
#[utoipa::path(
    post,
    path = "/v1/bridges",
    tag = "calls",
    request_body = BridgeExternalCall,
    responses((status = 200, body = Bridged), Refusals<404, 409, 502>),
)]
pub(super) async fn bridge(
    State(state): State<AppState>,
    Body(request): Body<BridgeExternalCall>,
) -> Result<Json<Bridged>, Problem> {
    state.answer(|reply| Command::Bridge(request, reply)).await
}
