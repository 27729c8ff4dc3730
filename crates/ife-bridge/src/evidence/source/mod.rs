//! Where evidence comes from: files below configured roots, and http(s) hosts that are allowed.
//! Everything is hashed once, before it is offered, and checked again by blocks when it is sent, so
//! that the bytes sent are those of the manifest.

mod files;
mod hosts;
mod kinds;
mod spool;

use std::{
    io::{self, Read},
    path::Path,
    sync::Arc,
};

use ife_evidence::{FileEntry, FileHasher, Manifest, manifest::FILES_MAX};
use thiserror::Error;
use tokio::sync::Semaphore;
use tracing::warn;

use crate::{config, plain_file::FileError, view::EvidenceError};
use files::Roots;
use hosts::Hosts;
use spool::{Spool, Spooled};

/// Files that are hashed at once, all calls together: the processors are for the calls.
const HASHING_MAX: usize = 2;
const READ_LEN: usize = 256 << 10;

/// What keeps the sources from being used.
#[derive(Debug, Error)]
pub enum SourceError {
    /// A root, the spool directory or the file of authorities.
    #[error(transparent)]
    File(#[from] FileError),
    /// The HTTP client cannot be made, such as on a host that trusts no authority.
    #[error("evidence: no HTTP client")]
    Client(#[from] reqwest::Error),
}

/// What may be read, and how much of it.
#[derive(Debug)]
pub(super) struct Limits {
    roots: Roots,
    hosts: Hosts,
    hashing: Semaphore,
    file_len_max: u64,
}

/// Why one file cannot be had.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Missing {
    /// For programs, see [`EvidenceError`].
    pub(super) code: &'static str,
    /// For the operator's log; it may name paths.
    pub(super) why: String,
}

impl Missing {
    fn new(code: &'static str, why: impl ToString) -> Missing {
        Missing {
            code,
            why: why.to_string(),
        }
    }
}

/// Where the bytes of an offered file are.
#[derive(Debug, Clone)]
pub(super) enum Source {
    /// Below a root, opened anew for each block.
    File(files::RootedFile),
    /// Fetched from a host; the file goes with the last of its users.
    Spooled(Arc<Spooled>),
}

/// The files of a call: those that can be sent, and those that cannot be had.
#[derive(Debug)]
pub(super) struct Prepared {
    pub(super) manifest: Manifest,
    pub(super) sources: Vec<Source>,
    pub(super) missing: Vec<(EvidenceError, String)>,
}

impl Limits {
    /// Opens roots and spool; roots must be there.
    pub(super) fn new(
        evidence: &config::Evidence,
        store_dir: &Path,
    ) -> Result<Limits, SourceError> {
        let spool = Spool::new(&store_dir.join("evidence-spool"), evidence.spool_len_max);
        Ok(Limits {
            roots: Roots::new(&evidence.roots)?,
            hosts: Hosts::new(evidence, spool)?,
            hashing: Semaphore::new(HASHING_MAX),
            file_len_max: evidence.file_len_max,
        })
    }

    /// Makes the directories that are needed, empty of what an earlier process left.
    pub(super) fn make_dirs(&self) -> io::Result<()> {
        self.hosts.spool.clear()
    }

    /// Finds, fetches and hashes the files, one after the other.
    pub(super) async fn prepare(self: Arc<Limits>, names: Vec<String>) -> Prepared {
        let (mut entries, mut sources, mut missing) = (Vec::new(), Vec::new(), Vec::new());
        for name in names {
            let result = if entries.len() < FILES_MAX {
                self.take(&name).await
            } else {
                Err(Missing::new("too_many", "more than 64 files"))
            };
            let shown = kinds::last_part(&name);
            match result {
                Ok((entry, source)) => {
                    entries.push(entry);
                    sources.push(source);
                }
                Err(Missing { code, why }) => missing.push((error(&shown, code), why)),
            }
        }
        loop {
            match Manifest::new(entries.clone()) {
                Ok(manifest) => {
                    return Prepared {
                        manifest,
                        sources,
                        missing,
                    };
                }
                // All files together have too many blocks: the last ones stay out.
                Err(problem) => match entries.pop() {
                    Some(entry) => {
                        sources.pop();
                        missing.push((error(&entry.name, "too_many"), problem.to_string()));
                    }
                    None => warn!("an empty manifest is refused: {problem}"),
                },
            }
        }
    }

    async fn take(self: &Arc<Limits>, name: &str) -> Result<(FileEntry, Source), Missing> {
        let (source, shown, kind) = if name.contains("://") {
            let (spooled, kind) = self.hosts.fetch(name, self.file_len_max).await?;
            (
                Source::Spooled(Arc::new(spooled)),
                kinds::last_part(name),
                kind,
            )
        } else {
            let (limits, path) = (self.clone(), name.to_owned());
            let found = blocking(move || limits.roots.find(&path)).await?;
            let shown = kinds::last_part(name);
            let kind = kinds::of_name(&shown).to_owned();
            (Source::File(found), shown, kind)
        };
        if !ife_evidence::manifest::is_file_name(&shown) {
            return Err(Missing::new(
                "bad_name",
                "no name that a file can be saved by",
            ));
        }
        let _turn = self.hashing.acquire().await;
        let (limits, hashed) = (self.clone(), source.clone());
        let entry = blocking(move || limits.hash(&hashed, &shown, &kind)).await?;
        Ok((entry, source))
    }

    fn hash(&self, source: &Source, name: &str, kind: &str) -> Result<FileEntry, Missing> {
        let unreadable = |error: io::Error| Missing::new("unreadable", error);
        let (file, size) = source.open().map_err(unreadable)?;
        if size > self.file_len_max {
            return Err(Missing::new("too_large", format!("{size} bytes")));
        }
        let (mut hasher, mut left) = (FileHasher::new(size), size);
        // One byte more than there should be: a file that grows meanwhile is seen.
        let mut file = file.take(size + 1);
        let mut buffer = vec![0; READ_LEN];
        loop {
            let read = file.read(&mut buffer).map_err(unreadable)?;
            if read == 0 {
                break;
            }
            left = left
                .checked_sub(read as u64)
                .ok_or_else(|| Missing::new("changed", "it grows while it is read"))?;
            hasher.update(&buffer[..read]);
        }
        if left > 0 {
            return Err(Missing::new(
                "changed",
                "it became shorter while it was read",
            ));
        }
        Ok(hasher.finish(name, kind))
    }
}

impl Source {
    /// The file from its beginning, and its size now.
    pub(super) fn open(&self) -> io::Result<(std::fs::File, u64)> {
        let file = match self {
            Source::File(place) => place.open()?,
            Source::Spooled(spooled) => spooled.open()?,
        };
        let size = file.metadata()?.len();
        Ok((file, size))
    }
}

fn error(name: &str, code: &str) -> EvidenceError {
    EvidenceError {
        name: name.to_owned(),
        code: code.to_owned(),
    }
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Missing> + Send + 'static,
) -> Result<T, Missing> {
    let done = tokio::task::spawn_blocking(work).await;
    done.unwrap_or_else(|_| Err(Missing::new("unreadable", "the reader has failed")))
}

#[cfg(test)]
mod tests;
