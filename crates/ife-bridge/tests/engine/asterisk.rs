//! An Asterisk of a few lines: it speaks AMI, keeps channels and rooms, and its experts do what their names say.

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard},
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::broadcast,
    task::JoinHandle,
};

/// Headers of one message, in order; names repeat.
pub(crate) type Headers = Vec<(String, String)>;

#[derive(Debug, Clone, Default)]
pub(crate) struct Channel {
    pub(crate) name: String,
    pub(crate) state: u8,
    pub(crate) linkedid: String,
    pub(crate) context: String,
    pub(crate) room: Option<String>,
    pub(crate) variables: BTreeMap<String, String>,
}

#[derive(Debug, Default)]
pub(crate) struct World {
    pub(crate) channels: BTreeMap<String, Channel>,
    pub(crate) originated: Vec<Headers>,
    pub(crate) uptime_s: u64,
    /// Rooms that nobody gets into.
    pub(crate) locked: Vec<String>,
    /// What the probes of Kamailio find, once there are probes.
    pub(crate) kamailio: Option<bool>,
    /// Channels are told to end, and do not.
    pub(crate) wedged: bool,
    /// Rooms that have no seat for an expert.
    pub(crate) full: Vec<String>,
    /// Terminals of guardians that release every call, with this cause.
    pub(crate) guardians_release: Option<u8>,
    /// What the dialplan noted about calls, by the hex digits of their names.
    pub(crate) notes: BTreeMap<String, String>,
    /// Orders to call are taken and not carried out.
    pub(crate) idle: bool,
    /// Neither heard nor listened to, with every connection open.
    pub(crate) silent: bool,
}

/// What experts do, by the user part of their address.
fn answer_of(user: &str) -> Answer {
    match user {
        "busy" => Answer::Hangs(17, 486),
        "declines" => Answer::Hangs(21, 603),
        "challenges" => Answer::Hangs(21, 401),
        "late" => Answer::HangsLate(Some((17, 486))),
        "silent" => Answer::HangsLate(None),
        "rings" => Answer::Rings,
        _ => Answer::Answers,
    }
}

enum Answer {
    /// With a cause and a SIP status.
    Hangs(u8, u16),
    /// Likewise; its own channel's end comes after that of the Local one in front of it, or never.
    HangsLate(Option<(u8, u16)>),
    Rings,
    Answers,
}

#[derive(Clone)]
pub(crate) struct Asterisk {
    world: Arc<Mutex<World>>,
    events: broadcast::Sender<String>,
    serving: Arc<Mutex<Option<JoinHandle<()>>>>,
    pub(crate) address: SocketAddr,
}

impl Asterisk {
    pub(crate) async fn start() -> Asterisk {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("it is bound");
        let asterisk = Asterisk {
            world: Arc::new(Mutex::new(World {
                uptime_s: 1_000,
                ..World::default()
            })),
            events: broadcast::channel(1_024).0,
            serving: Arc::default(),
            address,
        };
        asterisk.serve(listener);
        asterisk
    }

    fn serve(&self, listener: TcpListener) {
        let this = self.clone();
        let task = tokio::spawn(async move {
            let mut sessions = tokio::task::JoinSet::new();
            while let Ok((socket, _)) = listener.accept().await {
                let this = this.clone();
                sessions.spawn(async move { this.session(socket).await });
            }
        });
        *self.serving.lock().expect("no panic") = Some(task);
    }

    /// Drops every connection and takes no new one.
    pub(crate) fn vanish(&self) {
        if let Some(task) = self.serving.lock().expect("no panic").take() {
            task.abort();
        }
    }

    /// Is there again, with its channels or, after a crash, without.
    pub(crate) async fn come_back(&self, crashed: bool) {
        if crashed {
            let mut world = self.world();
            world.channels.clear();
            world.uptime_s = 0;
        }
        loop {
            // The old listener is gone once its task has ended.
            if let Ok(listener) = TcpListener::bind(self.address).await {
                return self.serve(listener);
            }
            tokio::task::yield_now().await;
        }
    }

    pub(crate) fn world(&self) -> MutexGuard<'_, World> {
        self.world.lock().expect("no panic")
    }

    /// How often an expert was called.
    pub(crate) fn experts_called(&self) -> usize {
        let world = self.world();
        let calls = world.originated.iter();
        calls
            .filter(|order| first(order, "Channel").starts_with("Local/"))
            .count()
    }

    /// A variable of an origination.
    pub(crate) fn variable(&self, origination: usize, name: &str) -> Option<String> {
        let world = self.world();
        let prefix = format!("{name}=");
        let mut headers = world.originated.get(origination)?.iter();
        headers.find_map(|(key, value)| {
            (key == "Variable").then(|| value.strip_prefix(&prefix).map(str::to_owned))?
        })
    }

    async fn session(&self, mut socket: TcpStream) {
        let mut events = self.events.subscribe();
        let (mut buffer, mut piece) = (String::new(), [0; 4_096]);
        socket
            .write_all(b"Asterisk Call Manager/11.0.0\r\n")
            .await
            .expect("it is open");
        loop {
            tokio::select! {
                Ok(event) = events.recv() => if !self.world().silent && socket.write_all(event.as_bytes()).await.is_err() { return },
                read = socket.read(&mut piece) => {
                    let Ok(len @ 1..) = read else { return };
                    buffer.push_str(&String::from_utf8_lossy(&piece[..len]));
                    while let Some(end) = buffer.find("\r\n\r\n") {
                        let action: String = buffer.drain(..end + 4).collect();
                        if self.world().silent {
                            continue;
                        }
                        let answer = self.answer(&headers(&action));
                        if socket.write_all(answer.as_bytes()).await.is_err() { return }
                    }
                }
            }
        }
    }

    fn answer(&self, action: &Headers) -> String {
        let id = first(action, "ActionID");
        let success = format!("Response: Success\r\nActionID: {id}\r\n");
        match first(action, "Action") {
            "Challenge" => format!("{success}Challenge: 1\r\n\r\n"),
            "Login" => {
                let uptime_s = self.world().uptime_s;
                format!("{success}\r\nEvent: FullyBooted\r\nUptime: {uptime_s}\r\n\r\n")
            }
            "CoreShowChannels" => self.list(id, "CoreShowChannel", |_| true),
            "Hangup" if self.world().wedged => format!("{success}\r\n"),
            "ConfbridgeListRooms" => self.rooms(id),
            "ConfbridgeList" => {
                let room = first(action, "Conference");
                self.list(id, "ConfbridgeList", |channel| {
                    channel.room.as_deref() == Some(room)
                })
            }
            "Originate" => {
                self.originate(action);
                format!("{success}\r\n")
            }
            "Hangup" => match self.hang_up(first(action, "Channel"), first(action, "Cause")) {
                true => format!("{success}\r\n"),
                false => {
                    format!("Response: Error\r\nActionID: {id}\r\nMessage: No such channel\r\n\r\n")
                }
            },
            "Getvar" if first(action, "Variable") == "PJSIP_AOR(kamailio,contact)" => {
                format!("{success}Value: kamailio@@0123abcd\r\n\r\n")
            }
            "Getvar" if first(action, "Variable").starts_with("PJSIP_CONTACT(") => {
                assert_eq!(
                    first(action, "Variable"),
                    "PJSIP_CONTACT(kamailio@@0123abcd,status)"
                );
                let status = match self.world().kamailio {
                    Some(true) => "Reachable",
                    Some(false) => "Unreachable",
                    None => "NonQualified",
                };
                format!("{success}Value: {status}\r\n\r\n")
            }
            "Getvar" => {
                let value = self.get(first(action, "Channel"), first(action, "Variable"));
                format!("{success}Value: {value}\r\n\r\n")
            }
            "Setvar" => {
                let mut world = self.world();
                if let Some(channel) = world.channels.get_mut(first(action, "Channel")) {
                    channel.variables.insert(
                        first(action, "Variable").into(),
                        first(action, "Value").into(),
                    );
                }
                format!("{success}\r\n")
            }
            "DBGet" => match self.world().notes.get(first(action, "Key")) {
                Some(note) => format!(
                    "{success}EventList: start\r\n\r\nEvent: DBGetResponse\r\nActionID: {id}\r\nVal: {note}\r\n\r\n\
                     Event: DBGetComplete\r\nActionID: {id}\r\nEventList: Complete\r\n\r\n"
                ),
                None => format!(
                    "Response: Error\r\nActionID: {id}\r\nMessage: Database entry not found\r\n\r\n"
                ),
            },
            "Redirect" => {
                self.join(first(action, "Channel"));
                format!("{success}\r\n")
            }
            _ => format!("{success}\r\n"),
        }
    }

    fn get(&self, channel: &str, name: &str) -> String {
        let world = self.world();
        let value = world
            .channels
            .get(channel)
            .and_then(|channel| channel.variables.get(name));
        value.cloned().unwrap_or_default()
    }

    fn list(&self, id: &str, event: &str, wanted: impl Fn(&Channel) -> bool) -> String {
        let mut text = format!("Response: Success\r\nActionID: {id}\r\nEventList: start\r\n\r\n");
        for (uniqueid, channel) in &self.world().channels {
            if wanted(channel) {
                text += &format!(
                    "Event: {event}\r\nActionID: {id}\r\n{}\r\n",
                    of(uniqueid, channel)
                );
            }
        }
        text + &format!("Event: {event}Complete\r\nActionID: {id}\r\nEventList: Complete\r\n\r\n")
    }

    fn rooms(&self, id: &str) -> String {
        let world = self.world();
        let mut rooms: Vec<&String> = world
            .channels
            .values()
            .filter_map(|channel| channel.room.as_ref())
            .collect();
        rooms.sort();
        rooms.dedup();
        let mut text = format!("Response: Success\r\nActionID: {id}\r\nEventList: start\r\n\r\n");
        for room in rooms {
            text += &format!(
                "Event: ConfbridgeListRooms\r\nActionID: {id}\r\nConference: {room}\r\n\r\n"
            );
        }
        text + &format!(
            "Event: ConfbridgeListRoomsComplete\r\nActionID: {id}\r\nEventList: Complete\r\n\r\n"
        )
    }

    fn originate(&self, action: &Headers) {
        let uniqueid = first(action, "ChannelId").to_owned();
        let pairs = action
            .iter()
            .filter(|(key, _)| key == "Variable")
            .filter_map(|(_, value)| value.split_once('='));
        let variables: BTreeMap<String, String> = pairs
            .map(|(name, value)| (name.trim_start_matches('_').to_owned(), value.to_owned()))
            .collect();
        let variable = |name| variables.get(name).cloned().unwrap_or_default();
        let (user, call) = (variable("IFE_USER"), variable("IFE_CALL"));
        if self.world().idle {
            return;
        }
        self.world().originated.push(action.clone());
        if !call.is_empty() {
            self.note(&call, &variable("IFE_NODE"));
        }
        let channel = Channel {
            name: first(action, "Channel").replace('@', "-") + ";1",
            linkedid: uniqueid.clone(),
            context: first(action, "Context").to_owned(),
            variables,
            ..Channel::default()
        };
        self.appear(&uniqueid, channel);
        if first(action, "Channel").starts_with("OOH323/") {
            let released = self.world().guardians_release;
            if let Some(cause) = released {
                self.hang_up(&uniqueid, &cause.to_string());
                return;
            }
            self.state(&uniqueid, 6);
            return self.join(&uniqueid);
        }
        let sip = format!("{uniqueid}-sip");
        let behind = Channel {
            name: "PJSIP/kamailio-1".to_owned(),
            linkedid: uniqueid.clone(),
            ..Channel::default()
        };
        self.appear(&sip, behind);
        match answer_of(&user) {
            Answer::Hangs(cause, status) => {
                self.end(&sip, &format!("Cause: {cause}\r\nTechCause: {status}\r\n"));
                // The Local channel in front often knows nothing.
                self.hang_up(&uniqueid, "0");
            }
            Answer::HangsLate(end) => {
                self.hang_up(&uniqueid, "0");
                if let Some((cause, status)) = end {
                    self.end(&sip, &format!("Cause: {cause}\r\nTechCause: {status}\r\n"));
                }
            }
            Answer::Rings => self.state(&sip, 5),
            Answer::Answers => {
                self.state(&sip, 5);
                self.state(&sip, 6);
                self.state(&uniqueid, 6);
                self.join(&uniqueid);
            }
        }
    }

    /// Counts an expert who is called, as the dialplan does.
    fn note(&self, call: &str, node: &str) {
        let mut world = self.world();
        let note = world.notes.entry(call.to_owned()).or_default();
        let tried = note.split(':').nth(1).and_then(|tried| tried.parse().ok());
        *note = format!("{node}:{}", 1 + tried.unwrap_or(0_u8));
    }

    pub(crate) fn appear(&self, uniqueid: &str, channel: Channel) {
        self.tell("Newchannel", uniqueid, &channel, "");
        self.world().channels.insert(uniqueid.to_owned(), channel);
    }

    pub(crate) fn state(&self, uniqueid: &str, state: u8) {
        let mut world = self.world();
        if let Some(channel) = world.channels.get_mut(uniqueid) {
            channel.state = state;
            self.tell("Newstate", uniqueid, channel, "");
        }
    }

    /// Into the room that the channel's variables name.
    pub(crate) fn join(&self, uniqueid: &str) {
        let mut world = self.world();
        let (locked, full) = (world.locked.clone(), world.full.clone());
        let Some(channel) = world.channels.get_mut(uniqueid) else {
            return;
        };
        let room = channel
            .variables
            .get("IFE_ROOM")
            .cloned()
            .unwrap_or_default();
        let is_expert = channel.variables.contains_key("IFE_CALL");
        if is_expert && full.contains(&room) {
            self.tell("UserEvent", uniqueid, channel, "UserEvent: IfeFull\r\n");
            drop(world);
            self.hang_up(&format!("{uniqueid}-sip"), "34");
            self.hang_up(uniqueid, "34");
            return;
        }
        if let Some(old) = channel.room.take() {
            self.tell(
                "ConfbridgeLeave",
                uniqueid,
                channel,
                &format!("Conference: {old}\r\n"),
            );
        }
        if !locked.contains(&room) {
            self.tell(
                "ConfbridgeJoin",
                uniqueid,
                channel,
                &format!("Conference: {room}\r\n"),
            );
            channel.room = Some(room);
        }
    }

    /// The far side of a channel hangs up.
    pub(crate) fn leaves(&self, uniqueid: &str) {
        if let Some(channel) = self.world().channels.get(uniqueid) {
            self.tell("HangupRequest", uniqueid, channel, "Cause: 16\r\n");
        }
        self.hang_up(uniqueid, "16");
    }

    /// The phone behind a leg vanishes: after a while without sound Asterisk ends both channels.
    pub(crate) fn vanishes(&self, uniqueid: &str) {
        self.end(&format!("{uniqueid}-sip"), "Cause: 44\r\n");
        self.hang_up(uniqueid, "16");
    }

    fn hang_up(&self, uniqueid: &str, cause: &str) -> bool {
        self.end(uniqueid, &format!("Cause: {cause}\r\n"))
    }

    /// A channel's end, with the headers of its event.
    fn end(&self, uniqueid: &str, more: &str) -> bool {
        let Some(channel) = self.world().channels.remove(uniqueid) else {
            return false;
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
        true
    }

    pub(crate) fn tell(&self, event: &str, uniqueid: &str, channel: &Channel, more: &str) {
        let text = format!("Event: {event}\r\n{}{more}\r\n", of(uniqueid, channel));
        // Nobody may be connected.
        let _ = self.events.send(text);
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

pub(crate) fn first<'a>(headers: &'a Headers, key: &str) -> &'a str {
    headers
        .iter()
        .find(|(name, _)| name == key)
        .map_or("", |(_, value)| value)
}
