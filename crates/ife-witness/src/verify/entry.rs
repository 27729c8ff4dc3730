//! Facts that verification needs of an entry: canonical form, and the members for its order.

use super::json::{self, NotCanonical, Value};

/// The members that order an entry. Texts are raw, as in the JSON.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Facts<'a> {
    pub(super) producer: &'a [u8],
    pub(super) epoch: u64,
    pub(super) seq: u64,
    pub(super) gap: Option<Gap<'a>>,
}

/// A report of lost sequence numbers; the count is 0 if the ring was too damaged to count them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Gap<'a> {
    pub(super) producer: &'a [u8],
    pub(super) epoch: u64,
    pub(super) first_seq: u64,
    pub(super) count: u64,
}

/// Checks an entry and returns its facts.
pub(super) fn facts(entry: &[u8]) -> Result<Facts<'_>, NotCanonical> {
    let (mut producer, mut epoch, mut seq, mut gap) = (None, None, None, None);
    let (mut event, mut version, mut has_node, mut has_time) = (None, None, false, false);
    json::members(entry, |key, value| match (key, value) {
        (b"epoch", Value::Number(n)) => epoch = Some(n),
        (b"event", Value::String(name)) => event = Some(name),
        (b"gap", Value::Object(text)) => gap = Some(text),
        (b"node", Value::String(_)) => has_node = true,
        (b"producer", Value::String(name)) => producer = Some(name),
        (b"seq", Value::Number(n)) => seq = Some(n),
        (b"time", Value::String(time)) => has_time = is_time(time),
        (b"v", Value::Number(n)) => version = Some(n),
        _ => {}
    })?;
    let wrong = |what| NotCanonical { offset: 0, what };
    if version != Some(1) {
        return Err(wrong("not of format version 1"));
    }
    let event = event.ok_or(wrong("no event"))?;
    if !has_node {
        return Err(wrong("no node"));
    }
    if !has_time {
        return Err(wrong("no time, or not RFC 3339 with nanoseconds in UTC"));
    }
    let gap = match (event == b"GAP", gap) {
        (true, Some(text)) => Some(gap_facts(text)?),
        (false, None) => None,
        (true, None) => return Err(wrong("a GAP without gap")),
        (false, Some(_)) => return Err(wrong("a gap in an event other than GAP")),
    };
    Ok(Facts {
        producer: producer.ok_or(wrong("no producer"))?,
        epoch: epoch.ok_or(wrong("no epoch"))?,
        seq: seq.ok_or(wrong("no seq"))?,
        gap,
    })
}

fn gap_facts(text: &[u8]) -> Result<Gap<'_>, NotCanonical> {
    let (mut producer, mut epoch, mut first_seq, mut count) = (None, None, None, None);
    json::members(text, |key, value| match (key, value) {
        (b"count", Value::Number(n)) => count = Some(n),
        (b"epoch", Value::Number(n)) => epoch = Some(n),
        (b"first_seq", Value::Number(n)) => first_seq = Some(n),
        (b"producer", Value::String(name)) => producer = Some(name),
        _ => {}
    })?;
    match (producer, epoch, first_seq, count) {
        (Some(producer), Some(epoch), Some(first_seq), Some(count)) => Ok(Gap {
            producer,
            epoch,
            first_seq,
            count,
        }),
        _ => Err(NotCanonical {
            offset: 0,
            what: "a gap without producer, epoch, first_seq or count",
        }),
    }
}

/// Returns true for the form `2026-01-02T03:04:05.123456789Z`; does not check the calendar.
fn is_time(time: &[u8]) -> bool {
    const SHAPE: &[u8; 30] = b"0000-00-00T00:00:00.000000000Z";
    time.len() == SHAPE.len()
        && time.iter().zip(SHAPE).all(|(byte, shape)| match shape {
            b'0' => byte.is_ascii_digit(),
            other => byte == other,
        })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entry::{self, Entry, Event};

    fn encoded(entry: &Entry<'_>) -> Vec<u8> {
        let mut out = Vec::new();
        entry::encode(entry, &mut out).expect("numbers in range");
        out
    }

    #[test]
    fn encoded_entries_are_read() {
        let hostile: Vec<u8> = (0..=255).collect();
        let mut entry = Entry::new(
            1_700_000_000_123_456_789,
            "n\"ode",
            "kamailio-3",
            7,
            42,
            Event::Approved,
        );
        entry.trace_id = Some(&hostile);
        entry.sdp = Some(&hostile);
        entry.code = Some(200);
        let bytes = encoded(&entry);
        let read = facts(&bytes).expect("canonical");
        assert_eq!(
            read,
            Facts {
                producer: b"kamailio-3",
                epoch: 7,
                seq: 42,
                gap: None
            }
        );
    }

    #[test]
    fn gaps_are_read() {
        let mut entry = Entry::new(0, "n", "witnessd", 1, 2, Event::Gap);
        entry.gap = Some(entry::Gap {
            producer: "kamailio-3",
            epoch: 4,
            first_seq: 10,
            count: 5,
        });
        let bytes = encoded(&entry);
        let gap = facts(&bytes).expect("canonical").gap;
        assert_eq!(
            gap,
            Some(Gap {
                producer: b"kamailio-3",
                epoch: 4,
                first_seq: 10,
                count: 5
            })
        );
    }

    #[test]
    fn missing_or_misshapen_members_are_named() {
        let good = concat!(
            r#"{"epoch":1,"event":"BYE","node":"n","producer":"p","seq":1,"#,
            r#""time":"2026-01-02T03:04:05.123456789Z","v":1}"#
        );
        assert!(facts(good.as_bytes()).is_ok());
        for (from, to, what) in [
            ("\"epoch\":1,", "", "no epoch"),
            ("\"epoch\":1,", "\"epoch\":-1,", "no epoch"),
            ("\"event\":\"BYE\",", "", "no event"),
            ("\"BYE\"", "\"GAP\"", "a GAP without gap"),
            (
                "\"node\"",
                "\"gap\":{},\"node\"",
                "a gap in an event other than GAP",
            ),
            ("\"node\":\"n\",", "", "no node"),
            ("\"producer\":\"p\",", "", "no producer"),
            ("\"seq\":1,", "", "no seq"),
            (
                "05.123456789Z",
                "05Z",
                "no time, or not RFC 3339 with nanoseconds in UTC",
            ),
            ("\"v\":1", "\"v\":2", "not of format version 1"),
            (",\"v\":1", "", "not of format version 1"),
        ] {
            let text = good.replace(from, to);
            assert_eq!(
                facts(text.as_bytes()).map_err(|e| e.what),
                Err(what),
                "{text}"
            );
        }
    }
}
