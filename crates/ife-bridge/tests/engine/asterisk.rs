//! The simulated Asterisk behind a socket; its experts act by their names.

use std::{
    net::SocketAddr,
    ops::{Deref, DerefMut},
    sync::{Arc, Mutex, MutexGuard},
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::broadcast,
    task::JoinHandle,
};

use crate::gateway::{self, BANNER, Channel, Gateway, Headers, first};

#[derive(Debug, Default)]
pub(crate) struct World {
    gateway: Gateway,
    pub(crate) originated: Vec<Headers>,
    /// The causes of all orders to hang up.
    pub(crate) hangups: Vec<String>,
    /// Rooms that admit no party.
    pub(crate) locked: Vec<String>,
    /// Results of the probes of Kamailio, once there are probes.
    pub(crate) kamailio: Option<bool>,
    /// Rooms that have no seat for an expert.
    pub(crate) full: Vec<String>,
    /// Terminals of guardians that release every call, with this cause.
    pub(crate) guardians_release: Option<u8>,
    /// Orders to call are taken and not carried out.
    pub(crate) idle: bool,
}

impl Deref for World {
    type Target = Gateway;

    fn deref(&self) -> &Gateway {
        &self.gateway
    }
}

impl DerefMut for World {
    fn deref_mut(&mut self) -> &mut Gateway {
        &mut self.gateway
    }
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
        "refuses" => Answer::Refuses("declined"),
        "passes" => Answer::Refuses("passed_on"),
        "machine" => Answer::Refuses("not_accepted"),
        _ => Answer::Answers,
    }
}

enum Answer {
    /// With a cause and a SIP status.
    Hangs(u8, u16),
    /// Likewise; its own channel's end comes after that of the Local one in front of it, or never.
    HangsLate(Option<(u8, u16)>),
    Rings,
    /// After the answer, for this reason.
    Refuses(&'static str),
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
            world: Arc::default(),
            events: broadcast::channel(1_024).0,
            serving: Arc::default(),
            address,
        };
        asterisk.world().uptime_s = 1_000;
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
            .write_all(BANNER.as_bytes())
            .await
            .expect("it is open");
        loop {
            tokio::select! {
                Ok(event) = events.recv() => {
                    if socket.write_all(event.as_bytes()).await.is_err() {
                        return;
                    }
                }
                read = socket.read(&mut piece) => {
                    let Ok(len @ 1..) = read else { return };
                    buffer.push_str(&String::from_utf8_lossy(&piece[..len]));
                    for action in gateway::actions(&mut buffer) {
                        if self.world().is_silent {
                            continue;
                        }
                        let answer = self.change(|world| world.obey(&action));
                        if socket.write_all(answer.as_bytes()).await.is_err() { return }
                    }
                }
            }
        }
    }

    /// Changes the world, and sends its events.
    fn change<T>(&self, change: impl FnOnce(&mut World) -> T) -> T {
        let mut world = self.world();
        let result = change(&mut world);
        let events = std::mem::take(&mut world.out);
        if !events.is_empty() {
            // No session may be there.
            let _ = self.events.send(events);
        }
        result
    }

    pub(crate) fn appear(&self, uniqueid: &str, channel: Channel) {
        self.change(|world| world.appear(uniqueid, channel));
    }

    /// The dialplan notes a party of the room `council`.
    pub(crate) fn note(&self, what: &str, uniqueid: &str, who: &str) {
        self.change(|world| world.note(what, "council", uniqueid, who));
    }

    pub(crate) fn state(&self, uniqueid: &str, state: u8) {
        self.change(|world| world.state(uniqueid, state));
    }

    pub(crate) fn tell(&self, event: &str, uniqueid: &str, channel: &Channel, more: &str) {
        self.change(|world| world.tell(event, uniqueid, channel, more));
    }

    pub(crate) fn join(&self, uniqueid: &str) {
        self.change(|world| world.join(uniqueid));
    }

    /// The far side of a channel hangs up.
    pub(crate) fn leaves(&self, uniqueid: &str) {
        self.change(|world| {
            world.ask_end(uniqueid);
            world.hang_up(uniqueid, "16");
        });
    }

    /// The phone behind a leg vanishes: after a while without sound Asterisk ends both channels.
    pub(crate) fn vanishes(&self, uniqueid: &str) {
        self.change(|world| {
            world.end(&format!("{uniqueid}-sip"), "Cause: 44\r\n");
            world.hang_up(uniqueid, "16");
        });
    }
}

impl World {
    fn obey(&mut self, action: &Headers) -> String {
        let (channel, variable) = (first(action, "Channel"), first(action, "Variable"));
        match first(action, "Action") {
            "Originate" => self.call(action),
            "Hangup" if self.is_wedged => {}
            "Hangup" => {
                self.hangups.push(first(action, "Cause").to_owned());
                if !self.hang_up(channel, first(action, "Cause")) {
                    return gateway::refused(action, "No such channel");
                }
            }
            "Redirect" => self.join(channel),
            "Getvar" if variable == "PJSIP_AOR(kamailio,contact)" => {
                return gateway::with_value(action, "kamailio@@0123abcd");
            }
            "Getvar" if variable.starts_with("PJSIP_CONTACT(") => {
                assert_eq!(variable, "PJSIP_CONTACT(kamailio@@0123abcd,status)");
                let status = match self.kamailio {
                    Some(true) => "Reachable",
                    Some(false) => "Unreachable",
                    None => "NonQualified",
                };
                return gateway::with_value(action, status);
            }
            _ => return self.answer(action),
        }
        gateway::done(action)
    }

    fn call(&mut self, action: &Headers) {
        if self.idle {
            return;
        }
        self.originated.push(action.clone());
        let (near, channel) = self.originate(action);
        if first(action, "Channel").starts_with("OOH323/") {
            if let Some(cause) = self.guardians_release {
                self.hang_up(&near, &cause.to_string());
                return;
            }
            self.state(&near, 6);
            return self.join(&near);
        }
        if !self.may_call(&near, &channel) {
            return;
        }
        let sip = self.dial(&near);
        let causes = |(cause, status)| format!("Cause: {cause}\r\nTechCause: {status}\r\n");
        match answer_of(&channel.variable("IFE_USER")) {
            Answer::Hangs(cause, status) => {
                self.end(&sip, &causes((cause, status)));
                // The Local channel in front often knows nothing.
                self.hang_up(&near, "0");
            }
            Answer::HangsLate(end) => {
                self.hang_up(&near, "0");
                if let Some(end) = end {
                    self.end(&sip, &causes(end));
                }
            }
            Answer::Rings => self.state(&sip, 5),
            Answer::Refuses(why) => {
                self.state(&sip, 6);
                self.state(&near, 6);
                self.brief(&near);
                self.refuse(&near, why);
                self.hang_up(&sip, "16");
                self.hang_up(&near, "16");
            }
            Answer::Answers => {
                self.state(&sip, 5);
                self.state(&sip, 6);
                self.state(&near, 6);
                self.join(&near);
            }
        }
    }

    /// Into the room that the channel's variables name.
    fn join(&mut self, uniqueid: &str) {
        self.accept(uniqueid);
        let Some(channel) = self.channels.get(uniqueid).cloned() else {
            return;
        };
        let room = channel.variable("IFE_ROOM");
        let is_expert = channel.variables.contains_key("IFE_CALL");
        if is_expert && self.full.contains(&room) {
            self.tell("UserEvent", uniqueid, &channel, "UserEvent: IfeFull\r\n");
            self.hang_up(&format!("{uniqueid}-sip"), "34");
            self.hang_up(uniqueid, "34");
            return;
        }
        let room = (!self.locked.contains(&room)).then_some(room);
        self.enter(uniqueid, room);
    }

    fn hang_up(&mut self, uniqueid: &str, cause: &str) -> bool {
        self.end(uniqueid, &format!("Cause: {cause}\r\n"))
    }
}
