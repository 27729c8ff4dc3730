//! `ife-witnessd`: options, keys, recovery, then a writing and a publishing thread.

mod error;
mod indexing;
mod keys;
mod options;
mod preparing;
mod publishing;
mod signals;
mod status;

use std::error::Error;
use std::io::IsTerminal;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use clap::Parser;
use sd_notify::NotifyState;
use tracing::{debug, error, info, warn};

use crate::entry::Event;
use crate::recovery::{Found, Recovered, Start, recover};
use crate::ring::RingSet;
use crate::store::{RealDisk, Store, StoreError};
use crate::writer::{Notice, Step, Writer, WriterConfig};
use indexing::Indexing;
use preparing::Preparing;
use publishing::Publishing;
use signals::Signals;
use status::Status;

pub use error::DaemonError;
use error::is_failed_system_call;
pub use keys::{KeysError, load as load_keys};
pub use options::Options;

/// Size from which a batch takes no more records.
const BATCH_BYTES: usize = 2 * 1024 * 1024;

/// Interval of ring maintenance, status file and watchdog notification.
const MAINTENANCE_INTERVAL: Duration = Duration::from_secs(1);

/// Polling time after work: from 50 entries a second on, producers make no system call to wake it.
const POLL_TIME: Duration = Duration::from_millis(20);
/// Size from which a batch is synced without waiting for more records.
const LARGE_BATCH_BYTES: usize = 64 << 10;
/// Poll interval.
const POLL_INTERVAL: Duration = Duration::from_millis(1);
/// Longest sleep: bounds the delay of a signal, and of a wake-up lost with a killed producer.
const SLEEP_MAX: Duration = Duration::from_millis(250);

/// Longest drain of the rings after SIGTERM.
const DRAIN_MAX: Duration = Duration::from_secs(5);

/// The program: parses the command line, runs until a signal, and logs the reason of its end.
#[must_use]
pub fn main() -> ExitCode {
    let options = Options::parse();
    let under_systemd = std::env::var_os("JOURNAL_STREAM").is_some();
    let lines = tracing_subscriber::fmt()
        .with_max_level(options.log_level)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .with_target(false);
    if under_systemd {
        lines.without_time().init()
    } else {
        lines.init()
    }
    match run(&options) {
        Ok(()) => ExitCode::SUCCESS,
        Err(e) => {
            if is_failed_system_call(&e) {
                error!("{}. The host failed, not the log", chain(&e));
            } else {
                error!("{}", chain(&e));
            }
            e.exit_code()
        }
    }
}

/// Runs until SIGTERM or SIGINT.
pub fn run(options: &Options) -> Result<(), DaemonError> {
    let signals = Signals::catch().map_err(DaemonError::Signals)?;
    let (recovered, store) = start(options)?;
    let found = recovered.found;
    let node = options.node.clone().unwrap_or_else(host_name);
    let free_bytes_min = options.min_free_mib.saturating_mul(1024 * 1024);
    let config = WriterConfig {
        node,
        batch_bytes: BATCH_BYTES,
        free_bytes_min,
    };
    let readable = store.clone();
    let Recovered {
        lock: _lock,
        rings,
        wal,
        producers,
        publisher,
        log_id,
        ..
    } = recovered;
    let writer = Writer::new(config, store, log_id, rings, wal, producers, unix_ms());
    let publishing = Publishing::spawn(publisher, Duration::from_millis(options.publish_ms))
        .map_err(DaemonError::Thread)?;
    let _indexing = Indexing::spawn(readable, publishing.shared(), free_bytes_min)
        .map_err(DaemonError::Thread)?;
    let status = Status::new(
        &options.state_dir,
        &options.origin,
        unix_ms(),
        writer.size(),
    );
    let mut daemon = Daemon {
        writer,
        publishing,
        preparing: Preparing::default(),
        status,
        started: false,
        begins_only: options.init_only,
        stalled: None,
        last_notice: String::new(),
    };
    let result = daemon.work(&signals, &found);
    // The publisher's own error is more specific than a closed channel.
    daemon.publishing.finish().and(result)
}

/// Makes all checks that can refuse, before the first entry is read.
fn start(options: &Options) -> Result<(Recovered, Store), DaemonError> {
    let rings = RingSet::open(&options.state_dir)?;
    let keys = keys::load(
        &options.key,
        &options.cosigner_key,
        &options.origin,
        &options.log_dir,
        options.init || options.init_only,
    )?;
    let vkeys = format!("{}\n{}\n", keys.log.verifier(), keys.cosigner.verifier());
    let store = Store::open(&options.log_dir, Arc::new(RealDisk))?;
    keys::mark_begun(&store, &options.key, &options.origin)?;
    let segment_bytes = options.segment_mib * 1024 * 1024;
    let recovered = recover(Start {
        store: store.clone(),
        keys,
        rings,
        segment_bytes,
    })
    .map_err(|refusal| DaemonError::Refused(Box::new(refusal)))?;
    status::write_keys(&options.vkey_out, vkeys.as_bytes())
        .map_err(StoreError::new("write", &options.vkey_out))?;
    let Found {
        published,
        signed,
        size,
        torn,
        doorbell_damaged,
    } = recovered.found;
    info!(
        published,
        signed,
        size,
        "log resumed at {}",
        options.log_dir.display()
    );
    if doorbell_damaged {
        warn!(
            "rings/doorbell: wrong checksum, so the size last acknowledged is unknown; \
             log resumed without that check"
        );
    }
    if torn {
        warn!("the last batch was incomplete and never acknowledged; overwrote it with zeros");
    }
    Ok((recovered, store))
}

struct Daemon {
    writer: Writer,
    publishing: Publishing,
    preparing: Preparing,
    status: Status,
    /// START is logged.
    started: bool,
    /// Ends after START: `--init-only`.
    begins_only: bool,
    /// Time of the last report of a full disk; `None` if there is space.
    stalled: Option<Instant>,
    last_notice: String,
}

impl Daemon {
    fn work(&mut self, signals: &Signals, found: &Found) -> Result<(), DaemonError> {
        // Before the publisher may end the loop: a start on a full disk always logs it.
        self.maintain(found)?;
        let mut maintained = Instant::now();
        let mut worked: Option<Instant> = None;
        while !(signals.stop() || self.begins_only && self.started) {
            if self.publishing.has_ended() {
                return Ok(());
            }
            if signals.take_hangup() {
                info!("SIGHUP: there is nothing to reload");
            }
            if maintained.elapsed() >= MAINTENANCE_INTERVAL {
                self.maintain(found)?;
                maintained = Instant::now();
            }
            match self.step()? {
                Progress::Much => worked = Some(Instant::now()),
                // Records of the next moment share one sync.
                Progress::Some => {
                    worked = Some(Instant::now());
                    self.writer.rings().doze(POLL_INTERVAL);
                }
                Progress::None if worked.is_some_and(|at| at.elapsed() < POLL_TIME) => {
                    self.writer.rings().doze(POLL_INTERVAL);
                }
                Progress::None => self.writer.rings().sleep(SLEEP_MAX),
                Progress::Stalled => std::thread::sleep(SLEEP_MAX),
            }
        }
        self.stop()
    }

    /// Runs once a second.
    fn maintain(&mut self, found: &Found) -> Result<(), DaemonError> {
        if let Some(free) = self.writer.lack_of_space()?.filter(|_| !self.started) {
            self.take(Step::Stalled { free })?;
        } else if !self.started {
            let boot =
                std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
            let detail = format!(
                "ife-witnessd {} boot {} size {} published {}",
                env!("CARGO_PKG_VERSION"),
                boot.trim_end(),
                found.size,
                found.published
            );
            let step = self.writer.log(Event::Start, &detail, unix_ns())?;
            self.take(step)?;
            self.started = true;
            notify(&[NotifyState::Ready]);
        }
        if self.started && self.stalled.is_none() {
            let step = self.writer.maintain(unix_ns())?;
            self.take(step)?;
        }
        notify(&[NotifyState::Watchdog]);
        self.write_status(if self.stalled.is_some() || !self.started {
            "stalled"
        } else {
            "running"
        });
        Ok(())
    }

    fn step(&mut self) -> Result<Progress, DaemonError> {
        if !self.started {
            return Ok(Progress::Stalled);
        }
        self.preparing.maintain(&mut self.writer)?;
        let buffer = self.publishing.spare_buffer();
        let step = self.writer.step(unix_ns(), buffer)?;
        self.take(step)
    }

    fn take(&mut self, step: Step) -> Result<Progress, DaemonError> {
        for notice in self.writer.take_notices() {
            self.log_notice(&notice);
        }
        match step {
            Step::Idle => Ok(Progress::None),
            Step::Stalled { free } => {
                if self
                    .stalled
                    .is_none_or(|reported| reported.elapsed() > Duration::from_secs(60))
                {
                    error!(
                        free_mib = free >> 20,
                        "the disk is nearly full: reading no entries until space is free"
                    );
                    self.stalled = Some(Instant::now());
                }
                Ok(Progress::Stalled)
            }
            Step::Wrote(written) => {
                if self.stalled.take().is_some() {
                    info!("there is disk space again");
                }
                self.status.synced(unix_ms(), self.writer.last_sync());
                debug!(
                    bytes = written.batch.len(),
                    size = self.writer.size(),
                    "batch on disk"
                );
                let much = written.batch.len() >= LARGE_BATCH_BYTES;
                self.publishing.send(written);
                Ok(if much { Progress::Much } else { Progress::Some })
            }
        }
    }

    fn log_notice(&mut self, notice: &Notice) {
        let text = chain(notice);
        // An unusable file is found again every second.
        if text == self.last_notice {
            return;
        }
        match notice {
            Notice::Unusable(_) | Notice::Damaged { .. } => error!("{text}"),
            Notice::Missing { .. } | Notice::Remove { .. } => warn!("{text}"),
        }
        self.last_notice = text;
    }

    fn write_status(&mut self, state: &str) {
        let now = unix_ms();
        self.writer.rings().set_seen(now);
        if let Err(e) = self
            .status
            .write(state, now, &self.writer, self.publishing.published())
        {
            debug!("cannot write the status file: {e}");
        }
    }

    /// Drains the rings, then logs STOP.
    fn stop(&mut self) -> Result<(), DaemonError> {
        notify(&[NotifyState::Stopping]);
        if !self.started {
            return match self.writer.waiting_bytes()? {
                0 => Ok(()),
                bytes => Err(DaemonError::Left {
                    bytes,
                    why: "the disk is nearly full",
                }),
            };
        }
        if self.stalled.is_none() {
            // Opens the rings that appeared since the last round.
            let step = self.writer.maintain(unix_ns())?;
            self.take(step)?;
        }
        let left = self.empty_rings()?;
        if self.stalled.is_none() {
            let detail = match left {
                0 => "signal".to_owned(),
                bytes => format!("signal; {bytes} bytes of entries wait in the rings"),
            };
            let step = self.writer.log(Event::Stop, &detail, unix_ns())?;
            self.take(step)?;
        }
        self.publishing.drain();
        self.write_status("stopped");
        info!(size = self.writer.size(), "stopped");
        if left > 0 {
            return Err(DaemonError::Left {
                bytes: left,
                why: if self.stalled.is_some() {
                    "the disk is nearly full"
                } else {
                    "5 s were not enough"
                },
            });
        }
        Ok(())
    }

    /// Drains the rings, for at most [`DRAIN_MAX`]. Returns the bytes left.
    fn empty_rings(&mut self) -> Result<u64, DaemonError> {
        let begun = Instant::now();
        while begun.elapsed() < DRAIN_MAX {
            match self.step()? {
                Progress::Much | Progress::Some => {}
                // Later records are left to the next start.
                Progress::None => return Ok(0),
                Progress::Stalled => break,
            }
        }
        Ok(self.writer.waiting_bytes()?)
    }
}

enum Progress {
    /// A large batch; more records are probably waiting.
    Much,
    Some,
    None,
    Stalled,
}

/// Notifies systemd; has no effect without it.
fn notify(states: &[NotifyState<'_>]) {
    if let Err(e) = sd_notify::notify(false, states) {
        debug!("cannot notify the service manager: {e}");
    }
}

fn unix_ns() -> u64 {
    let since = SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or_default();
    u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
}

fn unix_ms() -> u64 {
    unix_ns() / 1_000_000
}

fn host_name() -> String {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let name = name.trim();
    if name.is_empty() {
        "localhost".to_owned()
    } else {
        name.to_owned()
    }
}

/// Returns an error and its causes, in one line.
fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}
