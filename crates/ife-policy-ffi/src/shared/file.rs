//! Opening `shared.bin`: permissions, compatibility, and when it is replaced.

use std::fs::File;
use std::io;
use std::path::Path;
use std::sync::atomic::Ordering::SeqCst;
use std::time::{Duration, Instant};

use super::hash::Key;
use super::layout::{Layout, MAGIC, VERSION, header, hot};
use super::{Shared, counters};
use crate::abi;
use crate::plumbing::failure::Failure;
use crate::sys::{self, Lock, Map};

const FILE: &str = "shared.bin";
const LOCK: &str = "shared.lock";
/// How long opening waits for another process that opens the state.
const OPEN_WAIT: Duration = Duration::from_secs(2);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Birth {
    /// The file existed and is kept.
    Kept,
    /// No file existed.
    First,
    /// The file was of another version, size or boot, or damaged.
    Replaced,
}

/// An open state. All processes that have it open share the lock, forks included.
pub(crate) struct Opened {
    pub(crate) shared: Shared,
    pub(crate) birth: Birth,
    /// Held until the last process that inherits it ends.
    pub(crate) lock: File,
}

impl Shared {
    /// Opens the state in `dir`, a directory on tmpfs, or makes it. `unix_s`, `mono_s`: now.
    ///
    /// A state of another layout is replaced if no other process has it open; a new one refuses
    /// every older iat. `settle` runs if no other process has the state open, before one can.
    pub(crate) fn open(
        dir: &Path,
        layout: Layout,
        unix_s: u64,
        mono_s: u64,
        settle: impl FnOnce(&Self),
    ) -> Result<Opened, Failure> {
        let lock_path = dir.join(LOCK);
        let lock_failure =
            |e| Failure::state_dir(format_args!("cannot lock {}", lock_path.display()), &e);
        let lock = sys::open_private(&lock_path).map_err(lock_failure)?;
        let alone = take_lock(&lock).map_err(lock_failure)?;
        let path = dir.join(FILE);
        let failure = |e| Failure::state_dir(format_args!("cannot open {}", path.display()), &e);
        let existing = match open_existing(&path, layout) {
            Ok(shared) => shared,
            Err(e) if e.kind() == io::ErrorKind::NotFound => None,
            Err(e) => return Err(failure(e)),
        };
        let was_there = path.exists();
        let (shared, birth) = match existing {
            Some(shared) => (shared, Birth::Kept),
            None if was_there && !alone => {
                return Err(Failure::new(
                    abi::IFE_STATE_FORMAT,
                    format!(
                        "{} is of another version or size and another process uses it: stop that \
                         process first",
                        path.display()
                    ),
                ));
            }
            None => {
                let make = |e| {
                    Failure::state_dir(
                        format_args!("cannot make {} ({} bytes)", path.display(), layout.len),
                        &e,
                    )
                };
                let shared = create(dir, &path, layout, unix_s).map_err(make)?;
                (
                    shared,
                    if was_there {
                        Birth::Replaced
                    } else {
                        Birth::First
                    },
                )
            }
        };
        if alone {
            shared.rebuild_quotas(mono_s);
            settle(&shared);
            sys::try_lock(&lock, Lock::Shared).map_err(lock_failure)?;
        }
        Ok(Opened {
            shared,
            birth,
            lock,
        })
    }
}

/// Locks alone if no other process has the state open, else together. Returns true if alone.
fn take_lock(lock: &File) -> io::Result<bool> {
    let start = Instant::now();
    loop {
        if sys::try_lock(lock, Lock::Exclusive)? {
            return Ok(true);
        }
        if sys::try_lock(lock, Lock::Shared)? {
            return Ok(false);
        }
        if start.elapsed() > OPEN_WAIT {
            return Err(io::Error::new(
                io::ErrorKind::TimedOut,
                "another process is opening the state",
            ));
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Opens the state; `None` when it does not fit.
fn open_existing(path: &Path, layout: Layout) -> io::Result<Option<Shared>> {
    let file = sys::open_existing(path)?;
    if file.metadata()?.len() != layout.len as u64 {
        return Ok(None);
    }
    let map = Map::shared(&file, layout.len)?;
    let words = map.words(0, 64);
    let expected = [
        (header::MAGIC, MAGIC),
        (header::VERSION, VERSION),
        (header::LAYOUT_HASH, layout.fingerprint()),
        (header::BOOT_ID, boot_id()),
        (header::COMPLETE, 1),
    ];
    let fits = expected
        .iter()
        .all(|&(word, value)| words[word].load(SeqCst) == value);
    Ok(fits.then(|| Shared::new(map, layout)))
}

/// Makes the file under another name and moves it into place, so that it is whole or absent.
fn create(dir: &Path, path: &Path, layout: Layout, unix_s: u64) -> io::Result<Shared> {
    let temporary = dir.join(format!("{FILE}.{}.new", sys::process_id()));
    let result = create_at(&temporary, layout, unix_s).and_then(|shared| {
        std::fs::rename(&temporary, path)?;
        Ok(shared)
    });
    if result.is_err() {
        // The first error is the one to return.
        let _ = std::fs::remove_file(&temporary);
    }
    result
}

fn create_at(path: &Path, layout: Layout, unix_s: u64) -> io::Result<Shared> {
    match std::fs::remove_file(path) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(e),
        Ok(()) | Err(_) => {}
    }
    let file = sys::create_private(path)?;
    sys::reserve(&file, layout.len)?;
    let map = Map::shared(&file, layout.len)?;
    let key = Key::random()?;
    let words = map.words(0, 64);
    for (word, value) in [
        (header::MAGIC, MAGIC),
        (header::VERSION, VERSION),
        (header::LAYOUT_HASH, layout.fingerprint()),
        (header::KEY_0, key.0),
        (header::KEY_1, key.1),
        (header::BOOT_ID, boot_id()),
        (header::BIRTH_UNIX_S, unix_s),
        (hot::IAT_FLOOR_S, unix_s),
        (hot::STARTED_UNIX_S, unix_s),
        (header::COMPLETE, 1),
    ] {
        words[word].store(value, SeqCst);
    }
    Ok(Shared::new(map, layout))
}

/// Returns the id of this boot, 0 where the host does not give it. Leases count on a clock that
/// starts with the host, so a file from another boot is useless.
fn boot_id() -> u64 {
    let id = std::fs::read("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    if id.is_empty() {
        0
    } else {
        Key(VERSION, MAGIC).hash(&id).low
    }
}

const _: () = assert!(
    counters::Counter::Rejected as usize + abi::IFE_GATE_COUNT as usize <= counters::SLOT_WORDS
);
