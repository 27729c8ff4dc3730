//! Sequence numbers: each producer's run by one, and a GAP entry precedes every gap.

use std::collections::HashMap;

use super::entry::Facts;

/// Largest number of producers in a log: far more than processes on a host; bounds memory.
const PRODUCERS_MAX: usize = 100_000;

/// The next expected number of each producer.
#[derive(Debug, Default)]
pub(super) struct Order {
    producers: HashMap<Box<[u8]>, Next>,
    gaps: u64,
    lost: u64,
}

#[derive(Debug, Clone, Copy)]
struct Next {
    epoch: u64,
    seq: u64,
}

impl Order {
    pub(super) fn producers(&self) -> u64 {
        self.producers.len() as u64
    }

    /// Returns the number of GAP entries so far.
    pub(super) fn gaps(&self) -> u64 {
        self.gaps
    }

    /// Returns the number of sequence numbers reported lost so far.
    pub(super) fn lost(&self) -> u64 {
        self.lost
    }

    /// Checks the next entry of the log; the error describes the violation.
    pub(super) fn take(&mut self, entry: &Facts<'_>) -> Result<(), String> {
        self.advance(entry.producer, entry.epoch, entry.seq, 1)?;
        if let Some(gap) = &entry.gap {
            self.advance(gap.producer, gap.epoch, gap.first_seq, gap.count)?;
            self.gaps += 1;
            self.lost = self.lost.saturating_add(gap.count);
        }
        Ok(())
    }

    /// Records the numbers `seq..seq + count` of a producer.
    fn advance(&mut self, producer: &[u8], epoch: u64, seq: u64, count: u64) -> Result<(), String> {
        let after = Next {
            epoch,
            seq: seq.saturating_add(count),
        };
        let Some(next) = self.producers.get_mut(producer) else {
            if self.producers.len() == PRODUCERS_MAX {
                return Err(format!("more than {PRODUCERS_MAX} producers"));
            }
            self.producers.insert(producer.into(), after);
            return Ok(());
        };
        let name = String::from_utf8_lossy(producer);
        if epoch < next.epoch {
            return Err(format!(
                "producer {name}: epoch {epoch} after epoch {}",
                next.epoch
            ));
        }
        // A new ring, as after a reboot, begins a new epoch and may restart its numbers.
        let is_new_ring = epoch > next.epoch && seq == 0;
        if seq < next.seq && !is_new_ring {
            return Err(format!(
                "producer {name}: seq {seq} is there twice, {} expected",
                next.seq
            ));
        }
        if seq > next.seq {
            let last = seq - 1;
            return Err(format!(
                "producer {name}: seq {} to {last} are missing without a GAP entry",
                next.seq
            ));
        }
        *next = after;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::entry::Gap;
    use super::*;

    /// Producer, epoch, first number and count.
    type Lost = (&'static str, u64, u64, u64);

    /// Checks entries of (producer, epoch, number, reported gap).
    fn run(entries: &[(&str, u64, u64, Option<Lost>)]) -> Result<Order, String> {
        let mut order = Order::default();
        for (producer, epoch, seq, gap) in entries {
            let gap = gap.map(|(producer, epoch, first_seq, count)| Gap {
                producer: producer.as_bytes(),
                epoch,
                first_seq,
                count,
            });
            order.take(&Facts {
                producer: producer.as_bytes(),
                epoch: *epoch,
                seq: *seq,
                gap,
            })?;
        }
        Ok(order)
    }

    #[test]
    fn numbers_run_on_per_producer_and_over_epochs() {
        let order = run(&[
            ("a", 1, 5, None),
            ("b", 1, 0, None),
            ("a", 1, 6, None),
            ("a", 2, 7, None),
            ("b", 1, 1, None),
        ]);
        assert_eq!(order.map(|order| order.producers()), Ok(2));
    }

    #[test]
    fn a_new_ring_may_restart_its_numbers_in_a_later_epoch_only() {
        assert!(run(&[("a", 1, 5, None), ("a", 2, 0, None), ("a", 2, 1, None)]).is_ok());
        assert!(run(&[("a", 1, 5, None), ("a", 1, 0, None)]).is_err());
        assert!(run(&[("a", 1, 5, None), ("a", 2, 1, None)]).is_err());
    }

    #[test]
    fn duplicates_holes_and_older_epochs_are_refused() {
        for (second, expected) in [
            (
                ("a", 3, 5, None),
                "producer a: seq 5 is there twice, 6 expected",
            ),
            (
                ("a", 3, 8, None),
                "producer a: seq 6 to 7 are missing without a GAP entry",
            ),
            (("a", 2, 6, None), "producer a: epoch 2 after epoch 3"),
        ] {
            let error = run(&[("a", 3, 5, None), second]).map(|_| ());
            assert_eq!(error, Err(expected.to_owned()));
        }
    }

    #[test]
    fn losses_of_a_closed_ring_may_be_uncounted_if_a_new_ring_follows() {
        let lost = ("w", 1, 0, Some(("a", 1, 6, 0)));
        assert!(run(&[("a", 1, 5, None), lost, ("a", 2, 0, None)]).is_ok());
        assert!(run(&[("a", 1, 5, None), lost, ("a", 1, 8, None)]).is_err());
    }

    #[test]
    fn a_gap_entry_accounts_for_exactly_its_numbers() {
        let gap = |first, count| {
            [
                ("a", 1, 5, None),
                ("w", 1, 0, Some(("a", 1, first, count))),
                ("a", 1, 9, None),
            ]
        };
        let order = run(&gap(6, 3)).expect("6, 7 and 8 were reported");
        assert_eq!((order.gaps(), order.lost()), (1, 3));
        for (first, count) in [(6, 2), (6, 4), (5, 4), (7, 2)] {
            assert!(run(&gap(first, count)).is_err(), "{first} {count}");
        }
    }
}
