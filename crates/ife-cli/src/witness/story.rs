//! The story of a call as a ladder: who sent what to whom, when, and what the gate said.
//!
//! ```text
//!                   caller                      gate                      callee
//!   0.000000  #3       |--------- INVITE -------->|                          |   APPROVED, signed by council-2026a
//!   0.104021  #5       |<------------------- 180 Ringing --------------------|   RINGING
//! ```
//!
//! Where a bridge took part the lines are bridge, gate, expert and council, in the order of the call.

use std::collections::HashMap;

use ife_message::Aor;
use ife_witness::entry::Author;

use super::{
    entry::Seen,
    ladder::{Ladder, Lane, row},
};

/// Who has which line.
#[derive(Debug, Clone, Copy)]
struct Cast {
    ladder: Ladder,
    bridge: Lane,
    expert: Lane,
    council: Lane,
}

const CALLER: Lane = 0;
const GATE: Lane = 1;
const CALLEE: Lane = 2;
const COUNCIL: Lane = 3;

/// SIP alone. The bridge, of which there is nothing to tell, has nobody's line.
const SIP: Cast = Cast {
    ladder: Ladder::new(&[("caller", 3), ("gate", 30), ("callee", 57)]),
    bridge: CALLER,
    expert: CALLEE,
    council: CALLEE,
};
/// The bridge calls the expert.
const TO_EXPERT: Cast = Cast {
    ladder: Ladder::new(&[("bridge", 3), ("gate", 23), ("expert", 43), ("council", 63)]),
    bridge: CALLER,
    expert: CALLEE,
    council: COUNCIL,
};
/// The expert calls the council.
const TO_COUNCIL: Cast = Cast {
    ladder: Ladder::new(&[("expert", 3), ("gate", 23), ("bridge", 43), ("council", 63)]),
    bridge: CALLEE,
    expert: CALLER,
    council: COUNCIL,
};

/// The lines to print; `seen` is in the order of time.
pub(super) fn tell(seen: &[Seen]) -> Vec<String> {
    let Some(first) = seen.first() else {
        return Vec::new();
    };
    let calls = calls(seen);
    let cast = cast(seen);
    let mut lines = title(seen);
    lines.push(String::new());
    lines.push(cast.ladder.heads());
    let mut call = String::new();
    for entry in seen {
        let call_id = entry.text("call_id");
        // The bridge's name of the call is in the title.
        if !call_id.is_empty() && call_id != call && !of_bridge(entry) {
            lines.push(row(
                "",
                "",
                &cast.ladder.lines(),
                &format!("Call-ID {call_id}"),
            ));
            call = call_id;
        }
        let seconds = entry.time_ns().saturating_sub(first.time_ns()) as f64 / 1e9;
        let time = format!("{seconds:.6}");
        let place = format!("#{}", entry.index);
        let rungs = if of_bridge(entry) {
            vec![bridge_rung(entry, cast, &seen_room(seen))]
        } else {
            rungs(entry, calls.get(&entry.text("call_id")), cast.ladder)
        };
        for (number, (ladder, remark)) in rungs.into_iter().enumerate() {
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

/// Written by a bridge or its evidence server, not by the gate.
fn of_bridge(entry: &Seen) -> bool {
    Author::of(&entry.text("producer")).is_of_bridge()
}

fn cast(seen: &[Seen]) -> Cast {
    match seen.iter().find(|entry| of_bridge(entry)) {
        None => SIP,
        Some(_)
            if seen
                .iter()
                .any(|entry| of_bridge(entry) && entry.text("direction") == "to_council") =>
        {
            TO_COUNCIL
        }
        Some(_) => TO_EXPERT,
    }
}

fn seen_room(seen: &[Seen]) -> Option<String> {
    seen.iter()
        .filter(|entry| of_bridge(entry))
        .map(|entry| entry.text("room"))
        .find(|room| !room.is_empty())
}

/// What is the same for the whole story, taken from the first entry that has it.
fn title(seen: &[Seen]) -> Vec<String> {
    let find = |member: &str| {
        seen.iter()
            .map(|entry| entry.text(member))
            .find(|text| !text.is_empty())
    };
    let call = seen
        .iter()
        .filter(|entry| of_bridge(entry))
        .map(|entry| entry.text("call_id"))
        .find(|id| !id.is_empty());
    let facts = [
        ("trace id", find("trace_id")),
        ("call", call),
        ("hazard", find("hazard")),
        ("caller", find("from")),
        ("callee", find("ruri").or_else(|| find("to"))),
        ("expert", find("expert")),
        ("room", seen_room(seen)),
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
        if matches!(event.as_str(), "INVITE" | "APPROVED" | "REJECTED") && !of_bridge(entry) {
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
fn rungs(entry: &Seen, call: Option<&Call>, ladder: Ladder) -> Vec<(String, String)> {
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
            ladder.arrow(CALLER, GATE, "INVITE"),
            join([entry.text("peer"), remark]),
        ),
        "APPROVED" => {
            let signed = Some(entry.text("kid"))
                .filter(|kid| !kid.is_empty())
                .map(|kid| format!("signed by {kid}"));
            one(
                decision(call, ladder),
                join(["APPROVED".to_owned(), signed.unwrap_or_default(), remark]),
            )
        }
        "REJECTED" => vec![
            (decision(call, ladder), entry.text("peer")),
            (
                ladder.arrow(GATE, CALLER, &status),
                join([
                    format!("REJECTED at gate {}", entry.text("gate")),
                    // Told here when it does not fit on the arrow.
                    if status.chars().count() > ladder.room(GATE, CALLER) {
                        status
                    } else {
                        String::new()
                    },
                    remark,
                ]),
            ),
        ],
        "TRYING" | "RINGING" | "CONNECTED" | "FAILED" => {
            let label = if status.is_empty() {
                event.clone()
            } else {
                status
            };
            one(ladder.arrow(CALLEE, CALLER, &label), join([event, remark]))
        }
        "ACK" | "REINVITE" | "CANCEL" | "BYE" => {
            let label = if event == "REINVITE" {
                "INVITE (again)"
            } else {
                &event
            };
            one(
                ladder.arrow(sender, receiver, label),
                join([status, remark]),
            )
        }
        _ => one(
            ladder.lines(),
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
fn decision(call: Option<&Call>, ladder: Ladder) -> String {
    if call.is_some_and(|call| call.has_invite) {
        ladder.lines()
    } else {
        ladder.arrow(CALLER, GATE, "INVITE")
    }
}

/// What a bridge did or saw: the rung and the remark beside it.
fn bridge_rung(entry: &Seen, cast: Cast, room: &Option<String>) -> (String, String) {
    let Cast {
        ladder,
        bridge,
        expert,
        council,
    } = cast;
    let event = entry.event();
    let guardian = entry.text("guardian");
    let of_guardian = !guardian.is_empty();
    let who = if of_guardian {
        guardian
    } else {
        "the expert".to_owned()
    };
    let rung = match event.as_str() {
        "H323_SETUP" => ladder.arrow(bridge, council, "H.323 Setup"),
        "H323_CONNECTED" => ladder.arrow(council, bridge, "H.323 Connect"),
        "H323_RELEASED" => ladder.arrow(bridge, council, "H.323 Release"),
        "COUNCIL_JOIN" | "COUNCIL_LEAVE" if of_guardian => ladder.mark(council),
        "COUNCIL_JOIN" => ladder.arrow(expert, council, "joins"),
        "COUNCIL_LEAVE" => ladder.arrow(expert, council, "leaves"),
        "EVIDENCE_OFFER" => ladder.arrow(expert, bridge, "WebRTC offer"),
        "EVIDENCE_ANSWER" => ladder.arrow(bridge, expert, "WebRTC answer"),
        "EVIDENCE_OPEN" => ladder.arrow(bridge, expert, "list of files"),
        "EVIDENCE_SENT" => ladder.arrow(bridge, expert, "evidence"),
        "EVIDENCE_VERIFIED" => ladder.arrow(expert, bridge, "receipt"),
        _ => ladder.mark(bridge),
    };
    let said = match event.as_str() {
        "COUNCIL_JOIN" | "COUNCIL_LEAVE" | "H323_SETUP" | "H323_CONNECTED" | "H323_RELEASED" => {
            format!("{event} {who}")
        }
        "REJECTED" => format!("REJECTED at gate {}", entry.text("gate")),
        // The bridge's states have names of their own where the event's is that of a SIP message.
        "TRYING" | "CONNECTED" | "BYE" if !entry.text("state").is_empty() => entry.text("state"),
        _ => event,
    };
    (rung, join([said, entry.status(), rest(entry, room)]))
}

/// What an entry tells beyond what the title, the event and the status say; hashes by their first
/// digits, as `--entries` has them whole.
fn rest(entry: &Seen, room: &Option<String>) -> String {
    let number = |name| entry.number(name).map(|number| format!("{name}={number}"));
    let elsewhere =
        Some(entry.text("room")).filter(|other| !other.is_empty() && Some(other) != room.as_ref());
    let detail = entry.text("detail");
    let is_known = |word: &str| word.starts_with("session=") || word.starts_with("binding=");
    let words = detail
        .split(' ')
        .filter(|word| !is_known(word))
        .map(short_hash);
    number("attempt")
        .filter(|attempt| attempt != "attempt=0")
        .into_iter()
        .chain(number("cause"))
        .chain(elsewhere.map(|other| format!("room={other}")))
        .chain(words)
        .filter(|word| !word.is_empty())
        .collect::<Vec<_>>()
        .join(" ")
}

/// `name=0123456789ab...` of a word that ends in a SHA-256.
fn short_hash(word: &str) -> String {
    match word.split_once('=') {
        Some((name, hash)) if hash.len() == 64 && hash.bytes().all(|b| b.is_ascii_hexdigit()) => {
            format!("{name}={}...", &hash[..12])
        }
        Some(_) | None => word.to_owned(),
    }
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
    fn a_bridged_call_is_told_with_expert_and_council() {
        let bridge = |index, ms, event: &str, more: serde_json::Value| {
            let mut entry = json!({"producer": "bridge-node1", "call_id": "sip-call-1",
                "direction": "to_expert", "expert": "e@x", "room": "council", "from": null});
            for (key, value) in more.as_object().expect("an object") {
                entry[key] = value.clone();
            }
            seen(index, ms, event, entry)
        };
        let story = tell(&[
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
                    "detail": format!("session=abc file=0 sha256={}", "0123456789abcdef".repeat(4))}),
            ),
            bridge(
                8,
                50,
                "TERMINATED",
                json!({"state": "ended", "attempt": 1, "reason": "user_hangup"}),
            ),
        ]);
        let expected = "\
trace id  trace-0001
call      sip-call-1
caller    sip:council@council.example
expert    e@x
room      council
began     2026-01-01T00:00:00.000000000Z

                  bridge               gate               expert              council
  0.000000  #1       *                   |                   |                   |   ESCALATE
                     |                   |                   |                   |   Call-ID c1
  0.005000  #2       |----- INVITE ----->|                   |                   |   APPROVED, signed by k
  0.009000  #3       |<------------ 180 Ringing -------------|                   |   RINGING
  0.020000  #4       *                   |                   |                   |   bridging
  0.021000  #5       |----------------------- H.323 Setup ---------------------->|   H323_SETUP guardian-1
  0.030000  #6       |                   |                   |------ joins ----->|   COUNCIL_JOIN the expert
  0.040000  #7       |                   |                   |                   *   COUNCIL_JOIN guardian-1
  0.045000  #9       |-------------- evidence -------------->|                   |   EVIDENCE_SENT, file=0 sha256=0123456789ab...
  0.050000  #8       *                   |                   |                   |   TERMINATED, user_hangup, attempt=1";
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
            "H323_SETUP",
            "EVIDENCE_SENT",
            "\u{1b}]0;x\u{7}",
        ] {
            for producer in ["kamailio-1".to_owned(), format!("bridge-{hostile}")] {
                let more = json!({"reason": hostile, "detail": hostile, "call_id": hostile, "code": 4_000_000_000u64, "producer": producer,
                    "direction": hostile});
                let story = tell(&[seen(u64::MAX, 0, event, more)]);
                assert!(
                    story.iter().all(|line| !line.chars().any(char::is_control)),
                    "{event}"
                );
            }
        }
    }
}
