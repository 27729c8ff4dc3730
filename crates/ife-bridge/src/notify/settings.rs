//! What notifications need of the configuration: secrets, allowed hosts, the mail server.

use std::{
    collections::HashMap,
    error::Error,
    path::{Path, PathBuf},
    time::Duration,
};

use aws_lc_rs::hmac;
use base64::{Engine, engine::general_purpose::STANDARD};
use lettre::{
    AsyncSmtpTransport, Tokio1Executor,
    message::Mailbox,
    transport::smtp::{
        authentication::Credentials,
        client::{Certificate as MailCertificate, Tls, TlsParameters},
    },
};
use reqwest::{Certificate, Client, redirect::Policy};
use thiserror::Error;

use crate::{
    config::{self, Config, MailTls},
    plain_file::{self, FileError, KEY_LEN_MAX},
};

/// Lengths of a secret, by Standard Webhooks, in bytes.
const SECRET_LEN: std::ops::RangeInclusive<usize> = 24..=64;

/// Reason that the configured ways to notify experts cannot be used.
#[derive(Debug, Error)]
pub enum NotifyError {
    /// A file that the section names.
    #[error(transparent)]
    File(#[from] FileError),
    /// The HTTP client or the mail client cannot be made, such as on a host that trusts no
    /// authority.
    #[error("notify: no client")]
    Client(#[source] Box<dyn Error + Send + Sync>),
}

/// All that sending needs.
pub struct Settings {
    pub(super) client: Client,
    pub(super) allowed_hosts: Vec<String>,
    pub(super) secrets: HashMap<String, hmac::Key>,
    pub(super) mail: Option<Mail>,
    /// Seconds that a link is good before it is used.
    pub(super) link_s: u64,
}

pub(super) struct Mail {
    pub(super) from: Mailbox,
    pub(super) transport: AsyncSmtpTransport<Tokio1Executor>,
}

impl Settings {
    /// Reads the files that the section names; `None` without the section.
    ///
    /// # Errors
    /// A file, or a client that cannot be made of them.
    pub fn load(config: &Config) -> Result<Option<Settings>, NotifyError> {
        let Some(notify) = &config.notify else {
            return Ok(None);
        };
        let pem = notify.ca.as_deref().map(read).transpose()?;
        let secrets = notify.secrets.iter();
        let secrets: Result<_, NotifyError> = secrets
            .map(|(name, path)| Ok((name.clone(), secret(path)?)))
            .collect();
        let mail = notify.mail.as_ref();
        Ok(Some(Settings {
            client: client(notify, pem.as_ref())?,
            allowed_hosts: notify
                .allowed_hosts
                .iter()
                .map(|host| host.to_ascii_lowercase())
                .collect(),
            secrets: secrets?,
            mail: mail
                .map(|mail| self::mail(notify, mail, pem.as_ref()))
                .transpose()?,
            link_s: config
                .evidence
                .as_ref()
                .map_or(0, |evidence| evidence.link_s),
        }))
    }
}

impl std::fmt::Debug for Settings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Settings")
            .field("allowed_hosts", &self.allowed_hosts)
            .finish_non_exhaustive()
    }
}

fn read(path: &Path) -> Result<(PathBuf, Vec<u8>), NotifyError> {
    Ok((path.to_owned(), plain_file::read(path, KEY_LEN_MAX)?))
}

/// `whsec_` and base64, as Standard Webhooks writes a secret.
fn secret(path: &Path) -> Result<hmac::Key, NotifyError> {
    let text = plain_file::read_text(path, KEY_LEN_MAX)?;
    let text = text.trim();
    let decoded = STANDARD.decode(text.strip_prefix("whsec_").unwrap_or(text));
    let bytes = decoded
        .ok()
        .filter(|bytes| SECRET_LEN.contains(&bytes.len()));
    let bytes = bytes.ok_or_else(|| {
        FileError::at(path)("not a secret: whsec_ and the base64 of 24 to 64 random bytes")
    })?;
    Ok(hmac::Key::new(hmac::HMAC_SHA256, &bytes))
}

fn failed(error: impl Error + Send + Sync + 'static) -> NotifyError {
    NotifyError::Client(error.into())
}

type Pem<'a> = Option<&'a (PathBuf, Vec<u8>)>;

fn client(notify: &config::Notify, pem: Pem<'_>) -> Result<Client, NotifyError> {
    let mut builder = Client::builder()
        .redirect(Policy::none())
        .timeout(Duration::from_secs(notify.timeout_s))
        // Registry and configuration decide where a request goes, not the environment.
        .no_proxy()
        .referer(false)
        .pool_max_idle_per_host(0)
        .user_agent(concat!("ife-bridge/", env!("CARGO_PKG_VERSION")));
    for certificate in certificates(pem)? {
        builder = builder.add_root_certificate(certificate);
    }
    builder.build().map_err(failed)
}

fn certificates(pem: Pem<'_>) -> Result<Vec<Certificate>, NotifyError> {
    let Some((path, pem)) = pem else {
        return Ok(Vec::new());
    };
    let certificates = Certificate::from_pem_bundle(pem).map_err(FileError::at(path))?;
    Ok(certificates)
}

fn mail(notify: &config::Notify, mail: &config::Mail, pem: Pem<'_>) -> Result<Mail, NotifyError> {
    let tls = || -> Result<TlsParameters, NotifyError> {
        let mut parameters = TlsParameters::builder(mail.server.clone());
        if let Some((_, pem)) = pem {
            parameters =
                parameters.add_root_certificate(MailCertificate::from_pem(pem).map_err(failed)?);
        }
        parameters.build_rustls().map_err(failed)
    };
    let tls = match mail.tls {
        MailTls::Starttls => Tls::Required(tls()?),
        MailTls::Tls => Tls::Wrapper(tls()?),
        MailTls::None => Tls::None,
    };
    let mut builder = AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous(&mail.server)
        .port(mail.port)
        .tls(tls)
        .timeout(Some(Duration::from_secs(notify.timeout_s)));
    if let (Some(user), Some(path)) = (&mail.username, &mail.password_file) {
        let password = plain_file::read_text(path, KEY_LEN_MAX)?;
        let password = password.trim_end_matches(['\r', '\n']).to_owned();
        builder = builder.credentials(Credentials::new(user.clone(), password));
    }
    Ok(Mail {
        from: mail.from.parse().map_err(failed)?,
        transport: builder.build(),
    })
}
