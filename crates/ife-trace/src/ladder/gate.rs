//! Rows of Kamailio's entries: who of a call sent what to whom, and the gate's verdict.

use std::collections::HashMap;

use ife_message::Aor;
use ife_witness::entry::Author;
use ife_words::{Direction, Event};
use serde_json::Value;

use super::{Lane, Row, Tone, author, event, in_words, prefixed, status, text};

/// Facts from the other entries of a call.
#[derive(Default)]
pub(super) struct Call {
    to_council: bool,
    caller: Option<Aor>,
    /// Whether the INVITE has an entry beside that of the decision.
    has_invite: bool,
}

impl Call {
    fn take(&mut self, entry: &Value) {
        let direction = text(entry, "direction");
        if !direction.is_empty() {
            self.to_council = direction == Direction::ToCouncil.as_str();
        }
        let event = event(entry);
        let is_first = [Event::Invite, Event::Approved, Event::Rejected].map(Some);
        if is_first.contains(&event) {
            self.caller = self.caller.take().or_else(|| from(entry));
            self.has_invite |= event == Some(Event::Invite);
        }
    }
}

/// The gate's calls in the story, by Call-ID.
pub(super) fn calls<'e>(entries: &[&'e Value]) -> HashMap<&'e str, Call> {
    let mut calls: HashMap<&str, Call> = HashMap::new();
    for entry in entries {
        let id = text(entry, "call_id");
        if author(entry) == Author::Gate && !id.is_empty() {
            calls.entry(id).or_default().take(entry);
        }
    }
    calls
}

fn from(entry: &Value) -> Option<Aor> {
    Aor::parse(text(entry, "from").as_bytes()).ok()
}

/// An entry of Kamailio with the parties of its call.
struct AtGate<'e> {
    entry: &'e Value,
    has_invite: bool,
    caller: Lane,
    callee: Lane,
    /// Of a request: the callee sends it.
    is_callees: bool,
    /// The entry's detail; of a request, a detail may have its method alone.
    detail: String,
}

impl<'e> AtGate<'e> {
    fn new(entry: &'e Value, call: Option<&Call>) -> AtGate<'e> {
        let mut alone = Call::default();
        alone.take(entry);
        alone.has_invite = false;
        let call = call.unwrap_or(&alone);
        let (caller, callee) = if call.to_council {
            (Lane::Expert, Lane::Gateway)
        } else {
            (Lane::Gateway, Lane::Expert)
        };
        let detail = Some(text(entry, "detail")).filter(|detail| *detail != text(entry, "event"));
        AtGate {
            entry,
            has_invite: call.has_invite,
            caller,
            callee,
            // If nothing is known of the sender, it is the caller.
            is_callees: matches!((&call.caller, from(entry)),
                (Some(caller), Some(from)) if *caller != from),
            detail: detail.unwrap_or_default().to_owned(),
        }
    }

    fn peer(&self) -> String {
        text(self.entry, "peer").to_owned()
    }

    fn label(&self) -> String {
        Some(status(self.entry))
            .filter(|status| !status.is_empty())
            .unwrap_or_else(|| in_words(self.entry))
    }

    fn approved(self) -> Row {
        let row = if self.has_invite {
            Row::arrow(Lane::Kamailio, self.callee, "INVITE")
        } else {
            Row::arrow(self.caller, self.callee, "INVITE").via(Lane::Kamailio)
        };
        let signed = prefixed("signed by", text(self.entry, "kid"));
        row.approved()
            .remark(["approved".to_owned(), signed, self.detail])
    }

    /// The refusal was not carried out: no answer was sent, and the request went on.
    fn rejected_in_shadow(self) -> Vec<Row> {
        if let Some(count) = self.entry["omitted"]["count"].as_u64() {
            let note = Row::note(Lane::Kamailio, format!("{count} more let pass (shadow)"));
            return vec![note.rejected_in_shadow().remark([self.detail])];
        }
        let invite = Row::arrow(self.caller, Lane::Kamailio, "INVITE");
        let invite = (!self.has_invite).then(|| invite.remark([self.peer()]));
        let status = prefixed("with", &status(self.entry));
        let at = format!(
            "would be rejected at gate {} {status}",
            text(self.entry, "gate")
        );
        let note = Row::note(Lane::Kamailio, "let pass (shadow)").rejected_in_shadow();
        let note = note.remark([at.trim_end().to_owned(), self.detail]);
        invite.into_iter().chain([note]).collect()
    }

    fn rejected(self) -> Vec<Row> {
        if let Some(count) = self.entry["omitted"]["count"].as_u64() {
            let note = Row::note(Lane::Kamailio, format!("{count} more refused"));
            return vec![note.rejected().remark([self.detail])];
        }
        let invite = Row::arrow(self.caller, Lane::Kamailio, "INVITE").tone(Tone::Bad);
        let invite = (!self.has_invite).then(|| invite.remark([self.peer()]));
        let at = format!("rejected at gate {}", text(self.entry, "gate"));
        let answer = Row::arrow(Lane::Kamailio, self.caller, self.label()).rejected();
        let answer = answer.remark([at, self.detail]);
        invite.into_iter().chain([answer]).collect()
    }

    fn answer(self, tone: Tone) -> Row {
        let row = Row::arrow(self.callee, self.caller, self.label()).via(Lane::Kamailio);
        row.tone(tone).remark([self.detail])
    }

    fn request(self) -> Row {
        let method = match text(self.entry, "event") {
            "REINVITE" => "INVITE again",
            method => method,
        };
        let (sender, receiver) = if self.is_callees {
            (self.callee, self.caller)
        } else {
            (self.caller, self.callee)
        };
        let row = Row::arrow(sender, receiver, method).via(Lane::Kamailio);
        row.remark([status(self.entry), self.detail])
    }
}

/// The rows of an entry of Kamailio.
pub(super) fn of_gate(entry: &Value, call: Option<&Call>) -> Vec<Row> {
    let at = AtGate::new(entry, call);
    match event(entry) {
        Some(Event::Invite) => {
            let invite = Row::arrow(at.caller, Lane::Kamailio, "INVITE");
            vec![invite.remark([at.peer(), at.detail])]
        }
        Some(Event::Approved) => vec![at.approved()],
        Some(Event::Rejected) if entry["shadow"] == true => at.rejected_in_shadow(),
        Some(Event::Rejected) => at.rejected(),
        Some(Event::Trying | Event::Ringing) => vec![at.answer(Tone::Plain)],
        Some(Event::Connected) => vec![at.answer(Tone::Good)],
        Some(Event::Failed) => vec![at.answer(Tone::Bad)],
        Some(Event::Ack | Event::Cancel | Event::Bye | Event::Reinvite) => vec![at.request()],
        Some(
            Event::Escalate
            | Event::Briefing
            | Event::Accepted
            | Event::Terminated
            | Event::H323Setup
            | Event::H323Connected
            | Event::H323Released
            | Event::CouncilJoin
            | Event::CouncilLeave
            | Event::Admission
            | Event::Mute
            | Event::Unmute
            | Event::Remove
            | Event::Decision
            | Event::DecisionRefused
            | Event::NoDecision
            | Event::Notified
            | Event::RoomOpen
            | Event::RoomEnd
            | Event::Message
            | Event::EvidenceOffer
            | Event::EvidenceAnswer
            | Event::EvidenceOpen
            | Event::EvidenceSent
            | Event::EvidenceVerified
            | Event::EvidenceFailed
            | Event::Reload
            | Event::Start
            | Event::Stop
            | Event::Gap,
        )
        | None => {
            let note = Row::note(Lane::Kamailio, in_words(entry));
            vec![note.remark([status(entry), at.detail])]
        }
    }
}
