//! The position in each producer's ring, by which reading at least once becomes exactly once.

use std::collections::BTreeMap;

/// Removed rings that are remembered, for the record only: they cannot be read again.
const GONE_MAX: usize = 4096;

const SNAPSHOT_MAGIC: &[u8; 8] = b"IFEWAL01";

/// State of one producer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct State {
    /// Id of the ring.
    pub ring_id: u64,
    /// Epoch of the last record.
    pub epoch: u64,
    /// Every number below is in the log or reported missing.
    pub next_seq: u64,
    /// The ring was removed.
    pub gone: bool,
}

/// All producers, by name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Producers {
    states: BTreeMap<String, State>,
}

impl Producers {
    /// Returns the state of `producer`.
    pub fn state(&self, producer: &str) -> Option<&State> {
        self.states.get(producer)
    }

    /// Returns the greatest epoch.
    pub fn epoch_max(&self) -> u64 {
        self.states
            .values()
            .map(|state| state.epoch)
            .max()
            .unwrap_or(0)
    }

    /// Returns the next number expected from a ring; of an unknown one, its own `durable_seq`,
    /// which another log may have acknowledged.
    pub fn expected(&self, producer: &str, ring_id: u64, durable_seq: u64) -> u64 {
        match self.states.get(producer) {
            Some(state) if state.ring_id == ring_id => state.next_seq,
            _ => durable_seq,
        }
    }

    /// Records that everything below `next_seq` was read from this ring.
    pub fn set(&mut self, producer: &str, ring_id: u64, epoch: u64, next_seq: u64) {
        let state = State {
            ring_id,
            epoch,
            next_seq,
            gone: false,
        };
        match self.states.get_mut(producer) {
            Some(known) => *known = state,
            None => {
                self.states.insert(producer.to_owned(), state);
            }
        }
    }

    /// Records that the ring was removed. Forgets the oldest removed ring beyond the limit.
    pub fn set_gone(&mut self, producer: &str) {
        if let Some(state) = self.states.get_mut(producer) {
            state.gone = true;
        }
        let gone = || self.states.iter().filter(|(_, state)| state.gone);
        if gone().count() > GONE_MAX
            && let Some(oldest) = gone()
                .min_by_key(|(_, state)| state.epoch)
                .map(|(name, _)| name.clone())
        {
            self.states.remove(&oldest);
        }
    }

    /// Encodes the payload of a segment's first frame.
    pub fn to_snapshot(&self, log_id: u64) -> Vec<u8> {
        let mut out = SNAPSHOT_MAGIC.to_vec();
        out.extend_from_slice(&log_id.to_le_bytes());
        for (name, state) in &self.states {
            out.push(name.len() as u8);
            out.extend_from_slice(name.as_bytes());
            for number in [state.ring_id, state.epoch, state.next_seq] {
                out.extend_from_slice(&number.to_le_bytes());
            }
            out.push(u8::from(state.gone));
        }
        out
    }

    /// Decodes [`to_snapshot`](Self::to_snapshot): the log id and the states.
    #[must_use]
    pub fn from_snapshot(bytes: &[u8]) -> Option<(u64, Self)> {
        let (log_id, mut rest) = bytes.strip_prefix(SNAPSHOT_MAGIC)?.split_first_chunk()?;
        let mut states = BTreeMap::new();
        while let Some((&name_len, after)) = rest.split_first() {
            let (name, after) = after.split_at_checked(name_len.into())?;
            let (ring_id, after) = after.split_first_chunk()?;
            let (epoch, after) = after.split_first_chunk()?;
            let (next_seq, after) = after.split_first_chunk()?;
            let (&gone, after) = after.split_first()?;
            let state = State {
                ring_id: u64::from_le_bytes(*ring_id),
                epoch: u64::from_le_bytes(*epoch),
                next_seq: u64::from_le_bytes(*next_seq),
                gone: gone != 0,
            };
            states.insert(std::str::from_utf8(name).ok()?.to_owned(), state);
            rest = after;
        }
        Some((u64::from_le_bytes(*log_id), Self { states }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_snapshot_reads_back_and_a_cut_one_does_not() {
        let mut producers = Producers::default();
        producers.set("kamailio-1", 7, 8, 9);
        producers.set("bridge-0", 1, 2, 3);
        producers.set_gone("bridge-0");
        let bytes = producers.to_snapshot(55);
        assert_eq!(Producers::from_snapshot(&bytes), Some((55, producers)));
        assert_eq!(Producers::from_snapshot(&bytes[..bytes.len() - 1]), None);
        assert_eq!(Producers::from_snapshot(b""), None);
    }

    #[test]
    fn another_ring_of_the_same_name_begins_at_its_durable_seq() {
        let mut producers = Producers::default();
        producers.set("kamailio-1", 7, 8, 9);
        assert_eq!(producers.expected("kamailio-1", 7, 0), 9);
        assert_eq!(producers.expected("kamailio-1", 6, 0), 0);
        assert_eq!(producers.expected("bridge-0", 6, 4), 4);
    }

    #[test]
    fn only_so_many_that_are_gone_are_remembered() {
        let mut producers = Producers::default();
        producers.set("living", 1, 0, 0);
        for n in 0..GONE_MAX as u64 + 10 {
            let name = format!("p-{n}");
            producers.set(&name, 1, n, 0);
            producers.set_gone(&name);
        }
        assert_eq!(producers.states.len(), GONE_MAX + 1);
        assert!(producers.state("living").is_some() && producers.state("p-9").is_none());
    }
}
