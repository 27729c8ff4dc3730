//! System calls: files of the state directory, locks, mappings, clocks. All else is safe Rust.
#![allow(unsafe_code)]

use std::fs::{File, OpenOptions};
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::ptr::NonNull;
use std::sync::atomic::AtomicU64;
use std::time::{Duration, Instant};

use ife_guard::Now;

/// A mapping of a whole file. Unmapped when dropped; the file may be unlinked while it is mapped.
pub(crate) struct Map {
    start: NonNull<u8>,
    len: usize,
    writable: bool,
}

// SAFETY: the mapping belongs to the process, not to a thread; its words are accessed as atomics
// only, its bytes only when read-only.
unsafe impl Send for Map {}
// SAFETY: as above: atomics may be shared, and read-only bytes do not change.
unsafe impl Sync for Map {}

impl Map {
    /// Maps `len` bytes of `file` for reading and writing, shared with every process that maps it.
    pub(crate) fn shared(file: &File, len: usize) -> io::Result<Self> {
        Self::new(file, len, libc::PROT_READ | libc::PROT_WRITE, true)
    }

    /// Maps `len` bytes of `file` for reading. No process may change them any more.
    pub(crate) fn read_only(file: &File, len: usize) -> io::Result<Self> {
        Self::new(file, len, libc::PROT_READ, false)
    }

    fn new(file: &File, len: usize, protection: libc::c_int, writable: bool) -> io::Result<Self> {
        if len == 0 {
            return Err(io::Error::new(
                io::ErrorKind::InvalidData,
                "the file is empty",
            ));
        }
        // SAFETY: a fresh mapping at an address that the kernel chooses touches no existing memory;
        // `file` is open.
        let start = unsafe {
            libc::mmap(
                std::ptr::null_mut(),
                len,
                protection,
                libc::MAP_SHARED,
                file.as_raw_fd(),
                0,
            )
        };
        if start == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        let start = NonNull::new(start.cast()).ok_or_else(io::Error::last_os_error)?;
        Ok(Self {
            start,
            len,
            writable,
        })
    }

    /// Returns `count` words from byte `offset` on.
    ///
    /// # Panics
    /// If they do not lie within the mapping, `offset` is unaligned, or the mapping is read-only:
    /// the layout is wrong.
    pub(crate) fn words(&self, offset: usize, count: usize) -> &[AtomicU64] {
        let end = count
            .checked_mul(8)
            .and_then(|bytes| bytes.checked_add(offset));
        assert!(
            self.writable && offset.is_multiple_of(8) && end.is_some_and(|end| end <= self.len)
        );
        // SAFETY: in bounds and aligned (a mapping starts at a page), any bit pattern is a u64, and
        // every process accesses this memory as atomics only.
        unsafe { std::slice::from_raw_parts(self.start.as_ptr().add(offset).cast(), count) }
    }

    /// Returns the bytes of a read-only mapping; none of a writable one.
    pub(crate) fn bytes(&self) -> &[u8] {
        if self.writable {
            return &[];
        }
        // SAFETY: mapped and in bounds; published images are never written again.
        unsafe { std::slice::from_raw_parts(self.start.as_ptr(), self.len) }
    }

    /// Enters all pages into this process's page tables, so that no call pays for a fault. Does
    /// nothing where the kernel cannot.
    pub(crate) fn populate(&self) {
        const MADV_POPULATE_WRITE: libc::c_int = 23; // since Linux 5.14, on all architectures
        // SAFETY: reads or writes no contents; this struct owns the mapping.
        unsafe { libc::madvise(self.start.as_ptr().cast(), self.len, MADV_POPULATE_WRITE) };
    }

    /// Blocks until the page that holds byte `offset` is on disk.
    pub(crate) fn sync_page(&self, offset: usize) -> io::Result<()> {
        assert!(offset < self.len);
        let page = page_around(offset, self.len, page_size()?);
        // SAFETY: within the mapping, page-aligned.
        check(unsafe {
            let start = self.start.as_ptr().add(page.start);
            libc::msync(start.cast(), page.len(), libc::MS_SYNC)
        })
    }
}

/// Returns the part of a mapping of `len` bytes that is in the same page as `offset`.
fn page_around(offset: usize, len: usize, page_size: usize) -> std::ops::Range<usize> {
    let start = offset / page_size * page_size;
    start..len.min(start + page_size)
}

/// Returns the kernel's: 4 KiB on x86-64, up to 64 KiB on arm64.
fn page_size() -> io::Result<usize> {
    // SAFETY: reads a constant of the system.
    let size = unsafe { libc::sysconf(libc::_SC_PAGESIZE) };
    usize::try_from(size)
        .ok()
        .filter(|size| *size > 0)
        .ok_or_else(io::Error::last_os_error)
}

impl Drop for Map {
    fn drop(&mut self) {
        // SAFETY: mapped by `new` with this length; no reference outlives `self`.
        unsafe { libc::munmap(self.start.as_ptr().cast(), self.len) };
    }
}

fn check(result: libc::c_int) -> io::Result<()> {
    if result == 0 {
        Ok(())
    } else {
        Err(io::Error::last_os_error())
    }
}

/// Opens a file that only its owner may use, or makes it.
///
/// An existing file is opened without `O_CREAT`: with `fs.protected_regular=2`, as Debian sets it,
/// the kernel refuses that flag on another user's file in a sticky directory that its group may
/// write to, to root as well (open(2), proc_sys_fs(5)).
pub(crate) fn open_private(path: &Path) -> io::Result<File> {
    // Each failed try means that the file appeared or vanished in between.
    const TRIES: u32 = 16;
    for _ in 0..TRIES {
        match open_existing(path) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => {}
            outcome => return outcome,
        }
        match create_private(path) {
            Err(e) if e.kind() == io::ErrorKind::AlreadyExists => {}
            outcome => return outcome,
        }
    }
    Err(io::Error::new(
        io::ErrorKind::ResourceBusy,
        "it is made and removed again and again",
    ))
}

/// Opens a file or directory to inspect it; follows no link, waits for no writer of a pipe.
pub(crate) fn open_to_inspect(path: &Path) -> io::Result<File> {
    OpenOptions::new()
        .read(true)
        .custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK)
        .open(path)
}

/// Opens a file for reading; follows links, never waits for a writer of a pipe.
pub(crate) fn open_to_read(path: &Path) -> io::Result<File> {
    OpenOptions::new()
        .read(true)
        .custom_flags(libc::O_NONBLOCK)
        .open(path)
}

/// Opens an existing file for reading and writing; never follows a link, because other users may
/// put names into the directory.
pub(crate) fn open_existing(path: &Path) -> io::Result<File> {
    OpenOptions::new()
        .read(true)
        .write(true)
        .custom_flags(libc::O_NOFOLLOW)
        .open(path)
}

/// Makes a file that must not exist yet and that only its owner may use.
pub(crate) fn create_private(path: &Path) -> io::Result<File> {
    OpenOptions::new()
        .read(true)
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
}

/// Reserves `len` bytes, so that a later store cannot fault for lack of memory.
pub(crate) fn reserve(file: &File, len: usize) -> io::Result<()> {
    let len =
        libc::off_t::try_from(len).map_err(|_| io::Error::from(io::ErrorKind::FileTooLarge))?;
    // SAFETY: a plain system call on an open file.
    match unsafe { libc::posix_fallocate(file.as_raw_fd(), 0, len) } {
        0 => Ok(()),
        code => Err(io::Error::from_raw_os_error(code)),
    }
}

/// Returns true when `path` lies in memory: a store to a file of a disk file system can stall for
/// hundreds of milliseconds.
pub(crate) fn is_memory_file_system(path: &File) -> io::Result<bool> {
    const RAMFS_MAGIC: libc::__fsword_t = 0x8584_58f6;
    // SAFETY: statfs is plain old data, all zero is a valid value of it.
    let mut info: libc::statfs = unsafe { std::mem::zeroed() };
    // SAFETY: `info` is a local variable of the right type.
    check(unsafe { libc::fstatfs(path.as_raw_fd(), &raw mut info) })?;
    Ok([libc::TMPFS_MAGIC, RAMFS_MAGIC].contains(&info.f_type))
}

/// A lock on a whole file that belongs to its open file description: it ends with the last process
/// that has it open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lock {
    /// Together with others.
    Shared,
    /// Alone.
    Exclusive,
}

/// Takes or converts a lock; returns false if another process's lock conflicts.
pub(crate) fn try_lock(file: &File, lock: Lock) -> io::Result<bool> {
    // SAFETY: flock is plain old data, all zero is a valid value of it: the whole file.
    let mut request: libc::flock = unsafe { std::mem::zeroed() };
    let kind = match lock {
        Lock::Shared => libc::F_RDLCK,
        Lock::Exclusive => libc::F_WRLCK,
    };
    request.l_type = kind as libc::c_short; // 0 to 2
    request.l_whence = libc::SEEK_SET as libc::c_short; // 0
    // SAFETY: `request` is valid for the call.
    let result = unsafe { libc::fcntl(file.as_raw_fd(), libc::F_OFD_SETLK, &raw const request) };
    match check(result) {
        Ok(()) => Ok(true),
        Err(e) if matches!(e.raw_os_error(), Some(libc::EAGAIN | libc::EACCES)) => Ok(false),
        Err(e) => Err(e),
    }
}

/// Repeats [`try_lock`] until it succeeds; returns false if a lock conflicts for all of `time`.
pub(crate) fn lock_within(file: &File, lock: Lock, time: Duration) -> io::Result<bool> {
    let start = Instant::now();
    loop {
        if try_lock(file, lock)? {
            return Ok(true);
        }
        if start.elapsed() >= time {
            return Ok(false);
        }
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// A page that reads as zero in a process forked after it was marked.
pub(crate) struct ForkMark(NonNull<AtomicU64>);

const FORK_MARK_LEN: usize = 4096;

impl ForkMark {
    pub(crate) fn new() -> io::Result<Self> {
        let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;
        let protection = libc::PROT_READ | libc::PROT_WRITE;
        // SAFETY: a fresh anonymous mapping.
        let page = unsafe {
            libc::mmap(
                std::ptr::null_mut(),
                FORK_MARK_LEN,
                protection,
                flags,
                -1,
                0,
            )
        };
        if page == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        let mark = Self(NonNull::new(page.cast()).ok_or_else(io::Error::last_os_error)?);
        // SAFETY: the page was mapped just above with this length.
        check(unsafe { libc::madvise(page, FORK_MARK_LEN, libc::MADV_WIPEONFORK) })?;
        mark.word().store(1, std::sync::atomic::Ordering::Relaxed);
        Ok(mark)
    }

    /// Returns true in the process that made the mark, false in its children.
    pub(crate) fn is_ours(&self) -> bool {
        self.word().load(std::sync::atomic::Ordering::Relaxed) == 1
    }

    fn word(&self) -> &AtomicU64 {
        // SAFETY: mapped, page-aligned, alive as long as `self`, and accessed as an atomic only.
        unsafe { self.0.as_ref() }
    }
}

impl Drop for ForkMark {
    fn drop(&mut self) {
        // SAFETY: mapped by `new` with this length.
        unsafe { libc::munmap(self.0.as_ptr().cast(), FORK_MARK_LEN) };
    }
}

/// Returns both clocks. The second counts suspended time too, so that leases end on time.
pub(crate) fn now() -> (Now, u64) {
    let wall = clock(libc::CLOCK_REALTIME);
    let mono = clock(libc::CLOCK_BOOTTIME);
    let unix_ns = wall.0 * 1_000_000_000 + wall.1;
    (
        Now {
            unix_ms: unix_ns / 1_000_000,
            mono_ms: mono.0 * 1000 + mono.1 / 1_000_000,
        },
        unix_ns,
    )
}

fn clock(id: libc::clockid_t) -> (u64, u64) {
    let mut time = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: `time` is a local variable; both clocks exist on every supported kernel.
    unsafe { libc::clock_gettime(id, &raw mut time) };
    // Neither clock is negative: before 1970 reads as 1970, when every signature is in the future.
    (
        u64::try_from(time.tv_sec).unwrap_or(0),
        u64::try_from(time.tv_nsec).unwrap_or(0),
    )
}

pub(crate) fn user_id() -> u32 {
    user_and_group().0
}

pub(crate) fn user_and_group() -> (u32, u32) {
    // SAFETY: both always succeed and touch no memory.
    unsafe { (libc::geteuid(), libc::getegid()) }
}

pub(crate) fn process_id() -> u64 {
    u64::from(std::process::id())
}

/// Returns false when no process has this number.
pub(crate) fn process_exists(id: u64) -> bool {
    let Ok(id) = libc::pid_t::try_from(id) else {
        return false;
    };
    // SAFETY: signal 0 only checks that the process exists.
    let result = unsafe { libc::kill(id, 0) };
    result == 0 || io::Error::last_os_error().raw_os_error() != Some(libc::ESRCH)
}

/// Returns free memory to the system after compiling a registry, before workers are forked.
pub(crate) fn trim_heap() {
    #[cfg(target_env = "gnu")]
    // SAFETY: only releases free memory of the allocator.
    unsafe {
        libc::malloc_trim(0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// msync(2) refuses an address that is not at the beginning of a page of the kernel.
    #[test]
    fn pages_are_the_kernels() {
        for (offset, page_size, expected) in [
            (5000, 4096, 4096..8192),
            (4096, 4096, 4096..8192),
            (5000, 65536, 0..65536),
            (70_000, 65536, 65536..70_016),
        ] {
            assert_eq!(page_around(offset, 70_016, page_size), expected, "{offset}");
        }
        assert!(page_size().expect("page size").is_power_of_two());
    }
}
