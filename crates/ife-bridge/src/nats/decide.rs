//! The next step of a delivery: pure, every case of it.
//!
//! ```text
//! delivery --+-- no escalation of a registered agent ---------> dead letter, then ack
//!            |     signed by one: with an outcome before the ack
//!            +-- claimed, with an outcome --------------------> told again, then ack
//!            +-- lost with too many bridges ------------------> dead letter, outcome, then ack
//!            +-- not claimed: claimed by us ------------------> escalate
//!            +-- not claimed, older than the bucket's memory -> look around
//!            +-- claimed by a bridge, no outcome -------------> look around
//!                  +-- no channel, no note at the gateway ----> claimed by us, escalate
//!                  +-- answered, or in a room ----------------> outcome, then ack
//!                  +-- a channel is there --------------------> wait, look again
//!                  +-- called by us --------------------------> escalate: our engine knows
//!                  +-- called by another, no channel ---------> claimed by us, next expert
//! escalate --+-- an answer, or refused by policy -------------> outcome, then ack
//!            +-- the gateway says it is another bridge's -----> wait, look around
//!            +-- not possible at the moment ------------------> wait, then back to the stream
//!            +-- not a request -------------------------------> dead letter, then ack
//! ```

use serde::{Deserialize, Serialize};

use super::outcome::Outcome;
use crate::{
    handle::{GatewayView, Note, Resume, TAKEN_ELSEWHERE},
    refusal::{ErrorName, Refusal},
    view::CallView,
};

/// A bridge has taken a message on; kept where all bridges can see it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Claim {
    /// The bridge.
    pub(super) node: String,
    /// The process that works on it; none when it was given back.
    #[serde(default)]
    pub(super) process: String,
    /// Processes that had it and neither ended it nor gave it back, with the one that has it.
    #[serde(default)]
    pub(super) tries: i64,
    /// What came of it, once known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) outcome: Option<Outcome>,
}

/// Why a message can never be worked off.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Poison {
    /// The contract's error name, or `TOO_MANY_DELIVERIES`.
    pub(super) reason: String,
    /// For a person.
    pub(super) detail: String,
}

/// The next step.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Next {
    /// Asks the engine. With `claim`, after the claim was taken over from another bridge.
    Escalate { resume: Option<Resume>, claim: bool },
    /// Asks the gateway for its note of the call.
    LookAround,
    /// Waits and asks again.
    Wait,
    /// Publishes the outcome and acknowledges.
    Settle(Box<Outcome>),
    /// To the dead letters.
    Bury(Poison),
    /// Holds on to it; back to the stream if that lasts.
    Hold(String),
}

/// Which bridge has it, by its claim. `None`: no bridge had it, and it is ours now. A bucket that
/// `may_have_forgotten` the claim proves nothing by that.
pub(super) fn claimed(claim: Option<&Claim>, may_have_forgotten: bool, tries_max: i64) -> Next {
    let outcome = claim.and_then(|claim| claim.outcome.as_ref());
    if let Some(outcome) = outcome {
        return Next::Settle(Box::new(outcome.clone()));
    }
    match claim {
        Some(claim) if claim.tries > tries_max => Next::Bury(Poison {
            reason: "TOO_MANY_DELIVERIES".to_owned(),
            detail: format!("{tries_max} bridges were lost with it in their hands"),
        }),
        Some(_) => Next::LookAround,
        None if may_have_forgotten => Next::LookAround,
        None => Next::Escalate {
            resume: None,
            claim: false,
        },
    }
}

/// The gateway's knowledge of a call whose message was taken on before, without an outcome.
pub(super) fn found(found: &GatewayView, us: &str, trace_id: &str) -> Next {
    let is_ours = |note: &&Note| note.node == us;
    let note = found.note.as_ref();
    // Of our own call our engine knows more, unless it has forgotten it.
    let answered = note.is_some_and(|note| note.answered && (note.node != us || !found.is_known));
    if found.participant.is_some() || answered {
        return Next::Settle(Box::new(Outcome::seen(found, trace_id)));
    }
    let resume = match note {
        // Our own engine knows the call, or how it ended.
        Some(note) if is_ours(&note) => Resume {
            tried: note.tried,
            takes: None,
        },
        _ if found.is_live => return Next::Wait,
        Some(note) => Resume {
            tried: note.tried,
            takes: Some(note.clone()),
        },
        None => Resume::default(),
    };
    Next::Escalate {
        resume: Some(resume),
        claim: true,
    }
}

/// The engine's answer.
pub(super) fn answered(
    result: &Result<CallView, Refusal>,
    call_id: &str,
    trace_id: &str,
    asked_for: Option<&str>,
) -> Next {
    let refusal = match result {
        Ok(view) if view.cause == Some(TAKEN_ELSEWHERE) => return Next::Wait,
        Ok(view) => return Next::Settle(Box::new(Outcome::of_call(view))),
        Err(refusal) => refusal,
    };
    match refusal.name {
        ErrorName::CapacityExceeded | ErrorName::Unavailable | ErrorName::Timeout => {
            Next::Hold(refusal.detail.clone())
        }
        ErrorName::InvalidRequest | ErrorName::UnknownAgent => Next::Bury(poison(refusal)),
        ErrorName::InvalidSignature
        | ErrorName::PolicyRejected
        | ErrorName::ExpertNotFound
        | ErrorName::NotFound
        | ErrorName::Conflict
        | ErrorName::H323BridgeFailed
        | ErrorName::Unauthenticated
        | ErrorName::Forbidden
        | ErrorName::MethodNotAllowed
        | ErrorName::TooLarge
        | ErrorName::WebrtcEvidenceFailed => Next::Settle(Box::new(Outcome::refused(
            refusal, call_id, trace_id, asked_for,
        ))),
    }
}

/// A message that is no escalation of a registered agent.
pub(super) fn poison(refusal: &Refusal) -> Poison {
    let field = refusal.field.as_deref();
    let field = field.map(|field| format!("{field}: ")).unwrap_or_default();
    Poison {
        reason: refusal.name.as_str().to_owned(),
        detail: format!("{field}{}", refusal.detail),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gateway_view(is_live: bool, note: Option<&str>) -> GatewayView {
        GatewayView {
            call_id: "sip-call-0123456789abcdef".into(),
            is_live,
            is_known: true,
            participant: None,
            note: note.and_then(Note::parse),
            expert: Some(("e@x".into(), "E".into())),
        }
    }

    fn resumed(next: Next) -> Option<Option<Resume>> {
        let Next::Escalate { resume, claim } = next else {
            return None;
        };
        claim.then_some(resume)
    }

    #[test]
    fn a_message_that_is_none_or_comes_too_often_is_a_dead_letter() {
        let poison = poison(&Refusal::field("payload.hazards", "is empty"));
        assert_eq!(poison.reason, "INVALID_REQUEST");
        assert_eq!(poison.detail, "payload.hazards: is empty");
        let in_hand = |tries| Claim {
            node: "node2".into(),
            process: "node2-1".into(),
            tries,
            outcome: None,
        };
        assert_eq!(claimed(Some(&in_hand(5)), false, 5), Next::LookAround);
        let Next::Bury(poison) = claimed(Some(&in_hand(6)), false, 5) else {
            panic!("it comes too often");
        };
        assert_eq!(poison.reason, "TOO_MANY_DELIVERIES");
    }

    #[test]
    fn without_a_claim_the_gateway_is_asked_where_the_bucket_may_have_forgotten_it() {
        assert_eq!(claimed(None, true, 5), Next::LookAround);
        let next = claimed(None, false, 5);
        assert!(matches!(next, Next::Escalate { claim: false, .. }));
        // Our own note, and an engine that has lost its memory: no expert is called again.
        let mut forgotten = gateway_view(false, Some("node1:1:answered"));
        forgotten.is_known = false;
        assert!(matches!(found(&forgotten, "node1", "t"), Next::Settle(_)));
    }

    #[test]
    fn an_outcome_that_is_known_is_told_again_however_often_it_is_asked_for() {
        let outcome = Outcome::seen(&gateway_view(true, Some("node2:1")), "trace-0001");
        let claim = Claim {
            node: "node2".into(),
            process: String::new(),
            tries: 9,
            outcome: Some(outcome.clone()),
        };
        let next = claimed(Some(&claim), false, 5);
        assert_eq!(next, Next::Settle(Box::new(outcome)));
    }

    #[test]
    fn nobody_is_called_again_while_or_after_they_talk() {
        let cases = [(true, "node2:1:answered"), (false, "node2:2:answered")];
        for (is_live, note) in cases {
            let next = found(&gateway_view(is_live, Some(note)), "node1", "trace-0001");
            assert!(matches!(next, Next::Settle(_)), "{note}");
        }
        let mut in_room = gateway_view(true, Some("node2:1"));
        in_room.participant = Some("confbridge:council:x".into());
        assert!(matches!(found(&in_room, "node1", "t"), Next::Settle(_)));
        for note in [None, Some("node2:1")] {
            assert_eq!(found(&gateway_view(true, note), "node1", "t"), Next::Wait);
        }
    }

    #[test]
    fn a_call_that_nobody_placed_is_placed() {
        let next = found(&gateway_view(false, None), "node1", "t");
        assert_eq!(resumed(next), Some(Some(Resume::default())));
    }

    #[test]
    fn after_an_expert_who_did_not_answer_a_lost_bridge_the_next_one_is_called() {
        let next = found(&gateway_view(false, Some("node2:2")), "node1", "t");
        let wanted = Resume {
            tried: 2,
            takes: Note::parse("node2:2"),
        };
        assert_eq!(resumed(next), Some(Some(wanted)));
        for (is_live, note) in [
            (false, "node1:2"),
            (true, "node1:2"),
            (true, "node1:2:answered"),
        ] {
            let own = found(&gateway_view(is_live, Some(note)), "node1", "t");
            let tried = Resume {
                tried: 2,
                takes: None,
            };
            assert_eq!(resumed(own), Some(Some(tried)), "{note}");
        }
    }

    #[test]
    fn policy_is_an_outcome_and_lack_of_room_is_not() {
        let cases = [
            (ErrorName::PolicyRejected, "settle"),
            (ErrorName::InvalidSignature, "settle"),
            (ErrorName::ExpertNotFound, "settle"),
            (ErrorName::H323BridgeFailed, "settle"),
            (ErrorName::Conflict, "settle"),
            (ErrorName::CapacityExceeded, "hold"),
            (ErrorName::Unavailable, "hold"),
            (ErrorName::InvalidRequest, "bury"),
        ];
        for (name, wanted) in cases {
            let result = Err(Refusal::new(name, "why"));
            let word = match answered(&result, "sip-call-1", "t", None) {
                Next::Settle(outcome) => {
                    assert_eq!(outcome.code.as_deref(), Some(name.as_str()));
                    "settle"
                }
                Next::Hold(_) => "hold",
                Next::Bury(_) => "bury",
                Next::Escalate { .. } | Next::LookAround | Next::Wait => "goes on",
            };
            assert_eq!(word, wanted, "{name:?}");
        }
    }

    #[test]
    fn notes_are_read_and_anything_else_is_not() {
        let note = Note::parse("node-1:2:answered").expect("a note");
        assert_eq!(
            (note.node.as_str(), note.tried, note.answered),
            ("node-1", 2, true)
        );
        assert!(Note::parse("node-1:0").is_some_and(|note| !note.answered));
        for text in ["", "node", ":1", "node:x", "node:1:left", "node:999"] {
            assert_eq!(Note::parse(text), None, "{text}");
        }
    }
}
