use super::{Channel, ChannelState, DialStatus, Event, EventProblem, Origination};
use crate::action::ActionId;
use crate::value::{ChannelName, RoomName, Uniqueid, ValueError};
use crate::wire::{MessageRef, Repeated, Text, parse_u64};

impl Event {
    /// Parses an event. Total: unknown and malformed events are returned raw.
    ///
    /// `name` is the value of `Event:`. Unlike keys, event names are case-sensitive.
    pub fn parse(name: &[u8], message: MessageRef<'_>) -> Event {
        let event = match name {
            b"Newchannel" => channel(message, &PLAIN).map(Event::Newchannel),
            b"Newstate" => channel(message, &PLAIN).map(Event::Newstate),
            b"DialBegin" => dial_begin(message),
            b"DialState" => {
                dial(message).map(|(from, to, status)| Event::DialState { from, to, status })
            }
            b"DialEnd" => {
                dial(message).map(|(from, to, status)| Event::DialEnd { from, to, status })
            }
            b"OriginateResponse" => origination(message).map(Event::OriginateResponse),
            b"Hangup" => hangup(message),
            b"HangupRequest" => hangup_request(message),
            b"SoftHangupRequest" => soft_hangup_request(message),
            b"BridgeEnter" => {
                bridge(message).map(|(channel, bridge)| Event::BridgeEnter { channel, bridge })
            }
            b"BridgeLeave" => {
                bridge(message).map(|(channel, bridge)| Event::BridgeLeave { channel, bridge })
            }
            b"ConfbridgeStart" => room(message).map(|room| Event::ConfbridgeStart { room }),
            b"ConfbridgeEnd" => room(message).map(|room| Event::ConfbridgeEnd { room }),
            b"ConfbridgeJoin" => {
                member(message).map(|(room, channel)| Event::ConfbridgeJoin { room, channel })
            }
            b"ConfbridgeLeave" => {
                member(message).map(|(room, channel)| Event::ConfbridgeLeave { room, channel })
            }
            b"ConfbridgeMute" => mute(message, true),
            b"ConfbridgeUnmute" => mute(message, false),
            b"VarSet" => var_set(message),
            b"UserEvent" => user_event(message),
            b"DTMFEnd" => dtmf_end(message),
            b"Rename" => rename(message),
            b"FullyBooted" => Ok(Event::FullyBooted {
                uptime_s: message.first("Uptime").and_then(parse_u64),
            }),
            b"Shutdown" => Ok(Event::Shutdown {
                restart: message.first("Restart") == Some(b"True"),
            }),
            _ => Ok(Event::Unknown(message.to_message())),
        };
        event.unwrap_or_else(|problem| Event::Malformed {
            problem,
            message: message.to_message(),
        })
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
    caller_num: &'static str,
    context: &'static str,
    exten: &'static str,
}

pub(crate) const PLAIN: Keys = Keys {
    uniqueid: "Uniqueid",
    linkedid: "Linkedid",
    name: "Channel",
    state: "ChannelState",
    caller_num: "CallerIDNum",
    context: "Context",
    exten: "Exten",
};

const DEST: Keys = Keys {
    uniqueid: "DestUniqueid",
    linkedid: "DestLinkedid",
    name: "DestChannel",
    state: "DestChannelState",
    caller_num: "DestCallerIDNum",
    context: "DestContext",
    exten: "DestExten",
};

pub(crate) fn channel(message: MessageRef<'_>, keys: &Keys) -> Parsed<Channel> {
    let uniqueid = needed(message, keys.uniqueid, Uniqueid::parse)?;
    let linkedid = match message.unique(keys.linkedid)? {
        Some(bytes) => Uniqueid::parse(bytes).map_err(|_| EventProblem::Bad(keys.linkedid))?,
        None => uniqueid.clone(),
    };
    let state = message.unique(keys.state)?.and_then(parse_u64);
    Ok(Channel {
        uniqueid,
        linkedid,
        name: needed(message, keys.name, ChannelName::parse)?,
        state: state.map_or(ChannelState::Other, ChannelState::from_number),
        caller_num: text(message, keys.caller_num),
        context: text(message, keys.context),
        exten: text(message, keys.exten),
    })
}

/// Parses a channel whose headers may all be absent.
fn channel_if_any(message: MessageRef<'_>, keys: &Keys) -> Parsed<Option<Channel>> {
    if message.first(keys.uniqueid).is_none() {
        return Ok(None);
    }
    channel(message, keys).map(Some)
}

fn needed<'a, T>(
    message: MessageRef<'a>,
    key: &'static str,
    parse: impl Fn(&'a [u8]) -> Result<T, ValueError>,
) -> Parsed<T> {
    let value = message.unique(key)?.ok_or(EventProblem::Missing(key))?;
    parse(value).map_err(|_| EventProblem::Bad(key))
}

fn text(message: MessageRef<'_>, key: &str) -> Text {
    message.first(key).map_or_else(Text::default, Text::from)
}

fn cause(message: MessageRef<'_>) -> Parsed<Option<u8>> {
    let Some(value) = message.unique("Cause")? else {
        return Ok(None);
    };
    match parse_u64(value) {
        // Asterisk's own causes (above 127) have no Q.850 equivalent: 0, unknown.
        Some(number) => Ok(Some(
            u8::try_from(number)
                .ok()
                .filter(|cause| *cause <= 127)
                .unwrap_or(0),
        )),
        None => Err(EventProblem::Bad("Cause")),
    }
}

fn dial_begin(message: MessageRef<'_>) -> Parsed<Event> {
    Ok(Event::DialBegin {
        from: channel_if_any(message, &PLAIN)?,
        to: channel(message, &DEST)?,
    })
}

fn dial(message: MessageRef<'_>) -> Parsed<(Option<Channel>, Channel, DialStatus)> {
    let status = message
        .unique("DialStatus")?
        .ok_or(EventProblem::Missing("DialStatus"))?;
    Ok((
        channel_if_any(message, &PLAIN)?,
        channel(message, &DEST)?,
        DialStatus::from_word(status),
    ))
}

fn origination(message: MessageRef<'_>) -> Parsed<Origination> {
    let response = message
        .unique("Response")?
        .ok_or(EventProblem::Missing("Response"))?;
    let uniqueid = match message.unique("Uniqueid")? {
        None | Some(b"" | b"<null>") => None,
        Some(bytes) => Some(Uniqueid::parse(bytes).map_err(|_| EventProblem::Bad("Uniqueid"))?),
    };
    Ok(Origination {
        action: message.unique("ActionID")?.and_then(ActionId::parse),
        uniqueid,
        success: response == b"Success",
        reason: message.unique("Reason")?.and_then(parse_u64).unwrap_or(0),
    })
}

fn hangup(message: MessageRef<'_>) -> Parsed<Event> {
    Ok(Event::Hangup {
        channel: channel(message, &PLAIN)?,
        cause: cause(message)?.unwrap_or(0),
        tech_cause: tech_cause(message)?,
    })
}

fn hangup_request(message: MessageRef<'_>) -> Parsed<Event> {
    Ok(Event::HangupRequest {
        channel: channel(message, &PLAIN)?,
        cause: cause(message)?,
        tech_cause: tech_cause(message)?,
    })
}

fn soft_hangup_request(message: MessageRef<'_>) -> Parsed<Event> {
    Ok(Event::SoftHangupRequest {
        channel: channel(message, &PLAIN)?,
        cause: cause(message)?,
    })
}

fn tech_cause(message: MessageRef<'_>) -> Parsed<Option<u64>> {
    Ok(message.unique("TechCause")?.and_then(parse_u64))
}

fn bridge(message: MessageRef<'_>) -> Parsed<(Channel, Text)> {
    let bridge = needed(message, "BridgeUniqueid", |bytes| Ok(Text::from(bytes)))?;
    Ok((channel(message, &PLAIN)?, bridge))
}

fn room(message: MessageRef<'_>) -> Parsed<RoomName> {
    needed(message, "Conference", RoomName::parse)
}

fn member(message: MessageRef<'_>) -> Parsed<(RoomName, Channel)> {
    Ok((room(message)?, channel(message, &PLAIN)?))
}

fn mute(message: MessageRef<'_>, muted: bool) -> Parsed<Event> {
    let (room, channel) = member(message)?;
    Ok(Event::ConfbridgeMute {
        room,
        channel,
        muted,
    })
}

fn var_set(message: MessageRef<'_>) -> Parsed<Event> {
    Ok(Event::VarSet {
        channel: channel_if_any(message, &PLAIN)?,
        name: needed(message, "Variable", |bytes| Ok(Text::from(bytes)))?,
        value: text(message, "Value"),
    })
}

fn user_event(message: MessageRef<'_>) -> Parsed<Event> {
    Ok(Event::UserEvent {
        name: needed(message, "UserEvent", |bytes| Ok(Text::from(bytes)))?,
        channel: channel_if_any(message, &PLAIN)?,
        message: message.to_message(),
    })
}

fn dtmf_end(message: MessageRef<'_>) -> Parsed<Event> {
    let digit = match message.unique("Digit")? {
        Some([digit]) if digit.is_ascii_alphanumeric() || matches!(digit, b'*' | b'#') => *digit,
        Some(_) => return Err(EventProblem::Bad("Digit")),
        None => return Err(EventProblem::Missing("Digit")),
    };
    Ok(Event::DtmfEnd {
        channel: channel(message, &PLAIN)?,
        digit,
        duration_ms: message
            .unique("DurationMs")?
            .and_then(parse_u64)
            .unwrap_or(0),
        received: message.unique("Direction")? == Some(b"Received"),
    })
}

fn rename(message: MessageRef<'_>) -> Parsed<Event> {
    Ok(Event::Rename {
        uniqueid: needed(message, "Uniqueid", Uniqueid::parse)?,
        new_name: needed(message, "Newname", |bytes| Ok(Text::from(bytes)))?,
    })
}
