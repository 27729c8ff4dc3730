//! A session with a simulated Asterisk.

use std::time::{Duration, Instant};

use ife_ami::session::Output;
use ife_ami::value::{DialToken, Secret};
use ife_ami::{Config, Jitter, Session};

/// A session, its clock, and all its outputs.
#[allow(dead_code)] // Each test file uses a part of it.
pub(crate) struct Peer {
    pub(crate) session: Session,
    pub(crate) now: Instant,
    pub(crate) outputs: Vec<Output>,
    pub(crate) written: String,
}

pub(crate) fn config() -> Config {
    let username = DialToken::parse("ife").expect("a token");
    let secret = Secret::parse("s3cret").expect("a secret");
    let mut config = Config::new(username, secret);
    config.timers.resync_every = None;
    config
}

impl Peer {
    pub(crate) fn new(config: Config) -> Self {
        let now = Instant::now();
        let session = Session::new(config, now);
        let mut peer = Peer {
            session,
            now,
            outputs: Vec::new(),
            written: String::new(),
        };
        peer.drain();
        peer
    }

    /// Returns a session that is logged in and in step with an Asterisk without channels and rooms.
    pub(crate) fn up() -> Self {
        Self::up_with(config())
    }

    pub(crate) fn up_with(config: Config) -> Self {
        let mut peer = Self::new(config);
        peer.log_in();
        peer.answer_resync("");
        peer.outputs.clear();
        peer
    }

    pub(crate) fn log_in(&mut self) {
        self.log_in_to(100);
    }

    /// Logs in to an Asterisk with this uptime.
    pub(crate) fn log_in_to(&mut self, uptime_s: u64) {
        self.session.handle_connected(self.now);
        self.give("Asterisk Call Manager/11.0.0\r\n");
        let id = self.last_id();
        self.give(&format!(
            "Response: Success\r\nActionID: {id}\r\nChallenge: 42\r\n\r\n"
        ));
        let id = self.last_id();
        self.give(&format!(
            "Response: Success\r\nActionID: {id}\r\nMessage: Authentication accepted\r\n\r\n"
        ));
        self.give(&format!(
            "Event: FullyBooted\r\nUptime: {uptime_s}\r\nStatus: Fully Booted\r\n\r\n"
        ));
    }

    /// Answers a resync with these channel rows and no rooms.
    pub(crate) fn answer_resync(&mut self, rows: &str) {
        let id = self.last_id();
        let rows = rows.replace("$ID", &id);
        self.give(&format!(
            "Response: Success\r\nActionID: {id}\r\nEventList: start\r\n\r\n{rows}"
        ));
        self.give(&format!(
            "Event: CoreShowChannelsComplete\r\nActionID: {id}\r\nEventList: Complete\r\n\r\n"
        ));
        let id = self.last_id();
        self.give(&format!(
            "Response: Error\r\nActionID: {id}\r\nMessage: No active conferences.\r\n\r\n"
        ));
    }

    pub(crate) fn give(&mut self, text: &str) {
        self.give_bytes(text.as_bytes());
    }

    pub(crate) fn give_bytes(&mut self, bytes: &[u8]) {
        self.session.handle_bytes(self.now, bytes);
        self.drain();
    }

    pub(crate) fn wait(&mut self, time: Duration) {
        self.now += time;
        self.session.handle_timeout(self.now);
        self.drain();
    }

    pub(crate) fn close(&mut self, jitter: u16) {
        self.session.handle_closed(self.now, Jitter(jitter));
        self.drain();
    }

    pub(crate) fn drain(&mut self) {
        while let Some(bytes) = self.session.poll_transmit() {
            self.written
                .push_str(std::str::from_utf8(&bytes).expect("what we write is text"));
        }
        self.outputs
            .extend(std::iter::from_fn(|| self.session.poll_output()));
    }

    /// Returns the id of the last action written.
    pub(crate) fn last_id(&self) -> String {
        let (_, id) = self
            .written
            .rsplit_once("ActionID: ")
            .expect("an action was written");
        id.lines().next().unwrap_or_default().to_owned()
    }

    /// Returns the last action written.
    pub(crate) fn last_action(&self) -> &str {
        let at = self
            .written
            .rfind("Action: ")
            .expect("an action was written");
        &self.written[at..]
    }
}
