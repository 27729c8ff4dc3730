//! Witness entries: one event each, canonical JSON (RFC 8785), at most [`ENTRY_SIZE_MAX`] bytes.
//!
//! The bytes that [`encode`] writes are final: they are hashed, logged and verified unchanged.

mod author;
mod evidence;
mod json;
mod object;

use sha2::{Digest, Sha256};

use object::Object;

pub use author::Author;
pub use evidence::{Evidence, FILE_IDS_MAX};
pub use ife_words::{Direction, Event};

/// Largest encoded entry in bytes.
pub const ENTRY_SIZE_MAX: usize = 16 * 1024;

/// Largest number that JSON readers keep exact (RFC 8785 section 3.2.2.3): 2^53 - 1.
pub const NUMBER_MAX: u64 = (1 << 53) - 1;

/// Encoded length to which each text is cut when cutting the SDP alone is not enough.
const TEXT_KEPT: usize = 600;

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
    /// The refusal was not carried out: the gate was in shadow mode.
    pub shadow: bool,
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
    /// Way to notify an expert of a call.
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
            shadow: false,
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
    object.members_before_flag(entry);
    // `fields_truncated` comes before "from" and most of the texts, so the flag is set beforehand.
    if limits.text != usize::MAX {
        object.flag("fields_truncated");
        written.text_cut = true;
    }
    object.members_before_sdp(entry);
    if let Some(sdp) = entry.sdp {
        object.key("sdp");
        (written.sdp_len, written.sdp_cut) = object.string_within(sdp, limits.sdp);
    }
    object.hash("sdp_sha256", sdp_sha256);
    if written.sdp_cut {
        object.flag("sdp_truncated");
    }
    object.members_after_sdp(entry);
    out.push(b'}');
    written
}

impl Object<'_> {
    fn members_before_flag(&mut self, entry: &Entry<'_>) {
        self.name("assurance", entry.assurance);
        self.number("attempt", entry.attempt.map(u64::from));
        self.text("call_id", entry.call_id);
        self.number("cause", entry.cause.map(u64::from));
        self.name("channel", entry.channel);
        self.text("choice", entry.choice);
        self.number("code", entry.code.map(u64::from));
        self.number("cseq", entry.cseq.map(u64::from));
        self.text("detail", entry.detail);
        self.name("direction", entry.direction.map(Direction::as_str));
        self.number("epoch", Some(entry.epoch));
        self.name("event", Some(entry.event.as_str()));
        if let Some(evidence) = entry.evidence {
            self.evidence(evidence);
        }
        self.text("expert", entry.expert);
    }

    fn members_before_sdp(&mut self, entry: &Entry<'_>) {
        self.text("from", entry.from);
        if let Some(gap) = &entry.gap {
            self.gap(gap);
        }
        self.text("gate", entry.gate.map(str::as_bytes));
        self.text("guardian", entry.guardian);
        self.text("hazard", entry.hazard);
        self.text("kid", entry.kid);
        self.name("means", entry.means);
        self.hash("message_sha256", entry.message_sha256);
        self.text("node", Some(entry.node.as_bytes()));
        if let Some(omitted) = &entry.omitted {
            self.omitted(omitted);
        }
        self.name("outcome", entry.outcome);
        self.text("participant", entry.participant);
        self.text("peer", entry.peer);
        self.text("producer", Some(entry.producer.as_bytes()));
        self.text("reason", entry.reason);
        self.text("room", entry.room);
        self.text("ruri", entry.ruri);
    }

    fn members_after_sdp(&mut self, entry: &Entry<'_>) {
        self.number("seq", Some(entry.seq));
        if entry.shadow {
            self.flag("shadow");
        }
        self.number("size", entry.size);
        self.name("state", entry.state);
        self.hash("text_sha256", entry.text_sha256);
        self.key("time");
        self.time(entry.time_unix_ns);
        self.text("to", entry.to);
        self.text("trace_id", entry.trace_id);
        self.number("v", Some(FORMAT_VERSION));
        self.name(
            "verdict",
            entry
                .approved
                .map(|yes| if yes { "approved" } else { "rejected" }),
        );
    }
}
