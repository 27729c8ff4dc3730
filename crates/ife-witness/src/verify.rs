//! Verification of a whole log: every entry, tile and sequence number, against a signed checkpoint.
//!
//! Recomputes everything from the entry bundles and trusts only the given keys and remembered
//! checkpoints. Never writes. The first error is returned with file and offset.

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

/// Requirements on a log.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// Verified earlier checkpoints of this log; the log must begin with each of them. Without one,
    /// a rollback to an older log with its own checkpoint goes unnoticed.
    pub since: Vec<Checkpoint>,
    /// Accept a checkpoint that some given keys did not sign; the log's key always must.
    pub allow_unsigned: bool,
    /// Threads that read and hash; 0 and 1 mean the calling thread only.
    pub threads: usize,
}

/// Progress of a verification.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// Entries verified.
    pub done: u64,
    /// Entries in the log.
    pub size: u64,
}

/// Result of a verification.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// Origin of the log.
    pub origin: String,
    /// Entries in the log.
    pub size: u64,
    /// Root over the entries.
    pub root: Hash,
    /// Signatures of the checkpoint; cosignatures with their times.
    pub signatures: Vec<Verified>,
    /// Total size of the entries in bytes.
    pub entry_bytes: u64,
    /// Producers with entries.
    pub producers: u64,
    /// GAP entries.
    pub gaps: u64,
    /// Sequence numbers that GAP entries report as lost.
    pub lost: u64,
    /// Files that the checkpoint does not require.
    pub strays: Strays,
}

/// Verifies the log in `dir`: its checkpoint by `keys`, and everything that it covers.
///
/// - The checkpoint is signed by the log's key and, unless [`Options::allow_unsigned`], by every
///   given key.
/// - Every entry is canonical JSON of a known format version; each producer's sequence numbers have
///   no duplicate, and no gap without a GAP entry.
/// - Every hash in every tile, full or partial, and the root are those of the entries.
/// - The log begins with each remembered checkpoint.
///
/// Calls `progress` about once for 256 entries. Memory grows only with the number of producers.
///
/// # Errors
/// [`LogError`], with the file, the offset and the error.
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

/// Returns the checkpoint after checking its signatures and size.
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
