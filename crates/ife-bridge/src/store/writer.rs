use std::{
    fs::{self, File, OpenOptions},
    io::{self, Write},
    path::{Path, PathBuf},
    sync::Arc,
    sync::atomic::{AtomicBool, Ordering},
    sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel},
    thread::JoinHandle,
};

use thiserror::Error;
use tokio::sync::mpsc::UnboundedSender;
use tracing::error;

use super::{CallRecord, Ledger, Line};

const FILE: &str = "calls.log";
/// Records that may wait for the disk.
const JOBS_MAX: usize = 4_096;
/// The file is written anew when it is larger than this and has doubled since.
const REWRITE_LEN_MIN: u64 = 8 << 20;

/// Why the store cannot be used.
#[derive(Debug, Error)]
pub enum StoreError {
    /// A file cannot be read or written.
    #[error("{path}: {source}")]
    Io {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A line is damaged, and it is not the last one.
    #[error("{path}:{line}: damaged; move the file away to begin without memory of earlier calls")]
    Damaged {
        /// Which file.
        path: PathBuf,
        /// From 1.
        line: usize,
    },
    /// The disk does not keep up, or an earlier write has failed.
    #[error("the store takes no records")]
    Closed,
}

enum Job {
    Append { line: String, token: Option<u64> },
    Rewrite(Vec<Line>),
}

/// The file's writer, a thread of its own: the engine never waits for the disk.
#[derive(Debug)]
pub struct Store {
    jobs: Option<SyncSender<Job>>,
    has_failed: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
    len: u64,
    rewritten_len: u64,
}

impl Store {
    /// Reads the stored records, writes the file anew and starts the writer. Tokens of appended
    /// records come back on `stored` once they are on disk, with `false` if they never will be.
    pub fn open(
        dir: &Path,
        stored: UnboundedSender<(u64, bool)>,
    ) -> Result<(Store, Ledger, Vec<CallRecord>), StoreError> {
        fs::create_dir_all(dir).map_err(at(dir))?;
        let (mut ledger, mut live) = (Ledger::default(), Vec::new());
        read(&dir.join(FILE), |line| ledger.replay(line, &mut live))?;
        let (file, len) = rewrite(dir, &ledger.lines(live.iter()))?;
        let (jobs, queue) = sync_channel(JOBS_MAX);
        let dir = dir.to_owned();
        let has_failed = Arc::new(AtomicBool::new(false));
        let failed = Arc::clone(&has_failed);
        let thread = std::thread::Builder::new()
            .name("store".to_owned())
            .spawn(move || write_all(&dir, file, &queue, &stored, &failed))
            .map_err(at(Path::new(FILE)))?;
        let store = Store {
            jobs: Some(jobs),
            has_failed,
            thread: Some(thread),
            len,
            rewritten_len: len,
        };
        Ok((store, ledger, live))
    }

    /// Hands a record to the writer. With a token, its arrival on disk is reported.
    pub fn append(&mut self, line: &Line, token: Option<u64>) -> Result<(), StoreError> {
        let line = text(line);
        self.len += line.len() as u64;
        self.send(Job::Append { line, token })
    }

    /// Returns whether every write so far has succeeded. After a failed one the store takes no
    /// records until the process restarts.
    pub fn is_healthy(&self) -> bool {
        self.jobs.is_some() && !self.has_failed.load(Ordering::Relaxed)
    }

    /// Whether the file should be written anew.
    pub fn wants_rewrite(&self) -> bool {
        self.len > REWRITE_LEN_MIN && self.len / 2 > self.rewritten_len
    }

    /// Has the file written anew.
    pub fn rewrite(&mut self, lines: Vec<Line>) -> Result<(), StoreError> {
        self.len = lines.len() as u64 * 1_024;
        self.rewritten_len = self.len;
        self.send(Job::Rewrite(lines))
    }

    fn send(&mut self, job: Job) -> Result<(), StoreError> {
        let Some(jobs) = &self.jobs else {
            return Err(StoreError::Closed);
        };
        match jobs.try_send(job) {
            Ok(()) => Ok(()),
            Err(TrySendError::Full(_)) => Err(StoreError::Closed),
            Err(TrySendError::Disconnected(_)) => {
                self.jobs = None;
                Err(StoreError::Closed)
            }
        }
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        self.jobs = None;
        if let Some(thread) = self.thread.take() {
            // The thread ends once it has written all waiting records. A panic in it was logged by
            // the panic hook.
            let _ = thread.join();
        }
    }
}

fn at(path: &Path) -> impl FnOnce(io::Error) -> StoreError + '_ {
    |source| StoreError::Io {
        path: path.to_owned(),
        source,
    }
}

fn text(line: &Line) -> String {
    // Every record has string keys and finite numbers, so it has a JSON form.
    let json = serde_json::to_string(&line.without_link()).unwrap_or_default();
    format!("{:08x} {json}\n", crc32c::crc32c(json.as_bytes()))
}

fn parse(line: &[u8]) -> Option<Line> {
    let (crc, json) = (line.get(..8)?, line.get(9..)?);
    let crc = u32::from_str_radix(std::str::from_utf8(crc).ok()?, 16).ok()?;
    if crc != crc32c::crc32c(json) {
        return None;
    }
    serde_json::from_slice(json).ok()
}

fn read(path: &Path, mut take: impl FnMut(Line)) -> Result<(), StoreError> {
    let bytes = match fs::read(path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(source) => return Err(at(path)(source)),
    };
    let mut lines = bytes.split(|byte| *byte == b'\n').enumerate().peekable();
    while let Some((number, line)) = lines.next() {
        match parse(line) {
            Some(line) => take(line),
            // Behind the last LF is nothing, or the torn line of a crash.
            None if lines.peek().is_none() => {}
            None => {
                return Err(StoreError::Damaged {
                    path: path.to_owned(),
                    line: number + 1,
                });
            }
        }
    }
    Ok(())
}

/// The file written anew, open for appending, and its length.
fn rewrite(dir: &Path, lines: &[Line]) -> Result<(File, u64), StoreError> {
    let (path, new) = (dir.join(FILE), dir.join("calls.log.new"));
    let content: String = lines.iter().map(text).collect();
    let mut file = File::create(&new).map_err(at(&new))?;
    let written = file
        .write_all(content.as_bytes())
        .and_then(|()| file.sync_all());
    written.map_err(at(&new))?;
    fs::rename(&new, &path).map_err(at(&path))?;
    let synced = File::open(dir).and_then(|dir| dir.sync_all());
    synced.map_err(at(dir))?;
    let file = OpenOptions::new().append(true).open(&path);
    Ok((file.map_err(at(&path))?, content.len() as u64))
}

/// Writes until the engine is gone or a write fails. After a failed write nothing is tried again:
/// the content of the disk is unknown.
fn write_all(
    dir: &Path,
    mut file: File,
    queue: &Receiver<Job>,
    stored: &UnboundedSender<(u64, bool)>,
    has_failed: &AtomicBool,
) {
    while let Ok(first) = queue.recv() {
        let (mut batch, mut tokens, mut lines) = (String::new(), Vec::new(), None);
        for job in std::iter::once(first).chain(queue.try_iter().take(255)) {
            match job {
                Job::Append { line, token } => {
                    batch.push_str(&line);
                    tokens.extend(token);
                }
                // Made from the engine's memory after everything that was appended before it.
                Job::Rewrite(all) => {
                    batch.clear();
                    lines = Some(all);
                }
            }
        }
        let broken = has_failed.load(Ordering::Relaxed);
        let result = if broken {
            Err(StoreError::Closed)
        } else {
            write_batch(dir, &mut file, lines, &batch, !tokens.is_empty())
        };
        if let Err(error) = &result
            && !broken
        {
            error!(
                "the store has failed, no more calls are accepted: {error}; \
                 mend the disk, then restart ife-bridge"
            );
            has_failed.store(true, Ordering::Relaxed);
        }
        for token in tokens {
            // An engine that is gone waits for nothing.
            let _ = stored.send((token, result.is_ok()));
        }
    }
}

fn write_batch(
    dir: &Path,
    file: &mut File,
    lines: Option<Vec<Line>>,
    batch: &str,
    sync: bool,
) -> Result<(), StoreError> {
    if let Some(lines) = lines {
        (*file, _) = rewrite(dir, &lines)?;
    }
    file.write_all(batch.as_bytes()).map_err(at(dir))?;
    if sync {
        file.sync_data().map_err(at(dir))?;
    }
    Ok(())
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
