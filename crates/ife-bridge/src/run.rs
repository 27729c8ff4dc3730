//! Starts the parts, passes signals on, and ends in good order.

use std::{path::Path, sync::Arc, time::Duration};

use ife_pages::expert;
use sd_notify::NotifyState;
use thiserror::Error;
use tokio::{
    signal::unix::{Signal as UnixSignal, SignalKind, signal},
    sync::{mpsc, watch},
    time::timeout,
};
use tracing::{debug, error, info};

use crate::{
    agents::Agents,
    ami::{Ami, AmiError},
    api::{AppState, router},
    config::{Config, ConfigError},
    engine::{Engine, EngineError, Signal},
    evidence::{self, EvidenceError, Server, Settings},
    gate::{self, GateError},
    handle::{Command, EngineHandle},
    listen::{self, ListenError},
    log,
    metrics::Metrics,
    nats::{self, IntakeError},
    notify,
    plain_file::FileError,
    speech::{Speech, SpeechError},
};

/// Requests under way have so long to be answered at the end.
const FAREWELL: Duration = Duration::from_secs(5);

/// Why the bridge does not run.
#[derive(Debug, Error)]
pub enum RunError {
    /// The configuration.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// `agents` in the configuration.
    #[error("{0}")]
    Agents(String),
    /// A part that the engine owns.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// The registry or a key.
    #[error(transparent)]
    Gate(#[from] GateError),
    /// AMI.
    #[error(transparent)]
    Ami(#[from] AmiError),
    /// The evidence server.
    #[error(transparent)]
    Evidence(#[from] EvidenceError),
    /// `witness_log` in the configuration.
    #[error(transparent)]
    File(#[from] FileError),
    /// Prompts on the phone.
    #[error(transparent)]
    Speech(#[from] SpeechError),
    /// The intake.
    #[error(transparent)]
    Intake(#[from] IntakeError),
    /// A socket of the API.
    #[error(transparent)]
    Listen(#[from] ListenError),
    /// The process cannot be set up.
    #[error("cannot {what}: {source}")]
    Os {
        /// The step that failed.
        what: &'static str,
        /// Why not.
        source: std::io::Error,
    },
    /// The task that owns all calls has panicked.
    #[error("the engine has failed")]
    EnginePanic,
}

/// Reads everything that `run` would, and starts nothing.
pub fn check(path: &Path) -> Result<(), RunError> {
    let config = Config::load(path)?;
    Agents::new(&config.agents).map_err(RunError::Agents)?;
    gate::load(&config)?;
    Ami::new(&config.ami)?;
    listen::check(&config.listen)?;
    Settings::load(&config, log::open(&config)?)?;
    let evidence = config.evidence.as_ref();
    evidence
        .and_then(|evidence| evidence.listen.as_ref())
        .map_or(Ok(()), listen::check_tcp)?;
    notify::Settings::load(&config).map_err(EngineError::from)?;
    nats::check(&config)?;
    Ok(())
}

/// Runs until SIGTERM or SIGINT.
pub fn run(path: &Path) -> Result<(), RunError> {
    let config = Config::load(path)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build();
    let runtime = runtime.map_err(os("start the runtime"))?;
    runtime.block_on(serve(path, config))
}

async fn serve(path: &Path, config: Config) -> Result<(), RunError> {
    let agents = Arc::new(Agents::new(&config.agents).map_err(RunError::Agents)?);
    let metrics = Arc::new(Metrics::default());
    let (tell, signals) = mpsc::channel(8);
    let (mut engine, handle) = Engine::new(&config, metrics.clone(), signals)?;
    if let Some(speech) = &config.speech {
        engine = engine.with_speech(Speech::open(speech).await?);
    }
    let (stop, stopped) = watch::channel(false);
    let log = log::open(&config)?;
    let mut evidence = None;
    if let Some(settings) = Settings::load(&config, log.clone())? {
        let (server, experts, desk) =
            Server::new(&config, settings, handle.clone(), stopped.clone())?;
        engine = engine.with_evidence(desk);
        tokio::spawn(server.run());
        evidence = Some(experts);
    }
    let (stop_intake, intake_stopped) = watch::channel(false);
    let mut intake = nats::start(
        &config,
        handle.clone(),
        agents.clone(),
        metrics.clone(),
        intake_stopped,
    )?;
    let state = AppState {
        engine: handle.clone(),
        agents: agents.clone(),
        metrics: metrics.clone(),
        evidence: evidence.clone(),
        log: log.clone(),
    };
    if let Some(log) = log {
        tokio::spawn(log::follow(log, handle.clone(), stopped.clone()));
    }
    let (api, _) = router(state);
    let pages = evidence.map(|evidence| evidence::router(evidence, expert::router()));
    let mut serving = listen::serve(&config, &api, pages, &metrics, &stopped).await?;
    let mut engine = tokio::spawn(engine.run(|| notify(&[NotifyState::Watchdog])));
    notify(&[NotifyState::Ready]);
    info!(node = %config.node, "the bridge is up");

    let reload = || reload_agents(path, &agents);
    let panicked = tokio::select! {
        result = signalled(&handle, &tell, &stop_intake, reload) => {
            result?;
            false
        }
        result = &mut engine => result.is_err(),
    };
    notify(&[NotifyState::Stopping]);
    // All are of no effect on what has ended already.
    let _ = stop.send(true);
    let _ = stop_intake.send(true);
    let farewell = async {
        while serving.join_next().await.is_some() {}
        while intake.join_next().await.is_some() {}
    };
    if timeout(FAREWELL, farewell).await.is_err() {
        debug!("requests under way are cut off");
    }
    let _ = tell.send(Signal::Stop).await;
    if panicked || (!engine.is_finished() && engine.await.is_err()) {
        error!("the engine has failed");
        return Err(RunError::EnginePanic);
    }
    info!("the bridge has stopped");
    Ok(())
}

/// Passes signals on until the bridge is to end. The first SIGTERM or SIGINT drains, a second one
/// ends at once.
async fn signalled(
    handle: &EngineHandle,
    tell: &mpsc::Sender<Signal>,
    stop_intake: &watch::Sender<bool>,
    reload: impl Fn() -> bool,
) -> Result<(), RunError> {
    let open = |kind| signal(kind).map_err(os("listen to signals"));
    let (mut term, mut int, mut hup) = (
        open(SignalKind::terminate())?,
        open(SignalKind::interrupt())?,
        open(SignalKind::hangup())?,
    );
    loop {
        tokio::select! {
            () = next(&mut term, &mut int) => break,
            Some(()) = hup.recv() => {
                notify(&[NotifyState::Reloading]);
                let agents_taken = reload();
                // A queue that is full holds a reload already.
                let _ = tell.try_send(Signal::Reload { agents_taken });
                notify(&[NotifyState::Ready]);
            }
        }
    }
    info!("draining: no new calls; connected ones live on in Asterisk");
    let _ = stop_intake.send(true);
    tokio::select! {
        // An engine that is gone has nothing to drain.
        _ = handle.ask(Command::Drain) => {}
        () = next(&mut term, &mut int) => info!("not drained"),
    }
    Ok(())
}

/// Reads the configuration's `agents` again; nothing else of it can change in a running bridge.
/// False when the old ones stay in force.
fn reload_agents(path: &Path, agents: &Agents) -> bool {
    let read = || {
        let config = Config::load(path)?;
        Agents::new(&config.agents).map_err(RunError::Agents)
    };
    match read() {
        Ok(new) => {
            agents.replace(new);
            info!(sources = agents.count(), "agents reloaded");
            true
        }
        Err(error) => {
            error!("agents are not reloaded, the old ones stay in force: {error}");
            false
        }
    }
}

async fn next(term: &mut UnixSignal, int: &mut UnixSignal) {
    tokio::select! {
        _ = term.recv() => {}
        _ = int.recv() => {}
    }
}

/// Of no effect without a service manager that wants to know.
fn notify(states: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(false, states) {
        debug!("the service manager cannot be told: {error}");
    }
}

fn os(what: &'static str) -> impl FnOnce(std::io::Error) -> RunError {
    move |source| RunError::Os { what, source }
}
