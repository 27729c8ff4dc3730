//! IF.connect intake: escalations that come as messages of a NATS JetStream stream. All bridges pull from one durable consumer, so they share the work.
//!
//! A message is acknowledged when its outcome is known, witnessed and told. Until then it is the bridge's that has it, and another one's when that one
//! is silent: [`decide`] says what then keeps anybody from being called twice.

mod claims;
mod dead_letter;
mod decide;
mod delivery;
mod outcome;
mod setup;

use std::{sync::Arc, time::Duration};

use async_nats::jetstream::Message;
use futures_util::StreamExt;
use ife_message::PrivateKey;
use tokio::{
    select,
    sync::{OwnedSemaphorePermit, Semaphore, watch},
    task::JoinSet,
    time::sleep,
};
use tracing::{debug, error, info};

pub use setup::IntakeError;

use crate::{
    agents::Agents,
    config::{Config, Nats},
    handle::{Command, EngineHandle},
    metrics::Metrics,
    plain_file::{self, KEY_LEN_MAX},
};
use delivery::Delivery;
use setup::Parts;

/// Between two attempts to find the stream, and two looks whether the bridge can take calls.
const RETRY: Duration = Duration::from_secs(1);
/// How long the server may keep a request for messages.
const PULL_MAX: Duration = Duration::from_secs(2);

/// What every delivery needs.
pub(super) struct Shared {
    nats: Nats,
    node: String,
    engine: EngineHandle,
    agents: Arc<Agents>,
    metrics: Arc<Metrics>,
    /// Who tells outcomes: the council, by its key.
    source: String,
    key: PrivateKey,
}

/// Reads what the intake would read, and connects to nothing.
pub fn check(config: &Config) -> Result<(), IntakeError> {
    let Some(nats) = &config.nats else {
        return Ok(());
    };
    nats.servers()
        .try_for_each(|server| setup::address(server).map(|_| ()))?;
    if let Some(path) = nats.credentials_file.clone() {
        std::fs::File::open(&path).map_err(|source| IntakeError::Credentials { path, source })?;
    }
    signing_key(config).map(|_| ())
}

/// Starts the intake when it is configured. It ends after `stopped`, once the messages that it has are worked off or given back.
pub fn start(
    config: &Config,
    engine: EngineHandle,
    agents: Arc<Agents>,
    metrics: Arc<Metrics>,
    stopped: watch::Receiver<bool>,
) -> Result<JoinSet<()>, IntakeError> {
    let mut tasks = JoinSet::new();
    if let Some(nats) = &config.nats {
        check(config)?;
        let shared = Shared {
            nats: nats.clone(),
            node: config.node.clone(),
            engine,
            agents,
            metrics,
            source: config.council.aor.clone(),
            key: signing_key(config)?,
        };
        tasks.spawn(run(Arc::new(shared), stopped));
    }
    Ok(tasks)
}

fn signing_key(config: &Config) -> Result<PrivateKey, IntakeError> {
    let path = &config.council.signing_key;
    let told = |why: String| IntakeError::Key(format!("{}: {why}", path.display()));
    let text = plain_file::read(path, KEY_LEN_MAX).map_err(|error| told(error.to_string()))?;
    PrivateKey::parse_file(&text).map_err(|error| told(error.to_string()))
}

async fn run(shared: Arc<Shared>, mut stopped: watch::Receiver<bool>) {
    let (client, connected) = match setup::connect(&shared.nats, &shared.node).await {
        Ok(connection) => connection,
        Err(problem) => return error!("no messages are taken: {problem}"),
    };
    let mut works = JoinSet::new();
    let mut told = String::new();
    while !*stopped.borrow() {
        if *connected.borrow() {
            match setup::prepare(&client, &shared.nats, &shared.node).await {
                Ok(parts) => {
                    info!(stream = %shared.nats.stream, consumer = %shared.nats.consumer, "messages are taken");
                    told.clear();
                    shared.is_up(true);
                    let why = take(&shared, &parts, &connected, &stopped, &mut works).await;
                    shared.is_up(false);
                    debug!("no messages for the moment: {why}");
                }
                // Said once, not every second.
                Err(why) if why != told && *connected.borrow() => {
                    error!("no messages are taken: {why}");
                    told = why;
                }
                Err(_) => {}
            }
        }
        select! {
            _ = stopped.wait_for(|stopped| *stopped) => {}
            () = sleep(RETRY) => {}
        }
    }
    while works.join_next().await.is_some() {}
    // What is on its way still goes out.
    if let Err(error) = client.flush().await {
        debug!("NATS is gone before the end: {error}");
    }
    info!("no more messages are taken");
}

/// Takes messages until the connection, the consumer or the bridge is gone.
async fn take(
    shared: &Arc<Shared>,
    parts: &Parts,
    connected: &watch::Receiver<bool>,
    stopped: &watch::Receiver<bool>,
    works: &mut JoinSet<()>,
) -> String {
    let places = Arc::new(Semaphore::new(shared.nats.in_flight_max.into()));
    loop {
        while works.try_join_next().is_some() {}
        if *stopped.borrow() {
            return "the bridge stops".to_owned();
        }
        if !*connected.borrow() {
            return "not connected".to_owned();
        }
        // A bridge that can place no call leaves messages to those that can.
        if !shared.is_ready().await {
            sleep(RETRY).await;
            continue;
        }
        let Ok(first) = places.clone().acquire_owned().await else {
            return "closed".to_owned();
        };
        let count = 1 + places.available_permits();
        let batch = parts.consumer.batch().max_messages(count).expires(PULL_MAX);
        let mut batch = match batch.messages().await {
            Ok(batch) => batch,
            Err(error) => return error.to_string(),
        };
        let mut place = Some(first);
        while let Some(message) = batch.next().await {
            let message = match message {
                Ok(message) => message,
                Err(error) => return error.to_string(),
            };
            // There is one for each message that was asked for: nobody else takes any.
            let Some(permit) = place
                .take()
                .or_else(|| places.clone().try_acquire_owned().ok())
            else {
                return "more messages than were asked for".to_owned();
            };
            works.spawn(work(
                shared.clone(),
                parts.clone(),
                message,
                stopped.clone(),
                permit,
            ));
        }
    }
}

async fn work(
    shared: Arc<Shared>,
    parts: Parts,
    message: Message,
    stopped: watch::Receiver<bool>,
    _place: OwnedSemaphorePermit,
) {
    shared.metrics.intake_in_flight.inc();
    let delivery = Delivery {
        shared: &shared,
        parts: &parts,
        message: &message,
        stopped,
    };
    delivery.work().await;
    shared.metrics.intake_in_flight.dec();
}

impl Shared {
    fn is_up(&self, up: bool) {
        self.metrics.intake_up.set(up.into());
        self.engine.tell(Command::IntakeUp(up));
    }

    async fn is_ready(&self) -> bool {
        let health = self.engine.ask(Command::Health).await;
        health.is_ok_and(|health| health.ami && health.witness && !health.draining)
    }
}
