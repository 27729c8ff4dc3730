use super::{Channel, ChannelState, Event, EventProblem};
use crate::value::{ChannelName, RoomName, Uniqueid, ValueError};
use crate::wire::{MessageRef, Repeated, Text, parse_u64};

impl Event {
    /// Parses an event; `None` for one that no channel or room follows from.
    ///
    /// `name` is the value of `Event:`. Unlike keys, event names are case-sensitive.
    ///
    /// # Errors
    /// A required header is missing, repeated with another value, or not valid.
    pub fn parse(name: &[u8], message: MessageRef<'_>) -> Result<Option<Event>, EventProblem> {
        let channel = || channel(message, &PLAIN);
        let room = || needed(message, "Conference", RoomName::parse);
        let tech_cause = || {
            message
                .unique("TechCause")
                .map(|code| code.and_then(parse_u64))
        };
        Ok(Some(match name {
            b"Newchannel" => Event::Newchannel(channel()?),
            b"Newstate" | b"BridgeEnter" | b"BridgeLeave" | b"SoftHangupRequest" => {
                Event::Shown(channel()?)
            }
            b"DialBegin" | b"DialState" | b"DialEnd" => Event::Dial {
                from: channel_if_any(message)?,
                to: self::channel(message, &DEST)?,
                ringing: message.unique("DialStatus")? == Some(b"RINGING"),
            },
            b"OriginateResponse" => return origination(message),
            b"Hangup" => Event::Hangup {
                channel: channel()?,
                cause: cause(message)?,
                tech_cause: tech_cause()?,
            },
            b"HangupRequest" => Event::HangupRequest {
                channel: channel()?,
                tech_cause: tech_cause()?,
            },
            b"ConfbridgeStart" => Event::ConfbridgeStart { room: room()? },
            b"ConfbridgeEnd" => Event::ConfbridgeEnd { room: room()? },
            b"ConfbridgeJoin" => Event::ConfbridgeJoin {
                room: room()?,
                channel: channel()?,
            },
            b"ConfbridgeLeave" => Event::ConfbridgeLeave {
                room: room()?,
                channel: channel()?,
            },
            b"ConfbridgeMute" | b"ConfbridgeUnmute" => Event::ConfbridgeMute {
                room: room()?,
                channel: channel()?,
                muted: name == b"ConfbridgeMute",
            },
            b"UserEvent" => Event::UserEvent {
                name: needed(message, "UserEvent", |bytes| Ok(Text::from(bytes)))?,
                channel: channel_if_any(message)?,
                message: message.to_message(),
            },
            b"Rename" => Event::Rename {
                uniqueid: needed(message, "Uniqueid", Uniqueid::parse)?,
                new_name: needed(message, "Newname", |bytes| Ok(Text::from(bytes)))?,
            },
            _ => return Ok(None),
        }))
    }
}

impl From<Repeated> for EventProblem {
    fn from(Repeated(header): Repeated) -> Self {
        EventProblem::Repeated(header)
    }
}

type Parsed<T> = Result<T, EventProblem>;

/// Header names of a channel: plain, or with the prefix of the second channel in `Dial` events.
pub(crate) struct Keys {
    uniqueid: &'static str,
    linkedid: &'static str,
    name: &'static str,
    state: &'static str,
    context: &'static str,
    exten: &'static str,
}

pub(crate) const PLAIN: Keys = Keys {
    uniqueid: "Uniqueid",
    linkedid: "Linkedid",
    name: "Channel",
    state: "ChannelState",
    context: "Context",
    exten: "Exten",
};

const DEST: Keys = Keys {
    uniqueid: "DestUniqueid",
    linkedid: "DestLinkedid",
    name: "DestChannel",
    state: "DestChannelState",
    context: "DestContext",
    exten: "DestExten",
};

pub(crate) fn channel(message: MessageRef<'_>, keys: &Keys) -> Parsed<Channel> {
    let uniqueid = needed(message, keys.uniqueid, Uniqueid::parse)?;
    let linkedid = match message.unique(keys.linkedid)? {
        Some(bytes) => Uniqueid::parse(bytes).map_err(|_| EventProblem::Bad(keys.linkedid))?,
        None => uniqueid.clone(),
    };
    Ok(Channel {
        uniqueid,
        linkedid,
        name: needed(message, keys.name, ChannelName::parse)?,
        state: match message.unique(keys.state)? {
            Some(b"5") => ChannelState::Ringing,
            Some(b"6") => ChannelState::Up,
            _ => ChannelState::Other,
        },
        context: Text::from(message.first(keys.context).unwrap_or_default()),
        exten: Text::from(message.first(keys.exten).unwrap_or_default()),
    })
}

/// Parses a channel whose headers may all be absent.
fn channel_if_any(message: MessageRef<'_>) -> Parsed<Option<Channel>> {
    if message.first(PLAIN.uniqueid).is_none() {
        return Ok(None);
    }
    channel(message, &PLAIN).map(Some)
}

fn needed<'a, T>(
    message: MessageRef<'a>,
    key: &'static str,
    parse: impl Fn(&'a [u8]) -> Result<T, ValueError>,
) -> Parsed<T> {
    let value = message.unique(key)?.ok_or(EventProblem::Missing(key))?;
    parse(value).map_err(|_| EventProblem::Bad(key))
}

/// The Q.850 cause. Asterisk's own causes (above 127) have no equivalent: 0, unknown.
fn cause(message: MessageRef<'_>) -> Parsed<u8> {
    let Some(value) = message.unique("Cause")? else {
        return Ok(0);
    };
    let number = parse_u64(value).ok_or(EventProblem::Bad("Cause"))?;
    let cause = u8::try_from(number).ok().filter(|cause| *cause <= 127);
    Ok(cause.unwrap_or(0))
}

fn origination(message: MessageRef<'_>) -> Parsed<Option<Event>> {
    let response = needed(message, "Response", Ok)?;
    match message.unique("Uniqueid")? {
        None | Some(b"" | b"<null>") => Ok(None),
        Some(_) if response == b"Success" => Ok(None),
        Some(bytes) => match Uniqueid::parse(bytes) {
            Ok(id) => Ok(Some(Event::OriginateFailed(id))),
            Err(_) => Err(EventProblem::Bad("Uniqueid")),
        },
    }
}
