//! `witnessd.json`: the writer's status for monitoring. On tmpfs, replaced every second.

use std::fs::{self, File, OpenOptions};
use std::io::{ErrorKind, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde_json::json;

use crate::aside::{self, Existing};
use crate::writer::Writer;

/// Mode of the file of verifier keys.
const PUBLIC_FILE: u32 = 0o644;

/// The last published checkpoint.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Published {
    pub(super) size: u64,
    pub(super) root: [u8; 32],
    pub(super) unix_ms: u64,
}

/// Shared by the writer and the publisher.
#[derive(Default)]
pub(super) struct Shared(Mutex<Published>);

impl Shared {
    pub(super) fn set(&self, published: Published) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = published;
    }

    pub(super) fn get(&self) -> Published {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Writes the file and keeps the values for its rates.
pub(super) struct Status {
    path: PathBuf,
    origin: String,
    started_unix_ms: u64,
    last: (Instant, u64),
    last_sync_unix_ms: u64,
    sync: Duration,
    sync_max: Duration,
}

impl Status {
    pub(super) fn new(state_dir: &Path, origin: &str, now_ms: u64, size: u64) -> Self {
        Self {
            path: state_dir.join("witnessd.json"),
            origin: origin.to_owned(),
            started_unix_ms: now_ms,
            last: (Instant::now(), size),
            last_sync_unix_ms: 0,
            sync: Duration::ZERO,
            sync_max: Duration::ZERO,
        }
    }

    pub(super) fn synced(&mut self, now_ms: u64, took: Duration) {
        self.last_sync_unix_ms = now_ms;
        self.sync = took;
        self.sync_max = self.sync_max.max(took);
    }

    /// A failed write is not fatal; monitoring sees that `updated_unix_ms` stands still.
    pub(super) fn write(
        &mut self,
        state: &str,
        now_ms: u64,
        writer: &Writer,
        published: Published,
    ) -> std::io::Result<()> {
        let (since, size) = (self.last.0.elapsed().as_secs_f64(), writer.size());
        let rate = (size - self.last.1) as f64 / since.max(1e-3);
        self.last = (Instant::now(), size);
        let counts = writer.counts();
        let text = json!({
            "v": 1,
            "version": env!("CARGO_PKG_VERSION"),
            "state": state,
            "pid": std::process::id(),
            "origin": self.origin,
            "size": size,
            "published_size": published.size,
            "published_root": BASE64.encode(published.root),
            "published_unix_ms": published.unix_ms,
            "entries_per_s": (rate * 10.0).round() / 10.0,
            "entries_since_start": counts.entries,
            "duplicates_since_start": counts.duplicates,
            "missing_since_start": counts.missing,
            "rings": writer.rings().rings.len(),
            "last_sync_unix_ms": self.last_sync_unix_ms,
            "last_sync_us": self.sync.as_micros() as u64,
            "sync_us_max": std::mem::take(&mut self.sync_max).as_micros() as u64,
            "started_unix_ms": self.started_unix_ms,
            "updated_unix_ms": now_ms,
        });
        let new = self.path.with_extension("json.new");
        replace_with_empty(&new)?.write_all(format!("{text:#}\n").as_bytes())?;
        fs::rename(&new, &self.path)
    }
}

/// Creates an empty file; removes one that a killed writer left.
///
/// Opening that one could fail: on another user's file in a sticky directory, the kernel refuses
/// `O_CREAT` (`fs.protected_regular`, proc_sys_fs(5)).
fn replace_with_empty(path: &Path) -> std::io::Result<File> {
    match fs::remove_file(path) {
        Err(e) if e.kind() != ErrorKind::NotFound => return Err(e),
        Ok(()) | Err(_) => {}
    }
    OpenOptions::new().write(true).create_new(true).open(path)
}

/// Writes the verifier keys unless the file holds them: a restart needs no disk space.
pub(super) fn write_keys(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    match fs::read(path) {
        Ok(there) if there == bytes => Ok(()),
        Ok(_) | Err(_) => aside::write(path, bytes, PUBLIC_FILE, Existing::Replace),
    }
}
