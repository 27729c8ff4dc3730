//! `ifectl witness checkpoint`.

use base64::{Engine, engine::general_purpose::STANDARD};
use ife_witness::{note::Verified, reader::LogDir};
use serde_json::json;

use super::{
    given_keys, log_failure,
    verify::{describe, signature_json},
};
use crate::{Failure, Outcome, cli::LogArgs, output::Output, text};

pub(super) fn run(log: &LogArgs, raw: bool, out: &mut Output) -> Result<Outcome, Failure> {
    let dir = LogDir::new(&log.log);
    let keys = given_keys(log)?;
    if raw {
        let note = dir.note().map_err(|error| log_failure(&dir, &error))?;
        out.bytes(&note)?;
        return Ok(Outcome::Yes);
    }
    let (head, signatures): (_, Vec<Verified>) = if keys.is_empty() {
        (
            dir.head(&[]).map_err(|error| log_failure(&dir, &error))?,
            Vec::new(),
        )
    } else {
        let signed = dir
            .checkpoint(&keys)
            .map_err(|error| log_failure(&dir, &error))?;
        (signed.checkpoint, signed.signatures)
    };
    let root = STANDARD.encode(head.root);
    if out.json() {
        out.value(
            &json!({"origin": head.origin, "size": head.size, "root": root,
        "verified": !keys.is_empty(),
                          "signatures": signatures.iter().map(signature_json).collect::<Vec<_>>()}),
        )?;
        return Ok(Outcome::Yes);
    }
    out.line(format!("log        {}", text::harmless(&head.origin)))?;
    out.line(format!("entries    {}", text::grouped(head.size)))?;
    out.line(format!("root       {root}"))?;
    for signature in &signatures {
        out.line(format!("signed by  {}", describe(signature)))?;
    }
    if keys.is_empty() {
        out.line("signed by  not checked: give --vkey")?;
    }
    Ok(Outcome::Yes)
}
