//! Shapes of the witness part of the API.

use base64::{Engine, engine::general_purpose::STANDARD};
use ife_witness::{checkpoint::SignedCheckpoint, entry::Author, note::Verified};
use ife_words::{hex, time};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use super::{
    bundle::Checked,
    entry::{Key, Record, unix_ns},
    log::{Alarm, State},
};
use crate::view::LogHealth;

/// The log as it is, as `GET /v1/witness/checkpoint` tells it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct LogView {
    /// In a word; `verified` only when signatures, history and every entry that was read are as signed.
    pub state: LogHealth,
    /// The latest checkpoint whose signatures were verified, by all keys of `witness_log.vkeys`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub checkpoint: Option<CheckpointView>,
    /// Why the checkpoint could not be read or believed the last time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
    /// When it was last read; RFC 3339.
    pub read: String,
    /// First entry of the index that searches look at first.
    pub indexed_from: u64,
    /// What is not as it was signed, since the bridge started; at most 16.
    pub alarms: Vec<AlarmView>,
}

/// A checkpoint.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct CheckpointView {
    /// The log's name.
    pub origin: String,
    /// Entries in the log.
    pub size: u64,
    /// Root of the tree, base64.
    pub root: String,
    /// Whose signatures were verified.
    pub signatures: Vec<SignatureView>,
}

/// A verified signature.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SignatureView {
    /// Name of the key.
    pub name: String,
    /// RFC 3339; when a cosigner signed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub time: Option<String>,
}

/// Something that is not what was signed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AlarmView {
    /// RFC 3339; when it was seen first.
    pub seen: String,
    /// The entry, where it is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub index: Option<u64>,
    /// What is wrong.
    pub what: String,
}

/// All that the log has of one trace or call.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Story {
    /// Entries in the order of time, the newest 500 at most.
    pub entries: Vec<StoryEntry>,
    /// There are more than 500.
    pub is_cut: bool,
    /// The checkpoint that `included` refers to.
    pub checkpoint: CheckpointView,
    /// How far back the log was searched.
    pub searched_back_to: SearchedTo,
}

/// An entry and its place in the log.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct StoryEntry {
    /// From 0.
    pub index: u64,
    /// `sha256:` and the RFC 6962 leaf hash, hex: the value of X-IF-Witness-Hash.
    pub leaf_hash: String,
    /// Its hash was computed and leads to the root of the signed checkpoint.
    pub included: bool,
    /// Why it is not included.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
    /// Who wrote it: `gate`, `bridge`, `evidence` or `writer`. The kind of its `producer`.
    pub author: String,
    /// The entry, see docs/witness.md. Its texts are those of strangers. `null` where it is no JSON.
    #[schema(value_type = Object)]
    pub entry: Value,
}

/// How far a search went.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SearchedTo {
    /// Entries from this one on were searched: 0 is all of the log. To go on, ask again with `before` set to it.
    pub index: u64,
    /// RFC 3339; time of the earliest entry that was searched.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub time: Option<String>,
}

/// Traces that were found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Found {
    /// The newest first.
    pub traces: Vec<TraceView>,
    /// How far back the log was searched.
    pub searched_back_to: SearchedTo,
}

/// A trace in short.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct TraceView {
    /// Absent where requests were refused that had none: then the first of `call_ids` tells them together.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trace_id: Option<String>,
    /// Call-IDs in it, and the bridge's name of the call; at most 4.
    pub call_ids: Vec<String>,
    /// The last expert named.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expert: Option<String>,
    /// Hazard name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hazard: Option<String>,
    /// `rejected`, `failed`, `ended`, `connected`, `ringing` or `set_up`.
    pub outcome: String,
    /// The gate that rejected.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gate: Option<String>,
    /// The last SIP status.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<u16>,
    /// RFC 3339; of the first entry that was found.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub first: Option<String>,
    /// RFC 3339; of the last one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last: Option<String>,
    /// Entries that were found; in the part of the log that was searched.
    pub entries: u64,
}

/// Verdicts by gate over time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct VerdictsView {
    /// RFC 3339; start of the first step.
    pub from: String,
    /// Seconds of a step.
    pub step_s: u64,
    /// RFC 3339; the time from which on entries were counted. Before it nothing is known, which is not the same as nothing happened.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub counted_from: Option<String>,
    /// A line for each gate that said something.
    pub lines: Vec<VerdictLine>,
}

/// Verdicts of one gate.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct VerdictLine {
    /// `proxy` (Kamailio) or `bridge`. A call of the bridge is asked about at both.
    pub at: String,
    /// `approved` or `rejected`.
    pub verdict: String,
    /// The gate that rejected; `other` is one that is not known here, `omitted` are refusals of a flood, which have no entry of their own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gate: Option<String>,
    /// A number for each step.
    pub counts: Vec<u32>,
}

impl LogView {
    pub(crate) fn new(state: &State, health: LogHealth) -> LogView {
        LogView {
            state: health,
            checkpoint: state.head.as_ref().map(CheckpointView::new),
            problem: state.problem.clone(),
            read: time::of_ms(state.read_ms),
            indexed_from: state.index.from(),
            alarms: state.alarms.iter().map(AlarmView::new).collect(),
        }
    }
}

impl CheckpointView {
    pub(crate) fn new(signed: &SignedCheckpoint) -> CheckpointView {
        CheckpointView {
            origin: signed.checkpoint.origin.clone(),
            size: signed.checkpoint.size,
            root: STANDARD.encode(signed.checkpoint.root),
            signatures: signed.signatures.iter().map(SignatureView::new).collect(),
        }
    }
}

impl SignatureView {
    fn new(signature: &Verified) -> SignatureView {
        SignatureView {
            name: signature.name.clone(),
            time: signature
                .time_s
                .map(|at| time::of_ms(at.saturating_mul(1_000))),
        }
    }
}

impl AlarmView {
    fn new(alarm: &Alarm) -> AlarmView {
        AlarmView {
            seen: time::of_ms(alarm.seen_ms),
            index: alarm.index,
            what: alarm.what.clone(),
        }
    }
}

impl SearchedTo {
    pub(crate) fn new(index: u64, time_ns: Option<i64>) -> SearchedTo {
        SearchedTo {
            index,
            time: time_ns.map(rfc3339),
        }
    }
}

impl StoryEntry {
    pub(crate) fn new(checked: Checked) -> StoryEntry {
        let entry: Value = serde_json::from_slice(&checked.bytes).unwrap_or_default();
        let producer = entry["producer"].as_str().unwrap_or_default();
        StoryEntry {
            index: checked.index,
            leaf_hash: format!("sha256:{}", hex::text(&checked.leaf)),
            included: checked.problem.is_none(),
            problem: checked.problem,
            author: Author::of(producer).name().to_owned(),
            entry,
        }
    }

    /// By which stories are ordered: rings are drained in batches, so the log's order is not quite that of time.
    pub(crate) fn order(&self) -> (Option<i64>, u64) {
        (self.entry["time"].as_str().and_then(unix_ns), self.index)
    }
}

impl TraceView {
    /// Of a trace's entries, in the order of the log; there is at least one.
    pub(crate) fn new(key: &Key, records: &[&Record]) -> TraceView {
        let last = |member: fn(&Record) -> Option<String>| {
            records.iter().rev().find_map(|record| member(record))
        };
        let mut call_ids: Vec<String> = Vec::new();
        for call in records.iter().filter_map(|r| r.call_id.as_deref()) {
            if call_ids.len() < 4 && !call_ids.iter().any(|known| known == call) {
                call_ids.push(call.to_owned());
            }
        }
        let times = || records.iter().filter_map(|record| record.time_ns);
        let outcome = outcome(records);
        TraceView {
            trace_id: match key {
                Key::Trace(id) => Some(id.to_string()),
                Key::Call(_) => None,
            },
            call_ids,
            expert: last(|record| record.expert.as_deref().map(str::to_owned)),
            hazard: last(|record| record.hazard.as_deref().map(str::to_owned)),
            gate: last(|record| record.gate.as_deref().map(str::to_owned))
                .filter(|_| outcome == "rejected"),
            outcome: outcome.to_owned(),
            code: last(|record| record.code.map(|code| code.to_string()))
                .and_then(|code| code.parse().ok()),
            first: times().min().map(rfc3339),
            last: times().max().map(rfc3339),
            entries: records.len() as u64,
        }
    }
}

/// What became of it: the last event that says so. Entries of several processes may come in any order, so an end counts wherever it is.
fn outcome(records: &[&Record]) -> &'static str {
    let has = |events: &[&str]| {
        records
            .iter()
            .any(|record| events.contains(&&*record.event))
    };
    let was_connected = has(&["CONNECTED", "H323_CONNECTED", "COUNCIL_JOIN"]);
    if has(&["TERMINATED", "BYE"]) {
        "ended"
    } else if was_connected {
        "connected"
    } else if has(&["REJECTED"]) {
        "rejected"
    } else if has(&["FAILED"]) {
        "failed"
    } else if has(&["RINGING"]) {
        "ringing"
    } else {
        "set_up"
    }
}

/// RFC 3339, UTC, milliseconds; 1970 for a time that cannot be told.
pub(crate) fn rfc3339(unix_ns: i64) -> String {
    time::of_ms(u64::try_from(unix_ns / 1_000_000).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(entries: &[serde_json::Value]) -> TraceView {
        let texts: Vec<String> = entries.iter().map(ToString::to_string).collect();
        let records: Vec<Record> = (0..)
            .zip(&texts)
            .filter_map(|(index, text)| Record::read(index, text.as_bytes(), |text| text.into()))
            .collect();
        let records: Vec<&Record> = records.iter().collect();
        TraceView::new(&Key::Trace("t".into()), &records)
    }

    #[test]
    fn a_refusal_is_told_with_its_gate() {
        let view = told(&[
            serde_json::json!({"event": "REJECTED", "gate": "hazard", "code": 403, "call_id": "c"}),
        ]);
        assert_eq!(view.outcome, "rejected");
        assert_eq!(
            (view.gate.as_deref(), view.code),
            (Some("hazard"), Some(403))
        );
    }

    #[test]
    fn outcomes_are_told_whatever_the_order_of_entries() {
        for (events, outcome) in [
            (vec!["APPROVED"], "set_up"),
            (vec!["APPROVED", "RINGING"], "ringing"),
            (vec!["APPROVED", "FAILED", "RINGING"], "failed"),
            (vec!["CONNECTED", "APPROVED"], "connected"),
            // The first expert was busy, the second one came.
            (vec!["APPROVED", "FAILED", "CONNECTED"], "connected"),
            (vec!["CONNECTED", "TERMINATED", "BYE", "FAILED"], "ended"),
            (vec!["APPROVED", "REJECTED"], "rejected"),
        ] {
            let entries: Vec<_> = events
                .iter()
                .map(|event| serde_json::json!({"event": event}))
                .collect();
            assert_eq!(told(&entries).outcome, outcome, "{events:?}");
        }
    }
}
