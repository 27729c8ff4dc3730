//! Acts of the expert on the page, by the cookie of the redeemed link: the acceptance of the
//! call, and the decision: the question, and the signed statement. The latter is open after the
//! call's end too, as long as a decision is taken.

use axum::{
    Json,
    body::Bytes,
    extract::{Path, State},
    http::{HeaderMap, StatusCode},
    response::{IntoResponse, Response},
};
use ife_engine::decisions::{DecisionAsked, DecisionState, DecisionView};
use ife_message::decision::Role;
use ife_words::time::of_ms;
use serde::Serialize;

use super::{
    EvidenceHandle,
    desk::{Denied, Order},
    http::pass,
};
use crate::{
    api::Problem,
    clock,
    handle::{Command, Submission},
    refusal::Refusal,
    view::{CallDetail, CallState},
};

/// Data that the page shows and needs for a decision.
#[derive(Debug, Serialize)]
struct Asking {
    /// The bridge's clock: a decision is dated by it.
    now: String,
    call_id: String,
    trace_id: String,
    expert_id: String,
    hazard: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    question: Option<String>,
    call_state: CallState,
    decision_state: DecisionState,
    /// Absent when the time for a decision has passed.
    #[serde(skip_serializing_if = "Option::is_none")]
    asked: Option<DecisionAsked>,
    /// The expert's decision in force.
    #[serde(skip_serializing_if = "Option::is_none")]
    record: Option<DecisionView>,
}

/// Why a page's request is not done.
pub(super) enum Refused {
    Denied(Denied),
    Refusal(Refusal),
}

impl From<Denied> for Refused {
    fn from(denied: Denied) -> Refused {
        Refused::Denied(denied)
    }
}

impl From<Refusal> for Refused {
    fn from(refusal: Refusal) -> Refused {
        Refused::Refusal(refusal)
    }
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        match self {
            Refused::Denied(denied) => denied.into_response(),
            Refused::Refusal(refusal) => Problem(refusal).into_response(),
        }
    }
}

pub(super) async fn ask(
    State(handle): State<EvidenceHandle>,
    Path(session): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Refused> {
    let pass = pass(session, &headers)?;
    let (call_id, expert_id) = handle.ask(|reply| Order::Decider(pass, reply)).await?;
    let detail = handle
        .engine
        .ask(|reply| Command::Call(call_id, reply))
        .await?;
    Ok(Json(asking(detail, expert_id)).into_response())
}

pub(super) async fn decide(
    State(handle): State<EvidenceHandle>,
    Path(session): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, Refused> {
    let pass = pass(session, &headers)?;
    let (call_id, expert_id) = handle.ask(|reply| Order::Decider(pass, reply)).await?;
    let submission = Submission::Page {
        call_id,
        expert_id,
        text: body.to_vec(),
    };
    let view = handle
        .engine
        .ask(|reply| Command::Decide(submission, reply))
        .await?;
    Ok((StatusCode::CREATED, Json(view)).into_response())
}

/// The expert accepts the call, whose phone is answered.
pub(super) async fn accept(
    State(handle): State<EvidenceHandle>,
    Path(session): Path<String>,
    headers: HeaderMap,
) -> Result<StatusCode, Refused> {
    let pass = pass(session, &headers)?;
    let (call_id, expert_id) = handle.ask(|reply| Order::Decider(pass, reply)).await?;
    let accept = |reply| Command::Accept {
        call_id,
        expert_id,
        reply,
    };
    handle.engine.ask(accept).await?;
    Ok(StatusCode::NO_CONTENT)
}

fn asking(detail: CallDetail, expert_id: String) -> Asking {
    let CallDetail {
        call,
        decisions,
        asked,
        history: _,
        messages: _,
    } = detail;
    let mut newest_first = decisions.into_iter().rev();
    let record = newest_first.find(|view| {
        view.decision.role == Role::Expert && view.decision.party == expert_id && !view.replaced
    });
    // Another expert is called: this page is asked no more.
    let asked = asked.filter(|_| call.expert_id == expert_id);
    Asking {
        now: of_ms(clock::unix_ms()),
        call_id: call.call_id,
        trace_id: call.trace_id,
        expert_id,
        hazard: call.hazard,
        reason: call.call_reason,
        question: call.question,
        call_state: call.sip_call_state,
        decision_state: call.decision_state,
        asked,
        record,
    }
}
