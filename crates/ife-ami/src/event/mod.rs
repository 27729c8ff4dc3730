//! Events: what Asterisk reports, typed where the bridge acts on it and kept raw where it does not.

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
        /// Seconds since Asterisk started, where it says so.
        uptime_s: Option<u64>,
    },
    /// Asterisk is about to stop or restart.
    Shutdown {
        /// True for a restart.
        restart: bool,
    },
    /// A channel came to be.
    Newchannel(Channel),
    /// A channel's state changed: this is where ringing and up are seen.
    Newstate(Channel),
    /// A `Dial` calls out.
    DialBegin {
        /// The channel that runs `Dial`, none for an originated one.
        from: Option<Channel>,
        /// The channel called.
        to: Channel,
    },
    /// What a `Dial` hears of the called side before its end.
    DialState {
        /// The channel that runs `Dial`, none for an originated one.
        from: Option<Channel>,
        /// The channel called.
        to: Channel,
        /// [`DialStatus::Ringing`] or [`DialStatus::Progress`] as a rule.
        status: DialStatus,
    },
    /// A `Dial` is over. Its order against `Hangup` and `OriginateResponse` is not fixed.
    DialEnd {
        /// The channel that ran `Dial`, none for an originated one.
        from: Option<Channel>,
        /// The channel called.
        to: Channel,
        /// How it ended.
        status: DialStatus,
    },
    /// The result of an `Originate`. An event although it carries `Response:`.
    OriginateResponse(Origination),
    /// A channel is gone. `cause` is the one to go by.
    Hangup {
        /// The channel.
        channel: Channel,
        /// Q.850 cause; 0 when none was set.
        cause: u8,
        /// The channel driver's own code, for PJSIP the SIP status. Asterisk 16 does not tell it.
        tech_cause: Option<u64>,
    },
    /// The channel's far side asked for its end. It leaves its room before `Hangup` comes.
    HangupRequest {
        /// The channel.
        channel: Channel,
        /// Q.850 cause, where one was given.
        cause: Option<u8>,
    },
    /// Asterisk, or an action, asked for the channel's end.
    SoftHangupRequest {
        /// The channel.
        channel: Channel,
        /// Q.850 cause, where one was given.
        cause: Option<u8>,
    },
    /// A channel entered a bridge.
    BridgeEnter {
        /// The channel.
        channel: Channel,
        /// Unique id of the bridge. `BridgeNumChannels` is left out: it counts announcers.
        bridge: Text,
    },
    /// A channel left a bridge.
    BridgeLeave {
        /// The channel.
        channel: Channel,
        /// Unique id of the bridge.
        bridge: Text,
    },
    /// A room came to be.
    ConfbridgeStart {
        /// The room.
        room: RoomName,
    },
    /// A room is gone.
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
        /// True when muted by this event.
        muted: bool,
    },
    /// A variable was set.
    VarSet {
        /// The channel, none for a global variable.
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
        /// The whole event: its own headers repeat and have any name.
        message: Message,
    },
    /// A DTMF digit ended.
    DtmfEnd {
        /// The channel.
        channel: Channel,
        /// `0-9A-D*#`.
        digit: u8,
        /// How long it was held.
        duration_ms: u64,
        /// True when the channel's peer sent it, false when Asterisk sent it to the peer.
        received: bool,
    },
    /// A channel got another name.
    Rename {
        /// The channel.
        uniqueid: Uniqueid,
        /// Its name from now on.
        new_name: Text,
    },
    /// Any other event, as it came.
    Unknown(Message),
    /// A known event that lacks a needed header, or contradicts itself. Never acted on.
    Malformed {
        /// What is wrong.
        problem: EventProblem,
        /// The event as it came.
        message: Message,
    },
}

/// Why a known event could not be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum EventProblem {
    /// A needed header is not there.
    #[error("header {0} is missing")]
    Missing(&'static str),
    /// A header that must stand alone has two values: one of them may have been slipped in by a peer.
    #[error("header {0} is repeated with another value")]
    Repeated(&'static str),
    /// A header's value cannot be what it should.
    #[error("header {0} has a value that it cannot have")]
    Bad(&'static str),
}

impl Event {
    /// Whether the event only informs, so that a full queue may drop it without a gap in the model of calls.
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

/// Reads the channel of a list row, which has the headers of an event.
pub(crate) fn channel_row(row: MessageRef<'_>) -> Result<Channel, EventProblem> {
    parse::channel(row, &parse::PLAIN)
}
