use std::fmt;
use std::time::Duration;

use super::writer::{EncodeError, Writer};
use crate::value::{ChannelId, DialToken, SipHost, SipUser, Variable};

/// A place in the dialplan, always priority 1.
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

/// What is called. Composed of checked parts, so that nothing a caller sends becomes a dial string by itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DialString {
    /// `PJSIP/<endpoint>/sip:<user>@<host>`: an INVITE to that address by way of an endpoint (Kamailio).
    Pjsip {
        /// Section of pjsip.conf.
        endpoint: DialToken,
        /// User part of the request URI.
        user: SipUser,
        /// Host part of the request URI.
        host: SipHost,
    },
    /// `OOH323/<exten>@<peer>`: the peer must be a declared section, a bare address fails as an undefined peer.
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
            DialString::Pjsip {
                endpoint,
                user,
                host,
            } => write!(f, "PJSIP/{endpoint}/sip:{user}@{host}"),
            DialString::Ooh323 { exten, peer } => write!(f, "OOH323/{exten}@{peer}"),
            DialString::Local { exten, context } => write!(f, "Local/{exten}@{context}/n"),
        }
    }
}

/// An outgoing call. Always sent with `Async: true`: the synchronous form holds the whole session until the call is
/// answered, 3 s and more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Originate {
    /// What to call.
    pub channel: DialString,
    /// Unique id of the new channel, the key by which all of its events are joined. It is echoed in
    /// `OriginateResponse` even when no channel came to be, and then neither `Newchannel` nor `Hangup` follows.
    pub channel_id: ChannelId,
    /// Unique id of the second half of a `Local` channel. Without it Asterisk appends `;2` to the first.
    pub other_channel_id: Option<ChannelId>,
    /// Where the channel goes when it answers. When the call fails, Asterisk runs the extension `failed` of that
    /// context on a channel made for it, and `h` at every end: the context must not let a pattern match these.
    pub destination: Destination,
    /// How long it may ring before Asterisk gives up. Let it be the longer one of two timers: of a call that it gave
    /// up Asterisk 16 says cause 0, and 22 says 19 even when nothing rang.
    pub ring_timeout: Duration,
    /// Number shown to the called party.
    pub caller: Option<DialToken>,
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
        if let Some(caller) = &self.caller {
            to.line("CallerID", caller.as_str())?;
        }
        self.variables
            .iter()
            .try_for_each(|variable| write_variable(to, variable))
    }
}

fn write_variable(to: &mut Writer<'_>, variable: &Variable) -> Result<(), EncodeError> {
    let (name, value) = match variable {
        Variable::Channel { name, value } => (name.to_string(), value),
        Variable::SipHeader { name, value } => (format!("PJSIP_HEADER(add,{name})"), value),
    };
    let mut assignment = name.into_bytes();
    assignment.push(b'=');
    assignment.extend_from_slice(value.as_bytes());
    to.line("Variable", assignment)
}
