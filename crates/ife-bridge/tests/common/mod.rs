//! Shared by the tests of the API.

use std::sync::Arc;

use ife_bridge::{
    agents::Agents,
    api::{AppState, router},
    handle::{Command, EngineHandle},
    metrics::Metrics,
    refusal::{ErrorName, Refusal},
    view::{Health, LogHealth},
};

/// An engine that knows nothing, and that drains for ever.
pub(crate) fn api() -> (axum::Router, utoipa::openapi::OpenApi) {
    let (engine, mut commands, _events) = EngineHandle::new();
    tokio::spawn(async move {
        while let Some(command) = commands.recv().await {
            if let Command::Health(reply) = command {
                let health = Health {
                    unknown_parties: 0,
                    ami: true,
                    kamailio: Some(true),
                    stuck_channels: 0,
                    witness: true,
                    store: true,
                    nats: Some(true),
                    log: LogHealth::Off,
                    active_calls: 0,
                    draining: true,
                };
                reply.respond(Ok(health));
            } else if let Command::Initiate(request, reply) = command {
                let detail = format!("no expert {}", request.expert_id);
                reply.respond(Err(Refusal::new(ErrorName::ExpertNotFound, detail)));
            }
            // Any other reply is dropped, as by an engine that has stopped.
        }
    });
    router(AppState {
        engine,
        agents: Arc::new(Agents::default()),
        metrics: Arc::new(Metrics::default()),
        evidence: None,
        log: None,
    })
}
