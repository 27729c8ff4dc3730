//! The expert's side as a program: an agent that offers the channel, takes the files and answers
//! with a signed receipt.

use std::{collections::VecDeque, sync::Arc, time::Instant};

use ife_message::{PrivateKey, PublicKey};

use crate::{
    frame::Frame,
    manifest::Manifest,
    message::{Binding, Body, ErrorCode, Inbox, Outbox, Refused},
    peer::{Datagram, PeerError, PeerOutput, PendingPeer},
    receiver::{Receiver, ReceiverOutput},
    session::{Now, utc},
};

/// Who the agent is and whom it talks to; all of it stands in the session description.
#[derive(Debug, Clone)]
pub struct AgentConfig {
    /// Name of the session in its link.
    pub session: String,
    /// Trace id of the escalation.
    pub trace_id: String,
    /// For `source`.
    pub agent: String,
    /// For `destination`.
    pub bridge: String,
    /// The bridge's key.
    pub bridge_key: PublicKey,
}

/// Orders and reports of the agent.
#[derive(Debug)]
pub enum AgentOutput {
    /// Send this datagram.
    Transmit(Datagram),
    /// Nothing more until something is handled, or until then.
    Timeout(Instant),
    /// The signed list of files has come. Feed stored blocks by [`Agent::handle_stored`], then call
    /// [`Agent::request_all`].
    Manifest(Manifest),
    /// A verified block: store it.
    Write {
        /// File id.
        file: u32,
        /// Offset of the first byte.
        offset: u64,
        /// The bytes.
        bytes: Vec<u8>,
    },
    /// Every byte of the file was verified, or it failed twice at one block.
    Finished {
        /// File id.
        file: u32,
        /// Which of the two.
        verified: bool,
    },
    /// The bridge has sent the last byte of a file.
    Complete {
        /// File id.
        file: u32,
    },
    /// A verified message that is not about files.
    Message(Body),
    /// Something was refused, here or there.
    Failed(Refused),
    /// The connection is over.
    Closed,
}

/// One connection to a bridge.
#[derive(Debug)]
pub struct Agent {
    peer: crate::Peer,
    inbox: Inbox,
    outbox: Outbox,
    public_key: PublicKey,
    receiver: Option<Receiver>,
    receipted: bool,
    waiting: VecDeque<(bool, Vec<u8>)>,
    outputs: VecDeque<AgentOutput>,
    started: Now,
    last: Instant,
}

impl Agent {
    /// Takes the bridge's answer to the offer of [`crate::Peer::offer`].
    pub fn new(
        config: &AgentConfig,
        key: impl Into<Arc<PrivateKey>>,
        pending: PendingPeer,
        answer: &str,
        now: Now,
    ) -> Result<Agent, PeerError> {
        let key = key.into();
        let peer = pending.complete(answer)?;
        let (offerer, answerer) = peer.fingerprints();
        let binding = Binding::new(&config.session, &config.trace_id, offerer, answerer);
        Ok(Agent {
            inbox: Inbox::new(binding.clone(), Some(config.bridge_key)),
            public_key: key.public_key(),
            outbox: Outbox::new(binding, key, &config.agent, &config.bridge),
            peer,
            receiver: None,
            receipted: false,
            waiting: VecDeque::new(),
            outputs: VecDeque::new(),
            started: now,
            last: now.instant,
        })
    }

    /// A datagram for this connection.
    pub fn handle_datagram(
        &mut self,
        datagram: Datagram<&[u8]>,
        now: Instant,
    ) -> Result<(), PeerError> {
        self.last = now;
        self.peer.handle_datagram(datagram, now)
    }

    /// The time of [`AgentOutput::Timeout`] has come.
    pub fn handle_timeout(&mut self, now: Instant) -> Result<(), PeerError> {
        self.last = now;
        self.peer.handle_timeout(now)
    }

    /// A block that an earlier connection has stored; see [`Receiver::handle_stored`].
    pub fn handle_stored(&mut self, file: u32, block: &[u8]) -> bool {
        self.receiver
            .as_mut()
            .is_some_and(|receiver| receiver.handle_stored(file, block))
    }

    /// Asks for every file that is not complete.
    pub fn request_all(&mut self) {
        if let Some(receiver) = &mut self.receiver {
            receiver.request_all();
        }
    }

    /// Sends a message to the bridge's application, or controls a transfer.
    pub fn say(&mut self, body: &Body) {
        let elapsed = self.last.saturating_duration_since(self.started.instant);
        match self.outbox.seal(body, &utc(self.started.unix_ms, elapsed)) {
            Ok(bytes) => self.waiting.push_back((false, bytes)),
            Err(refused) => self.outputs.push_back(AgentOutput::Failed(refused)),
        }
    }

    /// The next output. After [`AgentOutput::Timeout`], handle something first.
    pub fn poll(&mut self) -> Result<AgentOutput, PeerError> {
        loop {
            if let Some(output) = self.outputs.pop_front() {
                return Ok(output);
            }
            if let Some(output) = self.receiver.as_mut().and_then(Receiver::poll) {
                if let Some(output) = self.received(output) {
                    return Ok(output);
                }
                continue;
            }
            while let Some((binary, data)) = self.waiting.front() {
                if !self.peer.write(*binary, data)? {
                    break;
                }
                self.waiting.pop_front();
            }
            match self.peer.poll()? {
                PeerOutput::Timeout(at) => return Ok(AgentOutput::Timeout(at)),
                PeerOutput::Transmit(datagram) => return Ok(AgentOutput::Transmit(datagram)),
                PeerOutput::Open => self.greet(),
                PeerOutput::Interrupted | PeerOutput::Connected => {}
                PeerOutput::Message { binary: true, data } => self.frame(&data),
                PeerOutput::Message {
                    binary: false,
                    data,
                } => match self.inbox.open(&data) {
                    Ok(body) => self.body(body),
                    Err(refused) => self.refuse(refused),
                },
                PeerOutput::Closed => return Ok(AgentOutput::Closed),
            }
        }
    }

    fn greet(&mut self) {
        let hello = Body::Hello {
            public_key: self.public_key.to_string(),
        };
        self.say(&hello);
    }

    fn received(&mut self, output: ReceiverOutput) -> Option<AgentOutput> {
        match output {
            ReceiverOutput::Write {
                file,
                offset,
                bytes,
            } => Some(AgentOutput::Write {
                file,
                offset,
                bytes,
            }),
            ReceiverOutput::Finished { file, verified } => {
                self.send_receipt();
                Some(AgentOutput::Finished { file, verified })
            }
            ReceiverOutput::Send(body) => {
                self.say(&body);
                None
            }
        }
    }

    /// Once, when every file has an outcome.
    fn send_receipt(&mut self) {
        if let Some(receiver) = self
            .receiver
            .as_ref()
            .filter(|receiver| receiver.is_finished() && !self.receipted)
        {
            let receipt = receiver.receipt();
            self.receipted = true;
            self.say(&receipt);
        }
    }

    fn frame(&mut self, data: &[u8]) {
        let result = match (Frame::parse(data), &mut self.receiver) {
            (Ok(frame), Some(receiver)) => receiver.handle_frame(frame),
            (Ok(_), None) => Err(Refused::new(
                ErrorCode::BadMessage,
                "chunk before the manifest",
            )),
            (Err(error), _) => Err(Refused::new(ErrorCode::BadMessage, error.to_string())),
        };
        if let Err(refused) = result {
            self.refuse(refused);
        }
    }

    fn body(&mut self, body: Body) {
        match body {
            Body::Manifest {
                files,
                manifest_sha256,
                ..
            } if self.receiver.is_none() => match Manifest::check(files) {
                Ok(manifest) if manifest.sha256() == manifest_sha256 => {
                    self.receiver = Some(Receiver::new(manifest.clone()));
                    self.outputs.push_back(AgentOutput::Manifest(manifest));
                }
                Ok(_) => self.refuse(Refused::new(
                    ErrorCode::BadMessage,
                    "manifest_sha256 is not that of the files",
                )),
                Err(error) => self.refuse(Refused::new(ErrorCode::BadMessage, error.to_string())),
            },
            Body::Complete { file, .. } => {
                if let Some(receiver) = &mut self.receiver {
                    receiver.handle_complete(file);
                }
                self.outputs.push_back(AgentOutput::Complete { file });
            }
            Body::Error { code, text, file } => self
                .outputs
                .push_back(AgentOutput::Failed(Refused { code, text, file })),
            Body::ReceiptOk { .. }
            | Body::State { .. }
            | Body::Agent { .. }
            | Body::Taken { .. }
            | Body::NotTaken { .. } => self.outputs.push_back(AgentOutput::Message(body)),
            Body::Hello { .. }
            | Body::Manifest { .. }
            | Body::Request { .. }
            | Body::Ack { .. }
            | Body::Pause { .. }
            | Body::Cancel { .. }
            | Body::Shown { .. }
            | Body::Receipt { .. } => self.refuse(Refused::new(
                ErrorCode::BadMessage,
                "this message is not for the expert",
            )),
        }
    }

    fn refuse(&mut self, refused: Refused) {
        self.say(&refused.to_body());
        self.outputs.push_back(AgentOutput::Failed(refused));
    }
}
