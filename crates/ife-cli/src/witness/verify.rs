//! `ifectl witness verify`.

use std::{path::Path, thread, time::Instant};

use base64::{Engine, engine::general_purpose::STANDARD};
use ife_witness::{
    aside::{self, Existing},
    checkpoint::{self, Checkpoint},
    note::{Verified, VerifierKey},
    reader::LogDir,
    verify::{Options, Report, verify_log},
};
use ife_words::time;
use serde_json::{Value, json};

use super::{PUBLIC_FILE, log_failure, needed_keys};
use crate::{Failure, Outcome, cli::VerifyArgs, output::Output, registry, text};

/// Longest checkpoint file that is read, in bytes.
const NOTE_LEN_MAX: u64 = 64 * 1024;

pub(super) fn run(args: &VerifyArgs, out: &mut Output) -> Result<Outcome, Failure> {
    let keys = needed_keys(&args.log)?;
    let mut since = Vec::new();
    for file in &args.since {
        since.push(open(file, &keys)?);
    }
    since.extend(remembered(args, &keys)?);
    let threads = args
        .threads
        .unwrap_or_else(|| thread::available_parallelism().map_or(1, usize::from));
    let options = Options {
        since,
        threads,
        allow_unsigned: args.allow_unsigned,
    };

    let dir = LogDir::new(&args.log.log);
    let bar = out.progress("verifying", 0);
    let started = Instant::now();
    let result = verify_log(&args.log.log, &keys, &options, |progress| {
        bar.set_length(progress.size);
        bar.set_position(progress.done);
    });
    bar.finish_and_clear();
    let seconds = started.elapsed().as_secs_f64();
    match result {
        Ok(report) => {
            if let Some(file) = &args.remember {
                remember(file, &report, &dir, &keys)?;
            }
            print(&report, seconds, options.since.len(), out)?;
            Ok(Outcome::Yes)
        }
        Err(error) => {
            let failure = log_failure(&dir, &error);
            if out.json() {
                out.value(
                    &json!({"verified": false, "path": error.path.display().to_string(),
                "offset": error.offset,
                                  "problem": error.problem.to_string()}),
                )?;
            }
            Err(failure)
        }
    }
}

/// A checkpoint that was verified earlier; its signatures must still be good.
fn open(file: &Path, keys: &[VerifierKey]) -> Result<Checkpoint, Failure> {
    let note = registry::read_bytes(file, NOTE_LEN_MAX)?;
    let signed = checkpoint::open(&note, keys)
        .map_err(|error| Failure::no(format!("{}: {error}", file.display())))?;
    Ok(signed.checkpoint)
}

fn remembered(args: &VerifyArgs, keys: &[VerifierKey]) -> Result<Option<Checkpoint>, Failure> {
    match &args.remember {
        Some(file) if file.exists() => open(file, keys).map(Some),
        Some(_) | None => Ok(None),
    }
}

/// Keeps the checkpoint that was just verified, for the next time.
fn remember(
    file: &Path,
    report: &Report,
    dir: &LogDir,
    keys: &[VerifierKey],
) -> Result<(), Failure> {
    let note = dir.note().map_err(|error| log_failure(dir, &error))?;
    let published = checkpoint::open(&note, keys)
        .map_err(|error| Failure::no(error.to_string()))?
        .checkpoint;
    // The log may have grown while it was verified; the unverified part is not remembered.
    if (published.size, published.root) != (report.size, report.root) {
        return Ok(());
    }
    aside::write(file, &note, PUBLIC_FILE, Existing::Replace)
        .map_err(|error| Failure::io(file, "remember the checkpoint", &error))
}

fn print(report: &Report, seconds: f64, since: usize, out: &mut Output) -> Result<(), Failure> {
    let root = STANDARD.encode(report.root);
    if out.json() {
        return out.value(&json!({
            "verified": true, "origin": report.origin, "size": report.size, "root": root,
            "signatures": report.signatures.iter().map(signature_json).collect::<Vec<_>>(),
            "entry_bytes": report.entry_bytes, "producers": report.producers, "gaps": report.gaps,
            "lost": report.lost,
            "stray_files": {"earlier_partials": report.strays.earlier_partials,
            "beyond": report.strays.beyond,
                            "unknown": report.strays.unknown, "named": report.strays.named},
            "seconds": seconds,
        }));
    }
    out.line(format!("log        {}", report.origin))?;
    out.line(format!(
        "entries    {} ({} bytes) by {}",
        text::grouped(report.size),
        text::grouped(report.entry_bytes),
        text::counted(report.producers, "producer", "producers"),
    ))?;
    out.line(format!("root       {root}"))?;
    for signature in &report.signatures {
        out.line(format!("signed by  {}", describe(signature)))?;
    }
    match report.gaps {
        0 => out.line("missing    nothing: every producer's sequence numbers run on")?,
        gaps => out.line(format!(
            "missing    {}, reported by {}",
            text::counted(report.lost, "event", "events"),
            text::counted(gaps, "GAP entry", "GAP entries")
        ))?,
    }
    for name in &report.strays.named {
        out.line(format!("beside     {}", text::harmless(name)))?;
    }
    let history = if since == 0 {
        ""
    } else {
        ", and the log still begins with what was seen before"
    };
    out.line(format!(
        "verified   every signature, hash, entry and sequence number in {seconds:.1} s{history}"
    ))
}

/// `name, at 2026-01-01T00:00:00Z`.
pub(super) fn describe(signature: &Verified) -> String {
    let time = signature
        .time_s
        .map(|at| format!(", at {}", time::of_s(at)))
        .unwrap_or_default();
    format!("{}{time}", text::harmless(&signature.name))
}

pub(super) fn signature_json(signature: &Verified) -> Value {
    let mut value = json!({"name": signature.name});
    if let Some(at) = signature.time_s {
        value["time_s"] = json!(at);
        value["time"] = json!(time::of_s(at));
    }
    value
}
