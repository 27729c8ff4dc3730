use std::fmt;

use crate::action::ActionId;
use crate::value::{ChannelName, Uniqueid};
use crate::wire::Text;

/// A channel as described by an event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Channel {
    /// Its identity; nothing else identifies it.
    pub uniqueid: Uniqueid,
    /// Unique id of the oldest channel of the call.
    pub linkedid: Uniqueid,
    /// Its name, for actions that do not take a unique id.
    pub name: ChannelName,
    /// Its state.
    pub state: ChannelState,
    /// Number of the caller, set by the peer.
    pub caller_num: Text,
    /// Dialplan context.
    pub context: Text,
    /// Dialplan extension.
    pub exten: Text,
}

/// `ChannelState`, the numbers of `enum ast_channel_state`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ChannelState {
    /// 0: down and available.
    Down,
    /// 1: down, but reserved.
    Reserved,
    /// 2: off hook.
    OffHook,
    /// 3: digits have been dialled.
    Dialing,
    /// 4: the local side hears the far end ring.
    Ring,
    /// 5: the far end is ringing.
    Ringing,
    /// 6: answered.
    Up,
    /// 7: busy.
    Busy,
    /// Any other number, or none.
    Other,
}

impl ChannelState {
    pub(crate) fn from_number(number: u64) -> Self {
        match number {
            0 => ChannelState::Down,
            1 => ChannelState::Reserved,
            2 => ChannelState::OffHook,
            3 => ChannelState::Dialing,
            4 => ChannelState::Ring,
            5 => ChannelState::Ringing,
            6 => ChannelState::Up,
            7 => ChannelState::Busy,
            _ => ChannelState::Other,
        }
    }
}

/// `DialStatus` of `DialState` and `DialEnd`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum DialStatus {
    /// The far side rings.
    Ringing,
    /// The far side sends early media.
    Progress,
    /// Answered.
    Answer,
    /// Busy.
    Busy,
    /// The caller cancelled, or another branch answered.
    Cancel,
    /// No resources, or rejected: the cause of `Hangup` says which.
    Congestion,
    /// The channel is unavailable.
    ChanUnavail,
    /// No answer in time.
    NoAnswer,
    /// Any other word.
    Other,
}

impl DialStatus {
    pub(crate) fn from_word(word: &[u8]) -> Self {
        match word {
            b"RINGING" => DialStatus::Ringing,
            b"PROGRESS" | b"PROCEEDING" => DialStatus::Progress,
            b"ANSWER" => DialStatus::Answer,
            b"BUSY" => DialStatus::Busy,
            b"CANCEL" | b"ABORT" => DialStatus::Cancel,
            b"CONGESTION" => DialStatus::Congestion,
            b"CHANUNAVAIL" => DialStatus::ChanUnavail,
            b"NOANSWER" => DialStatus::NoAnswer,
            _ => DialStatus::Other,
        }
    }
}

/// The result of an `Originate`.
#[derive(Clone, PartialEq, Eq)]
pub struct Origination {
    /// The action, if this session sent it.
    pub action: Option<ActionId>,
    /// Unique id of the channel, even if none was created. `None` for Asterisk's `<null>`.
    pub uniqueid: Option<Uniqueid>,
    /// True if the call was answered. Precedes the channel's state `Up`, which alone proves it.
    pub success: bool,
    /// `Reason`, a frame control number, which does not distinguish busy, rejected and unreachable.
    /// The cause is in `Hangup`; if no channel was created, it is unknown.
    pub reason: u64,
}

impl fmt::Debug for Origination {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let result = if self.success { "answered" } else { "failed" };
        write!(
            f,
            "Origination({result}, reason {}, {:?}, {:?})",
            self.reason, self.uniqueid, self.action
        )
    }
}
