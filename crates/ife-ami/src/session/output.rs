use crate::action::{ActionId, EncodeError};
use crate::event::Event;
use crate::model::Snapshot;
use crate::wire::{DecodeError, Message, SkipReason, Text};

/// What a session wants done or known, in order.
#[derive(Debug, PartialEq)]
pub enum Output {
    /// Open the transport, then call `handle_connected`, or `handle_closed` if that fails.
    Connect,
    /// Drop the transport, then call `handle_closed`.
    Close,
    /// Logged in. A resync begins at once; actions are accepted.
    Up(Up),
    /// The connection or the attempt is over. Every action under way has been answered with [`Outcome::Lost`].
    Down(DownReason),
    /// Something may have been missed. A resync follows.
    Gap(GapReason),
    /// What comes after this is at least as new as the coming [`Output::Snapshot`].
    ResyncStarted,
    /// All channels and rooms, after each login, gap and period.
    Snapshot(Box<Snapshot>),
    /// A resync could not be done and will be tried again.
    ResyncFailed(ResyncError),
    /// An event.
    Event(Event),
    /// The answer to an action.
    Answer {
        /// As [`super::Session::submit`] returned it.
        id: ActionId,
        /// What became of it.
        outcome: Outcome,
    },
}

/// A login that succeeded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Up {
    /// AMI version of the banner: `11.0.0` for Asterisk 22, `5.0.4` for 16.
    pub version: Text,
    /// Seconds since Asterisk started, where it says so.
    pub uptime_s: Option<u64>,
    /// True when Asterisk has started since the last connection of this session, so that none of its calls lives on.
    pub restarted: bool,
}

/// Why a connection ended.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DownReason {
    /// The transport was closed, or did not open.
    #[error("the transport was closed")]
    PeerClosed,
    /// The first line is not Asterisk's.
    #[error("the peer is no Asterisk manager: {0}")]
    NotAmi(Text),
    /// No login within [`super::Timers::login_max`].
    #[error("no login in time")]
    LoginTimeout,
    /// The account or its secret was refused.
    #[error("login refused: {0}")]
    LoginRefused(Text),
    /// The login could not be written.
    #[error("login cannot be sent")]
    LoginUnsendable(#[source] EncodeError),
    /// No answer to a heartbeat within [`super::Timers::ping_max`].
    #[error("no heartbeat")]
    HeartbeatLost,
    /// The byte stream cannot be followed.
    #[error("unreadable stream")]
    Stream(#[source] DecodeError),
    /// Asterisk said that it stops.
    #[error("Asterisk shuts down")]
    Shutdown,
}

impl DownReason {
    /// Whether trying again soon would end the same way.
    pub(super) fn is_refusal(&self) -> bool {
        match self {
            DownReason::LoginRefused(_) | DownReason::NotAmi(_) => true,
            DownReason::PeerClosed
            | DownReason::LoginTimeout
            | DownReason::LoginUnsendable(_)
            | DownReason::HeartbeatLost
            | DownReason::Stream(_)
            | DownReason::Shutdown => false,
        }
    }
}

/// Why something may have been missed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GapReason {
    /// A message broke a limit and was left out.
    Skipped(SkipReason),
    /// The queue of this session was full.
    QueueFull,
}

/// What became of an action.
#[derive(Debug, Clone, PartialEq)]
pub enum Outcome {
    /// Done. For [`crate::Action::Originate`] see [`Outcome::Queued`].
    Success(Message),
    /// An `Originate` was accepted, nothing more: the result is an event.
    Queued,
    /// A whole list, without its first and last message.
    List(Vec<Message>),
    /// Refused, with Asterisk's words.
    Error(Text),
    /// A list of more than [`super::Config::list_rows_max`] rows.
    ListTooLong,
    /// No answer in time. It may have been done.
    TimedOut,
    /// The connection went away before the answer. It may have been done. It is never sent again.
    Lost,
}

/// Why a resync failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{action} failed: {why}")]
pub struct ResyncError {
    /// The action.
    pub action: &'static str,
    /// Asterisk's words, or ours.
    pub why: Text,
}

/// Why an action was not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SubmitError {
    /// Not logged in.
    #[error("not connected to Asterisk")]
    NotUp,
    /// [`super::Config::actions_max`] are under way.
    #[error("too many actions under way")]
    Busy,
    /// It breaks a limit of Asterisk.
    #[error("the action cannot be sent")]
    Encode(#[from] EncodeError),
    /// Login and logoff are the session's own.
    #[error("the action belongs to the session")]
    Reserved,
}

/// Counters since the session was made.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Stats {
    /// Bytes read.
    pub bytes: u64,
    /// Messages decoded.
    pub messages: u64,
    /// Messages left out because they broke a limit, or bytes were lost.
    pub skipped: u64,
    /// Events of no type of ours.
    pub unknown: u64,
    /// Known events that could not be read.
    pub malformed: u64,
    /// Events dropped because the queue was full.
    pub dropped: u64,
    /// Logins.
    pub logins: u64,
}
