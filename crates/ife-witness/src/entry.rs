//! Witness entries: one event each, canonical JSON (RFC 8785), at most [`ENTRY_SIZE_MAX`] bytes.
//!
//! The bytes that [`encode`] writes are final: they are hashed, logged and verified unchanged.

mod author;
mod json;

use ife_words::{hex, time};
use sha2::{Digest, Sha256};

pub use author::Author;
pub use ife_words::{Direction, Event};

/// Largest encoded entry in bytes.
pub const ENTRY_SIZE_MAX: usize = 16 * 1024;

/// Largest number that JSON readers keep exact (RFC 8785 section 3.2.2.3): 2^53 - 1.
pub const NUMBER_MAX: u64 = (1 << 53) - 1;

/// Encoded length to which each text is cut when cutting the SDP alone is not enough.
const TEXT_KEPT: usize = 600;

/// The same for the texts of `evidence`: a digest is whole.
const EVIDENCE_TEXT_KEPT: usize = 80;

/// Largest number of ids in a list of files; those beyond are left out.
pub const FILE_IDS_MAX: usize = 64;

/// Version of the entry format, field `v`.
const FORMAT_VERSION: u64 = 1;

/// Holes in a producer's sequence numbers, reported by the writer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gap<'a> {
    /// Name of the producer whose numbers are missing.
    pub producer: &'a str,
    /// Epoch of the first record after the hole, or of the producer's last owner.
    pub epoch: u64,
    /// First missing number.
    pub first_seq: u64,
    /// Number of missing sequence numbers.
    pub count: u64,
}

/// Entries left out of the log to spare the disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Omitted {
    /// Number of entries.
    pub count: u64,
    /// Lower bound of their times, ns since 1970-01-01 UTC.
    pub first_unix_ns: u64,
    /// Upper bound of their times.
    pub last_unix_ns: u64,
}

/// What an entry of an evidence server says of its session; an absent member is left out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Evidence<'a> {
    /// Name of the session.
    pub session: Option<&'a str>,
    /// Number of the connection within the session.
    pub peer: Option<u64>,
    /// SHA-256 by which messages are bound to the connection.
    pub binding: Option<&'a str>,
    /// The expert's public key.
    pub key: Option<&'a str>,
    /// SHA-256 of the signed list of files.
    pub manifest: Option<&'a str>,
    /// Number of files in it.
    pub files: Option<u32>,
    /// Bytes of all files together.
    pub bytes: Option<u64>,
    /// Id of the file that the entry is about.
    pub file: Option<u32>,
    /// Its name.
    pub name: Option<&'a str>,
    /// Its size in bytes.
    pub size: Option<u64>,
    /// Its SHA-256.
    pub sha256: Option<&'a str>,
    /// Ids of the files that the expert has verified.
    pub verified: Option<&'a [u32]>,
    /// Ids of the files that the expert could not verify.
    pub failed: Option<&'a [u32]>,
    /// SHA-256 of the signed receipt.
    pub receipt: Option<&'a str>,
    /// The failure, in one word.
    pub error: Option<&'a str>,
}

/// One event. Texts are untrusted bytes; an absent field is left out of the JSON.
#[derive(Clone, Copy, Debug)]
pub struct Entry<'a> {
    /// Time in ns since 1970-01-01 UTC.
    pub time_unix_ns: u64,
    /// Name of the host.
    pub node: &'a str,
    /// Name of the producer, which is also the name of its ring.
    pub producer: &'a str,
    /// [`Producer::epoch`](crate::ring::Producer::epoch); at most [`NUMBER_MAX`].
    pub epoch: u64,
    /// [`Producer::next_seq`](crate::ring::Producer::next_seq); at most [`NUMBER_MAX`].
    pub seq: u64,
    /// The event.
    pub event: Event,
    /// Trace id, common to all entries of one escalation.
    pub trace_id: Option<&'a [u8]>,
    /// SIP Call-ID.
    pub call_id: Option<&'a [u8]>,
    /// SIP CSeq number.
    pub cseq: Option<u32>,
    /// The direction of the call.
    pub direction: Option<Direction>,
    /// Caller.
    pub from: Option<&'a [u8]>,
    /// Callee as addressed.
    pub to: Option<&'a [u8]>,
    /// The Request-URI: the address that the call is sent to.
    pub ruri: Option<&'a [u8]>,
    /// Network peer, `transport:address:port`.
    pub peer: Option<&'a [u8]>,
    /// Hazard name.
    pub hazard: Option<&'a [u8]>,
    /// The gate's verdict: true approved, false rejected.
    pub approved: Option<bool>,
    /// Name of the gate that decided.
    pub gate: Option<&'a str>,
    /// SIP status or cause code.
    pub code: Option<u32>,
    /// SIP reason phrase or cause text.
    pub reason: Option<&'a [u8]>,
    /// Key id of the signature.
    pub kid: Option<&'a [u8]>,
    /// Expert id.
    pub expert: Option<&'a [u8]>,
    /// Session description; cut first when an entry is too large.
    pub sdp: Option<&'a [u8]>,
    /// SHA-256 of the whole `sdp`; computed when absent and `sdp` is present.
    pub sdp_sha256: Option<[u8; 32]>,
    /// SHA-256 of the whole message.
    pub message_sha256: Option<[u8; 32]>,
    /// Q.850 cause of a release.
    pub cause: Option<u32>,
    /// By which means an expert accepted a call, or declined it: `key`, `page` or `none`.
    pub means: Option<&'static str>,
    /// Number of the attempt to reach an expert, from 0.
    pub attempt: Option<u32>,
    /// State of the bridge's call.
    pub state: Option<&'static str>,
    /// The council's room.
    pub room: Option<&'a [u8]>,
    /// Name of a guardian, a member of the council.
    pub guardian: Option<&'a [u8]>,
    /// The choice of a decision.
    pub choice: Option<&'a [u8]>,
    /// What signed a decision.
    pub assurance: Option<&'static str>,
    /// SHA-256 of the text of a decision.
    pub text_sha256: Option<[u8; 32]>,
    /// The evidence session that the entry is about.
    pub evidence: Option<&'a Evidence<'a>>,
    /// Way by which an expert is told of a call.
    pub channel: Option<&'static str>,
    /// One word: the end of a notification, or how far a message has come.
    pub outcome: Option<&'static str>,
    /// A member of the room: its name in the API, with its channel.
    pub participant: Option<&'a [u8]>,
    /// Bytes of a message between agents and an expert.
    pub size: Option<u64>,
    /// Further facts, for a person.
    pub detail: Option<&'a [u8]>,
    /// The missing numbers; only with [`Event::Gap`].
    pub gap: Option<Gap<'a>>,
    /// The entries that this one replaces; they are of the same kind.
    pub omitted: Option<Omitted>,
}

impl<'a> Entry<'a> {
    /// Returns an entry with all optional fields absent.
    #[must_use]
    pub const fn new(
        time_unix_ns: u64,
        node: &'a str,
        producer: &'a str,
        epoch: u64,
        seq: u64,
        event: Event,
    ) -> Self {
        Self {
            time_unix_ns,
            node,
            producer,
            epoch,
            seq,
            event,
            trace_id: None,
            call_id: None,
            cseq: None,
            direction: None,
            from: None,
            to: None,
            ruri: None,
            peer: None,
            hazard: None,
            approved: None,
            gate: None,
            code: None,
            reason: None,
            kid: None,
            expert: None,
            sdp: None,
            sdp_sha256: None,
            message_sha256: None,
            cause: None,
            means: None,
            attempt: None,
            state: None,
            room: None,
            guardian: None,
            choice: None,
            assurance: None,
            text_sha256: None,
            evidence: None,
            channel: None,
            outcome: None,
            participant: None,
            size: None,
            detail: None,
            gap: None,
            omitted: None,
        }
    }
}

/// The cuts that [`encode`] made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Encoded {
    /// The SDP was cut (`sdp_truncated`); its hash covers the whole SDP.
    pub sdp_truncated: bool,
    /// Other texts were cut as well (`fields_truncated`).
    pub fields_truncated: bool,
}

/// Reasons why an entry cannot be encoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EntryError {
    /// A number that JSON readers would round.
    #[error("{field} {value} is over 2^53 - 1, which JSON cannot hold exactly")]
    NumberTooLarge {
        /// Name of the field.
        field: &'static str,
        /// Its value.
        value: u64,
    },
}

/// Writes the canonical JSON of `entry` into `out` and replaces its previous content.
///
/// Allocates only to grow `out`. Over [`ENTRY_SIZE_MAX`] bytes the SDP is cut; if that is not
/// enough, every other text is cut too, so that any input gives an entry.
///
/// # Errors
/// A sequence number or epoch over [`NUMBER_MAX`].
pub fn encode(entry: &Entry<'_>, out: &mut Vec<u8>) -> Result<Encoded, EntryError> {
    check_numbers(entry)?;
    let sdp_sha256 = entry
        .sdp_sha256
        .or_else(|| entry.sdp.map(|sdp| Sha256::digest(sdp).into()));
    let mut limits = Limits {
        text: usize::MAX,
        sdp: usize::MAX,
    };
    let mut written = write(entry, sdp_sha256, limits, out);
    if out.len() > ENTRY_SIZE_MAX {
        let without_sdp = out.len() - written.sdp_len + r#","sdp_truncated":true"#.len();
        if without_sdp > ENTRY_SIZE_MAX {
            // 20 texts of this length, and `evidence` with 8 texts and two lists of its own, stay
            // below the limit, so at least one is cut.
            limits = Limits {
                text: TEXT_KEPT,
                sdp: TEXT_KEPT,
            };
        } else {
            limits.sdp = ENTRY_SIZE_MAX - without_sdp;
        }
        written = write(entry, sdp_sha256, limits, out);
    }
    debug_assert!(out.len() <= ENTRY_SIZE_MAX);
    Ok(Encoded {
        sdp_truncated: written.sdp_cut,
        fields_truncated: written.text_cut,
    })
}

/// Returns the RFC 6962 leaf hash of an encoded entry: `SHA-256(0x00 || entry)`.
#[must_use]
pub fn leaf_hash(entry: &[u8]) -> [u8; 32] {
    Sha256::new()
        .chain_update([0])
        .chain_update(entry)
        .finalize()
        .into()
}

fn check_numbers(entry: &Entry<'_>) -> Result<(), EntryError> {
    let gap = entry
        .gap
        .map_or([0; 3], |g| [g.epoch, g.first_seq, g.count]);
    let evidence = entry
        .evidence
        .map_or([None; 3], |e| [e.peer, e.bytes, e.size])
        .map(Option::unwrap_or_default);
    let numbers = [
        ("epoch", entry.epoch),
        ("seq", entry.seq),
        ("size", entry.size.unwrap_or(0)),
        ("gap.epoch", gap[0]),
        ("gap.first_seq", gap[1]),
        ("gap.count", gap[2]),
        (
            "omitted.count",
            entry.omitted.map_or(0, |omitted| omitted.count),
        ),
        ("evidence.peer", evidence[0]),
        ("evidence.bytes", evidence[1]),
        ("evidence.size", evidence[2]),
    ];
    match numbers.into_iter().find(|&(_, value)| value > NUMBER_MAX) {
        Some((field, value)) => Err(EntryError::NumberTooLarge { field, value }),
        None => Ok(()),
    }
}

/// Largest encoded length of a text, and of the SDP.
#[derive(Clone, Copy)]
struct Limits {
    text: usize,
    sdp: usize,
}

struct Written {
    sdp_len: usize,
    sdp_cut: bool,
    text_cut: bool,
}

/// Writes all members in the order of RFC 8785 section 3.2.3, here that of their bytes.
fn write(
    entry: &Entry<'_>,
    sdp_sha256: Option<[u8; 32]>,
    limits: Limits,
    out: &mut Vec<u8>,
) -> Written {
    out.clear();
    out.push(b'{');
    let mut object = Object {
        out,
        limit: limits.text,
    };
    let mut written = Written {
        sdp_len: 0,
        sdp_cut: false,
        text_cut: false,
    };
    // `fields_truncated` comes before "from" and most of the texts, so the flag is set beforehand.
    let text_cut = limits.text != usize::MAX;
    object.name("assurance", entry.assurance);
    object.number("attempt", entry.attempt.map(u64::from));
    object.text("call_id", entry.call_id);
    object.number("cause", entry.cause.map(u64::from));
    object.name("channel", entry.channel);
    object.text("choice", entry.choice);
    object.number("code", entry.code.map(u64::from));
    object.number("cseq", entry.cseq.map(u64::from));
    object.text("detail", entry.detail);
    object.name("direction", entry.direction.map(Direction::as_str));
    object.number("epoch", Some(entry.epoch));
    object.name("event", Some(entry.event.as_str()));
    if let Some(evidence) = entry.evidence {
        object.evidence(evidence);
    }
    object.text("expert", entry.expert);
    if text_cut {
        object.flag("fields_truncated");
        written.text_cut = true;
    }
    object.text("from", entry.from);
    if let Some(gap) = &entry.gap {
        object.gap(gap);
    }
    object.text("gate", entry.gate.map(str::as_bytes));
    object.text("guardian", entry.guardian);
    object.text("hazard", entry.hazard);
    object.text("kid", entry.kid);
    object.name("means", entry.means);
    object.hash("message_sha256", entry.message_sha256);
    object.text("node", Some(entry.node.as_bytes()));
    if let Some(omitted) = &entry.omitted {
        object.omitted(omitted);
    }
    object.name("outcome", entry.outcome);
    object.text("participant", entry.participant);
    object.text("peer", entry.peer);
    object.text("producer", Some(entry.producer.as_bytes()));
    object.text("reason", entry.reason);
    object.text("room", entry.room);
    object.text("ruri", entry.ruri);
    if let Some(sdp) = entry.sdp {
        object.key("sdp");
        (written.sdp_len, written.sdp_cut) = object.string_within(sdp, limits.sdp);
    }
    object.hash("sdp_sha256", sdp_sha256);
    if written.sdp_cut {
        object.flag("sdp_truncated");
    }
    object.number("seq", Some(entry.seq));
    object.number("size", entry.size);
    object.name("state", entry.state);
    object.hash("text_sha256", entry.text_sha256);
    object.key("time");
    object.time(entry.time_unix_ns);
    object.text("to", entry.to);
    object.text("trace_id", entry.trace_id);
    object.number("v", Some(FORMAT_VERSION));
    object.name(
        "verdict",
        entry
            .approved
            .map(|yes| if yes { "approved" } else { "rejected" }),
    );
    out.push(b'}');
    written
}

struct Object<'o> {
    out: &'o mut Vec<u8>,
    limit: usize,
}

impl Object<'_> {
    fn key(&mut self, key: &str) {
        if self.out.last() != Some(&b'{') {
            self.out.push(b',');
        }
        self.out.push(b'"');
        self.out.extend_from_slice(key.as_bytes());
        self.out.extend_from_slice(b"\":");
    }

    /// Returns the encoded length without the quotes, and whether the text was cut.
    fn string_within(&mut self, text: &[u8], limit: usize) -> (usize, bool) {
        self.out.push(b'"');
        let start = self.out.len();
        let whole = if limit == usize::MAX {
            json::escape(text, self.out);
            true
        } else {
            json::escape_within(text, limit, self.out)
        };
        let len = self.out.len() - start;
        self.out.push(b'"');
        (len, !whole)
    }

    fn text(&mut self, key: &str, text: Option<&[u8]>) {
        let Some(text) = text else { return };
        self.key(key);
        self.string_within(text, self.limit);
    }

    fn name(&mut self, key: &str, name: Option<&'static str>) {
        self.text(key, name.map(str::as_bytes));
    }

    fn number(&mut self, key: &str, number: Option<u64>) {
        let Some(number) = number else { return };
        self.key(key);
        json::number(number, self.out);
    }

    fn hash(&mut self, key: &str, hash: Option<[u8; 32]>) {
        let Some(hash) = hash else { return };
        self.key(key);
        self.out.push(b'"');
        self.out.extend_from_slice(&hex::digits_of_32(&hash));
        self.out.push(b'"');
    }

    fn flag(&mut self, key: &str) {
        self.key(key);
        self.out.extend_from_slice(b"true");
    }

    fn time(&mut self, unix_ns: u64) {
        self.out.push(b'"');
        time::append_ns(unix_ns, self.out);
        self.out.push(b'"');
    }

    fn gap(&mut self, gap: &Gap<'_>) {
        self.key("gap");
        self.out.push(b'{');
        self.number("count", Some(gap.count));
        self.number("epoch", Some(gap.epoch));
        self.number("first_seq", Some(gap.first_seq));
        self.text("producer", Some(gap.producer.as_bytes()));
        self.out.push(b'}');
    }

    fn ids(&mut self, key: &str, ids: Option<&[u32]>) {
        let Some(ids) = ids else { return };
        self.key(key);
        self.out.push(b'[');
        for (place, id) in ids.iter().take(FILE_IDS_MAX).enumerate() {
            if place > 0 {
                self.out.push(b',');
            }
            json::number((*id).into(), self.out);
        }
        self.out.push(b']');
    }

    fn evidence(&mut self, evidence: &Evidence<'_>) {
        self.key("evidence");
        self.out.push(b'{');
        let whole = self.limit;
        if whole != usize::MAX {
            self.limit = EVIDENCE_TEXT_KEPT;
        }
        self.text("binding", evidence.binding.map(str::as_bytes));
        self.number("bytes", evidence.bytes);
        self.text("error", evidence.error.map(str::as_bytes));
        self.ids("failed", evidence.failed);
        self.number("file", evidence.file.map(u64::from));
        self.number("files", evidence.files.map(u64::from));
        self.text("key", evidence.key.map(str::as_bytes));
        self.text("manifest", evidence.manifest.map(str::as_bytes));
        self.text("name", evidence.name.map(str::as_bytes));
        self.number("peer", evidence.peer);
        self.text("receipt", evidence.receipt.map(str::as_bytes));
        self.text("session", evidence.session.map(str::as_bytes));
        self.text("sha256", evidence.sha256.map(str::as_bytes));
        self.number("size", evidence.size);
        self.ids("verified", evidence.verified);
        self.limit = whole;
        self.out.push(b'}');
    }

    fn omitted(&mut self, omitted: &Omitted) {
        self.key("omitted");
        self.out.push(b'{');
        self.number("count", Some(omitted.count));
        self.key("first");
        self.time(omitted.first_unix_ns);
        self.key("last");
        self.time(omitted.last_unix_ns);
        self.out.push(b'}');
    }
}
