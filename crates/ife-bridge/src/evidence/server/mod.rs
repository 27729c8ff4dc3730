//! The one task that owns every session and the UDP port. It waits for an action, applies it, and
//! waits again; so nothing is locked.

use std::{
    collections::{BTreeSet, HashMap},
    fs,
    net::SocketAddr,
    os::unix::fs::DirBuilderExt,
    sync::Arc,
    time::Instant,
};

use ife_evidence::Datagram;
use ife_witness::entry::Author;
use tokio::{
    sync::{broadcast, broadcast::error::RecvError, mpsc, watch},
    time::sleep_until,
};
use tracing::{debug, info, warn};

use super::{
    EvidenceDesk, EvidenceError, EvidenceHandle, Settings,
    case::{Case, Connection},
    desk::Order,
    drive::{Done, World},
    grant::Grant,
    port::{Arrived, Port},
};
use crate::{
    config::Config,
    handle::{Command, EngineHandle},
    plain_file::FileError,
    view::{CallState, CallView, Event},
    witness::Witness,
};

mod orders;
mod sessions;

use sessions::Viewers;

type Name = Arc<str>;

/// Lots of datagrams that are taken in before anything else is looked at.
const LOTS_MAX: usize = 32;
/// Addresses that are remembered; strangers cannot get in here.
const ADDRESSES_MAX: usize = 4_096;

/// Everything that the server can be woken by.
#[derive(Debug)]
enum Action {
    Order(Order),
    Event(Box<Event>),
    /// Events were missed: every call is asked about.
    Missed,
    Done(Done),
    Datagrams,
    Time,
    Stop,
}

/// Owner of all sessions.
pub struct Server {
    world: World,
    cases: HashMap<Name, Case>,
    /// The sessions of each call.
    by_call: HashMap<String, Viewers>,
    /// Whose datagrams come from there; a hint, which the session confirms.
    by_address: HashMap<SocketAddr, Name>,
    due: BTreeSet<(Instant, Name)>,
    orders: mpsc::Receiver<Order>,
    events: broadcast::Receiver<Event>,
    done: mpsc::UnboundedReceiver<Done>,
    stop: watch::Receiver<bool>,
}

impl Server {
    /// Opens port and ring, and takes up the sessions of an earlier process. Call it within a tokio
    /// runtime.
    pub fn new(
        config: &Config,
        settings: Settings,
        engine: EngineHandle,
        stop: watch::Receiver<bool>,
    ) -> Result<(Server, EvidenceHandle, EvidenceDesk), EvidenceError> {
        let settings = Arc::new(settings);
        let port = Port::bind(settings.udp).map_err(|source| EvidenceError::Udp {
            address: settings.udp,
            source,
        })?;
        let mut made = fs::DirBuilder::new();
        made.recursive(true)
            .mode(0o700)
            .create(&settings.dir)
            .map_err(FileError::at(&settings.dir))?;
        let made = settings.limits.make_dirs();
        made.map_err(FileError::at(&settings.dir))?;
        let grants = Grant::load_all(&settings.dir).map_err(FileError::at(&settings.dir))?;
        let witness = Witness::attach(config, Author::Evidence)?;
        let (handle, desk, orders) = EvidenceHandle::new(settings.clone(), engine.clone());
        let (tell, done) = mpsc::unbounded_channel();
        let mut server = Server {
            events: engine.subscribe(),
            world: World {
                settings,
                port,
                witness,
                engine,
                done: tell,
            },
            cases: HashMap::new(),
            by_call: HashMap::new(),
            by_address: HashMap::new(),
            due: BTreeSet::new(),
            orders,
            done,
            stop,
        };
        for grant in grants {
            match grant.ended_unix_s {
                Some(ended_unix_s) => server.open_ended(grant, ended_unix_s),
                None => server.open(grant),
            }
        }
        Ok((server, handle, desk))
    }

    /// Runs until the bridge stops.
    pub async fn run(mut self) {
        let settings = &self.world.settings;
        info!(udp = %settings.udp, addresses = ?settings.addresses, "evidence is served");
        if settings.is_for_this_machine() {
            warn!(
                "evidence.udp is on the loopback: only browsers on this machine reach it, and \
                Firefox not at all; \
                 set evidence.udp or evidence.public_addresses to an address that experts reach"
            );
        }
        loop {
            match self.select().await {
                Action::Stop => break,
                Action::Order(order) => self.on_order(order),
                Action::Event(event) => self.on_event(&event),
                Action::Missed => self.ask_all(),
                Action::Done(done) => self.on_done(done),
                Action::Datagrams => self.on_datagrams(),
                Action::Time => self.on_time(),
            }
            self.world.port.flush();
        }
    }

    async fn select(&mut self) -> Action {
        let next = self.due.first().map(|(at, _)| *at);
        let time = async {
            match next {
                Some(at) => sleep_until(at.into()).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            _ = self.stop.wait_for(|stop| *stop) => Action::Stop,
            Some(order) = self.orders.recv() => Action::Order(order),
            event = self.events.recv() => match event {
                Ok(event) => Action::Event(Box::new(event)),
                Err(RecvError::Lagged(_)) => Action::Missed,
                // The engine is gone, and the bridge ends.
                Err(RecvError::Closed) => Action::Stop,
            },
            Some(done) = self.done.recv() => Action::Done(done),
            () = time => Action::Time,
            _ = self.world.port.ready() => Action::Datagrams,
        }
    }

    /// Works on one session, and notes when it must be looked at again.
    fn with<T>(&mut self, name: &Name, work: impl FnOnce(&mut Case, &mut World) -> T) -> Option<T> {
        let case = self.cases.get_mut(name)?;
        let result = work(case, &mut self.world);
        let due = case.next_due();
        if due != case.due {
            if let Some(old) = case.due {
                self.due.remove(&(old, name.clone()));
            }
            if let Some(new) = due {
                self.due.insert((new, name.clone()));
            }
            case.due = due;
        }
        Some(result)
    }

    fn on_datagrams(&mut self) {
        for _ in 0..LOTS_MAX {
            let arrived = self.world.port.receive();
            if arrived.is_empty() {
                return;
            }
            let now = Instant::now();
            for datagram in arrived {
                self.on_datagram(&datagram, now);
            }
        }
    }

    fn on_datagram(&mut self, datagram: &Arrived, now: Instant) {
        let Arrived { source, to, bytes } = datagram;
        let datagram = Datagram {
            source: *source,
            destination: self.world.settings.address_for(source.ip(), *to),
            bytes: bytes.as_slice(),
        };
        let is_for = |case: &Case| {
            let connection = case.connection.as_ref();
            connection.is_some_and(|connection| connection.session.accepts(datagram, now))
        };
        let known = self.by_address.get(source).cloned();
        let known = known.filter(|name| self.cases.get(name).is_some_and(is_for));
        // Only STUN introduces an address (RFC 7983: its first byte is 0 to 3).
        let is_stun = bytes.first().is_some_and(|first| *first < 4);
        let name = known.or_else(|| {
            let mut all = self.cases.iter().filter(|_| is_stun);
            let (name, _) = all.find(|(_, case)| is_for(case))?;
            Some(name.clone())
        });
        let Some(name) = name else {
            return;
        };
        if self.by_address.len() >= ADDRESSES_MAX {
            self.by_address.clear();
        }
        self.by_address
            .entry(*source)
            .or_insert_with(|| name.clone());
        self.with(&name, |case, world| {
            if let Some(connection) = &mut case.connection {
                connection.via = *to;
                if let Err(error) = connection.session.handle_datagram(datagram, now) {
                    debug!("a datagram is refused: {error}");
                }
            }
            case.drive(world, now);
        });
    }

    fn on_time(&mut self) {
        let now = Instant::now();
        while let Some((at, name)) = self.due.first().cloned() {
            if at > now {
                return;
            }
            let is_forgotten = self.with(&name, |case, world| {
                let gives_up = |c: &Connection| c.give_up.is_some_and(|at| at <= now);
                if case.connection.as_ref().is_some_and(gives_up) {
                    case.hang_up(world, now);
                } else if let Some(connection) = &mut case.connection
                    && connection.wake <= now
                {
                    // A connection that refuses time fails when it is driven.
                    let _ = connection.session.handle_timeout(now);
                    case.drive(world, now);
                }
                case.connection.is_none() && case.forget_at.is_some_and(|at| at <= now)
            });
            if is_forgotten.unwrap_or(true) {
                self.forget(&name);
            }
        }
    }

    fn on_event(&mut self, event: &Event) {
        if let Event::Call(view) = event {
            self.on_call(view);
        }
    }

    fn on_call(&mut self, view: &CallView) {
        let state = state_text(view.sip_call_state);
        let is_over = view.sip_call_state.is_over();
        for name in self.sessions_of(&view.call_id) {
            self.with(&name, |case, world| {
                if case.over {
                    return;
                }
                let now = Instant::now();
                case.set_state(&state);
                if is_over {
                    sessions::end(case, world, now);
                }
                case.drive(world, now);
            });
        }
    }

    /// Asks the engine how every call is.
    fn ask_all(&self) {
        warn!("the evidence server was too slow to follow the calls: it asks for all of them");
        let engine = self.world.engine.clone();
        tokio::spawn(async move {
            if let Ok(calls) = engine.ask(Command::Calls).await {
                for view in calls {
                    engine.publish(Event::Call(Box::new(view)));
                }
            }
        });
    }

    fn on_done(&mut self, done: Done) {
        match done {
            Done::Prepared { call_id, files } => self.prepared(&call_id, files),
            Done::Block {
                session,
                peer,
                name,
                result,
            } => {
                self.with(&session, |case, world| {
                    case.on_block(peer, name, result);
                    case.drive(world, Instant::now());
                });
            }
            Done::LogSize { session, size } => {
                self.with(&session, |case, _| {
                    if case.manifested.is_none() {
                        case.log_size = size;
                    }
                });
            }
        }
    }
}

fn state_text(state: CallState) -> String {
    serde_json::to_value(state)
        .ok()
        .and_then(|value| value.as_str().map(str::to_owned))
        .unwrap_or_default()
}

impl std::fmt::Debug for Server {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Server")
            .field("sessions", &self.cases.len())
            .finish_non_exhaustive()
    }
}
