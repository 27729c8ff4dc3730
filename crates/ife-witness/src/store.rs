//! Durable files. Every change of the log directory goes through [`Disk`]; tests make it fail.
//!
//! Nothing is retried: after a failed write or fsync the kernel may have dropped the data and
//! marked it clean (fsyncgate). The only safe response is to end the process and recover from disk
//! and rings.

use std::collections::BTreeSet;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::{panic, thread};

use crate::aside::{self, Existing, parent_of};
use crate::ring::sys;

/// The changing system calls, with their errors. [`RealDisk`] makes them as they stand here; disks
/// of tests replace some.
pub trait Disk: Send + Sync {
    /// `open(O_RDWR | O_CREAT | O_TRUNC)` with this mode.
    fn create(&self, path: &Path, mode: u32) -> io::Result<File> {
        OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(true)
            .mode(mode)
            .open(path)
    }

    /// `pwrite` until all is written.
    fn write_at(&self, file: &File, bytes: &[u8], offset: u64) -> io::Result<()> {
        file.write_all_at(bytes, offset)
    }

    /// `fdatasync`.
    fn sync(&self, file: &File) -> io::Result<()> {
        file.sync_data()
    }

    /// `rename`.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to)
    }

    /// `unlink`.
    fn remove(&self, path: &Path) -> io::Result<()> {
        fs::remove_file(path)
    }

    /// `mkdir` with this mode; fine if it exists.
    fn create_dir(&self, path: &Path, mode: u32) -> io::Result<()> {
        match fs::DirBuilder::new().mode(mode).create(path) {
            Err(e) if e.kind() == io::ErrorKind::AlreadyExists => Ok(()),
            other => other,
        }
    }

    /// `fsync` of a directory.
    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        File::open(path)?.sync_all()
    }

    /// `statfs`: the bytes that may still be written.
    fn free_bytes(&self, path: &Path) -> io::Result<u64> {
        sys::free_bytes(path)
    }
}

/// The operating system's file system.
#[derive(Clone, Copy, Debug, Default)]
pub struct RealDisk;

impl Disk for RealDisk {}

/// A failed file operation.
#[derive(Debug, thiserror::Error)]
#[error("cannot {action} {}", path.display())]
pub struct StoreError {
    /// The operation, a verb.
    pub action: &'static str,
    /// Its path.
    pub path: PathBuf,
    /// The system call's error.
    #[source]
    pub source: io::Error,
}

impl StoreError {
    pub(crate) fn new(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self + use<> {
        let path = path.to_owned();
        move |source| Self {
            action,
            path,
            source,
        }
    }
}

/// Modes of published files, and of files that only the writer reads.
const PUBLIC_FILE: u32 = 0o644;
const PUBLIC_DIR: u32 = 0o755;
const PRIVATE_FILE: u32 = 0o600;
const PRIVATE_DIR: u32 = 0o700;

/// Path of the mark that a log was begun in this directory. Written before the first entry.
pub(crate) const BEGUN: &str = "private/begun";

/// Tile files open at a time while they are written and synced.
const OPEN_FILES_MAX: usize = 64;

/// Tile files synced at a time. One after the other they would take as long as so many flushes of
/// the disk, which bounds the entries a second that can be published.
const SYNCS_AT_ONCE: usize = 16;

/// The log directory. Every error is a failed system call.
#[derive(Clone)]
pub struct Store {
    root: PathBuf,
    disk: Arc<dyn Disk>,
    next_new: Arc<AtomicU64>,
}

impl Store {
    /// Opens the log directory `root`; creates it and its private part if absent.
    ///
    /// # Errors
    /// The directories cannot be created.
    pub fn open(root: &Path, disk: Arc<dyn Disk>) -> Result<Self, StoreError> {
        let store = Self {
            root: root.to_owned(),
            disk,
            next_new: Arc::new(AtomicU64::new(0)),
        };
        store.make_root()?;
        for dir in [store.private_dir(), store.wal_dir(), store.new_dir()] {
            store
                .disk
                .create_dir(&dir, PRIVATE_DIR)
                .map_err(StoreError::new("create", &dir))?;
        }
        store.sync_dir(&store.private_dir())?;
        store.sync_dir(root)?;
        store.sync_above()?;
        Ok(store)
    }

    /// Makes the directory entries above the log directory durable until the log is begun: an
    /// earlier start may have been killed between creating and syncing them.
    fn sync_above(&self) -> Result<(), StoreError> {
        let begun = self.begun();
        if begun
            .try_exists()
            .map_err(StoreError::new("look for", &begun))?
        {
            return Ok(());
        }
        let mut dir = self.root.as_path();
        while !dir.as_os_str().is_empty() && dir != parent_of(dir) && dir != Path::new("/") {
            dir = parent_of(dir);
            match self.disk.sync_dir(dir) {
                // The writer cannot read this directory, so it did not create it.
                Err(e) if e.kind() == io::ErrorKind::PermissionDenied => {}
                outcome => outcome.map_err(StoreError::new("sync", dir))?,
            }
        }
        Ok(())
    }

    /// Returns the path of the mark that a log was begun here.
    pub fn begun(&self) -> PathBuf {
        self.root.join(BEGUN)
    }

    /// Creates the log directory and its ancestors.
    fn make_root(&self) -> Result<(), StoreError> {
        let mut dirs: Vec<&Path> = self
            .root
            .ancestors()
            .take_while(|dir| !dir.as_os_str().is_empty() && !dir.is_dir())
            .collect();
        dirs.reverse();
        for dir in dirs {
            self.disk
                .create_dir(dir, PUBLIC_DIR)
                .map_err(StoreError::new("create", dir))?;
            self.sync_dir(parent_of(dir))?;
        }
        Ok(())
    }

    /// Returns the log directory.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Returns the path of the public checkpoint.
    pub fn public_checkpoint(&self) -> PathBuf {
        self.root.join("checkpoint")
    }

    /// Returns the path of the last signed checkpoint, published or not.
    pub fn private_checkpoint(&self) -> PathBuf {
        self.private_dir().join("checkpoint.signed")
    }

    /// Returns the directory of the write-ahead log.
    pub fn wal_dir(&self) -> PathBuf {
        self.private_dir().join("wal")
    }

    fn private_dir(&self) -> PathBuf {
        self.root.join("private")
    }

    /// Directory of files under temporary names.
    fn new_dir(&self) -> PathBuf {
        self.private_dir().join("new")
    }

    /// Locks the log directory for this writer, until the result drops.
    ///
    /// # Errors
    /// The lock file cannot be created. `None` if a living process holds the lock.
    pub fn lock(&self) -> Result<Option<File>, StoreError> {
        let path = self.private_dir().join("LOCK");
        let mut options = OpenOptions::new();
        let file = options
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(PRIVATE_FILE)
            .open(&path)
            .map_err(StoreError::new("open", &path))?;
        let got = sys::try_lock(&file).map_err(StoreError::new("lock", &path))?;
        Ok(got.then_some(file))
    }

    /// Removes the unnamed files of a killed writer. Requires the lock.
    ///
    /// # Errors
    /// The directory cannot be read or a file cannot be removed.
    pub fn sweep(&self) -> Result<(), StoreError> {
        let dir = self.new_dir();
        for entry in fs::read_dir(&dir).map_err(StoreError::new("list", &dir))? {
            let path = entry.map_err(StoreError::new("list", &dir))?.path();
            self.remove(&path)?;
        }
        Ok(())
    }

    /// Creates an empty private file under a temporary name, for [`publish`](Self::publish).
    pub fn create_private(&self) -> Result<(PathBuf, File), StoreError> {
        self.create_new(PRIVATE_FILE)
    }

    fn create_new(&self, mode: u32) -> Result<(PathBuf, File), StoreError> {
        let path = self
            .new_dir()
            .join(self.next_new.fetch_add(1, Ordering::Relaxed).to_string());
        let file = self
            .disk
            .create(&path, mode)
            .map_err(StoreError::new("create", &path))?;
        Ok((path, file))
    }

    /// `pwrite`; `path` is for the error.
    pub fn write_at(
        &self,
        path: &Path,
        file: &File,
        bytes: &[u8],
        offset: u64,
    ) -> Result<(), StoreError> {
        self.disk
            .write_at(file, bytes, offset)
            .map_err(StoreError::new("write", path))
    }

    /// `fdatasync`; `path` is for the error.
    pub fn sync(&self, path: &Path, file: &File) -> Result<(), StoreError> {
        self.disk.sync(file).map_err(StoreError::new("sync", path))
    }

    /// Makes the entries of directory `dir` durable.
    pub fn sync_dir(&self, dir: &Path) -> Result<(), StoreError> {
        self.disk
            .sync_dir(dir)
            .map_err(StoreError::new("sync", dir))
    }

    /// Renames a synced file to its final name, durably.
    pub fn publish(&self, new: &Path, path: &Path) -> Result<(), StoreError> {
        self.rename(new, path)?;
        self.sync_dir(path.parent().unwrap_or(&self.root))
    }

    fn rename(&self, new: &Path, path: &Path) -> Result<(), StoreError> {
        self.disk
            .rename(new, path)
            .map_err(StoreError::new("rename a new file to", path))
    }

    /// `unlink`.
    pub fn remove(&self, path: &Path) -> Result<(), StoreError> {
        self.disk
            .remove(path)
            .map_err(StoreError::new("remove", path))
    }

    /// Replaces the whole file, durably: readers get either the old or the new content.
    pub fn replace(&self, path: &Path, bytes: &[u8], public: bool) -> Result<(), StoreError> {
        let (new, file) = self.create_new(if public { PUBLIC_FILE } else { PRIVATE_FILE })?;
        self.write_at(&new, &file, bytes, 0)?;
        self.sync(&new, &file)?;
        self.publish(&new, path)
    }

    /// Replaces published files, by names in the log directory; they and their names are durable.
    pub fn write_public<'f>(
        &self,
        files: impl IntoIterator<Item = (String, &'f [u8])>,
    ) -> Result<(), StoreError> {
        let mut files = files.into_iter();
        let mut dirs = BTreeSet::new();
        loop {
            let mut open = Vec::new();
            for (name, bytes) in files.by_ref().take(OPEN_FILES_MAX) {
                let (new, file) = self.create_new(PUBLIC_FILE)?;
                self.write_at(&new, &file, bytes, 0)?;
                open.push((self.root.join(name), new, file));
            }
            if open.is_empty() {
                break;
            }
            // All writes precede the first sync: the disk then works on many files at a time.
            self.sync_all(&open)?;
            for (path, new, _) in &open {
                self.make_parents(path, &mut dirs)?;
                self.rename(new, path)?;
            }
        }
        dirs.iter().try_for_each(|dir| self.sync_dir(dir))
    }

    /// Syncs new files, several at a time.
    fn sync_all(&self, open: &[(PathBuf, PathBuf, File)]) -> Result<(), StoreError> {
        let sync = |files: &[(PathBuf, PathBuf, File)]| {
            let mut files = files.iter();
            files.try_for_each(|(_, new, file)| self.sync(new, file))
        };
        if open.len() < 2 {
            return sync(open);
        }
        thread::scope(|scope| {
            let mut threads = Vec::new();
            let mut outcome = Ok(());
            for share in open.chunks(open.len().div_ceil(SYNCS_AT_ONCE)) {
                // Without a thread it takes longer.
                match thread::Builder::new().spawn_scoped(scope, move || sync(share)) {
                    Ok(thread) => threads.push(thread),
                    Err(_) => outcome = outcome.and_then(|()| sync(share)),
                }
            }
            for thread in threads {
                // A panic goes on in this thread.
                let synced = thread
                    .join()
                    .unwrap_or_else(|why| panic::resume_unwind(why));
                outcome = outcome.and(synced);
            }
            outcome
        })
    }

    /// Creates the directories above `path`; adds to `dirs` every directory whose entries change.
    fn make_parents(&self, path: &Path, dirs: &mut BTreeSet<PathBuf>) -> Result<(), StoreError> {
        let Some(dir) = path.parent() else {
            return Ok(());
        };
        if dirs.insert(dir.to_owned()) && !dir.is_dir() {
            self.make_parents(dir, dirs)?;
            self.disk
                .create_dir(dir, PUBLIC_DIR)
                .map_err(StoreError::new("create", dir))?;
        }
        Ok(())
    }

    /// Removes a directory of obsolete files if it exists. Not durable; it is repeated next time.
    pub fn remove_dir(&self, name: &str) -> Result<(), StoreError> {
        let dir = self.root.join(name);
        match fs::remove_dir_all(&dir) {
            Err(e) if e.kind() != io::ErrorKind::NotFound => {
                Err(StoreError::new("remove", &dir)(e))
            }
            _ => Ok(()),
        }
    }

    /// Returns the bytes that may still be written to the log directory.
    pub fn free_bytes(&self) -> Result<u64, StoreError> {
        self.disk
            .free_bytes(&self.root)
            .map_err(StoreError::new("ask the free space of", &self.root))
    }
}

/// Reads a file that may be absent.
pub fn read_if_exists(path: &Path) -> Result<Option<Vec<u8>>, StoreError> {
    match fs::read(path) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(e) => Err(StoreError::new("read", path)(e)),
    }
}

/// Creates a file that only its owner may read. Durable and atomic; fails if the file exists.
pub fn create_secret(path: &Path, bytes: &[u8]) -> Result<(), StoreError> {
    aside::write(path, bytes, PRIVATE_FILE, Existing::Keep).map_err(StoreError::new("create", path))
}

#[cfg(test)]
mod tests;
