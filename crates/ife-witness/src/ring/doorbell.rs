//! The doorbell: a page through which producers wake the writer and the writer publishes its state.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering, fence};
use std::time::Duration;

use super::layout::{DoorbellPage, HEADER_SIZE};
use super::map::DoorbellMap;
use super::{RingError, file, sys};

/// Id and size of the log that a writer last wrote on this host. Survives the writer, not the host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mark {
    /// Identifies the log; 0 if no writer ran since the host started.
    pub log_id: u64,
    /// Entries on disk.
    pub size: u64,
}

/// The writer's state as published on the doorbell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WriterSeen {
    /// Process id; 0 if no writer ran since the host started.
    pub pid: u32,
    /// Time of its loop's last iteration, unix ms; a healthy writer iterates every second.
    pub unix_ms: u64,
    /// Entries on disk.
    pub log_size: u64,
}

/// Reads the state last published by the writer of `state_dir`.
///
/// # Errors
/// The state directory is unusable.
pub fn writer_seen(state_dir: &Path) -> Result<WriterSeen, RingError> {
    let doorbell = Doorbell::open(&file::rings_dir(state_dir)?)?;
    let page = doorbell.page();
    Ok(WriterSeen {
        pid: page.writer_pid.load(Ordering::Relaxed),
        unix_ms: page.writer_seen_ms.load(Ordering::Relaxed),
        log_size: page.log_size.load(Ordering::Relaxed),
    })
}

/// Value of `sleeping`: any push wakes the writer.
const ASLEEP: u32 = 1;
/// Value of `sleeping`: only a producer that waits for the disk wakes the writer.
const DOZING: u32 = 2;

/// The shared page `rings/doorbell`.
pub(crate) struct Doorbell {
    path: PathBuf,
    file: File,
    map: DoorbellMap,
}

impl Doorbell {
    pub(super) fn open(rings_dir: &Path) -> Result<Self, RingError> {
        let path = rings_dir.join("doorbell");
        // Any process may be first: zeros are a valid page and allocating twice is harmless.
        let file = file::open_or_create(&path).map_err(RingError::io("open", &path))?;
        sys::allocate(&file, HEADER_SIZE as u64)
            .map_err(RingError::io("allocate memory for", &path))?;
        let map = DoorbellMap::new(&file).map_err(RingError::io("map", &path))?;
        Ok(Self { path, file, map })
    }

    fn page(&self) -> &DoorbellPage {
        self.map.page()
    }

    /// Wakes a sleeping writer after a push. Otherwise costs one load and a fence.
    pub(super) fn ring(&self) {
        // Pairs with the fence in `rest`: the writer sees the record or this load the flag.
        fence(Ordering::SeqCst);
        if self.page().sleeping.load(Ordering::Relaxed) == ASLEEP {
            self.wake();
        }
    }

    /// Wakes the writer, even from a doze, before a wait for the disk.
    pub(super) fn ring_to_wait(&self) {
        fence(Ordering::SeqCst);
        if self.page().sleeping.load(Ordering::Relaxed) != 0 {
            self.wake();
        }
    }

    fn wake(&self) {
        let page = self.page();
        if page.sleeping.swap(0, Ordering::Relaxed) != 0 {
            page.word.fetch_add(1, Ordering::Release);
            sys::futex_wake(&page.word);
        }
    }

    /// Announces a new ring file to the writer.
    pub(super) fn ring_appeared(&self) {
        self.page().rings_changed.fetch_add(1, Ordering::Release);
        self.ring();
    }

    pub(super) fn rings_changed(&self) -> u32 {
        self.page().rings_changed.load(Ordering::Acquire)
    }

    /// Writer: sleeps until woken or for `timeout`; returns at once if `has_unread` is true.
    ///
    /// A producer killed between clearing the flag and the wake-up costs one `timeout`.
    pub(super) fn sleep(&self, timeout: Duration, has_unread: impl FnOnce() -> bool) {
        self.rest(ASLEEP, timeout, has_unread);
    }

    /// Writer: waits for `timeout`, or until a producer begins to wait for the disk.
    ///
    /// Under load this spares producers the system call and lets several share one sync. Returns at
    /// once if `has_waiters` is true, because that producer rang before the flag was set.
    pub(super) fn doze(&self, timeout: Duration, has_waiters: impl FnOnce() -> bool) {
        self.rest(DOZING, timeout, has_waiters);
    }

    fn rest(&self, how: u32, timeout: Duration, has_unread: impl FnOnce() -> bool) {
        let page = self.page();
        let word = page.word.load(Ordering::Acquire);
        page.sleeping.store(how, Ordering::Relaxed);
        fence(Ordering::SeqCst);
        if !has_unread() {
            sys::futex_wait(&page.word, word, timeout);
        }
        page.sleeping.store(0, Ordering::Relaxed);
    }

    /// Writer: takes the lock that allows one writer for each state directory.
    pub(super) fn claim(&self) -> Result<(), RingError> {
        if !sys::try_lock(&self.file).map_err(RingError::io("lock", &self.path))? {
            let pid = self.page().writer_pid.load(Ordering::Relaxed);
            return Err(RingError::InUse {
                path: self.path.clone(),
                pid,
            });
        }
        self.page()
            .writer_pid
            .store(std::process::id(), Ordering::Relaxed);
        Ok(())
    }

    pub(super) fn set_seen(&self, unix_ms: u64) {
        self.page().writer_seen_ms.store(unix_ms, Ordering::Relaxed);
    }

    pub(super) fn epoch_floor(&self) -> u64 {
        self.page().epoch_floor.load(Ordering::Acquire)
    }

    pub(super) fn raise_epoch_floor(&self, epoch: u64) {
        self.page().epoch_floor.fetch_max(epoch, Ordering::Release);
    }

    pub(super) fn mark(&self) -> Mark {
        let page = self.page();
        Mark {
            log_id: page.log_id.load(Ordering::Acquire),
            size: page.log_size.load(Ordering::Acquire),
        }
    }

    /// Returns the mark if its checksum matches. A damaged mark is no evidence against a log.
    pub(super) fn checked_mark(&self) -> Option<Mark> {
        let mark = self.mark();
        let crc = mark_crc(mark);
        let is_new = mark == Mark { log_id: 0, size: 0 };
        let fits = |stored: &AtomicU64| stored.load(Ordering::Acquire) == crc;
        (is_new || self.page().mark_crc.iter().any(fits)).then_some(mark)
    }

    /// Stores the size before the log id, so that a writer killed in between leaves no larger size
    /// than the log has. The new mark's checksum is stored first, beside the old mark's.
    pub(super) fn set_mark(&self, mark: Mark) {
        let page = self.page();
        if page.log_id.load(Ordering::Relaxed) != mark.log_id {
            page.log_size.store(0, Ordering::Release);
            self.set_crc(Mark { size: 0, ..mark });
            page.log_id.store(mark.log_id, Ordering::Release);
        }
        self.set_crc(mark);
        page.log_size.store(mark.size, Ordering::Release);
    }

    /// Overwrites the checksum that does not match the stored mark.
    fn set_crc(&self, mark: Mark) {
        let [first, second] = &self.page().mark_crc;
        let now = mark_crc(self.mark());
        let free = if first.load(Ordering::Relaxed) == now {
            second
        } else {
            first
        };
        free.store(mark_crc(mark), Ordering::Release);
    }
}

/// Above 2^32, so that no checksum is zero.
fn mark_crc(mark: Mark) -> u64 {
    let log = crc32c::crc32c(&mark.log_id.to_ne_bytes());
    1 << 32 | u64::from(crc32c::crc32c_append(log, &mark.size.to_ne_bytes()))
}
