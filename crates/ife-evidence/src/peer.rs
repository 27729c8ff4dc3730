//! One WebRTC peer connection with one data channel, on str0m: ICE-lite answerer for the bridge,
//! offerer for an agent.

use std::{net::SocketAddr, time::Instant};

use str0m::{
    Candidate, Event, IceConnectionState, Input, Output, Rtc, RtcConfig, RtcError,
    change::{SdpAnswer, SdpOffer, SdpPendingOffer},
    channel::ChannelId,
    net::{Protocol, Receive},
};
use thiserror::Error;

use crate::{CHANNEL_LABEL, MESSAGE_LEN_MAX, flight::Flight};

/// Longest SDP that is looked at, in bytes.
pub const SDP_LEN_MAX: usize = 65_536;
/// Limit of a peer that does not declare one (RFC 8841, 6.1).
const MESSAGE_LEN_UNSAID: usize = 65_536;
/// Bytes that may wait in the SCTP send buffer, those in flight among them: as much as the window
/// of unacknowledged blocks. Of a file's pieces it takes fewer, see [`Flight`].
const BUFFERED_MAX: usize = 1 << 20;

/// Bad input from the other side, or a connection that cannot go on.
#[derive(Debug, Error)]
pub enum PeerError {
    /// The SDP, and its fault.
    #[error("SDP: {0}")]
    Sdp(String),
    /// One of our own addresses.
    #[error("candidate {address}: {why}")]
    Candidate {
        /// As configured.
        address: SocketAddr,
        /// Why ICE does not take it.
        why: String,
    },
    /// ICE, DTLS or SCTP gave up.
    #[error("peer connection: {0}")]
    Rtc(#[from] RtcError),
}

/// A datagram; received ones borrow their bytes.
#[derive(Debug, Clone, Copy)]
pub struct Datagram<B = Vec<u8>> {
    /// The sender's address.
    pub source: SocketAddr,
    /// The receiver's address.
    pub destination: SocketAddr,
    /// UDP payload.
    pub bytes: B,
}

/// Orders and reports of a peer.
#[derive(Debug)]
pub enum PeerOutput {
    /// Send this datagram.
    Transmit(Datagram),
    /// Nothing more until a datagram comes, or until then.
    Timeout(Instant),
    /// The data channel is open.
    Open,
    /// A message.
    Message {
        /// Chunk frame, or else IFMessage.
        binary: bool,
        /// Its bytes.
        data: Vec<u8>,
    },
    /// ICE has lost the other side; it may come back.
    Interrupted,
    /// ICE sees the other side, for the first time or again.
    Connected,
    /// The channel was closed, or the connection is dead.
    Closed,
}

/// A peer connection. Drive it by `handle_*` and [`Peer::poll`].
#[derive(Debug)]
pub struct Peer {
    rtc: Rtc,
    channel: Option<ChannelId>,
    fingerprints: (String, String),
    message_len_max: usize,
    flight: Flight,
    /// Where the last datagram with data came from.
    far: Option<SocketAddr>,
    now: Instant,
    dead: bool,
}

impl Peer {
    /// Answers an offer as an ICE-lite peer that is reached at `addresses`; gives the SDP answer.
    pub fn accept(
        offer: &str,
        addresses: &[SocketAddr],
        now: Instant,
    ) -> Result<(Peer, String), PeerError> {
        let offerer = fingerprint(offer)?;
        let parsed = SdpOffer::from_sdp_string(&sha256_alone(offer))
            .map_err(|error| PeerError::Sdp(error.to_string()))?;
        if !offer.lines().any(|line| line.starts_with("m=application ")) {
            return Err(PeerError::Sdp(
                "no m=application section: the offer has no data channel".to_owned(),
            ));
        }
        let mut rtc = config().set_ice_lite(true).build(now);
        add_candidates(&mut rtc, addresses)?;
        let answer = rtc.sdp_api().accept_offer(parsed)?.to_sdp_string();
        let peer = Peer {
            rtc,
            channel: None,
            fingerprints: (offerer, fingerprint(&answer)?),
            message_len_max: message_len_max(offer),
            flight: Flight::default(),
            far: None,
            now,
            dead: false,
        };
        Ok((peer, answer))
    }

    /// Offers a data channel, for the agent role; returns the peer that waits for the answer, and
    /// the SDP offer.
    pub fn offer(
        addresses: &[SocketAddr],
        now: Instant,
    ) -> Result<(PendingPeer, String), PeerError> {
        let mut rtc = config().build(now);
        add_candidates(&mut rtc, addresses)?;
        let mut changes = rtc.sdp_api();
        changes.add_channel(CHANNEL_LABEL.to_owned());
        let (offer, pending) = changes
            .apply()
            .ok_or_else(|| PeerError::Sdp("nothing to offer".to_owned()))?;
        let offer = offer.to_sdp_string();
        let offerer = fingerprint(&offer)?;
        Ok((
            PendingPeer {
                rtc,
                pending,
                offerer,
                now,
            },
            offer,
        ))
    }

    /// Fingerprints of the offerer and the answerer, as in SDP.
    pub fn fingerprints(&self) -> (&str, &str) {
        (&self.fingerprints.0, &self.fingerprints.1)
    }

    /// Longest message that the other side takes, bytes.
    pub fn message_len_max(&self) -> usize {
        self.message_len_max
    }

    /// Whether this datagram belongs to this peer: by ICE credentials at first, by address later.
    pub fn accepts(&self, datagram: Datagram<&[u8]>, now: Instant) -> bool {
        receive(datagram).is_some_and(|receive| self.rtc.accepts(&Input::Receive(now, receive)))
    }

    /// A datagram that came to `destination`, one of the configured addresses. What is no STUN,
    /// DTLS or SRTP is ignored.
    pub fn handle_datagram(
        &mut self,
        datagram: Datagram<&[u8]>,
        now: Instant,
    ) -> Result<(), PeerError> {
        self.now = now;
        if let Some(receive) = receive(datagram) {
            self.rtc.handle_input(Input::Receive(now, receive))?;
            // Checks come by every path, data by the one that is used.
            if is_dtls(datagram.bytes) && self.far.replace(datagram.source) != Some(datagram.source)
            {
                self.flight.handle_new_path();
            }
            if let Some(mut channel) = self.channel.and_then(|id| self.rtc.channel(id)) {
                self.flight.handle_buffered(channel.buffered_amount(), now);
            }
        }
        Ok(())
    }

    /// The time of [`PeerOutput::Timeout`] has come.
    pub fn handle_timeout(&mut self, now: Instant) -> Result<(), PeerError> {
        self.now = now;
        Ok(self.rtc.handle_input(Input::Timeout(now))?)
    }

    /// Queues a message; `false` when as much as may be is under way, or the channel is not open:
    /// worth another try after the next datagram.
    pub fn write(&mut self, binary: bool, data: &[u8]) -> Result<bool, PeerError> {
        let Some(mut channel) = self.channel.and_then(|id| self.rtc.channel(id)) else {
            return Ok(false);
        };
        // Messages go before pieces of files.
        if binary && !self.flight.has_room(channel.buffered_amount(), data.len()) {
            return Ok(false);
        }
        let is_written = channel.write(binary, data)?;
        if is_written {
            self.flight.handle_write(data.len(), self.now);
        }
        Ok(is_written)
    }

    /// Ends the connection, and notifies the other side. Output not yet polled is lost.
    pub fn close(&mut self) {
        if self.rtc.close().is_err() {
            // It never stood, so there is no side to notify.
            self.rtc.disconnect();
        }
    }

    /// The next output. After [`PeerOutput::Timeout`], handle something first.
    pub fn poll(&mut self) -> Result<PeerOutput, PeerError> {
        loop {
            if !self.rtc.is_alive() && !self.dead {
                self.dead = true;
                return Ok(PeerOutput::Closed);
            }
            let output = match self.rtc.poll_output() {
                // Once the channel stood, str0m reports a close by the other side so.
                Err(RtcError::Dtls(_)) if self.channel.is_some() => {
                    self.rtc.disconnect();
                    continue;
                }
                output => output?,
            };
            match output {
                Output::Timeout(at) => return Ok(PeerOutput::Timeout(at)),
                Output::Transmit(transmit) => {
                    return Ok(PeerOutput::Transmit(Datagram {
                        source: transmit.source,
                        destination: transmit.destination,
                        bytes: transmit.contents.into(),
                    }));
                }
                Output::Event(event) => {
                    if let Some(output) = self.event(event) {
                        return Ok(output);
                    }
                }
            }
        }
    }

    fn event(&mut self, event: Event) -> Option<PeerOutput> {
        // str0m's events are non-exhaustive, and most are about media.
        #[expect(
            clippy::wildcard_enum_match_arm,
            reason = "the enum is foreign and non-exhaustive"
        )]
        match event {
            Event::ChannelOpen(id, label) if label == CHANNEL_LABEL && self.channel.is_none() => {
                self.channel = Some(id);
                Some(PeerOutput::Open)
            }
            Event::ChannelData(data) if Some(data.id) == self.channel => {
                Some(PeerOutput::Message {
                    binary: data.binary,
                    data: data.data,
                })
            }
            Event::ChannelClose(id) if Some(id) == self.channel => {
                self.channel = None;
                Some(PeerOutput::Closed)
            }
            Event::IceConnectionStateChange(IceConnectionState::Disconnected) => {
                Some(PeerOutput::Interrupted)
            }
            Event::IceConnectionStateChange(
                IceConnectionState::Connected | IceConnectionState::Completed,
            ) => Some(PeerOutput::Connected),
            _ => None,
        }
    }
}

/// An offer that waits for its answer.
#[derive(Debug)]
pub struct PendingPeer {
    rtc: Rtc,
    pending: SdpPendingOffer,
    offerer: String,
    now: Instant,
}

impl PendingPeer {
    /// Takes the SDP answer.
    pub fn complete(mut self, answer: &str) -> Result<Peer, PeerError> {
        let answerer = fingerprint(answer)?;
        let parsed = SdpAnswer::from_sdp_string(&sha256_alone(answer))
            .map_err(|error| PeerError::Sdp(error.to_string()))?;
        self.rtc.sdp_api().accept_answer(self.pending, parsed)?;
        Ok(Peer {
            rtc: self.rtc,
            channel: None,
            fingerprints: (self.offerer, answerer),
            message_len_max: message_len_max(answer),
            flight: Flight::default(),
            far: None,
            now: self.now,
            dead: false,
        })
    }
}

fn config() -> RtcConfig {
    // No media: an empty codec table keeps a hostile offer's media sections out and a session
    // small.
    Rtc::builder()
        .clear_codecs()
        .set_sctp_max_buffered_amount(BUFFERED_MAX)
        // Bounded far below 2^32.
        .set_sctp_max_message_size(MESSAGE_LEN_MAX as u32)
}

fn add_candidates(rtc: &mut Rtc, addresses: &[SocketAddr]) -> Result<(), PeerError> {
    for &address in addresses {
        let candidate = Candidate::host(address, "udp").map_err(|error| PeerError::Candidate {
            address,
            why: error.to_string(),
        })?;
        rtc.add_local_candidate(candidate);
    }
    Ok(())
}

fn receive(datagram: Datagram<&[u8]>) -> Option<Receive<'_>> {
    Some(Receive {
        proto: Protocol::Udp,
        source: datagram.source,
        destination: datagram.destination,
        contents: datagram.bytes.try_into().ok()?,
    })
}

/// By the first byte (RFC 7983, 7).
fn is_dtls(bytes: &[u8]) -> bool {
    matches!(bytes.first(), Some(20..=63))
}

/// Length that the other side takes, at most [`MESSAGE_LEN_MAX`]; 0 is its word for "any length"
/// (RFC 8841, 6.1).
fn message_len_max(sdp: &str) -> usize {
    let mut said = sdp
        .lines()
        .filter_map(|line| line.trim_end().strip_prefix("a=max-message-size:"));
    match said.next().map(str::parse) {
        Some(Ok(0)) => MESSAGE_LEN_MAX,
        Some(Ok(len)) => MESSAGE_LEN_MAX.min(len),
        Some(Err(_)) | None => MESSAGE_LEN_UNSAID,
    }
}

/// The one SHA-256 fingerprint of an SDP, as the binding has it. Two different ones would leave
/// open which the signatures are bound to; those of other hash functions are left alone (RFC 8122,
/// 5).
fn fingerprint(sdp: &str) -> Result<String, PeerError> {
    if sdp.len() > SDP_LEN_MAX {
        return Err(PeerError::Sdp(format!(
            "{} bytes are more than {SDP_LEN_MAX}",
            sdp.len()
        )));
    }
    let mut found: Option<String> = None;
    for value in sdp.lines().filter_map(fingerprint_value) {
        let Some(digest) = sha256_digest(value) else {
            continue;
        };
        let written = format!("sha-256 {}", digest.to_ascii_uppercase());
        if found.as_ref().is_some_and(|earlier| *earlier != written) {
            return Err(PeerError::Sdp(
                "two different a=fingerprint lines".to_owned(),
            ));
        }
        found = Some(written);
    }
    found.ok_or_else(|| PeerError::Sdp("no a=fingerprint line with sha-256".to_owned()))
}

/// The SDP without fingerprints of other hash functions: what DTLS is checked by is what the
/// signatures are bound to.
fn sha256_alone(sdp: &str) -> String {
    let kept = sdp
        .lines()
        .filter(|line| fingerprint_value(line).is_none_or(|value| sha256_digest(value).is_some()));
    kept.map(|line| format!("{}\r\n", line.trim_end()))
        .collect()
}

fn fingerprint_value(line: &str) -> Option<&str> {
    line.trim_end().strip_prefix("a=fingerprint:")
}

fn sha256_digest(value: &str) -> Option<&str> {
    let (hash, digest) = value.split_once(' ')?;
    hash.eq_ignore_ascii_case("sha-256").then_some(digest)
}
