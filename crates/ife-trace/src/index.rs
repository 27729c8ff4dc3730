//! The newest entries of the log, few members of each: the first stage of a search, before it reads
//! the log itself.
//!
//! Bounded by a number of entries and by the length of each text, for any log. A search
//! walks all of it: a few milliseconds.

use std::{
    collections::{HashMap, HashSet, VecDeque},
    sync::Arc,
};

use serde::Deserialize;
use utoipa::ToSchema;

use crate::record::{Key, Record};

/// The text of a search.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    /// The text, not empty; `None` matches everything.
    pub text: Option<String>,
    /// Which member has it.
    pub member: Member,
    /// The member begins with it, or is it.
    pub is_prefix: bool,
}

/// The members that can be searched.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Member {
    /// Any of the others.
    #[default]
    Any,
    /// Trace id.
    TraceId,
    /// Call-ID.
    CallId,
    /// Expert id.
    Expert,
}

impl Wanted {
    /// An exact search by one member.
    pub fn exactly(member: Member, text: &str) -> Wanted {
        Wanted {
            text: Some(text.to_owned()),
            member,
            is_prefix: false,
        }
    }

    /// Whether an entry matches.
    pub fn is_in(&self, record: &Record) -> bool {
        let Some(text) = &self.text else {
            return true;
        };
        let fits = |member: &Option<Arc<str>>| {
            let member = member.as_deref();
            member.is_some_and(|has| has == text || (self.is_prefix && has.starts_with(text)))
        };
        let any = self.member == Member::Any;
        ((any || self.member == Member::TraceId) && fits(&record.trace_id))
            || ((any || self.member == Member::CallId) && fits(&record.call_id))
            || ((any || self.member == Member::Expert) && fits(&record.expert))
    }
}

/// A run of entries up to the newest.
#[derive(Debug, Default)]
pub struct Index {
    capacity: usize,
    records: VecDeque<Record>,
    texts: HashSet<Arc<str>>,
    /// Entries before this one are not here.
    from: u64,
    /// The next entry to come.
    next: u64,
}

impl Index {
    /// An index of at most `capacity` entries that begins at entry `from`.
    pub fn new(capacity: usize, from: u64) -> Index {
        Index {
            capacity,
            from,
            next: from,
            ..Index::default()
        }
    }

    /// The first entry that a search of the index covers.
    pub fn from(&self) -> u64 {
        self.from
    }

    /// The entry that is to be taken in next.
    pub fn next(&self) -> u64 {
        self.next
    }

    /// Entries, the oldest first.
    pub fn records(&self) -> impl DoubleEndedIterator<Item = &Record> {
        self.records.iter()
    }

    /// Takes entry `index` in, and gives it back as it was understood. The oldest one goes when
    /// there is no room.
    pub fn push(&mut self, index: u64, entry: &[u8]) -> Option<&Record> {
        self.next = index + 1;
        let texts = &mut self.texts;
        let record = Record::read(index, entry, |text| share(texts, text))?;
        if self.records.len() >= self.capacity
            && let Some(oldest) = self.records.pop_front()
        {
            self.from = oldest.index + 1;
            self.forget(oldest);
        }
        self.records.push_back(record);
        self.records.back()
    }

    fn forget(&mut self, record: Record) {
        let Record {
            event,
            trace_id,
            call_id,
            expert,
            hazard,
            gate,
            ..
        } = record;
        let texts = [Some(event), trace_id, call_id, expert, hazard, gate];
        for text in texts.into_iter().flatten() {
            // One here, one in the set, and no third.
            if Arc::strong_count(&text) == 2 {
                self.texts.remove(&text);
            }
        }
    }
}

/// Longest text that is remembered, in bytes; a longer one is found only in the log itself.
const TEXT_LEN_MAX: usize = 256;

fn share(texts: &mut HashSet<Arc<str>>, text: &str) -> Option<Arc<str>> {
    if text.len() > TEXT_LEN_MAX {
        return None;
    }
    if let Some(shared) = texts.get(text) {
        return Some(shared.clone());
    }
    let shared: Arc<str> = text.into();
    texts.insert(shared.clone());
    Some(shared)
}

/// The newest `limit` traces of which an entry is wanted, newest first, each with all of its
/// entries in `records` (oldest first).
pub fn traces<'r>(
    records: impl DoubleEndedIterator<Item = &'r Record> + Clone,
    wanted: &Wanted,
    limit: usize,
) -> Vec<(Key, Vec<&'r Record>)> {
    let mut places: HashMap<Key, usize> = HashMap::new();
    let mut found: Vec<(Key, Vec<&Record>)> = Vec::new();
    for record in records.clone().rev().filter(|record| wanted.is_in(record)) {
        let Some(key) = record.key() else { continue };
        if places.contains_key(&key) {
            continue;
        }
        if found.len() == limit {
            break;
        }
        places.insert(key.clone(), found.len());
        found.push((key, Vec::new()));
    }
    for record in records {
        if let Some(place) = record.key().and_then(|key| places.get(&key)) {
            found[*place].1.push(record);
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(trace: &str, call: &str, expert: &str) -> Vec<u8> {
        serde_json::json!({"event": "INVITE", "trace_id": trace, "call_id": call, "expert": expert})
            .to_string()
            .into_bytes()
    }

    fn any(text: &str, is_prefix: bool) -> Wanted {
        Wanted {
            text: Some(text.to_owned()),
            member: Member::Any,
            is_prefix,
        }
    }

    fn names(index: &Index, wanted: &Wanted) -> Vec<String> {
        let records: Vec<&Record> = index.records().collect();
        let found = traces(records.iter().copied(), wanted, 10);
        found
            .into_iter()
            .map(|(key, records)| match key {
                Key::Trace(name) | Key::Call(name) => format!("{name}:{}", records.len()),
            })
            .collect()
    }

    #[test]
    fn the_oldest_entries_go_and_their_texts_with_them() {
        let mut index = Index::new(2, 5);
        for (number, trace) in ["t1", "t2", "t3"].into_iter().enumerate() {
            index.push(5 + number as u64, &entry(trace, "c", "e"));
        }
        assert_eq!((index.from(), index.next()), (6, 8));
        assert_eq!(names(&index, &any("t1", false)), [""; 0]);
        assert_eq!(names(&index, &any("t2", false)), ["t2:1"]);
        assert!(!index.texts.contains("t1"));
        // t2, t3, c, e and the event.
        assert_eq!(index.texts.len(), 5);
    }

    #[test]
    fn memory_stays_bounded_whatever_is_logged() {
        let mut index = Index::new(100, 0);
        for number in 0..10_000 {
            index.push(number, &entry(&format!("t{number}"), &"c".repeat(400), "e"));
        }
        assert_eq!(index.records.len(), 100);
        // The traces, the expert and the event; a Call-ID of 400 bytes is not kept.
        assert_eq!(index.texts.len(), 102);
    }

    #[test]
    fn traces_are_found_by_each_member_newest_first() {
        let mut index = Index::new(10, 0);
        index.push(0, &entry("trace-a", "call-1", "ann@example"));
        index.push(1, &entry("trace-b", "call-2", "ben@example"));
        index.push(2, &entry("trace-a", "call-3", "ann@example"));
        index.push(3, b"not an entry");
        for (text, is_prefix, expected) in [
            ("trace-", true, vec!["trace-a:2", "trace-b:1"]),
            ("trace-", false, vec![]),
            ("call-1", false, vec!["trace-a:2"]),
            ("ben", true, vec!["trace-b:1"]),
            ("ben@example", false, vec!["trace-b:1"]),
        ] {
            assert_eq!(names(&index, &any(text, is_prefix)), expected, "{text}");
        }
        let expert = Wanted {
            member: Member::Expert,
            ..any("trace", true)
        };
        assert_eq!(names(&index, &expert), [""; 0]);
        let all = Wanted {
            text: None,
            ..expert
        };
        assert_eq!(names(&index, &all), ["trace-a:2", "trace-b:1"]);
        assert_eq!(index.next(), 4);
    }

    #[test]
    fn no_more_traces_than_asked_for() {
        let mut index = Index::new(10, 0);
        for number in 0..5 {
            index.push(number, &entry(&format!("t{number}"), "c", "e"));
        }
        let all = any("e", false);
        let records: Vec<&Record> = index.records().collect();
        let found = traces(records.iter().copied(), &all, 2);
        let keys: Vec<&Key> = found.iter().map(|(key, _)| key).collect();
        assert_eq!(keys, [&Key::Trace("t4".into()), &Key::Trace("t3".into())]);
    }
}
