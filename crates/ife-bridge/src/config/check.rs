//! Reads the file, and finds what cannot work before anything starts.

use std::path::{Path, PathBuf};

use super::{Backend, Config, ConfigError, Tcp};
use crate::plain_file::{self, KEY_LEN_MAX};

/// A field and what it must be.
pub(super) type Problem = (String, String);

impl Config {
    /// Experts that one conference takes beside the guardians who are called into it.
    pub fn council_experts_max(&self) -> u32 {
        let guardians = self.council.guardians.iter();
        let called = guardians.filter(|guardian| guardian.peer.is_some()).count();
        let seats = u32::try_from(called).unwrap_or(u32::MAX);
        self.calls.council_max.saturating_sub(seats)
    }

    /// Reads and checks the file. Relative paths in it are relative to its directory.
    pub fn load(path: &Path) -> Result<Config, ConfigError> {
        let text = plain_file::read_text(path, KEY_LEN_MAX)?;
        let mut config: Config =
            serde_saphyr::from_str(&text).map_err(|error| ConfigError::Syntax {
                path: path.to_owned(),
                why: error.to_string(),
            })?;
        config.resolve(path.parent().unwrap_or(Path::new("")));
        config.check().map_err(|(field, why)| ConfigError::Value {
            path: path.to_owned(),
            field,
            why,
        })?;
        Ok(config)
    }

    fn resolve(&mut self, base: &Path) {
        let mut paths = vec![
            &mut self.state_dir,
            &mut self.store_dir,
            &mut self.registry,
            &mut self.ami.secret_file,
            &mut self.council.signing_key,
        ];
        paths.extend(self.ami.tls.iter_mut().map(|tls| &mut tls.ca));
        paths.extend(self.listen.unix.iter_mut());
        paths.extend(self.listen.tcp.iter_mut().flat_map(Tcp::paths));
        paths.extend(
            self.nats
                .iter_mut()
                .flat_map(|nats| nats.credentials_file.iter_mut().chain(&mut nats.ca)),
        );
        if let Some(log) = &mut self.witness_log {
            paths.extend([&mut log.dir, &mut log.vkeys]);
        }
        if let Some(evidence) = &mut self.evidence {
            paths.push(&mut evidence.signing_key);
            paths.extend(evidence.http_ca.iter_mut());
            paths.extend(evidence.listen.iter_mut().flat_map(Tcp::paths));
            paths.extend(evidence.roots.iter_mut());
            paths.extend(evidence.turn.iter_mut().map(|turn| &mut turn.secret_file));
        }
        for path in paths {
            *path = base.join(&path);
        }
    }

    fn check(&self) -> Result<(), Problem> {
        self.check_parts()?;
        self.check_names()?;
        self.check_listeners()?;
        self.check_evidence()?;
        self.nats.as_ref().map_or(Ok(()), super::Nats::check)?;
        self.check_limits()
    }

    fn check_parts(&self) -> Result<(), Problem> {
        refuse(
            self.ami.tls.is_none() && !self.ami.address.ip().is_loopback(),
            "ami.address",
            "must be a loopback address unless ami.tls is set: AMI's own login hides only the secret",
        )?;
        refuse(
            self.council.backend == Backend::ExternalMcu && self.council.mcu_peer.is_none(),
            "council.mcu_peer",
            "is required for the backend external_mcu",
        )
    }

    fn check_names(&self) -> Result<(), Problem> {
        let is_node = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
        refuse(
            !is_made_of(&self.node, 32, is_node),
            "node",
            "must be 1 to 32 of [a-z0-9-]",
        )?;
        let is_dialled = |b: u8| b.is_ascii_alphanumeric() || b"_.-".contains(&b);
        for (field, token) in self.dial_tokens() {
            refuse(
                !is_made_of(token, 64, is_dialled),
                &field,
                "must be 1 to 64 of [0-9A-Za-z_.-]: it becomes part of a dial string",
            )?;
        }
        let mut guardians = self.council.guardians.iter();
        refuse(
            guardians.any(|guardian| guardian.name.len() > 32),
            "council.guardians",
            "names must be at most 32 long: they become part of channel ids",
        )
    }

    fn check_listeners(&self) -> Result<(), Problem> {
        let evidence = self.evidence.as_ref();
        let listeners = [
            ("listen.tcp", self.listen.tcp.as_ref()),
            ("evidence.listen", evidence.and_then(|e| e.listen.as_ref())),
        ];
        for (field, tcp) in listeners {
            refuse(
                tcp.is_some_and(|tcp| tcp.tls.is_none() && !tcp.address.ip().is_loopback()),
                field,
                "must be a loopback address unless tls is set",
            )?;
            refuse(
                tcp.is_some_and(|tcp| {
                    tcp.connections_per_source_max == 0
                        || tcp.connections_per_source_max > tcp.connections_max
                }),
                field,
                "connections_per_source_max must be 1 at least, and connections_max at most",
            )?;
        }
        let knows_clients = |tcp: &Tcp| {
            let tls = tcp.tls.as_ref();
            tcp.token_file.is_some() || tls.is_some_and(|tls| tls.client_ca.is_some())
        };
        refuse(
            self.listen
                .tcp
                .as_ref()
                .is_some_and(|tcp| !knows_clients(tcp)),
            "listen.tcp",
            "needs token_file, or tls.client_ca, or both",
        )?;
        refuse(
            self.listen.unix.is_none() && self.listen.tcp.is_none(),
            "listen",
            "needs unix or tcp, or nobody can call the API",
        )
    }

    fn check_evidence(&self) -> Result<(), Problem> {
        let Some(evidence) = &self.evidence else {
            return Ok(());
        };
        refuse(
            !is_base_url(&evidence.public_url),
            "evidence.public_url",
            "must be https://host[:port], or http:// with a loopback address, without a path: it goes into a SIP header",
        )?;
        let api = self.listen.tcp.as_ref();
        refuse(
            evidence.listen.is_none() && api.is_none(),
            "evidence.listen",
            "is required where listen.tcp is not set: experts' browsers need TCP",
        )?;
        let needs_certificate =
            api.is_some_and(|tcp| tcp.tls.as_ref().is_some_and(|tls| tls.client_ca.is_some()));
        refuse(
            evidence.listen.is_none() && needs_certificate,
            "evidence.listen",
            "is required where listen.tcp wants client certificates: experts have none",
        )?;
        refuse(
            evidence.listen.as_ref().is_some_and(|tcp| {
                tcp.token_file.is_some() || tcp.tls.iter().any(|tls| tls.client_ca.is_some())
            }),
            "evidence.listen",
            "takes no token_file and no client_ca: the links are what lets experts in",
        )?;
        let has_port = |address: &std::net::SocketAddr| address.port() != 0;
        refuse(
            !has_port(&evidence.udp) || !evidence.public_addresses.iter().all(has_port),
            "evidence.udp",
            "and public_addresses need a port",
        )?;
        refuse(
            evidence.udp.ip().is_unspecified() && evidence.public_addresses.is_empty(),
            "evidence.public_addresses",
            "is required where evidence.udp is no particular address",
        )?;
        refuse(
            evidence.public_addresses.len() > 8,
            "evidence.public_addresses",
            "must be at most 8",
        )?;
        self.check_evidence_limits(evidence)
    }

    fn check_evidence_limits(&self, evidence: &super::Evidence) -> Result<(), Problem> {
        let limits = [
            ("evidence.link_s", evidence.link_s, 86_400),
            ("evidence.grace_s", evidence.grace_s, 600),
            ("evidence.http_s", evidence.http_s, 3_600),
            (
                "evidence.file_len_max",
                evidence.file_len_max,
                ife_evidence::manifest::FILE_LEN_MAX,
            ),
            ("evidence.spool_len_max", evidence.spool_len_max, 1 << 50),
        ];
        for (field, value, max) in limits {
            refuse(
                !(1..=max).contains(&value),
                field,
                &format!("must be 1 to {max}"),
            )?;
        }
        let is_host = |b: u8| b.is_ascii_alphanumeric() || b"-._:[]".contains(&b);
        refuse(
            !evidence
                .allowed_hosts
                .iter()
                .all(|host| is_made_of(host, 255, is_host)),
            "evidence.allowed_hosts",
            "must be host or host:port each",
        )?;
        let is_type = |b: u8| b.is_ascii_alphanumeric() || b"!#$&-^_.+*/".contains(&b);
        refuse(
            !evidence
                .media_types
                .iter()
                .all(|kind| kind.contains('/') && is_made_of(kind, 127, is_type)),
            "evidence.media_types",
            "must be type/subtype or type/* each",
        )?;
        let turn = evidence.turn.as_ref();
        let is_turn = |url: &String| {
            (url.starts_with("turn:") || url.starts_with("turns:"))
                && url
                    .bytes()
                    .all(|b| b.is_ascii_graphic() && !b"<>\"".contains(&b))
        };
        refuse(
            turn.is_some_and(|turn| turn.urls.is_empty() || !turn.urls.iter().all(is_turn)),
            "evidence.turn.urls",
            "must be turn: or turns: URIs, one at least",
        )
    }

    fn check_limits(&self) -> Result<(), Problem> {
        let limits = [
            ("calls.total_max", self.calls.total_max),
            ("calls.council_max", self.calls.council_max),
            ("calls.expert_max", self.calls.expert_max),
            ("calls.ring_s", self.calls.ring_s),
            ("calls.join_s", self.calls.join_s),
            ("calls.experts_max", self.calls.experts_max),
        ];
        for (field, value) in limits {
            refuse(!(1..=10_000).contains(&value), field, "must be 1 to 10000")?;
        }
        refuse(
            self.council_experts_max() == 0,
            "calls.council_max",
            "must be more than the guardians who are called: a seat for an expert is needed",
        )
    }

    /// Everything of the configuration that ends up in a dial string or a room's name.
    fn dial_tokens(&self) -> Vec<(String, &str)> {
        let mut tokens = vec![
            (
                "council.default_room".to_owned(),
                self.council.default_room.as_str(),
            ),
            ("ami.sip_aor".to_owned(), self.ami.sip_aor.as_str()),
        ];
        tokens.extend(
            self.council
                .mcu_peer
                .iter()
                .map(|peer| ("council.mcu_peer".to_owned(), peer.as_str())),
        );
        tokens.extend(
            self.council
                .mcu_alias
                .iter()
                .map(|alias| ("council.mcu_alias".to_owned(), alias.as_str())),
        );
        for (number, guardian) in self.council.guardians.iter().enumerate() {
            let field = |name: &str| format!("council.guardians[{number}].{name}");
            tokens.push((field("name"), &guardian.name));
            tokens.extend(
                guardian
                    .peer
                    .iter()
                    .map(|peer| (field("peer"), peer.as_str())),
            );
            tokens.extend(
                guardian
                    .alias
                    .iter()
                    .map(|alias| (field("alias"), alias.as_str())),
            );
        }
        tokens
    }
}

impl Tcp {
    fn paths(&mut self) -> impl Iterator<Item = &mut PathBuf> {
        let tls = self.tls.iter_mut().flat_map(|tls| {
            [
                Some(&mut tls.cert),
                Some(&mut tls.key),
                tls.client_ca.as_mut(),
            ]
            .into_iter()
            .flatten()
        });
        self.token_file.iter_mut().chain(tls)
    }
}

/// Scheme and authority alone, in an alphabet that neither the dialplan nor a SIP header gives a
/// meaning to.
fn is_base_url(url: &str) -> bool {
    let (authority, is_secure) = match (url.strip_prefix("https://"), url.strip_prefix("http://")) {
        (Some(authority), _) => (authority, true),
        (None, Some(authority)) => (authority, false),
        (None, None) => return false,
    };
    let is_allowed = |b: u8| b.is_ascii_alphanumeric() || b"-.:[]".contains(&b);
    let host = authority
        .rsplit_once(':')
        .map_or(authority, |(host, port)| {
            if port.bytes().all(|b| b.is_ascii_digit()) {
                host
            } else {
                authority
            }
        });
    let address = host.trim_start_matches('[').trim_end_matches(']');
    let is_loopback = host == "localhost"
        || address
            .parse()
            .is_ok_and(|ip: std::net::IpAddr| ip.is_loopback());
    is_made_of(authority, 200, is_allowed) && !host.is_empty() && (is_secure || is_loopback)
}

pub(super) fn refuse(condition: bool, field: &str, why: &str) -> Result<(), Problem> {
    if condition {
        return Err((field.to_owned(), why.to_owned()));
    }
    Ok(())
}

pub(super) fn is_made_of(text: &str, len_max: usize, allowed: impl Fn(u8) -> bool) -> bool {
    (1..=len_max).contains(&text.len()) && text.bytes().all(allowed)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    const EXAMPLE: &str = include_str!("../../../../docs/examples/bridge.yaml");

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
        // The section after it has a test of its own.
        let before = EXAMPLE.split("# evidence:").next().unwrap_or_default();
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
        // What it shows are the defaults, where there are any.
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
        let nats =
            "nats: {url: a, stream: b, consumer: c, subject: d, dead_letter_subject: e}\nnode:";
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
        let error =
            load(&changed("total_max: 100", "total_max: many")).expect_err("it is no number");
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
}
