//! The connection to Asterisk: a task that connects, reads and writes. The session on it is the
//! engine's.

mod link;
mod tls;

use ife_ami::{
    Config as SessionConfig,
    session::Auth,
    value::{DialToken, Secret, ValueError},
};
use ife_engine::FromLink;
use thiserror::Error;
use tokio::sync::mpsc;

use link::Link;

use crate::{
    config::{self, AmiLogin},
    plain_file::{self, FileError, KEY_LEN_MAX},
};

/// Why AMI cannot be spoken to as configured.
#[derive(Debug, Error)]
pub enum AmiError {
    /// A file cannot be read.
    #[error(transparent)]
    File(#[from] FileError),
    /// The account or its secret has bytes that AMI cannot carry.
    #[error("{field}: {source}")]
    Value {
        /// Which field.
        field: &'static str,
        /// Why.
        source: ValueError,
    },
    /// The authority or the name in the certificate.
    #[error("ami.tls: {0}")]
    Tls(String),
}

/// Input of all connections, each under its number.
pub type FromLinks = mpsc::Receiver<(u64, FromLink)>;

/// The connection to Asterisk, while there is one.
#[derive(Debug)]
pub struct Ami {
    settings: link::Settings,
    link: Option<Link>,
    inbox: mpsc::Sender<(u64, FromLink)>,
}

impl Ami {
    /// Not connected; input comes on the receiver.
    pub fn new(config: &config::Ami) -> Result<(Ami, SessionConfig, FromLinks), AmiError> {
        let secret = plain_file::read_text(&config.secret_file, KEY_LEN_MAX)?;
        let value = |field| move |source| AmiError::Value { field, source };
        let username = DialToken::parse(&config.username).map_err(value("ami.username"))?;
        let secret = Secret::parse(secret.trim_end()).map_err(value("ami.secret_file"))?;
        let auth = match config.login {
            AmiLogin::Md5 => Auth::Md5,
            AmiLogin::Plain => Auth::Plain,
        };
        let session = SessionConfig {
            auth,
            ..SessionConfig::new(username, secret)
        };
        let tls = config.tls.as_ref().map(tls::connector).transpose()?;
        let (inbox, receiver) = mpsc::channel(link::PIECES_MAX);
        let ami = Ami {
            settings: link::Settings {
                address: config.address,
                tls,
            },
            link: None,
            inbox,
        };
        Ok((ami, session, receiver))
    }

    /// Opens a connection, whose input comes under this number.
    pub fn connect(&mut self, number: u64) {
        let (settings, inbox) = (self.settings.clone(), self.inbox.clone());
        self.link = Some(Link::open(settings, number, inbox));
    }

    /// Closes the connection.
    pub fn disconnect(&mut self) {
        self.link = None;
    }

    /// Writes. False when the connection is gone, or its peer has stopped reading.
    pub fn write(&mut self, bytes: Vec<u8>) -> bool {
        self.link.as_ref().is_some_and(|link| link.write(bytes))
    }
}
