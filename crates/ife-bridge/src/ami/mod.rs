//! The AMI connection's shell: a task that connects and reads, a task that writes, and the session between them and the engine.

mod link;
mod tls;

use std::{path::PathBuf, time::Instant};

use ife_ami::{
    Action, ActionId, Config as SessionConfig, Jitter, Output, Session,
    session::{Auth, SubmitError},
    value::{DialToken, Secret, ValueError},
};
use thiserror::Error;
use tokio::sync::mpsc;
use tracing::warn;

pub use link::FromLink;
use link::Link;

use crate::{
    config::{self, AmiLogin},
    plain_file::{self, KEY_LEN_MAX},
};

/// Why AMI cannot be spoken to as configured.
#[derive(Debug, Error)]
pub enum AmiError {
    /// A file cannot be read.
    #[error("{path}: {source}")]
    Read {
        /// Which.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
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

/// The session and, while there is one, its connection.
#[derive(Debug)]
pub struct Ami {
    session: Session,
    settings: link::Settings,
    link: Option<Link>,
    /// Which connection; what an earlier one still has to say is not listened to.
    generation: u64,
    inbox: mpsc::Sender<(u64, FromLink)>,
    /// What kept the last attempts from succeeding, told once.
    told: Option<String>,
}

impl Ami {
    /// Not connected; what comes in is told on the receiver.
    pub fn new(
        config: &config::Ami,
        now: Instant,
    ) -> Result<(Ami, mpsc::Receiver<(u64, FromLink)>), AmiError> {
        let secret = plain_file::read_text(&config.secret_file, KEY_LEN_MAX);
        let secret = secret.map_err(|source| AmiError::Read {
            path: config.secret_file.clone(),
            source,
        })?;
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
            session: Session::new(session, now),
            settings: link::Settings {
                address: config.address,
                tls,
            },
            link: None,
            generation: 0,
            inbox,
            told: None,
        };
        Ok((ami, receiver))
    }

    /// Whether orders can be given.
    pub fn is_up(&self) -> bool {
        self.session.is_up()
    }

    /// Events that were dropped because nobody took them in time.
    pub fn dropped(&self) -> u64 {
        self.session.stats().dropped
    }

    /// When [`Ami::on_time`] is due.
    pub fn next_due(&self) -> Option<Instant> {
        self.session.poll_timeout()
    }

    /// Time has passed.
    pub fn on_time(&mut self, now: Instant) {
        self.session.handle_timeout(now);
    }

    /// Asks for an action; its answer comes as an output under the id.
    pub fn submit(&mut self, action: &Action) -> Result<ActionId, SubmitError> {
        let id = self.session.submit(Instant::now(), action)?;
        self.transmit();
        Ok(id)
    }

    /// Takes in what the connection said.
    pub fn on_link(&mut self, generation: u64, said: FromLink) {
        let now = Instant::now();
        if generation != self.generation {
            return;
        }
        match said {
            FromLink::Opened => {
                self.told = None;
                self.session.handle_connected(now);
            }
            FromLink::Bytes(bytes) => self.session.handle_bytes(now, &bytes),
            FromLink::LostBytes => self.session.handle_lost_bytes(now),
            FromLink::Closed(error) => {
                self.tell(error);
                self.drop_link(now);
            }
        }
    }

    /// The next thing that the session has to say; connections are opened and closed here.
    pub fn poll_output(&mut self) -> Option<Output> {
        loop {
            self.transmit();
            let output = self.session.poll_output()?;
            match output {
                Output::Connect => {
                    self.generation += 1;
                    self.link = Some(Link::open(
                        self.settings.clone(),
                        self.generation,
                        self.inbox.clone(),
                    ));
                }
                Output::Close => self.drop_link(Instant::now()),
                Output::Up(_)
                | Output::Down(_)
                | Output::Gap(_)
                | Output::ResyncStarted
                | Output::Snapshot(_)
                | Output::ResyncFailed(_)
                | Output::Event(_)
                | Output::Answer { .. } => return Some(output),
            }
        }
    }

    fn transmit(&mut self) {
        if let Some(bytes) = self.session.poll_transmit() {
            let taken = self.link.as_ref().is_some_and(|link| link.write(bytes));
            if !taken && self.link.is_some() {
                // Asterisk does not read: what was asked may or may not be done, and the session says so.
                self.drop_link(Instant::now());
            }
        }
    }

    /// A connection that fails again and again for one reason is one line in the log.
    fn tell(&mut self, error: Option<std::io::Error>) {
        let Some(error) = error.map(|error| error.to_string()) else {
            return;
        };
        if self.told.as_deref() != Some(error.as_str()) {
            warn!(address = %self.settings.address, "AMI: {error}");
            self.told = Some(error);
        }
    }

    fn drop_link(&mut self, now: Instant) {
        self.link = None;
        self.generation += 1;
        self.session.handle_closed(now, jitter());
    }
}

fn jitter() -> Jitter {
    let mut bytes = [0; 2];
    // Without randomness all bridges pause alike, which is a nuisance and no fault.
    let _ = getrandom::fill(&mut bytes);
    Jitter(u16::from_ne_bytes(bytes))
}
