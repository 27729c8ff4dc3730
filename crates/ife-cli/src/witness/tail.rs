//! `ifectl witness tail`.

use std::{thread, time::Duration};

use ife_witness::reader::{self, Indexed, LogDir, Tail};

use super::{entry::Seen, given_keys, log_failure};
use crate::{Failure, Outcome, cli::LogArgs, output::Output};

/// How often a followed log is looked at.
const POLL: Duration = Duration::from_millis(200);

pub(super) fn run(
    log: &LogArgs,
    lines: u64,
    follow: bool,
    out: &mut Output,
) -> Result<Outcome, Failure> {
    let dir = LogDir::new(&log.log);
    let keys = given_keys(log)?;
    let size = dir
        .head(&keys)
        .map_err(|error| log_failure(&dir, &error))?
        .size;
    for indexed in reader::entries(&dir, size, size.saturating_sub(lines)..size) {
        print(indexed.map_err(|error| log_failure(&dir, &error))?, out)?;
    }
    if !follow {
        return Ok(Outcome::Yes);
    }
    let mut tail = Tail::new(&dir, &keys, size);
    loop {
        out.flush()?;
        let new = tail.poll().map_err(|error| log_failure(&dir, &error))?;
        if new.is_empty() {
            thread::sleep(POLL);
        }
        for indexed in new {
            print(indexed, out)?;
        }
    }
}

fn print(indexed: Indexed, out: &mut Output) -> Result<(), Failure> {
    let entry = Seen::new(indexed.index, indexed.entry);
    if out.json() {
        out.value(&entry.json())
    } else {
        out.line(entry.line())
    }
}
