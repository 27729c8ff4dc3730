//! The AMI session, and which connection it lives on.

use std::time::Instant;

use ife_ami::{Action, ActionId, Config, Jitter, Output, Session, session::SubmitError};
use tracing::warn;

use crate::shell::Shell;

/// Input of a connection to Asterisk.
#[derive(Debug)]
pub enum FromLink {
    /// It is open.
    Opened,
    /// Input.
    Bytes(Box<[u8]>),
    /// Input was read and could not be kept.
    LostBytes,
    /// It is closed, or could not be opened, with the reason of the system or of TLS.
    Closed(Option<String>),
}

#[derive(Debug)]
pub(crate) struct Gateway {
    session: Session,
    /// Number of the connection; input of an earlier one is dropped.
    number: u64,
    is_linked: bool,
    /// The reason of the last failures, logged once.
    told: Option<String>,
}

impl Gateway {
    pub(crate) fn new(config: Config, now: Instant) -> Gateway {
        Gateway {
            session: Session::new(config, now),
            number: 0,
            is_linked: false,
            told: None,
        }
    }

    /// Whether actions are accepted.
    pub(crate) fn is_up(&self) -> bool {
        self.session.is_up()
    }

    /// Events that the session dropped.
    pub(crate) fn dropped(&self) -> u64 {
        self.session.stats().dropped
    }

    pub(crate) fn next_due(&self) -> Option<Instant> {
        self.session.poll_timeout()
    }

    pub(crate) fn on_time(&mut self, now: Instant) {
        if self.next_due().is_some_and(|due| due <= now) {
            self.session.handle_timeout(now);
        }
    }

    /// Sends an action; its answer comes as an output under the id.
    pub(crate) fn submit(
        &mut self,
        now: Instant,
        shell: &mut dyn Shell,
        action: &Action,
    ) -> Result<ActionId, SubmitError> {
        let id = self.session.submit(now, action)?;
        self.transmit(now, shell);
        Ok(id)
    }

    pub(crate) fn on_link(
        &mut self,
        now: Instant,
        shell: &mut dyn Shell,
        number: u64,
        said: FromLink,
    ) {
        if number != self.number {
            return;
        }
        match said {
            FromLink::Opened => {
                self.told = None;
                self.session.handle_connected(now);
            }
            FromLink::Bytes(bytes) => self.session.handle_bytes(now, &bytes),
            FromLink::LostBytes => self.session.handle_lost_bytes(now),
            FromLink::Closed(reason) => {
                if let Some(reason) = reason {
                    self.log(reason);
                }
                self.drop_link(now, shell);
            }
        }
    }

    /// The next output of the session; connections are opened and closed here.
    pub(crate) fn poll_output(&mut self, now: Instant, shell: &mut dyn Shell) -> Option<Output> {
        loop {
            self.transmit(now, shell);
            let output = self.session.poll_output()?;
            match output {
                Output::Connect => {
                    self.number += 1;
                    self.is_linked = true;
                    shell.connect(self.number);
                }
                Output::Close => self.drop_link(now, shell),
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

    fn transmit(&mut self, now: Instant, shell: &mut dyn Shell) {
        if let Some(bytes) = self.session.poll_transmit()
            && self.is_linked
            && !shell.write(bytes)
        {
            // Asterisk does not read: the session answers all that was asked as lost.
            self.drop_link(now, shell);
        }
    }

    /// Logs the failure of a connection, once for one reason.
    fn log(&mut self, reason: String) {
        if self.told.as_ref() != Some(&reason) {
            warn!("AMI: {reason}");
            self.told = Some(reason);
        }
    }

    fn drop_link(&mut self, now: Instant, shell: &mut dyn Shell) {
        shell.disconnect();
        self.is_linked = false;
        self.number += 1;
        let mut bytes = [0; 2];
        // Without randomness all bridges pause alike: a nuisance, and no fault.
        shell.random(&mut bytes);
        self.session
            .handle_closed(now, Jitter(u16::from_ne_bytes(bytes)));
    }
}
