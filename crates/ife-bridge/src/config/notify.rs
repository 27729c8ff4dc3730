//! Notifications of experts by webhook and mail; the registry names the addresses.

use std::{collections::BTreeMap, net::IpAddr, path::PathBuf};

use serde::Deserialize;

use super::check::{Problem, is_host, is_made_of, refuse};

/// Webhooks and mail.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Notify {
    /// Hosts that webhooks may be sent to, `host` or `host:port`.
    #[serde(default)]
    pub allowed_hosts: Vec<String>,
    /// Files with the secrets that webhooks are signed by, mode 0600, by the names that the
    /// registry uses.
    #[serde(default)]
    pub secrets: BTreeMap<String, PathBuf>,
    /// PEM file of further authorities that the certificates of those hosts and of the mail server
    /// may be signed by.
    #[serde(default)]
    pub ca: Option<PathBuf>,
    /// Seconds that one try may take.
    #[serde(default = "default_timeout_s")]
    pub timeout_s: u64,
    /// The mail server.
    #[serde(default)]
    pub mail: Option<Mail>,
}

/// A mail server that takes mails of the bridge.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Mail {
    /// Its name, as in its certificate.
    pub server: String,
    /// Its port.
    #[serde(default = "default_port")]
    pub port: u16,
    /// `starttls`, `tls` from the first byte, or `none` on this machine alone.
    #[serde(default)]
    pub tls: MailTls,
    /// Account, with `password_file`.
    #[serde(default)]
    pub username: Option<String>,
    /// File with the password, mode 0600.
    #[serde(default)]
    pub password_file: Option<PathBuf>,
    /// Sender: `user@host` or `Name <user@host>`.
    pub from: String,
}

/// How the connection to the mail server is secured.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "the field's documentation has them")]
pub enum MailTls {
    #[default]
    Starttls,
    Tls,
    None,
}

impl Notify {
    /// The files that the section names.
    pub(super) fn paths(&mut self) -> impl Iterator<Item = &mut PathBuf> {
        let password = self
            .mail
            .iter_mut()
            .flat_map(|mail| mail.password_file.iter_mut());
        self.secrets
            .values_mut()
            .chain(&mut self.ca)
            .chain(password)
    }

    /// What cannot work.
    pub(super) fn check(&self) -> Result<(), Problem> {
        refuse(
            !self.allowed_hosts.iter().all(|host| is_host(host)),
            "notify.allowed_hosts",
            "must be host or host:port each",
        )?;
        let is_name = |b: u8| b.is_ascii_alphanumeric() || b"._-".contains(&b);
        refuse(
            !self
                .secrets
                .keys()
                .all(|name| is_made_of(name, 64, is_name)),
            "notify.secrets",
            "must have names of 1 to 64 of [0-9A-Za-z._-]",
        )?;
        refuse(
            !(1..=30).contains(&self.timeout_s),
            "notify.timeout_s",
            "must be 1 to 30",
        )?;
        self.mail.as_ref().map_or(Ok(()), Mail::check)
    }
}

impl Mail {
    fn check(&self) -> Result<(), Problem> {
        let is_name = |b: u8| b.is_ascii_alphanumeric() || b"-.:".contains(&b);
        refuse(
            !is_made_of(&self.server, 253, is_name) || self.port == 0,
            "notify.mail.server",
            "must be a host name or an address, with a port in notify.mail.port",
        )?;
        let address = self.server.parse::<IpAddr>();
        let is_loopback =
            self.server == "localhost" || address.is_ok_and(|address| address.is_loopback());
        refuse(
            self.tls == MailTls::None && !is_loopback,
            "notify.mail.tls",
            "must be starttls or tls, unless the server is a loopback address: mails have links in \
            them",
        )?;
        refuse(
            self.username.is_some() != self.password_file.is_some(),
            "notify.mail.username",
            "and password_file need each other",
        )?;
        refuse(
            self.from.parse::<lettre::message::Mailbox>().is_err(),
            "notify.mail.from",
            "must be user@host or Name <user@host>",
        )
    }
}

fn default_timeout_s() -> u64 {
    5
}

fn default_port() -> u16 {
    587
}
