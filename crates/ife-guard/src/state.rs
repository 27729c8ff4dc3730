//! What the gates remember between calls, behind a trait: the shell keeps it in shared memory, tests in hash maps.

use std::net::IpAddr;

use sha2::{Digest, Sha256};

/// How long after its first sight the same attempt may come again: 64 x T1, timer B of RFC 3261 17.1.1.2.
pub const SAME_ATTEMPT_WINDOW_MS: u64 = 32_000;
/// How often the same attempt may come again after its first sight.
pub const SAME_ATTEMPT_REPEATS_MAX: u32 = 3;
/// Lease of a call that is not answered yet. Timer C of RFC 3261 16.6 (more than 3 minutes) ends it earlier on any proper proxy.
pub const SETUP_LEASE_S: u32 = 240;
/// The instant of a decision, on both clocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Now {
    /// Wall clock, milliseconds since 1970: for iat, not_before, not_after.
    pub unix_ms: u64,
    /// Clock that never jumps, milliseconds since any fixed start that all processes share: for buckets and leases.
    pub mono_ms: u64,
}

impl Now {
    /// Wall clock in whole seconds.
    #[must_use]
    pub fn unix_s(self) -> u64 {
        self.unix_ms / 1000
    }
}

/// Memory of the gates. Every method takes constant time and never blocks.
pub trait State {
    /// Takes one token from the bucket of `source`, which gains `rate_per_s` a second up to `burst`.
    fn take_token(&mut self, source: IpAddr, rate_per_s: u32, burst: u32, now: Now) -> Token;

    /// Notes a signature's identity, SHA-256 over kid, trace id and iat, as seen by `attempt`.
    ///
    /// The same `attempt` within [`SAME_ATTEMPT_WINDOW_MS`] of the first sight, at most [`SAME_ATTEMPT_REPEATS_MAX`] times,
    /// is [`Sight::SameAttempt`]; anything else seen before is [`Sight::Replayed`]. The record must live until
    /// `expires_unix_s`. A table that was born empty after `iat` answers [`Sight::BornLater`].
    fn first_sight(
        &mut self,
        key: &[u8; 32],
        attempt: u64,
        iat: u64,
        expires_unix_s: u64,
        now: Now,
    ) -> Sight;

    /// The same for a legacy signature, whose record lives for ever (in a file that outlives the host's restart).
    fn legacy_first_sight(&mut self, key: &[u8; 32], attempt: u64, now: Now) -> Sight;

    /// Starts a call of `expert` (see [`expert_number`]), or finds that a call of this key is under way. Asked in this order: under way,
    /// concurrent calls, room, calls per minute; only a call that starts is charged. [`crate::decide`] takes [`Begin::Already`] for a yes
    /// only from the same attempt.
    fn begin_call(&mut self, expert: u64, call: &CallKey, limits: CallLimits, now: Now) -> Begin;

    /// Takes back a call that [`Begin::Started`] in this decision: frees its slot. Replay and per-minute records stay spent.
    fn abort_call(&mut self, call: &CallKey);
}

/// Answer of [`State::take_token`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Token {
    /// One was there and is taken.
    Taken,
    /// None was there.
    Empty {
        /// Seconds until there is one, at least 1.
        retry_after_s: u32,
    },
    /// No room for the bucket of a new source: refuse.
    TableFull,
}

/// Answer of [`State::first_sight`] and [`State::legacy_first_sight`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sight {
    /// Never seen; noted.
    Fresh,
    /// Seen, and this is a permitted repetition of that attempt.
    SameAttempt,
    /// Seen before: refuse.
    Replayed,
    /// No room to note it: refuse.
    TableFull,
    /// Older than the table itself, so nobody can tell: refuse.
    BornLater,
    /// The store cannot be read or written: refuse.
    Unavailable,
}

/// Limits that [`State::begin_call`] applies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CallLimits {
    /// Calls that may start within any 60 s; 0 charges nothing (a repetition of an attempt that was charged).
    pub per_minute: u32,
    /// Calls that may be under way at once, at least 1.
    pub concurrent: u32,
    /// How long the slot is held if the end of the call is never seen and it is not answered, seconds.
    pub lease_s: u32,
    /// How long the slot is held, from the answer, if the end is never seen, seconds.
    pub max_call_s: u32,
}

/// Answer of [`State::begin_call`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Begin {
    /// A slot is taken.
    Started,
    /// This call holds a slot already.
    Already,
    /// The expert's calls per minute are spent.
    TooManyPerMinute {
        /// Seconds until one may start, at least 1.
        retry_after_s: u32,
    },
    /// The expert's concurrent calls are spent.
    TooManyConcurrent,
    /// No room for the call's record: refuse.
    TableFull,
}

/// Identity of a call: its Call-ID and the tag of its caller, each as the first 16 bytes of SHA-256.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct CallKey {
    /// Of the Call-ID alone, so that a table can be searched without the tags.
    pub call_id: [u8; 16],
    /// Of the caller's tag: From-tag of the INVITE.
    pub caller_tag: [u8; 16],
}

impl CallKey {
    /// From the raw Call-ID and a tag.
    #[must_use]
    pub fn new(call_id: &[u8], caller_tag: &[u8]) -> Self {
        Self {
            call_id: Self::hash(call_id),
            caller_tag: Self::hash(caller_tag),
        }
    }

    /// How both halves are made: the first 16 bytes of SHA-256.
    #[must_use]
    pub fn hash(bytes: &[u8]) -> [u8; 16] {
        let digest: [u8; 32] = Sha256::digest(bytes).into();
        let mut half = [0; 16];
        half.copy_from_slice(&digest[..16]);
        half
    }
}

/// The `expert` argument of [`State::begin_call`] for an expert id.
#[must_use]
pub fn expert_number(id: &str) -> u64 {
    let digest: [u8; 32] = Sha256::digest(id.as_bytes()).into();
    let mut first = [0; 8];
    first.copy_from_slice(&digest[..8]);
    u64::from_le_bytes(first)
}
