//! Decisions that were taken, by call, as the store keeps them.

use std::collections::BTreeMap;

use ife_message::decision::{Record, Role};
use ife_words::time;

use super::view::{DecisionBrief, DecisionState, DecisionView, brief, views};
use crate::{record::Line, time::Now, timers, view::CallView};

/// Decisions of one call; more are refused.
pub(crate) const DECISIONS_MAX: usize = 32;

/// The decisions about one call.
#[derive(Debug, Default)]
struct Kept {
    records: Vec<Record>,
    /// Decisions that were refused, in this process.
    refused: u32,
    /// The end of the time for a decision was witnessed.
    is_closed: bool,
    /// The end of that time, while it is to come.
    deadline: Option<timers::Key>,
}

/// All decisions of calls that are remembered.
#[derive(Debug, Default)]
pub(crate) struct Decided(BTreeMap<String, Kept>);

impl Decided {
    pub(crate) fn records(&self, call_id: &str) -> &[Record] {
        self.0.get(call_id).map_or(&[], |kept| &kept.records)
    }

    pub(crate) fn add(&mut self, call_id: &str, record: Record) {
        let kept = self.0.entry(call_id.to_owned()).or_default();
        if kept.records.len() < DECISIONS_MAX {
            kept.records.push(record);
        }
    }

    /// Counts a refusal; returns how many there were.
    pub(crate) fn count_refused(&mut self, call_id: &str) -> u32 {
        let kept = self.0.entry(call_id.to_owned()).or_default();
        kept.refused = kept.refused.saturating_add(1);
        kept.refused
    }

    /// Notes when the time for a decision ends. Returns the time that was noted before.
    pub(crate) fn set_deadline(&mut self, call_id: &str, key: timers::Key) -> Option<timers::Key> {
        let kept = self.0.entry(call_id.to_owned()).or_default();
        kept.deadline.replace(key)
    }

    /// Notes that the time for a decision has passed. True when that is new.
    pub(crate) fn close(&mut self, call_id: &str) -> bool {
        let kept = self.0.entry(call_id.to_owned()).or_default();
        kept.deadline = None;
        !std::mem::replace(&mut kept.is_closed, true)
    }

    pub(crate) fn is_closed(&self, call_id: &str) -> bool {
        self.0.get(call_id).is_some_and(|kept| kept.is_closed)
    }

    /// Drops the decisions about a call. Returns the end of its time, if that is to come.
    pub(crate) fn forget(&mut self, call_id: &str) -> Option<timers::Key> {
        self.0.remove(call_id)?.deadline
    }

    pub(crate) fn views(&self, call_id: &str) -> Vec<DecisionView> {
        views(self.records(call_id))
    }

    fn of_expert(&self, call: &CallView) -> Option<&Record> {
        let mut newest_first = self.records(&call.call_id).iter().rev();
        newest_first.find(|record| {
            record.decision.role == Role::Expert && record.decision.party == call.expert_id
        })
    }

    /// Whether the expert has decided, and how.
    pub(crate) fn state(
        &self,
        call: &CallView,
        decision_s: u32,
        now: Now,
    ) -> (DecisionState, Option<DecisionBrief>) {
        match self.of_expert(call) {
            Some(record) => (DecisionState::Decided, Some(brief(record))),
            None if is_late(call, decision_s, now) => (DecisionState::NoDecision, None),
            None => (DecisionState::Open, None),
        }
    }

    /// The lines from which all of it can be read again.
    pub(crate) fn lines(&self) -> impl Iterator<Item = Line> {
        self.0.iter().flat_map(|(call_id, kept)| {
            let decided = kept.records.iter().map(|record| Line::Decided {
                call_id: call_id.clone(),
                record: Box::new(record.clone()),
            });
            let closed = kept.is_closed.then(|| Line::Undecided {
                call_id: call_id.clone(),
            });
            decided.chain(closed)
        })
    }
}

/// Whether a person took the call, who can be asked for a decision.
pub(crate) fn is_asked(call: &CallView) -> bool {
    let called_in = call.origin == "expert";
    call.answered.is_some() && (called_in || call.accepted_by.is_some())
}

/// Unix milliseconds until which a decision about a call is taken; open while the call lasts. A
/// call that no person accepted has no time after its end.
pub(crate) fn until_ms(call: &CallView, decision_s: u32) -> Option<u64> {
    let ended_ms = time::parse_ns(call.ended.as_deref()?)? / 1_000_000;
    let more_s = if is_asked(call) { decision_s } else { 0 };
    Some(ended_ms.saturating_add(u64::from(more_s) * 1_000))
}

pub(crate) fn is_late(call: &CallView, decision_s: u32, now: Now) -> bool {
    until_ms(call, decision_s).is_some_and(|until| now.unix_ms >= until)
}
