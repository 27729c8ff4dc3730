//! `ifectl shadow-report`: what enforcement would have refused, from the entries of a gate in
//! shadow mode.

mod tally;

use std::thread;

use ife_witness::{
    reader::{self, LogDir},
    verify::{Options, verify_log},
};
use ife_words::time;
use serde_json::{Value, json};

use super::{entry::Seen, given_keys, log_failure};
use tally::{Count, Kind, Tally};

use crate::{Failure, Outcome, cli::ShadowReportArgs, output::Output, text};

/// The meaning of a gate's refusal, and what to do before the mode is `enforce`.
fn advice(gate: &str) -> &'static str {
    match gate {
        "headers" => {
            "the caller sends no X-IF headers, or malformed ones: it does not sign yet (ifectl \
             sign, docs/formats.md), or the call is not for the gate"
        }
        "registry" => {
            "caller and callee are not a council and an expert: add the missing address to aors, \
             if the call is wanted"
        }
        "standing" => {
            "the expert or the key is suspended or outside its dates: renew it, or leave it"
        }
        "hazard" => {
            "the expert is not in charge of the hazard: add it to hazards, or call another one"
        }
        "source" => {
            "the address or the transport is not the signer's: add the network to sources, or find \
             out who that is"
        }
        "flood" => {
            "the source sends faster than flood allows: raise rate_per_s, if that is its load"
        }
        "signature" => {
            "no signature, an unknown key, or one that covers too little: give the caller its key \
             and register it under signers"
        }
        "freshness" => "the clocks of caller and proxy differ, or the caller signs too early: NTP",
        "replay" => {
            "the same signature twice: a caller that does not sign each call anew, or an attack; \
             or a signature older than the table, for a while after a start"
        }
        "quota" => "more calls than the expert's quota: raise it, or let callers wait",
        "witness" => "the log took no entry: ife-witnessd, its disk (docs/operations.md)",
        "dialog" => {
            "a request of a call that the gate does not know: it follows from the refusal of its \
             INVITE, or the call is older than the gate"
        }
        "internal" => "a bug was contained: report it",
        _ => "see docs/kamailio.md, Return codes",
    }
}

pub(super) fn run(args: &ShadowReportArgs, out: &mut Output) -> Result<Outcome, Failure> {
    let dir = LogDir::new(&args.log.log);
    let keys = given_keys(&args.log)?;
    let failed = |error| log_failure(&dir, &error);
    let head = dir.head(&keys).map_err(failed)?;
    if !keys.is_empty() {
        verify(args, &keys, out).map_err(failed)?;
    }
    let mut tally = Tally {
        since_ns: since_ns(args)?,
        ..Tally::default()
    };
    let bar = out.progress("reading", head.size);
    for indexed in reader::entries(&dir, head.size, 0..head.size) {
        let indexed = indexed.map_err(failed)?;
        bar.set_position(indexed.index);
        tally.add(&Seen::new(indexed.index, indexed.entry));
    }
    bar.finish_and_clear();
    tally.finish();
    if out.json() {
        let mut told = as_json(&tally);
        told["log"] = json!({"origin": head.origin, "size": head.size});
        told["verified"] = json!(!keys.is_empty());
        out.value(&told)?;
    } else {
        for line in paint(&tally) {
            out.line(line)?;
        }
        let verified = if keys.is_empty() {
            "not verified, since no --vkey was given"
        } else {
            "verified"
        };
        let size = text::counted(head.size, "entry", "entries");
        out.line(format!(
            "log {} of {size}, {verified}",
            text::harmless(&head.origin)
        ))?;
    }
    Ok(Outcome::of(tally.refused() == 0))
}

fn verify(
    args: &ShadowReportArgs,
    keys: &[ife_witness::note::VerifierKey],
    out: &Output,
) -> Result<(), ife_witness::reader::LogError> {
    let threads = thread::available_parallelism().map_or(1, usize::from);
    let options = Options {
        threads,
        ..Options::default()
    };
    let bar = out.progress("verifying", 0);
    verify_log(&args.log.log, keys, &options, |progress| {
        bar.set_length(progress.size);
        bar.set_position(progress.done);
    })?;
    bar.finish_and_clear();
    Ok(())
}

fn since_ns(args: &ShadowReportArgs) -> Result<u64, Failure> {
    let Some(since) = &args.since else {
        return Ok(0);
    };
    if let Some(ns) = time::parse_ns(since) {
        return Ok(ns);
    }
    let (number, unit) =
        since.split_at(since.len() - since.chars().last().map_or(0, char::len_utf8));
    let unit_s = match unit {
        "m" => Some(60),
        "h" => Some(3_600),
        "d" => Some(86_400),
        _ => None,
    };
    let seconds = number
        .parse::<u64>()
        .ok()
        .zip(unit_s)
        .map(|(n, unit)| n.saturating_mul(unit));
    let seconds = seconds.ok_or_else(|| {
        Failure::usage(
            "--since is a time such as 2026-01-02T03:04:05Z, or an age such as 90m, 24h, 7d",
        )
    })?;
    Ok(text::unix_now()
        .saturating_sub(seconds)
        .saturating_mul(1_000_000_000))
}

fn paint(tally: &Tally) -> Vec<String> {
    let refused = tally.refused();
    let decided = refused + tally.approved;
    let mut lines = vec![match (refused, decided) {
        (0, 0) => "no gate in shadow mode has decided anything in this time".to_owned(),
        (0, _) => format!(
            "nothing would have been refused; {}",
            text::counted(tally.approved, "call was approved", "calls were approved")
        ),
        _ => format!(
            "{} of {} would have been refused",
            text::grouped(refused),
            text::counted(decided, "decision", "decisions")
        ),
    }];
    for (gate, kinds) in tally.by_gate() {
        let count: u64 = kinds.iter().map(|(_, count)| count.count).sum();
        lines.push(String::new());
        lines.push(format!("gate {gate}: {}", text::grouped(count)));
        lines.push(format!("  -> {}", advice(gate)));
        for (kind, count) in kinds {
            lines.extend(paint_kind(kind, count));
        }
    }
    let remarks = [
        (
            tally.consequences,
            "more requests of these calls, which enforcement would have ended",
        ),
        (tally.other, "more of further kinds"),
        (
            tally.omitted,
            "more without an entry of their own (refusals_per_s)",
        ),
        (
            tally.enforced,
            "refusals of a gate in enforce mode are no part of this report",
        ),
    ];
    let remarks = remarks.into_iter().filter(|(count, _)| *count > 0);
    lines.extend(remarks.map(|(count, what)| format!("{} {what}", text::grouped(count))));
    lines
}

fn paint_kind(kind: &Kind, count: &Count) -> [String; 2] {
    let or_none = |text: &str| {
        if text.is_empty() {
            "-".to_owned()
        } else {
            text.to_owned()
        }
    };
    let times = if count.count == 1 {
        time::of_ms(count.first_ns / 1_000_000)
    } else {
        format!(
            "{} to {}",
            time::of_ms(count.first_ns / 1_000_000),
            time::of_ms(count.last_ns / 1_000_000)
        )
    };
    [
        format!(
            "  {:>6} x {} {} -> {}, hazard {}, from {}",
            text::grouped(count.count),
            kind.code,
            or_none(&kind.caller),
            or_none(&kind.expert),
            or_none(&kind.hazard),
            or_none(&kind.source)
        ),
        format!(
            "           {times}; for example call {} (--index {}): {}",
            or_none(&count.call_id),
            count.index,
            or_none(&count.detail)
        ),
    ]
}

fn as_json(tally: &Tally) -> Value {
    let gates = tally.by_gate().into_iter().map(|(gate, kinds)| {
        let count: u64 = kinds.iter().map(|(_, count)| count.count).sum();
        let kinds = kinds.into_iter().map(|(kind, count)| {
            json!({
                "count": count.count, "code": kind.code, "from": kind.caller, "expert": kind.expert,
                "hazard": kind.hazard, "source": kind.source,
                "first": time::of_ms(count.first_ns / 1_000_000),
                "last": time::of_ms(count.last_ns / 1_000_000),
                "example": {"call_id": count.call_id, "index": count.index, "detail": count.detail},
            })
        });
        let kinds: Vec<Value> = kinds.collect();
        json!({"gate": gate, "count": count, "do": advice(gate), "kinds": kinds})
    });
    json!({
        "refused": tally.refused(), "approved": tally.approved, "other_kinds": tally.other,
        "consequences": tally.consequences,
        "omitted": tally.omitted, "enforced": tally.enforced, "gates": gates.collect::<Vec<_>>(),
    })
}

#[cfg(test)]
mod tests {
    use ife_words::Gate;

    use super::*;
    use tally::KINDS_MAX;

    fn tally(since_ns: u64, entries: &[Value]) -> Tally {
        let mut tally = Tally {
            since_ns,
            ..Tally::default()
        };
        for (index, entry) in (0..).zip(entries) {
            tally.add(&Seen::new(index, entry.to_string().into_bytes()));
        }
        tally.finish();
        tally
    }

    fn refusal(second: u8, gate: &str, port: u16) -> Value {
        json!({"event": "REJECTED", "producer": "kamailio-1", "shadow": true, "gate": gate,
            "code": 403, "from": "sip:a@b", "ruri": "sip:e@x", "hazard": "safety",
            "peer": format!("udp:192.0.2.1:{port}"), "call_id": format!("c{second}"),
            "time": format!("2026-01-02T03:04:{second:02}Z")})
    }

    #[test]
    fn refusals_that_are_alike_are_one_line_with_the_earliest_as_example() {
        let told = tally(
            0,
            &[
                refusal(9, "hazard", 1),
                refusal(5, "hazard", 2),
                refusal(7, "source", 1),
            ],
        );
        assert_eq!(told.refused(), 3);
        let gates = told.by_gate();
        let (kind, count) = gates["hazard"][0];
        assert_eq!(
            (kind.source.as_str(), kind.expert.as_str()),
            ("udp:192.0.2.1", "sip:e@x")
        );
        assert_eq!(
            (count.count, count.call_id.as_str(), count.index),
            (2, "c5", 1)
        );
        assert_eq!(gates["source"].len(), 1);
        let lines = paint(&told).join("\n");
        assert!(
            lines.contains("03:04:05.000Z to 2026-01-02T03:04:09.000Z"),
            "{lines}"
        );
    }

    #[test]
    fn only_a_gate_in_shadow_mode_within_the_time_counts() {
        let mut enforced = refusal(5, "hazard", 1);
        enforced["shadow"] = Value::Null;
        let mut bridge = refusal(5, "hazard", 1);
        bridge["producer"] = json!("bridge-n");
        let approved = json!({"event": "APPROVED", "producer": "kamailio-2",
            "time": "2026-01-02T03:04:06Z"});
        let mut omitted = refusal(6, "", 1);
        omitted["omitted"] = json!({"count": 7});
        let early = refusal(1, "hazard", 1);
        let since = time::parse_ns("2026-01-02T03:04:05Z").expect("a time");
        let told = tally(
            since,
            &[
                enforced,
                bridge,
                approved,
                omitted,
                early,
                json!("no entry"),
            ],
        );
        assert_eq!((told.refused(), told.omitted), (7, 7));
        assert_eq!((told.approved, told.enforced), (1, 1));
        assert!(told.kinds.is_empty());
    }

    #[test]
    fn requests_of_a_call_whose_invite_was_refused_are_consequences() {
        let (early, late) = (refusal(4, "dialog", 1), refusal(8, "dialog", 1));
        let mut of_it = refusal(4, "signature", 1);
        of_it["time"] = json!("2026-01-02T03:04:03Z");
        let told = tally(0, &[early, of_it, late]);
        assert_eq!((told.refused(), told.consequences), (2, 1));
        assert_eq!(told.by_gate()["dialog"][0].1.call_id, "c8");
    }

    #[test]
    fn each_gate_has_advice_of_its_own_and_kinds_are_bounded() {
        for gate in Gate::ALL.iter().filter(|gate| gate.number() > 0) {
            assert_ne!(
                advice(gate.as_str()),
                advice("unknown"),
                "{}",
                gate.as_str()
            );
        }
        let entries = (0..KINDS_MAX + 5).map(|at| {
            let mut entry = refusal(1, "hazard", 1);
            entry["from"] = json!(format!("sip:{at}@b"));
            entry
        });
        let told = tally(0, &entries.collect::<Vec<_>>());
        assert_eq!((told.kinds.len(), told.other), (KINDS_MAX, 5));
    }
}
