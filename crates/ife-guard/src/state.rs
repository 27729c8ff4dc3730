//! The gates' state between calls, as a trait: in shared memory for servers, in hash maps for
//! tests.

use std::net::IpAddr;

use sha2::{Digest, Sha256};

/// How long the same attempt may be repeated: 64 x T1, timer B of RFC 3261 17.1.1.2.
pub const SAME_ATTEMPT_WINDOW_MS: u64 = 32_000;
/// How often the same attempt may be repeated after its first sight.
pub const SAME_ATTEMPT_REPEATS_MAX: u32 = 3;
/// Lease of a call that is not answered yet. Timer C of RFC 3261 16.6 (more than 3 minutes) ends it
/// earlier on a conforming proxy.
pub const SETUP_LEASE_S: u32 = 240;
/// The instant of a decision, on both clocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Now {
    /// Wall clock, milliseconds since 1970: for iat, not_before, not_after.
    pub unix_ms: u64,
    /// Milliseconds of a clock that never jumps, with a start that all processes share: for leases.
    pub mono_ms: u64,
}

impl Now {
    /// Returns the wall clock in whole seconds.
    pub fn unix_s(self) -> u64 {
        self.unix_ms / 1000
    }
}

/// State of the gates. Every method takes constant time and never blocks.
pub trait State {
    /// Takes a token from the bucket of `source`, which gains `rate_per_s` a second up to `burst`.
    fn take_token(&mut self, source: IpAddr, rate_per_s: u32, burst: u32, now: Now) -> Token;

    /// Notes a signature's identity, SHA-256 over kid, trace id and iat, as seen by `attempt`.
    ///
    /// The same `attempt` within [`SAME_ATTEMPT_WINDOW_MS`] of the first sight, at most
    /// [`SAME_ATTEMPT_REPEATS_MAX`] times, is [`Sight::SameAttempt`]; any other repetition is
    /// [`Sight::Replayed`]. The record must live until `expires_unix_s`. A table that was made
    /// empty after `iat` answers [`Sight::BornLater`].
    fn first_sight(
        &mut self,
        key: &[u8; 32],
        attempt: u64,
        iat: u64,
        expires_unix_s: u64,
        now: Now,
    ) -> Sight;

    /// Notes a legacy signature, whose record lives for ever (in a file that outlives a restart).
    fn legacy_first_sight(&mut self, key: &[u8; 32], attempt: u64, now: Now) -> Sight;

    /// Starts a call of `expert` (see [`expert_number`]), or finds that a call of this key is under
    /// way. Checked in this order: under way, concurrent calls, room, calls per minute; only a call
    /// that starts is charged. [`crate::decide`] accepts [`Begin::Already`] only from the same
    /// attempt.
    fn begin_call(&mut self, expert: u64, call: &CallKey, limits: CallLimits, now: Now) -> Begin;

    /// Undoes a call that [`Begin::Started`] in this decision: frees its slot. Replay and
    /// per-minute records stay spent.
    fn abort_call(&mut self, call: &CallKey);
}

/// Answer of [`State::take_token`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Token {
    /// A token was taken.
    Taken,
    /// The bucket is empty.
    Empty {
        /// Seconds until it has a token, at least 1.
        retry_after_s: u32,
    },
    /// No room for the bucket of a new source: refuse.
    TableFull,
}

/// Answer of [`State::first_sight`] and [`State::legacy_first_sight`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sight {
    /// Never seen before; noted.
    Fresh,
    /// Seen before, and a permitted repetition of that attempt.
    SameAttempt,
    /// Seen before: refuse.
    Replayed,
    /// No room to note it: refuse.
    TableFull,
    /// Older than the table itself, which may have lost it: refuse.
    BornLater,
    /// The store cannot be read or written: refuse.
    Unavailable,
}

/// Limits that [`State::begin_call`] applies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CallLimits {
    /// Calls that may start within any 60 s; 0 charges nothing (a repetition of a charged attempt).
    pub per_minute: u32,
    /// Calls that may be under way at once, at least 1.
    pub concurrent: u32,
    /// How long an unanswered call holds its slot if its end is not seen, seconds.
    pub lease_s: u32,
    /// How long an answered call holds its slot if its end is not seen, seconds from the answer.
    pub max_call_s: u32,
}

/// Answer of [`State::begin_call`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Begin {
    /// The call took a slot.
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

/// Identity of a call: Call-ID and tag of its caller, each as the first 16 bytes of SHA-256.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct CallKey {
    /// Half for the Call-ID, so that a table can be searched without the tags.
    pub call_id: [u8; 16],
    /// Half for the caller's tag: From-tag of the INVITE.
    pub caller_tag: [u8; 16],
}

impl CallKey {
    /// Returns the key of a raw Call-ID and a tag.
    #[must_use]
    pub fn new(call_id: &[u8], caller_tag: &[u8]) -> Self {
        Self {
            call_id: Self::hash(call_id),
            caller_tag: Self::hash(caller_tag),
        }
    }

    /// Returns one half: the first 16 bytes of SHA-256.
    #[must_use]
    pub fn hash(bytes: &[u8]) -> [u8; 16] {
        let digest: [u8; 32] = Sha256::digest(bytes).into();
        let mut half = [0; 16];
        half.copy_from_slice(&digest[..16]);
        half
    }
}

/// Returns the `expert` argument of [`State::begin_call`] for an expert id.
#[must_use]
pub fn expert_number(id: &str) -> u64 {
    let digest: [u8; 32] = Sha256::digest(id.as_bytes()).into();
    let mut first = [0; 8];
    first.copy_from_slice(&digest[..8]);
    u64::from_le_bytes(first)
}
