//! The one task that owns all calls. It waits for an [`Action`], applies it, and waits again; nothing else changes a call, so nothing is locked.
//!
//! ```text
//! API, intake --Command--+
//! AMI link ----FromLink--+--> select() -> Action -> apply() --+--> AMI actions
//! store --------Stored---+                                    +--> store, witness ring
//! timers, clock ---------+                                    +--> events, replies, metrics
//! ```

mod admission;
mod answers;
mod elsewhere;
mod evidence;
mod guardians;
mod health;
mod intake;
mod legs;
mod limits;
mod observe;
mod orders;
mod probe;
mod requests;
mod rooms;
mod slot;
mod takeover;
mod timers;
mod transitions;
mod uncalled;

use std::{
    collections::{BTreeMap, HashMap, HashSet, VecDeque},
    sync::Arc,
    time::{Duration, Instant},
};

use ife_ami::{ActionId, Model, value::Uniqueid};
use ife_call::Input;
use ife_witness::{
    entry::{Author, Event as Entry},
    ring::RingError,
};
use ife_words::hex;
use thiserror::Error;
use tokio::{
    sync::{broadcast, mpsc},
    time::sleep_until,
};
use tracing::{error, info, warn};

use crate::{
    ami::{Ami, AmiError, FromLink},
    clock,
    config::{Config, Guardian},
    council::Council,
    evidence::EvidenceDesk,
    gate::{Gate, GateError},
    handle::{Command, EngineHandle, Reply, respond},
    metrics::Metrics,
    refusal::{ErrorName, Refusal},
    store::{CallRecord, Ledger, Line, Store, StoreError},
    view::{CallView, Event, Health, LogHealth},
    witness::{Fact, Witness},
};
use answers::Asked;
use guardians::Room;
use intake::{Accepted, Caller};
use legs::{Legs, Names};
use limits::Limits;
use probe::Probe;
use requests::Waiter;
use slot::Slot;
use timers::{Due, Timers};

/// A call's name, `sip-call-` and 16 hex digits.
type CallId = Arc<str>;

/// Between two looks at the other parts' health.
const TICK: Duration = Duration::from_secs(1);

/// What keeps the engine from starting.
#[derive(Debug, Error)]
pub enum EngineError {
    /// AMI cannot be spoken to as configured.
    #[error(transparent)]
    Ami(#[from] AmiError),
    /// The registry or a key.
    #[error(transparent)]
    Gate(#[from] GateError),
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The witness ring.
    #[error(transparent)]
    Witness(#[from] RingError),
    /// A name in the configuration cannot be dialled.
    #[error("council: {0}")]
    Council(#[from] ife_ami::value::ValueError),
}

/// What a process outside of the API may tell the engine.
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

/// Everything that the engine can be woken by.
#[derive(Debug)]
enum Action {
    Command(Command),
    Link(u64, FromLink),
    Stored(u64, bool),
    Signal(Signal),
    Time,
    Tick,
}

/// What waits for the store.
#[derive(Debug)]
enum Awaiting {
    Begin(Box<Accepted>),
    Reply(Reply<CallView>, Box<Result<CallView, Refusal>>),
}

impl Awaiting {
    fn record(&self) -> Option<&CallRecord> {
        match self {
            Awaiting::Begin(accepted) => Some(accepted.record()),
            Awaiting::Reply(..) => None,
        }
    }

    fn begins(&self, call_id: &str) -> bool {
        self.record()
            .is_some_and(|record| record.call_id == call_id)
    }
}

/// Owner of all calls.
#[derive(Debug)]
pub struct Engine {
    // Settings.
    limits: Limits,
    names: Names,
    council: Council,
    default_room: String,
    guardians: Vec<Guardian>,
    bandwidth_bps_max: u64,
    // Other parts.
    gate: Gate,
    ami: Ami,
    model: Model,
    witness: Witness,
    store: Store,
    ledger: Ledger,
    metrics: Arc<Metrics>,
    evidence: Option<EvidenceDesk>,
    // Calls and rooms.
    calls: HashMap<CallId, Slot>,
    legs: Legs,
    rooms: BTreeMap<String, Room>,
    /// Bandwidth of guardians who were admitted, bit/s, by room and name.
    admitted: BTreeMap<String, BTreeMap<String, u64>>,
    muted: HashSet<Uniqueid>,
    probe: Probe,
    /// Asterisk was in sight when it was last heard of.
    in_sight: bool,
    /// The changes at hand are those of a comparison.
    comparing: bool,
    /// Asterisk has started anew since the last comparison.
    restarted: bool,
    // What is under way.
    timers: Timers,
    asked: HashMap<ActionId, Asked>,
    awaiting: HashMap<u64, Awaiting>,
    tokens: u64,
    callers: HashMap<CallId, Vec<Caller>>,
    waiters: HashMap<CallId, Vec<Waiter>>,
    /// Calls that are over and still in `calls`, in the order of their ends.
    lingering: VecDeque<CallId>,
    /// Channels that were asked what they are about.
    incoming_asked: HashSet<Uniqueid>,
    draining: Option<Vec<Reply<()>>>,
    health: Health,
    /// As the reader of the log has told it.
    log: LogHealth,
    /// The intake is connected, or there is none.
    intake_up: Option<bool>,
    // Mouths and ears.
    events: broadcast::Sender<Event>,
    inbox: Inbox,
}

#[derive(Debug)]
struct Inbox {
    commands: mpsc::Receiver<Command>,
    link: mpsc::Receiver<(u64, FromLink)>,
    stored: mpsc::UnboundedReceiver<(u64, bool)>,
    signals: mpsc::Receiver<Signal>,
    tick: tokio::time::Interval,
}

impl Engine {
    /// Opens the store, the ring and the registry, and takes up the calls of an earlier process. Call it within a tokio runtime.
    pub fn new(
        config: &Config,
        metrics: Arc<Metrics>,
        signals: mpsc::Receiver<Signal>,
    ) -> Result<(Engine, EngineHandle), EngineError> {
        let gate = Gate::load(
            &config.registry,
            &config.council.aor,
            &config.council.signing_key,
        )?;
        let (ami, link) = Ami::new(&config.ami, Instant::now())?;
        let (tell_stored, stored) = mpsc::unbounded_channel();
        let (store, ledger, live) = Store::open(&config.store_dir, tell_stored)?;
        let witness = Witness::attach(config, Author::Bridge)?;
        let (handle, commands, events) = EngineHandle::new();
        let mut engine = Engine {
            limits: Limits::new(config),
            names: Names::new(&config.node),
            council: Council::new(&config.council, config.calls.join_s)?,
            default_room: config.council.default_room.clone(),
            guardians: config.council.guardians.clone(),
            bandwidth_bps_max: config.council.bandwidth_bps_max,
            gate,
            ami,
            model: Model::new(),
            witness,
            store,
            ledger,
            metrics,
            evidence: None,
            calls: HashMap::new(),
            legs: Legs::default(),
            rooms: BTreeMap::new(),
            admitted: BTreeMap::new(),
            muted: HashSet::new(),
            probe: Probe::new(&config.ami.sip_aor)?,
            in_sight: true,
            comparing: false,
            restarted: false,
            timers: Timers::default(),
            asked: HashMap::new(),
            awaiting: HashMap::new(),
            tokens: 0,
            callers: HashMap::new(),
            waiters: HashMap::new(),
            lingering: VecDeque::new(),
            incoming_asked: HashSet::new(),
            draining: None,
            health: Health {
                ami: false,
                kamailio: None,
                stuck_channels: 0,
                witness: false,
                nats: config.nats.as_ref().map(|_| false),
                log: LogHealth::Off,
                active_calls: 0,
                draining: false,
            },
            log: LogHealth::Off,
            intake_up: config.nats.as_ref().map(|_| false),
            events,
            inbox: Inbox {
                commands,
                link,
                stored,
                signals,
                tick: tokio::time::interval(TICK),
            },
        };
        engine.note(Entry::Start, "the bridge has started");
        engine.reopen_rooms();
        engine.adopt_stored(live);
        engine.look_at_health();
        Ok((engine, handle))
    }

    /// Runs until it is told to stop. `alive` is called about every second by the loop itself.
    pub async fn run(mut self, alive: impl Fn()) {
        self.on_ami();
        loop {
            let action = self.select().await;
            match action {
                Action::Signal(Signal::Stop) => break,
                Action::Tick => alive(),
                Action::Command(_)
                | Action::Link(..)
                | Action::Stored(..)
                | Action::Signal(Signal::Reload { .. })
                | Action::Time => {}
            }
            self.apply(action);
        }
        self.note(Entry::Stop, "the bridge has stopped");
    }

    async fn select(&mut self) -> Action {
        let due = [self.ami.next_due(), self.timers.next_due()]
            .into_iter()
            .flatten()
            .min();
        let inbox = &mut self.inbox;
        let time = async {
            match due {
                Some(due) => sleep_until(due.into()).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            Some(command) = inbox.commands.recv() => Action::Command(command),
            Some((generation, said)) = inbox.link.recv() => Action::Link(generation, said),
            Some((token, done)) = inbox.stored.recv() => Action::Stored(token, done),
            Some(signal) = inbox.signals.recv() => Action::Signal(signal),
            () = time => Action::Time,
            _ = inbox.tick.tick() => Action::Tick,
        }
    }

    fn apply(&mut self, action: Action) {
        match action {
            Action::Command(command) => self.on_command(command),
            Action::Link(generation, said) => self.ami.on_link(generation, said),
            Action::Stored(token, done) => self.on_stored(token, done),
            Action::Signal(Signal::Reload { agents_taken }) => self.reload(agents_taken),
            // Handled by the loop, which ends.
            Action::Signal(Signal::Stop) => {}
            Action::Time => self.on_time(),
            Action::Tick => {
                self.ask_contact();
                self.look_at_health();
            }
        }
        self.on_ami();
        self.tidy_store();
    }

    fn on_command(&mut self, command: Command) {
        match command {
            Command::Escalate {
                escalation,
                wait,
                resume,
                reply,
            } => self.escalate(*escalation, wait, resume, reply),
            Command::Whereabouts(escalation, reply) => self.whereabouts(escalation, reply),
            Command::IntakeUp(up) => {
                self.intake_up = Some(up);
                self.look_at_health();
            }
            Command::Initiate(request, reply) => self.initiate(request, reply),
            Command::Terminate(call_id, reply) => self.terminate(&call_id, reply),
            Command::Bridge(request, reply) => self.bridge(request, reply),
            Command::Approve(request, reply) => respond(reply, self.approve(&request)),
            Command::Calls(reply) => respond(reply, Ok(self.list_calls())),
            Command::Call(call_id, reply) => respond(reply, self.show_call(&call_id)),
            Command::Owner(call_id, reply) => respond(reply, Ok(self.owner_of(&call_id))),
            Command::Room(command, reply) => self.on_room_command(command, reply),
            Command::Admit(request, reply) => {
                let now_s = clock::unix_ms() / 1_000;
                respond(reply, self.admit(&request, now_s));
            }
            Command::Health(reply) => {
                self.look_at_health();
                respond(reply, Ok(self.health.clone()));
            }
            Command::Evidence {
                call_id,
                state,
                detail,
                errors,
            } => self.on_evidence(&call_id, state, &detail, errors),
            Command::WitnessLog(log) => self.on_witness_log(log),
            Command::Drain(reply) => {
                self.draining.get_or_insert_default().push(reply);
                self.look_at_health();
            }
        }
    }

    fn on_stored(&mut self, token: u64, done: bool) {
        match self.awaiting.remove(&token) {
            Some(Awaiting::Begin(accepted)) => self.begin(*accepted, done),
            Some(Awaiting::Reply(reply, answer)) => {
                let unstored = || {
                    Err(Refusal::new(
                        ErrorName::Unavailable,
                        "the answer cannot be stored",
                    ))
                };
                respond(reply, if done { *answer } else { unstored() });
            }
            None => {}
        }
    }

    fn on_time(&mut self) {
        let now = Instant::now();
        if self.ami.next_due().is_some_and(|due| due <= now) {
            self.ami.on_time(now);
        }
        while let Some(due) = self.timers.pop_due(now) {
            match due {
                Due::Call(id, timer) => self.feed(&id, Input::Timeout(timer)),
                Due::LegEnd(id, leg) => self.end_held(&id, leg),
                Due::Forget(id) => self.forget(&id),
                Due::Moved(id) => self.move_failed(&id, "not joined in time"),
                Due::Guardian { room, name } => self.call_again(&room, &name),
            }
        }
    }

    fn reload(&mut self, agents_taken: bool) {
        self.note(
            Entry::Reload,
            if agents_taken {
                "agents reloaded"
            } else {
                "agents refused, the old ones stay in force"
            },
        );
        match self.gate.reload() {
            Ok(()) => {
                info!("registry reloaded");
                self.note(Entry::Reload, "registry reloaded");
            }
            Err(error) => {
                error!("the registry is not valid, the old one stays in force: {error}");
                self.note(
                    Entry::Reload,
                    "registry refused, the old one stays in force",
                );
            }
        }
    }

    fn is_draining(&self) -> bool {
        self.draining.is_some()
    }

    /// A record that nobody waits for. What it says can be found out again, from Asterisk.
    fn remember(&mut self, line: &Line) {
        if let Err(error) = self.store.append(line, None) {
            warn!("not stored: {error}");
        }
    }

    fn tidy_store(&mut self) {
        if self.store.wants_rewrite() {
            let live = self
                .calls
                .values()
                .filter(|slot| slot.is_live())
                .map(|slot| &slot.record);
            let coming = self.awaiting.values().filter_map(Awaiting::record);
            let mut lines = self.ledger.lines(live.chain(coming));
            let over = self.calls.values().filter(|slot| !slot.is_live());
            lines.extend(over.map(|slot| Line::Ended(Box::new(slot.detail(&self.council)))));
            if let Err(error) = self.store.rewrite(lines) {
                warn!("the store cannot be written anew: {error}");
            }
        }
    }

    fn note(&mut self, event: Entry, detail: &str) {
        // No call depends on it, and what is dropped is counted.
        let _ = self.witness.record(&Fact::new(event, detail), false);
    }
}

/// For an escalation that brings none: 128 random bits.
fn new_trace_id() -> String {
    let mut bytes = [0; 16];
    if getrandom::fill(&mut bytes).is_err() {
        // Without a source of randomness the time has to do; a trace id is no secret.
        bytes = u128::from(clock::unix_ns()).to_be_bytes();
    }
    hex::text(&bytes)
}
