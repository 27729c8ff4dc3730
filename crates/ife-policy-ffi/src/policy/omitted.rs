//! Refusals without an entry of their own: the budget, and the one entry for all of them.

use std::net::{IpAddr, Ipv6Addr};

use ife_guard::{Now, flood_source};
use ife_witness::entry::{Event, Omitted};

use super::Policy;
use crate::message::Message;
use crate::shared::counters::Counter;

impl Policy {
    /// Returns true if the refusal of `msg` may have an entry; otherwise notes it as omitted.
    pub(crate) fn may_write_refusal(&self, msg: &Message<'_>, now: Now, unix_ns: u64) -> bool {
        let Some(rate_per_s) = self.options.refusals_per_s else {
            return true;
        };
        // Messages without a source share one budget.
        let source = msg.peer.map_or(IpAddr::V6(Ipv6Addr::UNSPECIFIED), |peer| {
            flood_source(peer.ip())
        });
        let refusals = self.shared.refusals();
        if refusals.may_write(source, rate_per_s, now) {
            return true;
        }
        refusals.omit(now, unix_ns);
        self.count(Counter::RefusalsOmitted);
        false
    }

    /// Returns true if a refusal of a message from `source` would only be counted.
    pub(crate) fn would_omit_refusal(&self, source: IpAddr, now: Now) -> bool {
        self.options.refusals_per_s.is_some_and(|rate_per_s| {
            let source = flood_source(source);
            !self.shared.refusals().has_budget(source, rate_per_s, now)
        })
    }

    /// Writes the summary of omitted refusals, if it is due and no other process writes it.
    pub(crate) fn summarise_refusals(&mut self, now: Now, unix_ns: u64) {
        self.write_summary(now, unix_ns, false);
    }

    /// Writes the summary; `at_once`: before it is due, because this process may be the last.
    pub(super) fn write_summary(&mut self, now: Now, unix_ns: u64, at_once: bool) {
        let Some(due) = self.shared.refusals().due(now.mono_ms, at_once) else {
            return;
        };
        let omitted = Omitted {
            count: due.count,
            first_unix_ns: due.first_unix_ns,
            last_unix_ns: due.last_unix_ns,
        };
        let detail = format!(
            "{} refusals of strangers have no entry of their own",
            omitted.count
        );
        if self.witness_own(Event::Rejected, &detail, Some(omitted), unix_ns) {
            self.shared.refusals().written(&due);
        }
    }
}
