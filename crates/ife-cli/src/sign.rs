//! `ifectl sign`: the X-IF-* headers of one call, or of thousands for a load test.

use std::fs;

use ife_message::{
    Covered, Part, PrivateKey, SignatureHeader, TraceId, header,
    sign::{self, SignedFields},
};
use ife_words::hex;
use serde_json::json;
use sha2::{Digest, Sha256};

use crate::{
    Failure, Outcome, cli::SignArgs, keyfile, keygen::no_randomness, output::Output, text,
};

pub(crate) fn run(args: &SignArgs, out: &mut Output) -> Result<Outcome, Failure> {
    check(args)?;
    let key = keyfile::read(&args.key, out)?;
    let job = Job {
        args,
        covered: covered(args)?,
        body_sha256: body_sha256(args)?,
        iat: args.iat.unwrap_or_else(text::unix_now),
    };
    if args.csv {
        out.line("SEQUENTIAL")?;
    }
    for offset in 0..args.count {
        let trace_id = job.trace_id(offset)?;
        match &args.legacy {
            Some(expert_id) => print_legacy(&key, args, expert_id, &trace_id, out)?,
            None => job.sign(&key, offset, &trace_id, out)?,
        }
    }
    Ok(Outcome::Yes)
}

fn check(args: &SignArgs) -> Result<(), Failure> {
    let several = args.count > 1;
    if several && args.trace_id.as_ref().is_some_and(|id| !id.contains("%n")) {
        return Err(Failure::usage(
            "--trace-id: several calls need several trace ids; put %n into it, or leave it out",
        ));
    }
    if several && args.call_id.as_ref().is_some_and(|id| !id.contains("%n")) {
        return Err(Failure::usage(
            "--call-id: several calls need several Call-IDs; put %n into it",
        ));
    }
    Ok(())
}

fn covered(args: &SignArgs) -> Result<Covered, Failure> {
    let covered = match (args.cover, args.call_id.is_some(), args.body.is_some()) {
        (Some(covered), _, _) => covered,
        (None, true, true) => Covered::BASE_CID_SDP,
        (None, true, false) => Covered::BASE_CID,
        (None, false, true) => Covered::BASE.with(Part::Sdp).unwrap_or_default(),
        (None, false, false) => Covered::BASE,
    };
    if covered.contains(Part::CallId) && args.call_id.is_none() {
        return Err(Failure::usage(
            "--cover: cid is covered, so say the Call-ID with --call-id",
        ));
    }
    if covered.contains(Part::Sdp) && args.body.is_none() {
        return Err(Failure::usage(
            "--cover: sdp is covered, so give the body with --body (an empty file for an INVITE \
            without one)",
        ));
    }
    Ok(covered)
}

fn body_sha256(args: &SignArgs) -> Result<Option<[u8; 32]>, Failure> {
    let Some(path) = &args.body else {
        return Ok(None);
    };
    let body = fs::read(path).map_err(|error| Failure::io(path, "read the body", &error))?;
    Ok(Some(Sha256::digest(body).into()))
}

/// What all calls of one run have in common.
struct Job<'a> {
    args: &'a SignArgs,
    covered: Covered,
    body_sha256: Option<[u8; 32]>,
    iat: u64,
}

impl Job<'_> {
    fn number(&self, offset: u64) -> String {
        self.args.first.saturating_add(offset).to_string()
    }

    fn trace_id(&self, offset: u64) -> Result<TraceId, Failure> {
        match &self.args.trace_id {
            Some(template) => template
                .replace("%n", &self.number(offset))
                .parse()
                .map_err(|error| Failure::usage(format!("--trace-id: {error}"))),
            None => random_trace_id(),
        }
    }

    fn sign(
        &self,
        key: &PrivateKey,
        offset: u64,
        trace_id: &TraceId,
        out: &mut Output,
    ) -> Result<(), Failure> {
        let args = self.args;
        let call_id = args
            .call_id
            .as_ref()
            .map(|template| template.replace("%n", &self.number(offset)))
            .unwrap_or_default();
        let header = sign::sign(
            key,
            &SignedFields {
                iat: self.iat + args.rate.map_or(0, |rate| offset / rate),
                trace_id,
                hazard: &args.hazard,
                caller: &args.from,
                callee: &args.to,
                covered: self.covered,
                call_id: call_id.as_bytes(),
                body_sha256: self.body_sha256,
            },
        )
        .map_err(|error| Failure::usage(error.to_string()))?;
        if args.csv {
            let SignatureHeader {
                kid, iat, covered, ..
            } = header;
            let text = header.to_string();
            // Display ends in the sig parameter.
            let sig = text.rsplit_once("sig=").map_or("", |(_, sig)| sig);
            let fields = [
                &args.from.as_str()[4..],
                &args.to.as_str()[4..],
                trace_id.as_str(),
                args.hazard.as_str(),
            ]
            .join(";");
            return out.line(format!("{fields};{kid};{iat};{covered};{sig};{call_id}"));
        }
        print(args, trace_id, Some(&header), &header.to_string(), out)
    }
}

fn print_legacy(
    key: &PrivateKey,
    args: &SignArgs,
    expert_id: &str,
    trace_id: &TraceId,
    out: &mut Output,
) -> Result<(), Failure> {
    let mut bytes = Vec::new();
    sign::legacy_bytes(&args.hazard, expert_id, trace_id, &mut bytes);
    print(
        args,
        trace_id,
        None,
        &format!("ed25519:{}", hex::text(&key.sign(&bytes))),
        out,
    )
}

fn print(
    args: &SignArgs,
    trace_id: &TraceId,
    header: Option<&SignatureHeader>,
    signature: &str,
    out: &mut Output,
) -> Result<(), Failure> {
    if out.json() {
        let mut call = json!({"trace_id": trace_id.as_str(), "hazard": args.hazard.as_str(),
        "signature": signature});
        if let Some(SignatureHeader {
            kid, iat, covered, ..
        }) = header
        {
            call["kid"] = json!(kid.as_str());
            call["iat"] = json!(iat);
            call["covered"] = json!(covered.to_string());
        }
        return out.value(&call);
    }
    out.line(format!("{}: {trace_id}", header::TRACE_ID))?;
    out.line(format!("{}: {}", header::HAZARD, args.hazard))?;
    out.line(format!("{}: {signature}", header::SIGNATURE))?;
    if args.count > 1 { out.line("") } else { Ok(()) }
}

fn random_trace_id() -> Result<TraceId, Failure> {
    random_uuid()?
        .parse()
        .map_err(|error: header::HeaderError| Failure::no(error.to_string()))
}

/// A random UUID (RFC 9562 version 4).
pub(crate) fn random_uuid() -> Result<String, Failure> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).map_err(|error| no_randomness(&error))?;
    bytes[6] = bytes[6] & 0x0f | 0x40;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    let hex = hex::text(&bytes);
    Ok([
        &hex[..8],
        &hex[8..12],
        &hex[12..16],
        &hex[16..20],
        &hex[20..],
    ]
    .join("-"))
}
