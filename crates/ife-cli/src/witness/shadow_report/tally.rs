//! The count of refusals by kind. Pure.

use std::collections::{BTreeMap, HashSet};

use ife_witness::entry::Author;
use ife_words::Gate;

use super::super::entry::Seen;

/// Different kinds of refusals that are kept apart; all further ones are summed up.
pub(super) const KINDS_MAX: usize = 10_000;

/// Most refused calls, and most later requests of refused calls, that a report keeps.
const CALLS_MAX: usize = 100_000;

/// Refusals that are alike.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Kind {
    pub(super) gate: String,
    pub(super) code: u64,
    pub(super) caller: String,
    /// The expert, or the address that was called where there is none.
    pub(super) expert: String,
    pub(super) hazard: String,
    /// The network peer without its port.
    pub(super) source: String,
}

/// Their number, their times, and an example.
#[derive(Debug, Default)]
pub(super) struct Count {
    pub(super) count: u64,
    pub(super) first_ns: u64,
    pub(super) last_ns: u64,
    /// Of the earliest one.
    pub(super) call_id: String,
    pub(super) index: u64,
    pub(super) detail: String,
}

/// Sums of a log in shadow mode. Pure.
#[derive(Debug, Default)]
pub(super) struct Tally {
    pub(super) since_ns: u64,
    pub(super) kinds: BTreeMap<Kind, Count>,
    /// Call-IDs of refused INVITEs.
    pub(super) calls: HashSet<String>,
    /// Refused requests of dialogs, until all INVITEs are known: rings are drained in turn, so an
    /// INVITE's entry may come after them.
    pub(super) of_dialogs: Vec<(Kind, Count)>,
    /// Refused requests of calls whose INVITE was refused: enforced, they would not have come.
    pub(super) consequences: u64,
    /// Refusals of kinds beyond the bound.
    pub(super) other: u64,
    /// Refusals without an entry of their own.
    pub(super) omitted: u64,
    /// Calls that the gate approved.
    pub(super) approved: u64,
    /// Refusals that were carried out.
    pub(super) enforced: u64,
}

impl Tally {
    pub(super) fn add(&mut self, entry: &Seen) {
        let members = entry.members();
        let author = Author::of(members["producer"].as_str().unwrap_or_default());
        let at_ns = entry.time_ns();
        if at_ns < self.since_ns || author != Author::Gate {
            return;
        }
        match (members["event"].as_str(), members["shadow"].as_bool()) {
            (Some("APPROVED"), _) => self.approved += 1,
            (Some("REJECTED"), Some(true)) => self.refusal(entry, at_ns),
            (Some("REJECTED"), _) => {
                self.enforced += members["omitted"]["count"].as_u64().unwrap_or(1);
            }
            _ => {}
        }
    }

    fn refusal(&mut self, entry: &Seen, at_ns: u64) {
        if let Some(count) = entry.members()["omitted"]["count"].as_u64() {
            self.omitted = self.omitted.saturating_add(count);
            return;
        }
        let expert = Some(entry.text("expert")).filter(|expert| !expert.is_empty());
        let kind = Kind {
            gate: entry.text("gate"),
            code: entry.number("code").unwrap_or(0),
            caller: entry.text("from"),
            expert: expert.unwrap_or_else(|| entry.text("ruri")),
            hazard: entry.text("hazard"),
            source: without_port(&entry.text("peer")),
        };
        let one = Count {
            count: 1,
            first_ns: at_ns,
            last_ns: at_ns,
            call_id: entry.text("call_id"),
            index: entry.index,
            detail: entry.text("detail"),
        };
        if kind.gate == Gate::Dialog.as_str() && self.of_dialogs.len() < CALLS_MAX {
            self.of_dialogs.push((kind, one));
            return;
        }
        if self.calls.len() < CALLS_MAX {
            self.calls.insert(one.call_id.clone());
        }
        self.count(kind, one);
    }

    fn count(&mut self, kind: Kind, one: Count) {
        if self.kinds.len() >= KINDS_MAX && !self.kinds.contains_key(&kind) {
            self.other += 1;
            return;
        }
        let Some(count) = self.kinds.get_mut(&kind) else {
            self.kinds.insert(kind, one);
            return;
        };
        count.count += 1;
        count.last_ns = count.last_ns.max(one.last_ns);
        if one.first_ns < count.first_ns {
            let (sum, last_ns) = (count.count, count.last_ns);
            *count = Count {
                count: sum,
                last_ns,
                ..one
            };
        }
    }

    /// Counts the requests of dialogs, once all INVITEs are known.
    pub(super) fn finish(&mut self) {
        for (kind, one) in std::mem::take(&mut self.of_dialogs) {
            if self.calls.contains(&one.call_id) {
                self.consequences += 1;
            } else {
                self.count(kind, one);
            }
        }
    }

    pub(super) fn refused(&self) -> u64 {
        let listed: u64 = self.kinds.values().map(|count| count.count).sum();
        listed + self.other + self.omitted
    }

    /// Kinds by gate, those of a gate with the most refusals first.
    pub(super) fn by_gate(&self) -> BTreeMap<&str, Vec<(&Kind, &Count)>> {
        let mut gates: BTreeMap<&str, Vec<(&Kind, &Count)>> = BTreeMap::new();
        for (kind, count) in &self.kinds {
            gates.entry(&kind.gate).or_default().push((kind, count));
        }
        for kinds in gates.values_mut() {
            kinds.sort_by_key(|(_, count)| std::cmp::Reverse(count.count));
        }
        gates
    }
}

/// `udp:192.0.2.1:5060` without the port, which differs from call to call.
fn without_port(peer: &str) -> String {
    peer.rsplit_once(':')
        .map_or(peer, |(address, _)| address)
        .to_owned()
}
