//! The log's private keys: files of one line, `IFE-PRIVATE-KEY-1 <name> <base64 seed>`, made on the first start.

use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;

use crate::note::{KeyError, KeyKind, SigningKey};
use crate::store::{StoreError, create_secret, read_if_exists};
use crate::writer::Keys;

const MAGIC: &str = "IFE-PRIVATE-KEY-1";

/// A key file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum KeysError {
    /// A file operation failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The kernel gives no random bytes.
    #[error("cannot draw a new key")]
    Random(#[source] getrandom::Error),
    /// Not a key file.
    #[error("{}: not one line of \"{MAGIC} <name> <base64 of 32 bytes>\"", path.display())]
    Format {
        /// The file.
        path: PathBuf,
    },
    /// The name in the file cannot be a key's.
    #[error("{}: the name in it is not usable", path.display())]
    Name {
        /// The file.
        path: PathBuf,
        /// Why.
        source: KeyError,
    },
    /// The log's key bears another name than the log.
    #[error("{}: it is the key of {found}, not of {origin}. Give the origin that the key was made for, or another key file", path.display())]
    OtherLog {
        /// The file.
        path: PathBuf,
        /// The name in it.
        found: String,
        /// The name wanted.
        origin: String,
    },
    /// There is a log but not its key.
    #[error(
        "{} does not exist, but {} holds a log that was signed with it. Restore the key, or give an empty log directory",
        path.display(), log_dir.display()
    )]
    Lost {
        /// The key file.
        path: PathBuf,
        /// The log.
        log_dir: PathBuf,
    },
}

/// Reads both keys. Makes those that are absent, unless `log_dir` already holds a log.
///
/// # Errors
/// See [`KeysError`].
pub fn load(log: &Path, cosigner: &Path, origin: &str, log_dir: &Path) -> Result<Keys, KeysError> {
    let has_log = ["checkpoint", "private/checkpoint.signed"]
        .iter()
        .any(|name| log_dir.join(name).exists());
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
