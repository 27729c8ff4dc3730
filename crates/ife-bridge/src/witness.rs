//! The bridge's own ring: every transition of a call is an entry, under the trace id of its
//! escalation.

use std::path::{Path, PathBuf};

pub use ife_engine::shell::Fact;
use ife_message::decision::Assurance;
use ife_witness::{
    entry::{Author, Entry, encode, leaf_hash},
    ring::{Producer, PushError, RingConfig, RingError, writer_seen},
};
use ife_words::Acceptance;
use thiserror::Error;

use crate::{
    clock,
    config::{Config, WitnessMode},
};

/// A writer that has not gone round its loop for this long is not there. It does at least every
/// second.
const WRITER_SILENT_MS_MAX: u64 = 5_000;

/// An entry could not be witnessed although it must be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("the witness takes no entries: {0}")]
pub struct Unwitnessed(PushError);

/// Leaf hash of an entry, by which it is found in the log.
pub type Leaf = [u8; 32];

/// A ring's producer: the engine or the evidence server.
pub struct Witness {
    producer: Producer,
    state_dir: PathBuf,
    node: String,
    name: String,
    mode: WitnessMode,
    buffer: Vec<u8>,
    taking: bool,
    dropped: u64,
}

impl Witness {
    /// Becomes the owner of the part's ring on this node. Fails when another bridge of this name
    /// lives.
    pub fn attach(config: &Config, part: Author) -> Result<Witness, RingError> {
        let name = part.producer(&config.node);
        let producer = attach(&config.state_dir, &name)?;
        Ok(Witness {
            producer,
            state_dir: config.state_dir.clone(),
            node: config.node.clone(),
            name,
            mode: config.witness,
            buffer: Vec::with_capacity(1_024),
            taking: true,
            dropped: 0,
        })
    }

    /// Hands an entry to the writer. Without room, a `decision` is an error in mode `required`;
    /// anything else is dropped, its sequence number used up so that the hole can be proved. Gives
    /// the entry's leaf hash, unless it was dropped.
    pub fn record(&mut self, fact: &Fact<'_>, decision: bool) -> Result<Option<Leaf>, Unwitnessed> {
        match self.push(fact) {
            Ok(leaf) => {
                self.taking = true;
                Ok(Some(leaf))
            }
            Err(error) => {
                self.taking = false;
                if decision && self.mode == WitnessMode::Required {
                    return Err(Unwitnessed(error));
                }
                self.dropped += 1;
                // A ring that takes no skip either is closed: its writer reports the gap.
                let _ = self.producer.skip();
                Ok(None)
            }
        }
    }

    fn push(&mut self, fact: &Fact<'_>) -> Result<Leaf, PushError> {
        match self.push_once(fact) {
            // The writer found damage and reads that ring no more: a new one is made.
            Err(PushError::Closed) => {
                if let Ok(producer) = attach(&self.state_dir, &self.name) {
                    self.producer = producer;
                }
                self.push_once(fact)
            }
            result => result,
        }
    }

    fn push_once(&mut self, fact: &Fact<'_>) -> Result<Leaf, PushError> {
        let (epoch, seq) = (self.producer.epoch(), self.producer.next_seq());
        let decided = fact.decision.unwrap_or_default();
        let entry = Entry {
            trace_id: fact.trace_id.map(str::as_bytes),
            call_id: fact.call_id.map(str::as_bytes),
            direction: fact.direction,
            hazard: fact.hazard.map(str::as_bytes),
            expert: fact.expert.map(str::as_bytes),
            approved: fact.approved,
            gate: fact.gate,
            code: fact.code.map(u32::from),
            kid: fact.kid.map(str::as_bytes),
            reason: fact.reason.map(str::as_bytes),
            cause: fact.cause.map(|cause| cause.value().into()),
            means: fact.means.map(Acceptance::as_str),
            attempt: fact.attempt.map(u32::from),
            state: fact.state,
            room: fact.room.map(str::as_bytes),
            guardian: fact.guardian.map(str::as_bytes),
            choice: decided.choice.map(str::as_bytes),
            assurance: decided.assurance.map(Assurance::as_str),
            text_sha256: decided.text_sha256,
            message_sha256: decided.sha256.or(fact.message_sha256),
            evidence: fact.evidence,
            channel: fact.channel,
            outcome: fact.outcome,
            participant: fact.participant.map(str::as_bytes),
            size: fact.size,
            detail: Some(fact.detail.as_bytes()).filter(|detail| !detail.is_empty()),
            ..Entry::new(
                clock::unix_ns(),
                &self.node,
                &self.name,
                epoch,
                seq,
                fact.event,
            )
        };
        // Only numbers beyond 2^53 are an error: neither epoch nor seq can get there.
        encode(&entry, &mut self.buffer).map_err(|_| PushError::TooLarge)?;
        self.producer.push(&self.buffer)?;
        Ok(leaf_hash(&self.buffer))
    }

    /// Whether entries are taken and a writer is there to log them.
    pub fn is_healthy(&self, now_unix_ms: u64) -> bool {
        let seen = writer_seen(&self.state_dir).map_or(0, |seen| seen.unix_ms);
        self.taking && now_unix_ms.saturating_sub(seen) < WRITER_SILENT_MS_MAX
    }

    /// Entries that were dropped.
    pub fn dropped(&self) -> u64 {
        self.dropped
    }
}

impl std::fmt::Debug for Witness {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Witness")
            .field("name", &self.name)
            .field("mode", &self.mode)
            .finish_non_exhaustive()
    }
}

fn attach(state_dir: &Path, name: &str) -> Result<Producer, RingError> {
    Producer::attach(&RingConfig {
        state_dir,
        producer: name,
        capacity: 0,
    })
}
