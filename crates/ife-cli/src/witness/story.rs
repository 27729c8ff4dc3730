//! The story of a call on a text terminal: the rows of its ladder, when they were, and remarks.
//!
//! ```text
//!                   caller                      gate                      callee
//!   0.000000  #3       |---------------------- INVITE ---------------------->|   approved, signed by council-2026a
//!   0.104021  #5       |<------------------- 180 Ringing --------------------|
//! ```
//!
//! Where a bridge took part the lines are bridge, gate, expert and council, in the order of the
//! call; the bridge's line is also that of its gateway and of the agent.

use ife_trace::ladder::{Facts, Lane, Row, author, facts, rows};
use ife_words::Direction;
use serde_json::Value;

use super::{
    entry::Seen,
    ladder::{Ladder, row, wrapped},
};
use crate::text::harmless;

/// The life lines of a story, and which lane of the ladder is on which.
#[derive(Debug, Clone, Copy)]
struct Cast {
    ladder: Ladder,
    bridge: usize,
    expert: usize,
    council: usize,
}

/// SIP alone: the bridge's line is that of the other party.
const SIP: Ladder = Ladder::new(&[("caller", 3), ("gate", 30), ("callee", 57)]);
/// The bridge calls the expert.
const TO_EXPERT: Ladder =
    Ladder::new(&[("bridge", 3), ("gate", 24), ("expert", 45), ("council", 67)]);
/// The expert calls the council.
const TO_COUNCIL: Ladder =
    Ladder::new(&[("expert", 3), ("gate", 24), ("bridge", 45), ("council", 67)]);

impl Cast {
    fn of(entries: &[&Value]) -> Cast {
        let has_bridge = entries.iter().any(|entry| author(entry).is_of_bridge());
        let is_inward = entries.iter().any(|entry| {
            entry["direction"] == Direction::ToCouncil.as_str()
                && author(entry).is_of_bridge() == has_bridge
        });
        let (ladder, council) = match (has_bridge, is_inward) {
            (false, _) => (SIP, 2),
            (true, false) => (TO_EXPERT, 3),
            (true, true) => (TO_COUNCIL, 3),
        };
        let (bridge, expert) = if is_inward { (2, 0) } else { (0, 2) };
        Cast {
            ladder,
            bridge,
            expert,
            council,
        }
    }

    fn line(self, lane: Lane) -> usize {
        match lane {
            Lane::Agent | Lane::Bridge | Lane::Gateway => self.bridge,
            Lane::Kamailio => 1,
            Lane::Expert => self.expert,
            Lane::Council => self.council,
        }
    }

    /// A row's lines and the remark beside them, which begins with a label that does not fit.
    fn draw(self, row: &Row) -> (String, String) {
        let (from, to) = (self.line(row.from), self.line(row.to));
        let (label, remark) = (harmless(&row.label), harmless(&row.remark));
        let (lines, fits) = if from == to {
            (self.ladder.mark(from), false)
        } else {
            let fits = label.chars().count() <= self.ladder.room(from, to);
            (self.ladder.arrow(from, to, &label), fits)
        };
        match (fits, remark.is_empty()) {
            (true, _) => (lines, remark),
            (false, true) => (lines, label),
            (false, false) => (lines, format!("{label}, {remark}")),
        }
    }

    /// The same in words.
    fn words(self, row: &Row) -> String {
        let name = |lane| self.ladder.name(self.line(lane));
        let (label, remark) = (harmless(&row.label), harmless(&row.remark));
        let who = if name(row.from) == name(row.to) {
            name(row.from).to_owned()
        } else {
            format!("{} to {}", name(row.from), name(row.to))
        };
        let remark = if remark.is_empty() {
            remark
        } else {
            format!(", {remark}")
        };
        format!("{who}: {label}{remark}")
    }
}

/// The fewest columns for remarks beside a ladder.
const REMARK_MIN: usize = 22;

/// A ladder, or a list on a terminal that is too narrow for one. Without a width, no line is cut.
struct Page {
    cast: Cast,
    width: Option<usize>,
    lines: Vec<String>,
}

impl Page {
    fn is_list(&self) -> bool {
        let needed = self.cast.ladder.margin() + REMARK_MIN;
        self.width.is_some_and(|width| width < needed)
    }

    fn heads(&mut self) {
        if !self.is_list() {
            self.lines.push(self.cast.ladder.heads());
        }
    }

    /// Words that belong to no entry.
    fn aside(&mut self, words: &str) {
        if self.is_list() {
            self.listed("", "", words);
        } else {
            self.drawn("", "", &self.cast.ladder.lines(), words);
        }
    }

    fn rung(&mut self, time: &str, place: &str, rung: &Row) {
        if self.is_list() {
            self.listed(time, place, &self.cast.words(rung));
        } else {
            let (drawn, remark) = self.cast.draw(rung);
            self.drawn(time, place, &drawn, &remark);
        }
    }

    fn listed(&mut self, time: &str, place: &str, words: &str) {
        let head = row(time, place, "", ".").chars().count() - 1;
        let room = self
            .width
            .unwrap_or(usize::MAX)
            .saturating_sub(head)
            .max(20);
        let mut lines = wrapped(words, room).into_iter();
        self.lines
            .push(row(time, place, "", &lines.next().unwrap_or_default()));
        self.lines.extend(lines.map(|line| row("", "", "", &line)));
    }

    /// A remark that does not fit goes on beside bare life lines.
    fn drawn(&mut self, time: &str, place: &str, drawn: &str, remark: &str) {
        let bare = self.cast.ladder.lines();
        let remarks = match self.width {
            None => vec![remark.to_owned()],
            Some(width) => wrapped(remark.trim_start(), width - self.cast.ladder.margin()),
        };
        for (line, remark) in remarks.iter().enumerate() {
            self.lines.push(match line {
                0 => row(time, place, drawn, remark),
                _ => row("", "", &bare, remark),
            });
        }
    }
}

/// Returns the lines to print, for a terminal of `width` columns; `seen` is in the order of time.
pub(super) fn tell(seen: &[Seen], width: Option<usize>) -> Vec<String> {
    let Some(first) = seen.first() else {
        return Vec::new();
    };
    let entries: Vec<&Value> = seen.iter().map(Seen::members).collect();
    let mut page = Page {
        cast: Cast::of(&entries),
        width,
        lines: title(facts(&entries)),
    };
    page.lines.push(String::new());
    page.heads();
    let mut call = String::new();
    for (entry, rungs) in seen.iter().zip(rows(&entries)) {
        let call_id = entry.text("call_id");
        // The bridge's name of the call is in the title.
        if !call_id.is_empty() && call_id != call && !author(entry.members()).is_of_bridge() {
            page.aside(&format!("Call-ID {call_id}"));
            call = call_id;
        }
        let seconds = entry.time_ns().saturating_sub(first.time_ns()) as f64 / 1e9;
        let (mut time, mut place) = (format!("{seconds:.6}"), format!("#{}", entry.index));
        for rung in &rungs {
            page.rung(&time, &place, rung);
            time.clear();
            place.clear();
        }
    }
    page.lines
}

fn title(facts: Facts) -> Vec<String> {
    let facts = [
        ("trace id", facts.trace_id),
        ("call", facts.call),
        ("hazard", facts.hazard),
        ("caller", facts.caller),
        ("callee", facts.callee),
        ("expert", facts.expert),
        ("room", facts.room),
        ("began", facts.began),
    ];
    let line = |(name, value): (_, Option<String>)| {
        value.map(|value| format!("{name:<10}{}", harmless(&value)))
    };
    facts.into_iter().filter_map(line).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn seen(index: u64, ms: u32, event: &str, more: serde_json::Value) -> Seen {
        let mut entry = json!({"v": 1, "time": format!("2026-01-01T00:00:00.{ms:03}000000Z"),
        "producer": "kamailio-1", "event": event,
                               "call_id": "c1", "trace_id": "trace-0001",
                               "from": "sip:council@council.example"});
        for (key, value) in more.as_object().expect("an object") {
            entry[key] = value.clone();
        }
        Seen::new(index, entry.to_string().into_bytes())
    }

    #[test]
    fn a_call_is_told_from_invite_to_bye() {
        let story = tell(
            &[
                seen(
                    3,
                    0,
                    "APPROVED",
                    json!({"kid": "council-2026a", "code": 200, "hazard": "safety",
                "ruri": "sip:expert-safety@external.advisor"}),
                ),
                seen(4, 100, "RINGING", json!({"code": 180, "reason": "Ringing"})),
                seen(5, 200, "CONNECTED", json!({"code": 200, "reason": "OK"})),
                seen(6, 201, "ACK", json!({})),
                seen(
                    9,
                    900,
                    "BYE",
                    json!({"from": "sip:expert-safety@external.advisor"}),
                ),
            ],
            None,
        );
        let expected = "\
trace id  trace-0001
hazard    safety
caller    sip:council@council.example
callee    sip:expert-safety@external.advisor
began     2026-01-01T00:00:00.000000000Z

                  caller                      gate                      callee
                     |                          |                          |   Call-ID c1
  0.000000  #3       |---------------------- INVITE ---------------------->|   approved, signed by council-2026a
  0.100000  #4       |<------------------- 180 Ringing --------------------|
  0.200000  #5       |<--------------------- 200 OK -----------------------|
  0.201000  #6       |------------------------ ACK ----------------------->|
  0.900000  #9       |<----------------------- BYE ------------------------|";
        assert_eq!(story.join("\n"), expected);
    }

    #[test]
    fn a_bridged_call_is_told_with_expert_and_council() {
        let bridge = |index, ms, event: &str, more: serde_json::Value| {
            let mut entry = json!({"producer": "bridge-node1", "call_id": "sip-call-1",
                "direction": "to_expert", "expert": "e@x", "room": "council", "from": null});
            for (key, value) in more.as_object().expect("an object") {
                entry[key] = value.clone();
            }
            seen(index, ms, event, entry)
        };
        let story = tell(
            &[
                bridge(1, 0, "ESCALATE", json!({"state": "received", "attempt": 0})),
                seen(2, 5, "APPROVED", json!({"kid": "k", "expert": "e@x"})),
                seen(3, 9, "RINGING", json!({"code": 180, "reason": "Ringing"})),
                bridge(4, 20, "TRYING", json!({"state": "bridging", "attempt": 0})),
                bridge(5, 21, "H323_SETUP", json!({"guardian": "guardian-1"})),
                bridge(
                    6,
                    30,
                    "COUNCIL_JOIN",
                    json!({"state": "connected", "attempt": 0}),
                ),
                bridge(7, 40, "COUNCIL_JOIN", json!({"guardian": "guardian-1"})),
                seen(
                    9,
                    45,
                    "EVIDENCE_SENT",
                    json!({"producer": "evidence-node1", "call_id": "sip-call-1",
                    "evidence": {"session": "abc", "file": 0,
                        "sha256": "0123456789abcdef".repeat(4)}}),
                ),
                bridge(
                    8,
                    50,
                    "TERMINATED",
                    json!({"state": "ended", "attempt": 1, "reason": "user_hangup"}),
                ),
            ],
            None,
        );
        let expected = "\
trace id  trace-0001
call      sip-call-1
caller    sip:council@council.example
expert    e@x
room      council
began     2026-01-01T00:00:00.000000000Z

                  bridge                gate                expert                council
  0.000000  #1       *                    |                    |                     |   escalate
                     |                    |                    |                     |   Call-ID c1
  0.005000  #2       |---------------- INVITE ---------------->|                     |   approved, signed by k
  0.009000  #3       |<------------- 180 Ringing --------------|                     |
  0.020000  #4       *                    |                    |                     |   join the council
  0.021000  #5       |------------------------- H.323 setup ------------------------>|   guardian guardian-1
  0.030000  #6       |                    |                    |-- joins the room -->|
  0.040000  #7       |                    |                    |                     *   joins the room, guardian guardian-1
  0.045000  #9       |---------- evidence: file sent --------->|                     |   file 0, sha256 0123456789ab…
  0.050000  #8       *                    |                    |                     |   ended, user hangup, attempt 1";
        assert_eq!(story.join("\n"), expected);
    }

    #[test]
    fn a_refusal_is_told_with_its_gate() {
        let story = tell(
            &[seen(
                1,
                0,
                "REJECTED",
                json!({"gate": "hazard", "code": 403, "reason": "Forbidden",
            "peer": "udp:127.0.0.1:5070"}),
            )],
            None,
        );
        assert!(
            story
                .iter()
                .any(|line| line.contains("|--------- INVITE -------->|")
                    && line.ends_with("udp:127.0.0.1:5070")),
            "{story:#?}"
        );
        assert!(
            story
                .iter()
                .any(|line| line.contains("|<---- 403 Forbidden")
                    && line.ends_with("rejected at gate hazard")),
            "{story:#?}"
        );
    }

    #[test]
    fn a_refusal_that_shadow_mode_let_pass_is_told_as_such() {
        let refusal = seen(
            1,
            0,
            "REJECTED",
            json!({"gate": "hazard", "code": 403, "reason": "Forbidden", "shadow": true}),
        );
        assert!(refusal.line().contains("gate hazard  let pass (shadow)"));
        let story = tell(&[refusal], None);
        let told = story.last().expect("a row");
        assert!(
            told.ends_with(
                "*                          |   \
                 let pass (shadow), would be rejected at gate hazard with 403 Forbidden"
            ),
            "{story:#?}"
        );
        assert!(!story.iter().any(|line| line.contains('<')), "{story:#?}");
    }

    #[test]
    fn text_of_any_length_fits_and_steers_nothing() {
        let hostile = "\u{1b}[2J".repeat(100) + &"é".repeat(300);
        for event in [
            "INVITE",
            "APPROVED",
            "REJECTED",
            "RINGING",
            "BYE",
            "GAP",
            "COUNCIL_JOIN",
            "H323_SETUP",
            "EVIDENCE_SENT",
            "\u{1b}]0;x\u{7}",
        ] {
            for producer in ["kamailio-1".to_owned(), format!("bridge-{hostile}")] {
                let more = json!({"reason": hostile, "detail": hostile, "call_id": hostile,
                "code": 4_000_000_000u64, "producer": producer,
                    "direction": hostile});
                for width in [None, Some(0), Some(60), Some(120)] {
                    let story = tell(&[seen(u64::MAX, 0, event, more.clone())], width);
                    assert!(
                        story.iter().all(|line| !line.chars().any(char::is_control)),
                        "{event}"
                    );
                }
            }
        }
    }

    #[test]
    fn a_narrow_terminal_gets_a_list_and_a_wider_one_wrapped_remarks() {
        let kid = json!({"kid": "council-2026a", "hazard": "safety",
            "detail": "a detail of some words that do not fit beside the life lines"});
        let call = [
            seen(3, 0, "APPROVED", kid),
            seen(4, 100, "RINGING", json!({"code": 180, "reason": "Ringing"})),
        ];
        let rows = |width| {
            let story = tell(&call, Some(width));
            assert!(
                story.iter().all(|line| line.chars().count() <= width),
                "{story:#?}"
            );
            let heads = story.iter().position(String::is_empty).expect("a title");
            story[heads + 1..].join("\n")
        };
        assert_eq!(
            rows(60).trim_start(),
            "\
Call-ID c1
  0.000000  #3     caller to callee: INVITE, approved,
                   signed by council-2026a, a detail of some
                   words that do not fit beside the life
                   lines
  0.100000  #4     callee to caller: 180 Ringing"
        );
        assert!(rows(105).lines().count() > 5, "{}", rows(105));
    }
}
