//! The part of the command line that talks to a running bridge.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};
use ife_message::{Hazard, TraceId};

use crate::bridge::BridgeAddress;

/// Which bridge, and how it knows us.
#[derive(Debug, Args)]
#[command(next_help_heading = "Which bridge")]
pub struct BridgeArgs {
    /// Where the bridge's API is: unix:/path of its socket, or https://host:port. Plain http only
    /// to this host.
    #[arg(
        long,
        value_name = "WHERE",
        env = "IFE_BRIDGE",
        default_value = "unix:/run/if-escalate/bridge.sock",
        global = true
    )]
    pub bridge: BridgeAddress,
    /// File with the bearer token, for https.
    #[arg(
        long,
        value_name = "FILE",
        env = "IFE_BRIDGE_TOKEN_FILE",
        global = true
    )]
    pub token_file: Option<PathBuf>,
    /// PEM file with the authority that signed the bridge's certificate. Default: those that the
    /// system trusts.
    #[arg(long, value_name = "FILE", env = "IFE_BRIDGE_CA", global = true)]
    pub ca: Option<PathBuf>,
    /// PEM file with the client certificate.
    #[arg(long, value_name = "FILE", env = "IFE_BRIDGE_CERT", global = true)]
    pub cert: Option<PathBuf>,
    /// PEM file with the client certificate's private key, unless it is in the same file.
    #[arg(long, value_name = "FILE", env = "IFE_BRIDGE_CERT_KEY", global = true)]
    pub cert_key: Option<PathBuf>,
}

/// Options of `escalate`.
#[derive(Debug, Args)]
pub struct EscalateArgs {
    /// What it is about; may be given several times, or parted by commas. The first one decides who
    /// is called.
    #[arg(long, value_delimiter = ',')]
    pub hazard: Vec<Hazard>,
    /// Id of the expert to call. Default: who is in charge of the hazard.
    #[arg(long, value_name = "EXPERT_ID")]
    pub expert: Option<String>,
    /// Evidence: a path below the bridge's evidence roots, or an http(s) URI. May be given several
    /// times.
    #[arg(long, value_name = "PATH_OR_URI")]
    pub evidence: Vec<String>,
    /// Why the expert is called, in a sentence: the phone and the expert's page show it.
    #[arg(long, value_name = "SENTENCE")]
    pub reason: Option<String>,
    /// What the expert is asked to decide.
    #[arg(long, value_name = "TEXT")]
    pub question: Option<String>,
    /// An answer that the question offers; 2 to 9 of them.
    #[arg(long = "option", value_name = "TEXT", requires = "question")]
    pub options: Vec<String>,
    /// The council's conference. Default: the bridge's.
    #[arg(long, value_name = "NAME")]
    pub room: Option<String>,
    /// Correlates everything about this escalation. Default: a random UUID.
    #[arg(long, value_name = "ID")]
    pub trace_id: Option<TraceId>,
    /// The message's id: the bridge answers the same id with its first answer, and calls nobody
    /// twice. Default: a random UUID.
    #[arg(long, value_name = "ID")]
    pub id: Option<String>,
    /// Who escalates: an agent that the bridge knows, such as if://agent/guard.
    #[arg(long, value_name = "AGENT", env = "IFE_AGENT")]
    pub source: Option<String>,
    /// To whom the message goes. Default: if://service/bridge.
    #[arg(long, value_name = "NAME")]
    pub destination: Option<String>,
    /// File of the agent's private key, as keygen wrote it.
    #[arg(long, value_name = "FILE", env = "IFE_AGENT_KEY")]
    pub key: Option<PathBuf>,
    /// File with an IFMessage to start from; - for stdin. One that is signed and that no option
    /// changes is sent as it is.
    #[arg(long, value_name = "FILE")]
    pub message: Option<PathBuf>,
    /// Answer when the expert is in the conference, or when that has failed; tell what happens
    /// meanwhile. With =decision: when the expert has decided, or cannot any more.
    #[arg(long, value_name = "FOR", num_args = 0..=1, require_equals = true,
          default_missing_value = "connected")]
    pub wait: Option<WaitFor>,
    /// Print the signed message and send nothing: for other ways to the bridge, such as NATS.
    #[arg(long, conflicts_with = "wait")]
    pub print: bool,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub bridge: BridgeArgs,
}

/// What `escalate` waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum WaitFor {
    /// The expert is in the conference, or that failed.
    Connected,
    /// The expert has decided, or cannot any more.
    Decision,
}

/// Options of `calls`.
#[derive(Debug, Args)]
pub struct CallsArgs {
    /// The table once, on a terminal too.
    #[arg(long)]
    pub once: bool,
    /// A line for each change from now on, in place of a table.
    #[arg(long, short, conflicts_with = "once")]
    pub follow: bool,
    /// Show at most so many calls.
    #[arg(long, default_value_t = 50, value_name = "COUNT")]
    pub limit: usize,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub bridge: BridgeArgs,
}

/// Options of `call`.
#[derive(Debug, Args)]
pub struct CallArgs {
    /// The call: its id, the 16 hex digits of it, or the trace id.
    #[arg(value_name = "CALL")]
    pub call: String,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub bridge: BridgeArgs,
}

/// What can be ordered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum OrderWord {
    /// Tell the call with its history.
    Get,
    /// End the call.
    HangUp,
}

impl OrderWord {
    /// As the order's payload names it.
    pub fn as_str(self) -> &'static str {
        match self {
            OrderWord::Get => "get",
            OrderWord::HangUp => "hang_up",
        }
    }
}

/// Options of `order`.
#[derive(Debug, Args)]
pub struct OrderArgs {
    /// What is ordered.
    #[arg(value_enum)]
    pub order: OrderWord,
    /// The call: its id, the 16 hex digits of it, or the trace id.
    #[arg(value_name = "CALL")]
    pub call: String,
    /// The message's id: each order needs its own. Default: a random UUID.
    #[arg(long, value_name = "ID")]
    pub id: Option<String>,
    /// The agent whose message asked for the call, such as if://agent/guard.
    #[arg(long, value_name = "AGENT", env = "IFE_AGENT")]
    pub source: Option<String>,
    /// File of the agent's private key, as keygen wrote it.
    #[arg(long, value_name = "FILE", env = "IFE_AGENT_KEY")]
    pub key: Option<PathBuf>,
}

/// Options of `hangup`.
#[derive(Debug, Args)]
pub struct HangupArgs {
    /// The calls: ids, the 16 hex digits of them, or trace ids.
    #[arg(value_name = "CALL", required = true)]
    pub calls: Vec<String>,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub bridge: BridgeArgs,
}

/// `rooms` and its subcommands.
#[derive(Debug, Args)]
pub struct RoomsArgs {
    /// What to do; without it the rooms are listed.
    #[command(subcommand)]
    pub command: Option<RoomsCommand>,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub bridge: BridgeArgs,
}

/// Subcommands of `rooms`.
#[derive(Debug, Subcommand)]
pub enum RoomsCommand {
    /// List the rooms that are open.
    List,
    /// One room and who is in it.
    Show(RoomArg),
    /// Open a room; its guardians are called. A room that is open stays as it is.
    Create(RoomArg),
    /// Mute a participant: the room does not hear them any more.
    Mute(ParticipantArg),
    /// Let the room hear a participant again.
    Unmute(ParticipantArg),
    /// Remove a participant: their leg is hung up.
    Remove(ParticipantArg),
    /// End a room for everybody in it.
    End(RoomArg),
}

/// Which room.
#[derive(Debug, Args)]
pub struct RoomArg {
    /// The room: 1 to 64 of [0-9A-Za-z_.-].
    pub room: String,
}

/// Which participant of which room.
#[derive(Debug, Args)]
pub struct ParticipantArg {
    /// The room.
    pub room: String,
    /// The participant's id as `rooms` lists it, or their name where one has it.
    pub participant: String,
}
