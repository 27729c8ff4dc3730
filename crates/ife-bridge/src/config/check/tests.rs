use std::fs;

use super::*;

const EXAMPLE: &str = include_str!("../../../../../docs/examples/bridge.yaml");

fn load(text: &str) -> Result<Config, ConfigError> {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("bridge.yaml");
    fs::write(&path, text).expect("there is room");
    Config::load(&path)
}

/// The example with one line replaced.
fn changed(from: &str, to: &str) -> String {
    assert!(EXAMPLE.contains(from), "{from} is not in the example");
    EXAMPLE.replace(from, to)
}

#[test]
fn the_example_is_valid_and_its_comments_are_too() {
    load(EXAMPLE).expect("the example is valid");
    // Other tests cover the sections after it.
    let before = EXAMPLE.split("# notify:").next().unwrap_or_default();
    let all: String = before
        .lines()
        .map(|line| {
            let option = line.trim_start().strip_prefix("# ");
            let is_field = option.is_some_and(|text| {
                let name = text.split(':').next().unwrap_or_default().trim_start();
                [
                    "tls",
                    "mcu_peer",
                    "mcu_alias",
                    "tcp",
                    "address",
                    "token_file",
                    "nats",
                    "url",
                    "credentials_file",
                    "ca",
                    "stream",
                    "consumer",
                    "subject",
                    "dead_letter_subject",
                    "outcome_subject",
                    "deliveries_max",
                    "in_flight_max",
                ]
                .contains(&name)
            });
            let count = usize::from(is_field);
            line.replacen("# ", "", count) + "\n"
        })
        .collect();
    let config = load(&all).expect("what it mentions is valid");
    assert!(config.ami.tls.is_some() && config.council.mcu_alias.is_some());
    assert!(
        config
            .nats
            .is_some_and(|nats| nats.outcome_subject.is_some())
    );
    let tcp = config.listen.tcp.expect("it is mentioned");
    assert!(tcp.tls.is_some_and(|tls| tls.client_ca.is_some()));
}

/// The example with its section `evidence` in force.
fn with_evidence() -> String {
    let (before, section) = EXAMPLE
        .split_once("# evidence:\n")
        .expect("the example has the section");
    let lines = section.lines().map(|line| line.replacen('#', "", 1) + "\n");
    let section: String = lines.collect();
    format!("{before}evidence:\n{section}")
}

#[test]
fn the_section_evidence_of_the_example_is_valid() {
    let config = load(&with_evidence()).expect("it is valid");
    let evidence = config.evidence.expect("it is there");
    assert_eq!(evidence.public_addresses.len(), 2);
    assert!(evidence.turn.is_some_and(|turn| turn.urls.len() == 2));
    // It shows the defaults, where there are any.
    assert_eq!(evidence.media_types, crate::config::default_media_types());
    assert_eq!(
        (
            evidence.http_s,
            evidence.spool_len_max,
            evidence.file_len_max
        ),
        (60, 4 << 30, 1 << 30)
    );
    assert_eq!((evidence.link_s, evidence.grace_s), (3_600, 30));
}

#[test]
fn evidence_that_cannot_work_is_named() {
    let cases = [
        (
            "https://bridge.council.example",
            "http://bridge.council.example",
            "public_url: must be https",
        ),
        (
            "https://bridge.council.example",
            "https://bridge.example/x",
            "public_url: must be https",
        ),
        (
            "https://bridge.council.example",
            "\"https://a;b\"",
            "public_url: must be https",
        ),
        (
            "address: 0.0.0.0:443",
            "address: 0.0.0.0:443\n     token_file: t",
            "listen: takes no token_file",
        ),
        (
            "  public_addresses",
            "  # public_addresses",
            "public_addresses: is required",
        ),
        (
            "udp: 0.0.0.0:4443",
            "udp: 0.0.0.0:0",
            "udp: and public_addresses need a port",
        ),
        (
            "file_len_max: 1073741824",
            "file_len_max: 0",
            "file_len_max: must be 1 to",
        ),
        (
            "[files.council.example]",
            "[\"http://x\"]",
            "allowed_hosts: must be",
        ),
        ("audio/*", "audio", "media_types: must be"),
        ("turns:turn", "stun:turn", "turn.urls: must be"),
    ];
    for (from, to, wanted) in cases {
        let text = with_evidence();
        assert!(text.contains(from), "{from}");
        let error = load(&text.replacen(from, to, 1))
            .expect_err(wanted)
            .to_string();
        assert!(
            error.contains(&format!("evidence.{wanted}")),
            "{error} does not say {wanted}"
        );
    }
}

#[test]
fn base_urls_have_nothing_but_a_host_and_a_port() {
    for good in [
        "https://a.example",
        "https://a.example:8443",
        "https://[2001:db8::1]:8443",
        "http://127.0.0.1:80",
        "http://[::1]:80",
        "http://localhost",
    ] {
        assert!(is_base_url(good), "{good}");
    }
    for bad in [
        "a.example",
        "https://",
        "https://a/",
        "https://a b",
        "https://a?x",
        "https://u@a",
        "http://a.example",
        "http://127.0.0.1.evil.example",
        "ftp://a",
    ] {
        assert!(!is_base_url(bad), "{bad}");
    }
}

#[test]
fn paths_are_relative_to_the_file() {
    let config = load(&changed("/var/lib/if-escalate/bridge", "store")).expect("it is valid");
    assert!(config.store_dir.is_absolute() && config.store_dir.ends_with("store"));
    assert_eq!(config.state_dir, PathBuf::from("/run/if-escalate"));
}

#[test]
fn what_cannot_work_is_named() {
    let nats = "nats: {url: a, stream: b, consumer: c, subject: d, dead_letter_subject: e}\nnode:";
    let cases = [
        (
            changed("node: node1", "node: Node 1"),
            "node: must be 1 to 32",
        ),
        (changed("node:", "nodes: a\nnode:"), "nodes"),
        (changed("node:", nats), "nats.url: must be"),
        (
            changed("127.0.0.1:5038", "192.0.2.1:5038"),
            "ami.address: must be a loopback",
        ),
        (
            changed("backend: confbridge", "backend: external_mcu"),
            "council.mcu_peer: is required",
        ),
        (
            changed("default_room: council", "default_room: a&b"),
            "council.default_room: must be",
        ),
        (
            changed("peer: guardian-1-4b1e", "peer: a@b"),
            "council.guardians[0].peer: must be",
        ),
        (
            changed("total_max: 100", "total_max: 0"),
            "calls.total_max: must be",
        ),
        (changed("total_max: 100", "total_max: many"), "bridge.yaml"),
        (
            changed("  unix: /run/if-escalate/bridge.sock", "  unix: null"),
            "listen: needs unix or tcp",
        ),
        (
            changed(
                "  unix: /run",
                "  tcp: {address: \"127.0.0.1:1\"}\n  unix: /run",
            ),
            "listen.tcp: needs token_file",
        ),
        (
            changed(
                "  unix: /run",
                "  tcp: {address: \"192.0.2.1:1\", token_file: t}\n  unix: /run",
            ),
            "listen.tcp: must be a loopback",
        ),
    ];
    for (text, wanted) in cases {
        let error = load(&text).expect_err(wanted).to_string();
        assert!(error.contains(wanted), "{error} does not say {wanted}");
    }
}

#[test]
fn an_error_of_syntax_says_the_line() {
    let error = load(&changed("total_max: 100", "total_max: many")).expect_err("it is no number");
    let line = EXAMPLE
        .lines()
        .position(|line| line.contains("total_max"))
        .map(|at| at + 1);
    let text = error.to_string();
    assert!(
        line.is_some_and(|line| text.contains(&line.to_string())),
        "{text}"
    );
}

/// The example with its section `notify`.
fn with_notify() -> String {
    let (before, rest) = EXAMPLE
        .split_once("# notify:\n")
        .expect("the example has the section");
    let lines = rest.lines().take_while(|line| line.starts_with("#   "));
    let section: String = lines.map(|line| line.replacen('#', "", 1) + "\n").collect();
    format!("{before}notify:\n{section}")
}

#[test]
fn the_section_notify_of_the_example_is_valid() {
    let config = load(&with_notify()).expect("it is valid");
    let notify = config.notify.expect("it is there");
    assert_eq!((notify.secrets.len(), notify.timeout_s), (1, 5));
    assert!(notify.mail.is_some_and(|mail| mail.port == 587));
}

#[test]
fn notifications_that_cannot_work_are_named() {
    let cases = [
        (
            "[hooks.external.advisor]",
            "[\"https://hooks.external.advisor\"]",
            "notify.allowed_hosts: must be host",
        ),
        ("{pager:", "{\"a/b\":", "notify.secrets: must have names"),
        ("timeout_s: 5", "timeout_s: 31", "notify.timeout_s: must be"),
        ("tls: starttls", "tls: none", "notify.mail.tls: must be"),
        (
            "smtp.council.example",
            "\"a b\"",
            "notify.mail.server: must",
        ),
        ("port: 587", "port: 0", "notify.mail.server: must"),
        ("username: bridge", "", "notify.mail.username: and password"),
        (
            "IF.ESCALATE <escalations@council.example>",
            "\"a@b.example\\r\\nBcc: c@d.example\"",
            "notify.mail.from: must be",
        ),
        ("tls: starttls", "tls: maybe", "unknown variant"),
    ];
    for (from, to, expected) in cases {
        let text = with_notify();
        assert!(text.contains(from), "{from} is not in the section");
        let error = load(&text.replace(from, to)).expect_err(to).to_string();
        assert!(error.contains(expected), "{to}: {error}");
    }
}
