//! This process's end of the witness log: builds entries and pushes them into its ring.

use std::fmt::Write;
use std::time::Duration;

use ife_guard::{HeaderValue, Text, Verdict};
use ife_message::{Hazard, TraceId};
use ife_witness::entry::{self, Entry, Event, Omitted};
use ife_witness::ring::{Producer, PushError, RecordEnd};
use sha2::{Digest, Sha256};

use crate::message::Message;
use crate::sdp;
use crate::shared::calls::Call;

/// Bodies up to this size are kept for comparison with the next; larger ones are hashed every time.
const REMEMBERED_LEN_MAX: usize = 64 * 1024;

/// Longest text, in bytes, of each sender's field in an entry about a refused request.
const REFUSED_TEXT_LEN_MAX: usize = 128;

/// The ring and its buffers, which grow to the largest entry and stay.
pub(crate) struct Witness {
    producer: Producer,
    node: String,
    name: String,
    /// Shadow mode: refusals are not carried out, and their entries are marked.
    shadow: bool,
    buffer: Vec<u8>,
    message_hash: HashMemo,
    sdp_hash: HashMemo,
}

/// An encoded entry that is not pushed yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Prepared {
    pub(crate) seq: u64,
    pub(crate) leaf_hash: [u8; 32],
    pub(crate) end: RecordEnd,
}

impl Witness {
    pub(crate) fn new(producer: Producer, node: &str, name: String, shadow: bool) -> Self {
        Self {
            producer,
            node: node.to_owned(),
            name,
            shadow,
            buffer: Vec::with_capacity(entry::ENTRY_SIZE_MAX),
            message_hash: HashMemo::default(),
            sdp_hash: HashMemo::default(),
        }
    }

    /// Encodes the entry of a decision about `msg`.
    pub(crate) fn prepare_decision(
        &mut self,
        msg: &Message<'_>,
        verdict: &Verdict,
        unix_ns: u64,
    ) -> Result<Prepared, entry::EntryError> {
        let event = if verdict.approved {
            Event::Approved
        } else {
            Event::Rejected
        };
        let peer = peer_text(msg);
        let mut buffer = std::mem::take(&mut self.buffer);
        let message_sha256 = self.message_hash.of(msg.raw);
        let sdp = if verdict.approved {
            sdp::find(msg.content_type, msg.body)
        } else {
            None
        };
        // The hash is that of the SDP as sent; the text is kept without secrets.
        let sdp_sha256 = sdp.and_then(|sdp| self.sdp_hash.of(sdp));
        let sdp = sdp.map(sdp::masked);
        let mut entry = self.of_message(msg, event, unix_ns, &peer);
        entry.message_sha256 = message_sha256;
        if verdict.approved {
            entry.sdp = sdp.as_deref();
            entry.sdp_sha256 = sdp_sha256;
        } else {
            cut_texts(&mut entry);
        }
        entry.trace_id = some(&verdict.trace_id);
        entry.hazard = some(&verdict.hazard);
        entry.kid = some(&verdict.kid);
        entry.expert = some(&verdict.expert);
        entry.direction = verdict.direction;
        entry.approved = Some(verdict.approved);
        entry.gate = (!verdict.approved).then(|| verdict.gate.as_str());
        entry.shadow = self.shadow && !verdict.approved;
        entry.code = Some(u32::from(verdict.code));
        entry.reason = Some(verdict.reason.as_bytes());
        entry.detail = some(&verdict.detail);
        let prepared = self.finish(&entry, &mut buffer);
        self.buffer = buffer;
        prepared
    }

    /// Encodes the entry of an event; facts of the call replace members that the message lacks.
    pub(crate) fn prepare_event(
        &mut self,
        msg: &Message<'_>,
        event: Event,
        detail: &[u8],
        call: Option<&Call>,
        unix_ns: u64,
    ) -> Result<Prepared, entry::EntryError> {
        let peer = peer_text(msg);
        let mut buffer = std::mem::take(&mut self.buffer);
        let trace_id = parsed(msg.trace_id, TraceId::parse);
        let hazard = parsed(msg.hazard, Hazard::parse);
        let message_sha256 = self.message_hash.of(msg.raw);
        let sdp = if kind_of(event) == Kind::Session {
            sdp::find(msg.content_type, msg.body)
        } else {
            None
        };
        // The hash is that of the SDP as sent; the text is kept without secrets.
        let sdp_sha256 = sdp.and_then(|sdp| self.sdp_hash.of(sdp));
        let sdp = sdp.map(sdp::masked);
        let mut entry = self.of_message(msg, event, unix_ns, &peer);
        entry.message_sha256 = message_sha256;
        entry.sdp = sdp.as_deref();
        entry.sdp_sha256 = sdp_sha256;
        entry.trace_id = trace_id.as_ref().map(TraceId::as_bytes);
        entry.hazard = hazard.as_ref().map(Hazard::as_bytes);
        if event == Event::Cancel && call.is_none() {
            // A CANCEL of no call must not appear among the entries of the call that it names.
            entry.trace_id = None;
            entry.hazard = None;
        }
        if let Some(call) = call {
            entry.trace_id = some(&call.trace_id);
            entry.hazard = some(&call.hazard);
            entry.kid = some(&call.kid);
            entry.expert = some(&call.expert);
            entry.direction = call.direction;
        }
        entry.approved = (event == Event::Rejected).then_some(false);
        if msg.status_code != 0 {
            entry.code = Some(msg.status_code);
            entry.reason = present(msg.reason_phrase);
        }
        entry.detail = present(detail);
        let prepared = self.finish(&entry, &mut buffer);
        self.buffer = buffer;
        prepared
    }

    /// Encodes an entry about this process, or about omitted refusals.
    pub(crate) fn prepare_own(
        &mut self,
        event: Event,
        detail: &str,
        omitted: Option<Omitted>,
        unix_ns: u64,
    ) -> Result<Prepared, entry::EntryError> {
        let mut buffer = std::mem::take(&mut self.buffer);
        let mut entry = self.blank(event, unix_ns);
        entry.detail = present(detail.as_bytes());
        entry.omitted = omitted;
        entry.approved = (event == Event::Rejected).then_some(false);
        entry.shadow = self.shadow && event == Event::Rejected;
        let prepared = self.finish(&entry, &mut buffer);
        self.buffer = buffer;
        prepared
    }

    /// Pushes the entry prepared last into the ring.
    pub(crate) fn push(&mut self, prepared: Prepared) -> Result<(), PushError> {
        debug_assert_eq!(prepared.seq, self.producer.next_seq());
        self.producer.push(&self.buffer).map(drop)
    }

    /// Returns the number of entries of all producers that are on disk.
    pub(crate) fn log_size(&self) -> u64 {
        self.producer.log_size()
    }

    /// Pushes like [`Self::push`], if one part in `reserve` of the ring stays free afterwards.
    pub(crate) fn push_above(&mut self, prepared: Prepared, reserve: u64) -> Result<(), PushError> {
        let (used, capacity) = self.producer.usage();
        if used > capacity - capacity / reserve {
            return Err(PushError::Full);
        }
        self.push(prepared)
    }

    /// Uses up a sequence number, so that an entry that was dropped leaves a provable hole.
    pub(crate) fn skip(&mut self) {
        // Fails only if the ring is gone; then the next ring shows the hole.
        let _ = self.producer.skip();
    }

    /// Returns true once the entry is on disk; waits at most `timeout`.
    pub(crate) fn wait(&self, seq: u64, timeout: Duration) -> bool {
        self.producer.wait_durable(seq, timeout).is_ok()
    }

    fn finish(
        &self,
        entry: &Entry<'_>,
        buffer: &mut Vec<u8>,
    ) -> Result<Prepared, entry::EntryError> {
        entry::encode(entry, buffer)?;
        Ok(Prepared {
            seq: entry.seq,
            leaf_hash: entry::leaf_hash(buffer),
            end: self.producer.record_end(buffer.len()),
        })
    }

    fn blank(&self, event: Event, unix_ns: u64) -> Entry<'_> {
        Entry::new(
            unix_ns,
            &self.node,
            &self.name,
            self.producer.epoch(),
            self.producer.next_seq(),
            event,
        )
    }

    fn of_message<'a>(
        &'a self,
        msg: &Message<'a>,
        event: Event,
        unix_ns: u64,
        peer: &'a Text<64>,
    ) -> Entry<'a> {
        let mut entry = self.blank(event, unix_ns);
        entry.call_id = present(msg.call_id);
        entry.cseq = (!msg.call_id.is_empty()).then_some(msg.cseq);
        entry.from = present(msg.from_uri);
        entry.to = present(msg.to_uri);
        entry.ruri = present(msg.ruri);
        entry.peer = some(peer);
        entry
    }
}

/// Remembers the last SHA-256. Bytes are compared, not addresses: a server reuses its buffers.
#[derive(Default)]
struct HashMemo {
    bytes: Vec<u8>,
    hash: [u8; 32],
}

impl HashMemo {
    /// Returns the hash; `None` for no bytes.
    fn of(&mut self, bytes: &[u8]) -> Option<[u8; 32]> {
        if bytes.is_empty() {
            return None;
        }
        if self.bytes == bytes {
            return Some(self.hash);
        }
        let hash = Sha256::digest(bytes).into();
        self.bytes.clear();
        if bytes.len() <= REMEMBERED_LEN_MAX {
            self.bytes.extend_from_slice(bytes);
            self.hash = hash;
        }
        Some(hash)
    }
}

/// Cuts a stranger's texts: any sender can be refused, so they take little room in the log. The
/// hash of the whole message stays.
fn cut_texts(entry: &mut Entry<'_>) {
    for text in [
        &mut entry.call_id,
        &mut entry.from,
        &mut entry.to,
        &mut entry.ruri,
    ] {
        *text = text.map(|text| text.get(..REFUSED_TEXT_LEN_MAX).unwrap_or(text));
    }
}

/// The kind of message that an event reports.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// The message offers or answers a session.
    Session,
    /// Any sender can cause it, without an approved call.
    Stray,
    /// Any other.
    Other,
}

pub(crate) fn kind_of(event: Event) -> Kind {
    match event {
        Event::Invite
        | Event::Reinvite
        | Event::Trying
        | Event::Ringing
        | Event::Connected
        | Event::Ack => Kind::Session,
        Event::Rejected | Event::Cancel => Kind::Stray,
        Event::Escalate
        | Event::Approved
        | Event::Bye
        | Event::Failed
        | Event::Terminated
        | Event::H323Setup
        | Event::H323Connected
        | Event::H323Released
        | Event::CouncilJoin
        | Event::CouncilLeave
        | Event::Briefing
        | Event::Accepted
        | Event::Admission
        | Event::Mute
        | Event::Unmute
        | Event::Remove
        | Event::Decision
        | Event::DecisionRefused
        | Event::NoDecision
        | Event::Notified
        | Event::RoomOpen
        | Event::RoomEnd
        | Event::Message
        | Event::EvidenceOffer
        | Event::EvidenceAnswer
        | Event::EvidenceOpen
        | Event::EvidenceSent
        | Event::EvidenceVerified
        | Event::EvidenceFailed
        | Event::Reload
        | Event::Start
        | Event::Stop
        | Event::Gap => Kind::Other,
    }
}

fn present(bytes: &[u8]) -> Option<&[u8]> {
    (!bytes.is_empty()).then_some(bytes)
}

fn some<const N: usize>(text: &Text<N>) -> Option<&[u8]> {
    present(text.as_bytes())
}

fn parsed<T, E>(header: HeaderValue<'_>, parse: impl FnOnce(&[u8]) -> Result<T, E>) -> Option<T> {
    match header {
        HeaderValue::One(value) => parse(value).ok(),
        HeaderValue::Absent | HeaderValue::Many(_) => None,
    }
}

/// Returns a peer as `udp:192.0.2.1:5060`.
fn peer_text(msg: &Message<'_>) -> Text<64> {
    let mut text = Text::new();
    if let (Some(transport), Some(peer)) = (msg.transport, msg.peer) {
        // Writing to a Text cannot fail.
        let _ = write!(text, "{}:{peer}", transport.as_str());
    }
    text
}
