//! The story of a call as a ladder: who sent what to whom, when, and what the gate said.
//!
//! ```text
//!                   caller                      gate                      callee
//!   0.000000  #3       |--------- INVITE -------->|                          |   APPROVED, signed by council-2026a
//!   0.104021  #5       |<------------------- 180 Ringing --------------------|   RINGING
//! ```

use std::collections::HashMap;

use ife_message::Aor;

use super::entry::Seen;

/// Columns of the three life lines.
const LANES: [usize; 3] = [3, 30, 57];
const CALLER: usize = 0;
const GATE: usize = 1;
const CALLEE: usize = 2;
const WIDTH: usize = LANES[2] + 3;

/// The lines to print; `seen` is in the order of time.
pub(super) fn tell(seen: &[Seen]) -> Vec<String> {
    let Some(first) = seen.first() else {
        return Vec::new();
    };
    let calls = calls(seen);
    let mut lines = title(seen);
    lines.push(String::new());
    lines.push(format!("{:18}{}", "", heads()).trim_end().to_owned());
    let mut call = String::new();
    for entry in seen {
        let call_id = entry.text("call_id");
        if !call_id.is_empty() && call_id != call {
            lines.push(row("", "", &lanes(), &format!("Call-ID {call_id}")));
            call = call_id;
        }
        let seconds = entry.time_ns().saturating_sub(first.time_ns()) as f64 / 1e9;
        let time = format!("{seconds:.6}");
        let place = format!("#{}", entry.index);
        for (number, (ladder, remark)) in rungs(entry, calls.get(&entry.text("call_id")))
            .into_iter()
            .enumerate()
        {
            let (time, place) = if number == 0 {
                (time.as_str(), place.as_str())
            } else {
                ("", "")
            };
            lines.push(row(time, place, &ladder, &remark));
        }
    }
    lines
}

/// What is the same for the whole story, taken from the first entry that has it.
fn title(seen: &[Seen]) -> Vec<String> {
    let find = |member: &str| {
        seen.iter()
            .map(|entry| entry.text(member))
            .find(|text| !text.is_empty())
    };
    let facts = [
        ("trace id", find("trace_id")),
        ("hazard", find("hazard")),
        ("caller", find("from")),
        ("callee", find("ruri").or_else(|| find("to"))),
        ("expert", find("expert")),
        ("began", find("time")),
    ];
    facts
        .into_iter()
        .filter_map(|(name, value)| value.map(|value| format!("{name:<10}{value}")))
        .collect()
}

/// What the other entries of a call tell about it.
#[derive(Default)]
struct Call {
    /// Who called, by address of record.
    caller: Option<Aor>,
    /// Whether the INVITE has an entry beside that of the decision.
    has_invite: bool,
}

/// The calls in the story, by Call-ID.
fn calls(seen: &[Seen]) -> HashMap<String, Call> {
    let mut calls: HashMap<String, Call> = HashMap::new();
    for entry in seen {
        let event = entry.event();
        if matches!(event.as_str(), "INVITE" | "APPROVED" | "REJECTED") {
            let call = calls.entry(entry.text("call_id")).or_default();
            call.caller = call.caller.or_else(|| from(entry));
            call.has_invite |= event == "INVITE";
        }
    }
    calls
}

fn from(entry: &Seen) -> Option<Aor> {
    Aor::parse(entry.text("from").as_bytes()).ok()
}

/// One entry's rungs and the remark beside each.
fn rungs(entry: &Seen, call: Option<&Call>) -> Vec<(String, String)> {
    let event = entry.event();
    let status = entry.status();
    let remark = entry.text("detail");
    // Of whom nothing is known, the caller speaks.
    let other_side = matches!((call.and_then(|call| call.caller), from(entry)), (Some(caller), Some(from)) if caller != from);
    let sender = if other_side { CALLEE } else { CALLER };
    let receiver = if sender == CALLER { CALLEE } else { CALLER };
    let one = |ladder: String, remark: String| vec![(ladder, remark)];
    match event.as_str() {
        "INVITE" => one(
            arrow(CALLER, GATE, "INVITE"),
            join([entry.text("peer"), remark]),
        ),
        "APPROVED" => {
            let signed = Some(entry.text("kid"))
                .filter(|kid| !kid.is_empty())
                .map(|kid| format!("signed by {kid}"));
            one(
                decision(call),
                join(["APPROVED".to_owned(), signed.unwrap_or_default(), remark]),
            )
        }
        "REJECTED" => vec![
            (decision(call), entry.text("peer")),
            (
                arrow(GATE, CALLER, &status),
                join([format!("REJECTED at gate {}", entry.text("gate")), remark]),
            ),
        ],
        "TRYING" | "RINGING" | "CONNECTED" | "FAILED" => {
            let label = if status.is_empty() {
                event.clone()
            } else {
                status
            };
            one(arrow(CALLEE, CALLER, &label), join([event, remark]))
        }
        "ACK" | "REINVITE" | "CANCEL" | "BYE" => {
            let label = if event == "REINVITE" {
                "INVITE (again)"
            } else {
                &event
            };
            one(arrow(sender, receiver, label), join([status, remark]))
        }
        _ => one(
            lanes(),
            join([
                event,
                status,
                remark,
                format!("({})", entry.text("producer")),
            ]),
        ),
    }
}

/// The INVITE that a decision is about, unless it has an entry of its own.
fn decision(call: Option<&Call>) -> String {
    if call.is_some_and(|call| call.has_invite) {
        lanes()
    } else {
        arrow(CALLER, GATE, "INVITE")
    }
}

fn heads() -> String {
    let mut canvas = vec![' '; WIDTH + 8];
    for (lane, name) in LANES.iter().zip(["caller", "gate", "callee"]) {
        let start = lane.saturating_sub(name.len() / 2);
        canvas.splice(start..start + name.len(), name.chars());
    }
    canvas.into_iter().collect::<String>().trim_end().to_owned()
}

fn lanes() -> String {
    let mut canvas = vec![' '; WIDTH];
    for lane in LANES {
        canvas[lane] = '|';
    }
    canvas.into_iter().collect()
}

fn arrow(from: usize, to: usize, label: &str) -> String {
    let mut canvas: Vec<char> = lanes().chars().collect();
    let (left, right) = (LANES[from.min(to)] + 1, LANES[from.max(to)] - 1);
    canvas[left..=right].fill('-');
    let head = if from < to { (right, '>') } else { (left, '<') };
    canvas[head.0] = head.1;
    let room = right - left - 5;
    let label: String = format!(" {} ", label.chars().take(room).collect::<String>());
    let start = left + (right - left + 1 - label.chars().count()) / 2;
    canvas.splice(start..start + label.chars().count(), label.chars());
    canvas.into_iter().collect()
}

fn row(time: &str, place: &str, ladder: &str, remark: &str) -> String {
    format!("{time:>10}  {place:<6}{ladder} {remark}")
        .trim_end()
        .to_owned()
}

fn join<const N: usize>(parts: [String; N]) -> String {
    parts
        .into_iter()
        .filter(|part| !part.is_empty())
        .collect::<Vec<_>>()
        .join(", ")
}

#[cfg(test)]
mod tests {
    use ife_witness::reader::Indexed;
    use serde_json::json;

    use super::*;

    fn seen(index: u64, ms: u32, event: &str, more: serde_json::Value) -> Seen {
        let mut entry = json!({"v": 1, "time": format!("2026-01-01T00:00:00.{ms:03}000000Z"), "producer": "kamailio-1", "event": event,
                               "call_id": "c1", "trace_id": "trace-0001", "from": "sip:council@council.example"});
        for (key, value) in more.as_object().expect("an object") {
            entry[key] = value.clone();
        }
        Seen::new(Indexed {
            index,
            entry: entry.to_string().into_bytes(),
        })
    }

    #[test]
    fn a_call_is_told_from_invite_to_bye() {
        let story = tell(&[
            seen(
                3,
                0,
                "APPROVED",
                json!({"kid": "council-2026a", "code": 200, "hazard": "safety", "ruri": "sip:expert-safety@external.advisor"}),
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
        ]);
        let expected = "\
trace id  trace-0001
hazard    safety
caller    sip:council@council.example
callee    sip:expert-safety@external.advisor
began     2026-01-01T00:00:00.000000000Z

                  caller                      gate                      callee
                     |                          |                          |   Call-ID c1
  0.000000  #3       |--------- INVITE -------->|                          |   APPROVED, signed by council-2026a
  0.100000  #4       |<------------------- 180 Ringing --------------------|   RINGING
  0.200000  #5       |<--------------------- 200 OK -----------------------|   CONNECTED
  0.201000  #6       |------------------------ ACK ----------------------->|
  0.900000  #9       |<----------------------- BYE ------------------------|";
        assert_eq!(story.join("\n"), expected);
    }

    #[test]
    fn a_refusal_is_told_with_its_gate() {
        let story = tell(&[seen(
            1,
            0,
            "REJECTED",
            json!({"gate": "hazard", "code": 403, "reason": "Forbidden", "peer": "udp:127.0.0.1:5070"}),
        )]);
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
                    && line.ends_with("REJECTED at gate hazard")),
            "{story:#?}"
        );
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
            "\u{1b}]0;x\u{7}",
        ] {
            let story = tell(&[seen(
                u64::MAX,
                0,
                event,
                json!({"reason": hostile, "detail": hostile, "call_id": hostile, "code": 4_000_000_000u64}),
            )]);
            assert!(
                story.iter().all(|line| !line.chars().any(char::is_control)),
                "{event}"
            );
        }
    }
}
