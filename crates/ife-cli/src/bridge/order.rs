//! `ifectl order`: a signed order about a call, for those who reach the bridge over NATS.

use ife_message::{IfMessage, MessageError};
use ife_words::time;
use serde_json::json;

use super::named_call;
use crate::{Failure, Outcome, cli::OrderArgs, keyfile, output::Output, sign, text};

pub(super) fn run(args: &OrderArgs, out: &mut Output) -> Result<Outcome, Failure> {
    let call_id = named_call(&args.call)?;
    let source = args.source.as_deref().ok_or_else(|| {
        Failure::usage(
            "--source is needed, or IFE_AGENT: the agent whose message asked for the call",
        )
    })?;
    let file = args.key.as_deref().ok_or_else(|| {
        Failure::usage("--key is needed, or IFE_AGENT_KEY: the agent's private key")
    })?;
    let id = match &args.id {
        Some(id) => id.clone(),
        None => sign::random_uuid()?,
    };
    let wrong = |error: MessageError| Failure::usage(error.to_string());
    let mut message: IfMessage = serde_json::from_value(json!({
        "id": id,
        "timestamp": time::of_s(text::unix_now()),
        "level": 1,
        "source": source,
        "destination": "if://service/bridge",
        "performative": "request",
        "payload": {"order": args.order.as_str(), "call_id": call_id},
    }))
    .map_err(|error| wrong(MessageError::Shape(error)))?;
    message.check().map_err(wrong)?;
    let key = keyfile::read(file, out)?;
    message.sign(&key).map_err(|error| wrong(error.into()))?;
    let bytes = message
        .to_canonical()
        .map_err(|error| wrong(error.into()))?;
    out.bytes(&bytes)?;
    out.line("")?;
    Ok(Outcome::Yes)
}
