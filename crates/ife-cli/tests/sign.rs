//! `ifectl sign`: its output verifies.

mod common;

use std::{
    collections::HashSet,
    io::Read,
    process::{Command, Stdio},
};

use common::{Run, TestDir};
use ife_message::{
    Aor, Hazard, LegacySignature, PublicKey, SignatureHeader, SignedFields, TraceId, sign,
};
use sha2::{Digest, Sha256};

const CALL: [&str; 9] = [
    "sign",
    "--key",
    "k.key",
    "--from",
    "sip:council@council.example",
    "--to",
    "sips:Expert@External.ADVISOR:5061",
    "--hazard",
    "safety",
];

fn signed(place: &TestDir, more: &[&str]) -> Run {
    place.run(&[&CALL, more].concat())
}

fn verify(
    key: &PublicKey,
    header: &SignatureHeader,
    trace_id: &str,
    call_id: &str,
    body: &[u8],
) -> bool {
    let aor = |uri: &str| uri.parse::<Aor>().expect("an address");
    let fields = SignedFields {
        iat: header.iat,
        trace_id: &trace_id.parse::<TraceId>().expect("a trace id"),
        hazard: &"safety".parse::<Hazard>().expect("a hazard"),
        caller: &aor("sip:council@council.example"),
        callee: &aor("sip:Expert@external.advisor"),
        covered: header.covered,
        call_id: call_id.as_bytes(),
        body_sha256: Some(Sha256::digest(body).into()),
    };
    sign::verify(key, &header.kid, &fields, &header.sig, &mut Vec::new()).is_ok()
}

#[test]
fn the_headers_of_a_call_verify() {
    let place = TestDir::new("sign");
    let key = place.key("k").parse().expect("a key");
    place.file("body", b"v=0\r\n");
    let run = signed(
        &place,
        &[
            "--trace-id",
            "a2f9c3b8d1e5",
            "--iat",
            "1767225600",
            "--call-id",
            "c1@host",
            "--body",
            "body",
        ],
    )
    .with(0);
    let lines: Vec<&str> = run.stdout.lines().collect();
    assert_eq!(
        lines[..2],
        ["X-IF-Trace-ID: a2f9c3b8d1e5", "X-IF-Hazard: safety"]
    );
    let header = SignatureHeader::parse(
        lines[2]
            .strip_prefix("X-IF-Signature: ")
            .expect("a header")
            .as_bytes(),
    )
    .expect("a signature");
    assert_eq!(
        (header.kid.as_str(), header.iat, header.covered.to_string()),
        ("k", 1_767_225_600, "base,cid,sdp".to_owned())
    );
    assert!(verify(&key, &header, "a2f9c3b8d1e5", "c1@host", b"v=0\r\n"));
    assert!(!verify(
        &key,
        &header,
        "a2f9c3b8d1e5",
        "c2@host",
        b"v=0\r\n"
    ));
}

#[test]
fn many_calls_are_one_json_object_a_line_with_a_trace_id_each() {
    let place = TestDir::new("sign-count");
    let key = place.key("k").parse().expect("a key");
    let run = signed(&place, &["--count", "50", "--json"]).with(0);
    let mut traces = HashSet::new();
    for line in run.stdout.lines() {
        let call: serde_json::Value = serde_json::from_str(line).expect("JSON");
        let text = |key: &str| call[key].as_str().expect("text");
        let header = SignatureHeader::parse(text("signature").as_bytes()).expect("a signature");
        assert!(verify(&key, &header, text("trace_id"), "", b""));
        assert_eq!((text("kid"), call["iat"].as_u64()), ("k", Some(header.iat)));
        traces.insert(text("trace_id").to_owned());
    }
    assert_eq!(traces.len(), 50);
}

#[test]
fn lines_for_sipp_hold_the_signature_in_parts() {
    let place = TestDir::new("sign-csv");
    let key = place.key("k").parse().expect("a key");
    let more = [
        "--csv",
        "--count",
        "3",
        "--first",
        "7",
        "--iat",
        "1000",
        "--rate",
        "2",
        "--trace-id",
        "load-trace-%n",
        "--call-id",
        "%n.load@host",
    ];
    let run = signed(&place, &more).with(0);
    let lines: Vec<Vec<&str>> = run
        .stdout
        .lines()
        .map(|line| line.split(';').collect())
        .collect();
    assert_eq!(lines[0], ["SEQUENTIAL"]);
    assert_eq!(lines.len(), 4);
    for (offset, line) in lines[1..].iter().enumerate() {
        let [from, to, trace, hazard, kid, iat, covered, sig, call_id] = line[..] else {
            panic!("{line:?}")
        };
        assert_eq!(
            [from, to, hazard],
            [
                "council@council.example",
                "Expert@external.advisor",
                "safety"
            ]
        );
        assert_eq!(
            (trace, call_id),
            (
                format!("load-trace-{}", 7 + offset).as_str(),
                format!("{}.load@host", 7 + offset).as_str()
            )
        );
        assert_eq!(iat, (1000 + offset / 2).to_string());
        let header = SignatureHeader::parse(
            format!("v=1;kid={kid};iat={iat};c={covered};sig={sig}").as_bytes(),
        )
        .expect("a signature");
        assert!(verify(&key, &header, trace, call_id, b""));
    }
}

#[test]
fn the_earlier_form_can_be_made() {
    let place = TestDir::new("sign-legacy");
    let key: PublicKey = place.key("k").parse().expect("a key");
    let run = signed(
        &place,
        &[
            "--legacy",
            "expert-1",
            "--trace-id",
            "a2f9c3b8d1e5",
            "--json",
        ],
    )
    .with(0);
    let signature =
        LegacySignature::parse(run.json()["signature"].as_str().expect("text").as_bytes())
            .expect("a signature");
    assert!(
        key.verify_strict(b"safetyexpert-1a2f9c3b8d1e5", &signature.sig)
            .is_ok()
    );
}

#[test]
fn what_cannot_be_signed_is_a_usage_error() {
    let place = TestDir::new("sign-bad");
    place.key("k");
    for (more, says) in [
        (["--cover", "base,cid"].as_slice(), "--call-id"),
        (&["--cover", "base,sdp"], "--body"),
        (&["--cover", "cid"], "--cover"),
        (&["--count", "2", "--trace-id", "a2f9c3b8d1e5"], "%n"),
        (&["--count", "2", "--call-id", "c1"], "%n"),
        (&["--trace-id", "short"], "--trace-id"),
        (&["--call-id", "a b"], "Call-ID"),
        (&["--iat", "1000000000000"], "iat"),
    ] {
        signed(&place, more).with(2).says(&[says]);
    }
    signed(&place, &["--body", "absent"])
        .with(3)
        .says(&["absent: cannot read the body"]);
    place
        .run(&[
            "sign", "--key", "k.key", "--from", "tel:+1", "--to", "sip:c@d", "--hazard", "safety",
        ])
        .with(2)
        .says(&["neither sip: nor sips:"]);
}

#[test]
fn a_reader_that_leaves_early_is_no_error() {
    let place = TestDir::new("sign-pipe");
    place.key("k");
    let mut child = Command::new(env!("CARGO_BIN_EXE_ifectl"))
        .current_dir(&place.root)
        .args(CALL)
        .args(["--count", "2000"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("ifectl runs");
    let mut first = [0; 10];
    child
        .stdout
        .take()
        .expect("a pipe")
        .read_exact(&mut first)
        .expect("some output");
    let output = child.wait_with_output().expect("it ends");
    assert_eq!(
        (output.status.code(), output.stderr.as_slice()),
        (Some(0), b"".as_slice())
    );
}
