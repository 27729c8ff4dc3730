//! An Asterisk in memory: it speaks AMI, keeps channels and rooms, and its phones do what the dice
//! say.

use std::collections::{BTreeMap, BTreeSet};

use crate::world::Dice;

#[derive(Debug, Clone, Default)]
pub(crate) struct Channel {
    name: String,
    state: u8,
    linkedid: String,
    context: String,
    room: Option<String>,
    variables: BTreeMap<String, String>,
    /// When Asterisk gives up: an order to call ends unanswered, the dialplan does not reach a room.
    ends_ms: Option<u64>,
}

#[derive(Debug)]
pub(crate) struct Asterisk {
    pub(crate) channels: BTreeMap<String, Channel>,
    /// Text for the bridge.
    pub(crate) out: String,
    pub(crate) is_up: bool,
    /// It neither hears nor speaks.
    pub(crate) is_silent: bool,
    /// Channels ignore orders to hang up.
    pub(crate) is_wedged: bool,
    input: String,
    booted_ms: u64,
    now_ms: u64,
    incoming: u64,
    /// The dialplan's notes about calls.
    notes: BTreeMap<String, String>,
    /// Calls and experts that were called about them.
    called: BTreeSet<(String, String)>,
}

impl Default for Asterisk {
    fn default() -> Asterisk {
        Asterisk {
            channels: BTreeMap::new(),
            out: String::new(),
            is_up: true,
            is_silent: false,
            is_wedged: false,
            input: String::new(),
            booted_ms: 0,
            now_ms: 0,
            incoming: 0,
            notes: BTreeMap::new(),
            called: BTreeSet::new(),
        }
    }
}

/// Longest time that the dialplan keeps an answered channel out of its room.
const DIALPLAN_MS: u64 = 20_000;
/// Longest time from the end of one channel of a pair to that of the other.
const OTHER_HALF_MS: u64 = 3_000;

type Headers = Vec<(String, String)>;

impl Asterisk {
    pub(crate) fn pass(&mut self, now_ms: u64) {
        self.now_ms = now_ms;
        let channels = self.channels.iter();
        let over = channels.filter(|(_, channel)| channel.ends_ms.is_some_and(|at| at <= now_ms));
        let over: Vec<String> = over.map(|(id, _)| id.clone()).collect();
        for id in over {
            self.end(&format!("{id}-sip"), "Cause: 19\r\n");
            self.end(&id, "Cause: 19\r\n");
        }
    }

    pub(crate) fn connected(&mut self) {
        self.input.clear();
        self.out = "Asterisk Call Manager/11.0.0\r\n".to_owned();
    }

    pub(crate) fn crash(&mut self, now_ms: u64) {
        self.channels.clear();
        self.booted_ms = now_ms;
    }

    pub(crate) fn members(&self, room: &str) -> Vec<String> {
        let channels = self.channels.iter();
        let members = channels.filter(|(_, channel)| channel.room.as_deref() == Some(room));
        members.map(|(id, _)| id.clone()).collect()
    }

    /// Takes in actions.
    pub(crate) fn take(&mut self, bytes: &[u8], dice: &mut Dice, now_ms: u64) {
        self.now_ms = now_ms;
        self.input.push_str(&String::from_utf8_lossy(bytes));
        while let Some(end) = self.input.find("\r\n\r\n") {
            let action: String = self.input.drain(..end + 4).collect();
            if !self.is_silent {
                self.answer(&headers(&action), dice);
            }
        }
    }

    fn answer(&mut self, action: &Headers, dice: &mut Dice) {
        let id = first(action, "ActionID").to_owned();
        let success = format!("Response: Success\r\nActionID: {id}\r\n");
        let channel = first(action, "Channel").to_owned();
        let text = match first(action, "Action") {
            "Challenge" => format!("{success}Challenge: 1\r\n\r\n"),
            "Login" => {
                let uptime_s = (self.now_ms - self.booted_ms) / 1_000;
                format!("{success}\r\nEvent: FullyBooted\r\nUptime: {uptime_s}\r\n\r\n")
            }
            "CoreShowChannels" => self.list(&id, "CoreShowChannel", |_| true),
            "ConfbridgeListRooms" => self.rooms(&id),
            "ConfbridgeList" => {
                let room = first(action, "Conference");
                self.list(&id, "ConfbridgeList", |channel| {
                    channel.room.as_deref() == Some(room)
                })
            }
            "Originate" => {
                self.originate(action, dice);
                format!("{success}\r\n")
            }
            "Hangup" if self.channels.contains_key(&channel) => {
                if !self.is_wedged {
                    self.hang_up(&channel, first(action, "Cause"), dice);
                }
                format!("{success}\r\n")
            }
            "Hangup" => {
                format!("Response: Error\r\nActionID: {id}\r\nMessage: No such channel\r\n\r\n")
            }
            "Getvar" => {
                let variable = first(action, "Variable");
                let value = self
                    .channels
                    .get(&channel)
                    .and_then(|channel| channel.variables.get(variable));
                let value = value.cloned().unwrap_or_default();
                format!("{success}Value: {value}\r\n\r\n")
            }
            "Setvar" => {
                if let Some(channel) = self.channels.get_mut(&channel) {
                    let (name, value) = (first(action, "Variable"), first(action, "Value"));
                    channel.variables.insert(name.to_owned(), value.to_owned());
                }
                format!("{success}\r\n")
            }
            "DBGet" => match self.notes.get(first(action, "Key")) {
                Some(note) => format!(
                    "{success}EventList: start\r\n\r\n\
                     Event: DBGetResponse\r\nActionID: {id}\r\nVal: {note}\r\n\r\n\
                     Event: DBGetComplete\r\nActionID: {id}\r\nEventList: Complete\r\n\r\n"
                ),
                None => format!(
                    "Response: Error\r\nActionID: {id}\r\nMessage: Database entry not found\r\n\r\n"
                ),
            },
            "Redirect" => {
                if dice.below(4) > 0 {
                    self.join(&channel);
                }
                format!("{success}\r\n")
            }
            _ => format!("{success}\r\n"),
        };
        self.out += &text;
    }

    fn list(&self, id: &str, event: &str, wanted: impl Fn(&Channel) -> bool) -> String {
        let mut text = format!("Response: Success\r\nActionID: {id}\r\nEventList: start\r\n\r\n");
        for (uniqueid, channel) in &self.channels {
            if wanted(channel) {
                let of = of(uniqueid, channel);
                text += &format!("Event: {event}\r\nActionID: {id}\r\n{of}\r\n");
            }
        }
        text + &format!("Event: {event}Complete\r\nActionID: {id}\r\nEventList: Complete\r\n\r\n")
    }

    fn rooms(&self, id: &str) -> String {
        let channels = self.channels.values();
        let rooms: BTreeSet<_> = channels
            .filter_map(|channel| channel.room.as_ref())
            .collect();
        let event = "Event: ConfbridgeListRooms";
        let mut text = format!("Response: Success\r\nActionID: {id}\r\nEventList: start\r\n\r\n");
        for room in rooms {
            text += &format!("{event}\r\nActionID: {id}\r\nConference: {room}\r\n\r\n");
        }
        text + &format!("{event}Complete\r\nActionID: {id}\r\nEventList: Complete\r\n\r\n")
    }

    fn originate(&mut self, action: &Headers, dice: &mut Dice) {
        let uniqueid = first(action, "ChannelId").to_owned();
        let pairs = action.iter().filter(|(key, _)| key == "Variable");
        let variables: BTreeMap<String, String> = pairs
            .filter_map(|(_, value)| value.split_once('='))
            .map(|(name, value)| (name.trim_start_matches('_').to_owned(), value.to_owned()))
            .collect();
        let variable = |name: &str| variables.get(name).cloned().unwrap_or_default();
        let (call, user) = (variable("IFE_CALL"), variable("IFE_USER"));
        let is_guardian = first(action, "Channel").starts_with("OOH323/");
        if !is_guardian {
            let again = !self.called.insert((call.clone(), user.clone()));
            assert!(!again, "{user} is called twice about {call}");
            let note = self.notes.entry(call).or_default();
            let tried = note.split(':').nth(1).and_then(|tried| tried.parse().ok());
            *note = format!("{}:{}", variable("IFE_NODE"), 1 + tried.unwrap_or(0_u8));
        }
        let timeout_ms: u64 = first(action, "Timeout").parse().expect("a number");
        let channel = Channel {
            ends_ms: Some(self.now_ms + timeout_ms),
            name: first(action, "Channel").replace('@', "-") + ";1",
            linkedid: uniqueid.clone(),
            context: first(action, "Context").to_owned(),
            variables,
            ..Channel::default()
        };
        self.appear(&uniqueid, channel);
        if !is_guardian && dice.below(10) > 0 {
            let behind = Channel {
                name: "PJSIP/kamailio-1".to_owned(),
                linkedid: uniqueid.clone(),
                ..Channel::default()
            };
            self.appear(&format!("{uniqueid}-sip"), behind);
        }
    }

    /// One phone or terminal rings, answers, joins, or ends its call.
    pub(crate) fn act(&mut self, dice: &mut Dice) {
        let ids: Vec<&String> = self.channels.keys().collect();
        if ids.is_empty() {
            return;
        }
        let id = ids[dice.below(ids.len() as u64) as usize].clone();
        let near = id.trim_end_matches("-sip").to_owned();
        match dice.below(10) {
            0 | 1 => self.state(&id, 5),
            2..7 => {
                self.state(&id, 6);
                self.state(&near, 6);
                let call = self.channels.get(&near);
                let call = call
                    .and_then(|channel| channel.variables.get("IFE_CALL"))
                    .cloned();
                if let Some(note) = call.and_then(|call| self.notes.get_mut(&call))
                    && !note.ends_with(":answered")
                {
                    note.push_str(":answered");
                }
                if dice.below(4) > 0 {
                    self.join(&near);
                }
            }
            7 => {
                if let Some(channel) = self.channels.get(&near).cloned() {
                    self.tell("HangupRequest", &near, &channel, "Cause: 16\r\n");
                }
                self.hang_up(&near, "16", dice);
            }
            8 => {
                let (cause, status) =
                    [(17, 486), (21, 603), (0, 0), (44, 0)][dice.below(4) as usize];
                let sip = format!("{near}-sip");
                self.end(&sip, &format!("Cause: {cause}\r\nTechCause: {status}\r\n"));
                self.end(&near, "Cause: 0\r\n");
            }
            // One half of the pair is gone; Asterisk ends the other one later.
            _ => {
                self.end(&id, "Cause: 16\r\n");
                let other = if id == near {
                    format!("{near}-sip")
                } else {
                    near
                };
                if let Some(channel) = self.channels.get_mut(&other) {
                    channel.ends_ms = Some(self.now_ms + OTHER_HALF_MS);
                }
            }
        }
    }

    pub(crate) fn incoming(&mut self, dice: &mut Dice) {
        self.incoming += 1;
        let id = format!("gateway-1.{}", self.incoming);
        let about = format!("trace-in-{} safety sip:a@external.advisor", self.incoming);
        let variables = [("IFE_IN", about.as_str()), ("IFE_ROOM", "council")];
        let variables = variables.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let channel = Channel {
            name: "PJSIP/kamailio-9".to_owned(),
            state: 4,
            linkedid: id.clone(),
            context: "ife-from-kamailio".to_owned(),
            variables: variables.into(),
            ..Channel::default()
        };
        self.appear(&id, channel.clone());
        let event = format!("UserEvent: IfeExpertIn\r\nCall: {about}\r\n");
        self.tell("UserEvent", &id, &channel, &event);
        if dice.below(2) == 0 {
            self.state(&id, 6);
            self.join(&id);
        }
    }

    fn appear(&mut self, uniqueid: &str, channel: Channel) {
        self.tell("Newchannel", uniqueid, &channel, "");
        self.channels.insert(uniqueid.to_owned(), channel);
    }

    fn state(&mut self, uniqueid: &str, state: u8) {
        if let Some(channel) = self.channels.get_mut(uniqueid) {
            channel.state = channel.state.max(state);
            if state == 6 && channel.ends_ms.is_some() {
                channel.ends_ms = Some(self.now_ms + DIALPLAN_MS);
            }
            let channel = channel.clone();
            self.tell("Newstate", uniqueid, &channel, "");
        }
    }

    /// Puts a channel into the room that its variables name.
    fn join(&mut self, uniqueid: &str) {
        let Some(channel) = self.channels.get(uniqueid).cloned() else {
            return;
        };
        let room = channel.variables.get("IFE_ROOM").cloned();
        let Some(room) = room.filter(|room| channel.room.as_ref() != Some(room)) else {
            return;
        };
        if let Some(old) = &channel.room {
            self.tell(
                "ConfbridgeLeave",
                uniqueid,
                &channel,
                &format!("Conference: {old}\r\n"),
            );
        }
        self.tell(
            "ConfbridgeJoin",
            uniqueid,
            &channel,
            &format!("Conference: {room}\r\n"),
        );
        if let Some(channel) = self.channels.get_mut(uniqueid) {
            channel.room = Some(room);
            channel.ends_ms = None;
        }
    }

    /// Ends a channel and the one behind it, in either order.
    fn hang_up(&mut self, uniqueid: &str, cause: &str, dice: &mut Dice) {
        let sip = format!("{uniqueid}-sip");
        let mut both = [uniqueid, &sip];
        if dice.below(2) == 0 {
            both.reverse();
        }
        for channel in both {
            self.end(channel, &format!("Cause: {cause}\r\n"));
        }
    }

    fn end(&mut self, uniqueid: &str, more: &str) {
        let Some(channel) = self.channels.remove(uniqueid) else {
            return;
        };
        if let Some(room) = &channel.room {
            self.tell(
                "ConfbridgeLeave",
                uniqueid,
                &channel,
                &format!("Conference: {room}\r\n"),
            );
        }
        self.tell("Hangup", uniqueid, &channel, more);
    }

    fn tell(&mut self, event: &str, uniqueid: &str, channel: &Channel, more: &str) {
        if self.is_up && !self.is_silent {
            let of = of(uniqueid, channel);
            self.out += &format!("Event: {event}\r\n{of}{more}\r\n");
        }
    }
}

fn of(uniqueid: &str, channel: &Channel) -> String {
    format!(
        "Channel: {}\r\nChannelState: {}\r\nContext: {}\r\nUniqueid: {uniqueid}\r\nLinkedid: {}\r\n",
        channel.name, channel.state, channel.context, channel.linkedid
    )
}

fn headers(message: &str) -> Headers {
    let lines = message.lines().filter_map(|line| line.split_once(": "));
    lines
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .collect()
}

fn first<'a>(headers: &'a Headers, key: &str) -> &'a str {
    let mut headers = headers.iter();
    headers
        .find(|(name, _)| name == key)
        .map_or("", |(_, value)| value)
}
