//! A simulated Asterisk: it speaks AMI, and keeps channels, rooms and the dialplan's notes. What
//! its phones do is up to the tests that own one, here and in ife-bridge.

use std::collections::{BTreeMap, BTreeSet};

/// Headers of one message, in order; names repeat.
pub(crate) type Headers = Vec<(String, String)>;

pub(crate) const BANNER: &str = "Asterisk Call Manager/11.0.0\r\n";

#[derive(Debug, Clone, Default)]
pub(crate) struct Channel {
    pub(crate) name: String,
    pub(crate) state: u8,
    pub(crate) linkedid: String,
    pub(crate) context: String,
    pub(crate) exten: String,
    pub(crate) is_muted: bool,
    /// Who it is, if the dialplan has noted that it came.
    pub(crate) noted_as: Option<String>,
    pub(crate) room: Option<String>,
    pub(crate) variables: BTreeMap<String, String>,
}

impl Channel {
    pub(crate) fn variable(&self, name: &str) -> String {
        self.variables.get(name).cloned().unwrap_or_default()
    }
}

#[derive(Debug, Default)]
pub(crate) struct Gateway {
    pub(crate) channels: BTreeMap<String, Channel>,
    /// The dialplan's notes about calls, by the hex digits of their names.
    pub(crate) notes: BTreeMap<String, String>,
    /// The dialplan's notes about parties that come and go: the texts, counted from 1.
    pub(crate) party_notes: Vec<String>,
    /// Global variables.
    pub(crate) globals: BTreeMap<String, String>,
    pub(crate) uptime_s: u64,
    /// It neither hears nor speaks, with every connection open.
    pub(crate) is_silent: bool,
    /// Channels are ordered to end, and do not.
    pub(crate) is_wedged: bool,
    /// Text for the bridge.
    pub(crate) out: String,
}

impl Gateway {
    /// Answers an action that tests leave to it: questions, and orders without effect.
    pub(crate) fn answer(&mut self, action: &Headers) -> String {
        let id = first(action, "ActionID");
        let success = format!("Response: Success\r\nActionID: {id}\r\n");
        let (channel, variable) = (first(action, "Channel"), first(action, "Variable"));
        match first(action, "Action") {
            "Challenge" => format!("{success}Challenge: 1\r\n\r\n"),
            "Login" => {
                let uptime_s = self.uptime_s;
                format!("{success}\r\nEvent: FullyBooted\r\nUptime: {uptime_s}\r\n\r\n")
            }
            "CoreShowChannels" => self.list(id, "CoreShowChannel", |_| true),
            "ConfbridgeListRooms" => {
                let rooms = self
                    .channels
                    .values()
                    .filter_map(|known| known.room.as_ref());
                let rooms: BTreeSet<_> = rooms.collect();
                let rows = rooms.iter().map(|room| format!("Conference: {room}\r\n"));
                rows_of(id, "ConfbridgeListRooms", rows)
            }
            "ConfbridgeList" => {
                let room = first(action, "Conference");
                self.list(id, "ConfbridgeList", |known| {
                    known.room.as_deref() == Some(room)
                })
            }
            "Getvar" => {
                let known = self.channels.get(channel);
                let value = known.map(|known| known.variable(variable));
                with_value(action, &value.unwrap_or_default())
            }
            "Setvar" if channel.is_empty() => {
                let value = first(action, "Value").to_owned();
                self.globals.insert(variable.to_owned(), value);
                done(action)
            }
            "Setvar" => {
                if let Some(known) = self.channels.get_mut(channel) {
                    let value = first(action, "Value").to_owned();
                    known.variables.insert(variable.to_owned(), value);
                }
                done(action)
            }
            "DBGetTree" => {
                let rows = self
                    .party_notes
                    .iter()
                    .map(|note| format!("Val: {note}\r\n"));
                rows_of(id, "DBGetTreeResponse", rows)
            }
            "ConfbridgeMute" | "ConfbridgeUnmute" => {
                let is_muted = first(action, "Action") == "ConfbridgeMute";
                self.mute(channel, is_muted);
                done(action)
            }
            "DBGet" => match self.notes.get(first(action, "Key")) {
                Some(note) => format!(
                    "{success}EventList: start\r\n\r\n\
                     Event: DBGetResponse\r\nActionID: {id}\r\nVal: {note}\r\n\r\n\
                     Event: DBGetComplete\r\nActionID: {id}\r\nEventList: Complete\r\n\r\n"
                ),
                None => refused(action, "Database entry not found"),
            },
            _ => done(action),
        }
    }

    fn list(&self, id: &str, event: &str, wanted: impl Fn(&Channel) -> bool) -> String {
        let channels = self.channels.iter().filter(|(_, channel)| wanted(channel));
        rows_of(id, event, channels.map(|(id, channel)| of(id, channel)))
    }

    /// Begins a call: its channel appears.
    pub(crate) fn originate(&mut self, action: &Headers) -> (String, Channel) {
        let uniqueid = first(action, "ChannelId").to_owned();
        let pairs = action.iter().filter(|(key, _)| key == "Variable");
        let variables = pairs.filter_map(|(_, value)| value.split_once('='));
        let channel = Channel {
            name: first(action, "Channel").replace('@', "-") + ";1",
            linkedid: uniqueid.clone(),
            context: first(action, "Context").to_owned(),
            variables: variables
                .map(|(name, value)| (name.trim_start_matches('_').to_owned(), value.to_owned()))
                .collect(),
            ..Channel::default()
        };
        self.appear(&uniqueid, channel.clone());
        (uniqueid, channel)
    }

    /// The dialplan's steps before it dials an expert's phone: notes the call, or ends the
    /// channel, where another bridge's note is there that this one does not take over.
    pub(crate) fn may_call(&mut self, uniqueid: &str, channel: &Channel) -> bool {
        let (call, node) = (channel.variable("IFE_CALL"), channel.variable("IFE_NODE"));
        let by = self.notes.get(&call);
        let may = by.is_none_or(|by| {
            *by == channel.variable("IFE_TAKES") || by.split(':').next() == Some(&node)
        });
        if may {
            let note = format!("{node}:{}", channel.variable("IFE_TRIED"));
            self.notes.insert(call, note);
        } else {
            self.end(uniqueid, "Cause: 81\r\n");
        }
        may
    }

    /// The channel of the phone appears behind a leg.
    pub(crate) fn dial(&mut self, near: &str) -> String {
        let sip = format!("{near}-sip");
        let behind = Channel {
            name: "PJSIP/kamailio-1".to_owned(),
            linkedid: near.to_owned(),
            ..Channel::default()
        };
        self.appear(&sip, behind);
        sip
    }

    pub(crate) fn appear(&mut self, uniqueid: &str, channel: Channel) {
        self.tell("Newchannel", uniqueid, &channel, "");
        self.channels.insert(uniqueid.to_owned(), channel);
    }

    pub(crate) fn state(&mut self, uniqueid: &str, state: u8) {
        if let Some(channel) = self.channels.get_mut(uniqueid) {
            channel.state = channel.state.max(state);
            let channel = channel.clone();
            self.tell("Newstate", uniqueid, &channel, "");
        }
    }

    fn mute(&mut self, name: &str, is_muted: bool) {
        let mut all = self.channels.iter_mut();
        let found = all.find(|(_, channel)| channel.name == name && channel.room.is_some());
        let Some((uniqueid, channel)) = found else {
            return;
        };
        channel.is_muted = is_muted;
        let (uniqueid, channel) = (uniqueid.clone(), channel.clone());
        let room = channel.room.clone().unwrap_or_default();
        let event = if is_muted {
            "ConfbridgeMute"
        } else {
            "ConfbridgeUnmute"
        };
        self.tell(
            event,
            &uniqueid,
            &channel,
            &format!("Conference: {room}\r\n"),
        );
    }

    /// The dialplan notes that a party comes, goes or is refused.
    pub(crate) fn note(&mut self, what: &str, room: &str, uniqueid: &str, who: &str) {
        let number = self.party_notes.len() + 1;
        let note = format!("{number} 1790000000 {what} {room} {uniqueid} {who}");
        self.party_notes.push(note.clone());
        if !self.is_silent {
            self.out += &format!("Event: UserEvent\r\nUserEvent: IfeNote\r\nNote: {note}\r\n\r\n");
        }
    }

    /// The dialplan asks an answered expert whether they accept.
    pub(crate) fn brief(&mut self, uniqueid: &str) {
        self.go_on(uniqueid, "ife-brief", "UserEvent: IfeBriefing\r\n");
    }

    /// The expert accepts, as far as they were asked and have not.
    pub(crate) fn accept(&mut self, uniqueid: &str) {
        let means = self.channels.get(uniqueid);
        let means = means.map(|channel| channel.variable("IFE_ACCEPT"));
        let means = means.filter(|means| !means.is_empty());
        let context = format!("ife-accepted-{}", means.as_deref().unwrap_or("key"));
        self.go_on(uniqueid, &context, "UserEvent: IfeAccepted\r\n");
    }

    /// The expert does not accept.
    pub(crate) fn refuse(&mut self, uniqueid: &str, why: &str) {
        let event = format!("UserEvent: IfeNotAccepted\r\nWhy: {why}\r\n");
        self.go_on(uniqueid, "ife-brief", &event);
    }

    /// Moves an answered channel that has not been accepted to a context of the dialplan.
    fn go_on(&mut self, uniqueid: &str, context: &str, event: &str) {
        let channel = self.channels.get_mut(uniqueid);
        let is_asked = |context: &str| context == "ife-join" || context == "ife-brief";
        if let Some(channel) = channel.filter(|channel| is_asked(&channel.context)) {
            context.clone_into(&mut channel.context);
            let channel = channel.clone();
            self.tell("UserEvent", uniqueid, &channel, event);
        }
    }

    /// Takes a channel out of its room, and into this one. An expert who was called has accepted.
    pub(crate) fn enter(&mut self, uniqueid: &str, room: Option<String>) {
        if room.is_some() {
            self.accept(uniqueid);
        }
        let Some(channel) = self.channels.get_mut(uniqueid) else {
            return;
        };
        let old = std::mem::replace(&mut channel.room, room);
        let channel = channel.clone();
        let moves = [("ConfbridgeLeave", &old), ("ConfbridgeJoin", &channel.room)];
        for (event, room) in moves {
            if let Some(room) = room {
                self.tell(
                    event,
                    uniqueid,
                    &channel,
                    &format!("Conference: {room}\r\n"),
                );
            }
        }
    }

    /// A channel's end, with the headers of its event; false when it is not there.
    pub(crate) fn end(&mut self, uniqueid: &str, more: &str) -> bool {
        let known = self.channels.get(uniqueid);
        let noted = known.and_then(|known| Some((known.noted_as.clone()?, known.room.clone()?)));
        self.enter(uniqueid, None);
        if let Some((who, room)) = noted {
            self.note("leave", &room, uniqueid, &who);
        }
        let Some(channel) = self.channels.remove(uniqueid) else {
            return false;
        };
        self.tell("Hangup", uniqueid, &channel, more);
        true
    }

    /// The far side of a channel asks for its end.
    pub(crate) fn ask_end(&mut self, uniqueid: &str) {
        if let Some(channel) = self.channels.get(uniqueid).cloned() {
            self.tell("HangupRequest", uniqueid, &channel, "Cause: 16\r\n");
        }
    }

    pub(crate) fn tell(&mut self, event: &str, uniqueid: &str, channel: &Channel, more: &str) {
        if !self.is_silent {
            let of = of(uniqueid, channel);
            self.out += &format!("Event: {event}\r\n{of}{more}\r\n");
        }
    }
}

pub(crate) fn done(action: &Headers) -> String {
    let id = first(action, "ActionID");
    format!("Response: Success\r\nActionID: {id}\r\n\r\n")
}

pub(crate) fn with_value(action: &Headers, value: &str) -> String {
    let id = first(action, "ActionID");
    format!("Response: Success\r\nActionID: {id}\r\nValue: {value}\r\n\r\n")
}

pub(crate) fn refused(action: &Headers, why: &str) -> String {
    let id = first(action, "ActionID");
    format!("Response: Error\r\nActionID: {id}\r\nMessage: {why}\r\n\r\n")
}

fn rows_of(id: &str, event: &str, rows: impl Iterator<Item = String>) -> String {
    let rows = rows.map(|row| format!("Event: {event}\r\nActionID: {id}\r\n{row}\r\n"));
    let rows: String = rows.collect();
    format!(
        "Response: Success\r\nActionID: {id}\r\nEventList: start\r\n\r\n{rows}\
         Event: {event}Complete\r\nActionID: {id}\r\nEventList: Complete\r\n\r\n"
    )
}

fn of(uniqueid: &str, channel: &Channel) -> String {
    format!(
        "Channel: {}\r\nChannelState: {}\r\nContext: {}\r\nExten: {}\r\n\
         Muted: {}\r\nUniqueid: {uniqueid}\r\nLinkedid: {}\r\n",
        channel.name,
        channel.state,
        channel.context,
        channel.exten,
        if channel.is_muted { "Yes" } else { "No" },
        channel.linkedid
    )
}

/// Takes whole actions out of the bytes read so far.
pub(crate) fn actions(input: &mut String) -> Vec<Headers> {
    let mut actions = Vec::new();
    while let Some(end) = input.find("\r\n\r\n") {
        let action: String = input.drain(..end + 4).collect();
        let lines = action.lines().filter_map(|line| line.split_once(": "));
        let headers = lines.map(|(key, value)| (key.to_owned(), value.to_owned()));
        actions.push(headers.collect());
    }
    actions
}

pub(crate) fn first<'a>(headers: &'a Headers, key: &str) -> &'a str {
    let mut headers = headers.iter();
    headers
        .find(|(name, _)| name == key)
        .map_or("", |(_, value)| value)
}
