//! IF.connect intake: escalations that come as messages of a NATS JetStream stream. All bridges
//! pull from one durable consumer, so they share the work.
//!
//! A message is acknowledged when its outcome is known, witnessed and published. Until then it is
//! the bridge's that has it, and another one's when that one is silent: `decide` keeps experts
//! from being called twice then.

mod claims;
mod dead_letter;
mod decide;
mod delivery;
mod events;
mod faults;
mod orders;
mod outcome;
mod publish;
mod setup;

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use async_nats::jetstream::Message;
use futures_util::StreamExt;
use ife_message::{IfMessage, PrivateKey};
use ife_words::time;
use serde_json::{Map, Value};
use tokio::{
    select,
    sync::{OwnedSemaphorePermit, Semaphore, broadcast, watch},
    task::JoinSet,
    time::sleep,
};
use tracing::{debug, error, info};

pub use setup::IntakeError;

use crate::{
    agents::Agents,
    clock,
    config::{Config, Nats},
    handle::{Command, EngineHandle},
    metrics::Metrics,
    plain_file::{self, FileError, KEY_LEN_MAX},
    view::Event,
};
use delivery::Delivery;
use faults::{Faults, Part};
use setup::{Floor, Parts};

/// Between two attempts to find the stream, and two looks whether the bridge can take calls.
const RETRY: Duration = Duration::from_secs(1);
/// How long the server may keep a request for messages.
const PULL_MAX: Duration = Duration::from_secs(2);

/// Between two looks at the parts that the intake needs.
const WATCH: Duration = Duration::from_secs(2);

/// What every delivery needs.
pub(super) struct Shared {
    nats: Nats,
    node: String,
    /// This process, among all that ever were: in claims.
    process: String,
    faults: Faults,
    floor: Mutex<Option<Floor>>,
    engine: EngineHandle,
    agents: Arc<Agents>,
    metrics: Arc<Metrics>,
    /// Signer of outcomes: the council, by its key.
    source: String,
    key: PrivateKey,
}

/// Reads the intake's files, and connects to nothing.
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

/// Starts the intake when it is configured. It ends after `stopped`, once the messages that it has
/// are worked off or given back.
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
            process: format!("{}-{}", config.node, clock::unix_ns()),
            faults: Faults::new(Instant::now()),
            floor: Mutex::new(None),
            engine,
            agents,
            metrics,
            source: config.council.aor.clone(),
            key: signing_key(config)?,
        };
        let events = shared.engine.subscribe();
        tasks.spawn(run(Arc::new(shared), events, stopped));
    }
    Ok(tasks)
}

fn signing_key(config: &Config) -> Result<PrivateKey, IntakeError> {
    let path = &config.council.signing_key;
    let text = plain_file::read(path, KEY_LEN_MAX)?;
    Ok(PrivateKey::parse_file(&text).map_err(FileError::at(path))?)
}

async fn run(
    shared: Arc<Shared>,
    events: broadcast::Receiver<Event>,
    mut stopped: watch::Receiver<bool>,
) {
    let (client, connected) = match setup::connect(&shared.nats, &shared.node).await {
        Ok(connection) => connection,
        Err(problem) => return error!("no messages are taken: {problem}"),
    };
    // Dropped, and so ended, with the intake.
    let mut talks = JoinSet::new();
    if let Some(prefix) = shared.nats.call_subject.clone() {
        talks.spawn(events::tell(
            shared.clone(),
            client.clone(),
            prefix.clone(),
            events,
        ));
        talks.spawn(orders::take(shared.clone(), client.clone(), prefix));
    }
    let mut works = JoinSet::new();
    let mut current = None;
    while !*stopped.borrow() {
        if *connected.borrow() {
            match shared.prepare(&client).await {
                Ok(parts) => {
                    let parts = replace(&mut current, parts);
                    shared.begin_taking();
                    let why = select! {
                        why = take(&shared, &parts, &connected, &stopped, &mut works) => why,
                        why = watch_over(&shared, &parts) => why,
                    };
                    shared.stop_taking(why, *connected.borrow(), *stopped.borrow());
                }
                Err(why) if *connected.borrow() => {
                    shared.faults.begin(Part::Setup, why, Instant::now());
                    shared.tell_whether_up();
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
    // Messages on their way still go out.
    if let Err(error) = client.flush().await {
        debug!("NATS is gone before the end: {error}");
    }
    info!("no more messages are taken");
}

/// Gives deliveries that are worked on the parts that are there now.
fn replace(current: &mut Option<watch::Sender<Parts>>, parts: Parts) -> watch::Receiver<Parts> {
    match current {
        Some(current) => {
            current.send_replace(parts);
            current.subscribe()
        }
        None => {
            let (sender, receiver) = watch::channel(parts);
            *current = Some(sender);
            receiver
        }
    }
}

/// Looks again and again whether all parts are there. Returns the missing one.
async fn watch_over(shared: &Shared, parts: &watch::Receiver<Parts>) -> String {
    let parts = parts.borrow().clone();
    loop {
        select! {
            () = shared.faults.claims_failed() => return "a claim cannot be written".to_owned(),
            () = sleep(WATCH) => {}
        }
        match setup::look(&parts, &shared.nats).await {
            Ok(floor) => *shared.floor.lock().unwrap_or_else(PoisonError::into_inner) = Some(floor),
            Err(why) => return why,
        }
        shared.faults.lapse(Instant::now());
        shared.tell_whether_up();
    }
}

/// Takes messages until the connection, the consumer or the bridge is gone.
async fn take(
    shared: &Arc<Shared>,
    parts: &watch::Receiver<Parts>,
    connected: &watch::Receiver<bool>,
    stopped: &watch::Receiver<bool>,
    works: &mut JoinSet<()>,
) -> String {
    let places = Arc::new(Semaphore::new(shared.nats.in_flight_max.into()));
    let consumer = parts.borrow().consumer.clone();
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
        let batch = consumer.batch().max_messages(count).expires(PULL_MAX);
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
            // There is one for each message that was asked for: no other task takes any.
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
    parts: watch::Receiver<Parts>,
    message: Message,
    stopped: watch::Receiver<bool>,
    _place: OwnedSemaphorePermit,
) {
    shared.metrics.intake_in_flight.inc();
    let delivery = Delivery {
        shared: &shared,
        parts,
        message: &message,
        stopped,
    };
    delivery.work().await;
    shared.metrics.intake_in_flight.dec();
}

impl Shared {
    /// A signed message of the council to an agent.
    fn inform(
        &self,
        id: String,
        to: &str,
        trace_id: Option<&str>,
        payload: Map<String, Value>,
    ) -> Option<Vec<u8>> {
        let mut message = IfMessage {
            id,
            timestamp: time::of_ms(clock::unix_ms()),
            level: 1,
            source: self.source.clone(),
            destination: to.to_owned(),
            payload,
            trace_id: trace_id.map(str::to_owned),
            version: None,
            performative: Some("inform".to_owned()),
            conversation_id: None,
            sequence_num: None,
            citation_ids: None,
            signature: None,
            extra: Map::new(),
        };
        message.sign(&self.key).ok()?;
        message.to_canonical().ok()
    }

    async fn prepare(&self, client: &async_nats::Client) -> Result<Parts, String> {
        let floor = *self.floor.lock().unwrap_or_else(PoisonError::into_inner);
        setup::prepare(client, &self.nats, &self.node, &self.process, floor).await
    }

    fn begin_taking(&self) {
        info!(stream = %self.nats.stream, consumer = %self.nats.consumer, "messages are taken");
        // Whether they can be written was tried.
        for part in [Part::Connection, Part::Setup, Part::Claims] {
            self.faults.end(part);
        }
        self.tell_whether_up();
    }

    fn stop_taking(&self, why: String, connected: bool, stopped: bool) {
        if connected && !stopped {
            self.faults.begin(Part::Setup, why, Instant::now());
        } else {
            debug!("no messages for the moment: {why}");
            let (part, quiet) = (Part::Connection, String::new());
            self.faults.begin(part, quiet, Instant::now());
        }
        self.tell_whether_up();
    }

    /// Repeated: the engine drops what comes while its queue is full.
    fn tell_whether_up(&self) {
        let up = self.faults.is_clear();
        self.metrics.intake_up.set(up.into());
        self.engine.tell(Command::IntakeUp(up));
    }

    async fn is_ready(&self) -> bool {
        let health = self.engine.ask(Command::Health).await;
        health.is_ok_and(|health| health.obstacle(true).is_none())
    }
}
