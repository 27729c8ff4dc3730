//! The data channel over a UDP socket, one output after the other.

use std::{
    net::SocketAddr,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use ife_evidence::{Agent, AgentConfig, AgentOutput, Body, Datagram, Now, Peer};
use ife_message::PrivateKey;
use tokio::{net::UdpSocket, time::timeout_at};

use super::link::{Description, Opened};
use crate::Failure;

/// Without an output for so long the connection is given up.
const SILENCE_MAX: Duration = Duration::from_secs(30);
const DATAGRAM_LEN_MAX: usize = 65_536;

/// One connection to the bridge.
pub(super) struct Channel {
    agent: Agent,
    socket: UdpSocket,
    address: SocketAddr,
    buffer: Vec<u8>,
}

impl Channel {
    /// Offers a data channel.
    pub(super) async fn open(
        opened: &Opened,
        description: &Description,
    ) -> Result<Channel, Failure> {
        let socket = socket_towards(opened.address().await?)
            .await
            .map_err(|error| lost(&format!("no UDP socket: {error}")))?;
        let address = socket
            .local_addr()
            .map_err(|error| lost(&error.to_string()))?;
        let (pending, offer) =
            Peer::offer(&[address], Instant::now()).map_err(|error| lost(&error.to_string()))?;
        let answer = opened.offer(&offer).await?;
        let bridge_key = description
            .bridge_key
            .parse()
            .map_err(|error| Failure::no(format!("the bridge's key: {error}")))?;
        let config = AgentConfig {
            session: description.session.clone(),
            trace_id: description.trace_id.clone(),
            agent: description.viewer.clone(),
            bridge: description.bridge.clone(),
            bridge_key,
        };
        let agent = Agent::new(&config, session_key()?, pending, &answer, now())
            .map_err(|error| Failure::no(format!("the bridge's answer: {error}")))?;
        Ok(Channel {
            agent,
            socket,
            address,
            buffer: vec![0; DATAGRAM_LEN_MAX],
        })
    }

    /// Takes a block that an earlier connection has verified.
    pub(super) fn handle_stored(&mut self, file: u32, block: &[u8]) -> bool {
        self.agent.handle_stored(file, block)
    }

    /// Sends a message that is not about files.
    pub(super) fn say(&mut self, body: &Body) {
        self.agent.say(body);
    }

    /// Asks for every file that is not complete.
    pub(super) fn request_all(&mut self) {
        self.agent.request_all();
    }

    /// The next output that is not the socket's.
    pub(super) async fn next(&mut self) -> Result<AgentOutput, Failure> {
        let end = Instant::now() + SILENCE_MAX;
        loop {
            let wake = match self
                .agent
                .poll()
                .map_err(|error| lost(&error.to_string()))?
            {
                AgentOutput::Transmit(datagram) => {
                    // UDP may lose a datagram; the layers above send it again.
                    _ = self
                        .socket
                        .try_send_to(&datagram.bytes, datagram.destination);
                    continue;
                }
                AgentOutput::Timeout(wake) => wake,
                output @ (AgentOutput::Manifest(_)
                | AgentOutput::Write { .. }
                | AgentOutput::Finished { .. }
                | AgentOutput::Complete { .. }
                | AgentOutput::Message(_)
                | AgentOutput::Failed(_)
                | AgentOutput::Closed) => return Ok(output),
            };
            if Instant::now() >= end {
                return Err(lost("the bridge sent nothing for 30 s"));
            }
            let received = self.socket.recv_from(&mut self.buffer);
            let handled = match timeout_at(wake.min(end).into(), received).await {
                Ok(Ok((len, source))) => {
                    let datagram = Datagram {
                        source,
                        destination: self.address,
                        bytes: &self.buffer[..len],
                    };
                    self.agent.handle_datagram(datagram, Instant::now())
                }
                // An ICMP error of an earlier datagram; ICE tries on.
                Ok(Err(_)) => Ok(()),
                Err(_) => self.agent.handle_timeout(Instant::now()),
            };
            handled.map_err(|error| lost(&error.to_string()))?;
        }
    }

    /// A failure after which another connection may do better.
    pub(super) fn lost(&self, why: &str) -> Failure {
        lost(why)
    }
}

fn lost(why: &str) -> Failure {
    Failure::unanswered(format!("evidence channel: {why}"))
}

/// A socket at the address of this host from which `there` is reached.
async fn socket_towards(there: SocketAddr) -> std::io::Result<UdpSocket> {
    let any = if there.is_ipv4() {
        "0.0.0.0:0"
    } else {
        "[::]:0"
    };
    let probe = UdpSocket::bind(any).await?;
    // Sends nothing: the kernel only picks the route.
    probe.connect(there).await?;
    UdpSocket::bind((probe.local_addr()?.ip(), 0)).await
}

/// A key for this session alone, as a browser makes one.
fn session_key() -> Result<PrivateKey, Failure> {
    let mut seed = zeroize::Zeroizing::new([0; 32]);
    getrandom::fill(seed.as_mut())
        .map_err(|error| lost(&format!("no randomness for a key: {error}")))?;
    PrivateKey::from_seed("expert", &seed).map_err(|error| Failure::no(error.to_string()))
}

fn now() -> Now {
    // A clock before 1970 dates messages to 1970.
    let unix = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    Now {
        instant: Instant::now(),
        unix_ms: i64::try_from(unix.as_millis()).unwrap_or(i64::MAX),
    }
}
