//! The shared tables on their own: rules, interleavings, workers killed at every instruction.

mod calls;
mod file;
mod hammer;
mod interleaving;
mod killed;
mod legacy;
pub(crate) mod processes;
mod quota;
mod refusals;
mod replay;

use std::path::PathBuf;
use std::sync::atomic::Ordering::SeqCst;
use std::sync::atomic::{AtomicU32, Ordering};

use ife_guard::Now;

use super::Shared;
use super::layout::{Layout, REPLAY_SLOTS_MIN, hot};

/// A directory on tmpfs, removed when dropped.
struct Dir(PathBuf);

impl Dir {
    fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let path = PathBuf::from(format!(
            "/dev/shm/ife-shared-{}-{number}",
            std::process::id()
        ));
        std::fs::create_dir_all(&path).expect("/dev/shm is writable");
        Self(path)
    }
}

impl Drop for Dir {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Birth of every test's state, unix s.
const BIRTH_S: u64 = 1_800_000_000;
/// The never-jumping clock at birth, s.
const BOOT_S: u64 = 5_000;

/// Returns the instant `seconds` after birth, on both clocks.
fn at(seconds: u64) -> Now {
    Now {
        unix_ms: (BIRTH_S + seconds) * 1000,
        mono_ms: (BOOT_S + seconds) * 1000,
    }
}

/// Makes a state of the smallest size.
fn fresh(dir: &Dir) -> Shared {
    let layout = Layout::new(REPLAY_SLOTS_MIN, 16);
    let opened = Shared::open(&dir.0, layout, BIRTH_S, BOOT_S, |_| {}).expect("a fresh directory");
    opened.shared
}

/// Clears the state to that of a new file.
fn clear(shared: &Shared) {
    let layout = shared.layout;
    for part in [
        layout.counters,
        layout.refusals,
        layout.replay_control,
        layout.replay_data,
        layout.buckets,
        layout.experts,
        layout.blocks,
        layout.call_control,
        layout.call_data,
    ] {
        for word in shared.part(part) {
            word.store(0, SeqCst);
        }
    }
    for (word, value) in [
        (hot::REPLAY_CLOCK_S, 0),
        (hot::IAT_FLOOR_S, BIRTH_S),
        (hot::BLOCKS_USED, 0),
        (hot::EXPERTS_USED, 0),
    ] {
        shared.word(word).store(value, SeqCst);
    }
}
