//! The log's private keys: files of one line, `IFE-PRIVATE-KEY-1 <name> <base64 seed>`.

use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;

use crate::aside;
use crate::note::{KeyError, KeyKind, SigningKey};
use crate::store::{BEGUN, Store, StoreError, create_secret, read_if_exists};
use crate::writer::Keys;

const MAGIC: &str = "IFE-PRIVATE-KEY-1";

/// Reasons why a key file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum KeysError {
    /// A file operation failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The kernel returned no random bytes.
    #[error("cannot draw a new key")]
    Random(#[source] getrandom::Error),
    /// Not a key file.
    #[error("{}: not one line of \"{MAGIC} <name> <base64 of 32 bytes>\"", path.display())]
    Format {
        /// The file.
        path: PathBuf,
    },
    /// The name in the file is not valid.
    #[error("{}: the key's name is not valid", path.display())]
    Name {
        /// The file.
        path: PathBuf,
        /// The error.
        source: KeyError,
    },
    /// The key's name differs from the log's origin.
    #[error(
        "{}: it is the key of {found}, not of {origin}. Give the origin that the key was made for, \
         or another key file",
        path.display()
    )]
    OtherLog {
        /// The file.
        path: PathBuf,
        /// The name in it.
        found: String,
        /// The expected name.
        origin: String,
    },
    /// There is no log, and `--init` was not given.
    #[error(
        "{} holds no log. If its disk is not mounted, mount it; to begin a log there, give --init",
        log_dir.display()
    )]
    NotBegun {
        /// The log directory.
        log_dir: PathBuf,
    },
    /// There is no log, but the key has signed one.
    #[error(
        "{} holds no log, but {} says that a log was begun with this key. Mount its disk or \
         restore the whole directory; a new log needs a new key",
        log_dir.display(), mark.display()
    )]
    Gone {
        /// The log directory.
        log_dir: PathBuf,
        /// The mark beside the key.
        mark: PathBuf,
    },
    /// There is a log but not its key.
    #[error(
        "{} does not exist, but {} holds a log that was signed with it. Restore the key, or give \
         an empty log directory",
        path.display(), log_dir.display()
    )]
    Lost {
        /// The key file.
        path: PathBuf,
        /// The log directory.
        log_dir: PathBuf,
    },
}

/// Reads both keys. With `init` creates absent ones, unless `log_dir` already holds a log.
///
/// Only one log is begun under a key: a mark beside the key file outlives the log directory.
pub fn load(
    log: &Path,
    cosigner: &Path,
    origin: &str,
    log_dir: &Path,
    init: bool,
) -> Result<Keys, KeysError> {
    for path in [log, cosigner, mark_of(log).as_path()] {
        aside::sweep(path).map_err(StoreError::new("look for unfinished files beside", path))?;
    }
    let has_log = has_log(log_dir)?;
    if !has_log {
        let mark = mark_of(log);
        if exists(&mark)? {
            return Err(KeysError::Gone {
                log_dir: log_dir.to_owned(),
                mark,
            });
        }
        if !init {
            return Err(KeysError::NotBegun {
                log_dir: log_dir.to_owned(),
            });
        }
    }
    let load = |path: &Path, kind, name: &str| match read_if_exists(path)? {
        Some(bytes) => parse(path, kind, &bytes),
        None if has_log && kind == KeyKind::Log => Err(KeysError::Lost {
            path: path.to_owned(),
            log_dir: log_dir.to_owned(),
        }),
        None => create(path, kind, name),
    };
    let log_key = load(log, KeyKind::Log, origin)?;
    if log_key.verifier().name() != origin {
        let found = log_key.verifier().name().to_owned();
        return Err(KeysError::OtherLog {
            path: log.to_owned(),
            found,
            origin: origin.to_owned(),
        });
    }
    let cosigner = load(cosigner, KeyKind::Cosigner, &format!("{origin}/cosigner"))?;
    Ok(Keys {
        log: log_key,
        cosigner,
    })
}

/// Returns whether a log was begun in `log_dir`; an inaccessible directory is an error.
fn has_log(log_dir: &Path) -> Result<bool, StoreError> {
    for name in ["checkpoint", "private/checkpoint.signed", BEGUN] {
        if exists(&log_dir.join(name))? {
            return Ok(true);
        }
    }
    Ok(false)
}

fn exists(path: &Path) -> Result<bool, StoreError> {
    path.try_exists().map_err(StoreError::new("look for", path))
}

/// Returns `witness.key.begun`, beside the log's key.
fn mark_of(key: &Path) -> PathBuf {
    let mut mark = key.as_os_str().to_owned();
    mark.push(".begun");
    PathBuf::from(mark)
}

/// Marks the log in `store` as begun under `key`, before anything is signed.
///
/// The log's mark comes first: after a kill between the two the log can still be resumed.
///
/// # Errors
/// A system call failed.
pub(super) fn mark_begun(store: &Store, key: &Path, origin: &str) -> Result<(), StoreError> {
    let text = format!("{origin}\n");
    let begun = store.begun();
    if !exists(&begun)? {
        store.replace(&begun, text.as_bytes(), false)?;
    }
    let mark = mark_of(key);
    if !exists(&mark)? {
        create_secret(&mark, text.as_bytes())?;
    }
    Ok(())
}

fn parse(path: &Path, kind: KeyKind, bytes: &[u8]) -> Result<SigningKey, KeysError> {
    let format = || KeysError::Format {
        path: path.to_owned(),
    };
    let text = std::str::from_utf8(bytes).map_err(|_| format())?;
    let mut words = text.trim_end_matches('\n').split(' ');
    let (Some(MAGIC), Some(name), Some(seed), None) =
        (words.next(), words.next(), words.next(), words.next())
    else {
        return Err(format());
    };
    let seed: [u8; 32] = BASE64
        .decode(seed)
        .ok()
        .and_then(|seed| seed.try_into().ok())
        .ok_or_else(format)?;
    SigningKey::from_seed(name, kind, &seed).map_err(|source| KeysError::Name {
        path: path.to_owned(),
        source,
    })
}

fn create(path: &Path, kind: KeyKind, name: &str) -> Result<SigningKey, KeysError> {
    let mut seed = [0u8; 32];
    getrandom::fill(&mut seed).map_err(KeysError::Random)?;
    let line = format!("{MAGIC} {name} {}\n", BASE64.encode(seed));
    create_secret(path, line.as_bytes())?;
    parse(path, kind, line.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn key_files_that_are_not() {
        let seed = BASE64.encode([1; 32]);
        for text in [
            String::new(),
            "IFE-PRIVATE-KEY-1 a".to_owned(),
            format!("IFE-PRIVATE-KEY-2 a {seed}"),
            format!("IFE-PRIVATE-KEY-1  {seed}"),
            format!("IFE-PRIVATE-KEY-1 a {seed} b"),
            format!("IFE-PRIVATE-KEY-1 a {}", BASE64.encode([1; 31])),
            format!("IFE-PRIVATE-KEY-1 a {seed}\nIFE-PRIVATE-KEY-1 a {seed}\n"),
        ] {
            assert!(
                parse(Path::new("k"), KeyKind::Log, text.as_bytes()).is_err(),
                "{text:?}"
            );
        }
        let good = format!("IFE-PRIVATE-KEY-1 a {seed}\n");
        assert!(parse(Path::new("k"), KeyKind::Log, good.as_bytes()).is_ok());
    }
}
