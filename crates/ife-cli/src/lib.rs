//! `ifectl`: what an operator does with keys, signatures, the registry, the gate, calls and the
//! witness log, from a shell. It never touches the state of a running gate, never writes to a log,
//! and never prints a private key.
//!
//! One file per subcommand. A subcommand returns an [`Outcome`] or a [`Failure`]; only [`run`]
//! turns them into an exit code.

mod bridge;
mod cli;
mod decision;
mod doctor;
mod evidence;
mod explain;
mod failure;
mod keyfile;
mod keygen;
mod output;
mod registry;
mod shell;
mod sign;
mod sip;
mod text;
mod witness;

use std::process::ExitCode;

use clap::Parser;

pub use cli::{Cli, Command};
pub use failure::{Exit, Failure, Outcome};

use output::Output;

/// Parses the command line, runs the subcommand, reports a failure on stderr.
#[must_use]
pub fn run() -> ExitCode {
    // Usage errors end the process here, with exit code 2.
    let cli = Cli::parse();
    let mut out = Output::new(cli.json, cli.quiet);
    let exit =
        match dispatch(cli.command, &mut out).and_then(|outcome| out.flush().map(|()| outcome)) {
            Ok(outcome) => outcome.exit(),
            Err(failure) => {
                out.failure(&failure);
                failure.exit
            }
        };
    ExitCode::from(exit as u8)
}

fn dispatch(command: Command, out: &mut Output) -> Result<Outcome, Failure> {
    match command {
        Command::Keygen(args) => keygen::run(&args, out),
        Command::Sign(args) => sign::run(&args, out),
        Command::Registry(args) => registry::run(&args, out),
        Command::Explain(args) => explain::run(&args, out),
        Command::Witness(args) => witness::run(args, out),
        Command::Escalate(args) => bridge::escalate(&args, out),
        Command::Calls(args) => bridge::calls(&args, out),
        Command::Call(args) => bridge::call(&args, out),
        Command::Rooms(args) => bridge::rooms(&args, out),
        Command::Hangup(args) => bridge::hangup(&args, out),
        Command::Order(args) => bridge::order(&args, out),
        Command::Decision(args) => decision::run(&args, out),
        Command::Evidence(args) => evidence::run(&args, out),
        Command::ShadowReport(args) => witness::shadow_report(&args, out),
        Command::Doctor(args) => doctor::run(&args, out),
        Command::Completions { shell } => shell::completions(shell, out),
        Command::Man { directory } => shell::man(&directory, out),
    }
}
