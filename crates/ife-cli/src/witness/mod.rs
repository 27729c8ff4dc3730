//! `ifectl witness`: the log as a stranger sees it, from its public files and the verifier keys.

mod checkpoint;
mod copy;
mod entry;
mod index;
mod ladder;
mod prove;
mod shadow_report;
mod show;
mod story;
mod tail;
mod verify;

use std::path::Path;

use ife_witness::{
    note::VerifierKey,
    reader::{LogDir, LogError, Problem},
};

use crate::{
    Failure, Outcome,
    cli::{LogArgs, ShadowReportArgs, WitnessArgs, WitnessCommand},
    output::Output,
    registry, text,
};

pub(crate) fn run(args: WitnessArgs, out: &mut Output) -> Result<Outcome, Failure> {
    match args.command {
        WitnessCommand::Verify(args) => verify::run(&args, out),
        WitnessCommand::Show(args) => show::run(&args, out),
        WitnessCommand::Prove(args) => prove::run(&args, out),
        WitnessCommand::CheckProof(args) => prove::check(&args, out),
        WitnessCommand::Tail { log, lines, follow } => tail::run(&log, lines, follow, out),
        WitnessCommand::Copy { log, to } => copy::run(&log, &to, out),
        WitnessCommand::Index { log, anew } => index::run(&log, anew, out),
        WitnessCommand::Checkpoint { log, raw } => checkpoint::run(&log, raw, out),
    }
}

pub(crate) fn shadow_report(args: &ShadowReportArgs, out: &mut Output) -> Result<Outcome, Failure> {
    shadow_report::run(args, out)
}

/// The keys in a `--vkey` file; at least one.
fn keys(path: &Path) -> Result<Vec<VerifierKey>, Failure> {
    let text = registry::read_text(path)?;
    let keys = VerifierKey::parse_file(&text).map_err(|(line, error)| {
        Failure::unanswered(format!("{}:{line}: {error}", path.display()))
    })?;
    if keys.is_empty() {
        return Err(Failure::unanswered(format!(
            "{}: holds no verifier key",
            path.display()
        )));
    }
    Ok(keys)
}

/// Mode of the files that are made to be given away.
const PUBLIC_FILE: u32 = 0o644;

/// The keys that were given, none if none were.
fn given_keys(log: &LogArgs) -> Result<Vec<VerifierKey>, Failure> {
    log.vkey.as_deref().map_or(Ok(Vec::new()), keys)
}

/// The keys, for what makes no sense without.
fn needed_keys(log: &LogArgs) -> Result<Vec<VerifierKey>, Failure> {
    match &log.vkey {
        Some(path) => keys(path),
        None => Err(Failure::usage(
            "--vkey is needed: the file of verifier keys that ife-witnessd wrote (--vkey-out)",
        )),
    }
}

/// A log that is not as it must be is an answer; one whose checkpoint cannot be read at all is
/// none.
fn log_failure(dir: &LogDir, error: &LogError) -> Failure {
    let what = text::harmless(&error.to_string());
    if matches!(error.problem, Problem::Read(_)) && error.path == dir.checkpoint_path() {
        return Failure::unanswered(what)
            .hint("is this the log directory of ife-witnessd, and has it published yet?");
    }
    Failure::no(what).hint(hint(&error.problem))
}

fn hint(problem: &Problem) -> &'static str {
    match problem {
        Problem::Shrunk { .. } | Problem::Forked { .. } => {
            "entries that were told before are gone or changed: keep this directory as it is, and \
            find out who could write to it"
        }
        Problem::Checkpoint(_) | Problem::Unsigned { .. } | Problem::Origin { .. } => {
            "are these the keys and the checkpoint of this log?"
        }
        Problem::Read(_)
        | Problem::Length { .. }
        | Problem::Cut
        | Problem::Entries { .. }
        | Problem::Root
        | Problem::Hash { .. }
        | Problem::Partial
        | Problem::Entry { .. }
        | Problem::Order { .. } => {
            "compare with a copy of the log; the witness itself never changes what it has published"
        }
    }
}
