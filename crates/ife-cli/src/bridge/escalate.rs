//! `ifectl escalate`: an IFMessage put together, signed, and handed to the bridge.

use std::time::Instant;

use ife_message::{
    Escalate, IfMessage, MessageError, ifmessage::MESSAGE_LEN_MAX, json as ife_json,
};
use ife_words::time;
use serde_json::{Map, Value, json};

use super::{
    awaited,
    client::{Answer, Bridge, shaped},
    live::{Feed, News},
    paint,
    shape::Call,
    wait_for,
};
use crate::{
    Failure, Outcome,
    cli::{EscalateArgs, WaitFor},
    keyfile,
    output::Output,
    registry::read_bytes,
    sign, text,
};

pub(super) fn run(args: &EscalateArgs, out: &mut Output) -> Result<Outcome, Failure> {
    let (message, call_id) = message(args, out)?;
    if args.print {
        out.bytes(&message)?;
        out.line("")?;
        return Ok(Outcome::Yes);
    }
    wait_for(async {
        let bridge = Bridge::new(&args.bridge)?;
        let waits = args.wait.is_some();
        let answer = if waits && !out.json() {
            send_and_tell(&bridge, message, &call_id, out).await?
        } else {
            bridge.escalate(message, waits).await?
        };
        if args.wait != Some(WaitFor::Decision) {
            return conclude(answer, waits, out);
        }
        match &answer {
            // One answer for a program: the call with its decisions.
            Answer::Done(_) if out.json() => {}
            Answer::Done(_) | Answer::No(_) => {
                if conclude(answer, waits, out)? == Outcome::No {
                    return Ok(Outcome::No);
                }
                out.line("")?;
                out.flush()?;
            }
        }
        awaited::run(&bridge, &call_id, out).await
    })
}

/// The request, byte for byte, and the id that its call will have.
fn message(args: &EscalateArgs, out: &mut Output) -> Result<(Vec<u8>, String), Failure> {
    let start = match &args.message {
        Some(file) => {
            let bytes = read_bytes(file, MESSAGE_LEN_MAX as u64)?;
            let told =
                |error: &dyn std::fmt::Display| Failure::no(format!("{}: {error}", file.display()));
            let value = ife_json::parse(&bytes, MESSAGE_LEN_MAX).map_err(|error| told(&error))?;
            let Value::Object(members) = value else {
                return Err(told(&"not a JSON object"));
            };
            members
        }
        None => Map::new(),
    };
    let ready = start.contains_key("signature") && !changes(args);
    let members = if ready { start } else { filled(start, args)? };
    let mut message: IfMessage = serde_json::from_value(Value::Object(members))
        .map_err(|error| wrong(args, &MessageError::Shape(error)))?;
    message.check().map_err(|error| wrong(args, &error))?;
    let asked = Escalate::from_message(&message).map_err(|error| wrong(args, &error))?;
    if !ready {
        let file = args.key.as_deref().ok_or_else(|| {
            Failure::usage("--key is needed, or IFE_AGENT_KEY: the agent's private key")
        })?;
        let key = keyfile::read(file, out)?;
        message
            .sign(&key)
            .map_err(|error| wrong(args, &error.into()))?;
    }
    let bytes = message
        .to_canonical()
        .map_err(|error| wrong(args, &error.into()))?;
    Ok((bytes, asked.call_id()))
}

/// Whether the message is not sent as it is in the file.
fn changes(args: &EscalateArgs) -> bool {
    // Source and key may come from the environment: they complete a message, and do not change one
    // that is signed.
    !args.hazard.is_empty()
        || !args.evidence.is_empty()
        || args.expert.is_some()
        || args.reason.is_some()
        || args.question.is_some()
        || !args.options.is_empty()
        || args.room.is_some()
        || args.trace_id.is_some()
        || args.id.is_some()
        || args.destination.is_some()
}

/// The members of the file with the options put over them, and missing ones put in. What is
/// signed here is dated now.
fn filled(
    mut members: Map<String, Value>,
    args: &EscalateArgs,
) -> Result<Map<String, Value>, Failure> {
    members.remove("signature");
    members.insert("timestamp".into(), json!(time::of_s(text::unix_now())));
    let mut over = |name: &str, given: Option<&str>, otherwise: Option<String>| {
        if let Some(given) = given {
            members.insert(name.into(), json!(given));
        } else if let Some(value) = otherwise {
            members.entry(name).or_insert(json!(value));
        }
    };
    over("id", args.id.as_deref(), Some(sign::random_uuid()?));
    over("source", args.source.as_deref(), None);
    over(
        "destination",
        args.destination.as_deref(),
        Some("if://service/bridge".into()),
    );
    over("performative", None, Some("escalate".into()));
    over("conversation_id", args.room.as_deref(), None);
    members.entry("level").or_insert(json!(1));
    // Both spellings are met; the option takes the place of either.
    let has_trace = ["traceId", "trace_id"]
        .iter()
        .any(|name| members.contains_key(*name));
    if let Some(trace_id) = &args.trace_id {
        members.remove("trace_id");
        members.insert("traceId".into(), json!(trace_id.as_str()));
    } else if !has_trace {
        members.insert("traceId".into(), json!(sign::random_uuid()?));
    }
    if !members.contains_key("source") {
        return Err(Failure::usage(
            "--source is needed, or IFE_AGENT: the agent who escalates, such as if://agent/guard",
        ));
    }
    fill_payload(&mut members, args)?;
    Ok(members)
}

fn fill_payload(members: &mut Map<String, Value>, args: &EscalateArgs) -> Result<(), Failure> {
    let payload = members.entry("payload").or_insert_with(|| json!({}));
    let Value::Object(payload) = payload else {
        return Err(Failure::no("payload: must be an object"));
    };
    if !args.hazard.is_empty() {
        payload.remove("hazard");
        let hazards: Vec<&str> = args.hazard.iter().map(|hazard| hazard.as_str()).collect();
        payload.insert("hazards".into(), json!(hazards));
    }
    if !payload.contains_key("hazards") && !payload.contains_key("hazard") {
        return Err(Failure::usage("--hazard is needed: what it is about"));
    }
    if !args.evidence.is_empty() {
        payload.insert("evidence_files".into(), json!(args.evidence));
    }
    for (name, given) in [
        ("expert_id", &args.expert),
        ("reason", &args.reason),
        ("question", &args.question),
    ] {
        if let Some(text) = given {
            payload.insert(name.into(), json!(text));
        }
    }
    if !args.options.is_empty() {
        payload.insert("options".into(), json!(args.options));
    }
    if args.room.is_some() {
        payload.remove("conversation_id");
    }
    Ok(())
}

/// An error of the message, with the file if it came from one.
fn wrong(args: &EscalateArgs, error: &MessageError) -> Failure {
    match &args.message {
        Some(file) => Failure::no(format!("{}: {error}", file.display())),
        None => Failure::usage(error.to_string()),
    }
}

/// Waits for the answer and prints meanwhile how the call gets on.
async fn send_and_tell(
    bridge: &Bridge,
    message: Vec<u8>,
    call_id: &str,
    out: &mut Output,
) -> Result<Answer, Failure> {
    // Without events only the answer is printed.
    let mut feed = Feed::open(bridge).await.ok();
    let began = Instant::now();
    let mut told = String::new();
    let answer = bridge.escalate(message, true);
    tokio::pin!(answer);
    loop {
        let news = tokio::select! {
            answer = &mut answer => {
                if let Ok(Answer::Done(value)) = &answer {
                    tell(&shaped(value)?, call_id, began, &mut told, out)?;
                }
                return answer;
            }
            news = async { feed.as_mut()?.next().await.ok() }, if feed.is_some() => news,
        };
        match news {
            Some(News::Call(call, _)) => tell(&call, call_id, began, &mut told, out)?,
            Some(News::Health(_) | News::Missed | News::Other) => {}
            None => feed = None,
        }
    }
}

/// A line for a state of this call that was not printed yet.
fn tell(
    call: &Call,
    call_id: &str,
    began: Instant,
    told: &mut String,
    out: &mut Output,
) -> Result<(), Failure> {
    if call.call_id != call_id || call.sip_call_state == *told {
        return Ok(());
    }
    told.clone_from(&call.sip_call_state);
    let detail = match call.sip_call_state.as_str() {
        "inviting" | "ringing" => text::harmless(&call.expert_id),
        "connected" => call
            .mcu_participant_id
            .as_deref()
            .map(text::harmless)
            .unwrap_or_default(),
        _ => call.end(),
    };
    out.line(paint::progress(
        began.elapsed().as_secs_f64(),
        &call.sip_call_state,
        &detail,
    ))?;
    out.flush()
}

fn conclude(answer: Answer, wait: bool, out: &mut Output) -> Result<Outcome, Failure> {
    let value = match answer {
        Answer::No(no) => return no.tell(out),
        Answer::Done(value) => value,
    };
    let call: Call = shaped(&value)?;
    if out.json() {
        out.value(&value)?;
    } else {
        if wait {
            out.line("")?;
        }
        paint::call(&call)
            .iter()
            .try_for_each(|line| out.line(line))?;
    }
    let failed = matches!(call.sip_call_state.as_str(), "failed" | "ended" | "unknown");
    Ok(Outcome::of(!failed))
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::{Cli, Command};

    fn args(more: &[&str]) -> EscalateArgs {
        let line = ["ifectl", "escalate", "--source", "if://agent/guard"];
        let command = Cli::parse_from(line.iter().chain(more)).command;
        let Command::Escalate(args) = command else {
            panic!("{command:?}");
        };
        *args
    }

    fn start(value: Value) -> Map<String, Value> {
        value.as_object().expect("an object").clone()
    }

    #[test]
    fn options_make_a_whole_message() {
        let args = args(&[
            "--hazard",
            "safety,ethics",
            "--hazard",
            "privacy",
            "--expert",
            "expert-safety@external.advisor",
            "--evidence",
            "a/b.pdf",
            "--evidence",
            "https://host/c",
            "--room",
            "council-2",
            "--trace-id",
            "trace-0001",
            "--id",
            "m-1",
        ]);
        let mut members = filled(Map::new(), &args).expect("a message");
        assert!(members.remove("timestamp").is_some());
        let expected = json!({
            "id": "m-1", "level": 1, "source": "if://agent/guard",
            "destination": "if://service/bridge", "performative": "escalate",
            "traceId": "trace-0001", "conversation_id": "council-2",
            "payload": {"hazards": ["safety", "ethics", "privacy"],
            "expert_id": "expert-safety@external.advisor",
                        "evidence_files": ["a/b.pdf", "https://host/c"]}
        });
        assert_eq!(Value::Object(members), expected);
    }

    #[test]
    fn options_win_over_the_file_and_the_rest_of_it_is_kept() {
        let file = start(json!({
            "id": "m-7", "trace_id": "trace-of-file", "timestamp": "2020-01-01T00:00:00Z",
            "level": 3, "signature": "ed25519:old",
            "citation_ids": ["c-1"], "payload": {"hazard": "ethics",
            "conversation_id": "elsewhere", "note": 7}
        }));
        let kept = filled(file.clone(), &args(&[])).expect("a message");
        assert_eq!(kept["trace_id"], "trace-of-file");
        assert_eq!((&kept["id"], &kept["level"]), (&json!("m-7"), &json!(3)));
        assert!(kept["timestamp"].as_str() > Some("2026"), "it is dated now");
        assert!(!kept.contains_key("signature") && !kept.contains_key("traceId"));
        let changed = filled(
            file,
            &args(&[
                "--trace-id",
                "trace-0002",
                "--hazard",
                "safety",
                "--room",
                "here",
            ]),
        )
        .expect("a message");
        assert_eq!(changed["traceId"], "trace-0002");
        assert!(!changed.contains_key("trace_id"));
        assert_eq!(changed["conversation_id"], "here");
        assert_eq!(
            changed["payload"],
            json!({"hazards": ["safety"], "note": 7})
        );
    }

    #[test]
    fn what_is_missing_is_named() {
        let failure = filled(Map::new(), &args(&[])).expect_err("no hazard");
        assert!(failure.what.starts_with("--hazard is needed"), "{failure}");
        let mut nobody = args(&["--hazard", "safety"]);
        nobody.source = None;
        let failure = filled(Map::new(), &nobody).expect_err("no source");
        assert!(failure.what.starts_with("--source is needed"), "{failure}");
    }
}
