//! Login, from the banner to a session that is up, and loss of the connection.

use std::time::{Duration, Instant};

use ife_words::hex;
use md5::{Digest, Md5};

use super::output::{DownReason, Outcome, Output, Up};
use super::pending::Owner;
use super::{Auth, Phase, Session};
use crate::action::Action;
use crate::value::DialToken;
use crate::wire::{Message, Text};

const BANNER: &[u8] = b"Asterisk Call Manager/";

/// Tolerance between two reported start times of the same Asterisk, for clock steps.
const CLOCK_STEP_MAX: Duration = Duration::from_secs(1);

impl Session {
    pub(super) fn banner(&mut self, line: &[u8]) {
        let Some(version) = line.strip_prefix(BANNER) else {
            return self.close(DownReason::NotAmi(Text::from(line)));
        };
        self.version = Text::from(version);
        self.login_at = self.clock;
        self.phase = Phase::LoggingIn {
            deadline: self.clock + self.config.timers.login_max,
        };
        let action = match self.config.auth {
            Auth::Md5 => Action::Challenge,
            Auth::Plain => Action::LoginPlain {
                username: self.config.username.clone(),
                secret: self.config.secret.clone(),
            },
        };
        self.send_login(&action);
    }

    fn send_login(&mut self, action: &Action) {
        if let Err(error) = self.send(action, Owner::Login) {
            self.close(DownReason::LoginUnsendable(error));
        }
    }

    pub(super) fn login_answer(&mut self, outcome: Outcome) {
        let refused = |words| DownReason::LoginRefused(words);
        match outcome {
            Outcome::Success(message) => self.login_step(&message),
            Outcome::Error(words) => self.close(refused(words)),
            Outcome::TimedOut => self.close(DownReason::LoginTimeout),
            Outcome::Queued | Outcome::List(_) | Outcome::ListTooLong => {
                self.close(refused(Text::from("unexpected answer")));
            }
            Outcome::Lost => {}
        }
    }

    /// The answer to a challenge has `Challenge:`, the answer to a login does not.
    fn login_step(&mut self, message: &Message) {
        let Some(challenge) = message.view().first("Challenge") else {
            self.phase = Phase::Booting {
                deadline: self.clock + self.config.timers.booted_max,
            };
            return;
        };
        match DialToken::parse(response_key(challenge, self.config.secret.reveal())) {
            Ok(key) => self.send_login(&Action::LoginMd5 {
                username: self.config.username.clone(),
                key,
            }),
            // 32 hex digits are in the alphabet.
            Err(_) => self.close(DownReason::LoginRefused(Text::from("no key"))),
        }
    }

    pub(super) fn booted(&mut self, uptime_s: Option<u64>) {
        match self.phase {
            Phase::Booting { .. } => self.enter_up(uptime_s),
            Phase::Connecting
            | Phase::Banner { .. }
            | Phase::LoggingIn { .. }
            | Phase::Up { .. }
            | Phase::Closing { .. }
            | Phase::Waiting { .. } => {}
        }
    }

    pub(super) fn enter_up(&mut self, uptime_s: Option<u64>) {
        let now = self.clock;
        let started = uptime_s.and_then(|uptime_s| self.started(uptime_s));
        let restarted = started
            .zip(self.booted_at)
            .is_some_and(|((earliest, _), before)| earliest > before + CLOCK_STEP_MAX);
        self.booted_at = started.map(|(_, latest)| latest).or(self.booted_at);
        self.phase = Phase::Up { since: now };
        self.next_ping = now + self.config.timers.ping_every;
        self.resync_at = Some(now);
        self.outputs.push_back(Output::Up(Up {
            version: self.version.clone(),
            uptime_s,
            restarted,
        }));
        self.begin_resync_if_due();
    }

    /// Returns the earliest and latest start time of Asterisk. Its uptime is in whole seconds and
    /// was measured between login and now, so two reports of one start overlap.
    fn started(&self, uptime_s: u64) -> Option<(Instant, Instant)> {
        let uptime = Duration::from_secs(uptime_s);
        let latest = self.clock.checked_sub(uptime)?;
        let earliest = self.login_at.checked_sub(uptime + Duration::from_secs(1))?;
        Some((earliest, latest))
    }

    /// Closes the connection and requests the same of the caller.
    pub(super) fn close(&mut self, reason: DownReason) {
        if !self.is_connected() {
            return;
        }
        let refused = reason.is_refusal();
        self.down(reason);
        self.phase = Phase::Closing { refused };
        self.outputs.push_back(Output::Close);
    }

    /// Answers every pending action and reports the reason. Nothing is kept for the next
    /// connection: an action that may have been done is never sent twice.
    pub(super) fn down(&mut self, reason: DownReason) {
        while let Some(lost) = self.pending.pop_lost() {
            if lost.owner == Owner::User {
                self.outputs.push_back(Output::Answer {
                    id: lost.id,
                    outcome: Outcome::Lost,
                });
            }
        }
        self.resync = None;
        self.resync_at = None;
        self.transmit.clear();
        self.overflowed = false;
        self.outputs.push_back(Output::Down(reason));
    }
}

fn response_key(challenge: &[u8], secret: &str) -> String {
    let digest = Md5::new()
        .chain_update(challenge)
        .chain_update(secret.as_bytes())
        .finalize();
    hex::text(&digest)
}
