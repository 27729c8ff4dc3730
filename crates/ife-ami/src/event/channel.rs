use std::fmt;

use crate::action::ActionId;
use crate::value::{ChannelName, Uniqueid};
use crate::wire::Text;

/// A channel as an event shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Channel {
    /// Its identity: join by this and nothing else.
    pub uniqueid: Uniqueid,
    /// Unique id of the oldest channel of the call.
    pub linkedid: Uniqueid,
    /// Its name, for actions that know no unique id.
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
    /// 4: we hear the far end ring.
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
    /// The caller gave up, or another branch answered.
    Cancel,
    /// Refused for want of resources, or rejected: the cause of `Hangup` tells which.
    Congestion,
    /// The channel cannot be had.
    ChanUnavail,
    /// Not answered in time.
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
    /// The action, where it was ours.
    pub action: Option<ActionId>,
    /// Unique id of the channel, the preset one even when no channel came to be. `None` when Asterisk gives `<null>`.
    pub uniqueid: Option<Uniqueid>,
    /// True when the call was answered. It comes before the channel's state is up: it is no proof of an answered leg.
    pub success: bool,
    /// `Reason`, a frame control number: it cannot tell busy, rejected and unreachable apart. Take the cause of
    /// `Hangup`; where no channel came to be there is none, and the cause is unknown.
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
