//! IF.connect intake over NATS JetStream.

use std::path::PathBuf;

use serde::Deserialize;

use super::check::{Problem, is_made_of, refuse};

/// NATS JetStream.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Nats {
    /// Servers, comma separated: `nats://127.0.0.1:4222`, or `tls://`.
    pub url: String,
    /// File with user credentials (`.creds`).
    #[serde(default)]
    pub credentials_file: Option<PathBuf>,
    /// PEM file of the authority that signed the server's certificate; the system's when absent.
    #[serde(default)]
    pub ca: Option<PathBuf>,
    /// Stream. It must exist.
    pub stream: String,
    /// Durable consumer, shared by all bridges; made when it does not exist.
    pub consumer: String,
    /// Subject of escalations; may hold wildcards.
    pub subject: String,
    /// Where messages go that can never be worked off; a stream must hold it.
    pub dead_letter_subject: String,
    /// Subject of the outcomes of escalations.
    #[serde(default)]
    pub outcome_subject: Option<String>,
    /// Prefix of the subjects of calls: `<this>.<call id>.events` and `<this>.<call
    /// id>.orders`.
    #[serde(default)]
    pub call_subject: Option<String>,
    /// Bridges that may be lost with a message in their hands before it is given up.
    #[serde(default = "default_deliveries")]
    pub deliveries_max: i64,
    /// Messages worked on at once.
    #[serde(default = "default_in_flight")]
    pub in_flight_max: u16,
}

impl Nats {
    /// What cannot work.
    pub(super) fn check(&self) -> Result<(), Problem> {
        let is_name = |b: u8| b.is_ascii_alphanumeric() || b == b'_' || b == b'-';
        refuse(
            !self.servers().all(is_server),
            "nats.url",
            "must be nats://host:port or tls://host:port, several separated by commas",
        )?;
        for (field, name) in [
            ("nats.stream", &self.stream),
            ("nats.consumer", &self.consumer),
        ] {
            refuse(
                !is_made_of(name, 64, is_name),
                field,
                "must be 1 to 64 of [0-9A-Za-z_-]",
            )?;
        }
        refuse(
            !is_subject(&self.subject, true),
            "nats.subject",
            "must be a subject: tokens separated by dots, with * and > as wildcards",
        )?;
        let plain = [
            ("nats.dead_letter_subject", Some(&self.dead_letter_subject)),
            ("nats.outcome_subject", self.outcome_subject.as_ref()),
            ("nats.call_subject", self.call_subject.as_ref()),
        ];
        for (field, subject) in plain {
            let Some(subject) = subject else { continue };
            refuse(
                !is_subject(subject, false),
                field,
                "must be a subject without wildcards",
            )?;
            let of_calls = ["events", "orders"].map(|kind| format!("{subject}.call.{kind}"));
            let own = [subject].into_iter().chain(&of_calls);
            let is_taken_in = match field {
                "nats.call_subject" => own.skip(1).any(|own| matches(&self.subject, own)),
                _ => matches(&self.subject, subject),
            };
            refuse(
                is_taken_in,
                field,
                "is among the escalations of nats.subject: the bridge would take in its own \
                messages",
            )?;
        }
        refuse(
            !(1..=1_000).contains(&self.deliveries_max),
            "nats.deliveries_max",
            "must be 1 to 1000",
        )?;
        refuse(
            !(1..=1_000).contains(&self.in_flight_max),
            "nats.in_flight_max",
            "must be 1 to 1000",
        )
    }

    /// The servers of `url`.
    pub fn servers(&self) -> impl Iterator<Item = &str> {
        self.url.split(',').map(str::trim)
    }
}

fn is_server(url: &str) -> bool {
    let host = ["nats://", "tls://"]
        .iter()
        .find_map(|scheme| url.strip_prefix(scheme));
    host.is_some_and(|host| !host.is_empty() && host.bytes().all(|b| b.is_ascii_graphic()))
}

/// Whether it is a subject that a client may use: none of the server's own, which begin with `$`.
fn is_subject(subject: &str, wildcards: bool) -> bool {
    let mut tokens = subject.split('.').peekable();
    let mut good = subject.len() <= 255 && !subject.starts_with('$');
    while let Some(token) = tokens.next() {
        let is_wildcard = token == "*" || (token == ">" && tokens.peek().is_none());
        let is_plain = !token.is_empty()
            && token
                .bytes()
                .all(|b| b.is_ascii_graphic() && b != b'*' && b != b'>');
        good &= is_plain || (wildcards && is_wildcard);
    }
    good
}

/// Whether a subject is one of those that a pattern stands for.
fn matches(pattern: &str, subject: &str) -> bool {
    let (mut pattern, mut subject) = (pattern.split('.'), subject.split('.'));
    loop {
        match (pattern.next(), subject.next()) {
            (Some(">"), Some(_)) | (None, None) => return true,
            (Some(wanted), Some(token)) if wanted == "*" || wanted == token => {}
            _ => return false,
        }
    }
}

fn default_deliveries() -> i64 {
    5
}

fn default_in_flight() -> u16 {
    32
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nats(change: impl Fn(&mut Nats)) -> Nats {
        let mut nats = Nats {
            url: "nats://127.0.0.1:4222, tls://nats.example:4222".into(),
            credentials_file: None,
            ca: None,
            stream: "IFCONNECT".into(),
            consumer: "ife-bridge".into(),
            subject: "if.connect.escalate.>".into(),
            dead_letter_subject: "if.connect.dead".into(),
            outcome_subject: Some("if.connect.outcome".into()),
            call_subject: Some("if.connect.calls".into()),
            deliveries_max: 5,
            in_flight_max: 32,
        };
        change(&mut nats);
        nats
    }

    #[test]
    fn what_cannot_work_is_named() {
        assert_eq!(nats(|_| ()).check(), Ok(()));
        type Change = fn(&mut Nats);
        let cases: [(Change, &str); 11] = [
            (|n| n.url = "127.0.0.1:4222".into(), "nats.url"),
            (|n| n.url = "nats://a,".into(), "nats.url"),
            (|n| n.stream = "a.b".into(), "nats.stream"),
            (|n| n.consumer = String::new(), "nats.consumer"),
            (|n| n.subject = "a..b".into(), "nats.subject"),
            (|n| n.subject = "$JS.API".into(), "nats.subject"),
            (
                |n| n.dead_letter_subject = "dead.*".into(),
                "nats.dead_letter_subject",
            ),
            (
                |n| n.outcome_subject = Some("if.connect.escalate.a.b".into()),
                "nats.outcome_subject",
            ),
            (
                |n| n.call_subject = Some("if.connect.calls.*".into()),
                "nats.call_subject",
            ),
            (
                |n| n.call_subject = Some("if.connect.escalate".into()),
                "nats.call_subject",
            ),
            (|n| n.deliveries_max = 0, "nats.deliveries_max"),
        ];
        for (change, field) in cases {
            let problem = nats(change).check().map_err(|(field, _)| field);
            assert_eq!(problem, Err(field.to_owned()));
        }
    }

    #[test]
    fn patterns_stand_for_what_nats_says() {
        let cases = [
            ("a.b", "a.b", true),
            ("a.*", "a.b", true),
            ("a.*", "a.b.c", false),
            ("a.>", "a.b.c", true),
            ("a.>", "a", false),
            (">", "a", true),
            ("a.b", "a", false),
        ];
        for (pattern, subject, wanted) in cases {
            assert_eq!(matches(pattern, subject), wanted, "{pattern} {subject}");
        }
    }
}
