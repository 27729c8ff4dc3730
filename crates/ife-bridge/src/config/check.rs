//! Reads the file, and finds what cannot work before anything starts.

use std::path::{Path, PathBuf};

use super::{Backend, Config, ConfigError, Tcp};
use ife_engine::shell::Prompt;

use crate::plain_file::{self, KEY_LEN_MAX};

/// A field and its rule.
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
        paths.extend(self.notify.iter_mut().flat_map(super::Notify::paths));
        if let Some(log) = &mut self.witness_log {
            paths.extend([&mut log.dir, &mut log.vkeys]);
        }
        if let Some(speech) = &mut self.speech {
            paths.push(&mut speech.dir);
            paths.extend(speech.recordings.iter_mut());
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
        self.check_speech()?;
        self.nats.as_ref().map_or(Ok(()), super::Nats::check)?;
        self.notify.as_ref().map_or(Ok(()), super::Notify::check)?;
        self.check_limits()
    }

    fn check_parts(&self) -> Result<(), Problem> {
        refuse(
            self.ami.tls.is_none() && !self.ami.address.ip().is_loopback(),
            "ami.address",
            "must be a loopback address unless ami.tls is set: AMI's own login hides only the \
            secret",
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
        )?;
        self.check_admissions()
    }

    fn check_admissions(&self) -> Result<(), Problem> {
        let council = &self.council;
        let terminals = council.guardians.iter();
        let mut terminals: Vec<_> = terminals
            .filter_map(|guardian| Some((guardian.section()?, guardian.h323_id())))
            .collect();
        terminals.sort_unstable();
        refuse(
            terminals.windows(2).any(|pair| pair[0] == pair[1]),
            "council.guardians",
            "of one section must differ in h323_id, by which the gateway tells them apart",
        )?;
        refuse(
            !(1..=86_400).contains(&council.admission_s),
            "council.admission_s",
            "must be 1 to 86400",
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
            "must be https://host[:port], or http:// with a loopback address, without a path: it \
            goes into a SIP header",
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
        refuse(
            !evidence.allowed_hosts.iter().all(|host| is_host(host)),
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

    fn check_speech(&self) -> Result<(), Problem> {
        let Some(speech) = &self.speech else {
            return Ok(());
        };
        let is_path = |b: u8| b.is_ascii_alphanumeric() || b"/_.-".contains(&b);
        let paths = [
            ("speech.dir", Some(&speech.dir)),
            ("speech.recordings", speech.recordings.as_ref()),
        ];
        for (field, path) in paths {
            refuse(
                path.is_some_and(|path| !is_made_of(&path.to_string_lossy(), 200, is_path)),
                field,
                "must be at most 200 of [0-9A-Za-z/_.-]: Asterisk's dialplan plays its files",
            )?;
        }
        refuse(
            speech.command.first().is_none_or(String::is_empty),
            "speech.command",
            "needs a program",
        )?;
        let prompts = Prompt::ALL.map(Prompt::as_str);
        let unknown = speech.texts.keys().find(|name| Prompt::of(name).is_none());
        refuse(
            unknown.is_some(),
            "speech.texts",
            &format!("knows these prompts: {}", prompts.join(", ")),
        )?;
        let is_too_long = |text: &String| text.is_empty() || text.len() > 500;
        refuse(
            speech.texts.values().any(is_too_long),
            "speech.texts",
            "must be 1 to 500 bytes each",
        )?;
        for (field, value) in [
            ("speech.key_s", speech.key_s),
            ("speech.page_s", speech.page_s),
        ] {
            refuse(!(1..=120).contains(&value), field, "must be 1 to 120")?;
        }
        Ok(())
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
            !(1..=86_400).contains(&self.calls.decision_s),
            "calls.decision_s",
            "must be 1 to 86400",
        )?;
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
                    .section
                    .iter()
                    .map(|section| (field("section"), section.as_str())),
            );
            tokens.extend(
                guardian
                    .h323_id
                    .iter()
                    .map(|h323_id| (field("h323_id"), h323_id.as_str())),
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

/// `host` or `host:port`.
pub(super) fn is_host(text: &str) -> bool {
    let is_allowed = |b: u8| b.is_ascii_alphanumeric() || b"-._:[]".contains(&b);
    is_made_of(text, 255, is_allowed)
}

pub(super) fn is_made_of(text: &str, len_max: usize, allowed: impl Fn(u8) -> bool) -> bool {
    (1..=len_max).contains(&text.len()) && text.bytes().all(allowed)
}

#[cfg(test)]
mod tests;
