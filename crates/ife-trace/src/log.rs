//! A witness log with its keys: the latest checkpoint that was verified, an index of the newest
//! entries, alarms. Everything here may block on the disk.

use std::{
    path::Path,
    sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard},
};

use ife_witness::{
    checkpoint::{Checkpoint, SignedCheckpoint},
    merkle::Hash,
    note::VerifierKey,
    proof::TlogProof,
    reader::{LogDir, LogError, ProveError},
    tile::TILE_WIDTH,
};
use serde::Serialize;

use crate::{
    bundle::{Checked, reader},
    index::Index,
    verdicts::Verdicts,
};

/// Entries in the index: about 10 MiB with usual texts.
pub const INDEX_MAX: usize = 1 << 16;
/// Alarms that are kept; further ones are of the same kind.
const ALARMS_MAX: usize = 16;
/// Hash tiles that one search for a leaf hash reads: 16 million entries.
const TILES_MAX: usize = 65_536;

/// A contradiction to a signed head. It stays until the process is started again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Alarm {
    /// When it was seen, Unix ms.
    pub seen_ms: u64,
    /// The entry, where it is one.
    pub index: Option<u64>,
    /// The fault.
    pub what: String,
}

/// The state of the log, as far as it was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// Not read yet.
    Starting,
    /// Signatures, history and all entries that were read are as signed.
    Verified,
    /// It cannot be read, or its checkpoint is not signed by the keys.
    Unreadable,
    /// The log contradicts a signed head.
    Mismatch,
}

/// The state of the log.
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
    /// Contradictions to signed heads.
    pub alarms: Vec<Alarm>,
}

impl State {
    /// Returns the log's state in a word.
    pub fn standing(&self) -> Standing {
        if !self.alarms.is_empty() {
            Standing::Mismatch
        } else if self.problem.is_some() {
            Standing::Unreadable
        } else if self.is_current {
            Standing::Verified
        } else {
            Standing::Starting
        }
    }

    /// Notes a fault, once.
    pub(crate) fn alarm(&mut self, seen_ms: u64, index: Option<u64>, what: String) {
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

/// An entry with the proof that it is in the log, as pages get it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Proof {
    /// Its place in the log, from 0.
    pub index: u64,
    /// The entry's bytes, which are UTF-8 JSON.
    pub entry: String,
    /// A C2SP tlog-proof file, which holds the signed checkpoint.
    pub proof: String,
}

/// The log, shared by the task that follows it and by all that ask.
#[derive(Debug)]
pub struct Log {
    dir: LogDir,
    keys: Vec<VerifierKey>,
    vkeys: Vec<String>,
    state: RwLock<State>,
}

impl Log {
    /// Creates a reader of the log in `dir`, verified by the keys of `vkeys`, a file of verifier
    /// keys. The log itself is not opened yet: it may come later.
    ///
    /// # Errors
    /// The line and its fault, or that there is no key.
    pub fn new(dir: &Path, vkeys: &str) -> Result<Log, String> {
        let keys = VerifierKey::parse_file(vkeys);
        let keys = keys.map_err(|(line, error)| format!("line {line}: {error}"))?;
        if keys.is_empty() {
            return Err("holds no verifier key".to_owned());
        }
        let lines = vkeys.lines().map(str::trim);
        let lines = lines.filter(|line| !line.is_empty() && !line.starts_with('#'));
        Ok(Log {
            dir: LogDir::new(dir),
            keys,
            vkeys: lines.map(str::to_owned).collect(),
            state: RwLock::default(),
        })
    }

    /// Returns the log's directory.
    pub fn dir(&self) -> &LogDir {
        &self.dir
    }

    /// Returns the keys that checkpoints must be signed with.
    pub fn keys(&self) -> &[VerifierKey] {
        &self.keys
    }

    /// Returns these keys in their text form.
    pub fn vkeys(&self) -> &[String] {
        &self.vkeys
    }

    /// Returns the state; hold it for a moment only.
    pub fn state(&self) -> RwLockReadGuard<'_, State> {
        // A panic elsewhere leaves it as it was between two entries.
        self.state.read().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn state_mut(&self) -> RwLockWriteGuard<'_, State> {
        self.state.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns the latest checkpoint that was verified.
    pub fn head(&self) -> Option<Checkpoint> {
        let state = self.state();
        state.head.as_ref().map(|head| head.checkpoint.clone())
    }

    /// Returns the number of entries under the latest signed checkpoint on the disk.
    ///
    /// # Errors
    /// [`LogError`]: the checkpoint cannot be read or believed.
    pub fn size(&self) -> Result<u64, LogError> {
        Ok(self.dir.head(&self.keys)?.size)
    }

    /// Returns entries at these places, each checked against `head`; what fails is an alarm from
    /// then on.
    ///
    /// # Errors
    /// [`LogError`]: a bundle cannot be read.
    pub fn read(
        &self,
        head: &Checkpoint,
        places: &[u64],
        now_ms: u64,
    ) -> Result<Vec<Checked>, LogError> {
        let all = reader(&self.dir, head).places(places)?;
        self.report(&all, now_ms);
        Ok(all)
    }

    /// Raises the alarm for entries that contradict a signed head.
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

    /// Returns the proof that an entry is in the log, and the entry.
    ///
    /// # Errors
    /// [`ProveError`].
    pub fn prove(&self, index: u64) -> Result<(TlogProof, Vec<u8>), ProveError> {
        self.dir.prove(index, &self.keys)
    }

    /// Returns the entry with this leaf hash, which is not below `from`, with its proof, verified
    /// before it is given; `None` while no signed checkpoint covers it.
    ///
    /// # Errors
    /// [`ProveError`].
    pub fn prove_leaf(&self, leaf: &Hash, from: u64) -> Result<Option<Proof>, ProveError> {
        let size = self.size()?;
        let tiles = (from / TILE_WIDTH..size.div_ceil(TILE_WIDTH)).take(TILES_MAX);
        let Some(index) = self.dir.place_of(leaf, size, tiles)? else {
            return Ok(None);
        };
        let (proof, entry) = self.prove(index)?;
        Ok(Some(Proof {
            index,
            // An entry of ours is JSON; another's would not have the leaf hash that was looked for.
            entry: String::from_utf8_lossy(&entry).into_owned(),
            proof: proof.to_string(),
        }))
    }
}
