use std::time::Duration;

use crate::value::{DialToken, Secret};
use crate::wire::Limits;

/// Configuration of a session: login, waits and bounds.
#[derive(Debug, Clone)]
pub struct Config {
    /// Account name, a section of manager.conf.
    pub username: DialToken,
    /// Its secret.
    pub secret: Secret,
    /// Form of authentication.
    pub auth: Auth,
    /// Bounds of the decoder's memory.
    pub limits: Limits,
    /// Waits.
    pub timers: Timers,
    /// Pauses between connection attempts.
    pub backoff: Backoff,
    /// Largest number of events held for [`super::Session::poll_output`]. When full, events are
    /// dropped, and a resync follows the drain.
    pub queue_events_max: usize,
    /// Largest number of pending actions. Further ones are refused.
    pub actions_max: usize,
    /// Largest number of rows in a list. A longer one is an error of its action.
    pub list_rows_max: usize,
}

/// Form of authentication.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Auth {
    /// Challenge and MD5. Hides only the secret; loopback or TLS protects the session.
    Md5,
    /// The secret itself, for TLS.
    Plain,
}

/// Waits of a session.
#[derive(Debug, Clone, Copy)]
pub struct Timers {
    /// From an open transport to an accepted login.
    pub login_max: Duration,
    /// From an accepted login to `FullyBooted`. Accounts without system events never receive it, so
    /// the session continues without it after this time.
    pub booted_max: Duration,
    /// From an action to its answer, lists included.
    pub action_max: Duration,
    /// Between two heartbeats.
    pub ping_every: Duration,
    /// From a heartbeat to its answer; then the connection is closed.
    pub ping_max: Duration,
    /// Between two periodic resyncs, which repair undetected losses; `None` for none.
    pub resync_every: Option<Duration>,
    /// From a resync that failed to the next.
    pub resync_retry: Duration,
}

/// Pauses between connection attempts: doubled each time, half of each at random.
#[derive(Debug, Clone, Copy)]
pub struct Backoff {
    /// The first pause.
    pub first: Duration,
    /// The longest pause, also after a refused login. A connection of this length resets it.
    pub max: Duration,
}

/// A random number for one pause, drawn by the caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Jitter(pub u16);

impl Config {
    /// Returns the defaults for an account.
    pub fn new(username: DialToken, secret: Secret) -> Self {
        Config {
            username,
            secret,
            auth: Auth::Md5,
            limits: Limits::default(),
            timers: Timers::default(),
            backoff: Backoff::default(),
            queue_events_max: 16 * 1024,
            actions_max: 1024,
            list_rows_max: 20_000,
        }
    }
}

impl Default for Timers {
    fn default() -> Self {
        Timers {
            login_max: Duration::from_secs(5),
            booted_max: Duration::from_secs(10),
            action_max: Duration::from_secs(10),
            ping_every: Duration::from_secs(2),
            ping_max: Duration::from_secs(4),
            resync_every: Some(Duration::from_secs(5)),
            resync_retry: Duration::from_secs(1),
        }
    }
}

impl Default for Backoff {
    fn default() -> Self {
        Backoff {
            first: Duration::from_millis(200),
            max: Duration::from_secs(10),
        }
    }
}

impl Backoff {
    /// Returns the pause before an attempt, from 0: between half of the doubled pause and all.
    pub fn pause(&self, attempt: u32, jitter: Jitter) -> Duration {
        let doubled = self
            .first
            .saturating_mul(1u32.checked_shl(attempt).unwrap_or(u32::MAX));
        let full = doubled.min(self.max);
        full / 2 + full.mul_f64(f64::from(jitter.0) / f64::from(u16::MAX) / 2.0)
    }
}
