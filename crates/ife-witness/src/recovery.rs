//! Recovery at start: checks that the log on disk is the one last written, and resumes it.
//!
//! Only the signatures of the log's own key are trusted. The public files hold the log up to the
//! public checkpoint, the WAL from there (or earlier) to its end, and the private checkpoint is a
//! lower bound of the WAL's end. The time depends on the WAL's size, a few segments, not the log's.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::checkpoint::{self, Checkpoint, CheckpointError};
use crate::ring::{RingError, RingSet};
use crate::store::{Store, StoreError, read_if_exists};
use crate::tile::{ResumeError, TreeBuilder};
use crate::wal::{Closed, Producers, Scan, Segment, Spare, Wal, WalError, scan::Known, segments};
use crate::writer::{Keys, PublishError, Publisher};

/// The input of recovery.
pub struct Start {
    /// The log directory.
    pub store: Store,
    /// The log's keys.
    pub keys: Keys,
    /// The rings, claimed by this process.
    pub rings: RingSet,
    /// Size at which a WAL segment is closed.
    pub segment_bytes: u64,
}

/// The parts of a writer, ready for use.
pub struct Recovered {
    /// Lock of the log directory.
    pub lock: File,
    /// The rings of [`Start::rings`].
    pub rings: RingSet,
    /// The WAL, ready for the next batch.
    pub wal: Wal,
    /// The position in each producer's ring.
    pub producers: Producers,
    /// Tree, tiles and checkpoints, up to the WAL's end; the last entries are not yet published.
    pub publisher: Publisher,
    /// Id of the log: see [`log_id`].
    pub log_id: u64,
    /// The state found on disk.
    pub found: Found,
}

/// The state found by recovery, for the daemon's log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Found {
    /// Size of the public checkpoint.
    pub published: u64,
    /// Size of the private one.
    pub signed: u64,
    /// Entries in the log, the WAL included.
    pub size: u64,
    /// An incomplete, unacknowledged batch was overwritten with zeros.
    pub torn: bool,
    /// The doorbell's mark has a wrong checksum and was ignored.
    pub doorbell_damaged: bool,
}

/// Reasons why the log cannot be resumed. Every message names the file, the error and a remedy.
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    /// A file operation failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The write-ahead log is damaged or foreign.
    #[error(transparent)]
    Wal(#[from] WalError),
    /// The recovered entries cannot be written.
    #[error(transparent)]
    Publish(#[from] PublishError),
    /// The rings are unusable.
    #[error(transparent)]
    Ring(#[from] RingError),
    /// Another process writes this log.
    #[error(
        "{} is in use by another writer. Stop that one first; one log directory has one writer",
        root.display()
    )]
    InUse {
        /// The log directory.
        root: PathBuf,
    },
    /// A checkpoint of another log or key.
    #[error(
        "{} is not a checkpoint of this log. Use the key and the origin that it was written with, \
         or an empty log directory",
        path.display()
    )]
    Checkpoint {
        /// The file.
        path: PathBuf,
        /// The error.
        source: CheckpointError,
    },
    /// The two checkpoints, or checkpoint and WAL, contradict each other.
    #[error(
        "{}: {what}. Restore the whole log directory from one copy; never mix files of two",
        path.display()
    )]
    Inconsistent {
        /// The inconsistent file.
        path: PathBuf,
        /// The error.
        what: String,
    },
    /// The public tiles do not match the public checkpoint.
    #[error(
        "the tiles of the public checkpoint cannot be read back. If they are missing or damaged, \
         restore the log directory from a copy"
    )]
    Tiles(#[from] ResumeError),
    /// The log directory is older than the acknowledgements on this host.
    #[error(
        "{} holds {size} entries, but {acknowledged} were acknowledged on this host: the directory \
         was rolled back. Restore the newer one, or start a new log in an empty directory with a \
         new key",
        root.display()
    )]
    RolledBack {
        /// The log directory.
        root: PathBuf,
        /// Entries in the directory.
        size: u64,
        /// Entries acknowledged, according to the doorbell.
        acknowledged: u64,
    },
}

/// Returns the id of a log, derived from its origin and key.
#[must_use]
pub fn log_id(keys: &Keys) -> u64 {
    use sha2::{Digest, Sha256};
    let hash: [u8; 32] = Sha256::digest(keys.log.verifier().to_string()).into();
    // 0 means "no log" in the doorbell.
    hash.first_chunk()
        .map_or(1, |bytes| u64::from_le_bytes(*bytes))
        .max(1)
}

/// Recovers the log. Before all checks pass, writes only tiles of entries in the WAL.
pub fn recover(start: Start) -> Result<Recovered, Refusal> {
    let Start {
        store,
        keys,
        rings,
        segment_bytes,
    } = start;
    let root = store.root().to_owned();
    let lock = store
        .lock()?
        .ok_or_else(|| Refusal::InUse { root: root.clone() })?;
    let log_id = log_id(&keys);
    let heads = Heads::read(&store, &keys)?;
    let (published, signed) = heads.check(&store)?;
    let builder = resume_tiles(&root, heads.public.as_ref())?;
    let mark = rings.mark();
    let acknowledged = mark
        .filter(|mark| mark.log_id == log_id)
        .map_or(0, |mark| mark.size);
    let mut publisher = Publisher::new(store.clone(), keys, builder);
    let replay = Replay {
        store: &store,
        log_id,
        published,
        acknowledged,
        signed: heads.private,
    };
    let end = replay.run(&mut publisher)?;
    let size = end.as_ref().map_or(0, |(_, scan, _)| scan.end_index);
    if acknowledged > size {
        return Err(Refusal::RolledBack {
            root,
            size,
            acknowledged,
        });
    }
    store.sweep()?;
    let torn = end.as_ref().is_some_and(|(_, scan, _)| scan.torn);
    let (wal, producers) = match end {
        Some((last, scan, producers)) => (
            Wal::resume(store, log_id, segment_bytes, &last, &scan)?,
            producers,
        ),
        None => {
            let producers = Producers::default();
            let spare = Spare::prepare(&store, segment_bytes, Duration::ZERO)?;
            (
                Wal::create(store, log_id, segment_bytes, 0, &producers, spare)?,
                producers,
            )
        }
    };
    let found = Found {
        published,
        signed,
        size,
        torn,
        doorbell_damaged: mark.is_none(),
    };
    Ok(Recovered {
        lock,
        rings,
        wal,
        producers,
        publisher,
        log_id,
        found,
    })
}

/// The two checkpoints.
struct Heads {
    public: Option<Checkpoint>,
    private: Option<Checkpoint>,
}

impl Heads {
    fn read(store: &Store, keys: &Keys) -> Result<Self, Refusal> {
        let known = [
            keys.log.verifier().clone(),
            keys.cosigner.verifier().clone(),
        ];
        let read = |path: PathBuf| -> Result<Option<Checkpoint>, Refusal> {
            let Some(note) = read_if_exists(&path)? else {
                return Ok(None);
            };
            match checkpoint::open(&note, &known) {
                Ok(signed) => Ok(Some(signed.checkpoint)),
                Err(source) => Err(Refusal::Checkpoint { path, source }),
            }
        };
        Ok(Self {
            public: read(store.public_checkpoint())?,
            private: read(store.private_checkpoint())?,
        })
    }

    /// Returns the sizes of the public and the private checkpoint after checking that they agree.
    fn check(&self, store: &Store) -> Result<(u64, u64), Refusal> {
        let size = |head: &Option<Checkpoint>| head.as_ref().map_or(0, |head| head.size);
        let (public, private) = (size(&self.public), size(&self.private));
        let inconsistent = |path, what| Err(Refusal::Inconsistent { path, what });
        if public > private || (self.public.is_some() && self.private.is_none()) {
            let what = format!(
                "it is of {public} entries, ahead of the last one signed here, of {private}"
            );
            return inconsistent(store.public_checkpoint(), what);
        }
        if public == private && self.public.is_some() && self.public != self.private {
            let what = format!(
                "its root differs from that of the last one signed here, both of {public} entries"
            );
            return inconsistent(store.public_checkpoint(), what);
        }
        Ok((public, private))
    }
}

/// Returns the tree at the public checkpoint, from at most one tile of each level.
fn resume_tiles(root: &Path, public: Option<&Checkpoint>) -> Result<TreeBuilder, Refusal> {
    let Some(public) = public else {
        return Ok(TreeBuilder::new());
    };
    let builder = TreeBuilder::resume(public.size, |tile| std::fs::read(root.join(tile.path())))?;
    if builder.root() != public.root {
        let what = format!(
            "the tiles at the edge of its {} entries do not give its root",
            public.size
        );
        return Err(Refusal::Inconsistent {
            path: root.join("checkpoint"),
            what,
        });
    }
    Ok(builder)
}

struct Replay<'a> {
    store: &'a Store,
    log_id: u64,
    published: u64,
    acknowledged: u64,
    signed: Option<Checkpoint>,
}

impl Replay<'_> {
    /// Passes unpublished entries to the publisher; returns the WAL's last segment, if any.
    fn run(
        &self,
        publisher: &mut Publisher,
    ) -> Result<Option<(Segment, Scan, Producers)>, Refusal> {
        let segments = segments(self.store)?;
        self.check_reach(&segments)?;
        let mut producers = Producers::default();
        let mut last = None;
        for (at, segment) in segments.iter().enumerate() {
            let next_segment = segments.get(at + 1).map(|next| next.first_index);
            let known = Known {
                signed: self.signed.as_ref().map_or(0, |head| head.size),
                acknowledged: self.acknowledged,
                next_segment,
            };
            let scan = segment.scan(self.log_id, known, &mut producers, |frame| {
                if frame.index >= self.published {
                    publisher.append_frame(frame)?;
                    self.check_root(publisher)?;
                }
                Ok::<(), Refusal>(())
            })?;
            if next_segment.is_some() {
                publisher.retire(Closed {
                    path: segment.path.clone(),
                    end: scan.end_index,
                });
            }
            last = Some((segment.clone(), scan));
        }
        Ok(last.map(|(segment, scan)| (segment, scan, producers)))
    }

    /// Checks that the WAL begins at or before the end of the public files.
    fn check_reach(&self, segments: &[Segment]) -> Result<(), Refusal> {
        let path = self.store.wal_dir();
        match segments.first() {
            Some(first) if first.first_index > self.published => {
                let what = format!(
                    "the write-ahead log begins at entry {}, but the public checkpoint has only {}",
                    first.first_index, self.published
                );
                Err(Refusal::Inconsistent {
                    path: first.path.clone(),
                    what,
                })
            }
            None if self.signed.is_some() => {
                let what =
                    "the write-ahead log is gone although checkpoints were signed".to_owned();
                Err(Refusal::Inconsistent { path, what })
            }
            _ => Ok(()),
        }
    }

    /// Checks the root when the tree reaches the size of the private checkpoint.
    fn check_root(&self, publisher: &Publisher) -> Result<(), Refusal> {
        match &self.signed {
            Some(head) if head.size == publisher.size() && head.root != publisher.root() => {
                let what = format!(
                    "its root is not that of the {} entries in the write-ahead log",
                    head.size
                );
                Err(Refusal::Inconsistent {
                    path: self.store.private_checkpoint(),
                    what,
                })
            }
            _ => Ok(()),
        }
    }
}
