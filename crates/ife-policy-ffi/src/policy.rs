//! The policy behind a handle: shared state, registry, and this process's end of the witness log.

mod omitted;
mod recovery;

use std::fs::{self, DirBuilder, File};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use ife_guard::{KeyCache, Now};
use ife_witness::entry::{Event, Omitted};
use ife_witness::ring::{Producer, RingConfig, RingError};

use crate::abi;
use crate::options::Options;
use crate::ownership;
use crate::plumbing::failure::Failure;
use crate::plumbing::log::{Level, Log};
use crate::registry::{self, View};
use crate::shared::Shared;
use crate::shared::counters::Counter;
use crate::shared::layout::Layout;
use crate::shared::legacy::Legacy;
use crate::shared::{Birth, Opened};
use crate::source::Answers;
use crate::sys::{self, ForkMark};
use crate::waiting::Rings;
use crate::witness::Witness;

/// Pause before a registry image that could not be mapped is tried again.
const REMAP_PAUSE_MS: u64 = 1000;

/// How long opening waits for another process to load the registry.
const OPEN_WAIT: Duration = Duration::from_secs(5);

/// An open policy, made before the fork. Each process has a copy of it and shares the mapped files.
pub(crate) struct Policy {
    pub(crate) options: Options,
    pub(crate) log: Log,
    pub(crate) shared: Shared,
    pub(crate) registry: View,
    pub(crate) legacy: Option<Legacy>,
    pub(crate) worker: Option<Worker>,
    pub(crate) answers: Answers,
    pub(crate) rings: Rings,
    /// Prevents the state from being replaced; forks inherit it.
    _lock: File,
    remap_after_ms: u64,
    panic_logged: bool,
}

/// The parts that belong to one process.
pub(crate) struct Worker {
    pub(crate) slot: usize,
    pub(crate) keys: KeyCache,
    pub(crate) witness: Witness,
    mark: ForkMark,
}

/// Returns the name of a process's ring.
pub(crate) fn ring_name(options: &Options, process_no: usize) -> String {
    format!("{}-{process_no}", options.producer)
}

impl Policy {
    /// Loads the registry and makes or opens the shared state.
    pub(crate) fn open(options: Options, log: Log) -> Result<Self, Failure> {
        let (now, _) = sys::now();
        // Before the fork, so that all workers share its pages.
        ife_message::key::prepare();
        prepare_dir(&options.state_dir, options.owner)?;
        let layout = Layout::new(options.replay_slots, options.max_processes);
        let now_s = now.mono_ms / 1000;
        let opened = Shared::open(&options.state_dir, layout, now.unix_s(), now_s, |shared| {
            recovery::settle(shared, &options, now_s)
        })?;
        let Opened {
            shared,
            birth,
            lock,
        } = opened;
        report_birth(&log, birth, &options.state_dir);
        let registry = registry::load(
            &options.state_dir,
            &options.registry_path,
            &shared,
            None,
            &options.own,
            now.unix_s(),
            OPEN_WAIT,
        )?;
        let legacy = open_legacy(&registry, None)?;
        if let Some(owner) = options.owner {
            let legacy = legacy.as_ref().map(Legacy::path);
            ownership::give(&options.state_dir, &options.producer, legacy, owner)?;
        }
        Ok(Self {
            options,
            log,
            shared,
            registry,
            legacy,
            worker: None,
            answers: Answers::default(),
            rings: Rings::default(),
            _lock: lock,
            remap_after_ms: 0,
            panic_logged: false,
        })
    }

    /// Makes this process a worker: takes its ring and its slot.
    pub(crate) fn attach(&mut self, process_no: u32) -> Result<(), Failure> {
        if self
            .worker
            .as_ref()
            .is_some_and(|worker| worker.mark.is_ours())
        {
            return Err(Failure::new(
                abi::IFE_ALREADY_ATTACHED,
                "this process is attached",
            ));
        }
        let slot = process_no as usize; // u32 fits on every supported target
        if slot >= self.options.max_processes {
            let text = format!(
                "process_no {process_no}: options.max_processes is {}",
                self.options.max_processes
            );
            return Err(Failure::invalid(text));
        }
        // A fork drops its copy of the parent's ring, which does not close the ring.
        self.worker = None;
        let name = ring_name(&self.options, slot);
        let config = RingConfig {
            state_dir: &self.options.state_dir,
            producer: &name,
            capacity: 0,
        };
        let producer = Producer::attach(&config).map_err(|e| ring_failure(&e))?;
        let mark =
            ForkMark::new().map_err(|e| Failure::state_dir("cannot guard against forks", &e))?;
        let witness = Witness::new(producer, &self.options.node, name, self.options.shadow);
        self.worker = Some(Worker {
            slot,
            keys: KeyCache::new(),
            witness,
            mark,
        });
        self.shared.counters().set_key_tables(slot, 0);
        self.shared.populate();
        self.shared
            .counters()
            .set_mapped(slot, sys::process_id(), self.registry.generation());
        let (now, unix_ns) = sys::now();
        self.follow_registry(now);
        let version = concat!("libife_policy ", env!("CARGO_PKG_VERSION"));
        self.witness_own(Event::Start, version, None, unix_ns);
        Ok(())
    }

    pub(crate) fn close(mut self) {
        let (now, unix_ns) = sys::now();
        if self.is_attached() {
            self.write_summary(now, unix_ns, true);
            self.witness_own(Event::Stop, "", None, unix_ns);
            if let Some(worker) = &self.worker {
                self.shared.counters().set_mapped(worker.slot, 0, 0);
                self.shared.counters().set_key_tables(worker.slot, 0);
            }
        }
    }

    /// Returns true in the process that attached, false in its forks.
    pub(crate) fn is_attached(&self) -> bool {
        self.worker
            .as_ref()
            .is_some_and(|worker| worker.mark.is_ours())
    }

    /// Fails in a process that has not attached.
    pub(crate) fn check_attached(&self) -> Result<(), Failure> {
        if self.is_attached() {
            Ok(())
        } else {
            Err(Failure::new(
                abi::IFE_NOT_ATTACHED,
                "this process has not called ife_policy_attach, or is a fork of one that has",
            ))
        }
    }

    /// Returns this process's slot of counters; the first one before it attaches.
    pub(crate) fn slot(&self) -> usize {
        self.worker.as_ref().map_or(0, |worker| worker.slot)
    }

    pub(crate) fn count(&self, counter: Counter) {
        self.shared.counters().add(self.slot(), counter);
    }

    /// Maps the registry in force if another is mapped. On failure the old one stays in use.
    pub(crate) fn follow_registry(&mut self, now: Now) {
        if self.registry.generation() == self.shared.generation()
            || now.mono_ms < self.remap_after_ms
        {
            return;
        }
        match self.registry.newer(&self.options.state_dir, &self.shared) {
            None => {}
            Some(Ok(view)) => {
                if let Err(failure) = self.adopt(view) {
                    self.log.line(
                        Level::Warning,
                        &format!("legacy signatures are refused: {}", failure.text),
                    );
                }
                registry::remove_unused(&self.options.state_dir, &self.shared);
            }
            Some(Err(e)) => {
                self.remap_after_ms = now.mono_ms + REMAP_PAUSE_MS;
                let text = format!(
                    "registry image {} cannot be mapped, the old one stays in use: {e}",
                    self.shared.generation()
                );
                self.log.line(Level::Warning, &text);
            }
        }
    }

    /// Loads the registry file and puts it in force. Returns its generation.
    pub(crate) fn reload(&mut self) -> Result<u64, Failure> {
        let (now, unix_ns) = sys::now();
        let loaded = registry::load(
            &self.options.state_dir,
            &self.options.registry_path,
            &self.shared,
            Some(&self.registry),
            &self.options.own,
            now.unix_s(),
            Duration::ZERO,
        );
        let view = match loaded {
            Ok(view) => view,
            Err(failure) => {
                self.count(Counter::ReloadFailures);
                return Err(failure);
            }
        };
        let generation = view.generation();
        if let Err(failure) = self.adopt(view) {
            self.log.line(
                Level::Warning,
                &format!("legacy signatures are refused: {}", failure.text),
            );
        }
        registry::remove_unused(&self.options.state_dir, &self.shared);
        self.count(Counter::Reloads);
        if self.is_attached() {
            self.witness_own(
                Event::Reload,
                &format!("registry generation {generation}"),
                None,
                unix_ns,
            );
        }
        Ok(generation)
    }

    /// Notes a contained panic: logged once per process, counted every time.
    pub(crate) fn note_panic(&mut self, text: &str) {
        self.count(Counter::Errors);
        if !std::mem::replace(&mut self.panic_logged, true) {
            let line = format!("internal error, contained; what it concerned is refused: {text}");
            self.log.line(Level::Error, &line);
        }
    }

    fn adopt(&mut self, view: View) -> Result<(), Failure> {
        self.registry = view;
        if let Some(worker) = &mut self.worker
            && worker.mark.is_ours()
        {
            // Another registry may not have the keys.
            worker.keys.forget();
            self.shared.counters().set_key_tables(worker.slot, 0);
            self.shared.counters().set_mapped(
                worker.slot,
                sys::process_id(),
                self.registry.generation(),
            );
        }
        self.legacy = open_legacy(&self.registry, self.legacy.take())?;
        Ok(())
    }

    /// Does periodic housekeeping; called about every five seconds.
    pub(crate) fn tend(&mut self) -> Result<(), Failure> {
        self.check_attached()?;
        let (now, unix_ns) = sys::now();
        self.summarise_refusals(now, unix_ns);
        Ok(())
    }

    /// Enters an event of this process rather than of a call. A full ring drops the entry, and the
    /// log shows the hole. Returns true if it was queued.
    pub(crate) fn witness_own(
        &mut self,
        event: Event,
        detail: &str,
        omitted: Option<Omitted>,
        unix_ns: u64,
    ) -> bool {
        let Some(worker) = &mut self.worker else {
            return false;
        };
        let prepared = worker.witness.prepare_own(event, detail, omitted, unix_ns);
        let is_queued = prepared.is_ok_and(|prepared| worker.witness.push(prepared).is_ok());
        if !is_queued {
            worker.witness.skip();
        }
        self.count(if is_queued {
            Counter::WitnessQueued
        } else {
            Counter::WitnessDropped
        });
        is_queued
    }
}

/// Returns the store of legacy signatures that the registry names; keeps `open` if unchanged.
fn open_legacy(view: &View, open: Option<Legacy>) -> Result<Option<Legacy>, Failure> {
    let image = view.image()?;
    let Some(path) = image.legacy_store().map(PathBuf::from) else {
        return Ok(None);
    };
    if let Some(open) = open.filter(|open| open.path() == path) {
        return Ok(Some(open));
    }
    let failure = |e| {
        Failure::state_dir(
            format_args!(
                "cannot open the store of legacy signatures {}",
                path.display()
            ),
            &e,
        )
    };
    Legacy::open(&path).map(Some).map_err(failure)
}

fn prepare_dir(dir: &Path, owner: Option<(u32, u32)>) -> Result<(), Failure> {
    let failure = |e| {
        Failure::state_dir(
            format_args!("cannot use the state directory {}", dir.display()),
            &e,
        )
    };
    // The group may enter because the witness daemon shares the rings. The sticky bit keeps it from
    // replacing the gate's files.
    match DirBuilder::new().mode(0o1770).create(dir) {
        Err(e) if e.kind() == io::ErrorKind::AlreadyExists => {}
        outcome => {
            outcome.map_err(failure)?;
            if let Some(owner) = owner {
                ownership::give_directory(dir, owner).map_err(failure)?;
            }
        }
    }
    if !fs::metadata(dir).map_err(failure)?.is_dir() {
        return Err(Failure::new(
            abi::IFE_STATE_DIR,
            format!("{} is not a directory", dir.display()),
        ));
    }
    let opened = File::open(dir).map_err(failure)?;
    let mode = opened.metadata().map_err(failure)?.mode();
    if mode & 0o002 != 0 {
        let text = format!(
            "every user may write to {} (mode {:04o}) and could replace the gate's files: \
             chmod 3770 it and give it the group that shares it",
            dir.display(),
            mode & 0o7777
        );
        return Err(Failure::new(abi::IFE_STATE_DIR, text));
    }
    if sys::is_memory_file_system(&opened).map_err(failure)? {
        return Ok(());
    }
    let text = format!(
        "{} is not on tmpfs: a store to a disk-backed page can stall a call for \
         hundreds of milliseconds. Choose a state directory under /run, or mount a tmpfs there",
        dir.display()
    );
    Err(Failure::new(abi::IFE_STATE_DIR, text))
}

fn report_birth(log: &Log, birth: Birth, dir: &Path) {
    let text = match birth {
        Birth::Kept => return,
        Birth::First => "made a new replay table: signatures older than this instant are refused",
        Birth::Replaced => {
            "the shared state was of another version, size or boot, or damaged, and begins anew: \
             signatures older than this instant are refused, calls under way are forgotten"
        }
    };
    let level = if birth == Birth::Replaced {
        Level::Warning
    } else {
        Level::Info
    };
    log.line(level, &format!("{}: {text}", dir.display()));
}

fn ring_failure(error: &RingError) -> Failure {
    let mut text = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        text.push_str(&format!(": {cause}"));
        source = cause.source();
    }
    Failure::new(abi::IFE_WITNESS_UNAVAILABLE, text)
}
