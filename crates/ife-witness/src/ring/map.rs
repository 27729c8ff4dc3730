//! Shared mappings: a ring file with its data area mapped twice in a row, and single shared pages.
#![allow(unsafe_code)]

use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU64, Ordering};

use super::layout::{DoorbellPage, HEADER_SIZE, Header};

/// A mapped ring file: header, data area, and the data area again, so that no record wraps.
pub(crate) struct RingMap {
    base: NonNull<u8>,
    capacity: usize,
}

// SAFETY: the mapping is plain shared memory; the header is atomics, and the data area is only
// copied from and to.
unsafe impl Send for RingMap {}
// SAFETY: as above. The ring's protocol rules concurrent writes; Producer (owner lock) and
// Consumer (writer's lock) keep it.
unsafe impl Sync for RingMap {}

impl RingMap {
    /// Maps `file`, `HEADER_SIZE + capacity` bytes; `capacity` is a power of two in whole pages.
    pub(crate) fn new(file: &File, capacity: usize) -> io::Result<Self> {
        let reserved = reserve(HEADER_SIZE + 2 * capacity)?;
        let map = Self {
            base: reserved,
            capacity,
        };
        // On failure `map` is dropped, which unmaps the reservation.
        map_over(reserved, 0, HEADER_SIZE + capacity, file, 0)?;
        map_over(
            reserved,
            HEADER_SIZE + capacity,
            capacity,
            file,
            HEADER_SIZE,
        )?;
        Ok(map)
    }

    pub(crate) fn header(&self) -> &Header {
        // SAFETY: the mapping begins at a page boundary, holds HEADER_SIZE bytes and lives as long
        // as `self`. Header is atomics only, every bit pattern is valid for it, and other processes
        // change it atomically.
        unsafe { self.base.cast::<Header>().as_ref() }
    }

    pub(crate) fn capacity(&self) -> usize {
        self.capacity
    }

    /// Makes every page present and writable, so that a push never faults.
    pub(crate) fn touch(&self) {
        let len = HEADER_SIZE + 2 * self.capacity;
        // SAFETY: the range is exactly our mapping; populating does not change contents.
        let done =
            unsafe { libc::madvise(self.base.as_ptr().cast(), len, libc::MADV_POPULATE_WRITE) };
        if done == 0 {
            return;
        }
        // Kernels before 5.14: an atomic no-op write to each page.
        for at in (0..len).step_by(4096) {
            // SAFETY: `at` is within the mapping and 8-aligned; the mapping is shared memory that
            // may be accessed atomically.
            let word = unsafe { AtomicU64::from_ptr(self.base.as_ptr().add(at).cast()) };
            word.fetch_or(0, Ordering::Relaxed);
        }
    }

    /// Copies `bytes` to position `at` (any value; taken modulo the capacity).
    pub(crate) fn write(&self, at: u64, bytes: &[u8]) {
        assert!(bytes.len() <= self.capacity);
        let offset = HEADER_SIZE + (at as usize & (self.capacity - 1));
        // SAFETY: offset + len < HEADER_SIZE + 2 * capacity, all mapped and writable. `bytes` is
        // private memory, so the ranges do not overlap. Only the owner writes here, and the
        // consumer reads only what a later tail publishes.
        unsafe {
            std::ptr::copy_nonoverlapping(
                bytes.as_ptr(),
                self.base.as_ptr().add(offset),
                bytes.len(),
            )
        };
    }

    /// Appends `len` bytes from position `at` (modulo the capacity) to `out`.
    pub(crate) fn read(&self, at: u64, len: usize, out: &mut Vec<u8>) {
        assert!(len <= self.capacity);
        let offset = HEADER_SIZE + (at as usize & (self.capacity - 1));
        out.reserve(len);
        // SAFETY: offset + len < HEADER_SIZE + 2 * capacity, all mapped; `reserve` gave `len` bytes
        // after the end of `out`, which is private memory. The producer does not write between head
        // and tail; the copy's CRC detects it if it does.
        unsafe {
            let end = out.as_mut_ptr().add(out.len());
            std::ptr::copy_nonoverlapping(self.base.as_ptr().add(offset), end, len);
            out.set_len(out.len() + len);
        }
    }

    /// Copies `N` bytes from position `at` (modulo the capacity).
    pub(crate) fn read_array<const N: usize>(&self, at: u64) -> [u8; N] {
        assert!(N <= self.capacity);
        let offset = HEADER_SIZE + (at as usize & (self.capacity - 1));
        let mut out = [0u8; N];
        // SAFETY: as in `read`, into an array of exactly N bytes.
        unsafe {
            std::ptr::copy_nonoverlapping(self.base.as_ptr().add(offset), out.as_mut_ptr(), N)
        };
        out
    }
}

impl Drop for RingMap {
    fn drop(&mut self) {
        // SAFETY: exactly the range that `new` reserved; no reference into it outlives `self`.
        unsafe { libc::munmap(self.base.as_ptr().cast(), HEADER_SIZE + 2 * self.capacity) };
    }
}

/// The doorbell's page.
pub(crate) struct DoorbellMap {
    base: NonNull<u8>,
}

// SAFETY: the page is atomics only.
unsafe impl Send for DoorbellMap {}
// SAFETY: as above.
unsafe impl Sync for DoorbellMap {}

impl DoorbellMap {
    /// Maps the first HEADER_SIZE bytes of `file`, which must be that long.
    pub(crate) fn new(file: &File) -> io::Result<Self> {
        let base = reserve(HEADER_SIZE)?;
        let map = Self { base };
        map_over(base, 0, HEADER_SIZE, file, 0)?;
        Ok(map)
    }

    pub(crate) fn page(&self) -> &DoorbellPage {
        // SAFETY: the mapping begins at a page boundary, holds HEADER_SIZE bytes and lives as long
        // as `self`; DoorbellPage is atomics only.
        unsafe { self.base.cast::<DoorbellPage>().as_ref() }
    }
}

impl Drop for DoorbellMap {
    fn drop(&mut self) {
        // SAFETY: exactly the range that `new` reserved.
        unsafe { libc::munmap(self.base.as_ptr().cast(), HEADER_SIZE) };
    }
}

/// A private word that the kernel clears in a forked child (`MADV_WIPEONFORK`).
pub(crate) struct ForkGuard {
    base: NonNull<u8>,
}

// SAFETY: the page is one atomic word.
unsafe impl Send for ForkGuard {}
// SAFETY: as above.
unsafe impl Sync for ForkGuard {}

impl ForkGuard {
    pub(crate) fn new() -> io::Result<Self> {
        let base = map_at(
            None,
            HEADER_SIZE,
            libc::PROT_READ | libc::PROT_WRITE,
            libc::MAP_PRIVATE | libc::MAP_ANONYMOUS,
            -1,
            0,
        )?;
        let guard = Self { base };
        // SAFETY: exactly the range mapped above, private and anonymous as the advice requires.
        if unsafe { libc::madvise(base.as_ptr().cast(), HEADER_SIZE, libc::MADV_WIPEONFORK) } != 0 {
            return Err(io::Error::last_os_error());
        }
        guard.word().store(1, Ordering::Relaxed);
        Ok(guard)
    }

    fn word(&self) -> &AtomicU64 {
        // SAFETY: the page is mapped as long as `self` and aligned.
        unsafe { self.base.cast::<AtomicU64>().as_ref() }
    }

    /// Returns true only in the process that created the guard.
    pub(crate) fn is_owner(&self) -> bool {
        self.word().load(Ordering::Relaxed) == 1
    }
}

impl Drop for ForkGuard {
    fn drop(&mut self) {
        // SAFETY: exactly the range that `new` mapped.
        unsafe { libc::munmap(self.base.as_ptr().cast(), HEADER_SIZE) };
    }
}

/// Reserves address space without memory.
fn reserve(len: usize) -> io::Result<NonNull<u8>> {
    map_at(
        None,
        len,
        libc::PROT_NONE,
        libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE,
        -1,
        0,
    )
}

/// Maps `len` bytes of `file` from `from` over the reservation at `base + offset`.
fn map_over(
    base: NonNull<u8>,
    offset: usize,
    len: usize,
    file: &File,
    from: usize,
) -> io::Result<()> {
    // SAFETY: callers stay within their reservation, so the address is within one allocation.
    let at = unsafe { base.add(offset) };
    let access = libc::PROT_READ | libc::PROT_WRITE;
    map_at(
        Some(at),
        len,
        access,
        libc::MAP_SHARED | libc::MAP_FIXED,
        file.as_raw_fd(),
        from,
    )
    .map(drop)
}

fn map_at(
    at: Option<NonNull<u8>>,
    len: usize,
    access: i32,
    flags: i32,
    fd: i32,
    from: usize,
) -> io::Result<NonNull<u8>> {
    let at = at.map_or(std::ptr::null_mut(), |at| at.as_ptr().cast());
    let from = libc::off_t::try_from(from).map_err(io::Error::other)?;
    // SAFETY: with a null `at` the kernel chooses free addresses; otherwise `at..at + len` is the
    // caller's own reservation, which nothing refers to yet.
    let got = unsafe { libc::mmap(at, len, access, flags, fd, from) };
    if got == libc::MAP_FAILED {
        return Err(io::Error::last_os_error());
    }
    NonNull::new(got.cast()).ok_or_else(|| io::Error::other("mmap gave address 0"))
}
