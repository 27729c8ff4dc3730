//! Verifying a whole log: every entry, every tile, every sequence number, against a signed checkpoint.
//!
//! Recomputes everything from the entry bundles and trusts nothing but the given keys and remembered checkpoints.
//! Never writes, and never stops at "looks fine": the first thing wrong is an error with file and offset.

use std::path::Path;

use crate::checkpoint::{Checkpoint, SignedCheckpoint};
use crate::merkle::Hash;
use crate::note::{Verified, VerifierKey};
use crate::reader::{LogDir, LogError, Problem};

mod bundle;
mod entry;
pub(crate) mod json;
mod order;
mod pass;
mod stray;

pub use self::stray::Strays;

/// What to demand of a log.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// Checkpoints of this log that the verifier has seen and verified before: the log must begin with each of them.
    /// Without one, a log cut back to an older state with the checkpoint of that time is not noticed.
    pub since: Vec<Checkpoint>,
    /// Accept a checkpoint that not all of the given keys have signed; the log's own signature is always needed.
    pub allow_unsigned: bool,
    /// Threads that read and hash; 0 and 1 both mean the calling thread only.
    pub threads: usize,
}

/// How far verification is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// Entries verified.
    pub done: u64,
    /// Entries in the log.
    pub size: u64,
}

/// What was verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// The log's name.
    pub origin: String,
    /// Entries.
    pub size: u64,
    /// Root over them.
    pub root: Hash,
    /// Who signed the checkpoint; cosigners with their time.
    pub signatures: Vec<Verified>,
    /// Bytes of entries.
    pub entry_bytes: u64,
    /// Producers that wrote entries.
    pub producers: u64,
    /// GAP entries.
    pub gaps: u64,
    /// Sequence numbers that GAP entries report as lost.
    pub lost: u64,
    /// Files beside those that the checkpoint calls for.
    pub strays: Strays,
}

impl Report {
    /// The latest time that a cosigner told, in Unix seconds.
    #[must_use]
    pub fn time_s(&self) -> Option<u64> {
        self.signatures
            .iter()
            .filter_map(|signature| signature.time_s)
            .max()
    }
}

/// Verifies the log in `dir`: its signed checkpoint by `keys`, and everything that the checkpoint covers.
///
/// - The checkpoint is signed by the log's key and, unless [`Options::allow_unsigned`], by every given key.
/// - Every entry is canonical JSON of a known format version; per producer, sequence numbers run without duplicate, and without
///   a hole that no GAP entry reports.
/// - Every hash in every tile of every level, full or partial, is the one that the entries lead to; so is the root.
/// - Each remembered checkpoint is a beginning of this log.
///
/// `progress` is called about once per 256 entries. Memory does not grow with the log, but for one record per producer.
///
/// # Errors
/// [`LogError`]: the file, the offset, and what is wrong there.
pub fn verify_log(
    dir: impl AsRef<Path>,
    keys: &[VerifierKey],
    options: &Options,
    mut progress: impl FnMut(Progress),
) -> Result<Report, LogError> {
    let dir = LogDir::new(dir.as_ref());
    let signed = opened(&dir, keys, options)?;
    let head = &signed.checkpoint;
    let sums = pass::run(&dir, head, options, &mut progress)?;
    let strays = stray::check(&dir, head.size)?;
    Ok(Report {
        origin: head.origin.clone(),
        size: head.size,
        root: head.root,
        signatures: signed.signatures,
        entry_bytes: sums.entry_bytes,
        producers: sums.producers,
        gaps: sums.gaps,
        lost: sums.lost,
        strays,
    })
}

/// The checkpoint, as signed and as large as demanded.
fn opened(
    dir: &LogDir,
    keys: &[VerifierKey],
    options: &Options,
) -> Result<SignedCheckpoint, LogError> {
    let signed = dir.checkpoint(keys)?;
    let head = &signed.checkpoint;
    let wrong = |problem| Err(LogError::new(dir.checkpoint_path(), 0, problem));
    let has_signed = |key: &&VerifierKey| {
        signed
            .signatures
            .iter()
            .any(|s| s.name == key.name() && s.kind == key.kind())
    };
    if let Some(key) = keys
        .iter()
        .find(|key| !options.allow_unsigned && !has_signed(key))
    {
        return wrong(Problem::Unsigned {
            name: key.name().to_owned(),
        });
    }
    for old in &options.since {
        if old.origin != head.origin {
            return wrong(Problem::Origin {
                found: head.origin.clone(),
                expected: old.origin.clone(),
            });
        }
        if old.size > head.size {
            return wrong(Problem::Shrunk {
                before: old.size,
                size: head.size,
            });
        }
    }
    Ok(signed)
}
