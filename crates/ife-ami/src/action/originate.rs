use std::fmt;
use std::time::Duration;

use super::writer::{EncodeError, Writer};
use crate::value::{ChannelId, DialToken, Variable};

/// A dialplan destination, always priority 1.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Destination {
    /// Context.
    pub context: DialToken,
    /// Extension.
    pub exten: DialToken,
}

impl Destination {
    pub(super) fn write(&self, to: &mut Writer<'_>) -> Result<(), EncodeError> {
        to.line("Context", self.context.as_str())?;
        to.line("Exten", self.exten.as_str())?;
        to.line("Priority", "1")
    }
}

/// The called address. Consists of checked parts, so that no input becomes a dial string by itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DialString {
    /// `OOH323/<exten>@<peer>`: the peer must be a declared section, not an address.
    Ooh323 {
        /// H.323 alias or number.
        exten: DialToken,
        /// Section of ooh323.conf.
        peer: DialToken,
    },
    /// `Local/<exten>@<context>/n`: a pair of channels through the dialplan, not optimised away.
    Local {
        /// Extension.
        exten: DialToken,
        /// Context.
        context: DialToken,
    },
}

impl fmt::Display for DialString {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            DialString::Ooh323 { exten, peer } => write!(f, "OOH323/{exten}@{peer}"),
            DialString::Local { exten, context } => write!(f, "Local/{exten}@{context}/n"),
        }
    }
}

/// An outgoing call, always with `Async: true`: otherwise it blocks the session until the answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Originate {
    /// The called address.
    pub channel: DialString,
    /// Unique id of the new channel, by which its events are joined. `OriginateResponse` contains
    /// it even if no channel was created; then neither `Newchannel` nor `Hangup` follows.
    pub channel_id: ChannelId,
    /// Unique id of the second half of a `Local` channel; by default the first's with `;2`.
    pub other_channel_id: Option<ChannelId>,
    /// Destination of the channel once answered. After a failed call, Asterisk runs the context's
    /// extension `failed` on a new channel, and `h` at every end; no pattern there may match these.
    pub destination: Destination,
    /// Longest ringing time. It should be the longer one of two timers: after this one, Asterisk 16
    /// reports cause 0, and 22 cause 19 even if nothing rang.
    pub ring_timeout: Duration,
    /// Variables of the new channel, one header each.
    pub variables: Vec<Variable>,
}

impl Originate {
    pub(super) fn write(&self, to: &mut Writer<'_>) -> Result<(), EncodeError> {
        to.line("Channel", self.channel.to_string())?;
        to.line("ChannelId", self.channel_id.as_str())?;
        if let Some(other) = &self.other_channel_id {
            to.line("OtherChannelId", other.as_str())?;
        }
        self.destination.write(to)?;
        to.line("Timeout", self.ring_timeout.as_millis().to_string())?;
        to.line("Async", "true")?;
        self.variables
            .iter()
            .try_for_each(|Variable { name, value }| {
                let assignment = [name.as_str().as_bytes(), b"=", value.as_bytes()];
                to.line("Variable", assignment.concat())
            })
    }
}
