//! Messages of `ifectl` about a bridge that is not there, and of a message that it would not send.
//! Against a real bridge: tests/e2e/bridge-ifectl.

mod common;

use common::TestDir;

const NOWHERE: &str = "unix:nowhere.sock";

#[test]
fn a_bridge_that_is_not_there_is_no_answer() {
    let place = TestDir::new("bridge-nowhere");
    let calls = [
        vec!["calls", "--bridge", NOWHERE],
        vec!["call", "trace-0001", "--bridge", NOWHERE],
        vec!["rooms", "--bridge", NOWHERE],
        vec![
            "rooms",
            "mute",
            "council",
            "guardian-1",
            "--bridge",
            NOWHERE,
        ],
        vec!["hangup", "0123456789abcdef", "--bridge", NOWHERE],
        vec!["calls", "--json", "--bridge", "http://127.0.0.1:1"],
    ];
    for arguments in calls {
        place
            .run(&arguments)
            .with(3)
            .says(&["ifectl: ", "is ife-bridge running?"]);
    }
}

#[test]
fn places_and_files_that_cannot_be_are_refused() {
    let place = TestDir::new("bridge-places");
    for bad in ["bridge.sock", "http://bridge.example", "https://u:p@host"] {
        place.run(&["calls", "--bridge", bad]).with(2);
    }
    place.file("empty", "");
    let https = ["calls", "--bridge", "https://localhost:1"];
    for (option, said) in [
        ("--token-file", "empty: holds no token"),
        ("--ca", "empty"),
        ("--cert", "--cert-key"),
    ] {
        let arguments = [&https[..], &[option, "empty"]].concat();
        place.run(&arguments).with(3).says(&[said]);
    }
    place.run(&["hangup", "no call"]).with(2).says(&["neither"]);
}

#[test]
fn a_printed_message_is_signed_and_whole() {
    let place = TestDir::new("escalate-print");
    place.key("guard-2026a");
    let line = |more: &[&str]| {
        let fixed = ["escalate", "--print", "--source", "if://agent/guard"];
        place.run(&[&fixed[..], more].concat())
    };
    let printed = line(&[
        "--key",
        "guard-2026a.key",
        "--hazard",
        "safety,ethics",
        "--trace-id",
        "trace-0001",
        "--evidence",
        "a.pdf",
    ])
    .with(0);
    let message = printed.json();
    assert_eq!(message["payload"]["hazards"][1], "ethics");
    assert_eq!(message["traceId"], "trace-0001");
    assert_eq!(message["signature"]["kid"], "guard-2026a");
    // One that is signed goes as it is, without a key.
    place.file("message.json", &printed.stdout);
    let again = line(&["--message", "message.json"]).with(0);
    assert_eq!(again.stdout, printed.stdout);
    // One that is changed is signed anew.
    line(&["--message", "message.json", "--hazard", "ethics"])
        .with(2)
        .says(&["--key is needed"]);
}

#[test]
fn an_order_is_printed_signed_and_for_one_call() {
    let place = TestDir::new("order-print");
    place.key("guard-2026a");
    let line = |more: &[&str]| place.run(&[&["order"][..], more].concat());
    let who = ["--source", "if://agent/guard", "--key", "guard-2026a.key"];
    let printed = line(&[&["hang-up", "0123456789abcdef"][..], &who].concat()).with(0);
    let message = printed.json();
    assert_eq!(message["performative"], "request");
    assert_eq!(message["payload"]["order"], "hang_up");
    assert_eq!(message["payload"]["call_id"], "sip-call-0123456789abcdef");
    assert_eq!(message["signature"]["kid"], "guard-2026a");
    let again = line(&[&["hang-up", "0123456789abcdef"][..], &who].concat()).with(0);
    assert_ne!(again.json()["id"], message["id"]);
    line(&["get", "0123456789abcdef"])
        .with(2)
        .says(&["--source"]);
    line(&[&["mute", "0123456789abcdef"][..], &who].concat()).with(2);
}

#[test]
fn what_a_message_may_not_be_is_named() {
    let place = TestDir::new("escalate-bad");
    place.key("guard");
    for (contents, said) in [
        ("{", "message.json: "),
        ("[]", "message.json: not a JSON object"),
        (r#"{"payload": {"hazards": []}}"#, "payload.hazards"),
        (r#"{"level": 0, "payload": {"hazards": "safety"}}"#, "level"),
        (
            r#"{"performative": "inform", "payload": {"hazards": "safety"}}"#,
            "performative",
        ),
    ] {
        place.file("message.json", contents);
        let arguments = [
            "escalate",
            "--print",
            "--source",
            "if://agent/guard",
            "--key",
            "guard.key",
            "--message",
            "message.json",
        ];
        place.run(&arguments).with(1).says(&[said]);
    }
    let arguments = ["escalate", "--source", "a", "--key", "guard.key"];
    place.run(&arguments).with(2).says(&["--hazard is needed"]);
}
