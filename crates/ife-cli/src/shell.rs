//! Completion scripts and man pages, made from the command line's own definition.

use std::{fs, path::Path};

use clap::CommandFactory;
use serde_json::json;

use crate::{Cli, Failure, Outcome, output::Output};

/// Writes a completion script to stdout.
pub(crate) fn completions(
    shell: clap_complete::Shell,
    out: &mut Output,
) -> Result<Outcome, Failure> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "ifectl", &mut script);
    out.bytes(&script)?;
    Ok(Outcome::Yes)
}

/// Writes `ifectl.1` and one page per subcommand.
pub(crate) fn man(directory: &Path, out: &mut Output) -> Result<Outcome, Failure> {
    fs::create_dir_all(directory)
        .map_err(|error| Failure::io(directory, "make the directory", &error))?;
    clap_mangen::generate_to(Cli::command(), directory)
        .map_err(|error| Failure::io(directory, "write the man pages", &error))?;
    let entries = fs::read_dir(directory)
        .map_err(|error| Failure::io(directory, "read the directory", &error))?;
    let pages = entries
        .flatten()
        .filter(|entry| entry.file_name().to_string_lossy().ends_with(".1"))
        .count();
    if out.json() {
        out.value(&json!({"directory": directory.display().to_string(), "pages": pages}))?;
    } else {
        out.line(format!("{pages} man pages in {}", directory.display()))?;
    }
    Ok(Outcome::Yes)
}
