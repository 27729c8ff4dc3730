//! The command line of `ife-witnessd`.

use std::path::PathBuf;

use clap::Parser;

const AFTER_HELP: &str = "\
Files:
  LOG_DIR/checkpoint, LOG_DIR/tile/   the public log (C2SP tlog-tiles): serve these to verifiers
  LOG_DIR/private/                    write-ahead log, signed checkpoint, lock: never serve these
  KEY.begun                           a log was begun with this key: --init begins no second one
  STATE_DIR/rings/                    one ring per producing process, on tmpfs
  STATE_DIR/witnessd.json             size, root and rates, renewed every second

Exit codes:
  0  stopped by SIGTERM or SIGINT; everything taken in is on disk and published
  1  the host failed (disk error, disk full, no memory or descriptors), or entries wait in the
     rings; start it again
  2  bad command line
  3  refused to start: the message names the file and what to do; starting again will not help

Signals: SIGTERM and SIGINT drain the rings, log STOP and end. SIGHUP does nothing.

Example:
  ife-witnessd --init --log-dir /var/lib/if-escalate/witness --state-dir /run/if-escalate \\
    --origin witness.council.example/proxy-1 --key /var/lib/if-escalate/keys/witness.key \\
    --cosigner-key /var/lib/if-escalate/keys/cosigner.key \\
    --vkey-out /var/lib/if-escalate/keys/witness.vkey

Then:
  ifectl witness verify --log /var/lib/if-escalate/witness \\
    --vkey /var/lib/if-escalate/keys/witness.vkey";

/// Writes the witness log: reads entries from the rings of all processes on this host, makes them
/// durable, and publishes them as a tamper-evident log with signed checkpoints.
#[derive(Clone, Debug, Parser)]
#[command(name = "ife-witnessd", version, after_help = AFTER_HELP)]
pub struct Options {
    /// Directory of the log, on a disk. It has one writer at a time.
    #[arg(long, value_name = "DIR")]
    pub log_dir: PathBuf,

    /// Begin the log if LOG_DIR holds none and no FILE.begun is beside the key.
    #[arg(long)]
    pub init: bool,

    /// As --init, and then end: for the first start of a host.
    #[arg(long)]
    pub init_only: bool,

    /// Directory shared with the producers (Kamailio, ife-bridge); must be on tmpfs.
    #[arg(long, value_name = "DIR")]
    pub state_dir: PathBuf,

    /// Name of the log: a URL without scheme, such as witness.council.example/node-1. Also the name
    /// of its key. Never changes.
    #[arg(long, value_name = "NAME", value_parser = name)]
    pub origin: String,

    /// Private key of the log; created with --init.
    #[arg(long, value_name = "FILE")]
    pub key: PathBuf,

    /// Private key that signs each checkpoint together with the time; created if absent.
    #[arg(long, value_name = "FILE")]
    pub cosigner_key: PathBuf,

    /// File for the two verifier keys, the log's first.
    #[arg(long, value_name = "FILE")]
    pub vkey_out: PathBuf,

    /// Name of this host in the writer's own entries [default: the host name].
    #[arg(long, value_name = "NAME")]
    pub node: Option<String>,

    /// Least time between public checkpoints, in ms. Entries are durable long before.
    #[arg(
        long,
        value_name = "MS",
        default_value_t = 200,
        value_parser = clap::value_parser!(u64).range(10..=60_000)
    )]
    pub publish_ms: u64,

    /// Size of a segment of the write-ahead log, in MiB. About three are on disk at a time.
    #[arg(
        long,
        value_name = "MIB",
        default_value_t = 64,
        value_parser = clap::value_parser!(u64).range(1..=1024)
    )]
    pub segment_mib: u64,

    /// Free disk space, in MiB, below which no entries are read: rings fill up, and producers that
    /// require a witness refuse calls until space is free.
    #[arg(long, value_name = "MIB", default_value_t = 64)]
    pub min_free_mib: u64,

    /// Least level of the lines on stderr: error, warn, info, debug or trace.
    #[arg(
        long,
        value_name = "LEVEL",
        default_value = "info",
        env = "IFE_WITNESSD_LOG"
    )]
    pub log_level: tracing::Level,
}

fn name(text: &str) -> Result<String, String> {
    if text.is_empty() {
        return Err(
            "a log needs a name; for the unit, set ORIGIN in /etc/default/ife-witnessd".to_owned(),
        );
    }
    let bad = |c: char| c == '+' || c.is_whitespace() || c.is_control();
    if text.contains(bad) {
        return Err("a log's name has no space and no '+'".to_owned());
    }
    if text.contains("://") {
        return Err(
            "a log's name is a URL without the scheme: leave out everything up to '://'".to_owned(),
        );
    }
    Ok(text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        Options::command().debug_assert();
    }

    #[test]
    fn origins() {
        for (text, good) in [
            ("a.example/log", true),
            ("", false),
            ("a b", false),
            ("a+b", false),
            ("https://a", false),
        ] {
            assert_eq!(name(text).is_ok(), good, "{text:?}");
        }
    }
}
