//! Legacy signatures seen, for ever: a file on disk that the registry names.
//!
//! A legacy signature does not bind the call, so its trace id is valid for one call only, also
//! after the host restarts. The file has a fixed number of slots that are never reused; each
//! acceptance waits for its page to reach the disk, which costs about one disk write. When it is
//! full or cannot be written, legacy signatures are refused.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::time::Duration;

use ife_guard::{Now, SAME_ATTEMPT_REPEATS_MAX, SAME_ATTEMPT_WINDOW_MS, Sight};

use super::hash::Key;
use super::probe::Lines;
use super::step::step;
use crate::sys::{self, Lock, Map};

const MAGIC: u64 = u64::from_le_bytes(*b"IFELEG1\0");
const PAGE: usize = 4096;
/// 32 bytes each: 8 MiB in all.
const SLOTS: usize = 1 << 18;
const SLOT_WORDS: usize = 4;
const SLOTS_PER_LINE: usize = 2;
const LINES_MAX: usize = 128;
/// How long opening waits for another process that opens the store.
const OPEN_WAIT: Duration = Duration::from_millis(200);
const LEN: usize = PAGE + SLOTS * SLOT_WORDS * 8;

/// The mapped file: `hash low (never 0 in use) | hash high | attempt | first sight, unix ms (48),
/// repeats (16)` per slot.
pub(crate) struct Legacy {
    map: Map,
    key: Key,
    path: PathBuf,
}

impl Legacy {
    /// Opens the file, or makes it if it is absent.
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        let file = sys::open_private(path)?;
        // Only one process may find the file empty and write its header.
        if !sys::lock_within(&file, Lock::Exclusive, OPEN_WAIT)? {
            return Err(io::Error::new(
                io::ErrorKind::TimedOut,
                "another process is opening it",
            ));
        }
        if file.metadata()?.len() == 0 {
            sys::reserve(&file, LEN)?;
        }
        if file.metadata()?.len() != LEN as u64 {
            return Err(io::Error::new(
                io::ErrorKind::InvalidData,
                "not a store of legacy signatures: wrong size",
            ));
        }
        let map = Map::shared(&file, LEN)?;
        let words = map.words(0, 3);
        match words[0].load(SeqCst) {
            MAGIC => {}
            // A new file, or one whose making was cut short before its first slot was used.
            0 => initialise(&file, words, path)?,
            _ => {
                return Err(io::Error::new(
                    io::ErrorKind::InvalidData,
                    "not a store of legacy signatures: wrong first bytes",
                ));
            }
        }
        let key = Key(words[1].load(SeqCst), words[2].load(SeqCst));
        Ok(Self {
            map,
            key,
            path: path.to_owned(),
        })
    }

    /// Returns the file's path as the registry gives it.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// See [`ife_guard::State::legacy_first_sight`].
    pub(crate) fn first_sight(&self, key: &[u8; 32], attempt: u64, now: Now) -> Sight {
        let hash = self.key.hash(key);
        let name = hash.low | 1;
        let slots = self.map.words(PAGE, SLOTS * SLOT_WORDS);
        for line in Lines::new(hash, SLOTS, SLOTS_PER_LINE, LINES_MAX) {
            for slot in line..line + SLOTS_PER_LINE {
                let words = &slots[slot * SLOT_WORDS..(slot + 1) * SLOT_WORDS];
                step();
                // A slot is never released, so the loser of a race for it compares it and goes on.
                let owner = match words[0].compare_exchange(0, name, SeqCst, SeqCst) {
                    Ok(_) => return self.note(slot, words, hash.high, attempt, now),
                    Err(owner) => owner,
                };
                // 0: the rest is being written, or its writer was killed. Then 64 bits suffice.
                let high = words[1].load(SeqCst);
                if owner == name && (high == hash.high | 1 || high == 0) {
                    return seen_again(words, attempt, now);
                }
            }
        }
        Sight::TableFull
    }

    /// Fills a slot that this process claimed and waits until it is on disk.
    fn note(&self, slot: usize, words: &[AtomicU64], high: u64, attempt: u64, now: Now) -> Sight {
        words[2].store(attempt, SeqCst);
        words[3].store(now.unix_ms << 16, SeqCst);
        step();
        words[1].store(high | 1, SeqCst);
        step();
        match self.map.sync_page(PAGE + slot * SLOT_WORDS * 8) {
            Ok(()) => Sight::Fresh,
            // The slot stays used: it may have reached the disk.
            Err(_) => Sight::Unavailable,
        }
    }
}

fn seen_again(words: &[AtomicU64], attempt: u64, now: Now) -> Sight {
    let meta = words[3].load(SeqCst);
    let (first_ms, repeats) = (meta >> 16, meta & 0xffff);
    let age_ms = now.unix_ms.checked_sub(first_ms);
    let in_time = age_ms.is_some_and(|age| age <= SAME_ATTEMPT_WINDOW_MS);
    if words[2].load(SeqCst) != attempt
        || !in_time
        || repeats >= u64::from(SAME_ATTEMPT_REPEATS_MAX)
    {
        return Sight::Replayed;
    }
    step();
    // Losing the race against another repetition counts as one too many, which is rare.
    match words[3].compare_exchange(meta, meta + 1, SeqCst, SeqCst) {
        Ok(_) => Sight::SameAttempt,
        Err(_) => Sight::Replayed,
    }
}

fn initialise(file: &File, words: &[AtomicU64], path: &Path) -> io::Result<()> {
    let key = Key::random()?;
    words[1].store(key.0, SeqCst);
    words[2].store(key.1, SeqCst);
    file.sync_all()?;
    // Written after the key, so a file with the magic is complete.
    words[0].store(MAGIC, SeqCst);
    file.sync_all()?;
    // The file's name must survive a crash as well as its contents.
    match path.parent() {
        Some(parent) => File::open(parent)?.sync_all(),
        None => Ok(()),
    }
}
