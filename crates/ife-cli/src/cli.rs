//! The command line.

mod bridge;
mod decision;
mod doctor;

use std::{net::SocketAddr, path::PathBuf};

use clap::{Args, Parser, Subcommand, ValueEnum};
use ife_message::{Aor, Covered, Hazard, Kid, TraceId};

pub(crate) use bridge::{
    BridgeArgs, CallArgs, CallsArgs, EscalateArgs, HangupArgs, OrderArgs, ParticipantArg,
    RoomsArgs, RoomsCommand, WaitFor,
};
pub(crate) use decision::{DecideArgs, DecisionArgs, DecisionCommand, VerifyDecisionArgs};
pub(crate) use doctor::{DoctorArgs, DoctorPaths};

const EXIT_CODES: &str = "\
Exit codes:
  0  done; yes, valid, approved, verified
  1  looked at, and the answer is no: invalid, refused, not verified, not found; a call that failed
  2  the command line is wrong
  3  something could not be read, written or reached, so there is no answer";

/// Keys, signatures, registry, gate, witness log and calls of IF.ESCALATE.
#[derive(Debug, Parser)]
#[command(name = "ifectl", version, after_help = EXIT_CODES, max_term_width = 100)]
pub struct Cli {
    /// Answer in JSON on stdout, for programs. Failures stay text on stderr.
    #[arg(long, global = true, help_heading = "Everywhere")]
    pub json: bool,
    /// No progress bar and no remarks.
    #[arg(long, short, global = true, help_heading = "Everywhere")]
    pub quiet: bool,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// Subcommands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Make an Ed25519 key pair.
    ///
    /// The private key goes to a file with mode 0600; an existing file is never overwritten. The
    /// public key is printed as the registry wants it.
    Keygen(KeygenArgs),
    /// Sign calls: print the X-IF-* headers.
    Sign(Box<SignArgs>),
    /// Check the registry.
    Registry(RegistryArgs),
    /// Say what each gate thinks of an INVITE, without touching any state.
    ///
    /// The INVITE is a SIP message in a file, or is put together from options; options win over the
    /// message. Gates whose answer depends on what was seen before (flood, replay, quota) are
    /// judged as if nothing was.
    Explain(Box<ExplainArgs>),
    /// Look at the witness log.
    Witness(WitnessArgs),
    /// Escalate: sign an IFMessage and hand it to the bridge, which calls the expert.
    ///
    /// The message is put together from options, or read from a file; options win over the file.
    /// Without --wait the answer comes when the expert is being called; with it, when the expert is
    /// in the council's conference or it is certain that nobody will be.
    Escalate(Box<EscalateArgs>),
    /// Calls that are live or ended lately: a table that follows them, on a terminal.
    Calls(CallsArgs),
    /// One call: its parties, both legs, evidence, how it ended, and its history.
    Call(CallArgs),
    /// The council's rooms: who is in them; open, mute, remove, end.
    Rooms(RoomsArgs),
    /// Hang up calls; answers when they are over.
    Hangup(HangupArgs),
    /// Sign an order about a call and print it: for NATS, where the agent whose message asked for
    /// the call gives it.
    Order(OrderArgs),
    /// Decisions about calls: sign one as the expert or a guardian, verify those that were taken.
    Decision(DecisionArgs),
    /// Evidence of a call: the expert's side, without a browser.
    Evidence(EvidenceArgs),
    /// Say what enforcement would have refused, from the log of a gate in shadow mode.
    ///
    /// Refusals that are alike are one line: gate, code, caller, expert, hazard and source, with
    /// their number, times and an example. With --vkey the whole log is verified first. Exit code
    /// 0: nothing would have been refused; 1: something would.
    ShadowReport(ShadowReportArgs),
    /// Look at a host's deployment and say what to do about each finding.
    ///
    /// Versions, modes of keys and directories, the writer of the log and its disk, Kamailio, the
    /// bridge, the registry and its dates, certificates, the clock, names, ports and limits. It
    /// changes nothing; what is not on the host is skipped. Exit code 0: nothing is to be done; 1:
    /// there are findings; 3: there is none, and not everything could be looked at.
    Doctor(Box<DoctorArgs>),
    /// Print a completion script for a shell.
    Completions {
        /// Which shell.
        shell: clap_complete::Shell,
    },
    /// Write the man pages into a directory.
    Man {
        /// Made if absent.
        directory: PathBuf,
    },
}

/// `evidence` and its subcommands.
#[derive(Debug, Args)]
pub struct EvidenceArgs {
    /// What to do with it.
    #[command(subcommand)]
    pub command: EvidenceCommand,
}

/// Subcommands of `evidence`.
#[derive(Debug, Subcommand)]
pub enum EvidenceCommand {
    /// Open an evidence link, receive its files, and send a signed receipt.
    ///
    /// Each block is verified against the signed list of files before it is written. A link opens
    /// once: after this command it is used up.
    Receive(ReceiveArgs),
}

/// Options of `evidence receive`.
#[derive(Debug, Args)]
pub struct ReceiveArgs {
    /// The link, in quotes; - reads it from stdin, where no list of processes shows it.
    pub link: String,
    /// Directory for the files; made if absent. Default: evidence-SESSION. No file is overwritten.
    #[arg(long, value_name = "DIR")]
    pub to: Option<PathBuf>,
    /// PEM file with the authority that signed the bridge's certificate. Default: those that the
    /// system trusts.
    #[arg(long, value_name = "FILE", env = "IFE_BRIDGE_CA")]
    pub ca: Option<PathBuf>,
}

/// Options of `keygen`.
#[derive(Debug, Args)]
pub struct KeygenArgs {
    /// Key id: 1 to 64 of [A-Za-z0-9._-].
    #[arg(long)]
    pub kid: Kid,
    /// File for the private key.
    #[arg(long, value_name = "FILE")]
    pub out: PathBuf,
    /// Replace the file if it exists. The old key is lost.
    #[arg(long)]
    pub force: bool,
}

/// Options of `sign`.
#[derive(Debug, Args)]
pub struct SignArgs {
    /// File of the private key, as keygen wrote it.
    #[arg(long, value_name = "FILE")]
    pub key: PathBuf,
    /// Caller: URI of the From header.
    #[arg(long, value_name = "URI")]
    pub from: Aor,
    /// Callee: the Request-URI.
    #[arg(long, value_name = "URI")]
    pub to: Aor,
    /// Hazard.
    #[arg(long)]
    pub hazard: Hazard,
    /// Trace id; with several calls it must hold %n, the number of the call. Default: a random UUID
    /// for each call.
    #[arg(long, value_name = "ID")]
    pub trace_id: Option<String>,
    /// When it is signed, Unix seconds. Default: the clock.
    #[arg(long, value_name = "UNIX_S")]
    pub iat: Option<u64>,
    /// What to cover: base, then cid and sdp. Default: base, and what --call-id and --body give.
    #[arg(long, value_name = "PARTS")]
    pub cover: Option<Covered>,
    /// Call-ID of the call; %n stands for the number of the call.
    #[arg(long, value_name = "ID")]
    pub call_id: Option<String>,
    /// File with the body of the INVITE, byte for byte as it will be sent.
    #[arg(long, value_name = "FILE")]
    pub body: Option<PathBuf>,
    /// Number of calls to sign.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..=10_000_000))]
    pub count: u64,
    /// Number of the first call.
    #[arg(long, default_value_t = 1)]
    pub first: u64,
    /// Calls a second that will be placed: later calls are signed for later. Default: all for the
    /// same second.
    #[arg(long, value_name = "CALLS_PER_S", value_parser = clap::value_parser!(u64).range(1..))]
    pub rate: Option<u64>,
    /// Lines for sipp -inf: from;to;trace id;hazard;kid;iat;c;sig;Call-ID. sipp splits at each
    /// semicolon, so the scenario writes "v=1;kid=[field4];iat=[field5];c=[field6];sig=[field7]".
    #[arg(long, conflicts_with = "json")]
    pub csv: bool,
    /// The earlier contract's form, over hazard, expert id and trace id. Accepted only where the
    /// registry says so.
    #[arg(long, value_name = "EXPERT_ID", conflicts_with_all = ["cover", "call_id", "body", "iat",
    "rate", "csv"])]
    pub legacy: Option<String>,
}

/// `registry` and its subcommands.
#[derive(Debug, Args)]
pub struct RegistryArgs {
    /// What to do with it.
    #[command(subcommand)]
    pub command: RegistryCommand,
}

/// Subcommands of `registry`.
#[derive(Debug, Subcommand)]
pub enum RegistryCommand {
    /// Check a registry file as the gate would, and say everything that is wrong with it.
    Check {
        /// The YAML file; - for stdin.
        file: PathBuf,
    },
}

/// Options of `explain`.
#[derive(Debug, Args)]
pub struct ExplainArgs {
    /// The registry's YAML file.
    #[arg(long, value_name = "FILE")]
    pub registry: PathBuf,
    /// File with a SIP INVITE; - for stdin. A file with bare LF line ends is taken as if they were
    /// CRLF.
    pub message: Option<PathBuf>,
    /// Address, and port if it matters, that the INVITE comes from.
    #[arg(long, value_name = "ADDRESS[:PORT]", default_value = "127.0.0.1:5060",
    value_parser = parse_peer)]
    pub peer: SocketAddr,
    /// Transport that it comes over. Default: that of the topmost Via, otherwise udp.
    #[arg(long)]
    pub transport: Option<TransportArg>,
    /// Time of arrival, Unix seconds. Default: the clock.
    #[arg(long, value_name = "UNIX_S")]
    pub now: Option<u64>,
    /// Freshness window in seconds, in place of the registry's.
    #[arg(long, value_name = "SECONDS")]
    pub freshness_s: Option<u32>,
    /// URI of the From header.
    #[arg(long, value_name = "URI")]
    pub from: Option<String>,
    /// The Request-URI.
    #[arg(long, value_name = "URI")]
    pub to: Option<String>,
    /// X-IF-Trace-ID.
    #[arg(long, value_name = "ID")]
    pub trace_id: Option<TraceId>,
    /// X-IF-Hazard.
    #[arg(long)]
    pub hazard: Option<Hazard>,
    /// X-IF-Signature.
    #[arg(long)]
    pub signature: Option<String>,
    /// Call-ID.
    #[arg(long, value_name = "ID")]
    pub call_id: Option<String>,
    /// File with the body, byte for byte.
    #[arg(long, value_name = "FILE")]
    pub body: Option<PathBuf>,
    /// What the proxy's gate decides on, as the parameter of the module.
    #[arg(long, default_value = "registry")]
    pub scope: ScopeArg,
    /// Another name or address of the proxy, at which it finds the same users; may be repeated.
    #[arg(long, value_name = "HOST")]
    pub own_host: Vec<String>,
}

/// What a gate decides on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ScopeArg {
    /// Requests that concern a party of the registry.
    Registry,
    /// Every request.
    All,
}

/// SIP transports.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
#[allow(missing_docs)]
pub enum TransportArg {
    Udp,
    Tcp,
    Tls,
    Sctp,
    Ws,
    Wss,
}

/// `witness` and its subcommands.
#[derive(Debug, Args)]
pub struct WitnessArgs {
    /// What to do with it.
    #[command(subcommand)]
    pub command: WitnessCommand,
}

/// Subcommands of `witness`.
#[derive(Debug, Subcommand)]
pub enum WitnessCommand {
    /// Verify the whole log: signatures, every hash, every entry, and that no sequence number is
    /// missing unexplained.
    Verify(VerifyArgs),
    /// Tell the story of one call or escalation.
    Show(ShowArgs),
    /// Prove that one entry is in the log: write a tlog-proof file, and the entry itself.
    Prove(ProveArgs),
    /// Check a tlog-proof file: needs neither the log nor its host.
    CheckProof(CheckProofArgs),
    /// Print the last entries, one a line.
    Tail {
        #[command(flatten)]
        log: LogArgs,
        /// How many entries to begin with.
        #[arg(long, short = 'n', default_value_t = 10, value_name = "COUNT")]
        lines: u64,
        /// Go on and print what is added.
        #[arg(long, short)]
        follow: bool,
    },
    /// Copy the public log while it grows, so that the copy verifies; run again, it copies what is
    /// new.
    Copy {
        #[command(flatten)]
        log: LogArgs,
        /// Directory of the copy; made if absent.
        #[arg(long, value_name = "DIR")]
        to: PathBuf,
    },
    /// Make the index of a copy, by which `show` finds a trace at once; ife-witnessd keeps that of
    /// its own log.
    Index {
        #[command(flatten)]
        log: LogArgs,
        /// Begin anew instead of adding what is missing.
        #[arg(long)]
        anew: bool,
    },
    /// Print the head of the log: size, root, who signed it and when.
    Checkpoint {
        #[command(flatten)]
        log: LogArgs,
        /// The signed note as it is in the log.
        #[arg(long, conflicts_with = "json")]
        raw: bool,
    },
}

/// Which log, and whom to believe.
#[derive(Debug, Args)]
pub struct LogArgs {
    /// Directory of the log.
    #[arg(long, value_name = "DIR", env = "IFE_WITNESS_LOG")]
    pub log: PathBuf,
    /// File with the log's verifier keys, as ife-witnessd wrote it.
    #[arg(long, value_name = "FILE", env = "IFE_WITNESS_VKEY")]
    pub vkey: Option<PathBuf>,
}

/// Options of `witness verify`.
#[derive(Debug, Args)]
pub struct VerifyArgs {
    #[command(flatten)]
    #[allow(missing_docs)]
    pub log: LogArgs,
    /// A checkpoint seen earlier: the log must still begin with what it told. May be given several
    /// times.
    #[arg(long, value_name = "FILE")]
    pub since: Vec<PathBuf>,
    /// Keep the verified checkpoint in this file, and demand next time that the log still begins
    /// with it. Without this or --since, a log that was cut back together with its checkpoint is
    /// not noticed.
    #[arg(long, value_name = "FILE")]
    pub remember: Option<PathBuf>,
    /// Accept a checkpoint that the log's key signed and another key of the file did not.
    #[arg(long)]
    pub allow_unsigned: bool,
    /// Threads. Default: one for each core.
    #[arg(long, value_name = "COUNT")]
    pub threads: Option<usize>,
}

/// Options of `shadow-report`.
#[derive(Debug, Args)]
pub struct ShadowReportArgs {
    #[command(flatten)]
    #[allow(missing_docs)]
    pub log: LogArgs,
    /// Entries from this time on: 2026-01-02T03:04:05Z, or an age such as 90m, 24h, 7d. Default:
    /// all.
    #[arg(long, value_name = "TIME")]
    pub since: Option<String>,
}

/// Options of `witness show`.
#[derive(Debug, Args)]
pub struct ShowArgs {
    #[command(flatten)]
    #[allow(missing_docs)]
    pub log: LogArgs,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub which: Which,
    /// Print the entries as well, one JSON object a line, below the story.
    #[arg(long)]
    pub entries: bool,
    /// Stop after this many entries.
    #[arg(long, default_value_t = 1000, value_name = "COUNT")]
    pub limit: usize,
    /// Wait until the log tells the call's end, so many seconds at most [default: 10]. Events reach
    /// the published log a moment after they happen.
    #[arg(long, value_name = "SECONDS", num_args = 0..=1, default_missing_value = "10",
          value_parser = clap::value_parser!(u64).range(0..=86_400))]
    pub wait: Option<u64>,
}

/// Which entries; exactly one of these.
#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
pub struct Which {
    /// All entries with this trace id.
    #[arg(long, value_name = "ID")]
    pub trace: Option<String>,
    /// All entries with this SIP Call-ID.
    #[arg(long, value_name = "ID")]
    pub call_id: Option<String>,
    /// The entry at this place.
    #[arg(long)]
    pub index: Option<u64>,
}

/// Options of `witness prove`.
#[derive(Debug, Args)]
pub struct ProveArgs {
    #[command(flatten)]
    #[allow(missing_docs)]
    pub log: LogArgs,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub which: ProveWhich,
    /// File for the proof. Default: stdout.
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
    /// File for the entry's bytes, which check-proof needs.
    #[arg(long, value_name = "FILE")]
    pub entry_out: Option<PathBuf>,
}

/// Which entry to prove.
#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
pub struct ProveWhich {
    /// The entry at this place.
    #[arg(long)]
    pub index: Option<u64>,
    /// The entry whose leaf hash is in this X-IF-Witness-Hash: sha256:<64 hex digits>.
    #[arg(long, value_name = "HASH")]
    pub witness_hash: Option<String>,
}

/// Options of `witness check-proof`.
#[derive(Debug, Args)]
pub struct CheckProofArgs {
    /// The tlog-proof file.
    #[arg(long, value_name = "FILE")]
    pub proof: PathBuf,
    /// File with the entry's bytes.
    #[arg(long, value_name = "FILE")]
    pub entry: PathBuf,
    /// File with the log's verifier keys.
    #[arg(long, value_name = "FILE", env = "IFE_WITNESS_VKEY")]
    pub vkey: PathBuf,
}

fn parse_peer(text: &str) -> Result<SocketAddr, String> {
    let bare = text.trim_start_matches('[').trim_end_matches(']');
    text.parse()
        .or_else(|_| bare.parse().map(|address| SocketAddr::new(address, 5060)))
        .map_err(|_| "an IP address, with :port if it matters".to_owned())
}
