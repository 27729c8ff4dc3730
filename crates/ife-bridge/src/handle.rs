//! The engine's front door for the API, the intake and the evidence server.

pub use ife_engine::command::{
    Admission, Approval, ApproveExternalCall, BridgeExternalCall, Bridged, Command, Escalation,
    ExpertInfo, GatewayView, GuardianAdmission, GuardianEvidence, GuardianLinks, InitiateCall,
    Note, Reply, Resume, RoomCommand, Submission, TAKEN_ELSEWHERE, TIMESTAMP_WINDOW_S, Terminated,
};
use tokio::sync::{broadcast, mpsc, oneshot};

use crate::{
    refusal::{ErrorName, Refusal},
    view::Event,
};

/// Commands that may wait for the engine; more are refused with 503.
pub const COMMANDS_MAX: usize = 256;
/// Events that a slow subscriber may be behind before it misses some.
pub const EVENTS_MAX: usize = 1_024;

/// A cheap handle to the engine.
#[derive(Debug, Clone)]
pub struct EngineHandle {
    commands: mpsc::Sender<Command>,
    events: broadcast::Sender<Event>,
}

impl EngineHandle {
    /// The handle, and the engine's end of it.
    pub fn new() -> (
        EngineHandle,
        mpsc::Receiver<Command>,
        broadcast::Sender<Event>,
    ) {
        let (commands, receiver) = mpsc::channel(COMMANDS_MAX);
        let (events, _) = broadcast::channel(EVENTS_MAX);
        let handle = EngineHandle {
            commands,
            events: events.clone(),
        };
        (handle, receiver, events)
    }

    /// Asks, and waits for the answer. The engine bounds every wait; a full queue is refused at
    /// once.
    pub async fn ask<T: Send + 'static>(
        &self,
        command: impl FnOnce(Reply<T>) -> Command,
    ) -> Result<T, Refusal> {
        let (reply, answer) = oneshot::channel();
        self.commands
            .try_send(command(Reply::new(move |result| {
                // The receiver is dropped when the client disconnects.
                let _ = reply.send(result);
            })))
            .map_err(|_| Refusal {
                retry_after_s: Some(1),
                ..Refusal::new(ErrorName::Unavailable, "the engine has too much to do")
            })?;
        answer
            .await
            .map_err(|_| Refusal::new(ErrorName::Unavailable, "the engine has stopped"))?
    }

    /// Sends a command that needs no answer. It is dropped, and false the result, when the queue is
    /// full.
    pub fn tell(&self, command: Command) -> bool {
        self.commands.try_send(command).is_ok()
    }

    /// Sends a command that must arrive, and waits while the queue is full.
    pub async fn deliver(&self, command: Command) {
        // Of no effect once the engine has stopped.
        let _ = self.commands.send(command).await;
    }

    /// Publishes to all subscribers of the events.
    pub fn publish(&self, event: Event) {
        // Fails without a subscriber.
        let _ = self.events.send(event);
    }

    /// Live events from here on.
    pub fn subscribe(&self) -> broadcast::Receiver<Event> {
        self.events.subscribe()
    }
}
