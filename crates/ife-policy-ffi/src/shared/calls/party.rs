//! One side of a call: the addresses that it sent from, the addresses that its Contacts named, its
//! route set.
//!
//! Every word changes by itself, so that a worker killed at any instruction leaves a usable party.
//! The next hop takes three words; a check in the third exposes a mixture of two.

use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};

use ife_guard::Transport;

use crate::address::{octets, of_octets};
use crate::shared::hash::Key;
use crate::shared::step::step;

/// Words of one party.
pub(super) const PARTY_WORDS: usize = 12;

const ADDRESSES: usize = 0; // 4 words
const TARGETS: usize = 4; // 4 words
const ROUTES: usize = 8;
const NEXT_HOP: usize = 9; // 3 words
const REMEMBERED: usize = 4;

/// Lowest bit of an address word: a message of this side came from the address.
const HEARD: u64 = 1;
/// Reads of a next hop that another worker is writing.
const LOOKS: usize = 64;

/// How a side of a dialog knows an IP address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Known {
    /// The address is unknown.
    No,
    /// Its Contact named the address; no message came from there yet.
    Announced,
    /// A message came from there.
    Heard,
}

/// The next hop of requests to a side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct NextHop {
    pub(crate) address: SocketAddr,
    pub(crate) transport: Transport,
    /// A Route set or Contact named the hop. If not, requests go where the side was heard last.
    pub(crate) is_named: bool,
}

/// The words of one side.
#[derive(Clone, Copy)]
pub(crate) struct Party<'a> {
    pub(super) words: &'a [AtomicU64],
    pub(super) key: Key,
}

impl Party<'_> {
    /// Notes that a message of this side came from `ip`.
    pub(crate) fn hear(self, ip: IpAddr) {
        let word_of_ip = self.address_word(ip);
        for word in self.addresses() {
            let found = word.load(SeqCst);
            if found & !HEARD == word_of_ip {
                word.fetch_or(HEARD, SeqCst);
                return;
            }
            if found == 0 {
                break;
            }
        }
        self.remember(self.addresses(), word_of_ip | HEARD, |word| {
            word & HEARD == 0
        });
    }

    /// Notes that a Contact of this side named `ip`.
    pub(crate) fn announce(self, ip: IpAddr) {
        if self.knows(ip) == Known::No {
            self.remember(self.addresses(), self.address_word(ip), |word| {
                word & HEARD == 0
            });
        }
    }

    /// Returns how this side knows `ip`.
    pub(crate) fn knows(self, ip: IpAddr) -> Known {
        let word_of_ip = self.address_word(ip);
        let found = self
            .addresses()
            .iter()
            .map(|word| word.load(SeqCst))
            .find(|word| word & !HEARD == word_of_ip);
        match found {
            Some(word) if word & HEARD != 0 => Known::Heard,
            Some(_) => Known::Announced,
            None => Known::No,
        }
    }

    /// Notes the remote target that a Contact named, by
    /// [`Address::hash`](crate::address::Address::hash).
    pub(crate) fn learn_target(self, target: u64) {
        let target = target | 1;
        if !self
            .targets()
            .iter()
            .any(|word| word.load(SeqCst) == target)
        {
            self.remember(self.targets(), target, |_| false);
        }
    }

    /// Returns whether `target` is one of the last four; true for a side that never sent a Contact.
    pub(crate) fn has_target(self, target: u64) -> bool {
        let target = target | 1;
        let mut targets = self.targets().iter().map(|word| word.load(SeqCst));
        self.targets()[0].load(SeqCst) == 0 || targets.any(|word| word == target)
    }

    /// Sets the hash of the route set towards this side; 0 for an empty one.
    pub(crate) fn set_routes(self, routes: u64) {
        step();
        self.words[ROUTES].store(routes, SeqCst);
    }

    pub(crate) fn routes(self) -> u64 {
        self.words[ROUTES].load(SeqCst)
    }

    pub(crate) fn set_next_hop(self, hop: NextHop) {
        let words = self.to_words(hop);
        for (word, value) in self.words[NEXT_HOP..].iter().zip(words) {
            step();
            word.store(value, SeqCst);
        }
    }

    /// Returns the next hop of requests to this side, if known.
    pub(crate) fn next_hop(self) -> Option<NextHop> {
        for _ in 0..LOOKS {
            let words: [u64; 3] = std::array::from_fn(|i| self.words[NEXT_HOP + i].load(SeqCst));
            if words == [0; 3] {
                return None;
            }
            if let Some(hop) = hop_of(words)
                && self.to_words(hop) == words
            {
                return Some(hop);
            }
            std::hint::spin_loop();
        }
        None
    }

    /// Encodes `check (32) | named (1) | transport (15) | port (16)` after the address.
    fn to_words(self, hop: NextHop) -> [u64; 3] {
        let octets = octets(hop.address.ip());
        let (high, low) = octets.split_at(8);
        let word = |half: &[u8]| half.iter().fold(0, |word, &b| word << 8 | u64::from(b));
        let meta = u64::from(hop.is_named) << 31
            | (hop.transport as u64) << 16
            | u64::from(hop.address.port());
        let mut bytes = [0; 20];
        bytes[..16].copy_from_slice(&octets);
        bytes[16..].copy_from_slice(&(meta as u32).to_le_bytes());
        let check = self.key.hash(&bytes).low >> 32;
        [word(high), word(low), check << 32 | meta]
    }

    fn address_word(self, ip: IpAddr) -> u64 {
        // Neither 0 nor HEARD by itself.
        self.key.hash(&octets(ip)).low & !HEARD | 2
    }

    /// Puts a value into a free word, else over one that may go, else over the last: the first ones
    /// date from the call's set-up.
    fn remember(self, words: &[AtomicU64], value: u64, may_go: impl Fn(u64) -> bool) {
        for word in words {
            step();
            match word.compare_exchange(0, value, SeqCst, SeqCst) {
                Ok(_) => return,
                Err(other) if other == value => return,
                Err(_) => {}
            }
        }
        let may_go = words.iter().find(|word| may_go(word.load(SeqCst)));
        let word = may_go.unwrap_or(&words[REMEMBERED - 1]);
        step();
        word.store(value, SeqCst);
    }

    fn addresses(&self) -> &[AtomicU64] {
        &self.words[ADDRESSES..ADDRESSES + REMEMBERED]
    }

    fn targets(&self) -> &[AtomicU64] {
        &self.words[TARGETS..TARGETS + REMEMBERED]
    }
}

fn hop_of(words: [u64; 3]) -> Option<NextHop> {
    let mut octets = [0; 16];
    octets[..8].copy_from_slice(&words[0].to_be_bytes());
    octets[8..].copy_from_slice(&words[1].to_be_bytes());
    let meta = words[2] as u32;
    let transport = Transport::from_number(meta >> 16 & 0x7fff)?;
    Some(NextHop {
        // The low 16 bits are the port.
        address: SocketAddr::new(of_octets(octets), meta as u16),
        transport,
        is_named: meta >> 31 != 0,
    })
}
