//! The index's record of a witness entry. Entries are other people's text: a member that is not as
//! expected is left out, never an error.

use std::{borrow::Cow, sync::Arc};

use ife_witness::entry::Author;
use ife_words::time;
use serde::Deserialize;

/// The members that are indexed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// Position in the log, from 0.
    pub index: u64,
    /// The producer's clock, ns since 1970; `None` where the entry has no time.
    pub time_ns: Option<i64>,
    /// Who wrote it.
    pub author: Author,
    /// Name of the event.
    pub event: Arc<str>,
    /// Correlates everything about one escalation.
    pub trace_id: Option<Arc<str>>,
    /// SIP Call-ID, or the bridge's name of the call.
    pub call_id: Option<Arc<str>>,
    /// Expert id.
    pub expert: Option<Arc<str>>,
    /// Hazard name.
    pub hazard: Option<Arc<str>>,
    /// The gate that decided.
    pub gate: Option<Arc<str>>,
    /// SIP status.
    pub code: Option<u16>,
    /// `approved` or `rejected`.
    pub approved: Option<bool>,
    /// The refusal was not carried out: the gate was in shadow mode.
    pub shadow: bool,
    /// Refusals without an entry of their own that this one stands for.
    pub omitted: Option<u64>,
}

#[derive(Deserialize)]
struct Members<'a> {
    #[serde(borrow)]
    time: Option<Cow<'a, str>>,
    #[serde(borrow)]
    producer: Option<Cow<'a, str>>,
    #[serde(borrow)]
    event: Option<Cow<'a, str>>,
    #[serde(borrow)]
    trace_id: Option<Cow<'a, str>>,
    #[serde(borrow)]
    call_id: Option<Cow<'a, str>>,
    #[serde(borrow)]
    expert: Option<Cow<'a, str>>,
    #[serde(borrow)]
    hazard: Option<Cow<'a, str>>,
    #[serde(borrow)]
    gate: Option<Cow<'a, str>>,
    code: Option<u16>,
    #[serde(borrow)]
    verdict: Option<Cow<'a, str>>,
    #[serde(default)]
    shadow: Flag,
    omitted: Option<Omitted>,
}

/// True for JSON's `true` alone, for no other value of the entry.
#[derive(Default)]
struct Flag(bool);

impl<'de> Deserialize<'de> for Flag {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Flag, D::Error> {
        let value = serde_json::Value::deserialize(deserializer)?;
        Ok(Flag(value == true))
    }
}

#[derive(Deserialize)]
struct Omitted {
    count: u64,
}

impl Record {
    /// Reads an entry with texts of any length. `None` if it is no entry.
    pub fn whole(index: u64, entry: &[u8]) -> Option<Record> {
        Record::read(index, entry, |text| Some(text.into()))
    }

    /// Reads an entry; `intern` gives a shared copy of a text that is kept.
    pub fn read(
        index: u64,
        entry: &[u8],
        mut intern: impl FnMut(&str) -> Option<Arc<str>>,
    ) -> Option<Record> {
        let members: Members<'_> = serde_json::from_slice(entry).ok()?;
        let author = Author::of(members.producer.as_deref().unwrap_or_default());
        let mut kept =
            |text: Option<&str>| text.filter(|text| !text.is_empty()).and_then(&mut intern);
        Some(Record {
            index,
            time_ns: members.time.as_deref().and_then(unix_ns),
            author,
            event: kept(members.event.as_deref())?,
            trace_id: kept(members.trace_id.as_deref()),
            call_id: kept(members.call_id.as_deref()),
            expert: kept(members.expert.as_deref()),
            hazard: kept(members.hazard.as_deref()),
            gate: kept(members.gate.as_deref()),
            code: members.code,
            approved: match members.verdict.as_deref() {
                Some("approved") => Some(true),
                Some("rejected") => Some(false),
                Some(_) | None => None,
            },
            shadow: members.shadow.0,
            omitted: members.omitted.map(|omitted| omitted.count),
        })
    }

    /// The entry's group: its trace, or its call where a refused request had no trace id.
    pub fn key(&self) -> Option<Key> {
        let trace = self.trace_id.clone().map(Key::Trace);
        trace.or_else(|| self.call_id.clone().map(Key::Call))
    }
}

/// The key that groups entries.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Key {
    /// A trace id.
    Trace(Arc<str>),
    /// A Call-ID without one.
    Call(Arc<str>),
}

pub(super) fn unix_ns(text: &str) -> Option<i64> {
    i64::try_from(time::parse_ns(text)?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(entry: &str) -> Option<Record> {
        Record::whole(7, entry.as_bytes())
    }

    #[test]
    fn an_entry_of_the_proxy_is_read() {
        let entry = r#"{"call_id":"c1","code":403,"event":"REJECTED","gate":"hazard","producer":"kamailio-1","time":"1970-01-01T00:00:01.5Z","trace_id":"t1","verdict":"rejected"}"#;
        let record = read(entry).expect("an entry");
        assert_eq!(record.time_ns, Some(1_500_000_000));
        assert_eq!(record.author, Author::Gate);
        assert_eq!(
            (record.gate.as_deref(), record.code, record.approved),
            (Some("hazard"), Some(403), Some(false))
        );
        assert_eq!(record.key(), Some(Key::Trace("t1".into())));
    }

    #[test]
    fn what_is_no_entry_is_left_out() {
        for nothing in ["", "null", "[]", "{}", r#"{"event":5}"#, r#"{"event":""}"#] {
            assert_eq!(read(nothing), None, "{nothing}");
        }
        let timeless = read(r#"{"event":"BYE","time":"never"}"#).expect("an entry");
        assert_eq!((timeless.trace_id, timeless.time_ns), (None, None));
    }

    #[test]
    fn a_call_without_a_trace_id_is_told_by_its_call_id() {
        let record = read(r#"{"event":"REJECTED","call_id":"c\n1"}"#).expect("an entry");
        assert_eq!(record.key(), Some(Key::Call("c\n1".into())));
        assert_eq!(read(r#"{"event":"START"}"#).and_then(|r| r.key()), None);
    }
}
