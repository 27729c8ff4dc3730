//! `ifectl witness show`: the entries of one call or escalation, each proved, and the story that they tell.

use base64::{Engine, engine::general_purpose::STANDARD};
use ife_witness::{
    checkpoint::Checkpoint,
    note::VerifierKey,
    proof::verify_inclusion,
    reader::{self, Indexed, LogDir, Query, find},
};
use serde_json::{Value, json};

use super::{entry::Seen, given_keys, log_failure, story};
use crate::{Failure, Outcome, cli::ShowArgs, output::Output, text};

pub(super) fn run(args: &ShowArgs, out: &mut Output) -> Result<Outcome, Failure> {
    let dir = LogDir::new(&args.log.log);
    let keys = given_keys(&args.log)?;
    let head = dir.head(&keys).map_err(|error| log_failure(&dir, &error))?;
    let (mut seen, complete) = collect(args, &dir, head.size, out)?;
    if seen.is_empty() {
        return Err(Failure::no(format!(
            "{}: no such entry among {}",
            args.log.log.display(),
            text::grouped(head.size)
        ))
        .hint("events reach the published log a moment after they happen"));
    }
    if !keys.is_empty() {
        prove_all(&dir, &head, &seen)?;
    }
    if !complete {
        out.remark(format!(
            "only the newest {} entries are shown; --limit asks for more",
            seen.len()
        ));
    }
    if out.json() {
        out.value(&as_json(&head, &keys, &seen))?;
        return Ok(Outcome::Yes);
    }
    // Rings are drained in batches, so the log's order is not quite that of time.
    seen.sort_by_key(|entry| (entry.time_ns(), entry.index));
    for line in story::tell(&seen) {
        out.line(line)?;
    }
    out.line("")?;
    if args.entries {
        for entry in &seen {
            out.line(text::harmless(&String::from_utf8_lossy(&entry.bytes)))?;
        }
        out.line("")?;
    }
    out.line(conclusion(&head, &keys, seen.len()))?;
    Ok(Outcome::Yes)
}

/// The entries that were asked for, and whether these are all.
fn collect(
    args: &ShowArgs,
    dir: &LogDir,
    size: u64,
    out: &Output,
) -> Result<(Vec<Seen>, bool), Failure> {
    let query = match (&args.which.trace, &args.which.call_id, args.which.index) {
        (Some(trace), _, _) => Query::trace_id(trace),
        (_, Some(call_id), _) => Query::call_id(call_id),
        (_, _, index) => {
            // The command line demands one of the three.
            let index = index.unwrap_or_default();
            let entry =
                reader::entry(dir, size, index).map_err(|error| log_failure(dir, &error))?;
            return Ok((
                entry
                    .map(|entry| Seen::new(Indexed { index, entry }))
                    .into_iter()
                    .collect(),
                true,
            ));
        }
    };
    let bar = out.progress("searching", size);
    let mut found = find(dir, size, 0..size, query);
    let mut seen = Vec::new();
    while let Some(next) = found.next() {
        if seen.len() == args.limit {
            bar.finish_and_clear();
            return Ok((seen, false));
        }
        bar.set_position(size - found.searched_down_to());
        seen.push(Seen::new(next.map_err(|error| log_failure(dir, &error))?));
    }
    bar.finish_and_clear();
    Ok((seen, true))
}

fn prove_all(dir: &LogDir, head: &Checkpoint, seen: &[Seen]) -> Result<(), Failure> {
    let mut tree = dir.tree(head.size);
    for entry in seen {
        let proof = tree.inclusion(entry.index);
        proof
            .and_then(|hashes| verify_inclusion(&entry.leaf_hash(), entry.index, head.size, &hashes, &head.root))
            .map_err(|error| {
                Failure::no(format!("{}: entry {}: {error}", dir.path().display(), entry.index))
                    .hint("the entry is not what was signed; `ifectl witness verify` tells which file is wrong")
            })?;
    }
    Ok(())
}

fn conclusion(head: &Checkpoint, keys: &[VerifierKey], count: usize) -> String {
    let entries = if count == 1 {
        "1 entry".to_owned()
    } else {
        format!("{count} entries, each")
    };
    if keys.is_empty() {
        return format!(
            "{entries} as found in the log of {}; not verified, since no --vkey was given",
            text::grouped(head.size)
        );
    }
    format!(
        "{entries} proved to be in the log {} of {}, root {}",
        text::harmless(&head.origin),
        text::grouped(head.size),
        STANDARD.encode(head.root)
    )
}

fn as_json(head: &Checkpoint, keys: &[VerifierKey], seen: &[Seen]) -> Value {
    let mut entries: Vec<&Seen> = seen.iter().collect();
    entries.sort_by_key(|entry| entry.index);
    let log = json!({"origin": head.origin, "size": head.size, "root": STANDARD.encode(head.root)});
    json!({"log": log, "verified": !keys.is_empty(), "entries": entries.into_iter().map(Seen::json).collect::<Vec<_>>()})
}
