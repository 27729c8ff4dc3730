//! Options of `doctor`.

use std::{net::SocketAddr, path::PathBuf};

use clap::Args;

use super::BridgeArgs;

/// Options of `doctor`.
#[derive(Debug, Args)]
pub struct DoctorArgs {
    #[command(flatten)]
    #[allow(missing_docs)]
    pub paths: DoctorPaths,
    /// Kamailio's JSON-RPC socket (RPC_SOCKET), over UDP.
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:5062")]
    pub kamailio: SocketAddr,
    /// Free space below which ife-witnessd takes nothing in (its own option of this name).
    #[arg(long, value_name = "MIB", default_value_t = 64)]
    pub min_free_mib: u64,
    /// Experts, keys and certificates that expire within so many days are findings.
    #[arg(long, default_value_t = 30, value_parser = clap::value_parser!(u64).range(0..=3_650))]
    pub days: u64,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub bridge: BridgeArgs,
}

/// Where the parts of a deployment are.
#[derive(Debug, Args)]
#[command(next_help_heading = "Where it is")]
pub struct DoctorPaths {
    /// The registry.
    #[arg(
        long,
        value_name = "FILE",
        default_value = "/etc/if-escalate/registry.yaml"
    )]
    pub registry: PathBuf,
    /// The bridge's configuration; keys and certificates that it names are looked at.
    #[arg(
        long,
        value_name = "FILE",
        default_value = "/etc/if-escalate/bridge.yaml"
    )]
    pub bridge_config: PathBuf,
    /// The list of gateways.
    #[arg(
        long,
        value_name = "FILE",
        default_value = "/etc/if-escalate/dispatcher.list"
    )]
    pub dispatcher: PathBuf,
    /// Kamailio's configuration, read with the kamailio-local.cfg beside it: where it is to listen.
    /// Looked at when Kamailio does not answer.
    #[arg(
        long,
        value_name = "FILE",
        default_value = "/etc/if-escalate/kamailio.cfg"
    )]
    pub kamailio_config: PathBuf,
    /// Kamailio's TLS configuration.
    #[arg(long, value_name = "FILE", default_value = "/etc/if-escalate/tls.cfg")]
    pub tls_config: PathBuf,
    /// Another certificate, or file of them, to look at; may be given several times.
    #[arg(long = "certificate", value_name = "FILE")]
    pub certificates: Vec<PathBuf>,
    /// Directory of rings and shared state.
    #[arg(long, value_name = "DIR", default_value = "/run/if-escalate")]
    pub state_dir: PathBuf,
    /// Directory of the witness log.
    #[arg(
        long = "log",
        value_name = "DIR",
        env = "IFE_WITNESS_LOG",
        default_value = "/var/lib/if-escalate/witness"
    )]
    pub log_dir: PathBuf,
    /// Directory of the log's keys.
    #[arg(long, value_name = "DIR", default_value = "/var/lib/if-escalate/keys")]
    pub keys: PathBuf,
}
