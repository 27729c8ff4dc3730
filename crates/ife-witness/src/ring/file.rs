//! Ring files: paths, creation, ownership.

use std::fs::{self, DirBuilder, File, OpenOptions, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::layout::{CAPACITY_MAX, CAPACITY_MIN, HEADER_SIZE, Header, MAGIC, NAME_LEN_MAX};
use super::map::RingMap;
use super::{RingError, WRITER_PRODUCER, sys};
use crate::entry::NUMBER_MAX;

/// The directory of all rings, in the state directory.
pub(super) const RINGS_DIR: &str = "rings";
const RING_SUFFIX: &str = ".ring";
const NEW_SUFFIX: &str = ".new";

/// Bounds the wait for the writer to release a ring that it is about to remove.
const LOCK_TRIES: u32 = 40;
const LOCK_PAUSE: Duration = Duration::from_millis(5);

/// Returns `<state_dir>/rings`; creates it if absent and checks that it is on tmpfs.
pub(super) fn rings_dir(state_dir: &Path) -> Result<PathBuf, RingError> {
    // Sticky, so that only its owner replaces a file, such as a registry image. The writer removes
    // the rings of dead producers.
    DirBuilder::new()
        .recursive(true)
        .mode(0o1770)
        .create(state_dir)
        .map_err(RingError::io("create", state_dir))?;
    let dir = state_dir.join(RINGS_DIR);
    DirBuilder::new()
        .recursive(true)
        .mode(0o770)
        .create(&dir)
        .map_err(RingError::io("create", &dir))?;
    share(&dir, &open_dir(&dir)?, 0o770).map_err(RingError::io("share", &dir))?;
    match sys::memory_backed(&dir).map_err(RingError::io("inspect", &dir))? {
        Ok(()) => Ok(dir),
        Err(magic) => Err(RingError::NotMemory {
            path: state_dir.to_owned(),
            magic,
        }),
    }
}

pub(super) fn check_name(name: &str) -> Result<(), RingError> {
    let allowed = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    let fits = (1..=NAME_LEN_MAX).contains(&name.len()) && name.bytes().all(allowed);
    if fits && name != WRITER_PRODUCER {
        Ok(())
    } else {
        Err(RingError::Name {
            name: name.to_owned(),
        })
    }
}

pub(super) fn check_capacity(capacity: usize) -> Result<(), RingError> {
    if capacity.is_power_of_two() && (CAPACITY_MIN..=CAPACITY_MAX).contains(&capacity) {
        Ok(())
    } else {
        Err(RingError::Capacity { capacity })
    }
}

pub(super) fn ring_path(dir: &Path, producer: &str) -> PathBuf {
    dir.join(format!("{producer}{RING_SUFFIX}"))
}

/// Returns the producer whose ring has this file name.
pub(super) fn producer_of(file_name: &str) -> Option<&str> {
    file_name
        .strip_suffix(RING_SUFFIX)
        .filter(|name| check_name(name).is_ok())
}

/// Returns whether this is an incomplete ring, left by a killed process.
pub(super) fn is_unfinished(file_name: &str) -> bool {
    file_name.starts_with('.') && file_name.ends_with(NEW_SUFFIX)
}

/// Attempts to open or create a file while other processes create or remove it.
const NAME_TRIES: u32 = 16;

/// Opens or creates a file that is shared with the group.
///
/// An existing file is opened without `O_CREAT`: with `fs.protected_regular=2`, Debian's default,
/// the kernel refuses that flag on another user's file in a sticky group-writable directory, even
/// to root (open(2), proc_sys_fs(5)).
pub(super) fn open_or_create(path: &Path) -> io::Result<File> {
    for _ in 0..NAME_TRIES {
        match open_shared(path, false) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => {}
            outcome => return outcome,
        }
        match open_shared(path, true) {
            Err(e) if e.kind() == io::ErrorKind::AlreadyExists => {}
            outcome => return outcome,
        }
    }
    Err(contested())
}

fn contested() -> io::Error {
    io::Error::new(
        io::ErrorKind::ResourceBusy,
        "it is created and removed repeatedly",
    )
}

/// Opens a file that is shared with the group for reading and writing; does not follow links.
pub(super) fn open_shared(path: &Path, create_new: bool) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).mode(0o660);
    options.custom_flags(libc::O_NOFOLLOW);
    if create_new {
        options.create_new(true);
    }
    let file = options.open(path)?;
    share(path, &file, 0o660)?;
    Ok(file)
}

fn open_dir(dir: &Path) -> Result<File, RingError> {
    File::open(dir).map_err(RingError::io("open", dir))
}

/// Gives the group its part of `mode` regardless of the umask, if the directory is the group's
/// (set-group-ID bit). Another user's files are left unchanged: that user's program does the same.
fn share(path: &Path, open: &File, mode: u32) -> io::Result<()> {
    let now = open.metadata()?.mode();
    if now & mode == mode || !is_the_groups(path.parent())? {
        return Ok(());
    }
    match open.set_permissions(Permissions::from_mode((now | mode) & 0o7777)) {
        Err(e) if e.kind() == io::ErrorKind::PermissionDenied => Ok(()),
        outcome => outcome,
    }
}

fn is_the_groups(dir: Option<&Path>) -> io::Result<bool> {
    let Some(dir) = dir else { return Ok(false) };
    let wanted = libc::S_ISGID | libc::S_IWGRP;
    Ok(fs::metadata(dir)?.mode() & wanted == wanted)
}

/// Opens or creates the producer's ring and takes the owner's lock.
pub(super) fn own(
    dir: &Path,
    producer: &str,
    capacity: usize,
) -> Result<(File, RingMap), RingError> {
    let path = ring_path(dir, producer);
    for _ in 0..NAME_TRIES {
        let file = match open_shared(&path, false) {
            Ok(file) => file,
            Err(e) if e.kind() == io::ErrorKind::NotFound => {
                match create(dir, &path, producer, capacity)? {
                    Some(made) => return Ok(made),
                    None => continue,
                }
            }
            Err(e) => return Err(RingError::io("open", path)(e)),
        };
        lock_with_retries(&file, &path)?;
        // The writer may have removed the file between open and lock.
        if has_path(&file, &path).map_err(RingError::io("inspect", &path))? {
            let map = open_map(&file, &path)?;
            return Ok((file, map));
        }
    }
    Err(RingError::io("open", path)(contested()))
}

/// Maps a ring file and checks its header.
pub(super) fn open_map(file: &File, path: &Path) -> Result<RingMap, RingError> {
    let damaged = |what| RingError::Damaged {
        path: path.to_owned(),
        what,
    };
    let len = file
        .metadata()
        .map_err(RingError::io("inspect", path))?
        .len();
    let capacity = usize::try_from(len)
        .ok()
        .and_then(|len| len.checked_sub(HEADER_SIZE))
        .unwrap_or(0);
    check_capacity(capacity).map_err(|_| damaged("its length is not that of a ring"))?;
    let map = RingMap::new(file, capacity).map_err(RingError::io("map", path))?;
    let header = map.header();
    if header.fixed.magic.load(Ordering::Relaxed) != MAGIC {
        return Err(damaged("it does not begin with the mark of this version"));
    }
    if header.fixed.capacity.load(Ordering::Relaxed) != capacity as u64 {
        return Err(damaged("its header and its length disagree"));
    }
    let line = &header.producer;
    if line.next_seq.load(Ordering::Relaxed) > NUMBER_MAX
        || line.epoch.load(Ordering::Relaxed) > NUMBER_MAX
    {
        return Err(damaged("its numbers are impossible"));
    }
    if used(header) > capacity as u64 {
        return Err(damaged("its head and tail are further apart than its size"));
    }
    Ok(map)
}

/// Bytes between head and tail.
pub(super) fn used(header: &Header) -> u64 {
    let head = header.consumer.head.load(Ordering::Acquire);
    header
        .producer
        .tail
        .load(Ordering::Acquire)
        .wrapping_sub(head)
}

/// Creates a complete ring under a temporary name, then links it. `None` if another was first.
fn create(
    dir: &Path,
    path: &Path,
    producer: &str,
    capacity: usize,
) -> Result<Option<(File, RingMap)>, RingError> {
    let ring_id = sys::random_u64().map_err(RingError::io("draw a random number for", path))?;
    let new = dir.join(format!(".{producer}.{ring_id:016x}{NEW_SUFFIX}"));
    let done = fill(&new, capacity, ring_id).and_then(|made| match fs::hard_link(&new, path) {
        Ok(()) => Ok(Some(made)),
        Err(e) if e.kind() == io::ErrorKind::AlreadyExists => Ok(None),
        Err(e) => Err(RingError::io("name", path)(e)),
    });
    // If this fails, the writer sweeps the file up later.
    let _ = fs::remove_file(&new);
    done
}

fn fill(new: &Path, capacity: usize, ring_id: u64) -> Result<(File, RingMap), RingError> {
    let file = open_shared(new, true).map_err(RingError::io("create", new))?;
    lock_with_retries(&file, new)?;
    sys::allocate(&file, (HEADER_SIZE + capacity) as u64)
        .map_err(RingError::io("allocate memory for", new))?;
    let map = RingMap::new(&file, capacity).map_err(RingError::io("map", new))?;
    let fixed = &map.header().fixed;
    fixed.capacity.store(capacity as u64, Ordering::Relaxed);
    fixed.ring_id.store(ring_id, Ordering::Relaxed);
    fixed.magic.store(MAGIC, Ordering::Release);
    Ok((file, map))
}

fn lock_with_retries(file: &File, path: &Path) -> Result<(), RingError> {
    for _ in 0..LOCK_TRIES {
        if sys::try_lock(file).map_err(RingError::io("lock", path))? {
            return Ok(());
        }
        std::thread::sleep(LOCK_PAUSE);
    }
    let pid =
        open_map(file, path).map_or(0, |map| map.header().producer.pid.load(Ordering::Relaxed));
    Err(RingError::InUse {
        path: path.to_owned(),
        pid,
    })
}

/// Returns whether `path` is a name of this file.
pub(super) fn has_path(file: &File, path: &Path) -> io::Result<bool> {
    let open = file.metadata()?;
    match fs::metadata(path) {
        Ok(named) => Ok((named.dev(), named.ino()) == (open.dev(), open.ino())),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(e) => Err(e),
    }
}
