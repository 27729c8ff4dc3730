//! Council rooms and the admission of guardians.

use axum::{
    Json,
    extract::{Path, State},
    http::StatusCode,
};
use serde::Deserialize;
use utoipa::ToSchema;

use super::{AppState, Problem, problem::Refusals, request::Body};
use crate::{
    handle::{Admission, Command, GuardianAdmission, GuardianEvidence, GuardianLinks, RoomCommand},
    refusal::{ErrorName, Refusal},
    view::RoomView,
};

/// A new room.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct CreateRoom {
    /// Name of the conference: 1 to 64 of `[0-9A-Za-z_.-]`.
    call_id: String,
}

/// Whether a participant is heard.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Mute {
    muted: bool,
}

async fn asked(state: &AppState, command: RoomCommand) -> Result<Vec<RoomView>, Problem> {
    let asked = |reply| Command::Room(command, reply);
    Ok(state.engine.ask(asked).await?)
}

async fn gone(state: &AppState, command: RoomCommand) -> Result<StatusCode, Problem> {
    asked(state, command).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn one(state: &AppState, command: RoomCommand) -> Result<RoomView, Problem> {
    asked(state, command)
        .await?
        .pop()
        .ok_or_else(|| Refusal::new(ErrorName::NotFound, "no such room").into())
}

/// Rooms that are open.
#[utoipa::path(
    get,
    path = "/v1/rooms",
    tag = "rooms",
    responses((status = 200, body = Vec<RoomView>)),
)]
pub(super) async fn list(State(state): State<AppState>) -> Result<Json<Vec<RoomView>>, Problem> {
    Ok(Json(asked(&state, RoomCommand::List).await?))
}

/// Opens a room and dials the configured guardians. Idempotent.
#[utoipa::path(
    post,
    path = "/v1/rooms",
    tag = "rooms",
    request_body = CreateRoom,
    responses((status = 201, body = RoomView), Refusals<400>),
)]
pub(super) async fn create(
    State(state): State<AppState>,
    Body(request): Body<CreateRoom>,
) -> Result<(StatusCode, Json<RoomView>), Problem> {
    let room = one(&state, RoomCommand::Create(request.call_id)).await?;
    Ok((StatusCode::CREATED, Json(room)))
}

/// One room with its participants.
#[utoipa::path(
    get,
    path = "/v1/rooms/{room}",
    tag = "rooms",
    params(("room" = String, Path)),
    responses((status = 200, body = RoomView), Refusals<404>),
)]
pub(super) async fn show(
    State(state): State<AppState>,
    Path(room): Path<String>,
) -> Result<Json<RoomView>, Problem> {
    Ok(Json(one(&state, RoomCommand::Show(room)).await?))
}

/// Ends the conference for everybody in it.
#[utoipa::path(
    delete,
    path = "/v1/rooms/{room}",
    tag = "rooms",
    params(("room" = String, Path)),
    responses((status = 204), Refusals<404>),
)]
pub(super) async fn end(
    State(state): State<AppState>,
    Path(room): Path<String>,
) -> Result<StatusCode, Problem> {
    gone(&state, RoomCommand::End(room)).await
}

/// Mutes or unmutes a participant.
#[utoipa::path(
    put,
    path = "/v1/rooms/{room}/participants/{participant}/mute",
    tag = "rooms",
    request_body = Mute,
    params(("room" = String, Path), ("participant" = String, Path)),
    responses((status = 200, body = RoomView), Refusals<404>),
)]
pub(super) async fn mute(
    State(state): State<AppState>,
    Path((room, participant)): Path<(String, String)>,
    Body(Mute { muted }): Body<Mute>,
) -> Result<Json<RoomView>, Problem> {
    let mute = RoomCommand::Mute {
        room,
        participant,
        muted,
    };
    Ok(Json(one(&state, mute).await?))
}

/// Removes a participant; their leg is hung up.
#[utoipa::path(
    delete,
    path = "/v1/rooms/{room}/participants/{participant}",
    tag = "rooms",
    params(("room" = String, Path), ("participant" = String, Path)),
    responses((status = 204), Refusals<404>),
)]
pub(super) async fn remove(
    State(state): State<AppState>,
    Path((room, participant)): Path<(String, String)>,
) -> Result<StatusCode, Problem> {
    gone(&state, RoomCommand::Remove { room, participant }).await
}

/// A guardian asks to join: confirmed, or the reason of the refusal.
#[utoipa::path(
    post,
    path = "/v1/guardians/admissions",
    tag = "rooms",
    request_body = GuardianAdmission,
    responses((status = 200, body = Admission), Refusals<400>),
)]
pub(super) async fn admit(
    State(state): State<AppState>,
    Body(request): Body<GuardianAdmission>,
) -> Result<Json<Admission>, Problem> {
    state.answer(|reply| Command::Admit(request, reply)).await
}

/// A guardian who was admitted asks for links to the evidence: one for each call of the room. A
/// link that was not used is replaced by the new one.
#[utoipa::path(
    post,
    path = "/v1/guardians/evidence",
    tag = "rooms",
    request_body = GuardianEvidence,
    responses((status = 200, body = GuardianLinks), Refusals<400, 403, 404>),
)]
pub(super) async fn links(
    State(state): State<AppState>,
    Body(request): Body<GuardianEvidence>,
) -> Result<Json<GuardianLinks>, Problem> {
    state.answer(|reply| Command::Links(request, reply)).await
}
