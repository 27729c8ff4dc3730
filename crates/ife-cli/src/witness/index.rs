//! `ifectl witness index`: the files by which a trace or a call is found at once.

use ife_witness::{places, reader::LogDir};
use serde_json::json;

use super::{given_keys, log_failure};
use crate::{Failure, Outcome, cli::LogArgs, output::Output, text};

/// Adds the runs that are missing, for all entries but the newest 16,383 at most.
pub(super) fn run(log: &LogArgs, anew: bool, out: &mut Output) -> Result<Outcome, Failure> {
    let dir = LogDir::new(&log.log);
    let keys = given_keys(log)?;
    let size = dir.head(&keys).map_err(|e| log_failure(&dir, &e))?.size;
    if anew {
        places::remove(&dir)
            .map_err(|e| Failure::io(&dir.path().join("index"), "remove it", &e))?;
    }
    let bar = out.progress("indexing", size);
    let (mut from, mut made) = (0, 0_u64);
    while places::make_next(&dir, size, &mut from)
        .map_err(|e| log_failure(&dir, &e))?
        .is_some()
    {
        made += 1;
        bar.set_position(from);
    }
    bar.finish_and_clear();
    if out.json() {
        out.value(&json!({"size": size, "indexed": from, "made": made}))?;
    } else {
        out.line(format!(
            "entries    {} of {} indexed",
            text::grouped(from),
            text::grouped(size)
        ))?;
        out.line(format!("files      {made} made"))?;
    }
    Ok(Outcome::Yes)
}
