//! `ifectl decision`: verifying decisions with public keys. Signing one is in `bridge/decide.rs`,
//! because the bridge has what it must hold.

mod keys;
mod verify;

use ife_message::decision::DECISION_LEN_MAX;
use serde_json::{Value, json};

use crate::{
    Failure, Outcome, bridge,
    cli::{DecisionArgs, DecisionCommand, VerifyDecisionArgs},
    output::Output,
    registry::read_bytes,
    text::harmless,
};
use keys::Keys;
use verify::{records, verify};

/// Longest file: a call with its decisions.
const FILE_LEN_MAX: u64 = 64 * DECISION_LEN_MAX as u64;

pub(crate) fn run(args: &DecisionArgs, out: &mut Output) -> Result<Outcome, Failure> {
    match &args.command {
        DecisionCommand::Sign(args) => bridge::decide(args, out),
        DecisionCommand::Verify(args) => run_verify(args, out),
    }
}

fn run_verify(args: &VerifyDecisionArgs, out: &mut Output) -> Result<Outcome, Failure> {
    let keys = Keys::new(args.registry.as_deref(), &args.keys)?;
    let bytes = read_bytes(&args.file, FILE_LEN_MAX)?;
    let fail = |why: String| Failure::no(format!("{}: {why}", args.file.display()));
    let records = records(&bytes).map_err(fail)?;
    let mut is_all = true;
    for record in &records {
        let result = verify(record, &keys);
        is_all &= result.is_ok();
        let decision = &record.decision;
        if out.json() {
            let problem = result.as_ref().err();
            out.value(&json!({
                "verified": result.is_ok(), "problem": problem, "call_id": decision.call_id,
                "role": decision.role, "party": decision.party, "choice": decision.choice,
                "assurance": decision.assurance, "kid": decision.kid, "time": decision.time,
                "text": decision.text, "received": record.attestation.received,
                "signature_by": result.as_ref().ok(),
            }))?;
            continue;
        }
        out.line(format!(
            "{}: {} {} of {} {}, {}",
            harmless(&decision.call_id),
            if result.is_ok() {
                "verified:"
            } else {
                "NOT VERIFIED:"
            },
            harmless(&decision.choice),
            decision.role,
            harmless(&decision.party),
            harmless(&decision.time),
        ))?;
        match result {
            Ok(by) => out.line(format!(
                "  signed by {by}; attested by {} at {}",
                harmless(&record.attestation.kid),
                harmless(&record.attestation.received)
            ))?,
            Err(why) => out.line(format!("  {}", harmless(&why)))?,
        }
        let text = decision.text.as_deref().unwrap_or_default();
        text.lines()
            .try_for_each(|line| out.line(format!("  | {}", harmless(line))))?;
    }
    Ok(Outcome::of(is_all))
}

/// A value that is an object or nothing.
fn member<'a>(value: &'a Value, name: &str) -> Option<&'a Value> {
    value.get(name).filter(|value| !value.is_null())
}
