//! Verdicts by gate and minute, over the last day: the data of the page's chart.

use std::collections::BTreeMap;

use ife_words::Gate;
use serde::Serialize;
use utoipa::ToSchema;

use crate::record::Record;

/// Minutes that are kept.
pub const MINUTES_MAX: u64 = 24 * 60;
const MINUTE_NS: i64 = 60_000_000_000;

/// Columns: one for each gate, `none` (approved) among them, one for a gate that is not known here,
/// and one for refusals without an entry of their own.
const COLUMNS: usize = Gate::ALL.len() + 2;
const OTHER: usize = COLUMNS - 2;
const OMITTED: usize = COLUMNS - 1;

/// Whose verdicts, and whether they are refusals that shadow mode let pass.
const ROWS: [(&str, bool); 3] = [("proxy", false), ("proxy", true), ("bridge", false)];

/// Counts of one minute.
type Minute = [[u32; COLUMNS]; ROWS.len()];

/// Counts of the minutes in which there was a verdict.
#[derive(Debug, Default)]
pub struct Verdicts {
    minutes: BTreeMap<u64, Minute>,
    since_ns: Option<i64>,
}

/// Verdicts of one gate.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct VerdictLine {
    /// `proxy` (Kamailio) or `bridge`. A call of the bridge is asked about at both.
    pub at: &'static str,
    /// `approved` or `rejected`.
    pub verdict: &'static str,
    /// The gate that rejected; `other` is one that is not known here, `omitted` are refusals of a
    /// flood, which have no entry of their own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gate: Option<&'static str>,
    /// The refusals were not carried out: the gate was in shadow mode.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub shadow: bool,
    /// A number for each step.
    pub counts: Vec<u32>,
}

impl Verdicts {
    /// Counts an entry, if it is a verdict and its time is within the last day. Clocks may run
    /// ahead by a minute.
    pub fn count(&mut self, record: &Record, now_ns: i64) {
        let Some(time_ns) = record.time_ns else {
            return;
        };
        self.since_ns = Some(self.since_ns.map_or(time_ns, |since| since.min(time_ns)));
        let is_decision = matches!(&*record.event, "APPROVED" | "REJECTED");
        let age = now_ns.saturating_sub(time_ns).div_euclid(MINUTE_NS);
        if !is_decision || !(-1..MINUTES_MAX as i64).contains(&age) {
            return;
        }
        let Ok(minute) = u64::try_from(time_ns.div_euclid(MINUTE_NS)) else {
            return;
        };
        let (column, more) = match (record.omitted, record.approved) {
            // They were refused in the seconds before the entry; it does not have by which gates.
            (Some(count), _) => (OMITTED, u32::try_from(count).unwrap_or(u32::MAX)),
            (None, Some(true)) => (0, 1),
            (None, Some(false)) => (column(record.gate.as_deref()), 1),
            (None, None) => return,
        };
        let row = match (record.author.is_of_bridge(), record.shadow) {
            (true, _) => 2,
            (false, shadow) => usize::from(shadow && column > 0),
        };
        let counts = &mut self.minutes.entry(minute).or_default()[row][column];
        *counts = counts.saturating_add(more);
        // One more than is kept, for the clock that runs ahead.
        while self.minutes.len() as u64 > MINUTES_MAX + 1 {
            self.minutes.pop_first();
        }
    }

    /// The earliest time of an entry that was looked at.
    pub fn since_ns(&self) -> Option<i64> {
        self.since_ns
    }

    /// `steps` steps of `step` minutes each, the last of which holds minute `until`; lines without
    /// a verdict are left out.
    pub fn lines(&self, until: u64, step: u64, steps: u64) -> Vec<VerdictLine> {
        let first = (until + 1).saturating_sub(step * steps);
        let mut lines = Vec::new();
        for (row, (at, shadow)) in ROWS.into_iter().enumerate() {
            for column in 0..COLUMNS {
                let mut counts = vec![0_u32; steps as usize];
                for (minute, of) in self.minutes.range(first..=until) {
                    let place = ((minute - first) / step) as usize;
                    if let Some(count) = counts.get_mut(place) {
                        *count = count.saturating_add(of[row][column]);
                    }
                }
                if counts.iter().any(|count| *count > 0) {
                    let verdict = if column == 0 { "approved" } else { "rejected" };
                    lines.push(VerdictLine {
                        at,
                        verdict,
                        gate: name(column),
                        shadow,
                        counts,
                    });
                }
            }
        }
        lines
    }
}

/// The minute of a time.
pub fn minute_of(time_ns: i64) -> u64 {
    u64::try_from(time_ns.div_euclid(MINUTE_NS)).unwrap_or(0)
}

fn column(gate: Option<&str>) -> usize {
    let known = gate.and_then(|gate| Gate::ALL.iter().position(|known| known.as_str() == gate));
    // A refusal by no gate would look like an approval.
    known.filter(|column| *column > 0).unwrap_or(OTHER)
}

fn name(column: usize) -> Option<&'static str> {
    match column {
        0 => None,
        OMITTED => Some("omitted"),
        column => Some(Gate::ALL.get(column).map_or("other", |gate| gate.as_str())),
    }
}

#[cfg(test)]
mod tests {
    use ife_words::time;

    use super::*;

    const NOW_MIN: i64 = 1_000_000;

    fn record(minute: i64, author: &str, gate: Option<&str>) -> Record {
        let event = if gate.is_some() {
            "REJECTED"
        } else {
            "APPROVED"
        };
        let verdict = event.to_lowercase();
        let time = time::of_s(minute.unsigned_abs() * 60 + 5);
        let mut entry = serde_json::json!({"event": event, "producer": author, "verdict": verdict,
        "time": time});
        if let Some(gate) = gate {
            entry["gate"] = gate.into();
        }
        Record::whole(0, entry.to_string().as_bytes()).expect("an entry")
    }

    #[test]
    fn verdicts_are_counted_by_gate_minute_and_author() {
        let mut verdicts = Verdicts::default();
        for (minute, author, gate) in [
            (NOW_MIN, "kamailio-1", None),
            (NOW_MIN, "kamailio-2", None),
            (NOW_MIN - 1, "kamailio-1", Some("hazard")),
            (NOW_MIN - 3, "bridge-a", Some("quota")),
            (NOW_MIN - 3, "kamailio-1", Some("no such gate")),
            (NOW_MIN - 3, "kamailio-1", Some("none")),
        ] {
            verdicts.count(&record(minute, author, gate), NOW_MIN * MINUTE_NS);
        }
        let line = |at, gate: Option<_>, counts: [u32; 2]| VerdictLine {
            at,
            verdict: gate.map_or("approved", |_| "rejected"),
            gate,
            shadow: false,
            counts: counts.to_vec(),
        };
        assert_eq!(
            verdicts.lines(NOW_MIN as u64, 2, 2),
            [
                line("proxy", None, [0, 2]),
                line("proxy", Some("hazard"), [0, 1]),
                line("proxy", Some("other"), [2, 0]),
                line("bridge", Some("quota"), [1, 0]),
            ]
        );
    }

    #[test]
    fn refusals_without_an_entry_of_their_own_are_counted_by_the_one_that_stands_for_them() {
        let mut summary = record(NOW_MIN, "kamailio-1", Some("none"));
        summary.omitted = Some(700);
        let mut verdicts = Verdicts::default();
        verdicts.count(&summary, NOW_MIN * MINUTE_NS);
        let lines = verdicts.lines(NOW_MIN as u64, 1, 1);
        assert_eq!(
            (lines.len(), lines[0].gate, &lines[0].counts[..]),
            (1, Some("omitted"), &[700][..])
        );
    }

    #[test]
    fn refusals_that_shadow_mode_let_pass_have_lines_of_their_own() {
        let mut verdicts = Verdicts::default();
        for shadow in [true, true, false] {
            let mut refusal = record(NOW_MIN, "kamailio-1", Some("hazard"));
            refusal.shadow = shadow;
            verdicts.count(&refusal, NOW_MIN * MINUTE_NS);
        }
        let lines = verdicts.lines(NOW_MIN as u64, 1, 1);
        let told: Vec<_> = lines
            .iter()
            .map(|line| (line.at, line.gate, line.shadow, line.counts[0]))
            .collect();
        assert_eq!(
            told,
            [
                ("proxy", Some("hazard"), false, 1),
                ("proxy", Some("hazard"), true, 2)
            ]
        );
    }

    #[test]
    fn times_that_cannot_be_are_not_counted_and_minutes_stay_bounded() {
        let mut verdicts = Verdicts::default();
        for minute in [0, NOW_MIN + 5, NOW_MIN - 24 * 60 - 1] {
            verdicts.count(&record(minute, "kamailio-1", None), NOW_MIN * MINUTE_NS);
        }
        assert!(verdicts.minutes.is_empty());
        for minute in 0..3_000 {
            let now = (NOW_MIN + minute) * MINUTE_NS;
            verdicts.count(&record(NOW_MIN + minute, "kamailio-1", None), now);
        }
        assert_eq!(verdicts.minutes.len() as u64, MINUTES_MAX + 1);
    }
}
