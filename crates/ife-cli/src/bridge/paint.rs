//! What people see: states in colour and word, tables, lists of facts, refusals. Pure; everything
//! that comes from outside is made harmless here.

use console::{Color, measure_text_width, style, truncate_str};
use ife_words::time;

use super::shape::{Call, CallDetail, Problem, Step};
use crate::text::harmless;

/// Blanks between columns.
const GAP: usize = 2;

/// A state: green where people talk, yellow on the way, red where it failed, dim when it is over.
/// The word means the same without colour.
pub(super) fn state(word: &str) -> String {
    let word = if word.is_empty() { "-" } else { word };
    let styled = style(harmless(word));
    let styled = match word {
        "connected" | "verified" | "open" => styled.fg(Color::Green),
        "failed" => styled.fg(Color::Red),
        "unknown" => styled.fg(Color::Red).bold(),
        "ended" | "none" | "-" => styled.dim(),
        _ => styled.fg(Color::Yellow),
    };
    styled.to_string()
}

/// Lines of a table, columns as wide as they need; with `width` no line is longer than a terminal
/// shows.
pub(super) fn table(heads: &[&str], rows: &[Vec<String>], width: Option<usize>) -> Vec<String> {
    let heads: Vec<String> = heads
        .iter()
        .map(|head| style(*head).bold().to_string())
        .collect();
    let mut widths = vec![0; heads.len()];
    for row in std::iter::once(&heads).chain(rows) {
        for (column, cell) in widths.iter_mut().zip(row) {
            *column = (*column).max(measure_text_width(cell));
        }
    }
    let line = |row: &Vec<String>| {
        let mut line = String::new();
        for (cell, column) in row.iter().zip(&widths) {
            line.push_str(cell);
            let fill = column.saturating_sub(measure_text_width(cell)) + GAP;
            line.extend(std::iter::repeat_n(' ', fill));
        }
        cut(line.trim_end(), width)
    };
    std::iter::once(&heads).chain(rows).map(line).collect()
}

/// A line as long as a terminal shows.
pub(super) fn cut(line: &str, width: Option<usize>) -> String {
    match width {
        Some(width) => truncate_str(line, width, "…").into_owned(),
        None => line.to_owned(),
    }
}

/// `name       value`, a line each; facts without a value are left out.
fn facts(facts: Vec<(&str, String)>) -> Vec<String> {
    let told = facts.into_iter().filter(|(_, value)| !value.is_empty());
    told.map(|(name, value)| format!("{name:<12}{value}"))
        .collect()
}

/// A refusal: its text, then its code for programs.
pub(super) fn problem(problem: &Problem, retry_after_s: Option<u64>) -> Vec<String> {
    let title = style(format!("not done: {}", harmless(&problem.title))).fg(Color::Red);
    let mut lines = vec![title.to_string()];
    let text = |text: &Option<String>| text.as_deref().map(harmless).unwrap_or_default();
    lines.extend(facts(vec![
        ("detail", harmless(&problem.detail)),
        ("gate", text(&problem.gate)),
        ("field", text(&problem.field)),
        (
            "code",
            format!("{} ({})", harmless(&problem.code), problem.status),
        ),
        (
            "try again",
            retry_after_s.map_or(String::new(), |seconds| format!("in {seconds} s")),
        ),
    ]));
    lines
}

const CALLS_HEADS: [&str; 9] = [
    "CALL", "EXPERT", "HAZARD", "SIP", "H.323", "EVIDENCE", "BEGAN", "TALK", "ROOM",
];

/// The table of calls at a time, Unix nanoseconds; for a call that is over, why is in place of the
/// room.
pub(super) fn calls(calls: &[&Call], now_ns: u64, width: Option<usize>) -> Vec<String> {
    if calls.is_empty() {
        return vec!["no calls".to_owned()];
    }
    let rows: Vec<Vec<String>> = calls
        .iter()
        .map(|call| {
            let place = if call.is_live() {
                harmless(&call.council_call_id)
            } else {
                style(call.end()).dim().to_string()
            };
            vec![
                harmless(&call.call_id),
                harmless(&call.expert_id),
                harmless(&call.hazard),
                state(&call.sip_call_state),
                state(&call.h323_state),
                state(&call.evidence_state),
                clock_time(&call.started),
                talk(call, now_ns),
                place,
            ]
        })
        .collect();
    table(&CALLS_HEADS, &rows, width)
}

/// The guardians who have links to the evidence, and how each has it.
fn guardians(call: &Call) -> String {
    let viewers = call.guardian_evidence.iter();
    let words = viewers.map(|viewer| {
        let name = harmless(&viewer.guardian);
        format!("{name} evidence {}", state(&viewer.evidence_state))
    });
    words.collect::<Vec<_>>().join(", ")
}

/// One call as a line, for a log of changes.
pub(super) fn call_line(call: &Call) -> String {
    let mut parts = vec![
        harmless(&call.call_id),
        harmless(&call.expert_id),
        harmless(&call.hazard),
        state(&call.sip_call_state),
        format!("h323 {}", state(&call.h323_state)),
        format!("evidence {}", state(&call.evidence_state)),
    ];
    parts.push(call.end());
    parts.retain(|part| !part.is_empty());
    parts.join("  ")
}

/// One call: who, about what, how it stands or ended.
pub(super) fn call(call: &Call) -> Vec<String> {
    let text = |text: &Option<String>| text.as_deref().map(harmless).unwrap_or_default();
    let who = match call.origin.as_str() {
        "expert" => " (called in)",
        _ => "",
    };
    let name = harmless(&call.expert_name);
    let expert = if name.is_empty() || name == call.expert_id {
        harmless(&call.expert_id)
    } else {
        format!("{} ({name})", harmless(&call.expert_id))
    };
    let end = Some(call.end())
        .filter(|end| !end.is_empty())
        .map(|end| format!(": {end}"));
    facts(vec![
        ("call", harmless(&call.call_id)),
        ("trace id", harmless(&call.trace_id)),
        ("hazard", harmless(&call.hazard)),
        ("reason", text(&call.call_reason)),
        ("question", text(&call.question)),
        ("options", harmless(&call.options.join(" | "))),
        ("expert", format!("{expert}{who}")),
        (
            "state",
            format!("{}{}", state(&call.sip_call_state), end.unwrap_or_default()),
        ),
        ("H.323 leg", state(&call.h323_state)),
        ("room", harmless(&call.council_call_id)),
        ("participant", text(&call.mcu_participant_id)),
        ("evidence", state(&call.evidence_state)),
        // It dies with the call.
        (
            "its link",
            if call.is_live() {
                text(&call.evidence_link)
            } else {
                String::new()
            },
        ),
        ("guardians", guardians(call)),
        ("began", harmless(&call.started)),
        ("answered", text(&call.answered)),
        ("accepted by", text(&call.accepted_by)),
        ("ended", text(&call.ended)),
        ("talk", talk(call, 0).replace('-', "")),
        ("decision", decided(call)),
        ("beware", beware(&call.h323_segment)),
    ])
}

/// The expert's decision about a call.
pub(super) fn decision(call: &Call) -> Vec<String> {
    facts(vec![
        ("call", harmless(&call.call_id)),
        ("decision", decided(call)),
    ])
}

fn decided(call: &Call) -> String {
    match &call.decision {
        Some(decision) => format!(
            "{} (by {}, {})",
            harmless(&decision.choice),
            harmless(&decision.assurance),
            harmless(&decision.time)
        ),
        None if call.decision_state == "no_decision" => "none".to_owned(),
        None => String::new(),
    }
}

fn beware(segment: &str) -> String {
    if segment.is_empty() {
        return String::new();
    }
    format!("the H.323 segment is {}", harmless(segment))
}

/// One call and its history, each step with the seconds since the first.
pub(super) fn detail(detail: &CallDetail) -> Vec<String> {
    let mut lines = call(&detail.call);
    if detail.history.is_empty() {
        return lines;
    }
    lines.push(String::new());
    let first = detail
        .history
        .first()
        .and_then(|step| time::parse_ns(&step.time));
    let told = |step| step_line(step, &detail.call.expert_id, first.unwrap_or(0));
    lines.extend(detail.history.iter().map(told));
    lines
}

/// A step; the expert of the call and the first attempt are no news.
fn step_line(step: &Step, expert_id: &str, first_ns: u64) -> String {
    let attempt = step.attempt.filter(|attempt| *attempt > 0);
    let other = step.expert_id.as_ref().filter(|id| *id != expert_id);
    let parts = [
        Some(step.detail.clone()).filter(|detail| !detail.is_empty()),
        attempt.map(|attempt| format!("attempt {attempt}")),
        other.map(|id| format!("expert {id}")),
    ];
    let detail = parts.into_iter().flatten().collect::<Vec<_>>().join(", ");
    let since = time::parse_ns(&step.time)
        .unwrap_or(first_ns)
        .saturating_sub(first_ns);
    progress(since as f64 / 1e9, &step.state, &harmless(&detail))
}

/// `   0.012  ringing     detail`.
pub(super) fn progress(seconds: f64, word: &str, detail: &str) -> String {
    let fill = 12usize.saturating_sub(measure_text_width(word));
    format!("{seconds:>9.3}  {}{:fill$}{detail}", state(word), "")
        .trim_end()
        .to_owned()
}

/// `12:34:56` of an RFC 3339 time.
fn clock_time(time: &str) -> String {
    match (time::parse_ns(time), time.get(11..19)) {
        (Some(_), Some(clock)) => clock.to_owned(),
        _ => "-".to_owned(),
    }
}

/// How long they have talked: from the answer to the end, or to now. A live call without a clock
/// has no length yet.
fn talk(call: &Call, now_ns: u64) -> String {
    let time = |time: &Option<String>| time.as_deref().and_then(time::parse_ns);
    let end = time(&call.ended).or((now_ns > 0).then_some(now_ns));
    match (time(&call.answered), end) {
        (Some(answered), Some(end)) => span(end.saturating_sub(answered) / 1_000_000_000),
        _ => "-".to_owned(),
    }
}

/// `7 s`, `3 min 05 s`, `2 h 00 min`.
pub(super) fn span(seconds: u64) -> String {
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3600 => format!("{} min {:02} s", seconds / 60, seconds % 60),
        _ => format!("{} h {:02} min", seconds / 3600, seconds / 60 % 60),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn one(more: serde_json::Value) -> Call {
        let mut call = json!({
            "call_id": "sip-call-0123456789abcdef", "origin": "escalation",
            "expert_id": "expert-safety@external.advisor",
            "expert_name": "Safety", "sip_call_state": "connected", "h323_state": "connected",
            "evidence_state": "none",
            "trace_id": "trace-0001", "hazard": "safety", "council_call_id": "council",
            "started": "2026-01-01T00:00:00.000Z",
            "answered": "2026-01-01T00:00:01.500Z", "h323_segment": "narrowband, unencrypted",
            "of a later version": {}
        });
        for (key, value) in more.as_object().expect("an object") {
            call[key] = value.clone();
        }
        serde_json::from_value(call).expect("a call")
    }

    fn plain(lines: Vec<String>) -> String {
        console::strip_ansi_codes(&lines.join("\n")).into_owned()
    }

    #[test]
    fn calls_are_a_table() {
        let live = one(json!({}));
        let over = one(json!({
            "call_id": "sip-call-fedcba9876543210", "sip_call_state": "failed",
            "h323_state": "received", "answered": null,
            "ended": "2026-01-01T00:00:45.000Z", "reason": "no_answer cause=19",
            "end": {"word": "no_answer"}, "cause": 19
        }));
        let now = time::parse_ns("2026-01-01T00:01:06.700Z").expect("a time");
        let expected = "\
CALL                       EXPERT                          HAZARD  SIP        H.323      EVIDENCE  BEGAN     TALK        ROOM
sip-call-0123456789abcdef  expert-safety@external.advisor  safety  connected  connected  none      00:00:00  1 min 05 s  council
sip-call-fedcba9876543210  expert-safety@external.advisor  safety  failed     received   none      00:00:00  -           no_answer, cause 19";
        assert_eq!(plain(calls(&[&live, &over], now, None)), expected);
        let narrow = plain(calls(&[&live], now, Some(40)));
        assert!(
            narrow.lines().all(|line| measure_text_width(line) <= 40),
            "{narrow}"
        );
        assert_eq!(plain(calls(&[], now, None)), "no calls");
    }

    #[test]
    fn one_call_is_told_with_its_history() {
        let detail = CallDetail {
            call: one(
                json!({"sip_call_state": "ended", "ended": "2026-01-01T00:00:13.500Z",
                "reason": "terminated", "end": {"word": "terminated"}, "cause": 16}),
            ),
            history: vec![
                Step {
                    time: "2026-01-01T00:00:00.000Z".into(),
                    state: "received".into(),
                    detail: "ESCALATE".into(),
                    attempt: Some(0),
                    expert_id: Some("expert-safety@external.advisor".into()),
                },
                Step {
                    time: "2026-01-01T00:00:13.000Z".into(),
                    state: "ringing".into(),
                    detail: "RINGING".into(),
                    attempt: Some(1),
                    expert_id: Some("expert-2@external.advisor".into()),
                },
                Step {
                    time: "2026-01-01T00:00:13.500Z".into(),
                    state: "ended".into(),
                    ..Step::default()
                },
            ],
        };
        let told = plain(super::detail(&detail));
        for line in [
            "call        sip-call-0123456789abcdef",
            "expert      expert-safety@external.advisor (Safety)",
            "state       ended: terminated, cause 16",
            "talk        12 s",
            "beware      the H.323 segment is narrowband, unencrypted",
            "    0.000  received    ESCALATE",
            "   13.000  ringing     RINGING, attempt 1, expert expert-2@external.advisor",
            "   13.500  ended",
        ] {
            assert!(told.lines().any(|told| told == line), "{line:?} in\n{told}");
        }
    }

    #[test]
    fn a_refusal_names_gate_field_and_code() {
        let refusal = Problem {
            title: "Refused by policy".into(),
            status: 403,
            detail: "hazard ethics is not one of the expert's".into(),
            code: "POLICY_REJECTED".into(),
            field: None,
            gate: Some("hazard".into()),
        };
        let expected = "\
not done: Refused by policy
detail      hazard ethics is not one of the expert's
gate        hazard
code        POLICY_REJECTED (403)
try again   in 5 s";
        assert_eq!(plain(problem(&refusal, Some(5))), expected);
    }

    #[test]
    fn hostile_text_steers_nothing() {
        let hostile = "\u{1b}[2J\r\n\u{202e}";
        let call = one(
            json!({"expert_id": hostile, "expert_name": hostile, "hazard": hostile,
            "sip_call_state": hostile, "reason": hostile, "end": {"word": hostile},
            "call_id": hostile, "trace_id": hostile, "council_call_id": hostile,
            "mcu_participant_id": hostile, "started": hostile,
            "evidence_link": hostile, "h323_segment": hostile, "evidence_state": hostile,
            "h323_state": hostile}),
        );
        let told = plain(
            [
                super::call(&call),
                calls(&[&call], 0, None),
                vec![call_line(&call)],
            ]
            .concat(),
        );
        assert!(
            !told
                .chars()
                .any(|c| c != '\n' && (c.is_control() || c == '\u{202e}')),
            "{told:?}"
        );
    }

    #[test]
    fn spans_are_short() {
        let told = [0, 59, 60, 3599, 7200].map(span);
        assert_eq!(
            told,
            ["0 s", "59 s", "1 min 00 s", "59 min 59 s", "2 h 00 min"]
        );
    }
}
