//! The bridge's configuration: one YAML file (docs/examples/bridge.yaml), read once and checked before anything starts.

use std::{
    collections::BTreeSet,
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
};

use serde::Deserialize;
use thiserror::Error;

/// What is wrong with the configuration; the text names file, line and field.
#[derive(Debug, Error)]
pub enum ConfigError {
    /// The file, or one that it names, cannot be read.
    #[error("{path}: {source}")]
    Read {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
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
        /// What it must be.
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
    /// IF.connect intake.
    #[serde(default)]
    pub nats: Option<Nats>,
    /// Evidence over WebRTC.
    #[serde(default)]
    pub evidence: Option<Evidence>,
}

/// `required` refuses calls that cannot be witnessed, `best_effort` places them and leaves a provable hole.
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
    /// TLS to port 5039; without it the address must be a loopback address.
    #[serde(default)]
    pub tls: Option<AmiTls>,
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
    /// The MCU's address, as `h323_endpoint` tells it.
    #[serde(default = "default_endpoint")]
    pub h323_endpoint: String,
    /// Guardians who are dialled when a room starts, and who may ask to join.
    #[serde(default)]
    pub guardians: Vec<Guardian>,
    /// Bandwidth of all guardians of a room together, bit/s.
    #[serde(default = "default_bandwidth")]
    pub bandwidth_bps_max: u64,
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

/// A guardian's terminal.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Guardian {
    /// Name, as `terminal_id` in an admission.
    pub name: String,
    /// ooh323 section that reaches it; absent: never dialled, joins by itself.
    #[serde(default)]
    pub peer: Option<String>,
    /// Alias dialled there.
    #[serde(default)]
    pub alias: Option<String>,
    /// `ed25519:<base64>`, for admissions.
    #[serde(default)]
    pub public_key: Option<String>,
}

/// Limits; what is over them is refused with 503.
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
        use NextExpertOn::{Busy, NoAnswer, Unreachable};
        Calls {
            total_max: 100,
            council_max: 25,
            expert_max: 2,
            h323_legs_max: 60,
            ring_s: 45,
            join_s: 10,
            next_expert_on: [Busy, NoAnswer, Unreachable].into(),
            experts_max: 3,
        }
    }
}

/// Listening sockets.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Listen {
    /// Unix socket, mode 0660: whoever may open it may use the API.
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

/// NATS JetStream.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Nats {
    /// Servers, comma separated: `nats://127.0.0.1:4222`.
    pub url: String,
    /// File with user credentials (`.creds`).
    #[serde(default)]
    pub credentials_file: Option<PathBuf>,
    /// Stream.
    pub stream: String,
    /// Durable consumer, shared by all bridges.
    pub consumer: String,
    /// Subject of escalations.
    pub subject: String,
    /// Where messages go that can never be worked off.
    pub dead_letter_subject: String,
    /// Deliveries before a message is given up.
    #[serde(default = "default_deliveries")]
    pub deliveries_max: i64,
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
    /// Largest file, bytes.
    #[serde(default = "default_file_len")]
    pub file_len_max: u64,
    /// Seconds that a link is good before it is used.
    #[serde(default = "default_link_s")]
    pub link_s: u64,
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

fn default_room() -> String {
    "council".to_owned()
}

fn default_endpoint() -> String {
    "if://service/guard/mcu:1720".to_owned()
}

fn default_bandwidth() -> u64 {
    10_000_000
}

fn default_deliveries() -> i64 {
    5
}

fn default_file_len() -> u64 {
    1 << 30
}

fn default_link_s() -> u64 {
    3_600
}

fn default_turn_s() -> u64 {
    3_600
}

impl Config {
    /// Reads and checks the file. Relative paths in it are relative to its directory.
    pub fn load(path: &Path) -> Result<Config, ConfigError> {
        let text = fs::read_to_string(path).map_err(|source| ConfigError::Read {
            path: path.to_owned(),
            source,
        })?;
        let mut config: Config =
            serde_saphyr::from_str(&text).map_err(|error| ConfigError::Syntax {
                path: path.to_owned(),
                why: error.to_string(),
            })?;
        config.resolve(path.parent().unwrap_or(Path::new("")));
        config.check().map_err(|(field, why)| ConfigError::Value {
            path: path.to_owned(),
            field,
            why,
        })?;
        Ok(config)
    }

    fn resolve(&mut self, base: &Path) {
        let mut paths = vec![
            &mut self.state_dir,
            &mut self.store_dir,
            &mut self.registry,
            &mut self.ami.secret_file,
            &mut self.council.signing_key,
        ];
        paths.extend(self.ami.tls.iter_mut().map(|tls| &mut tls.ca));
        paths.extend(self.listen.unix.iter_mut());
        paths.extend(self.listen.tcp.iter_mut().flat_map(Tcp::paths));
        paths.extend(
            self.nats
                .iter_mut()
                .flat_map(|nats| nats.credentials_file.iter_mut()),
        );
        if let Some(log) = &mut self.witness_log {
            paths.extend([&mut log.dir, &mut log.vkeys]);
        }
        if let Some(evidence) = &mut self.evidence {
            paths.push(&mut evidence.signing_key);
            paths.extend(evidence.listen.iter_mut().flat_map(Tcp::paths));
            paths.extend(evidence.roots.iter_mut());
            paths.extend(evidence.turn.iter_mut().map(|turn| &mut turn.secret_file));
        }
        for path in paths {
            *path = base.join(&path);
        }
    }

    fn check(&self) -> Result<(), (String, String)> {
        let fail = |field: &str, why: &str| Err((field.to_owned(), why.to_owned()));
        let absent = "is not part of this build of the bridge: leave the section out";
        if self.nats.is_some() {
            return fail("nats", absent);
        }
        if self.evidence.is_some() {
            return fail("evidence", absent);
        }
        let is_name = |text: &str, len: usize| {
            (1..=len).contains(&text.len())
                && text
                    .bytes()
                    .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
        };
        if !is_name(&self.node, 32) {
            return fail("node", "must be 1 to 32 of [a-z0-9-]");
        }
        if self.ami.tls.is_none() && !self.ami.address.ip().is_loopback() {
            return fail(
                "ami.address",
                "must be a loopback address unless ami.tls is set: AMI's own login hides only the secret",
            );
        }
        if self.council.backend == Backend::ExternalMcu && self.council.mcu_peer.is_none() {
            return fail(
                "council.mcu_peer",
                "is required for the backend external_mcu",
            );
        }
        for (field, token) in self.dial_tokens() {
            if token.is_empty()
                || token.len() > 64
                || !token
                    .bytes()
                    .all(|b| b.is_ascii_alphanumeric() || b"_.-".contains(&b))
            {
                return Err((
                    field,
                    "must be 1 to 64 of [0-9A-Za-z_.-]: it becomes part of a dial string"
                        .to_owned(),
                ));
            }
        }
        let listeners = [
            ("listen.tcp", self.listen.tcp.as_ref()),
            (
                "evidence.listen",
                self.evidence.as_ref().and_then(|e| e.listen.as_ref()),
            ),
        ];
        for (field, tcp) in listeners {
            if tcp.is_some_and(|tcp| tcp.tls.is_none() && !tcp.address.ip().is_loopback()) {
                return fail(field, "must be a loopback address unless tls is set");
            }
        }
        if self.listen.tcp.as_ref().is_some_and(|tcp| {
            tcp.token_file.is_none() && tcp.tls.as_ref().is_none_or(|tls| tls.client_ca.is_none())
        }) {
            return fail("listen.tcp", "needs token_file, or tls.client_ca, or both");
        }
        if self.listen.unix.is_none() && self.listen.tcp.is_none() {
            return fail("listen", "needs unix or tcp, or nobody can call the API");
        }
        if self
            .council
            .guardians
            .iter()
            .any(|guardian| guardian.name.len() > 32)
        {
            return fail(
                "council.guardians",
                "names must be at most 32 long: they become part of channel ids",
            );
        }
        let limits = [
            ("calls.council_max", self.calls.council_max),
            ("calls.expert_max", self.calls.expert_max),
            ("calls.total_max", self.calls.total_max),
            ("calls.ring_s", self.calls.ring_s),
            ("calls.join_s", self.calls.join_s),
            ("calls.experts_max", self.calls.experts_max),
        ];
        for (field, value) in limits {
            if !(1..=10_000).contains(&value) {
                return fail(field, "must be 1 to 10000");
            }
        }
        Ok(())
    }

    /// Everything of the configuration that ends up in a dial string or a room's name.
    fn dial_tokens(&self) -> Vec<(String, &str)> {
        let mut tokens = vec![(
            "council.default_room".to_owned(),
            self.council.default_room.as_str(),
        )];
        tokens.extend(
            self.council
                .mcu_peer
                .iter()
                .map(|peer| ("council.mcu_peer".to_owned(), peer.as_str())),
        );
        tokens.extend(
            self.council
                .mcu_alias
                .iter()
                .map(|alias| ("council.mcu_alias".to_owned(), alias.as_str())),
        );
        for (number, guardian) in self.council.guardians.iter().enumerate() {
            let field = |name: &str| format!("council.guardians[{number}].{name}");
            tokens.push((field("name"), &guardian.name));
            tokens.extend(
                guardian
                    .peer
                    .iter()
                    .map(|peer| (field("peer"), peer.as_str())),
            );
            tokens.extend(
                guardian
                    .alias
                    .iter()
                    .map(|alias| (field("alias"), alias.as_str())),
            );
        }
        tokens
    }
}

impl Tcp {
    fn paths(&mut self) -> impl Iterator<Item = &mut PathBuf> {
        let tls = self.tls.iter_mut().flat_map(|tls| {
            [
                Some(&mut tls.cert),
                Some(&mut tls.key),
                tls.client_ca.as_mut(),
            ]
            .into_iter()
            .flatten()
        });
        self.token_file.iter_mut().chain(tls)
    }
}
