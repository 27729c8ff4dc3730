//! Disks that fail, and a disk that loses unsynced data.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use ife_witness::store::{Disk, RealDisk};

use crate::common::Random;

/// The kind of a system call's failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// An error without effect.
    Fails,
    /// An error after the effect.
    FailsButPersisted,
    /// An error after half of a write; other calls have no effect.
    FailsHalfway,
}

/// Fails call number `at`, counted from 0, and all later ones with EIO: the process ends.
pub(crate) struct FaultyDisk {
    pub(crate) fault: Fault,
    pub(crate) at: u64,
    calls: AtomicU64,
}

impl FaultyDisk {
    pub(crate) fn new(fault: Fault, at: u64) -> Self {
        Self {
            fault,
            at,
            calls: AtomicU64::new(0),
        }
    }

    /// Returns whether the failing call was made.
    pub(crate) fn struck(&self) -> bool {
        self.calls.load(Ordering::Relaxed) > self.at
    }

    fn call<T>(&self, whole: impl FnOnce() -> io::Result<T>, half: impl FnOnce()) -> io::Result<T> {
        let call = self.calls.fetch_add(1, Ordering::Relaxed);
        if call < self.at {
            return whole();
        }
        if call == self.at {
            match self.fault {
                Fault::Fails => {}
                Fault::FailsButPersisted => drop(whole()?),
                Fault::FailsHalfway => half(),
            }
        }
        Err(io::Error::from_raw_os_error(libc::EIO))
    }
}

impl Disk for FaultyDisk {
    fn create(&self, path: &Path, mode: u32) -> io::Result<File> {
        self.call(|| RealDisk.create(path, mode), || ())
    }

    fn write_at(&self, file: &File, bytes: &[u8], offset: u64) -> io::Result<()> {
        let half = || {
            file.write_all_at(&bytes[..bytes.len() / 2], offset)
                .expect("writes")
        };
        self.call(|| RealDisk.write_at(file, bytes, offset), half)
    }

    fn sync(&self, file: &File) -> io::Result<()> {
        self.call(|| RealDisk.sync(file), || ())
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.call(|| RealDisk.rename(from, to), || ())
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.call(|| RealDisk.remove(path), || ())
    }

    fn create_dir(&self, path: &Path, mode: u32) -> io::Result<()> {
        self.call(|| RealDisk.create_dir(path, mode), || ())
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        self.call(|| RealDisk.sync_dir(path), || ())
    }
}

/// A disk whose free space a test sets.
pub(crate) struct SmallDisk {
    pub(crate) free: AtomicU64,
}

impl Disk for SmallDisk {
    fn free_bytes(&self, _path: &Path) -> io::Result<u64> {
        Ok(self.free.load(Ordering::Relaxed))
    }
}

/// A disk with a volatile cache. The power fails at call number `at`;
/// [`fail_power`](Self::fail_power) then reverts, at random, sectors of unsynced writes and the
/// last unsynced changes of directories.
pub(crate) struct VolatileDisk {
    at: u64,
    calls: AtomicU64,
    /// Keeps files that renames replace and removals delete.
    backup: PathBuf,
    undo: Mutex<Vec<Undo>>,
}

enum Undo {
    Write {
        file: File,
        inode: u64,
        offset: u64,
        old: Vec<u8>,
        old_len: u64,
    },
    Create {
        path: PathBuf,
    },
    Mkdir {
        path: PathBuf,
    },
    Rename {
        from: PathBuf,
        to: PathBuf,
        replaced: Option<PathBuf>,
    },
    Remove {
        path: PathBuf,
        backup: PathBuf,
    },
}

impl Undo {
    /// Returns the directory whose sync makes a change of names durable.
    fn dir(&self) -> Option<&Path> {
        match self {
            Self::Write { .. } => None,
            Self::Create { path } | Self::Mkdir { path } | Self::Remove { path, .. } => {
                path.parent()
            }
            Self::Rename { to, .. } => to.parent(),
        }
    }
}

const SECTOR: usize = 512;

impl VolatileDisk {
    pub(crate) fn new(at: u64, backup: PathBuf) -> Self {
        Self {
            at,
            calls: AtomicU64::new(0),
            backup,
            undo: Mutex::default(),
        }
    }

    pub(crate) fn struck(&self) -> bool {
        self.calls.load(Ordering::Relaxed) > self.at
    }

    fn check(&self) -> io::Result<()> {
        if self.calls.fetch_add(1, Ordering::Relaxed) < self.at {
            Ok(())
        } else {
            Err(io::Error::from_raw_os_error(libc::EIO))
        }
    }

    fn note(&self, undo: Undo) {
        self.undo.lock().expect("no panic").push(undo);
    }

    fn keep(&self, path: &Path) -> PathBuf {
        let kept = self
            .backup
            .join(self.calls.load(Ordering::Relaxed).to_string());
        fs::hard_link(path, &kept).expect("link");
        kept
    }

    /// Reverts unsynced data. No file of the log may be open.
    pub(crate) fn fail_power(&self, random: &mut Random) {
        let mut undo = std::mem::take(&mut *self.undo.lock().expect("no panic"));
        let names = undo.iter().filter(|u| u.dir().is_some()).count() as u64;
        let mut lost_names = random.below(names + 1);
        while let Some(step) = undo.pop() {
            let is_name = step.dir().is_some();
            if is_name && lost_names == 0 {
                continue;
            }
            lost_names -= u64::from(is_name);
            match step {
                Undo::Write {
                    file,
                    offset,
                    old,
                    old_len,
                    ..
                } => lose_sectors(&file, offset, &old, old_len, random),
                Undo::Create { path } => fs::remove_file(path).expect("remove"),
                Undo::Mkdir { path } => fs::remove_dir(path).expect("remove an empty directory"),
                Undo::Rename { from, to, replaced } => {
                    fs::rename(&to, from).expect("rename back");
                    if let Some(kept) = replaced {
                        fs::hard_link(kept, to).expect("put back");
                    }
                }
                Undo::Remove { path, backup } => fs::hard_link(backup, path).expect("put back"),
            }
        }
    }
}

fn lose_sectors(file: &File, offset: u64, old: &[u8], old_len: u64, random: &mut Random) {
    for (n, sector) in old.chunks(SECTOR).enumerate() {
        if random.below(2) == 0 {
            file.write_all_at(sector, offset + (n * SECTOR) as u64)
                .expect("write back");
        }
    }
    if random.below(4) == 0 {
        file.set_len(old_len.max(offset)).expect("cut");
    }
}

impl Disk for VolatileDisk {
    fn create(&self, path: &Path, mode: u32) -> io::Result<File> {
        self.check()?;
        let file = RealDisk.create(path, mode)?;
        self.note(Undo::Create {
            path: path.to_owned(),
        });
        Ok(file)
    }

    fn write_at(&self, file: &File, bytes: &[u8], offset: u64) -> io::Result<()> {
        // Half of the write interrupted by the power failure may be in the cache.
        let struck = self.check().is_err();
        let bytes = if struck {
            &bytes[..bytes.len() / 2]
        } else {
            bytes
        };
        if self.calls.load(Ordering::Relaxed) <= self.at + 1 {
            let meta = file.metadata()?;
            let mut old = vec![0; bytes.len()];
            let have = (meta.len().saturating_sub(offset) as usize).min(old.len());
            file.read_exact_at(&mut old[..have], offset)?;
            RealDisk.write_at(file, bytes, offset)?;
            let (inode, old_len, file) = (meta.ino(), meta.len(), file.try_clone()?);
            self.note(Undo::Write {
                file,
                inode,
                offset,
                old,
                old_len,
            });
        }
        if struck {
            Err(io::Error::from_raw_os_error(libc::EIO))
        } else {
            Ok(())
        }
    }

    fn sync(&self, file: &File) -> io::Result<()> {
        self.check()?;
        let synced = file.metadata()?.ino();
        self.undo
            .lock()
            .expect("no panic")
            .retain(|u| !matches!(u, Undo::Write { inode, .. } if *inode == synced));
        Ok(())
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.check()?;
        let replaced = to.exists().then(|| self.keep(to));
        RealDisk.rename(from, to)?;
        self.note(Undo::Rename {
            from: from.to_owned(),
            to: to.to_owned(),
            replaced,
        });
        Ok(())
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.check()?;
        let backup = self.keep(path);
        RealDisk.remove(path)?;
        self.note(Undo::Remove {
            path: path.to_owned(),
            backup,
        });
        Ok(())
    }

    fn create_dir(&self, path: &Path, mode: u32) -> io::Result<()> {
        self.check()?;
        if !path.is_dir() {
            RealDisk.create_dir(path, mode)?;
            self.note(Undo::Mkdir {
                path: path.to_owned(),
            });
        }
        Ok(())
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        self.check()?;
        let mut undo = self.undo.lock().expect("no panic");
        // A file whose new name is durable exists, even without a sync of its first directory.
        let mut named = Vec::new();
        for step in &*undo {
            if let Undo::Rename { from, to, .. } = step
                && to.parent() == Some(path)
            {
                named.push(from.clone());
            }
        }
        undo.retain(|u| {
            u.dir() != Some(path) && !matches!(u, Undo::Create { path } if named.contains(path))
        });
        Ok(())
    }
}
