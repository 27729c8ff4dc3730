//! Requests to a running bridge over its HTTP API: escalate, decide, calls, call,
//! rooms, hangup.
//!
//! One file per subcommand; `client.rs` is the way there, `shape.rs` what comes back, `sse.rs` its
//! live events, `paint.rs` and `paint_rooms.rs` what people see.

mod address;
mod awaited;
mod call;
mod calls;
mod client;
mod decide;
mod escalate;
mod hangup;
mod health;
mod live;
mod order;
mod paint;
mod paint_rooms;
mod rooms;
mod shape;
mod sse;

use std::future::Future;

use ife_message::{TraceId, call_id};
use serde_json::Value;

use crate::{
    Failure, Outcome,
    cli::{
        BridgeArgs, CallArgs, CallsArgs, DecideArgs, EscalateArgs, HangupArgs, OrderArgs, RoomsArgs,
    },
    output::Output,
};

pub(crate) use address::BridgeAddress;
pub(crate) use client::trusting;

pub(crate) fn escalate(args: &EscalateArgs, out: &mut Output) -> Result<Outcome, Failure> {
    escalate::run(args, out)
}

pub(crate) fn calls(args: &CallsArgs, out: &mut Output) -> Result<Outcome, Failure> {
    wait_for(calls::run(args, out))
}

pub(crate) fn call(args: &CallArgs, out: &mut Output) -> Result<Outcome, Failure> {
    wait_for(call::run(args, out))
}

pub(crate) fn rooms(args: &RoomsArgs, out: &mut Output) -> Result<Outcome, Failure> {
    wait_for(rooms::run(args, out))
}

pub(crate) fn hangup(args: &HangupArgs, out: &mut Output) -> Result<Outcome, Failure> {
    wait_for(hangup::run(args, out))
}

pub(crate) fn decide(args: &DecideArgs, out: &mut Output) -> Result<Outcome, Failure> {
    decide::run(args, out)
}

pub(crate) fn order(args: &OrderArgs, out: &mut Output) -> Result<Outcome, Failure> {
    order::run(args, out)
}

/// `/readyz`, the version of the API, and the process that serves the Unix socket.
pub(crate) async fn health(
    args: &BridgeArgs,
) -> Result<(Value, Option<String>, Option<u32>), Failure> {
    health::health(args).await
}

/// Runs to the end on this thread.
pub(crate) fn wait_for<T>(work: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::unanswered(format!("cannot wait for sockets: {error}")))?;
    runtime.block_on(work)
}

/// The call that a person means: its id, the hex digits of that, or the trace id from which it is
/// made.
fn named_call(text: &str) -> Result<String, Failure> {
    let hex = |digits: &str| {
        digits.len() == 16
            && digits
                .bytes()
                .all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
    };
    if text.strip_prefix("sip-call-").is_some_and(hex) {
        return Ok(text.to_owned());
    }
    if hex(text) {
        return Ok(format!("sip-call-{text}"));
    }
    let trace_id: TraceId = text.parse().map_err(|error| {
        Failure::usage(format!(
            "{}: neither the id of a call nor a trace id: {error}",
            crate::text::harmless(text)
        ))
    })?;
    Ok(call_id(&trace_id))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_is_named_in_three_ways() {
        let id = call_id(&"trace-0001".parse().expect("a trace id"));
        let digits = id.strip_prefix("sip-call-").expect("its form");
        for text in ["trace-0001", &id, digits] {
            assert_eq!(named_call(text).expect("a name"), id);
        }
        for bad in ["", "short", "a b c d e f g h", "sip-call-\u{1b}[2J"] {
            assert!(named_call(bad).is_err(), "{bad:?}");
        }
    }
}
