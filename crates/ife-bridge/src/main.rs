//! `ife-bridge`: calls human experts over SIP and joins them to an H.323 council.

use std::{error::Error, path::PathBuf, process::ExitCode};

use clap::{Parser, Subcommand};
use ife_bridge::run;
use tracing::error;
use tracing_subscriber::EnvFilter;

/// Calls human experts over SIP and joins them to an H.323 council.
#[derive(Debug, Parser)]
#[command(version)]
struct Args {
    /// Level of the log: error, warn, info, debug, or a filter such as `info,ife_bridge=debug`.
    #[arg(long, global = true, env = "IFE_LOG", default_value = "info")]
    log: String,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Runs the bridge until SIGTERM. SIGHUP reads the registry again.
    Run {
        /// The configuration, see docs/examples/bridge.yaml.
        #[arg(long)]
        config: PathBuf,
    },
    /// Checks the configuration and every file that it names; starts nothing.
    Check {
        /// The configuration, see docs/examples/bridge.yaml.
        #[arg(long)]
        config: PathBuf,
    },
}

fn main() -> ExitCode {
    let args = Args::parse();
    let mut filter = EnvFilter::try_new(&args.log).unwrap_or_else(|_| EnvFilter::new("info"));
    // The bridge reports in its own words.
    if let (false, Ok(quiet)) = (args.log.contains("async_nats"), "async_nats=off".parse()) {
        filter = filter.add_directive(quiet);
    }
    // Below this level the WebRTC libraries write ICE passwords.
    for level in ["is=info", "str0m=info"] {
        if let Ok(directive) = level.parse() {
            filter = filter.add_directive(directive);
        }
    }
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(false)
        .init();
    let result = match &args.command {
        Command::Run { config } => run::run(config),
        Command::Check { config } => run::check(config),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(problem) => {
            error!("{}", in_one_line(&problem));
            ExitCode::FAILURE
        }
    }
}

/// An error and what caused it. Some errors have the text of their causes already.
fn in_one_line(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !text.ends_with(&cause_text) {
            text = format!("{text}: {cause_text}");
        }
        source = cause.source();
    }
    text
}
