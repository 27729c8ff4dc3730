//! Traces and calls of a log, in the shapes of the bridge's API.

use std::sync::Arc;

use base64::{Engine, engine::general_purpose::STANDARD};
use ife_witness::{checkpoint::SignedCheckpoint, entry::Author, note::Verified, reader::LogError};
use ife_words::{hex, time};
use serde::Serialize;
use serde_json::Value;
use thiserror::Error;
use utoipa::ToSchema;

use crate::{
    Log,
    bundle::Checked,
    index::{Wanted, traces},
    ladder::{Facts, Row, facts, rows},
    record::{Key, Record, unix_ns},
    scan::scan,
};

/// Entries of one story at most, the newest ones.
pub const STORY_MAX: usize = 500;

/// Why a search has no answer.
#[derive(Debug, Error)]
pub enum SearchError {
    /// It may come soon.
    #[error("no checkpoint of the log has been verified yet")]
    NoCheckpoint,
    /// A file of the log.
    #[error(transparent)]
    Log(#[from] LogError),
}

/// A checkpoint.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
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
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct SignatureView {
    /// Name of the key.
    pub name: String,
    /// RFC 3339; when a cosigner signed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub time: Option<String>,
}

/// All that the log has of one trace or call.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct Story {
    /// The facts of all of it.
    pub facts: Facts,
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
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
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
    pub author: &'static str,
    /// The entry, see docs/witness.md. Its texts are those of strangers. `null` where it is no
    /// JSON.
    #[schema(value_type = Object)]
    pub entry: Value,
    /// Its rows in the ladder of the story, one at least.
    pub rows: Vec<Row>,
}

/// How far a search went.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct SearchedTo {
    /// Entries from this one on were searched: 0 is all of the log. To go on, ask again with
    /// `before` set to it.
    pub index: u64,
    /// RFC 3339; time of the earliest entry that was searched.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub time: Option<String>,
}

/// Traces that were found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Found {
    /// The newest first.
    pub traces: Vec<TraceView>,
    /// How far back the log was searched.
    pub searched_back_to: SearchedTo,
}

/// A trace in short.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct TraceView {
    /// Absent where requests were refused that had none: then the first of `call_ids` distinguishes
    /// them together.
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
    /// `rejected`, `let_pass` (a refusal that the gate's shadow mode did not carry out), `failed`,
    /// `ended`, `connected`, `ringing` or `set_up`.
    pub outcome: &'static str,
    /// The gate that rejected, or would have.
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

impl Log {
    /// Returns the newest `limit` traces of which an entry is wanted. Looks at the index and, if it
    /// finds nothing there, at entries below it; `before` goes on where an earlier search ended.
    ///
    /// # Errors
    /// [`SearchError`].
    pub fn search(
        &self,
        wanted: &Wanted,
        limit: usize,
        before: Option<u64>,
    ) -> Result<Found, SearchError> {
        let head = self.head().ok_or(SearchError::NoCheckpoint)?;
        let from = {
            let state = self.state();
            let from = state.index.from();
            if before.is_none_or(|before| before > from) {
                let records: Vec<&Record> = state.index.records().collect();
                let first = records.iter().find_map(|record| record.time_ns);
                let found = traces(records.iter().copied(), wanted, limit);
                // A list of the newest needs no more than the index; a search that found nothing
                // goes on below it.
                if !found.is_empty() || wanted.text.is_none() || from == 0 {
                    return Ok(Found::new(&found, SearchedTo::new(from, first)));
                }
            }
            from
        };
        let before = before.map_or(from, |before| before.min(from));
        let mut scan = scan(self.dir(), head.size, before, wanted, usize::MAX)?;
        scan.found.reverse();
        let found = traces(scan.found.iter(), wanted, limit);
        let searched = SearchedTo::new(scan.down_to, scan.time_ns);
        Ok(Found::new(&found, searched))
    }

    /// Returns the wanted entries in the order of time, each checked against the signed checkpoint.
    /// Entries that are too old for the index are looked for in the log, below `before`.
    ///
    /// # Errors
    /// [`SearchError`].
    pub fn story(
        &self,
        wanted: &Wanted,
        before: Option<u64>,
        now_ms: u64,
    ) -> Result<Story, SearchError> {
        let (signed, from, first, mut places) = {
            let state = self.state();
            let signed = state.head.clone().ok_or(SearchError::NoCheckpoint)?;
            let records = || state.index.records();
            let first = records().find_map(|record| record.time_ns);
            let places = records().filter(|record| wanted.is_in(record));
            let places: Vec<u64> = places.map(|record| record.index).collect();
            (signed, state.index.from(), first, places)
        };
        let head = &signed.checkpoint;
        let mut searched = SearchedTo::new(from, first);
        let below = before.map_or(from, |before| before.min(from));
        if below > 0 && (before.is_some() || places.is_empty()) {
            let scan = scan(self.dir(), head.size, below, wanted, STORY_MAX)?;
            let older = scan.found.iter().rev().map(|record| record.index);
            places = older.chain(places).collect();
            searched = SearchedTo::new(scan.down_to, scan.time_ns);
        }
        // The index may be of a later checkpoint than the one that was taken above.
        places.retain(|place| *place < head.size);
        let is_cut = places.len() > STORY_MAX;
        places.drain(..places.len().saturating_sub(STORY_MAX));
        let checked = self.read(head, &places, now_ms)?;
        let mut entries: Vec<StoryEntry> = checked.into_iter().map(StoryEntry::new).collect();
        entries.sort_by_key(StoryEntry::order);
        let told: Vec<&Value> = entries.iter().map(|seen| &seen.entry).collect();
        let (facts, rows) = (facts(&told), rows(&told));
        for (entry, rows) in entries.iter_mut().zip(rows) {
            entry.rows = rows;
        }
        Ok(Story {
            facts,
            entries,
            is_cut,
            checkpoint: CheckpointView::new(&signed),
            searched_back_to: searched,
        })
    }
}

impl Found {
    fn new(found: &[(Key, Vec<&Record>)], searched_back_to: SearchedTo) -> Found {
        let traces = found
            .iter()
            .map(|(key, records)| TraceView::new(key, records));
        Found {
            traces: traces.collect(),
            searched_back_to,
        }
    }
}

impl CheckpointView {
    /// Of a checkpoint whose signatures were verified.
    pub fn new(signed: &SignedCheckpoint) -> CheckpointView {
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
            author: Author::of(producer).name(),
            entry,
            rows: Vec::new(),
        }
    }

    /// By which stories are ordered: rings are drained in batches, so the log's order is not quite
    /// that of time.
    pub(crate) fn order(&self) -> (Option<i64>, u64) {
        (self.entry["time"].as_str().and_then(unix_ns), self.index)
    }
}

impl TraceView {
    /// Of a trace's entries, in the order of the log; there is at least one.
    pub(crate) fn new(key: &Key, records: &[&Record]) -> TraceView {
        let last = |member: fn(&Record) -> &Option<Arc<str>>| {
            let mut newest = records.iter().rev();
            newest.find_map(|record| member(record).as_deref().map(str::to_owned))
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
            expert: last(|record| &record.expert),
            hazard: last(|record| &record.hazard),
            gate: last(|record| &record.gate)
                .filter(|_| matches!(outcome, "rejected" | "let_pass")),
            outcome,
            code: records.iter().rev().find_map(|record| record.code),
            first: times().min().map(rfc3339),
            last: times().max().map(rfc3339),
            entries: records.len() as u64,
        }
    }
}

/// Its outcome: the last event that has one. Entries of several processes may come in any
/// order, so an end counts wherever it is.
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
    } else if records.iter().any(|record| is_refusal(record, false)) {
        "rejected"
    } else if has(&["FAILED"]) {
        "failed"
    } else if has(&["RINGING"]) {
        "ringing"
    } else if records.iter().any(|record| is_refusal(record, true)) {
        "let_pass"
    } else {
        "set_up"
    }
}

fn is_refusal(record: &Record, shadow: bool) -> bool {
    &*record.event == "REJECTED" && record.shadow == shadow
}

/// Returns RFC 3339, UTC, milliseconds; 1970 for a time before.
pub fn rfc3339(unix_ns: i64) -> String {
    time::of_ms(u64::try_from(unix_ns / 1_000_000).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(entries: &[serde_json::Value]) -> TraceView {
        let texts: Vec<String> = entries.iter().map(ToString::to_string).collect();
        let records: Vec<Record> = (0..)
            .zip(&texts)
            .filter_map(|(index, text)| Record::whole(index, text.as_bytes()))
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
    fn a_refusal_that_shadow_mode_let_pass_is_no_rejection() {
        let refusal = serde_json::json!({"event": "REJECTED", "gate": "hazard", "shadow": true});
        let view = told(std::slice::from_ref(&refusal));
        assert_eq!(
            (view.outcome, view.gate.as_deref()),
            ("let_pass", Some("hazard"))
        );
        // An enforced one counts more, in either order.
        let enforced = serde_json::json!({"event": "REJECTED", "gate": "quota"});
        assert_eq!(told(&[refusal, enforced]).outcome, "rejected");
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
