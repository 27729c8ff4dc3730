//! Disk space for fetched files: private, bounded, and given back with the last user of a file.

use std::{
    fs,
    io::{self, Write},
    os::unix::fs::DirBuilderExt,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use tempfile::TempPath;

/// The directory, and the bytes in use.
#[derive(Debug)]
pub(super) struct Spool {
    dir: PathBuf,
    used: Arc<AtomicU64>,
    len_max: u64,
}

/// A file that is being written, then read.
#[derive(Debug)]
pub(crate) struct Spooled {
    path: TempPath,
    len: u64,
    used: Arc<AtomicU64>,
}

/// A file that grows.
#[derive(Debug)]
pub(super) struct Growing {
    file: fs::File,
    // Gives the space back should the file never be finished.
    spooled: Spooled,
    len_max: u64,
}

impl Spool {
    pub(super) fn new(dir: &Path, len_max: u64) -> Spool {
        Spool {
            dir: dir.to_owned(),
            used: Arc::default(),
            len_max,
        }
    }

    /// Makes the directory, and removes the files that a dead process has left in it.
    pub(super) fn clear(&self) -> io::Result<()> {
        fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&self.dir)?;
        for entry in fs::read_dir(&self.dir)? {
            let entry = entry?;
            if entry.file_type()?.is_file() {
                fs::remove_file(entry.path())?;
            }
        }
        Ok(())
    }

    /// An empty file, readable by its owner alone.
    pub(super) fn begin(&self) -> io::Result<Growing> {
        let (file, path) = tempfile::Builder::new()
            .prefix("evidence-")
            .tempfile_in(&self.dir)?
            .into_parts();
        let used = self.used.clone();
        Ok(Growing {
            file,
            spooled: Spooled { path, len: 0, used },
            len_max: self.len_max,
        })
    }
}

impl Growing {
    /// Appends; `StorageFull` when the spool has no room.
    pub(super) fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        let len = bytes.len() as u64;
        let before = self.spooled.used.fetch_add(len, Ordering::Relaxed);
        self.spooled.len += len;
        if before + len > self.len_max {
            return Err(io::ErrorKind::StorageFull.into());
        }
        self.file.write_all(bytes)
    }

    pub(super) fn len(&self) -> u64 {
        self.spooled.len
    }

    pub(super) fn finish(self) -> Spooled {
        self.spooled
    }
}

impl Spooled {
    pub(super) fn open(&self) -> io::Result<fs::File> {
        fs::File::open(&self.path)
    }
}

impl Drop for Spooled {
    fn drop(&mut self) {
        self.used.fetch_sub(self.len, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn space_is_bounded_and_given_back() {
        let dir = tempfile::tempdir().expect("a directory");
        let spool = Spool::new(&dir.path().join("spool"), 10);
        spool.clear().expect("it is made");
        let mut first = spool.begin().expect("there is room");
        first.write(b"123456").expect("six of ten");
        let first = first.finish();
        let mut second = spool.begin().expect("there is room");
        let error = second.write(b"12345").expect_err("eleven of ten");
        assert_eq!(error.kind(), io::ErrorKind::StorageFull);
        drop(second);
        drop(first);
        assert_eq!(spool.used.load(Ordering::Relaxed), 0);
        let left = fs::read_dir(&spool.dir).expect("it is there").count();
        assert_eq!(left, 0, "files go with their users");
    }

    #[test]
    fn what_a_dead_process_left_is_removed() {
        let dir = tempfile::tempdir().expect("a directory");
        fs::write(dir.path().join("evidence-old"), "x").expect("there is room");
        let spool = Spool::new(dir.path(), 10);
        spool.clear().expect("it is cleared");
        assert_eq!(fs::read_dir(dir.path()).expect("it is there").count(), 0);
    }
}
