//! The one task that owns all calls: it waits for an action, lets the [`ife_engine::Engine`] apply
//! it, and waits again.

mod error;
mod settings;
mod shell;

use std::{
    path::PathBuf,
    sync::{Arc, OnceLock},
    time::{Duration, Instant},
};

use ife_engine::{Action, Parts, time::Now};
use ife_witness::entry::Author;
use tokio::{sync::mpsc, time::sleep_until};

use crate::{
    ami::{Ami, FromLinks},
    clock,
    config::Config,
    evidence::EvidenceDesk,
    gate,
    handle::{Command, EngineHandle},
    metrics::Metrics,
    notify::{self, Notifier},
    speech::Speech,
    store::Store,
    witness::Witness,
};
pub use error::EngineError;
use shell::Shell;

/// Between two looks at the other parts' health.
const TICK: Duration = Duration::from_secs(1);

/// A signal to the process, for the engine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signal {
    /// Read the registry again.
    Reload {
        /// Whether the agents of the configuration, which were read before, are in force.
        agents_taken: bool,
    },
    /// End.
    Stop,
}

/// The task that owns all calls.
#[derive(Debug)]
pub struct Engine {
    engine: ife_engine::Engine,
    registry: PathBuf,
    evidence: Arc<OnceLock<EvidenceDesk>>,
    speech: Arc<OnceLock<Speech>>,
    inbox: Inbox,
}

#[derive(Debug)]
struct Inbox {
    commands: mpsc::Receiver<Command>,
    link: FromLinks,
    stored: mpsc::UnboundedReceiver<(u64, bool)>,
    signals: mpsc::Receiver<Signal>,
    tick: tokio::time::Interval,
}

impl Engine {
    /// Opens the store, the ring and the registry, and takes up the calls of an earlier process.
    /// Needs a tokio runtime.
    pub fn new(
        config: &Config,
        metrics: Arc<Metrics>,
        signals: mpsc::Receiver<Signal>,
    ) -> Result<(Engine, EngineHandle), EngineError> {
        let gate = gate::load(config)?;
        let settings = settings::settings(config)?;
        let (ami, gateway, link) = Ami::new(&config.ami)?;
        let (tell_stored, stored) = mpsc::unbounded_channel();
        let (store, ledger, live) = Store::open(&config.store_dir, tell_stored)?;
        let witness = Witness::attach(config, Author::Bridge)?;
        let (handle, commands, events) = EngineHandle::new();
        let evidence = Arc::new(OnceLock::new());
        let speech = Arc::new(OnceLock::new());
        let pages = (evidence.clone(), speech.clone());
        let notifier = Notifier::start(notify::Settings::load(config)?, handle.clone());
        let shell = Shell::new(ami, store, witness, metrics, pages, notifier, events);
        let parts = Parts {
            settings,
            gate,
            gateway,
            ledger,
            live,
            shell: Box::new(shell),
        };
        let engine = Engine {
            engine: ife_engine::Engine::new(parts, now()),
            registry: config.registry.clone(),
            evidence,
            speech,
            inbox: Inbox {
                commands,
                link,
                stored,
                signals,
                tick: tokio::time::interval(TICK),
            },
        };
        Ok((engine, handle))
    }

    /// Gives the experts of calls links to their evidence. Calls that were taken over keep theirs.
    #[must_use]
    pub fn with_evidence(self, desk: EvidenceDesk) -> Engine {
        desk.keep(self.engine.live_calls());
        // The first desk stays; there is one.
        let _ = self.evidence.set(desk);
        self
    }

    /// Lets experts who answer be spoken to.
    #[must_use]
    pub fn with_speech(self, speech: Speech) -> Engine {
        // The first one stays; there is one.
        let _ = self.speech.set(speech);
        self
    }

    /// Runs until it is ordered to stop. `alive` is called about every second by the loop itself.
    pub async fn run(mut self, alive: impl Fn()) {
        loop {
            let action = self.select().await;
            let stops = match action {
                Action::Stop => true,
                Action::Tick => {
                    alive();
                    false
                }
                Action::Command(_)
                | Action::Link(..)
                | Action::Stored(..)
                | Action::Reload { .. }
                | Action::Time => false,
            };
            self.engine.apply(action, now());
            if stops {
                return;
            }
        }
    }

    async fn select(&mut self) -> Action {
        let due = self.engine.next_due();
        let inbox = &mut self.inbox;
        let time = async {
            match due {
                Some(due) => sleep_until(due.into()).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            Some(command) = inbox.commands.recv() => Action::Command(command),
            Some((number, said)) = inbox.link.recv() => Action::Link(number, said),
            Some((token, done)) = inbox.stored.recv() => Action::Stored(token, done),
            Some(signal) = inbox.signals.recv() => match signal {
                Signal::Reload { agents_taken } => Action::Reload {
                    agents_taken,
                    registry: gate::read_registry(&self.registry),
                },
                Signal::Stop => Action::Stop,
            },
            () = time => Action::Time,
            _ = inbox.tick.tick() => Action::Tick,
        }
    }
}

fn now() -> Now {
    Now {
        at: Instant::now(),
        unix_ms: clock::unix_ms(),
    }
}
