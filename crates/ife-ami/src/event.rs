//! Events of Asterisk that the bridge acts on. All others are passed over.

mod parse;

use crate::value::{ChannelName, RoomName, Uniqueid};
use crate::wire::{Message, MessageRef, Text};

/// An event.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// A channel was created.
    Newchannel(Channel),
    /// A channel as it is by now: `Newstate`, `BridgeEnter`, `BridgeLeave` or `SoftHangupRequest`.
    Shown(Channel),
    /// A `Dial` began, went on or ended. Its order relative to `Hangup` and `OriginateResponse` is
    /// not fixed.
    Dial {
        /// The channel that runs `Dial`; none for an originated one.
        from: Option<Channel>,
        /// The channel called.
        to: Channel,
        /// The far side rings.
        ringing: bool,
    },
    /// An `Originate` failed: an `OriginateResponse` with the unique id of its channel, even if
    /// none was created. Its `Reason`, a frame control number, is no cause: that is in `Hangup`,
    /// and unknown if no channel was created. Success precedes the channel's state `Up`, which
    /// alone proves it.
    OriginateFailed(Uniqueid),
    /// A channel ended. `cause` is authoritative.
    Hangup {
        /// The channel.
        channel: Channel,
        /// Q.850 cause; 0 if none was set.
        cause: u8,
        /// The channel driver's code, for PJSIP the SIP status. Absent in Asterisk 16.
        tech_cause: Option<u64>,
    },
    /// The far side requested the channel's end. The channel leaves its room before `Hangup`.
    HangupRequest {
        /// The channel.
        channel: Channel,
        /// The channel driver's code, as in `Hangup`.
        tech_cause: Option<u64>,
    },
    /// A room was created.
    ConfbridgeStart {
        /// The room.
        room: RoomName,
    },
    /// A room ended.
    ConfbridgeEnd {
        /// The room.
        room: RoomName,
    },
    /// A channel entered a room.
    ConfbridgeJoin {
        /// The room.
        room: RoomName,
        /// The channel.
        channel: Channel,
    },
    /// A channel left a room.
    ConfbridgeLeave {
        /// The room.
        room: RoomName,
        /// The channel.
        channel: Channel,
    },
    /// A participant was muted or unmuted.
    ConfbridgeMute {
        /// The room.
        room: RoomName,
        /// The channel.
        channel: Channel,
        /// True if muted.
        muted: bool,
    },
    /// A `UserEvent` of the dialplan or of a manager.
    UserEvent {
        /// Its name.
        name: Text,
        /// The channel whose dialplan sent it.
        channel: Option<Channel>,
        /// The whole event: its own headers repeat and have arbitrary names.
        message: Message,
    },
    /// A channel was renamed.
    Rename {
        /// The channel.
        uniqueid: Uniqueid,
        /// Its new name.
        new_name: Text,
    },
}

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
    /// Dialplan context.
    pub context: Text,
    /// Extension in the context.
    pub exten: Text,
}

/// `ChannelState`, the numbers of `enum ast_channel_state`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ChannelState {
    /// 5: the far end is ringing.
    Ringing,
    /// 6: answered.
    Up,
    /// Any other number, or none.
    Other,
}

/// Reasons why an event cannot be parsed. Such an event is counted and never acted on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum EventProblem {
    /// A required header is missing.
    #[error("header {0} is missing")]
    Missing(&'static str),
    /// A single-value header has two values: a peer may have injected one of them.
    #[error("header {0} is repeated with another value")]
    Repeated(&'static str),
    /// A header's value is not valid.
    #[error("header {0} has a value that it cannot have")]
    Bad(&'static str),
}

/// Parses the channel of a list row, which has the headers of an event.
pub(crate) fn channel_row(row: MessageRef<'_>) -> Result<Channel, EventProblem> {
    parse::channel(row, &parse::PLAIN)
}
