//! The bridge's configuration: one YAML file (docs/examples/bridge.yaml), read once and checked
//! before anything starts.

mod check;
mod nats;
mod notify;

use std::{
    collections::{BTreeMap, BTreeSet},
    net::SocketAddr,
    path::PathBuf,
};

use serde::Deserialize;
use thiserror::Error;

pub use ife_engine::settings::{Guardian, UnknownParties};

use crate::plain_file::FileError;
pub use nats::Nats;
pub use notify::{Mail, MailTls, Notify};

/// A fault of the configuration; the text names file, line and field.
#[derive(Debug, Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error(transparent)]
    File(#[from] FileError),
    /// YAML or a field's type.
    #[error("{path}: {why}")]
    Syntax {
        /// Which file.
        path: PathBuf,
        /// With line and column.
        why: String,
    },
    /// A value that cannot work.
    #[error("{path}: {field}: {why}")]
    Value {
        /// Which file.
        path: PathBuf,
        /// Path of the field.
        field: String,
        /// Its rule.
        why: String,
    },
}

/// The whole file.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Name of this bridge in the log and in the ring's name: 1 to 32 of `[a-z0-9-]`.
    pub node: String,
    /// Directory of the witness rings, on tmpfs; the same as ife-witnessd's.
    pub state_dir: PathBuf,
    /// Directory for what must survive a restart: answers by message id, histories.
    pub store_dir: PathBuf,
    /// The registry, the same file as Kamailio's.
    pub registry: PathBuf,
    /// What happens when the witness ring is full.
    #[serde(default)]
    pub witness: WitnessMode,
    /// Where the witness log lies, for the pages' proofs; without it they show none.
    #[serde(default)]
    pub witness_log: Option<WitnessLog>,
    /// The gateway's AMI.
    pub ami: Ami,
    /// The council's side.
    pub council: Council,
    /// Limits of calls.
    #[serde(default)]
    pub calls: Calls,
    /// Where the API listens.
    #[serde(default)]
    pub listen: Listen,
    /// Who may escalate.
    #[serde(default)]
    pub agents: Vec<Agent>,
    /// What experts hear on the phone; required where one accepts calls by key or page.
    #[serde(default)]
    pub speech: Option<Speech>,
    /// IF.connect intake.
    #[serde(default)]
    pub nats: Option<Nats>,
    /// Evidence over WebRTC.
    #[serde(default)]
    pub evidence: Option<Evidence>,
    /// Notifications of experts by webhook and mail.
    #[serde(default)]
    pub notify: Option<Notify>,
}

/// `required` refuses calls that cannot be witnessed, `best_effort` places them and leaves a
/// provable hole.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "the type says it")]
pub enum WitnessMode {
    #[default]
    Required,
    BestEffort,
}

/// The log that ife-witnessd writes.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WitnessLog {
    /// Its directory.
    pub dir: PathBuf,
    /// Its verifier keys.
    pub vkeys: PathBuf,
}

/// The gateway's AMI.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ami {
    /// Address and port.
    pub address: SocketAddr,
    /// Account.
    pub username: String,
    /// File with the secret, mode 0600.
    pub secret_file: PathBuf,
    /// `md5` or `plain`.
    #[serde(default)]
    pub login: AmiLogin,
    /// PJSIP AOR of Asterisk whose contact is Kamailio.
    #[serde(default = "default_sip_aor")]
    pub sip_aor: String,
    /// TLS to port 5039; without it the address must be a loopback address.
    #[serde(default)]
    pub tls: Option<AmiTls>,
}

fn default_sip_aor() -> String {
    "kamailio".to_owned()
}

/// How the bridge logs in.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "the names are AMI's")]
pub enum AmiLogin {
    #[default]
    Md5,
    Plain,
}

/// TLS towards AMI.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AmiTls {
    /// PEM file of the authority that signed Asterisk's certificate.
    pub ca: PathBuf,
    /// Name in that certificate.
    pub name: String,
}

/// The council: who calls, by which key, and where experts are joined.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Council {
    /// AOR that the bridge calls from, for example `sip:council@council.example`.
    pub aor: String,
    /// Private key file; its name is the kid in the registry.
    pub signing_key: PathBuf,
    /// Which backend.
    pub backend: Backend,
    /// Conference for escalations that name none.
    #[serde(default = "default_room")]
    pub default_room: String,
    /// `external_mcu`: the ooh323 section of the MCU.
    #[serde(default)]
    pub mcu_peer: Option<String>,
    /// `external_mcu`: the alias that is dialled there; the conference's name when absent.
    #[serde(default)]
    pub mcu_alias: Option<String>,
    /// The MCU's address, as in `h323_endpoint`.
    #[serde(default = "default_endpoint")]
    pub h323_endpoint: String,
    /// Guardians who are dialled when a room starts, and who may ask to join.
    #[serde(default)]
    pub guardians: Vec<Guardian>,
    /// Bandwidth of all guardians of a room together, bit/s.
    #[serde(default = "default_bandwidth")]
    pub bandwidth_bps_max: u64,
    /// Seconds that an admitted terminal may take to dial in.
    #[serde(default = "default_admission_s")]
    pub admission_s: u64,
    /// What happens to a party in a room that was neither called nor admitted.
    #[serde(default)]
    pub unknown_parties: UnknownParties,
}

/// Where the expert meets the council.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Backend {
    /// Asterisk is the MCU; guardians join its ConfBridge room over H.323.
    Confbridge,
    /// Asterisk dials an H.323 alias at the council's own MCU.
    ExternalMcu,
}

/// Limits; requests over them are refused with 503.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Calls {
    /// Calls at once.
    pub total_max: u32,
    /// Calls at once in one conference.
    pub council_max: u32,
    /// Calls at once with one expert.
    pub expert_max: u32,
    /// H.323 legs at once; each takes about 2 threads and 10 descriptors of Asterisk.
    pub h323_legs_max: u32,
    /// Seconds that the expert's phone may ring.
    pub ring_s: u32,
    /// Seconds that joining the council may take.
    pub join_s: u32,
    /// Seconds after the end of an answered call in which a decision is taken.
    pub decision_s: u32,
    /// Failures after which the next expert for the hazard is called.
    pub next_expert_on: BTreeSet<NextExpertOn>,
    /// Experts tried for one escalation.
    pub experts_max: u32,
}

/// A failure of the expert's leg.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "the names say it")]
pub enum NextExpertOn {
    Busy,
    NoAnswer,
    Declined,
    Unreachable,
}

impl Default for Calls {
    fn default() -> Calls {
        use NextExpertOn::{Busy, Declined, NoAnswer, Unreachable};
        Calls {
            total_max: 100,
            council_max: 25,
            expert_max: 2,
            h323_legs_max: 60,
            ring_s: 45,
            join_s: 10,
            decision_s: 1_800,
            next_expert_on: [Busy, NoAnswer, Declined, Unreachable].into(),
            experts_max: 3,
        }
    }
}

/// Listening sockets.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Listen {
    /// Unix socket, mode 0660: opening it is the right to use the API.
    pub unix: Option<PathBuf>,
    /// TCP, with a token, client certificates, or both.
    pub tcp: Option<Tcp>,
}

/// A TCP listener.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tcp {
    /// Address and port.
    pub address: SocketAddr,
    /// File with the bearer token, at least 32 characters, mode 0600.
    #[serde(default)]
    pub token_file: Option<PathBuf>,
    /// TLS; without it the address must be a loopback address.
    #[serde(default)]
    pub tls: Option<ServerTls>,
    /// Connections at once, less where the process may not open as many files.
    #[serde(default = "default_connections")]
    pub connections_max: u32,
    /// Of these, from one IPv4 address or one IPv6 /64. A proxy in front is one source.
    #[serde(default = "default_per_source")]
    pub connections_per_source_max: u32,
}

/// TLS of a listener.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ServerTls {
    /// PEM chain.
    pub cert: PathBuf,
    /// PEM key.
    pub key: PathBuf,
    /// PEM authorities of client certificates; with it, a client certificate is required.
    #[serde(default)]
    pub client_ca: Option<PathBuf>,
}

/// An agent whose IFMessages are accepted.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Agent {
    /// `source` of its messages.
    pub id: String,
    /// `ed25519:<base64>`; several keys are several entries.
    pub public_key: String,
    /// Key id, when its messages name one.
    #[serde(default)]
    pub kid: Option<String>,
}

/// Prompts on the phone.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Speech {
    /// Directory of the prompts; Asterisk reads them there.
    pub dir: PathBuf,
    /// Reads text on its standard input, and writes a WAV file to its standard output.
    #[serde(default = "default_speech_command")]
    pub command: Vec<String>,
    /// Directory of recordings, each `<prompt>.wav`, that are played instead.
    #[serde(default)]
    pub recordings: Option<PathBuf>,
    /// Words of prompts, in place of the English ones.
    #[serde(default)]
    pub texts: BTreeMap<String, String>,
    /// Seconds that an expert has for a key.
    #[serde(default = "default_key_s")]
    pub key_s: u32,
    /// Seconds that an expert has to accept on the page.
    #[serde(default = "default_page_s")]
    pub page_s: u32,
}

fn default_speech_command() -> Vec<String> {
    let words = ["espeak-ng", "-v", "en", "-s", "150", "--stdin", "--stdout"];
    words.map(str::to_owned).into()
}

fn default_key_s() -> u32 {
    15
}

fn default_page_s() -> u32 {
    60
}

/// The evidence server.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Evidence {
    /// What stands before `/e/...` in links, for example `https://bridge.council.example`.
    pub public_url: String,
    /// Where the evidence pages listen; the API's TCP listener when absent.
    #[serde(default)]
    pub listen: Option<Tcp>,
    /// UDP address to bind; all sessions share the port.
    pub udp: SocketAddr,
    /// Addresses that browsers reach that port at; the bound one when empty.
    #[serde(default)]
    pub public_addresses: Vec<SocketAddr>,
    /// Directories that files may be read from.
    #[serde(default)]
    pub roots: Vec<PathBuf>,
    /// Hosts that http(s) evidence may be fetched from, `host` or `host:port`.
    #[serde(default)]
    pub allowed_hosts: Vec<String>,
    /// Media types that are taken from those hosts: `type/subtype` or `type/*`.
    #[serde(default = "default_media_types")]
    pub media_types: Vec<String>,
    /// PEM file of further authorities that those hosts' certificates may be signed by.
    #[serde(default)]
    pub http_ca: Option<PathBuf>,
    /// Seconds that one file may take to come from its host.
    #[serde(default = "default_http_s")]
    pub http_s: u64,
    /// Disk space for files fetched from hosts, bytes, all calls together.
    #[serde(default = "default_spool_len")]
    pub spool_len_max: u64,
    /// Largest file, bytes.
    #[serde(default = "default_file_len")]
    pub file_len_max: u64,
    /// Seconds that a link is good before it is used.
    #[serde(default = "default_link_s")]
    pub link_s: u64,
    /// Seconds that a connection may be without ICE connectivity before the session waits for a new
    /// offer.
    #[serde(default = "default_grace_s")]
    pub grace_s: u64,
    /// Private key file that signs manifests and messages.
    pub signing_key: PathBuf,
    /// TURN server that is announced to browsers.
    #[serde(default)]
    pub turn: Option<Turn>,
}

/// TURN with time-limited credentials (the REST scheme that coturn calls `use-auth-secret`).
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Turn {
    /// `turn:host:port?transport=udp` and the like.
    pub urls: Vec<String>,
    /// File with the shared secret, mode 0600.
    pub secret_file: PathBuf,
    /// Seconds that credentials are good.
    #[serde(default = "default_turn_s")]
    pub ttl_s: u64,
}

fn default_connections() -> u32 {
    1_024
}

fn default_per_source() -> u32 {
    64
}

fn default_room() -> String {
    "council".to_owned()
}

fn default_endpoint() -> String {
    "if://service/guard/mcu:1720".to_owned()
}

fn default_bandwidth() -> u64 {
    10_000_000
}

fn default_admission_s() -> u64 {
    300
}

fn default_file_len() -> u64 {
    1 << 30
}

fn default_link_s() -> u64 {
    3_600
}

fn default_grace_s() -> u64 {
    30
}

fn default_http_s() -> u64 {
    60
}

fn default_spool_len() -> u64 {
    4 << 30
}

fn default_media_types() -> Vec<String> {
    let types = [
        "application/json",
        "application/octet-stream",
        "application/pdf",
        "audio/*",
        "image/*",
        "text/*",
        "video/*",
    ];
    types.map(str::to_owned).into()
}

fn default_turn_s() -> u64 {
    3_600
}
