//! Proofs from the witness log's files: that an entry is in the log, under a checkpoint whose signature was checked. Reads only, and blocks: call it
//! off the runtime's threads.

use std::{io, path::PathBuf};

use ife_witness::{
    note::VerifierKey,
    reader::{self, LogDir, ProveError},
    tile,
};
use serde::Serialize;
use thiserror::Error;

use crate::{
    config::WitnessLog,
    plain_file::{self, KEY_LEN_MAX},
    witness::Leaf,
};

/// Hash tiles that one search reads: 16 million entries.
const TILES_MAX: u64 = 65_536;

/// Why the log cannot be used.
#[derive(Debug, Error)]
pub enum LogError {
    /// The file of verifier keys.
    #[error("{path}: {source}")]
    Keys {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A key in it.
    #[error("{path}:{line}: {why}")]
    Key {
        /// Which file.
        path: PathBuf,
        /// From 1.
        line: usize,
        /// What is wrong with it.
        why: String,
    },
    /// The log itself.
    #[error(transparent)]
    Log(#[from] reader::LogError),
    /// The tiles do not lead to the signed root.
    #[error(transparent)]
    Prove(#[from] ProveError),
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

/// The log's directory and its keys.
#[derive(Debug)]
pub struct Log {
    dir: LogDir,
    keys: Vec<VerifierKey>,
    vkeys: Vec<String>,
}

impl Log {
    /// Reads the keys; the log itself may come to be later.
    pub fn open(config: &WitnessLog) -> Result<Log, LogError> {
        let path = &config.vkeys;
        let text = plain_file::read_text(path, KEY_LEN_MAX).map_err(|source| LogError::Keys {
            path: path.clone(),
            source,
        })?;
        let bad = |line, why| LogError::Key {
            path: path.clone(),
            line,
            why,
        };
        let keys =
            VerifierKey::parse_file(&text).map_err(|(line, error)| bad(line, error.to_string()))?;
        if keys.is_empty() {
            return Err(bad(1, "holds no verifier key".to_owned()));
        }
        let lines = text.lines().map(str::trim);
        Ok(Log {
            dir: LogDir::new(&config.dir),
            keys,
            vkeys: lines
                .filter(|line| !line.is_empty() && !line.starts_with('#'))
                .map(str::to_owned)
                .collect(),
        })
    }

    /// The verifier keys in their text form.
    pub fn vkeys(&self) -> &[String] {
        &self.vkeys
    }

    /// Entries under the latest signed checkpoint.
    pub fn size(&self) -> Result<u64, LogError> {
        Ok(self.dir.head(&self.keys)?.size)
    }

    /// Looks for an entry that is not below `from`; `None` while it is not under a signed checkpoint.
    pub fn place_of(&self, leaf: &Leaf, from: u64) -> Result<Option<u64>, LogError> {
        let size = self.size()?;
        let first = from / tile::TILE_WIDTH;
        for number in
            (first..size.div_ceil(tile::TILE_WIDTH)).take_while(|at| at - first < TILES_MAX)
        {
            let Some(tile) = tile::tile_of(0, number * tile::TILE_WIDTH, size) else {
                continue;
            };
            let hashes = self.dir.hashes(&tile)?;
            if let Some(place) = hashes.chunks_exact(32).position(|hash| hash == leaf) {
                return Ok(Some(number * tile::TILE_WIDTH + place as u64));
            }
        }
        Ok(None)
    }

    /// The proof of an entry that is not below `from`, verified before it is given; `None` while it is not under a signed checkpoint.
    pub fn prove(&self, leaf: &Leaf, from: u64) -> Result<Option<Proof>, LogError> {
        let Some(index) = self.place_of(leaf, from)? else {
            return Ok(None);
        };
        let (proof, entry) = self.dir.prove(index, &self.keys)?;
        Ok(Some(Proof {
            index,
            // An entry of ours is JSON; another's would not have the leaf hash that was looked for.
            entry: String::from_utf8_lossy(&entry).into_owned(),
            proof: proof.to_string(),
        }))
    }
}
