//! The bridge, by its own word: `/readyz` and the version of its API.

use serde_json::Value;

use super::report::Report;

/// The bridge's answers.
#[derive(Debug, Default)]
pub(super) struct Bridge {
    pub(super) ready: Value,
    /// Version in its OpenAPI document.
    pub(super) version: Option<String>,
    /// Its process, where it was asked over its Unix socket.
    pub(super) pid: Option<u32>,
}

/// Facts about the bridge.
#[derive(Debug)]
pub(super) struct Facts {
    pub(super) bridge: Result<Bridge, String>,
    /// Whether this host has a configuration of it or its socket.
    pub(super) is_here: bool,
}

/// Members of `/readyz`, the value that is a fault, what it means and what to do: the table of
/// docs/operations.md, The bridge.
const MEMBERS: [(&str, Fault, &str, &str); 8] = [
    (
        "ami",
        Fault::False,
        "no session with Asterisk: no call can be placed, calls there go on",
        "systemctl status asterisk; `login refused` in the bridge's log: account, secret and \
         rights in manager.conf (docs/examples/asterisk/manager-if-escalate.conf)",
    ),
    (
        "kamailio",
        Fault::False,
        "Asterisk does not reach Kamailio: no expert can be called",
        "systemctl status kamailio; ami.sip_aor in bridge.yaml",
    ),
    (
        "stuck_channels",
        Fault::Above0,
        "channels ignored their hang-ups; they may hold an expert's phone",
        "`core show channels` at Asterisk, `channel request hangup`; else restart Asterisk, which \
         ends its calls",
    ),
    (
        "witness",
        Fault::False,
        "the witness takes no entries",
        "systemctl status ife-witnessd; disk (docs/operations.md, Disk full)",
    ),
    (
        "store",
        Fault::False,
        "a write to store_dir failed: escalations get 503",
        "mend the disk, then systemctl restart ife-bridge",
    ),
    (
        "nats",
        Fault::False,
        "no messages are taken from NATS",
        "the bridge's log has the reason and, for a missing stream, the command",
    ),
    (
        "unknown_parties",
        Fault::Above0,
        "parties are in a room that were neither called nor admitted",
        "ifectl rooms show ROOM; ifectl rooms remove",
    ),
    (
        "draining",
        Fault::True,
        "the bridge was asked to stop",
        "nothing; it ends after its last call",
    ),
];

/// When a member is a fault.
#[derive(Clone, Copy)]
enum Fault {
    False,
    True,
    Above0,
}

impl Fault {
    fn is(self, value: &Value) -> bool {
        match self {
            Fault::False => value == &Value::Bool(false),
            Fault::True => value == &Value::Bool(true),
            Fault::Above0 => value.as_u64().is_some_and(|count| count > 0),
        }
    }
}

/// Judges the bridge.
pub(super) fn judge(facts: &Facts) -> Report {
    let mut report = Report::new("bridge");
    let ready = match (&facts.bridge, facts.is_here) {
        (Ok(bridge), _) => &bridge.ready,
        (Err(why), true) => {
            report.error(
                format!("it does not answer: {why}"),
                "systemctl status ife-bridge; the last ERROR line of its log has file and reason",
            );
            return report;
        }
        (Err(_), false) => {
            report.skipped("no bridge.yaml and no socket of a bridge");
            return report;
        }
    };
    for (name, fault, what, todo) in MEMBERS {
        if fault.is(&ready[name]) {
            report.error(format!("{name}: {}: {what}", ready[name]), todo);
        }
    }
    match ready["log"].as_str() {
        Some("mismatch") => report.error(
            "log: an entry, tile or checkpoint is not what was signed",
            "leave the log's directory as it is; ifectl witness verify; who could write there?",
        ),
        Some("unreadable") => report.error(
            "log: no checkpoint, or none signed by witness_log.vkeys",
            "ife-witnessd; permissions; the file of keys",
        ),
        Some(_) | None => {}
    }
    report.fine_otherwise(format!("ready, {} calls under way", ready["active_calls"]));
    report
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{super::report::tests::told, *};

    fn facts() -> Facts {
        let ready = json!({"ami": true, "kamailio": null, "stuck_channels": 0, "witness": true,
            "store": true, "nats": null, "log": "off", "active_calls": 2, "unknown_parties": 0,
            "draining": false});
        Facts {
            bridge: Ok(Bridge {
                ready,
                ..Bridge::default()
            }),
            is_here: true,
        }
    }

    #[test]
    fn each_part_that_is_down_is_a_finding_with_advice() {
        assert_eq!(told(judge(&facts())), ["ok ready, 2 calls under way"]);
        for (name, value) in [
            ("ami", json!(false)),
            ("kamailio", json!(false)),
            ("stuck_channels", json!(1)),
            ("witness", json!(false)),
            ("store", json!(false)),
            ("nats", json!(false)),
            ("unknown_parties", json!(3)),
            ("draining", json!(true)),
            ("log", json!("mismatch")),
            ("log", json!("unreadable")),
        ] {
            let mut facts = facts();
            facts.bridge.as_mut().expect("a bridge").ready[name] = value;
            let found = told(judge(&facts));
            let begin = format!("error {name}: ");
            assert!(
                found.len() == 1 && found[0].starts_with(&begin),
                "{found:?}"
            );
        }
    }

    #[test]
    fn a_silent_bridge_is_an_error_where_there_is_one() {
        let mut facts = Facts {
            bridge: Err("refused".into()),
            is_here: true,
        };
        assert_eq!(told(judge(&facts)), ["error it does not answer: refused"]);
        facts.is_here = false;
        assert!(told(judge(&facts))[0].starts_with("skipped"));
    }
}
