//! `ifectl witness show`: the entries of one call or escalation, each proved, and the story that
//! they tell.

use std::{
    thread,
    time::{Duration, Instant},
};

use base64::{Engine, engine::general_purpose::STANDARD};
use ife_trace::{
    bundle::{Checked, reader},
    index::{Member, Wanted},
    scan,
};
use ife_witness::{checkpoint::Checkpoint, note::VerifierKey, reader::LogDir};
use ife_words::time;
use serde_json::{Value, json};

use super::{entry::Seen, given_keys, log_failure, story};
use crate::{Failure, Outcome, cli::ShowArgs, output::Output, text};

/// How often a log is looked at again.
const POLL: Duration = Duration::from_millis(100);
/// After a call's end, how long no further entry of it must come: the bridge and the council have
/// their say after the BYE.
const QUIET: Duration = Duration::from_secs(1);

pub(super) fn run(args: &ShowArgs, out: &mut Output) -> Result<Outcome, Failure> {
    let dir = LogDir::new(&args.log.log);
    let keys = given_keys(&args.log)?;
    let mut found = settled(args, &dir, &keys, out)?;
    if found.seen.is_empty() {
        return Err(Failure::no(format!(
            "{}: no such entry among {}",
            args.log.log.display(),
            text::grouped(found.head.size)
        ))
        .hint("events reach the published log a moment after they happen; --wait waits for them"));
    }
    if !found.complete {
        out.remark(format!(
            "only the newest {} entries are shown; --limit asks for more",
            found.seen.len()
        ));
    }
    if out.json() {
        out.value(&as_json(&found, &keys))?;
        return Ok(Outcome::Yes);
    }
    // Rings are drained in batches, so the log's order is not quite that of time.
    found
        .seen
        .sort_by_key(|entry| (entry.time_ns(), entry.index));
    for line in story::tell(&found.seen, out.width()) {
        out.line(line)?;
    }
    out.line("")?;
    if args.entries {
        for entry in &found.seen {
            out.line(text::harmless(&String::from_utf8_lossy(&entry.bytes)))?;
        }
        out.line("")?;
    }
    out.line(conclusion(&found.head, &keys, found.seen.len()))?;
    if let Some(signed_s) = found.signed_s {
        out.line(freshness(signed_s, text::unix_now()))?;
    }
    if !is_told(args, &found.seen) {
        out.remark(match args.wait {
            None => "no entry tells the end of this call: it goes on, or its last events are on \
                    their way; --wait waits for them"
                .to_owned(),
            Some(waited) => format!(
                "no entry tells the end of this call after {waited} s: it \
             goes on, or its events go to another log"
            ),
        });
    }
    Ok(Outcome::Yes)
}

/// What one look at the log gives.
struct Found {
    head: Checkpoint,
    /// When the head was signed, if a cosigner gave it.
    signed_s: Option<u64>,
    seen: Vec<Seen>,
    /// Whether these are all.
    complete: bool,
}

fn look(
    args: &ShowArgs,
    dir: &LogDir,
    keys: &[VerifierKey],
    out: &Output,
) -> Result<Found, Failure> {
    let failed = |error| log_failure(dir, &error);
    let (head, signed_s) = if keys.is_empty() {
        (dir.head(keys).map_err(failed)?, None)
    } else {
        let signed = dir.checkpoint(keys).map_err(failed)?;
        let time_s = signed.time_s();
        (signed.checkpoint, time_s)
    };
    let (places, complete) = places(args, dir, head.size, out)?;
    let seen = read(dir, &head, keys, &places)?;
    Ok(Found {
        head,
        signed_s,
        seen,
        complete,
    })
}

/// Reads the log once or, with `--wait`, again until the call has ended.
fn settled(
    args: &ShowArgs,
    dir: &LogDir,
    keys: &[VerifierKey],
    out: &Output,
) -> Result<Found, Failure> {
    let mut found = look(args, dir, keys, out)?;
    let (begun, mut grown) = (Instant::now(), Instant::now());
    let wait = Duration::from_secs(args.wait.unwrap_or(0));
    while begun.elapsed() < wait && !(is_told(args, &found.seen) && grown.elapsed() >= QUIET) {
        thread::sleep(POLL);
        let size = dir
            .head(keys)
            .map_err(|error| log_failure(dir, &error))?
            .size;
        if size == found.head.size {
            continue;
        }
        let again = look(args, dir, keys, out)?;
        if again.seen.len() != found.seen.len() {
            grown = Instant::now();
        }
        found = again;
    }
    Ok(found)
}

/// Whether nothing more is to be waited for: the entry is there, or the call's latest attempt has
/// its end.
fn is_told(args: &ShowArgs, seen: &[Seen]) -> bool {
    if args.which.index.is_some() {
        return !seen.is_empty();
    }
    let mut steps: Vec<_> = seen
        .iter()
        .map(|entry| (entry.time_ns(), entry.index, entry.event()))
        .collect();
    steps.sort_unstable();
    let mut latest = steps.iter().rev().map(|(_, _, event)| event.as_str());
    latest
        .find_map(|event| match event {
            "BYE" | "FAILED" | "TERMINATED" | "REJECTED" => Some(true),
            "ESCALATE" | "INVITE" | "APPROVED" => Some(false),
            _ => None,
        })
        .unwrap_or(false)
}

fn freshness(signed_s: u64, now_s: u64) -> String {
    let time = time::of_s(signed_s);
    match now_s.checked_sub(signed_s) {
        Some(age) => format!(
            "as of {time}, {} s ago; what happened since is not in it",
            text::grouped(age)
        ),
        None => format!("as of {time}, which is ahead of this host's clock"),
    }
}

/// The places of the entries that were asked for, and whether these are all.
fn places(
    args: &ShowArgs,
    dir: &LogDir,
    size: u64,
    out: &Output,
) -> Result<(Vec<u64>, bool), Failure> {
    let wanted = match (&args.which.trace, &args.which.call_id, args.which.index) {
        (Some(trace), _, _) => Wanted::exactly(Member::TraceId, trace),
        (_, Some(call_id), _) => Wanted::exactly(Member::CallId, call_id),
        // The command line demands one of the three.
        (_, _, index) => {
            let index = index.filter(|index| *index < size);
            return Ok((index.into_iter().collect(), true));
        }
    };
    let bar = out.progress("searching", size);
    let (mut places, mut before) = (Vec::new(), size);
    while before > 0 && places.len() <= args.limit {
        let enough = args.limit + 1 - places.len();
        let found = scan(dir, size, before, &wanted, enough);
        let found = found.map_err(|error| log_failure(dir, &error))?;
        before = found.down_to;
        bar.set_position(size - before);
        places.extend(found.found.iter().map(|record| record.index));
    }
    bar.finish_and_clear();
    let complete = places.len() <= args.limit;
    places.truncate(args.limit);
    Ok((places, complete))
}

/// Reads entries; with keys, each must be under a signed head.
fn read(
    dir: &LogDir,
    head: &Checkpoint,
    keys: &[VerifierKey],
    places: &[u64],
) -> Result<Vec<Seen>, Failure> {
    let checked = reader(dir, head).places(places);
    let checked = checked.map_err(|error| log_failure(dir, &error))?;
    let unproved = checked.iter().find(|entry| entry.problem.is_some());
    if let Some(Checked {
        index,
        problem: Some(problem),
        ..
    }) = unproved
        && !keys.is_empty()
    {
        let what = format!("{}: entry {index}: {problem}", dir.path().display());
        return Err(Failure::no(what).hint(
            "the entry is not what was signed; `ifectl witness verify` tells which file is wrong",
        ));
    }
    let seen = |entry: Checked| Seen::new(entry.index, entry.bytes);
    Ok(checked.into_iter().map(seen).collect())
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

fn as_json(found: &Found, keys: &[VerifierKey]) -> Value {
    let mut entries: Vec<&Seen> = found.seen.iter().collect();
    entries.sort_by_key(|entry| entry.index);
    let head = &found.head;
    let mut log =
        json!({"origin": head.origin, "size": head.size, "root": STANDARD.encode(head.root)});
    if let Some(signed_s) = found.signed_s {
        log["time"] = json!(time::of_s(signed_s));
    }
    json!({"log": log, "verified": !keys.is_empty(),
    "entries": entries.into_iter().map(Seen::json).collect::<Vec<_>>()})
}
