//! `ifectl explain`: every gate's answer to one INVITE, without a running gate and without touching
//! the state of one.

use std::path::Path;

use ife_guard::{
    GateReport, Image, Now, Outcome as GateOutcome, Policy, Request, Transport, explain, image,
    scope,
};
use serde_json::{Value, json};

use crate::{
    Failure, Outcome,
    cli::{ExplainArgs, ScopeArg, TransportArg},
    output::Output,
    registry,
    sip::SipRequest,
    text,
};

/// Longest message or body that is read, in bytes.
const MESSAGE_LEN_MAX: u64 = 1 << 20;

pub(crate) fn run(args: &ExplainArgs, out: &mut Output) -> Result<Outcome, Failure> {
    let is_own = |host: &str| args.own_host.iter().any(|o| o.eq_ignore_ascii_case(host));
    let bytes = image::compile_for(&registry::load(&args.registry)?, is_own)
        .map_err(|error| Failure::no(format!("{}: {error}", args.registry.display())))?;
    let image = image::Image::open(&bytes)
        .map_err(|error| Failure::no(format!("{}: {error}", args.registry.display())))?;
    let message = message(args, out)?;
    if !is_for_gate(args, &image, &message) {
        return not_for_gate(out);
    }
    let transport = transport(args, &message)?;
    let request = request(args, &message, transport);
    let policy = Policy {
        freshness_s: args.freshness_s,
        ..Policy::new(&image)
    };
    let unix_ms = args.now.unwrap_or_else(text::unix_now).saturating_mul(1000);
    let reports = explain(
        &policy,
        &request,
        Now {
            unix_ms,
            mono_ms: 0,
        },
    );
    let refusal = reports.iter().find(|report| report.outcome.is_refusal());
    if out.json() {
        out.value(&as_json(&reports, refusal))?;
    } else {
        print(&reports, refusal, out)?;
    }
    Ok(Outcome::of(refusal.is_none()))
}

/// Whether a gate of the scope in `args` decides on the message. A request with a To-tag may belong
/// to an approved dialog: the scope does not exclude it.
fn is_for_gate(args: &ExplainArgs, image: &Image<'_>, message: &SipRequest) -> bool {
    let targets = std::iter::once(message.ruri.as_slice()).chain(message.routes());
    let is_own = |host: &[u8]| {
        args.own_host
            .iter()
            .any(|own| own.as_bytes().eq_ignore_ascii_case(host))
    };
    args.scope == ScopeArg::All
        || !message.tag("To").is_empty()
        || scope::concerns(
            image,
            message.has_if_field(),
            message.uri("From"),
            targets,
            is_own,
        )
}

fn not_for_gate(out: &mut Output) -> Result<Outcome, Failure> {
    if out.json() {
        out.value(&json!({"for_gate": false, "approved": false, "refused_by": null, "gates": []}))?;
    } else {
        out.line(
            "not for the gate: names no party of the registry and has no X-IF header; \
             check_policy() returns 2 and lets it pass",
        )?;
    }
    Ok(Outcome::No)
}

/// The message in the file, or an empty INVITE, with the options put over it.
fn message(args: &ExplainArgs, out: &mut Output) -> Result<SipRequest, Failure> {
    let mut message = match &args.message {
        Some(file) => {
            let message = SipRequest::parse(
                &registry::read_bytes(file, MESSAGE_LEN_MAX)?,
                &file.display().to_string(),
            )?;
            if message.line_ends_changed {
                out.remark(format!(
                    "{}: bare line feeds are taken for CRLF, in the body too",
                    file.display()
                ));
            }
            message
        }
        None => {
            for (option, given) in [("--from", &args.from), ("--to", &args.to)] {
                if given.is_none() {
                    return Err(Failure::usage(format!(
                        "{option} is needed, or a file with a SIP message"
                    )));
                }
            }
            let mut message = SipRequest::invite();
            message.set("Call-ID", "explain");
            message
        }
    };
    if let Some(from) = &args.from {
        message.set("From", &format!("<{from}>;tag=explain"));
    }
    if let Some(to) = &args.to {
        message.ruri = to.as_bytes().to_vec();
    }
    let fields = [
        ("X-IF-Trace-ID", args.trace_id.map(|id| id.to_string())),
        ("X-IF-Hazard", args.hazard.map(|hazard| hazard.to_string())),
        ("X-IF-Signature", args.signature.clone()),
        ("Call-ID", args.call_id.clone()),
    ];
    for (name, value) in fields {
        if let Some(value) = value {
            message.set(name, &value);
        }
    }
    if let Some(body) = &args.body {
        message.body = registry::read_bytes(body, MESSAGE_LEN_MAX)?;
    }
    Ok(message)
}

fn transport(args: &ExplainArgs, message: &SipRequest) -> Result<Transport, Failure> {
    if let Some(given) = args.transport {
        return Ok(match given {
            TransportArg::Udp => Transport::Udp,
            TransportArg::Tcp => Transport::Tcp,
            TransportArg::Tls => Transport::Tls,
            TransportArg::Sctp => Transport::Sctp,
            TransportArg::Ws => Transport::Ws,
            TransportArg::Wss => Transport::Wss,
        });
    }
    match message.via_transport().filter(|name| !name.is_empty()) {
        None => Ok(Transport::Udp),
        Some(name) => Transport::of(&name).ok_or_else(|| {
            let file = args.message.as_deref().unwrap_or(Path::new("-"));
            Failure::no(format!(
                "{}: unknown transport in Via: {}",
                file.display(),
                text::harmless(&name)
            ))
            .hint("say it with --transport")
        }),
    }
}

fn request<'a>(args: &ExplainArgs, message: &'a SipRequest, transport: Transport) -> Request<'a> {
    Request {
        method: &message.method,
        transport,
        peer: args.peer,
        ruri: &message.ruri,
        from: message.uri("From"),
        from_tag: message.tag("From"),
        to_tag: message.tag("To"),
        call_id: message.first("Call-ID"),
        cseq: message.cseq(),
        trace_id: message.header("X-IF-Trace-ID"),
        hazard: message.header("X-IF-Hazard"),
        signature: message.header("X-IF-Signature"),
        body: &message.body,
    }
}

fn print(
    reports: &[GateReport],
    refusal: Option<&GateReport>,
    out: &mut Output,
) -> Result<(), Failure> {
    for report in reports {
        let word = match report.outcome {
            GateOutcome::Pass => "pass".to_owned(),
            GateOutcome::Refuse { code, reason } => format!("REFUSE {code} {reason}"),
            GateOutcome::Depends => "depends".to_owned(),
            GateOutcome::Unasked => "-".to_owned(),
        };
        let line = format!(
            "{:>2}  {:<10}{word:<34}{}",
            report.gate as u8,
            report.gate.as_str(),
            text::harmless(&report.detail)
        );
        out.line(line.trim_end())?;
    }
    match refusal.map(|report| (report.gate, report.outcome)) {
        Some((gate, GateOutcome::Refuse { code, reason })) => out.line(format!(
            "refused at gate {}: {code} {reason}",
            gate.as_str()
        )),
        Some(_) | None => {
            out.line("approved, if the gates that depend on what was seen before let it pass")
        }
    }
}

fn as_json(reports: &[GateReport], refusal: Option<&GateReport>) -> Value {
    let gates: Vec<Value> = reports.iter().map(gate_json).collect();
    json!({"for_gate": true, "approved": refusal.is_none(), "refused_by": refusal.map(gate_json),
        "gates": gates})
}

fn gate_json(report: &GateReport) -> Value {
    let mut value = json!({"gate": report.gate.as_str(), "number": report.gate as u8,
    "outcome": report.outcome.as_str(), "detail": report.detail});
    if let GateOutcome::Refuse { code, reason } = report.outcome {
        value["code"] = json!(code);
        value["reason"] = json!(reason);
    }
    value
}
