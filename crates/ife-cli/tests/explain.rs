//! `ifectl explain`: the verdict of each gate, from fields and from a SIP message.

mod common;

use common::{Run, TestDir};

const FROM: &str = "sip:council@council.example";
const TO: &str = "sip:expert-safety@external.advisor";

struct Call {
    place: TestDir,
    trace: String,
    signature: String,
}

/// A call that every gate lets pass, signed at 1000.
fn call(name: &str) -> Call {
    let place = TestDir::new(name);
    place.registry();
    let sign = [
        "sign",
        "--key",
        "council.key",
        "--from",
        FROM,
        "--to",
        TO,
        "--hazard",
        "safety",
        "--iat",
        "1000",
        "--json",
    ];
    let signed = place.run(&sign).with(0).json();
    let text = |key: &str| signed[key].as_str().expect("text").to_owned();
    Call {
        trace: text("trace_id"),
        signature: text("signature"),
        place,
    }
}

impl Call {
    fn explain(&self, changes: &[(&str, &str)]) -> Run {
        let mut options = vec![
            ("--registry", "registry.yaml"),
            ("--from", FROM),
            ("--to", TO),
            ("--trace-id", &self.trace),
            ("--hazard", "safety"),
            ("--signature", &self.signature),
            ("--now", "1010"),
        ];
        for (option, value) in changes {
            options.retain(|(other, _)| other != option);
            options.push((option, value));
        }
        let arguments: Vec<&str> = ["explain", "--json"]
            .into_iter()
            .chain(options.into_iter().flat_map(|(o, v)| [o, v]))
            .collect();
        self.place.run(&arguments)
    }

    fn message(&self) -> String {
        format!(
            "INVITE {TO} SIP/2.0\r\nVia: SIP/2.0/TLS 127.0.0.1:5061;branch=z9hG4bK1\r\n\
             From: \"Council\" <{FROM}>;tag=a1\r\nTo: <{TO}>\r\nCall-ID: c1\r\nCSeq: 1 INVITE\r\n\
             X-IF-Trace-ID: {}\r\nX-IF-Hazard: safety\r\nX-IF-Signature: {}\r\n\
             Content-Length: 0\r\n\r\n",
            self.trace, self.signature
        )
    }
}

#[test]
fn a_good_call_passes_every_gate() {
    let call = call("explain");
    let report = call.explain(&[]).with(0).json();
    assert_eq!(report["approved"].as_bool(), Some(true));
    let outcomes: Vec<&str> = report["gates"]
        .as_array()
        .expect("gates")
        .iter()
        .filter_map(|gate| gate["outcome"].as_str())
        .collect();
    assert_eq!(
        outcomes,
        [
            "pass", "pass", "pass", "pass", "pass", "depends", "pass", "pass", "depends", "depends"
        ]
    );
}

#[test]
fn each_gate_refuses_with_its_code() {
    let call = call("explain-refused");
    for (changes, gate, code) in [
        ([("--from", "tel:+1")].as_slice(), "headers", 400),
        (&[("--signature", "v=2;x")], "headers", 400),
        (
            &[("--from", "sip:mallory@elsewhere.example")],
            "registry",
            403,
        ),
        (&[("--hazard", "ethics")], "signature", 438),
        (&[("--hazard", "weather")], "hazard", 403),
        (&[("--peer", "192.0.2.1")], "source", 403),
        (&[("--transport", "tcp")], "source", 403),
        (&[("--trace-id", "another-trace")], "signature", 438),
        (&[("--now", "2000")], "freshness", 403),
    ] {
        let report = call.explain(changes).with(1).json();
        let refusal = &report["refused_by"];
        assert_eq!(
            (refusal["gate"].as_str(), refusal["code"].as_u64()),
            (Some(gate), Some(code)),
            "{changes:?}"
        );
    }
}

#[test]
fn a_call_between_others_is_not_for_the_gate() {
    let place = TestDir::new("explain-scope");
    place.registry();
    let of_alice = |more: &[&str]| {
        let call = ["explain", "--registry", "registry.yaml"];
        let parties = ["--from", "sip:alice@elsewhere.example"];
        place.run(&[&call[..], &parties, more].concat())
    };
    let to_bob = ["--to", "sip:bob@192.0.2.9"];
    of_alice(&to_bob)
        .with(1)
        .says(&["not for the gate", "check_policy() returns 2"]);
    let report = of_alice(&[&to_bob[..], &["--json"]].concat())
        .with(1)
        .json();
    assert_eq!(report["for_gate"].as_bool(), Some(false));
    assert_eq!(report["approved"].as_bool(), Some(false));
    assert_eq!(report["gates"].as_array().map(Vec::len), Some(0));

    // Every request is for the gate of a proxy that serves nothing else.
    of_alice(&[&to_bob[..], &["--scope", "all"]].concat())
        .with(1)
        .says(&["refused at gate"]);
    // So is a call that names an expert, also by another name of the proxy, and one with a header.
    of_alice(&["--to", TO]).with(1).says(&["refused at gate"]);
    let elsewhere = ["--to", "sip:expert-safety@192.0.2.9"];
    of_alice(&elsewhere).with(1).says(&["not for the gate"]);
    let names = ["--own-host", "192.0.2.9", "--own-host", "External.Advisor"];
    of_alice(&[&elsewhere[..], &names].concat())
        .with(1)
        .says(&["refused at gate"]);
    of_alice(&[&to_bob[..], &["--hazard", "safety"]].concat())
        .with(1)
        .says(&["refused at gate"]);
}

#[test]
fn a_sip_message_is_read_as_the_proxy_reads_it() {
    let call = call("explain-sip");
    call.place.file("invite.sip", call.message());
    let explain = |file: &str| {
        call.place.run(&[
            "explain",
            "--registry",
            "registry.yaml",
            "--now",
            "1000",
            file,
        ])
    };
    explain("invite.sip")
        .with(0)
        .says(&["pass", "approved", "over tls", "valid, by key council"]);

    call.place
        .file("typed.sip", call.message().replace("\r\n", "\n"));
    explain("typed.sip").with(0).says(&["bare line feeds"]);

    call.place.file(
        "folded.sip",
        call.message().replace("safety\r\n", "safe\r\n ty\r\n"),
    );
    explain("folded.sip")
        .with(1)
        .says(&["REFUSE 400", "refused at gate headers"]);

    call.place.file(
        "twice.sip",
        call.message().replace(
            "X-IF-Hazard: safety",
            "X-IF-Hazard: safety\r\nX-IF-Hazard: safety",
        ),
    );
    explain("twice.sip")
        .with(1)
        .says(&["refused at gate headers"]);

    call.place.file(
        "unsigned.sip",
        call.message().replace("X-IF-Signature:", "X-Other:"),
    );
    explain("unsigned.sip").with(1).says(&["REFUSE 428"]);
}

#[test]
fn a_hostile_message_steers_no_terminal() {
    let call = call("explain-hostile");
    call.place.file(
        "evil.sip",
        call.message()
            .replace("X-IF-Trace-ID: ", "X-IF-Trace-ID: \u{1b}[2J\u{7}"),
    );
    let run = call
        .place
        .run(&["explain", "--registry", "registry.yaml", "evil.sip"])
        .with(1);
    assert!(
        !run.stdout.contains('\u{1b}') && !run.stdout.contains('\u{7}'),
        "{}",
        run.stdout
    );
}

#[test]
fn what_is_missing_is_told() {
    let call = call("explain-missing");
    call.place
        .run(&["explain", "--registry", "registry.yaml", "--from", FROM])
        .with(2)
        .says(&["--to is needed"]);
    call.place
        .run(&[
            "explain",
            "--registry",
            "absent.yaml",
            "--from",
            FROM,
            "--to",
            TO,
        ])
        .with(3)
        .says(&["absent.yaml"]);
    call.place.file("reply.sip", "SIP/2.0 200 OK\r\n\r\n");
    call.place
        .run(&["explain", "--registry", "registry.yaml", "reply.sip"])
        .with(1)
        .says(&["reply.sip:1:"]);
}
