//! Whether a decision is taken: pure, in the order of its checks.

use ife_message::{
    Decision,
    decision::{Assurance, DecisionError, Record, Role},
};
use ife_words::time;

use super::{
    kept::DECISIONS_MAX,
    view::{choices, is_same_party, question_sha256},
};
use crate::{
    command::TIMESTAMP_WINDOW_S,
    refusal::{ErrorName, Refusal, named_field},
    view::CallView,
};

ife_words::words! {
    /// Why a decision is not taken: the member `reason` of its entry.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub(crate) enum Why {
        /// Not the signed statement that docs/decision.md describes.
        Malformed = "malformed",
        /// About another call than the one it was sent to.
        WrongCall = "wrong_call",
        /// The time for a decision about the call has passed.
        Late = "late",
        /// By an expert of another call, or by no guardian of the configuration.
        WrongParty = "wrong_party",
        /// The signature is not by a key of the party that is in force.
        Forged = "forged",
        /// What signed is not enough for the hazard, or came by another way.
        Assurance = "assurance",
        /// Not one of the choices.
        WrongChoice = "wrong_choice",
        /// The answer to another question.
        WrongQuestion = "wrong_question",
        /// Its time is too far from the bridge's.
        Stale = "stale",
        /// Not later than the party's decision before it.
        Replayed = "replayed",
        /// The call has as many decisions as are kept.
        TooMany = "too_many",
        /// The witness takes no entries.
        Unwitnessed = "unwitnessed",
    }
}

/// A decision that is not taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct NotTaken {
    pub(crate) why: Why,
    pub(crate) field: Option<String>,
    pub(crate) detail: String,
}

impl NotTaken {
    pub(super) fn new(why: Why, field: Option<&str>, detail: impl Into<String>) -> NotTaken {
        NotTaken {
            why,
            field: field.map(str::to_owned),
            detail: detail.into(),
        }
    }

    /// As in the API.
    pub(super) fn refusal(&self) -> Refusal {
        let name = match self.why {
            Why::Malformed
            | Why::WrongCall
            | Why::WrongChoice
            | Why::WrongQuestion
            | Why::Stale => ErrorName::InvalidRequest,
            Why::Forged => ErrorName::InvalidSignature,
            Why::WrongParty | Why::Assurance => ErrorName::PolicyRejected,
            Why::Late | Why::Replayed | Why::TooMany => ErrorName::Conflict,
            Why::Unwitnessed => ErrorName::Unavailable,
        };
        Refusal {
            field: self.field.clone(),
            ..Refusal::new(name, self.detail.clone())
        }
    }
}

/// Circumstances of a decision.
#[derive(Debug, Clone, Copy)]
pub(super) struct Circumstances<'a> {
    pub(super) call: &'a CallView,
    /// Address of record of the council.
    pub(super) council: &'a str,
    pub(super) is_late: bool,
    /// Kinds of signature that are enough for the hazard.
    pub(super) enough: &'a [Assurance],
    /// Kinds of signature that may come by the way that this decision came.
    pub(super) way: &'a [Assurance],
    /// Decisions about the call that were taken.
    pub(super) earlier: &'a [Record],
    pub(super) now_ms: u64,
}

/// Reads a decision.
pub(super) fn read(text: &[u8]) -> Result<Decision, NotTaken> {
    Decision::parse(text).map_err(|error| {
        let detail = error.to_string();
        let field = match &error {
            DecisionError::Member { member, .. } => Some((*member).to_owned()),
            DecisionError::Shape(inner) => named_field(&inner.to_string()).map(str::to_owned),
            DecisionError::Json(_) | DecisionError::Signature(_) => None,
        };
        NotTaken {
            why: Why::Malformed,
            field,
            detail,
        }
    })
}

/// Judges a decision; `verify` checks its signature by the party's keys.
pub(super) fn judge(
    decision: &Decision,
    at: &Circumstances<'_>,
    is_guardian: impl Fn(&str) -> bool,
    verify: impl FnOnce(&Decision) -> bool,
) -> Result<(), NotTaken> {
    let not = |why, field, detail: &str| Err(NotTaken::new(why, Some(field), detail));
    let call = at.call;
    for (field, said, wanted) in [
        ("call_id", &decision.call_id, call.call_id.as_str()),
        ("trace_id", &decision.trace_id, call.trace_id.as_str()),
        ("council", &decision.council, at.council),
    ] {
        if said != wanted {
            return not(Why::WrongCall, field, "is not that of the call");
        }
    }
    if at.is_late {
        let detail = "the time for a decision about this call has passed";
        return Err(NotTaken::new(Why::Late, None, detail));
    }
    let is_party = match decision.role {
        Role::Expert => decision.party == call.expert_id,
        Role::Guardian => is_guardian(&decision.party),
    };
    if !is_party {
        return not(Why::WrongParty, "party", "is no party of this call");
    }
    if !at.way.contains(&decision.assurance) {
        return not(Why::Assurance, "assurance", "cannot come by this way");
    }
    if !verify(decision) {
        let detail = "is not by a key of this party that is in force";
        return not(Why::Forged, "signature", detail);
    }
    if !at.enough.contains(&decision.assurance) {
        let detail = "is not enough for the hazard of this call";
        return not(Why::Assurance, "assurance", detail);
    }
    if decision.question_sha256 != question_sha256(call) {
        let detail = "is not that of the question of this call";
        return not(Why::WrongQuestion, "question_sha256", detail);
    }
    if !choices(call).contains(&decision.choice) {
        return not(Why::WrongChoice, "choice", "is not one of the choices");
    }
    if decision.text_sha256.is_some() && decision.text.is_none() {
        return not(Why::Malformed, "text", "is missing");
    }
    judge_time(decision, at)
}

fn judge_time(decision: &Decision, at: &Circumstances<'_>) -> Result<(), NotTaken> {
    let ns = |decision: &Decision| time::parse_ns(&decision.time);
    let signed_ms = ns(decision).map(|ns| ns / 1_000_000);
    let window_ms = TIMESTAMP_WINDOW_S * 1_000;
    if signed_ms.is_none_or(|signed| signed.abs_diff(at.now_ms) > window_ms) {
        let detail = "is further than 300 s from the clock of the bridge";
        return Err(NotTaken::new(Why::Stale, Some("time"), detail));
    }
    let mut earlier = at.earlier.iter().map(|record| &record.decision);
    if earlier.any(|other| is_same_party(other, decision) && ns(other) >= ns(decision)) {
        let detail = "is not later than that of the decision of this party before it";
        return Err(NotTaken::new(Why::Replayed, Some("time"), detail));
    }
    if at.earlier.len() >= DECISIONS_MAX {
        let detail = "this call has as many decisions as are kept";
        return Err(NotTaken::new(Why::TooMany, None, detail));
    }
    Ok(())
}

#[cfg(test)]
mod tests;
