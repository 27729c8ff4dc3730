//! The Linux system calls that rings and log directories need, each behind a safe function.
#![allow(unsafe_code)]

use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;
use std::path::Path;
use std::sync::atomic::AtomicU32;
use std::time::Duration;

/// Locks the whole file for this open file description (`fcntl(2)`, OFD locks), until its last
/// descriptor is closed, also by a kill. False if another holds the lock.
pub(crate) fn try_lock(file: &File) -> io::Result<bool> {
    match ofd_lock(file, libc::F_OFD_SETLK, libc::F_WRLCK) {
        Ok(_) => Ok(true),
        Err(e) if matches!(e.raw_os_error(), Some(libc::EAGAIN | libc::EACCES)) => Ok(false),
        Err(e) => Err(e),
    }
}

/// Returns whether another open file description holds a lock on the file.
pub(crate) fn is_locked(file: &File) -> io::Result<bool> {
    Ok(ofd_lock(file, libc::F_OFD_GETLK, libc::F_WRLCK)? != libc::F_UNLCK)
}

/// Releases the lock of [`try_lock`].
pub(crate) fn unlock(file: &File) -> io::Result<()> {
    ofd_lock(file, libc::F_OFD_SETLK, libc::F_UNLCK).map(drop)
}

fn ofd_lock(file: &File, command: libc::c_int, kind: libc::c_int) -> io::Result<libc::c_int> {
    // SAFETY: flock is plain data for which all zeros is valid; l_len 0 means the whole file, l_pid
    // must be 0 for OFD locks.
    let mut lock: libc::flock = unsafe { std::mem::zeroed() };
    lock.l_type = kind as libc::c_short;
    lock.l_whence = libc::SEEK_SET as libc::c_short;
    // SAFETY: the descriptor is open for the borrow's time and `lock` outlives the call.
    let result = unsafe { libc::fcntl(file.as_raw_fd(), command, &raw mut lock) };
    if result == -1 {
        Err(io::Error::last_os_error())
    } else {
        Ok(libc::c_int::from(lock.l_type))
    }
}

/// Allocates `len` bytes for the file, so that later stores cannot fail for lack of space.
pub(crate) fn allocate(file: &File, len: u64) -> io::Result<()> {
    let len = libc::off_t::try_from(len).map_err(io::Error::other)?;
    // SAFETY: the descriptor is open for the borrow's time; no memory is passed.
    if unsafe { libc::fallocate(file.as_raw_fd(), 0, 0, len) } == 0 {
        Ok(())
    } else {
        Err(io::Error::last_os_error())
    }
}

/// Checks that `path` is on tmpfs or ramfs; if not, returns the file system's magic number.
pub(crate) fn memory_backed(path: &Path) -> io::Result<Result<(), u64>> {
    let fs = statfs(path)?;
    // The field's type differs between architectures; magic numbers are 32 bits wide.
    let magic = fs.f_type as u64 & 0xffff_ffff;
    let memory = [libc::TMPFS_MAGIC as u64, 0x8584_58f6];
    Ok(if memory.contains(&magic) {
        Ok(())
    } else {
        Err(magic)
    })
}

/// Returns the bytes that an unprivileged process may still write to the file system of `path`.
#[cfg_attr(
    not(feature = "daemon"),
    allow(dead_code, reason = "only the writer watches the disk")
)]
pub(crate) fn free_bytes(path: &Path) -> io::Result<u64> {
    let fs = statfs(path)?;
    Ok(fs.f_bavail.saturating_mul(fs.f_bsize as u64))
}

fn statfs(path: &Path) -> io::Result<libc::statfs> {
    use std::os::unix::ffi::OsStrExt;
    let path = std::ffi::CString::new(path.as_os_str().as_bytes()).map_err(io::Error::other)?;
    // SAFETY: statfs is plain data for which all zeros is valid.
    let mut fs: libc::statfs = unsafe { std::mem::zeroed() };
    // SAFETY: `path` ends in NUL and `fs` is writable; both outlive the call.
    if unsafe { libc::statfs(path.as_ptr(), &raw mut fs) } == 0 {
        Ok(fs)
    } else {
        Err(io::Error::last_os_error())
    }
}

/// Sleeps while `word` is `expected`, at most for `timeout`. May return early.
pub(crate) fn futex_wait(word: &AtomicU32, expected: u32, timeout: Duration) {
    let timeout = libc::timespec {
        tv_sec: libc::time_t::try_from(timeout.as_secs()).unwrap_or(libc::time_t::MAX),
        tv_nsec: timeout.subsec_nanos() as libc::c_long,
    };
    // SAFETY: `word` is an aligned u32 that lives for the call; not FUTEX_PRIVATE, because
    // processes share it. After every failure (EAGAIN, EINTR, ETIMEDOUT) the callers check their
    // condition again.
    unsafe {
        libc::syscall(
            libc::SYS_futex,
            word.as_ptr(),
            libc::FUTEX_WAIT,
            expected,
            &raw const timeout,
        )
    };
}

/// Wakes all waiters of `word`.
pub(crate) fn futex_wake(word: &AtomicU32) {
    // SAFETY: `word` is an aligned u32 that lives for the call.
    unsafe {
        libc::syscall(
            libc::SYS_futex,
            word.as_ptr(),
            libc::FUTEX_WAKE,
            libc::c_int::MAX,
        )
    };
}

/// Returns eight random bytes of the kernel.
pub(crate) fn random_u64() -> io::Result<u64> {
    let mut bytes = [0u8; 8];
    // SAFETY: the buffer is writable for its 8 bytes. Requests up to 256 bytes are never cut once
    // the pool is ready.
    let got = unsafe { libc::getrandom(bytes.as_mut_ptr().cast(), bytes.len(), 0) };
    if got == 8 {
        Ok(u64::from_ne_bytes(bytes))
    } else {
        Err(io::Error::last_os_error())
    }
}
