//! The evidence server's configuration, with every file that the configuration names read
//! and checked.

use std::{
    io,
    net::{IpAddr, SocketAddr},
    path::PathBuf,
    sync::Arc,
    time::Duration,
};

use ife_message::PrivateKey;
use ife_trace::Log;
use thiserror::Error;

use super::{
    case::LINGER,
    source::{Limits, SourceError},
    turn::TurnServer,
};
use crate::{
    config::{self, Config},
    plain_file::{self, FileError, KEY_LEN_MAX},
};

/// Why there is no evidence server.
#[derive(Debug, Error)]
pub enum EvidenceError {
    /// A directory, the signing key or the TURN secret cannot be used.
    #[error(transparent)]
    File(#[from] FileError),
    /// The UDP port.
    #[error("evidence.udp {address}: {source}")]
    Udp {
        /// As configured.
        address: SocketAddr,
        /// Why it cannot be bound.
        source: io::Error,
    },
    /// Roots or hosts.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// The evidence server's own ring.
    #[error(transparent)]
    Witness(#[from] ife_witness::ring::RingError),
}

/// The section `evidence` of the configuration, and its needs of the others.
pub struct Settings {
    pub(super) public_url: String,
    pub(super) udp: SocketAddr,
    /// At least one.
    pub(super) addresses: Vec<SocketAddr>,
    pub(super) link_s: u64,
    pub(super) grace: Duration,
    /// So long after a call's end its page is known.
    pub(super) linger: Duration,
    pub(super) limits: Arc<Limits>,
    pub(super) key: Arc<PrivateKey>,
    /// `source` of the bridge's messages.
    pub(super) name: String,
    pub(super) turn: Option<TurnServer>,
    pub(super) log: Option<Arc<Log>>,
    /// Where sessions outlive the process.
    pub(super) dir: PathBuf,
}

impl Settings {
    /// Reads the files that the configuration names; `None` where it has no section `evidence`.
    /// Proofs come from `log`.
    pub fn load(config: &Config, log: Option<Arc<Log>>) -> Result<Option<Settings>, EvidenceError> {
        let Some(evidence) = &config.evidence else {
            return Ok(None);
        };
        let key_file = &evidence.signing_key;
        let key = plain_file::read(key_file, KEY_LEN_MAX)?;
        let key = PrivateKey::parse_file(&key).map_err(FileError::at(key_file))?;
        let addresses = match evidence.public_addresses.as_slice() {
            [] => vec![evidence.udp],
            configured => configured.to_vec(),
        };
        Ok(Some(Settings {
            public_url: evidence.public_url.clone(),
            udp: evidence.udp,
            addresses,
            link_s: evidence.link_s,
            grace: Duration::from_secs(evidence.grace_s),
            linger: LINGER.max(Duration::from_secs(config.calls.decision_s.into())),
            limits: Arc::new(Limits::new(evidence, &config.store_dir)?),
            key: Arc::new(key),
            name: format!("if://service/bridge/{}", config.node),
            turn: evidence.turn.as_ref().map(turn_of).transpose()?,
            log,
            dir: config.store_dir.join("evidence"),
        }))
    }

    /// Whether pages are reached by https.
    pub(super) fn is_secure(&self) -> bool {
        self.public_url.starts_with("https://")
    }

    /// Whether browsers on other machines have no address to go to.
    pub(super) fn is_for_this_machine(&self) -> bool {
        self.addresses.iter().all(|at| at.ip().is_loopback())
    }

    /// Which of our addresses a datagram was sent to. Behind a NAT the address that it arrived at
    /// is none of them.
    pub(super) fn address_for(&self, source: IpAddr, arrived_at: Option<IpAddr>) -> SocketAddr {
        let exact = |address: &&SocketAddr| Some(address.ip()) == arrived_at;
        let family = |address: &&SocketAddr| address.is_ipv4() == source.is_ipv4();
        let mut all = self.addresses.iter();
        let found = all.clone().find(exact).or_else(|| all.find(family));
        // There is at least one, see `load`.
        *found.unwrap_or(&self.udp)
    }
}

fn turn_of(turn: &config::Turn) -> Result<TurnServer, FileError> {
    let bytes = plain_file::read(&turn.secret_file, KEY_LEN_MAX)?;
    let secret = bytes.trim_ascii();
    if secret.len() < 8 {
        let why = "must hold a secret of 8 bytes at least";
        return Err(FileError::at(&turn.secret_file)(why));
    }
    Ok(TurnServer::new(turn.urls.clone(), secret, turn.ttl_s))
}

impl std::fmt::Debug for Settings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Settings")
            .field("public_url", &self.public_url)
            .field("addresses", &self.addresses)
            .finish_non_exhaustive()
    }
}
