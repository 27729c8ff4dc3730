//! `ifectl decision sign`: a decision about a call, as the bridge asks for it, signed and handed
//! over.

use ife_message::{
    Decision,
    decision::{Assurance, Role, VERSION, sha256_of},
};
use ife_words::time;
use serde::Deserialize;
use serde_json::Value;

use super::{
    client::{Answer, Bridge, shaped},
    named_call, wait_for,
};
use crate::{
    Failure, Outcome,
    cli::DecideArgs,
    keyfile,
    output::Output,
    text::{harmless, unix_now_ms},
};

/// Members of a call that a decision must hold.
#[derive(Debug, Deserialize)]
struct Call {
    call_id: String,
    trace_id: String,
    expert_id: String,
    asked: Option<Asked>,
}

#[derive(Debug, Deserialize)]
struct Asked {
    council: String,
    choices: Vec<String>,
    question_sha256: Option<String>,
}

pub(super) fn run(args: &DecideArgs, out: &mut Output) -> Result<Outcome, Failure> {
    wait_for(async {
        let bridge = Bridge::new(&args.bridge)?;
        let call_id = named_call(&args.call)?;
        let call: Call = match bridge.get(&["v1", "calls", &call_id]).await? {
            Answer::No(no) => return no.tell(out),
            Answer::Done(value) => shaped(&value)?,
        };
        let decision = signed(args, call, out)?;
        let value = serde_json::to_value(&decision)
            .map_err(|error| Failure::no(format!("the decision: {error}")))?;
        if args.print {
            out.value(&value)?;
            return Ok(Outcome::Yes);
        }
        match bridge
            .post(&["v1", "calls", &call_id, "decisions"], &value)
            .await?
        {
            Answer::No(no) => no.tell(out),
            Answer::Done(taken) => told(&decision, &taken, out),
        }
    })
}

fn told(decision: &Decision, taken: &Value, out: &mut Output) -> Result<Outcome, Failure> {
    if out.json() {
        out.value(taken)?;
    } else {
        out.line(format!(
            "{}: {} of {} {} is taken",
            harmless(&decision.call_id),
            harmless(&decision.choice),
            decision.role,
            harmless(&decision.party)
        ))?;
    }
    Ok(Outcome::Yes)
}

fn signed(args: &DecideArgs, call: Call, out: &mut Output) -> Result<Decision, Failure> {
    let asked = call.asked.ok_or_else(|| {
        let call_id = harmless(&call.call_id);
        Failure::no(format!("{call_id}: the time for a decision has passed"))
    })?;
    if !asked.choices.contains(&args.choice) {
        let choices = asked.choices.join(" | ");
        let what = format!("--choice: must be one of {}", harmless(&choices));
        return Err(Failure::usage(what));
    }
    let key = keyfile::read(&args.key, out)?;
    let (role, party, kid) = match &args.guardian {
        Some(name) => (Role::Guardian, name.clone(), name.clone()),
        None => (Role::Expert, call.expert_id, key.name().to_owned()),
    };
    let mut decision = Decision {
        v: VERSION.to_owned(),
        call_id: call.call_id,
        trace_id: call.trace_id,
        council: asked.council,
        role,
        party,
        choice: args.choice.clone(),
        question_sha256: asked.question_sha256,
        text: args.text.clone(),
        text_sha256: args.text.as_deref().map(sha256_of),
        time: time::of_ms(unix_now_ms()),
        assurance: Assurance::Key,
        kid,
        public_key: None,
        signature: None,
    };
    decision
        .sign(&key)
        .map_err(|error| Failure::usage(error.to_string()))?;
    Ok(decision)
}
