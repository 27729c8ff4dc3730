//! Directories for tests: on tmpfs for rings, on disk for logs.
#![allow(dead_code, reason = "each test binary uses its part")]

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

static NEXT: AtomicU32 = AtomicU32::new(0);

/// A directory that is removed with its content on drop.
pub(crate) struct TempDir(PathBuf);

impl TempDir {
    fn new(parent: &Path) -> Self {
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let path = parent.join(format!("ife-witness-test-{}-{number}", std::process::id()));
        std::fs::create_dir_all(&path).expect("make a test directory");
        Self(path)
    }

    /// Creates a directory on tmpfs.
    pub(crate) fn memory() -> Self {
        Self::new(Path::new("/dev/shm"))
    }

    /// Creates a directory in cargo's target directory, which is on a disk.
    pub(crate) fn disk() -> Self {
        Self::new(Path::new(env!("CARGO_TARGET_TMPDIR")))
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for TempDir {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// A small generator of test data (xorshift64*), the same in every run for the same seed.
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }
}
