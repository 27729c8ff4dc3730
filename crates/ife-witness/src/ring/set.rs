//! All rings of a state directory, for the writer.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use super::doorbell::{Doorbell, Mark};
use super::{Consumer, RingError, file};

/// Age at which an incomplete ring file counts as left by a killed process.
const UNFINISHED_AGE: Duration = Duration::from_secs(60);

/// The rings and the doorbell of a state directory.
pub struct RingSet {
    dir: PathBuf,
    doorbell: Doorbell,
    changes_seen: Option<u32>,
    /// The rings, in the order of discovery.
    pub rings: Vec<Consumer>,
}

impl RingSet {
    /// Opens the rings of `state_dir` as their only reader.
    ///
    /// # Errors
    /// The state directory is unusable or not on tmpfs, or another writer runs.
    pub fn open(state_dir: &Path) -> Result<Self, RingError> {
        let dir = file::rings_dir(state_dir)?;
        let doorbell = Doorbell::open(&dir)?;
        doorbell.claim()?;
        Ok(Self {
            dir,
            doorbell,
            changes_seen: None,
            rings: Vec::new(),
        })
    }

    /// Opens new rings; with `force` also unannounced ones. Returns the errors of single files.
    pub fn scan(&mut self, force: bool) -> Vec<RingError> {
        let changes = Some(self.doorbell.rings_changed());
        if !force && changes == self.changes_seen {
            return Vec::new();
        }
        self.changes_seen = changes;
        let names = match fs::read_dir(&self.dir) {
            Ok(entries) => entries
                .filter_map(|e| e.ok()?.file_name().into_string().ok())
                .collect::<Vec<_>>(),
            Err(e) => return vec![RingError::io("list", &self.dir)(e)],
        };
        let mut errors = Vec::new();
        for name in names {
            if file::is_unfinished(&name) {
                self.sweep(&name);
            }
            let Some(producer) = file::producer_of(&name) else {
                continue;
            };
            if self.rings.iter().any(|ring| ring.producer() == producer) {
                continue;
            }
            match Consumer::open(&self.dir, producer) {
                Ok(ring) => self.rings.push(ring),
                Err(e) => errors.push(e),
            }
        }
        errors
    }

    fn sweep(&self, name: &str) {
        let path = self.dir.join(name);
        let age = fs::metadata(&path)
            .and_then(|m| m.modified())
            .map(|t| SystemTime::now().duration_since(t));
        if matches!(age, Ok(Ok(age)) if age > UNFINISHED_AGE) {
            // A failure keeps memory allocated until the next try.
            let _ = fs::remove_file(path);
        }
    }

    /// Returns whether there is a record to read or a ring to open.
    pub fn has_unread(&self) -> bool {
        self.changes_seen != Some(self.doorbell.rings_changed())
            || self.rings.iter().any(Consumer::has_unread)
    }

    /// Returns the bytes of unread records in all open rings.
    pub fn waiting_bytes(&self) -> u64 {
        self.rings.iter().map(Consumer::waiting_bytes).sum()
    }

    /// Sleeps until a producer pushes or attaches, at most for `timeout`.
    pub fn sleep(&self, timeout: Duration) {
        self.doorbell.sleep(timeout, || self.has_unread());
    }

    /// Waits for `timeout`, or until a producer waits for the disk; a push does not end it.
    pub fn doze(&self, timeout: Duration) {
        let has_waiters = || self.rings.iter().any(Consumer::has_waiters);
        self.doorbell.doze(timeout, has_waiters);
    }

    /// Publishes the time of the writer's last iteration.
    pub fn set_seen(&self, unix_ms: u64) {
        self.doorbell.set_seen(unix_ms);
    }

    /// Raises the bound that the epochs of later attachments exceed.
    pub fn raise_epoch_floor(&self, epoch: u64) {
        self.doorbell.raise_epoch_floor(epoch);
    }

    /// Returns the mark of the last writer on this host; `None` if its checksum does not match.
    pub fn mark(&self) -> Option<Mark> {
        self.doorbell.checked_mark()
    }

    /// Stores the id and size of the log for the next writer on this host.
    pub fn set_mark(&self, mark: Mark) {
        self.doorbell.set_mark(mark);
    }
}
