//! The witness log as the page's API sees it: the latest checkpoint that was verified, an index of the newest entries, alarms.
//!
//! Everything here may block on the disk: the API and the reader task call it from threads that may.

use std::{
    collections::BTreeMap,
    path::PathBuf,
    sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard},
    time::{Duration, Instant},
};

use ife_witness::{
    checkpoint::{Checkpoint, SignedCheckpoint},
    note::VerifierKey,
    proof::TlogProof,
    reader::{LogDir, LogError, ProveError},
    tile::{self, TILE_WIDTH, bundle_of},
};
use memchr::memmem;
use thiserror::Error;
use tokio::sync::Semaphore;

use super::{
    bundle::{Checked, reader},
    entry::Record,
    index::{Index, Member, Wanted},
    verdicts::Verdicts,
};
use crate::{
    config,
    plain_file::{self, KEY_LEN_MAX},
};

/// Entries in the index: about 10 MiB with usual texts.
pub const INDEX_MAX: usize = 1 << 16;
/// Entries that one request reads beyond the index at most.
pub const SCAN_MAX: u64 = 1 << 18;
/// Time that it spends on them at most.
const SCAN_TIME_MAX: Duration = Duration::from_secs(2);
/// Entries of one story at most, the newest ones.
pub const STORY_MAX: usize = 500;
/// Requests that read the log at once.
const TURNS: usize = 2;
/// Alarms that are kept; what is wrong beyond that is wrong in the same way.
const ALARMS_MAX: usize = 16;

/// The verifier keys cannot be used.
#[derive(Debug, Error)]
#[error("{path}: {why}")]
pub struct KeysError {
    /// The file of `witness_log.vkeys`.
    path: PathBuf,
    /// What is wrong.
    why: String,
}

/// Something that is not what was signed. It stays until the bridge is started again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Alarm {
    /// When it was seen, Unix ms.
    pub seen_ms: u64,
    /// The entry, where it is one.
    pub index: Option<u64>,
    /// What is wrong.
    pub what: String,
}

/// What is known of the log.
#[derive(Debug, Default)]
pub struct State {
    /// The latest checkpoint whose signatures and history were verified.
    pub head: Option<SignedCheckpoint>,
    /// When the checkpoint was last read, Unix ms.
    pub read_ms: u64,
    /// The newest entries.
    pub index: Index,
    /// Verdicts of the last day.
    pub verdicts: Verdicts,
    /// The newest published entries are in the index.
    pub is_current: bool,
    /// Why the checkpoint could not be read or believed the last time.
    pub problem: Option<String>,
    /// What is not as it was signed.
    pub alarms: Vec<Alarm>,
}

impl State {
    /// Notes what is wrong, once.
    pub fn alarm(&mut self, seen_ms: u64, index: Option<u64>, what: String) {
        let known = |alarm: &Alarm| (alarm.index, &alarm.what) == (index, &what);
        if self.alarms.len() < ALARMS_MAX && !self.alarms.iter().any(known) {
            self.alarms.push(Alarm {
                seen_ms,
                index,
                what,
            });
        }
    }
}

/// The log, shared by the reader task and the API.
#[derive(Debug)]
pub struct WitnessView {
    dir: LogDir,
    keys: Vec<VerifierKey>,
    state: RwLock<State>,
    turns: Arc<Semaphore>,
}

/// Found entries and how far the search went.
#[derive(Debug, Default)]
pub struct Scan {
    /// Entries that match, the newest first.
    pub found: Vec<Record>,
    /// Entries from here on have been searched.
    pub down_to: u64,
    /// Time of the earliest entry that was searched, ns since 1970.
    pub time_ns: Option<i64>,
}

impl WitnessView {
    /// Over the directory and keys of the configuration. The log itself is not opened yet: it may come later.
    ///
    /// # Errors
    /// [`KeysError`]: the keys cannot be read, or there are none.
    pub fn open(log: &config::WitnessLog) -> Result<WitnessView, KeysError> {
        let problem = |why: String| KeysError {
            path: log.vkeys.clone(),
            why,
        };
        let text = plain_file::read_text(&log.vkeys, KEY_LEN_MAX);
        let text = text.map_err(|error| problem(error.to_string()))?;
        let keys = VerifierKey::parse_file(&text)
            .map_err(|(line, error)| problem(format!("line {line}: {error}")))?;
        if keys.is_empty() {
            return Err(problem("holds no verifier key".to_owned()));
        }
        Ok(WitnessView {
            dir: LogDir::new(&log.dir),
            keys,
            state: RwLock::default(),
            turns: Arc::new(Semaphore::new(TURNS)),
        })
    }

    /// The log's directory.
    pub fn dir(&self) -> &LogDir {
        &self.dir
    }

    /// The keys that checkpoints must be signed with.
    pub fn keys(&self) -> &[VerifierKey] {
        &self.keys
    }

    /// Who has one may read the log: so requests cannot take all threads and all of the disk.
    pub(crate) fn turns(&self) -> Arc<Semaphore> {
        self.turns.clone()
    }

    /// What is known; hold it for a moment only.
    pub fn state(&self) -> RwLockReadGuard<'_, State> {
        // A panic elsewhere leaves it as it was between two entries.
        self.state.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// The same, for the reader task.
    pub(crate) fn state_mut(&self) -> RwLockWriteGuard<'_, State> {
        self.state.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// The latest checkpoint that was verified.
    pub fn head(&self) -> Option<Checkpoint> {
        let state = self.state();
        state.head.as_ref().map(|head| head.checkpoint.clone())
    }

    /// Entries at these places, each checked against `head`; what fails is an alarm from then on.
    ///
    /// # Errors
    /// [`LogError`]: a bundle cannot be read.
    pub fn read(
        &self,
        head: &Checkpoint,
        places: &[u64],
        now_ms: u64,
    ) -> Result<Vec<Checked>, LogError> {
        let mut bundles: BTreeMap<u64, Vec<u64>> = BTreeMap::new();
        for place in places {
            bundles.entry(place / TILE_WIDTH).or_default().push(*place);
        }
        let mut reader = reader(&self.dir, head);
        let mut all = Vec::new();
        for (_, places) in bundles {
            all.extend(reader.bundle(places[0], |index| places.contains(&index))?);
        }
        self.report(&all, now_ms);
        Ok(all)
    }

    /// Raises the alarm for entries that are not what was signed.
    pub(crate) fn report(&self, checked: &[Checked], now_ms: u64) {
        if checked.iter().all(|entry| entry.problem.is_none()) {
            return;
        }
        let mut state = self.state_mut();
        for entry in checked {
            if let Some(why) = &entry.problem {
                state.alarm(now_ms, Some(entry.index), why.clone());
            }
        }
    }

    /// The proof that an entry is in the log, as a tlog-proof file, and the entry.
    ///
    /// # Errors
    /// [`ProveError`].
    pub fn prove(&self, index: u64) -> Result<(TlogProof, Vec<u8>), ProveError> {
        self.dir.prove(index, &self.keys)
    }

    /// Searches the log itself below entry `before`, as far as the limits of one request go. `enough` matches end it.
    ///
    /// # Errors
    /// [`LogError`]: a bundle cannot be read.
    pub fn scan(
        &self,
        head: &Checkpoint,
        before: u64,
        wanted: &Wanted,
        enough: usize,
    ) -> Result<Scan, LogError> {
        let begun = Instant::now();
        let mut scan = Scan {
            down_to: before.min(head.size),
            ..Scan::default()
        };
        let end = scan.down_to.saturating_sub(SCAN_MAX);
        while scan.down_to > end && scan.found.len() < enough && begun.elapsed() < SCAN_TIME_MAX {
            self.scan_bundle(head, wanted, &mut scan)?;
        }
        Ok(scan)
    }

    /// The bundle below `scan.down_to`.
    fn scan_bundle(
        &self,
        head: &Checkpoint,
        wanted: &Wanted,
        scan: &mut Scan,
    ) -> Result<(), LogError> {
        let last = scan.down_to.saturating_sub(1);
        let first = last - last % TILE_WIDTH;
        let Some(bundle) = bundle_of(last, head.size) else {
            scan.down_to = 0;
            return Ok(());
        };
        let bytes = self.dir.entries(&bundle)?;
        let read = |(index, entry): (u64, Result<(usize, &[u8]), _>)| {
            let (_, entry) = entry.ok()?;
            Record::read(index, entry, |text| text.into())
        };
        let mut entries = (first..).zip(tile::entries(&bytes));
        if may_hold(&bytes, wanted) {
            let mut found: Vec<Record> = entries
                .by_ref()
                .take_while(|(index, _)| *index <= last)
                .filter_map(read)
                .filter(|record| wanted.is_in(record))
                .collect();
            found.reverse();
            scan.found.append(&mut found);
        }
        let mut first_entry = (first..).zip(tile::entries(&bytes)).filter_map(read);
        scan.time_ns = first_entry
            .find_map(|record| record.time_ns)
            .or(scan.time_ns);
        scan.down_to = first;
        Ok(())
    }

    /// The places of a story's entries in the index: those with this trace id or Call-ID, oldest first.
    pub fn places(&self, wanted: &Wanted) -> Vec<u64> {
        let state = self.state();
        let records = state.index.records();
        records
            .filter(|record| wanted.is_in(record))
            .map(|record| record.index)
            .collect()
    }
}

/// Whether a bundle can hold what is wanted: its text as JSON has it. Most bundles cannot, and need not be parsed.
fn may_hold(bundle: &[u8], wanted: &Wanted) -> bool {
    let Some(text) = &wanted.text else {
        return true;
    };
    // serde_json escapes as RFC 8785 section 3.2.2.2 says, which is how entries are written.
    let quoted = serde_json::Value::from(text.as_str()).to_string();
    let inside = &quoted.as_bytes()[1..quoted.len() - 1];
    memmem::find(bundle, inside).is_some()
}

/// An exact search by one member.
pub fn exactly(member: Member, text: &str) -> Wanted {
    Wanted {
        text: Some(text.to_owned()),
        member,
        is_prefix: false,
    }
}
