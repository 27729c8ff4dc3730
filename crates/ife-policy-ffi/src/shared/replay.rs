//! The replay table: signatures seen, shared by all workers. It never loses a signature that is
//! still fresh.
//!
//! ```text
//! slot    EMPTY --claim--> CLAIMED --data, commit--> READY --expired, claim--> CLAIMED ...
//!                             `--withdraw--> WITHDRAWN --expired, claim--> CLAIMED ...
//! control word: expires_s (32, never-jumping clock) | tag of the key (30) | state (2)
//! data words:   key high (64) | key low (32), iat (32) | attempt (64)
//!               | first sight ms (48), repeats (16)
//! ```
//!
//! Why exactly one of two workers with the same key gets [`Sight::Fresh`]:
//! - For a fixed table second T, a slot that is not free never becomes free: states other than
//!   EMPTY stay occupied until `expires_s < T`, and a worker that takes a slot over gives it a
//!   later expiry. So two workers that search in the same second agree on the first free slot of
//!   the key's probe order, one compare-and-swap wins, and the loser meets the winner's tag.
//! - A worker whose T passed while it claimed withdraws and starts again. One that searches after T
//!   has moved sees every claim made before it moved, because it searches up to the first EMPTY
//!   slot before it claims.
//!
//! A worker killed between claim and commit leaves a claim that cannot be completed: its key is
//! refused until it expires. A worker that sleeps there for longer finds its compare-and-swaps on
//! data and control refused, so it cannot harm the next owner; at worst it makes the next owner
//! withdraw and take another slot.
//!
//! Before an expired entry is taken over, its iat raises the floor, below which every iat is
//! refused. The iat is read between two reads of the same control word, so it is the expired
//! entry's and no other's. On a steady clock the floor therefore stays below the freshness window,
//! where gate 8 refuses anyway. When the wall clock steps back or the window is widened, the floor
//! refuses signatures that the table no longer holds. Floor, claim, data, commit: a worker killed
//! after any of them leaves the old entry or the floor.

use std::sync::atomic::{AtomicU64, Ordering::SeqCst};

use ife_guard::{Now, SAME_ATTEMPT_REPEATS_MAX, SAME_ATTEMPT_WINDOW_MS, Sight};

use super::hash::{Hash, Key};
use super::probe::Lines;
use super::step::step;

pub(super) const DATA_WORDS: usize = 4;
const SLOTS_PER_LINE: usize = 8;
const LINES_MAX: usize = 64;
/// Lost races after which the table counts as full. Each loss means that another worker succeeded.
const TRIES: usize = 64;
/// Reads of a claim of the same key before it counts as a dead worker's.
const LOOKS: usize = 256;
/// Entries live this much longer than asked, so that rounding to seconds never shortens a life.
const SLACK_S: u64 = 2;

const CLAIMED: u64 = 1;
const READY: u64 = 2;
const WITHDRAWN: u64 = 3;
const STATE_MASK: u64 = 3;
const TAG_MASK: u64 = (1 << 30) - 1;

pub(crate) struct Replay<'a> {
    pub(super) control: &'a [AtomicU64],
    pub(super) data: &'a [AtomicU64],
    pub(super) clock_s: &'a AtomicU64,
    pub(super) iat_floor_s: &'a AtomicU64,
    pub(super) key: Key,
}

/// One signature and its attempt.
struct Wanted {
    hash: Hash,
    attempt: u64,
    iat: u64,
    expires_s: u64,
    now_ms: u64,
}

enum Found {
    /// The slot holds this key.
    Same { slot: usize, control: u64 },
    /// Another worker is entering this key, or died doing so.
    Claimed,
    /// The key is absent; this is the first slot that it may take.
    Free { slot: usize, control: u64 },
    /// The key is absent, and no slot is free.
    Full,
}

impl Replay<'_> {
    /// See [`ife_guard::State::first_sight`].
    pub(crate) fn first_sight(
        &self,
        key: &[u8; 32],
        attempt: u64,
        iat: u64,
        expires_unix_s: u64,
        now: Now,
    ) -> Sight {
        let life_s = expires_unix_s.saturating_sub(now.unix_s());
        let wanted = Wanted {
            hash: self.key.hash(key),
            attempt,
            iat,
            expires_s: (now.mono_ms / 1000 + life_s + SLACK_S).min(u64::from(u32::MAX)),
            now_ms: now.mono_ms,
        };
        let mut looks = 0;
        for _ in 0..TRIES + LOOKS {
            let table_s = self.advance_clock(now.mono_ms / 1000);
            if iat < self.iat_floor_s.load(SeqCst) || wanted.expires_s < table_s {
                return Sight::BornLater;
            }
            match self.search(&wanted, table_s) {
                Found::Same { slot, control } => return self.seen_again(&wanted, slot, control),
                Found::Claimed if looks == LOOKS => return Sight::Replayed,
                Found::Claimed => {
                    looks += 1;
                    std::thread::yield_now();
                }
                Found::Full => return Sight::TableFull,
                Found::Free { slot, control } => {
                    if let Some(sight) = self.claim(&wanted, slot, control, table_s) {
                        return sight;
                    }
                }
            }
        }
        Sight::TableFull
    }

    /// Returns the number of entries that have not expired.
    pub(crate) fn used(&self) -> u64 {
        let table_s = self.clock_s.load(SeqCst);
        let live = |control: &&AtomicU64| {
            let control = control.load(SeqCst);
            control != 0 && expires_s(control) >= table_s
        };
        self.control.iter().filter(live).count() as u64
    }

    /// Moves the table's second on to `now_s` and returns it.
    fn advance_clock(&self, now_s: u64) -> u64 {
        let table_s = self.clock_s.load(SeqCst);
        if table_s >= now_s {
            return table_s;
        }
        step();
        self.clock_s.fetch_max(now_s, SeqCst).max(now_s)
    }

    fn search(&self, wanted: &Wanted, table_s: u64) -> Found {
        let tag = wanted.hash.low & TAG_MASK;
        let mut free = None;
        for line in Lines::new(wanted.hash, self.control.len(), SLOTS_PER_LINE, LINES_MAX) {
            for slot in line..line + SLOTS_PER_LINE {
                step();
                let control = self.control[slot].load(SeqCst);
                let expired = expires_s(control) < table_s;
                if free.is_none() && (control == 0 || expired) {
                    free = Some(Found::Free { slot, control });
                }
                if control == 0 {
                    return free.unwrap_or(Found::Full);
                }
                if (control >> 2) & TAG_MASK != tag {
                    continue;
                }
                match control & STATE_MASK {
                    // An expired entry still counts: its signature was seen.
                    READY if self.holds(wanted, slot, control) => {
                        return Found::Same { slot, control };
                    }
                    CLAIMED if !expired => return Found::Claimed,
                    _ => {}
                }
            }
        }
        free.unwrap_or(Found::Full)
    }

    /// Returns whether a slot whose control word was READY holds this key.
    fn holds(&self, wanted: &Wanted, slot: usize, control: u64) -> bool {
        let data = self.data(slot);
        data[0].load(SeqCst) == wanted.hash.high
            && data[1].load(SeqCst) >> 32 == wanted.hash.low >> 32
            && self.control[slot].load(SeqCst) == control
    }

    /// Takes a free slot. `None`: another worker was faster or the second passed, so search again.
    fn claim(&self, wanted: &Wanted, slot: usize, control: u64, table_s: u64) -> Option<Sight> {
        let before = self.data_under(slot, control)?;
        if control & STATE_MASK == READY {
            // Before the overwriting, so that a worker killed in between leaves a covering floor.
            step();
            self.iat_floor_s
                .fetch_max((before[1] & 0xffff_ffff) + 1, SeqCst);
        }
        let tagged = wanted.expires_s << 32 | (wanted.hash.low & TAG_MASK) << 2;
        let claimed = tagged | CLAIMED;
        self.replace(slot, control, claimed).ok()?;
        step();
        let floor = self.iat_floor_s.load(SeqCst);
        if self.clock_s.load(SeqCst) != table_s || wanted.iat < floor {
            let _ = self.replace(slot, claimed, tagged | WITHDRAWN);
            return (wanted.iat < floor).then_some(Sight::BornLater);
        }
        let after = [
            wanted.hash.high,
            wanted.hash.low >> 32 << 32 | wanted.iat.min(0xffff_ffff),
            wanted.attempt,
            wanted.now_ms << 16,
        ];
        for ((word, before), after) in self.data(slot).iter().zip(before).zip(after) {
            step();
            let written = word.compare_exchange(before, after, SeqCst, SeqCst);
            if written.is_err() {
                // A worker that slept in an older claim of this slot has written: leave the slot.
                let _ = self.replace(slot, claimed, tagged | WITHDRAWN);
                return None;
            }
        }
        // Refused only after a sleep longer than the claim: the next search finds it expired.
        self.replace(slot, claimed, tagged | READY).ok()?;
        Some(Sight::Fresh)
    }

    /// Returns the data of a slot while its control word is `control`; `None` if the word has
    /// changed.
    ///
    /// A control word never returns to an earlier value, for each owner of a slot has a later
    /// expiry, and data change under a claim alone. So data read between two reads of the same word
    /// belong to it; the first read is the search's.
    fn data_under(&self, slot: usize, control: u64) -> Option<[u64; DATA_WORDS]> {
        let words = self.data(slot);
        let data = std::array::from_fn(|i| {
            step();
            words[i].load(SeqCst)
        });
        step();
        (self.control[slot].load(SeqCst) == control).then_some(data)
    }

    fn replace(&self, slot: usize, from: u64, to: u64) -> Result<u64, u64> {
        step();
        self.control[slot].compare_exchange(from, to, SeqCst, SeqCst)
    }

    fn seen_again(&self, wanted: &Wanted, slot: usize, control: u64) -> Sight {
        let data = self.data(slot);
        if data[2].load(SeqCst) != wanted.attempt {
            return Sight::Replayed;
        }
        for _ in 0..TRIES {
            let meta = data[3].load(SeqCst);
            let (first_ms, repeats) = (meta >> 16, meta & 0xffff);
            let late = wanted.now_ms.saturating_sub(first_ms) > SAME_ATTEMPT_WINDOW_MS;
            if late
                || repeats >= u64::from(SAME_ATTEMPT_REPEATS_MAX)
                || self.control[slot].load(SeqCst) != control
            {
                return Sight::Replayed;
            }
            step();
            if data[3]
                .compare_exchange(meta, meta + 1, SeqCst, SeqCst)
                .is_ok()
            {
                return Sight::SameAttempt;
            }
        }
        Sight::Replayed
    }

    fn data(&self, slot: usize) -> &[AtomicU64] {
        &self.data[slot * DATA_WORDS..(slot + 1) * DATA_WORDS]
    }
}

fn expires_s(control: u64) -> u64 {
    control >> 32
}
