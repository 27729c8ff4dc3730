//! A witness entry as read from the log, with the members that the subcommands print.

use ife_witness::merkle::leaf_hash;
use ife_words::{hex, time};
use serde_json::{Value, json};

use crate::text::harmless;

/// An entry, its place and its members.
pub(super) struct Seen {
    pub(super) index: u64,
    pub(super) bytes: Vec<u8>,
    members: Value,
}

impl Seen {
    pub(super) fn new(index: u64, bytes: Vec<u8>) -> Seen {
        // Entries that are no JSON object are shown without members; `verify` refuses them.
        let members = serde_json::from_slice(&bytes).unwrap_or_default();
        Seen {
            index,
            bytes,
            members,
        }
    }

    /// All members; null where the entry is no JSON.
    pub(super) fn members(&self) -> &Value {
        &self.members
    }

    /// A text member, made harmless; empty when absent.
    pub(super) fn text(&self, member: &str) -> String {
        self.members[member]
            .as_str()
            .map(harmless)
            .unwrap_or_default()
    }

    pub(super) fn number(&self, member: &str) -> Option<u64> {
        self.members[member].as_u64()
    }

    pub(super) fn event(&self) -> String {
        self.text("event")
    }

    /// Nanoseconds since 1970; 0 when there is no time.
    pub(super) fn time_ns(&self) -> u64 {
        self.members["time"]
            .as_str()
            .and_then(time::parse_ns)
            .unwrap_or(0)
    }

    /// `180 Ringing`, or what there is of it.
    pub(super) fn status(&self) -> String {
        let code = self
            .number("code")
            .map(|code| code.to_string())
            .unwrap_or_default();
        [code, self.text("reason")].join(" ").trim().to_owned()
    }

    pub(super) fn leaf_hash(&self) -> [u8; 32] {
        leaf_hash(&self.bytes)
    }

    pub(super) fn json(&self) -> Value {
        json!({"index": self.index, "leaf_hash": format!("sha256:{}",
        hex::text(&self.leaf_hash())), "entry": self.members})
    }

    /// The entry on one line, for `tail`.
    pub(super) fn line(&self) -> String {
        let (from, to) = (self.text("from"), self.text("ruri"));
        let to = if to.is_empty() { self.text("to") } else { to };
        let gate = Some(self.text("gate"))
            .filter(|gate| !gate.is_empty())
            .map(|gate| format!("gate {gate}"));
        let parties = (!from.is_empty() || !to.is_empty()).then(|| format!("{from} -> {to}"));
        let trace = Some(self.text("trace_id")).filter(|trace| !trace.is_empty());
        let parts = [
            parties,
            Some(self.status()),
            gate,
            (self.members["shadow"] == true).then(|| "let pass (shadow)".to_owned()),
            Some(self.text("detail")),
            trace.map(|trace| format!("trace {trace}")),
        ];
        let parts: Vec<String> = parts
            .into_iter()
            .flatten()
            .filter(|part| !part.is_empty())
            .collect();
        format!(
            "#{:<8} {:<30} {:<13} {}",
            self.index,
            self.text("time"),
            self.event(),
            parts.join("  ")
        )
        .trim_end()
        .to_owned()
    }
}
