//! The phones of a simulated Asterisk, which act by the dice.

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::{Deref, DerefMut},
};

use crate::{
    gateway::{self, Channel, Gateway, Headers, first},
    world::Dice,
};

#[derive(Debug)]
pub(crate) struct Asterisk {
    gateway: Gateway,
    pub(crate) is_up: bool,
    input: String,
    booted_ms: u64,
    now_ms: u64,
    incoming: u64,
    /// When Asterisk gives up a channel: an order to call ends unanswered, the dialplan does not
    /// reach a room.
    ends_ms: BTreeMap<String, u64>,
    /// Calls and experts that were called about them.
    called: BTreeSet<(String, String)>,
    /// Orders that the dialplan did not carry out, since another bridge had the call.
    pub(crate) refused: u32,
    pub(crate) seed: u64,
}

impl Deref for Asterisk {
    type Target = Gateway;

    fn deref(&self) -> &Gateway {
        &self.gateway
    }
}

impl DerefMut for Asterisk {
    fn deref_mut(&mut self) -> &mut Gateway {
        &mut self.gateway
    }
}

/// Longest time that the dialplan keeps an answered channel out of its room.
const DIALPLAN_MS: u64 = 20_000;
/// Longest time from the end of one channel of a pair to that of the other.
const OTHER_HALF_MS: u64 = 3_000;

impl Asterisk {
    pub(crate) fn new(seed: u64) -> Asterisk {
        Asterisk {
            gateway: Gateway::default(),
            is_up: true,
            input: String::new(),
            booted_ms: 0,
            now_ms: 0,
            incoming: 0,
            ends_ms: BTreeMap::new(),
            called: BTreeSet::new(),
            refused: 0,
            seed,
        }
    }

    pub(crate) fn pass(&mut self, now_ms: u64) {
        self.now_ms = now_ms;
        self.ends_ms
            .retain(|id, _| self.gateway.channels.contains_key(id));
        let over = self.ends_ms.iter().filter(|(_, at)| **at <= now_ms);
        let over: Vec<String> = over.map(|(id, _)| id.clone()).collect();
        for id in over {
            self.end(&format!("{id}-sip"), "Cause: 19\r\n");
            self.end(&id, "Cause: 19\r\n");
        }
    }

    pub(crate) fn connected(&mut self) {
        self.input.clear();
        self.out = gateway::BANNER.to_owned();
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
        self.uptime_s = (now_ms - self.booted_ms) / 1_000;
        self.input.push_str(&String::from_utf8_lossy(bytes));
        for action in gateway::actions(&mut self.input) {
            if !self.is_silent {
                let answer = self.obey(&action, dice);
                self.out += &answer;
            }
        }
    }

    fn obey(&mut self, action: &Headers, dice: &mut Dice) -> String {
        let channel = first(action, "Channel");
        match first(action, "Action") {
            "Originate" => self.call(action, dice),
            "Hangup" if !self.channels.contains_key(channel) => {
                return gateway::refused(action, "No such channel");
            }
            "Hangup" if self.is_wedged => {}
            "Hangup" => self.hang_up(channel, first(action, "Cause"), dice),
            "Redirect" => {
                if dice.below(4) > 0 {
                    self.join(channel);
                }
            }
            _ => return self.answer(action),
        }
        gateway::done(action)
    }

    pub(crate) fn call(&mut self, action: &Headers, dice: &mut Dice) {
        let (id, channel) = self.originate(action);
        let is_guardian = first(action, "Channel").starts_with("OOH323/");
        if !is_guardian && !self.may_call(&id, &channel) {
            self.refused += 1;
            return;
        }
        if !is_guardian {
            let (call, user) = (channel.variable("IFE_CALL"), channel.variable("IFE_USER"));
            let again = !self.called.insert((call.clone(), user.clone()));
            let seed = self.seed;
            assert!(!again, "seed {seed}: {user} is called twice about {call}");
        }
        let timeout_ms: u64 = first(action, "Timeout").parse().expect("a number");
        self.ends_ms.insert(id.clone(), self.now_ms + timeout_ms);
        if !is_guardian && dice.below(10) > 0 {
            self.dial(&id);
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
            0 | 1 => self.turn(&id, 5),
            2..7 => {
                self.turn(&id, 6);
                self.turn(&near, 6);
                let call = self.channels.get(&near);
                let call = call.map(|channel| channel.variable("IFE_CALL"));
                if let Some(note) = call.and_then(|call| self.notes.get_mut(&call))
                    && !note.ends_with(":answered")
                {
                    note.push_str(":answered");
                }
                match dice.below(8) {
                    0 => {}
                    1 => self.brief(&near),
                    2 => {
                        let whys = ["declined", "passed_on", "not_accepted"];
                        self.refuse(&near, whys[dice.below(3) as usize]);
                        self.unanswer(&near);
                        self.ends_ms.insert(near, self.now_ms + OTHER_HALF_MS);
                    }
                    _ => self.join(&near),
                }
            }
            7 => {
                self.ask_end(&near);
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
                self.ends_ms.insert(other, self.now_ms + OTHER_HALF_MS);
            }
        }
    }

    /// The note no longer marks the expert as answered: another one may be called.
    fn unanswer(&mut self, near: &str) {
        let call = self.channels.get(near);
        let call = call.map(|channel| channel.variable("IFE_CALL"));
        if let Some(note) = call.and_then(|call| self.notes.get_mut(&call))
            && let Some(text) = note.strip_suffix(":answered")
        {
            *note = text.to_owned();
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
            self.turn(&id, 6);
            self.join(&id);
        }
    }

    fn turn(&mut self, uniqueid: &str, state: u8) {
        if let Some(ends_ms) = self.ends_ms.get_mut(uniqueid).filter(|_| state == 6) {
            *ends_ms = self.now_ms + DIALPLAN_MS;
        }
        self.state(uniqueid, state);
    }

    /// Puts a channel into the room that its variables name.
    fn join(&mut self, uniqueid: &str) {
        let channel = self.channels.get(uniqueid);
        let room = channel.and_then(|channel| channel.variables.get("IFE_ROOM"));
        if room == channel.and_then(|channel| channel.room.as_ref()) {
            return;
        }
        if let Some(room) = room.cloned() {
            self.enter_noted(uniqueid, &room, "expert -");
            self.ends_ms.remove(uniqueid);
        }
    }

    /// The dialplan's steps before it lets a channel into a room.
    fn enter_noted(&mut self, uniqueid: &str, room: &str, who: &str) {
        self.note("join", room, uniqueid, who);
        if let Some(channel) = self.channels.get_mut(uniqueid) {
            channel.noted_as = Some(who.to_owned());
        }
        self.enter(uniqueid, Some(room.to_owned()));
    }

    /// A terminal dials in over H.323, as the dialplan handles it; or another part of the PBX puts
    /// a channel into the room.
    pub(crate) fn dial_in(&mut self, h323_id: &str, unix_s: u64, dice: &mut Dice) {
        self.incoming += 1;
        let id = format!("gateway-1.{}", self.incoming);
        let by_dialplan = dice.below(3) > 0;
        let mut channel = Channel {
            name: format!("OOH323/terminals-{}", self.incoming),
            state: 6,
            linkedid: id.clone(),
            context: "ife-unknown".to_owned(),
            exten: "s".to_owned(),
            ..Channel::default()
        };
        self.appear(&id, channel.clone());
        let admitted = self.globals.get(&format!("IFE_ADMIT_terminals/{h323_id}"));
        let admitted = admitted
            .filter(|_| by_dialplan)
            .cloned()
            .unwrap_or_default();
        let words: Vec<&str> = admitted.split(':').collect();
        if let [until_s, name, room] = words[..]
            && until_s
                .parse::<u64>()
                .is_ok_and(|until_s| until_s >= unix_s)
        {
            channel.context = "ife-admitted".to_owned();
            channel.exten = format!("g{name}");
            self.channels.insert(id.clone(), channel);
            return self.enter_noted(&id, room, &format!("guardian {name}"));
        }
        let unknown = self.globals.get("IFE_UNKNOWN").map(String::as_str);
        match unknown {
            _ if !by_dialplan => self.enter(&id, Some("council".to_owned())),
            Some("admit" | "mute") => {
                channel.is_muted = unknown == Some("mute");
                self.channels.insert(id.clone(), channel);
                self.enter_noted(&id, "council", "unknown -");
            }
            _ => {
                self.note(
                    "refused",
                    "council",
                    &id,
                    &format!("unknown terminals/{h323_id}"),
                );
                self.end(&id, "Cause: 21\r\n");
            }
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
}
