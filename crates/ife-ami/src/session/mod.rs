//! The session: connection, login, heartbeat, actions, lists, resync.

mod config;
mod login;
mod output;
mod pending;
mod resync;

use std::collections::VecDeque;
use std::time::Instant;

pub use config::{Auth, Backoff, Config, Jitter, Timers};
pub use output::{DownReason, GapReason, Outcome, Output, ResyncError, Stats, SubmitError, Up};

use crate::action::{Action, ActionId};
use crate::event::Event;
use crate::wire::{Decoder, Frame, Kind, MessageRef, SkipReason, Text, parse_u64};
use pending::{Done, Owner, Pending};
use resync::Resync;

/// Pieces in which input is decoded, so that one large read does not grow the buffer.
const PIECE_BYTES: usize = 64 * 1024;

/// A manager session that reconnects indefinitely. It has no I/O and no clock.
///
/// Methods are of these kinds, as in quinn-proto:
/// - `handle_*` report events: the transport opened, closed or read bytes, or a deadline passed;
/// - [`Session::submit`] sends an action;
/// - `poll_*` return bytes to write, outputs in order, the next deadline. Drain `poll_transmit` and
///   `poll_output` after every `handle_*` and `submit`, then arm a timer for `poll_timeout`.
///
/// ```text
/// Connecting -> Banner -> LoggingIn -> Booting -> Up
///     ^            |          |           |        |
///     |            +----------+-----------+--------+--> Closing --handle_closed--> Waiting
///     +------------------------------- the pause is over -----------------------------+
/// ```
///
/// The caller provides the transport, TLS included. Asterisk drops a session with about 3,000
/// unread events: one task reads into a bounded queue. If it overflows, call
/// [`Session::handle_lost_bytes`].
#[derive(Debug)]
pub struct Session {
    config: Config,
    phase: Phase,
    decoder: Decoder,
    pending: Pending,
    resync: Option<Resync>,
    /// Time of the next resync, `None` if none is planned.
    resync_at: Option<Instant>,
    next_ping: Instant,
    next_id: u64,
    /// Failed attempts in a row.
    attempt: u32,
    version: Text,
    /// Time of the login; Asterisk's uptime is measured later.
    login_at: Instant,
    /// Latest start time of Asterisk according to the last login.
    booted_at: Option<Instant>,
    transmit: Vec<u8>,
    outputs: VecDeque<Output>,
    events_queued: usize,
    overflowed: bool,
    /// Asterisk has announced its shutdown.
    shutting_down: bool,
    clock: Instant,
    stats: Stats,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Phase {
    Connecting,
    Banner { deadline: Instant },
    LoggingIn { deadline: Instant },
    Booting { deadline: Instant },
    Up { since: Instant },
    Closing { refused: bool },
    Waiting { until: Instant },
}

impl Session {
    /// Creates a session that connects at once.
    pub fn new(config: Config, now: Instant) -> Self {
        let mut session = Session {
            decoder: Decoder::new(config.limits),
            config,
            phase: Phase::Connecting,
            pending: Pending::default(),
            resync: None,
            resync_at: None,
            next_ping: now,
            next_id: 1,
            attempt: 0,
            version: Text::default(),
            login_at: now,
            booted_at: None,
            transmit: Vec::new(),
            outputs: VecDeque::new(),
            events_queued: 0,
            overflowed: false,
            shutting_down: false,
            clock: now,
            stats: Stats::default(),
        };
        session.outputs.push_back(Output::Connect);
        session
    }

    /// Returns whether actions are accepted.
    pub fn is_up(&self) -> bool {
        match self.phase {
            Phase::Up { .. } => true,
            Phase::Connecting
            | Phase::Banner { .. }
            | Phase::LoggingIn { .. }
            | Phase::Booting { .. }
            | Phase::Closing { .. }
            | Phase::Waiting { .. } => false,
        }
    }

    /// Returns the counters.
    pub fn stats(&self) -> Stats {
        self.stats
    }

    /// Returns all bytes to write.
    pub fn poll_transmit(&mut self) -> Option<Vec<u8>> {
        if self.transmit.is_empty() {
            None
        } else {
            Some(std::mem::take(&mut self.transmit))
        }
    }

    /// Returns the next output.
    pub fn poll_output(&mut self) -> Option<Output> {
        let output = self.outputs.pop_front()?;
        if matches!(output, Output::Event(_)) {
            self.events_queued -= 1;
        }
        if self.overflowed && self.events_queued <= self.config.queue_events_max / 2 {
            self.overflowed = false;
            self.gap(GapReason::QueueFull);
        }
        Some(output)
    }

    /// Returns the deadline for [`Session::handle_timeout`]. It may have passed.
    pub fn poll_timeout(&self) -> Option<Instant> {
        let phase = match self.phase {
            Phase::Connecting | Phase::Closing { .. } => return None,
            Phase::Waiting { until } => return Some(until),
            Phase::Banner { deadline }
            | Phase::LoggingIn { deadline }
            | Phase::Booting { deadline } => Some(deadline),
            Phase::Up { .. } => [Some(self.next_ping), self.resync_due()]
                .into_iter()
                .flatten()
                .min(),
        };
        [phase, self.pending.next_deadline()]
            .into_iter()
            .flatten()
            .min()
    }

    /// Sends an action. [`Output::Answer`] with the returned id always follows.
    ///
    /// # Errors
    /// Not logged in, too many pending actions, or a limit of Asterisk.
    pub fn submit(&mut self, now: Instant, action: &Action) -> Result<ActionId, SubmitError> {
        self.clock = now;
        if action.belongs_to_session() {
            Err(SubmitError::Reserved)
        } else if !self.is_up() {
            Err(SubmitError::NotUp)
        } else if self.pending.len() >= self.config.actions_max {
            Err(SubmitError::Busy)
        } else {
            Ok(self.send(action, Owner::User)?)
        }
    }

    /// Reports that the transport is open.
    pub fn handle_connected(&mut self, now: Instant) {
        self.clock = now;
        if self.phase == Phase::Connecting {
            self.decoder = Decoder::new(self.config.limits);
            self.transmit.clear();
            self.shutting_down = false;
            self.phase = Phase::Banner {
                deadline: now + self.config.timers.login_max,
            };
        }
    }

    /// Reports that the transport is closed or could not be opened. `jitter` is new for each call.
    pub fn handle_closed(&mut self, now: Instant, jitter: Jitter) {
        self.clock = now;
        let refused = match self.phase {
            Phase::Waiting { .. } => return,
            Phase::Closing { refused } => refused,
            Phase::Connecting
            | Phase::Banner { .. }
            | Phase::LoggingIn { .. }
            | Phase::Booting { .. }
            | Phase::Up { .. } => {
                self.down(if self.shutting_down {
                    DownReason::Shutdown
                } else {
                    DownReason::PeerClosed
                });
                false
            }
        };
        let attempt = if refused { u32::MAX } else { self.attempt };
        self.attempt = self.attempt.saturating_add(1);
        self.phase = Phase::Waiting {
            until: now + self.config.backoff.pause(attempt, jitter),
        };
    }

    /// Reports bytes read.
    pub fn handle_bytes(&mut self, now: Instant, bytes: &[u8]) {
        self.clock = now;
        // The decoder is moved out while its frames are borrowed.
        let mut decoder = std::mem::replace(&mut self.decoder, Decoder::new(self.config.limits));
        for piece in bytes.chunks(PIECE_BYTES) {
            if !self.is_connected() {
                break;
            }
            decoder.push(piece);
            while self.is_connected() {
                match decoder.next_frame() {
                    Ok(Some(frame)) => self.frame(frame),
                    Ok(None) => break,
                    Err(error) => self.close(DownReason::Stream(error)),
                }
            }
        }
        self.decoder = decoder;
        self.begin_resync_if_due();
    }

    /// Reports bytes read but lost. The decoder skips to the next empty line, and a resync follows.
    pub fn handle_lost_bytes(&mut self, now: Instant) {
        self.clock = now;
        self.decoder.lose_sync();
        match self.phase {
            Phase::Up { .. } => self.gap(GapReason::Skipped(SkipReason::LostBytes)),
            // A login without its answer cannot succeed; its deadline ends it.
            Phase::Connecting
            | Phase::Banner { .. }
            | Phase::LoggingIn { .. }
            | Phase::Booting { .. }
            | Phase::Closing { .. }
            | Phase::Waiting { .. } => {}
        }
        self.begin_resync_if_due();
    }

    /// Reports that time has passed. Harmless if nothing is due.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.clock = now;
        match self.phase {
            Phase::Connecting | Phase::Closing { .. } => return,
            Phase::Waiting { until } => {
                if until <= now {
                    self.phase = Phase::Connecting;
                    self.outputs.push_back(Output::Connect);
                }
                return;
            }
            Phase::Banner { deadline } | Phase::LoggingIn { deadline } => {
                if deadline <= now {
                    return self.close(DownReason::LoginTimeout);
                }
            }
            Phase::Booting { deadline } => {
                if deadline <= now {
                    self.enter_up(None);
                }
            }
            Phase::Up { since } => {
                if now.saturating_duration_since(since) >= self.config.backoff.max {
                    self.attempt = 0;
                }
            }
        }
        while let Some(done) = self.pending.expire(now) {
            self.done(done);
        }
        self.ping_if_due();
        self.begin_resync_if_due();
    }

    fn is_connected(&self) -> bool {
        match self.phase {
            Phase::Banner { .. }
            | Phase::LoggingIn { .. }
            | Phase::Booting { .. }
            | Phase::Up { .. } => true,
            Phase::Connecting | Phase::Closing { .. } | Phase::Waiting { .. } => false,
        }
    }

    fn frame(&mut self, frame: Frame<'_>) {
        match frame {
            Frame::Banner(line) => self.banner(line),
            Frame::Message(message) => match message.kind() {
                Kind::Event(name) => self.event(name, message),
                Kind::Response(status) => {
                    if let Some(done) = self.pending.response(status, message) {
                        self.done(done);
                    }
                }
                Kind::Other => self.stats.malformed += 1,
            },
            Frame::Skipped { reason, .. } => {
                self.stats.skipped += 1;
                // Lost bytes were reported when they were lost.
                if reason != SkipReason::LostBytes {
                    self.gap(GapReason::Skipped(reason));
                }
            }
        }
    }

    fn event(&mut self, name: &[u8], message: MessageRef<'_>) {
        if let Ok(done) = self.pending.row(message, self.config.list_rows_max) {
            if let Some(done) = done {
                self.done(done);
            }
            return;
        }
        match name {
            b"FullyBooted" => self.booted(message.first("Uptime").and_then(parse_u64)),
            b"Shutdown" => self.shutting_down = true,
            _ => match Event::parse(name, message) {
                Ok(Some(event)) => self.queue_event(event),
                Ok(None) => {}
                Err(_) => self.stats.malformed += 1,
            },
        }
    }

    fn queue_event(&mut self, event: Event) {
        if self.overflowed || self.events_queued >= self.config.queue_events_max {
            self.overflowed = true;
            self.stats.dropped += 1;
        } else {
            self.events_queued += 1;
            self.outputs.push_back(Output::Event(event));
        }
    }

    fn done(&mut self, done: Done) {
        match done.owner {
            Owner::User => self.outputs.push_back(Output::Answer {
                id: done.id,
                outcome: done.outcome,
            }),
            Owner::Login => self.login_answer(done.outcome),
            Owner::Resync => self.resync_answer(done.id, done.outcome),
            Owner::Ping => match done.outcome {
                Outcome::TimedOut => self.close(DownReason::HeartbeatLost),
                // An error is an answer too.
                Outcome::Success(_)
                | Outcome::Error(_)
                | Outcome::Queued
                | Outcome::List(_)
                | Outcome::ListTooLong
                | Outcome::Lost => {}
            },
        }
    }

    fn send(
        &mut self,
        action: &Action,
        owner: Owner,
    ) -> Result<ActionId, crate::action::EncodeError> {
        let id = ActionId(self.next_id);
        action.encode(&id, &mut self.transmit)?;
        self.next_id += 1;
        let timers = &self.config.timers;
        let wait = match owner {
            Owner::Ping => timers.ping_max,
            Owner::Login => timers.login_max,
            Owner::User | Owner::Resync => timers.action_max,
        };
        self.pending.insert(id, action, owner, self.clock, wait);
        Ok(id)
    }

    fn ping_if_due(&mut self) {
        if self.is_up() && self.next_ping <= self.clock {
            self.next_ping = self.clock + self.config.timers.ping_every;
            // A ping has no value that could fail to encode.
            let _ = self.send(&Action::Ping, Owner::Ping);
        }
    }
}
