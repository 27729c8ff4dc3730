//! `ifectl witness prove` and `check-proof`: one entry, shown to be in the log to someone who has
//! neither log nor trust.

use std::path::Path;

use base64::{Engine, engine::general_purpose::STANDARD};
use ife_message::WitnessHash;
use ife_witness::{
    aside::{self, Existing},
    proof::TlogProof,
    reader::{LogDir, ProveError},
    tile,
};
use ife_words::time;
use serde_json::json;

use super::{PUBLIC_FILE, keys, log_failure, needed_keys, verify::signature_json};
use crate::{
    Failure, Outcome,
    cli::{CheckProofArgs, ProveArgs},
    output::Output,
    registry, text,
};

/// Longest proof file that is read, in bytes.
const PROOF_LEN_MAX: u64 = 128 * 1024;

pub(super) fn run(args: &ProveArgs, out: &mut Output) -> Result<Outcome, Failure> {
    let keys = needed_keys(&args.log)?;
    let dir = LogDir::new(&args.log.log);
    let index = match &args.which.witness_hash {
        Some(hash) => place_of(
            &dir,
            hash,
            dir.head(&keys)
                .map_err(|error| log_failure(&dir, &error))?
                .size,
            out,
        )?,
        // The command line demands one of the two.
        None => args.which.index.unwrap_or_default(),
    };
    let (proof, entry) = dir.prove(index, &keys).map_err(|error| match error {
        ProveError::Log(error) => log_failure(&dir, &error),
        ProveError::Proof(error) => Failure::no(format!(
            "{}: entry {index}: {error}",
            args.log.log.display()
        )),
    })?;
    if let Some(path) = &args.entry_out {
        write(path, &entry)?;
    }
    let text = proof.to_string();
    match &args.out {
        Some(path) => write(path, text.as_bytes())?,
        None if !out.json() => out.bytes(text.as_bytes())?,
        None => {}
    }
    if out.json() {
        out.value(
            &json!({"index": index, "proof": text, "entry": String::from_utf8_lossy(&entry)}),
        )?;
    } else if args.out.is_some() {
        out.line(format!(
            "entry {index} is proved to be in the log; the proof needs the entry \
         beside it (--entry-out) to be checked"
        ))?;
    }
    Ok(Outcome::Yes)
}

/// The entry with this leaf hash, looked for in the hash tiles from the newest on.
fn place_of(dir: &LogDir, hash: &str, size: u64, out: &Output) -> Result<u64, Failure> {
    let wanted = WitnessHash::parse(hash.as_bytes())
        .map_err(|error| Failure::usage(format!("--witness-hash: {error}")))?;
    let bar = out.progress("searching", size);
    let tiles = (0..size.div_ceil(tile::TILE_WIDTH)).rev();
    let tiles = tiles.inspect(|number| bar.set_position(size - number * tile::TILE_WIDTH));
    let found = dir.place_of(&wanted.0, size, tiles);
    bar.finish_and_clear();
    let found = found.map_err(|error| log_failure(dir, &error))?;
    found.ok_or_else(|| {
        Failure::no(format!(
            "{}: no entry has the leaf hash {wanted}",
            dir.path().display()
        ))
    })
}

fn write(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    aside::write(path, bytes, PUBLIC_FILE, Existing::Replace)
        .map_err(|error| Failure::io(path, "write it", &error))
}

pub(super) fn check(args: &CheckProofArgs, out: &mut Output) -> Result<Outcome, Failure> {
    let keys = keys(&args.vkey)?;
    let fail =
        |error: &dyn std::fmt::Display| Failure::no(format!("{}: {error}", args.proof.display()));
    let proof = TlogProof::parse(&registry::read_bytes(&args.proof, PROOF_LEN_MAX)?)
        .map_err(|error| fail(&error))?;
    let entry = registry::read_bytes(&args.entry, tile::ENTRY_LEN_MAX as u64)?;
    let signed = proof.verify(&entry, &keys).map_err(|error| {
        fail(&error).hint(format!(
            "{} is not entry {} of the log whose keys are in {}",
            args.entry.display(),
            proof.index,
            args.vkey.display()
        ))
    })?;
    let head = &signed.checkpoint;
    if out.json() {
        let signatures: Vec<_> = signed.signatures.iter().map(signature_json).collect();
        out.value(&json!({
            "proved": true, "index": proof.index, "origin": head.origin, "size": head.size,
            "root": STANDARD.encode(head.root), "signatures": signatures
        }))?;
        return Ok(Outcome::Yes);
    }
    let time = signed
        .time_s()
        .map(|at| format!(", as it was at {}", time::of_s(at)))
        .unwrap_or_default();
    out.line(format!(
        "proved: {} is entry {} of the log {} of {} entries{time}",
        args.entry.display(),
        proof.index,
        text::harmless(&head.origin),
        text::grouped(head.size)
    ))?;
    Ok(Outcome::Yes)
}
