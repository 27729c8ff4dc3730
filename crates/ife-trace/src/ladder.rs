//! The ladder of a story: from entries of the log, in the order of time, to rows of a diagram.
//!
//! An entry has one row, a refusal two: the INVITE and its answer. Entries are strangers' text: a
//! member of the wrong kind counts as absent, and texts are neither cut nor escaped here.

mod gate;

use ife_witness::entry::Author;
use ife_words::{Acceptance, Direction, Event};
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use gate::{calls, of_gate};

/// Life lines from left to right: the way of an escalation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "the names say it")]
pub enum Lane {
    Agent,
    Bridge,
    Gateway,
    Kamailio,
    Expert,
    Council,
}

/// A gate's verdict.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "the names say it")]
pub enum Verdict {
    Approved,
    Rejected,
}

/// Whether a row is good or bad news.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "the names say it")]
pub enum Tone {
    #[default]
    Plain,
    Good,
    Bad,
}

/// A message from one party to another, or a deed of one, where `from` is `to`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Row {
    /// Who sends it.
    pub from: Lane,
    /// Who gets it.
    pub to: Lane,
    /// Who passes it on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub via: Option<Lane>,
    /// The message or the act.
    pub label: String,
    /// The rest of the entry; may be empty.
    pub remark: String,
    /// The verdict, where a gate gave one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub verdict: Option<Verdict>,
    /// The verdict is a refusal that the gate did not carry out: it was in shadow mode.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub shadow: bool,
    /// Whether it is good or bad news.
    pub tone: Tone,
}

impl Row {
    fn arrow(from: Lane, to: Lane, label: impl Into<String>) -> Row {
        Row {
            from,
            to,
            via: None,
            label: label.into(),
            remark: String::new(),
            verdict: None,
            shadow: false,
            tone: Tone::Plain,
        }
    }

    fn note(at: Lane, label: impl Into<String>) -> Row {
        Row::arrow(at, at, label)
    }

    fn via(self, via: Lane) -> Row {
        Row {
            via: Some(via),
            ..self
        }
    }

    fn remark<const N: usize>(self, parts: [String; N]) -> Row {
        let remark = joined(parts);
        Row { remark, ..self }
    }

    fn tone(self, tone: Tone) -> Row {
        Row { tone, ..self }
    }

    fn approved(self) -> Row {
        Row {
            verdict: Some(Verdict::Approved),
            tone: Tone::Good,
            ..self
        }
    }

    fn rejected(self) -> Row {
        Row {
            verdict: Some(Verdict::Rejected),
            tone: Tone::Bad,
            ..self
        }
    }

    fn rejected_in_shadow(self) -> Row {
        Row {
            verdict: Some(Verdict::Rejected),
            shadow: true,
            ..self
        }
    }
}

/// The facts of a whole story, from the first entry that has it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, ToSchema)]
#[serde(default)]
pub struct Facts {
    /// Correlates everything about one escalation.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trace_id: Option<String>,
    /// The bridge's name of the call.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub call: Option<String>,
    /// Hazard name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hazard: Option<String>,
    /// From.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub caller: Option<String>,
    /// Request-URI, or To.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub callee: Option<String>,
    /// Expert id.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expert: Option<String>,
    /// The council's room.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub room: Option<String>,
    /// Time of the first entry that has one, as it is there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub began: Option<String>,
}

/// Returns the facts of the whole story.
pub fn facts(entries: &[&Value]) -> Facts {
    let find = |member| {
        let mut texts = entries.iter().map(|entry| text(entry, member));
        texts.find(|text| !text.is_empty()).map(str::to_owned)
    };
    let of_bridge = |member| {
        let by_bridge = entries
            .iter()
            .filter(|entry| author(entry).is_of_bridge())
            .map(|entry| text(entry, member));
        let mut texts = by_bridge.filter(|text| !text.is_empty());
        texts.next().map(str::to_owned)
    };
    Facts {
        trace_id: find("trace_id"),
        call: of_bridge("call_id"),
        hazard: find("hazard"),
        caller: find("from"),
        callee: find("ruri").or_else(|| find("to")),
        expert: find("expert"),
        room: of_bridge("room"),
        began: find("time"),
    }
}

/// Returns the rows of each entry, one at least.
pub fn rows(entries: &[&Value]) -> Vec<Vec<Row>> {
    let calls = calls(entries);
    let room = facts(entries).room;
    let rows_of = |entry: &&Value| {
        let event = text(entry, "event");
        match author(entry) {
            _ if event.is_empty() => {
                vec![Row::note(Lane::Kamailio, "not readable").tone(Tone::Bad)]
            }
            Author::Bridge | Author::Evidence => {
                let remark = remark_of(entry, room.as_deref());
                vec![of_bridge(entry).remark(remark)]
            }
            Author::Writer => vec![of_writer(entry)],
            Author::Gate => of_gate(entry, calls.get(text(entry, "call_id"))),
        }
    };
    entries.iter().map(rows_of).collect()
}

/// Returns who wrote an entry.
pub fn author(entry: &Value) -> Author {
    Author::of(text(entry, "producer"))
}

fn text<'e>(entry: &'e Value, member: &str) -> &'e str {
    entry[member].as_str().unwrap_or_default()
}

fn event(entry: &Value) -> Option<Event> {
    Event::of(text(entry, "event"))
}

/// `H323_SETUP` as `h323 setup`.
fn in_words(entry: &Value) -> String {
    text(entry, "event").to_lowercase().replace('_', " ")
}

/// `180 Ringing`, or what there is of it.
fn status(entry: &Value) -> String {
    let code = entry["code"].as_u64().map(|code| code.to_string());
    let status = [&code.unwrap_or_default(), text(entry, "reason")].join(" ");
    status.trim().to_owned()
}

fn joined<const N: usize>(parts: [String; N]) -> String {
    let parts = parts.into_iter().filter(|part| !part.is_empty());
    parts.collect::<Vec<_>>().join(", ")
}

fn prefixed(prefix: &str, text: &str) -> String {
    if text.is_empty() {
        return String::new();
    }
    format!("{prefix} {text}")
}

/// The row of an entry of the log's writer.
fn of_writer(entry: &Value) -> Row {
    let row = if event(entry).is_some_and(Event::is_reserved) {
        Row::note(Lane::Kamailio, "entries are missing").tone(Tone::Bad)
    } else {
        Row::note(Lane::Kamailio, in_words(entry))
    };
    row.remark([text(entry, "detail").to_owned()])
}

/// The row of an entry of a bridge or its evidence server, without the remark.
fn of_bridge(entry: &Value) -> Row {
    use Lane::{Agent, Bridge, Council, Expert, Gateway};
    use Tone::{Bad, Good};
    let is_inward = text(entry, "direction") == Direction::ToCouncil.as_str();
    let is_guardian = !text(entry, "guardian").is_empty();
    let arrow = |from, to, label: &str| Row::arrow(from, to, label);
    let viewer = if is_guardian { Council } else { Expert };
    match event(entry) {
        Some(Event::Escalate) => arrow(Agent, Bridge, "escalate"),
        Some(Event::Approved) => Row::note(Bridge, "gate asked").approved(),
        Some(Event::Rejected) => arrow(Bridge, Agent, "refused").rejected(),
        Some(Event::Invite) if is_inward => Row::note(Bridge, "expert's call seen"),
        Some(Event::Invite) => arrow(Bridge, Gateway, "call the expert"),
        Some(Event::Trying) if is_inward => arrow(Bridge, Gateway, "take to the room"),
        Some(Event::Trying) => arrow(Bridge, Gateway, "join the council"),
        Some(Event::Ringing) => arrow(Gateway, Bridge, "rings"),
        Some(Event::Connected) => arrow(Gateway, Bridge, "answered").tone(Good),
        Some(Event::Briefing) => arrow(Gateway, Expert, "hears why"),
        Some(Event::Accepted) if text(entry, "means") == Acceptance::None.as_str() => {
            Row::note(Gateway, "no acceptance asked")
        }
        Some(Event::Accepted) => arrow(Expert, Gateway, "accepts").tone(Good),
        Some(Event::H323Setup) => arrow(Gateway, Council, "H.323 setup"),
        Some(Event::H323Connected) => arrow(Council, Gateway, "H.323 connected").tone(Good),
        Some(Event::H323Released) => arrow(Gateway, Council, "H.323 released"),
        Some(Event::CouncilJoin) if is_guardian => Row::note(Council, "joins the room"),
        Some(Event::CouncilJoin) => arrow(Expert, Council, "joins the room").tone(Good),
        Some(Event::CouncilLeave) if is_guardian => Row::note(Council, "leaves the room"),
        Some(Event::CouncilLeave) => arrow(Council, Expert, "leaves the room"),
        Some(Event::Admission) if text(entry, "verdict") == "approved" => {
            Row::note(Council, "admitted").tone(Good)
        }
        Some(Event::Admission) => Row::note(Council, "not admitted").tone(Bad),
        Some(Event::Mute) if is_guardian => Row::note(Council, "muted"),
        Some(Event::Mute) => Row::note(Expert, "muted"),
        Some(Event::Unmute) if is_guardian => Row::note(Council, "no longer muted"),
        Some(Event::Unmute) => Row::note(Expert, "no longer muted"),
        Some(Event::Remove) if is_guardian => Row::note(Council, "put out of the room"),
        Some(Event::Remove) => Row::note(Expert, "put out of the room"),
        Some(Event::Decision) if is_guardian => arrow(Council, Bridge, "decision"),
        Some(Event::Decision) => arrow(Expert, Bridge, "decision").tone(Good),
        Some(Event::DecisionRefused) => Row::note(Bridge, "decision refused").tone(Bad),
        Some(Event::NoDecision) => Row::note(Bridge, "no decision").tone(Bad),
        Some(Event::Notified) if text(entry, "outcome") == "delivered" => {
            arrow(Bridge, Expert, "notification")
        }
        Some(Event::Notified) => Row::note(Bridge, "notification failed").tone(Bad),
        Some(Event::RoomOpen) => Row::note(Council, "room opened"),
        Some(Event::RoomEnd) => Row::note(Council, "room ended"),
        Some(Event::Message) if is_inward => arrow(Expert, Agent, "message"),
        Some(Event::Message) if text(entry, "outcome") == "shown" => {
            Row::note(Expert, "message shown")
        }
        Some(Event::Message) => arrow(Agent, Expert, "message"),
        Some(Event::Cancel) => arrow(Bridge, Gateway, "cancel"),
        Some(Event::Bye) => arrow(Bridge, Gateway, "hang up"),
        Some(Event::Failed) => arrow(Bridge, Agent, "failed").tone(Bad),
        Some(Event::Terminated) => arrow(Bridge, Agent, "ended"),
        Some(Event::EvidenceOffer) => arrow(viewer, Bridge, "evidence: offer"),
        Some(Event::EvidenceAnswer) => arrow(Bridge, viewer, "evidence: answer"),
        Some(Event::EvidenceOpen) => arrow(viewer, Bridge, "evidence: channel open"),
        Some(Event::EvidenceSent) => arrow(Bridge, viewer, "evidence: file sent"),
        Some(Event::EvidenceVerified) => arrow(viewer, Bridge, "evidence: receipt").tone(Good),
        Some(Event::EvidenceFailed) => Row::note(Bridge, "evidence failed").tone(Bad),
        Some(
            Event::Ack | Event::Reinvite | Event::Reload | Event::Start | Event::Stop | Event::Gap,
        )
        | None => Row::note(Bridge, in_words(entry)),
    }
}

/// Members of a bridge's entry beyond its row and the story's facts.
fn remark_of(entry: &Value, room: Option<&str>) -> [String; 14] {
    let number = |name: &str, from: u64| {
        let number = entry[name].as_u64().filter(|number| *number >= from);
        number.map(|number| number.to_string()).unwrap_or_default()
    };
    let gate = text(entry, "gate");
    let verdict = match event(entry) {
        Some(Event::Approved) => "approved".to_owned(),
        Some(Event::Rejected) => format!("rejected at gate {gate}"),
        Some(_) | None => prefixed("gate", gate),
    };
    let elsewhere = Some(text(entry, "room")).filter(|here| Some(*here) != room);
    [
        prefixed("guardian", text(entry, "guardian")),
        prefixed("by", text(entry, "channel")),
        text(entry, "outcome").replace('_', " "),
        verdict,
        text(entry, "choice").to_owned(),
        prefixed("by", text(entry, "assurance")),
        text(entry, "reason").replace('_', " "),
        match Acceptance::of(text(entry, "means")) {
            Some(means @ (Acceptance::Key | Acceptance::Page)) => prefixed("by", means.as_str()),
            Some(Acceptance::None) | None => String::new(),
        },
        prefixed("code", &number("code", 0)),
        prefixed("cause", &number("cause", 0)),
        // The first attempt is no news.
        prefixed("attempt", &number("attempt", 1)),
        prefixed("room", elsewhere.unwrap_or_default()),
        evidence_of(entry),
        text(entry, "detail").to_owned(),
    ]
}

/// An entry's account of evidence, hashes by their first digits, as the entry has them whole.
fn evidence_of(entry: &Value) -> String {
    let said = &entry["evidence"];
    let number = |name: &str| said[name].as_u64().map_or(String::new(), |n| n.to_string());
    let hash = |name: &str| {
        let digits = text(said, name).get(..12);
        digits.map_or(String::new(), |digits| format!("{name} {digits}…"))
    };
    let ids = |name: &str| {
        let ids = said[name].as_array().filter(|ids| !ids.is_empty());
        ids.map_or(String::new(), |ids| {
            let ids: Vec<String> = ids.iter().map(Value::to_string).collect();
            format!("{name} {}", ids.join(" "))
        })
    };
    joined([
        text(said, "error").replace('_', " "),
        prefixed("file", &number("file")),
        text(said, "name").to_owned(),
        prefixed("size", &number("size")),
        hash("sha256"),
        prefixed("files", &number("files")),
        hash("manifest"),
        ids("verified"),
        ids("failed"),
    ])
}

#[cfg(test)]
mod tests;
