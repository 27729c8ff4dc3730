//! Calls per expert, at once and per minute, as seats with leases, shared by all workers.
//!
//! A seat is one word: `expires_s (32) | tag of the holder (32)`. It is free when it is 0 or has
//! expired, so the seat of a killed holder frees itself. An expert has as many seats as its limit:
//! holding one is the permission, so no counter can drift. The per-minute limit is seats with
//! leases of 60 s that are never released, which is exact for any 60 s.
//!
//! The first seats lie in the expert's slot, further ones in a chain of blocks that only grows.
//! Slots of experts and blocks are never freed singly; [`Quota::clear`] frees all when a sole owner
//! opens the state and they run low.

use std::sync::atomic::{AtomicU64, Ordering::SeqCst};

use super::hash::{Hash, Key};
use super::probe::Lines;
use super::step::step;

/// `name | head, start, tail, 4 seats of the minute | head, start, tail, 4 seats of calls`: two
/// cache lines.
///
/// head: first block of the chain. start: where the last seat was found, and the next search
/// begins. tail: a block near the end.
pub(super) const EXPERT_WORDS: usize = 16;
const INLINE_SEATS: usize = 4;
const HEAD: usize = 0;
const START: usize = 1;
const TAIL: usize = 2;
const SEATS: usize = 3;
const EXPERT_LINES_MAX: usize = 64;
/// `ordinal in its chain (32) | next block + 1 (32)` and 63 seats.
pub(super) const BLOCK_WORDS: usize = 64;
const BLOCK_SEATS: usize = BLOCK_WORDS - 1;
/// Blocks searched for one seat: bounds the time; limits up to about 2,000 are exact at any load.
const BLOCKS_PER_CLAIM: usize = 32;
const TRIES: usize = 64;

/// The location of a seat: the word's index in the table of experts, or in the blocks with the top
/// bit set. Never 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Seat(u32);

const IN_BLOCK: u32 = 1 << 31;

impl Seat {
    pub(super) fn to_word(self) -> u64 {
        u64::from(self.0)
    }

    pub(super) fn from_word(word: u64) -> Option<Self> {
        u32::try_from(word).ok().filter(|&n| n != 0).map(Self)
    }
}

/// The outcome of a claim.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Claim {
    /// This seat is taken.
    Seat(Seat),
    /// All seats are held; the first lease to end does so in this many seconds.
    AllHeld { earliest_s: u64 },
    /// No memory is left for one more seat.
    Full,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Limit {
    /// Calls that may start within 60 s.
    PerMinute,
    /// Calls at once.
    Concurrent,
}

impl Limit {
    /// Returns the offset within the expert's slot of its head, start, tail and seats.
    fn offset(self) -> usize {
        match self {
            Self::PerMinute => 1,
            Self::Concurrent => 1 + SEATS + INLINE_SEATS,
        }
    }
}

const _: () = assert!(2 * (SEATS + INLINE_SEATS) < EXPERT_WORDS);

/// The table of experts and the pool of blocks.
pub(crate) struct Quota<'a> {
    pub(super) experts: &'a [AtomicU64],
    pub(super) blocks: &'a [AtomicU64],
    pub(super) blocks_used: &'a AtomicU64,
    pub(super) experts_used: &'a AtomicU64,
    pub(super) key: Key,
}

/// Consecutive seats: their first word's [`Seat`] and the words, as many as the limit permits.
struct Row<'a> {
    first: u32,
    words: &'a [AtomicU64],
}

impl<'a> Quota<'a> {
    /// Returns the expert's slot, made if needed; `None` when there is no room.
    pub(crate) fn expert(&self, number: u64) -> Option<usize> {
        let hash = self.key.hash(&number.to_le_bytes());
        let name = hash.low | 1;
        for line in self.expert_lines(hash) {
            let word = &self.experts[line * EXPERT_WORDS];
            step();
            match word.load(SeqCst) {
                found if found == name => return Some(line),
                0 => {}
                _ => continue,
            }
            step();
            match word.compare_exchange(0, name, SeqCst, SeqCst) {
                Ok(_) => {
                    self.experts_used.fetch_add(1, SeqCst);
                    return Some(line);
                }
                Err(found) if found == name => return Some(line),
                Err(_) => {}
            }
        }
        None
    }

    fn known_expert(&self, number: u64) -> Option<usize> {
        let hash = self.key.hash(&number.to_le_bytes());
        let name = hash.low | 1;
        let words = self
            .expert_lines(hash)
            .map(|line| (line, self.experts[line * EXPERT_WORDS].load(SeqCst)));
        words
            .take_while(|&(_, word)| word != 0)
            .find(|&(_, word)| word == name)
            .map(|(line, _)| line)
    }

    fn expert_lines(&self, hash: Hash) -> Lines {
        Lines::new(hash, self.experts.len() / EXPERT_WORDS, 1, EXPERT_LINES_MAX)
    }

    /// Takes a seat of `expert` until `expires_s`, if one of its `limit` seats is free at `now_s`.
    ///
    /// A lowered limit applies to new claims: calls in seats above it go on.
    pub(crate) fn claim(
        &self,
        expert: usize,
        which: Limit,
        limit: u32,
        tag: u32,
        expires_s: u64,
        now_s: u64,
    ) -> Claim {
        let chain = self.chain(expert, which);
        let mut search = Search {
            value: lease(expires_s, tag),
            limit,
            now_s,
            earliest_s: u64::MAX,
        };
        for _ in 0..TRIES {
            if let Some(seat) = self.claim_in(&self.inline_row(expert, which, limit), &mut search) {
                return Claim::Seat(seat);
            }
            if let Some(seat) = self.search_chain(chain, &mut search) {
                return Claim::Seat(seat);
            }
            match self.extend(chain, limit) {
                Extension::Grown => {}
                Extension::AtLimit => break,
                Extension::NoMemory => return Claim::Full,
            }
        }
        Claim::AllHeld {
            earliest_s: search.earliest_s.saturating_sub(now_s),
        }
    }

    /// Searches for a free seat from where the last one was found, and then from the head.
    fn search_chain(&self, chain: &[AtomicU64], search: &mut Search) -> Option<Seat> {
        let start = next_block(chain[START].load(SeqCst));
        let head = || next_block(chain[HEAD].load(SeqCst));
        for from in [start.or_else(head), start.and_then(|_| head())] {
            let mut block = from;
            for _ in 0..BLOCKS_PER_CLAIM {
                let Some(index) = block else { break };
                if let Some(seat) = self.claim_in(&self.block_row(index, search.limit), search) {
                    chain[START].store(index as u64 + 1, SeqCst);
                    return Some(seat);
                }
                block = self.after(index);
            }
            if let Some(index) = block {
                // The chain is too long for one search: the next one goes on from here.
                chain[START].store(index as u64 + 1, SeqCst);
                return None;
            }
        }
        None
    }

    /// Returns the number of seats of `expert` that are held at `now_s`.
    pub(crate) fn held(&self, number: u64, which: Limit, now_s: u64) -> u64 {
        let Some(expert) = self.known_expert(number) else {
            return 0;
        };
        let count = |row: Row<'_>| {
            row.words
                .iter()
                .filter(|word| !is_free(word.load(SeqCst), now_s))
                .count() as u64
        };
        let mut held = count(self.inline_row(expert, which, u32::MAX));
        let mut block =
            next_block(self.experts[expert * EXPERT_WORDS + which.offset()].load(SeqCst));
        while let Some(index) = block {
            held += count(self.block_row(index, u32::MAX));
            block = next_block(self.blocks[index * BLOCK_WORDS].load(SeqCst));
        }
        held
    }

    /// Releases a seat, if `tag` still holds it.
    pub(crate) fn release(&self, seat: Seat, tag: u32) {
        self.change(seat, tag, 0);
    }

    /// Changes the end of a lease, if `tag` still holds the seat.
    pub(crate) fn change_lease(&self, seat: Seat, tag: u32, expires_s: u64) {
        self.change(
            seat,
            tag,
            expires_s.min(u64::from(u32::MAX)) << 32 | u64::from(tag),
        );
    }

    fn change(&self, seat: Seat, tag: u32, value: u64) {
        let index = (seat.0 & !IN_BLOCK) as usize;
        let words = if seat.0 & IN_BLOCK == 0 {
            self.experts
        } else {
            self.blocks
        };
        let Some(word) = words.get(index) else { return };
        for _ in 0..TRIES {
            let before = word.load(SeqCst);
            if before as u32 != tag || before == 0 {
                return;
            }
            step();
            if word.compare_exchange(before, value, SeqCst, SeqCst).is_ok() {
                return;
            }
        }
    }

    /// Returns true when few slots or blocks are left.
    pub(crate) fn runs_low(&self) -> bool {
        self.experts_used.load(SeqCst) > (self.experts.len() / EXPERT_WORDS / 2) as u64
            || self.blocks_used.load(SeqCst) > (self.blocks.len() / BLOCK_WORDS / 2) as u64
    }

    /// Clears every expert. For a sole owner, which then seats the calls under way again.
    pub(crate) fn clear(&self) {
        for word in self.experts.iter().chain(self.blocks) {
            word.store(0, SeqCst);
        }
        self.experts_used.store(0, SeqCst);
        self.blocks_used.store(0, SeqCst);
    }

    fn claim_in(&self, row: &Row<'_>, search: &mut Search) -> Option<Seat> {
        for (seat, word) in (row.first..).zip(row.words) {
            step();
            let before = word.load(SeqCst);
            if !is_free(before, search.now_s) {
                search.earliest_s = search.earliest_s.min((before >> 32) + 1);
                continue;
            }
            step();
            if word
                .compare_exchange(before, search.value, SeqCst, SeqCst)
                .is_ok()
            {
                return Some(Seat(seat));
            }
        }
        None
    }

    fn chain(&self, expert: usize, which: Limit) -> &'a [AtomicU64] {
        let first = expert * EXPERT_WORDS + which.offset();
        &self.experts[first..first + SEATS]
    }

    fn inline_row(&self, expert: usize, which: Limit, limit: u32) -> Row<'a> {
        let first = expert * EXPERT_WORDS + which.offset() + SEATS;
        let count = INLINE_SEATS.min(limit as usize);
        // At most 2^23 experts of 16 words: fits 31 bits.
        Row {
            first: first as u32,
            words: &self.experts[first..first + count],
        }
    }

    fn block_row(&self, index: usize, limit: u32) -> Row<'a> {
        let before = INLINE_SEATS + self.ordinal(index) * BLOCK_SEATS;
        let count = BLOCK_SEATS.min((limit as usize).saturating_sub(before));
        let first = index * BLOCK_WORDS + 1;
        // At most 2^19 blocks of 64 words: fits 31 bits.
        Row {
            first: first as u32 | IN_BLOCK,
            words: &self.blocks[first..first + count],
        }
    }

    /// Returns the ordinal of a block in its chain, from 0.
    fn ordinal(&self, index: usize) -> usize {
        (self.blocks[index * BLOCK_WORDS].load(SeqCst) >> 32) as usize
    }

    fn after(&self, index: usize) -> Option<usize> {
        next_block(self.blocks[index * BLOCK_WORDS].load(SeqCst))
    }

    /// Adds a block at the end of the chain, unless `limit` seats exist.
    fn extend(&self, chain: &[AtomicU64], limit: u32) -> Extension {
        let mut last =
            next_block(chain[TAIL].load(SeqCst)).or_else(|| next_block(chain[HEAD].load(SeqCst)));
        while let Some(next) = last.and_then(|index| self.after(index)) {
            last = Some(next);
        }
        let ordinal = last.map_or(0, |index| self.ordinal(index) + 1);
        if INLINE_SEATS + ordinal * BLOCK_SEATS >= limit as usize {
            return Extension::AtLimit;
        }
        let capacity = (self.blocks.len() / BLOCK_WORDS) as u64;
        let take = |used: u64| (used < capacity).then_some(used + 1);
        let Ok(taken) = self.blocks_used.fetch_update(SeqCst, SeqCst, take) else {
            return Extension::NoMemory;
        };
        let index = taken as usize; // below capacity
        self.blocks[index * BLOCK_WORDS].store((ordinal as u64) << 32, SeqCst);
        let link = last.map_or(&chain[HEAD], |last| &self.blocks[last * BLOCK_WORDS]);
        step();
        let before = link.load(SeqCst);
        let is_end = next_block(before).is_none();
        // If another worker linked its block first, this block is unused until the next clear.
        if is_end
            && link
                .compare_exchange(before, before | (taken + 1), SeqCst, SeqCst)
                .is_ok()
        {
            step();
            chain[TAIL].store(taken + 1, SeqCst);
        }
        Extension::Grown
    }
}

/// The bounds of a search, and the earliest end of a lease that it met.
struct Search {
    value: u64,
    limit: u32,
    now_s: u64,
    earliest_s: u64,
}

enum Extension {
    Grown,
    AtLimit,
    NoMemory,
}

/// Returns the block that a link names: its low half is the block's index + 1, or 0.
fn next_block(link: u64) -> Option<usize> {
    (link as u32 as usize).checked_sub(1)
}

fn lease(expires_s: u64, tag: u32) -> u64 {
    expires_s.min(u64::from(u32::MAX)) << 32 | u64::from(tag)
}

fn is_free(seat: u64, now_s: u64) -> bool {
    seat >> 32 < now_s
}
