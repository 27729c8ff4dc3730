use crate::action::{ActionId, EncodeError};
use crate::event::Event;
use crate::model::Snapshot;
use crate::wire::{DecodeError, Message, SkipReason, Text};

/// An instruction or report of a session.
#[derive(Debug, PartialEq)]
pub enum Output {
    /// Open the transport, then call `handle_connected`, or `handle_closed` if that fails.
    Connect,
    /// Drop the transport, then call `handle_closed`.
    Close,
    /// Logged in. A resync begins at once; actions are accepted.
    Up(Up),
    /// The connection or the attempt ended. Every pending action was [`Outcome::Lost`].
    Down(DownReason),
    /// Events may have been missed. A resync follows.
    Gap(GapReason),
    /// Outputs after this are at least as new as the next [`Output::Snapshot`].
    ResyncStarted,
    /// All channels and rooms, after each login, gap and period.
    Snapshot(Box<Snapshot>),
    /// A resync failed and will be repeated.
    ResyncFailed(ResyncError),
    /// An event.
    Event(Event),
    /// The answer to an action.
    Answer {
        /// The id returned by [`super::Session::submit`].
        id: ActionId,
        /// The result.
        outcome: Outcome,
    },
}

/// A successful login.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Up {
    /// AMI version of the banner: `11.0.0` for Asterisk 22, `5.0.4` for 16.
    pub version: Text,
    /// Seconds since Asterisk started, if reported.
    pub uptime_s: Option<u64>,
    /// True if Asterisk restarted since the last connection, which ended its calls.
    pub restarted: bool,
}

/// Reasons why a connection ended.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DownReason {
    /// The transport was closed or did not open.
    #[error("the transport was closed")]
    PeerClosed,
    /// The first line is not Asterisk's banner.
    #[error("the peer is no Asterisk manager: {0}")]
    NotAmi(Text),
    /// No login within [`super::Timers::login_max`].
    #[error("no login in time")]
    LoginTimeout,
    /// Asterisk refused the account or its secret.
    #[error("login refused: {0}")]
    LoginRefused(Text),
    /// The login cannot be encoded.
    #[error("login cannot be sent")]
    LoginUnsendable(#[source] EncodeError),
    /// No answer to a heartbeat within [`super::Timers::ping_max`].
    #[error("no heartbeat")]
    HeartbeatLost,
    /// The byte stream cannot be decoded.
    #[error("unreadable stream")]
    Stream(#[source] DecodeError),
    /// Asterisk announced its shutdown.
    #[error("Asterisk shuts down")]
    Shutdown,
}

impl DownReason {
    /// Returns whether a prompt retry would end the same way.
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

/// Reasons why events may have been missed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GapReason {
    /// A message over a limit was skipped.
    Skipped(SkipReason),
    /// The session's queue was full.
    QueueFull,
}

/// The result of an action.
#[derive(Debug, Clone, PartialEq)]
pub enum Outcome {
    /// Done. [`crate::Action::Originate`] has [`Outcome::Queued`] instead.
    Success(Message),
    /// An `Originate` was accepted; an event will report the result.
    Queued,
    /// A whole list, without its first and last message.
    List(Vec<Message>),
    /// Refused, with Asterisk's text.
    Error(Text),
    /// A list of more than [`super::Config::list_rows_max`] rows.
    ListTooLong,
    /// No answer in time. The action may have been done.
    TimedOut,
    /// The connection ended before the answer. The action may have been done; it is never repeated.
    Lost,
}

/// Reasons why a resync failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{action} failed: {why}")]
pub struct ResyncError {
    /// The action.
    pub action: &'static str,
    /// Asterisk's text or this crate's.
    pub why: Text,
}

/// Reasons why an action is not accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SubmitError {
    /// Not logged in.
    #[error("not connected to Asterisk")]
    NotUp,
    /// [`super::Config::actions_max`] are pending.
    #[error("too many actions under way")]
    Busy,
    /// The action breaks a limit of Asterisk.
    #[error("the action cannot be sent")]
    Encode(#[from] EncodeError),
    /// Only the session logs in and off.
    #[error("the action belongs to the session")]
    Reserved,
}

/// Counters since the session's creation.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Stats {
    /// Messages skipped over a limit or because of lost bytes.
    pub skipped: u64,
    /// Known events that could not be parsed.
    pub malformed: u64,
    /// Events dropped because the queue was full.
    pub dropped: u64,
}
