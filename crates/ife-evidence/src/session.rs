//! The bridge's side of one viewer's connection: peer, envelope and sender in one machine.

use std::{
    collections::VecDeque,
    net::SocketAddr,
    sync::Arc,
    time::{Duration, Instant},
};

use ife_message::{PrivateKey, json};
use ife_words::{hex, time};
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

use crate::{
    frame::{CHUNK_LEN, Frame, HEADER_LEN},
    manifest::Manifest,
    message::{Binding, Body, CallFacts, ErrorCode, Inbox, Outbox, ReceiptEntry, Refused},
    peer::{Datagram, Peer, PeerError, PeerOutput},
    sender::{Sender, SenderOutput},
};

/// Refused messages after which the session ends.
const STRIKES_MAX: u32 = 3;
/// Room for all of a message but the manifest's files, bytes: names, signature, the call.
const ENVELOPE_LEN: usize = 4_096;
/// Messages that may wait for room in the send buffer.
const WAITING_MAX: usize = 64;

/// The subject of a session.
#[derive(Debug, Clone)]
pub struct SessionConfig {
    /// Name of the session in its link.
    pub session: String,
    /// Trace id of the escalation.
    pub trace_id: String,
    /// Who sends, for `source`.
    pub bridge: String,
    /// Who receives, for `destination`.
    pub viewer: String,
    /// Description of the call for the expert.
    pub call: CallFacts,
    /// What there is to see.
    pub manifest: Manifest,
}

/// The time: monotonic for the protocol, wall clock for the messages.
#[derive(Debug, Clone, Copy)]
pub struct Now {
    /// Monotonic.
    pub instant: Instant,
    /// Milliseconds since 1970.
    pub unix_ms: i64,
}

/// Orders and reports of the session.
#[derive(Debug)]
pub enum SessionOutput {
    /// Send this datagram.
    Transmit(Datagram),
    /// Nothing more until something is handled, or until then.
    Timeout(Instant),
    /// Read this and call [`Session::handle_read`].
    Read {
        /// File id.
        file: u32,
        /// Offset of the first byte.
        offset: u64,
        /// Bytes.
        len: usize,
    },
    /// The channel is open and the expert's page has named its key.
    Opened {
        /// `ed25519:<base64>`.
        public_key: String,
    },
    /// All bytes of a file were sent.
    Sent {
        /// File id.
        file: u32,
    },
    /// The expert's signed receipt for this session's manifest.
    Receipt {
        /// What became of each file.
        files: Vec<ReceiptEntry>,
        /// SHA-256 of the signed message, lower-case hex.
        sha256: String,
    },
    /// A verified `agent.message`, with the id that the expert's side gave it.
    Agent(Option<String>, Map<String, Value>),
    /// The expert's side has shown the message of that id.
    Shown(String),
    /// Something went wrong that the witness should know; the session goes on unless `Closed`
    /// follows.
    Failed(Refused),
    /// ICE has lost the browser; it may come back or make a new offer.
    Interrupted,
    /// ICE sees the browser, for the first time or again.
    Connected,
    /// The session is over.
    Closed,
}

/// One connection. See the crate's documentation for how to drive it.
#[derive(Debug)]
pub struct Session {
    peer: Peer,
    binding: Binding,
    inbox: Inbox,
    outbox: Outbox,
    sender: Sender,
    call: CallFacts,
    waiting: VecDeque<(bool, Vec<u8>)>,
    outputs: VecDeque<SessionOutput>,
    strikes: u32,
    greeted: bool,
    /// It is to end once what waits has been sent.
    closing: bool,
    started: Now,
    last: Instant,
}

impl Session {
    /// Answers the browser's offer; gives the SDP answer.
    pub fn accept(
        config: SessionConfig,
        key: impl Into<Arc<PrivateKey>>,
        offer: &str,
        addresses: &[SocketAddr],
        now: Now,
    ) -> Result<(Session, String), PeerError> {
        let (peer, answer) = Peer::accept(offer, addresses, now.instant)?;
        check_fits(&config, peer.message_len_max())?;
        let (offerer, answerer) = peer.fingerprints();
        let binding = Binding::new(&config.session, &config.trace_id, offerer, answerer);
        let session = Session {
            inbox: Inbox::new(binding.clone(), None),
            outbox: Outbox::new(binding.clone(), key, &config.bridge, &config.viewer),
            binding,
            sender: Sender::new(config.manifest, CHUNK_LEN),
            call: config.call,
            peer,
            waiting: VecDeque::new(),
            outputs: VecDeque::new(),
            strikes: 0,
            greeted: false,
            closing: false,
            started: now,
            last: now.instant,
        };
        Ok((session, answer))
    }

    /// Fingerprints of the browser and of this side.
    pub fn fingerprints(&self) -> (&str, &str) {
        self.peer.fingerprints()
    }

    /// Lower-case hex SHA-256 that ties every message to this connection.
    pub fn binding(&self) -> &str {
        self.binding.hash()
    }

    /// Whether a datagram on the shared port is for this session.
    pub fn accepts(&self, datagram: Datagram<&[u8]>, now: Instant) -> bool {
        self.peer.accepts(datagram, now)
    }

    /// A datagram for this session.
    pub fn handle_datagram(
        &mut self,
        datagram: Datagram<&[u8]>,
        now: Instant,
    ) -> Result<(), PeerError> {
        self.last = now;
        self.peer.handle_datagram(datagram, now)
    }

    /// The time of [`SessionOutput::Timeout`] has come.
    pub fn handle_timeout(&mut self, now: Instant) -> Result<(), PeerError> {
        self.last = now;
        self.peer.handle_timeout(now)
    }

    /// What [`SessionOutput::Read`] asked for, or why it cannot be had.
    pub fn handle_read(&mut self, file: u32, offset: u64, bytes: Result<&[u8], &str>) {
        match self.sender.handle_read(file, offset, bytes) {
            Ok(Some(frame)) => self.waiting.push_back((true, frame)),
            Ok(None) => {}
            Err(refused) => self.report(refused),
        }
    }

    /// Sends a message of the application: the call's state, an agent's message, the answer to a
    /// receipt.
    pub fn say(&mut self, body: &Body) {
        if self.waiting.len() >= WAITING_MAX {
            // The peer reads nothing: a message of this moment will be stale when it does.
            return;
        }
        let elapsed = self.last.saturating_duration_since(self.started.instant);
        match self.outbox.seal(body, &utc(self.started.unix_ms, elapsed)) {
            Ok(bytes) if bytes.len() <= self.peer.message_len_max() => {
                self.waiting.push_back((false, bytes));
            }
            Ok(bytes) => {
                let text = format!("message of {} bytes is too long for the peer", bytes.len());
                let refused = Refused::new(ErrorCode::BadMessage, text);
                self.outputs.push_back(SessionOutput::Failed(refused));
            }
            Err(refused) => self.outputs.push_back(SessionOutput::Failed(refused)),
        }
    }

    /// Ends the session: what waits is sent first, as far as there is room for it.
    pub fn close(&mut self) {
        self.closing = true;
    }

    /// The next output. After [`SessionOutput::Timeout`], handle something first.
    pub fn poll(&mut self) -> Result<SessionOutput, PeerError> {
        loop {
            if let Some(output) = self.outputs.pop_front() {
                return Ok(output);
            }
            self.write_waiting()?;
            if self.waiting.is_empty() && !self.closing {
                match self.sender.poll() {
                    Some(SenderOutput::Read { file, offset, len }) => {
                        return Ok(SessionOutput::Read { file, offset, len });
                    }
                    Some(SenderOutput::Complete { file, size }) => {
                        self.outputs.push_back(SessionOutput::Sent { file });
                        self.say(&Body::Complete { file, size });
                        continue;
                    }
                    None => {}
                }
            }
            match self.peer.poll()? {
                PeerOutput::Timeout(_) if std::mem::take(&mut self.closing) => self.peer.close(),
                PeerOutput::Timeout(at) => return Ok(SessionOutput::Timeout(at)),
                PeerOutput::Transmit(datagram) => return Ok(SessionOutput::Transmit(datagram)),
                PeerOutput::Open => {}
                PeerOutput::Message { binary: true, data } => {
                    let text = match Frame::parse(&data) {
                        Ok(_) => "this session sends files and takes none".to_owned(),
                        Err(error) => error.to_string(),
                    };
                    self.strike(Refused::new(ErrorCode::BadMessage, text));
                }
                PeerOutput::Message {
                    binary: false,
                    data,
                } => self.message(&data),
                PeerOutput::Connected => return Ok(SessionOutput::Connected),
                PeerOutput::Interrupted => return Ok(SessionOutput::Interrupted),
                PeerOutput::Closed => return Ok(SessionOutput::Closed),
            }
        }
    }

    fn write_waiting(&mut self) -> Result<(), PeerError> {
        while let Some((binary, data)) = self.waiting.front() {
            if !self.peer.write(*binary, data)? {
                break;
            }
            self.waiting.pop_front();
        }
        Ok(())
    }

    fn message(&mut self, text: &[u8]) {
        if self.strikes >= STRIKES_MAX {
            return;
        }
        match self.inbox.open(text) {
            Ok(body) => self.body(body, text),
            Err(refused) => self.strike(refused),
        }
    }

    fn body(&mut self, body: Body, text: &[u8]) {
        match body {
            Body::Hello { public_key } if !self.greeted => {
                self.greeted = true;
                let manifest = Body::Manifest {
                    files: self.sender.manifest().files().to_vec(),
                    manifest_sha256: self.sender.manifest().sha256().to_owned(),
                    call: self.call.clone(),
                };
                self.say(&manifest);
                self.outputs.push_back(SessionOutput::Opened { public_key });
            }
            Body::Request { .. } | Body::Ack { .. } | Body::Pause { .. } | Body::Cancel { .. } => {
                if let Err(refused) = self.sender.handle_body(&body) {
                    self.report(refused);
                }
            }
            Body::Receipt {
                manifest_sha256,
                files,
            } => self.receipt(&manifest_sha256, files, text),
            Body::Agent { id, message } => {
                self.outputs.push_back(SessionOutput::Agent(id, message));
            }
            Body::Shown { id } => self.outputs.push_back(SessionOutput::Shown(id)),
            Body::Error { code, text, file } => self
                .outputs
                .push_back(SessionOutput::Failed(Refused { code, text, file })),
            Body::Hello { .. }
            | Body::Manifest { .. }
            | Body::Complete { .. }
            | Body::ReceiptOk { .. }
            | Body::Taken { .. }
            | Body::NotTaken { .. }
            | Body::State { .. } => {
                self.strike(Refused::new(
                    ErrorCode::BadMessage,
                    "this message is not for the bridge",
                ));
            }
        }
    }

    /// A receipt counts when it is for this manifest and can be true for each file.
    fn receipt(&mut self, manifest_sha256: &str, files: Vec<ReceiptEntry>, text: &[u8]) {
        if manifest_sha256 != self.sender.manifest().sha256() {
            return self.strike(Refused::new(
                ErrorCode::BadMessage,
                "receipt is for another manifest",
            ));
        }
        for entry in &files {
            let Some(file) = self.sender.manifest().file(entry.file) else {
                return self.strike(Refused::about(
                    entry.file,
                    ErrorCode::UnknownFile,
                    "receipt names a file that is not in the manifest",
                ));
            };
            if entry.verified && (entry.sha256 != file.sha256 || entry.size != file.size) {
                return self.strike(Refused::about(
                    entry.file,
                    ErrorCode::BadMessage,
                    "receipt says verified and names another digest",
                ));
            }
        }
        let sha256 = hex::text(&Sha256::digest(text));
        self.outputs
            .push_back(SessionOutput::Receipt { files, sha256 });
    }

    /// An honest peer's trouble: reported, and no strike.
    fn report(&mut self, refused: Refused) {
        self.say(&refused.to_body());
        self.outputs.push_back(SessionOutput::Failed(refused));
    }

    fn strike(&mut self, refused: Refused) {
        self.strikes += 1;
        self.report(refused);
        if self.strikes >= STRIKES_MAX {
            self.close();
        }
    }
}

/// The peer must be able to take the frames and the manifest.
fn check_fits(config: &SessionConfig, message_len_max: usize) -> Result<(), PeerError> {
    let manifest = json::canonical(&config.manifest.files()).map_or(0, |json| json.len());
    let needed = manifest + ENVELOPE_LEN;
    if needed > message_len_max {
        return Err(PeerError::Sdp(format!(
            "a=max-message-size says {message_len_max} and the manifest needs {needed}"
        )));
    }
    let frame = CHUNK_LEN + HEADER_LEN;
    if frame > message_len_max {
        return Err(PeerError::Sdp(format!(
            "a=max-message-size says {message_len_max} and chunks need {frame}"
        )));
    }
    Ok(())
}

/// RFC 3339 of a start and what has passed since.
pub(crate) fn utc(start_unix_ms: i64, elapsed: Duration) -> String {
    let elapsed_ms = i64::try_from(elapsed.as_millis()).unwrap_or(i64::MAX);
    let unix_ms = start_unix_ms.saturating_add(elapsed_ms);
    time::of_ms(u64::try_from(unix_ms).unwrap_or(0))
}
