//! Events of Asterisk: typed if the bridge acts on them, raw otherwise.

mod channel;
mod parse;

pub use channel::{Channel, ChannelState, DialStatus, Origination};

use crate::value::{RoomName, Uniqueid};
use crate::wire::{Message, MessageRef, Text};

/// An event.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// Asterisk has loaded all modules. Sent after login too.
    FullyBooted {
        /// Seconds since Asterisk started, if reported.
        uptime_s: Option<u64>,
    },
    /// Asterisk is about to stop or restart.
    Shutdown {
        /// True for a restart.
        restart: bool,
    },
    /// A channel was created.
    Newchannel(Channel),
    /// A channel's state changed, for example to ringing or up.
    Newstate(Channel),
    /// A `Dial` began.
    DialBegin {
        /// The channel that runs `Dial`; none for an originated one.
        from: Option<Channel>,
        /// The channel called.
        to: Channel,
    },
    /// The state of the called channel during a `Dial`.
    DialState {
        /// The channel that runs `Dial`; none for an originated one.
        from: Option<Channel>,
        /// The channel called.
        to: Channel,
        /// Usually [`DialStatus::Ringing`] or [`DialStatus::Progress`].
        status: DialStatus,
    },
    /// A `Dial` ended. Its order relative to `Hangup` and `OriginateResponse` is not fixed.
    DialEnd {
        /// The channel that ran `Dial`; none for an originated one.
        from: Option<Channel>,
        /// The channel called.
        to: Channel,
        /// The result.
        status: DialStatus,
    },
    /// The result of an `Originate`. An event although it has `Response:`.
    OriginateResponse(Origination),
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
        /// Q.850 cause, if any.
        cause: Option<u8>,
        /// The channel driver's code, as in `Hangup`.
        tech_cause: Option<u64>,
    },
    /// Asterisk or an action requested the channel's end.
    SoftHangupRequest {
        /// The channel.
        channel: Channel,
        /// Q.850 cause, if any.
        cause: Option<u8>,
    },
    /// A channel entered a bridge.
    BridgeEnter {
        /// The channel.
        channel: Channel,
        /// Unique id of the bridge. `BridgeNumChannels` is omitted: it counts announcers.
        bridge: Text,
    },
    /// A channel left a bridge.
    BridgeLeave {
        /// The channel.
        channel: Channel,
        /// Unique id of the bridge.
        bridge: Text,
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
    /// A variable was set.
    VarSet {
        /// The channel; none for a global variable.
        channel: Option<Channel>,
        /// Name, function syntax possible.
        name: Text,
        /// Value.
        value: Text,
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
    /// A DTMF digit ended.
    DtmfEnd {
        /// The channel.
        channel: Channel,
        /// `0-9A-D*#`.
        digit: u8,
        /// How long the digit was held, in ms.
        duration_ms: u64,
        /// True if the channel's peer sent it, false if Asterisk sent it to the peer.
        received: bool,
    },
    /// A channel was renamed.
    Rename {
        /// The channel.
        uniqueid: Uniqueid,
        /// Its new name.
        new_name: Text,
    },
    /// Any other event, raw.
    Unknown(Message),
    /// A known event without a required header, or with contradictions. Never acted on.
    Malformed {
        /// The error.
        problem: EventProblem,
        /// The raw event.
        message: Message,
    },
}

/// Reasons why a known event cannot be parsed.
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

impl Event {
    /// Returns whether a full queue may drop the event without a gap in the model of calls.
    pub fn is_informative(&self) -> bool {
        match self {
            Event::Unknown(_) | Event::Malformed { .. } | Event::VarSet { .. } => true,
            Event::FullyBooted { .. }
            | Event::Shutdown { .. }
            | Event::Newchannel(_)
            | Event::Newstate(_)
            | Event::DialBegin { .. }
            | Event::DialState { .. }
            | Event::DialEnd { .. }
            | Event::OriginateResponse(_)
            | Event::Hangup { .. }
            | Event::HangupRequest { .. }
            | Event::SoftHangupRequest { .. }
            | Event::BridgeEnter { .. }
            | Event::BridgeLeave { .. }
            | Event::ConfbridgeStart { .. }
            | Event::ConfbridgeEnd { .. }
            | Event::ConfbridgeJoin { .. }
            | Event::ConfbridgeLeave { .. }
            | Event::ConfbridgeMute { .. }
            | Event::UserEvent { .. }
            | Event::DtmfEnd { .. }
            | Event::Rename { .. } => false,
        }
    }
}

/// Parses the channel of a list row, which has the headers of an event.
pub(crate) fn channel_row(row: MessageRef<'_>) -> Result<Channel, EventProblem> {
    parse::channel(row, &parse::PLAIN)
}
