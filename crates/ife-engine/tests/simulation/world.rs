//! The world around an engine: time, a store in memory, requests, and Asterisk.

use std::{
    sync::{Arc, Mutex, MutexGuard},
    time::{Duration, Instant},
};

use ife_ami::value::{DialToken, RoomName, Secret};
use ife_call::{Backend, Policy};
use ife_engine::{
    Action, Engine, FromLink, Parts,
    command::{Command, Reply, RoomCommand},
    council::Council,
    gate::Gate,
    ledger::Ledger,
    notice::Notice,
    record::Line,
    refusal::Refusal,
    settings::{Guardian, Limits, Settings, UnknownParties},
    shell::{About, Fact, Measure, Prompt, Refused, Said, Shell, Spoken},
    time::Now,
    view::Event,
};
use ife_message::PrivateKey;

use crate::asterisk::Asterisk;

pub(crate) const EXPERTS: [&str; 3] = [
    "a@external.advisor",
    "b@external.advisor",
    "c@external.advisor",
];
const BEGIN_MS: u64 = 1_790_000_000_000;

/// A generator of numbers from a seed (splitmix64).
#[derive(Debug)]
pub(crate) struct Dice(u64);

impl Dice {
    pub(crate) fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % limit
    }
}

/// Everything that the engine's orders reach.
#[derive(Debug)]
pub(crate) struct Outside {
    pub(crate) dice: Dice,
    pub(crate) now_ms: u64,
    pub(crate) asterisk: Asterisk,
    /// Number of the connection, while there is one.
    link: Option<u64>,
    said: Vec<(u64, FromLink)>,
    lines: Vec<Line>,
    tokens: Vec<u64>,
    is_disk_full: bool,
    /// The rooms as a reader of the log has them.
    pub(crate) log: crate::log::Log,
}

#[derive(Debug)]
struct Orders(Arc<Mutex<Outside>>);

impl Orders {
    fn outside(&self) -> MutexGuard<'_, Outside> {
        self.0.lock().expect("no panic")
    }
}

impl Shell for Orders {
    fn connect(&mut self, number: u64) {
        let mut outside = self.outside();
        if outside.asterisk.is_up {
            outside.link = Some(number);
            outside.said.push((number, FromLink::Opened));
            outside.asterisk.connected();
        } else {
            outside.said.push((number, FromLink::Closed(None)));
        }
    }

    fn disconnect(&mut self) {
        let mut outside = self.outside();
        outside.link = None;
        outside.asterisk.out.clear();
    }

    fn write(&mut self, bytes: Vec<u8>) -> bool {
        let outside = &mut *self.outside();
        if outside.link.is_some() {
            let (dice, now_ms) = (&mut outside.dice, outside.now_ms);
            outside.asterisk.take(&bytes, dice, now_ms);
        }
        outside.link.is_some()
    }

    fn store(&mut self, line: &Line, token: Option<u64>) -> Result<(), Refused> {
        let mut outside = self.outside();
        if !outside.is_disk_full {
            outside.lines.push(line.clone());
        }
        outside.tokens.extend(token);
        Ok(())
    }

    fn wants_rewrite(&self) -> bool {
        let outside = &mut *self.outside();
        !outside.is_disk_full && outside.lines.len() > 200
    }

    fn rewrite(&mut self, lines: Vec<Line>) {
        self.outside().lines = lines;
    }

    fn witness(&mut self, fact: &Fact<'_>, decision: bool) -> Result<(), Refused> {
        let is_taken = !decision || self.outside().dice.below(20) > 0;
        if is_taken {
            let outside = &mut *self.outside();
            outside.log.follow(fact, outside.now_ms);
        }
        is_taken.then_some(()).ok_or(Refused)
    }

    fn is_witness_healthy(&self) -> bool {
        true
    }

    fn is_store_healthy(&self) -> bool {
        !self.outside().is_disk_full
    }

    fn offer_evidence(&mut self, about: About) -> Option<String> {
        Some(format!("https://bridge.example/e/{}", about.call_id))
    }

    fn end_evidence(&mut self, _: &str) {}

    fn speak(&mut self, _: &Spoken<'_>) -> Vec<Said> {
        vec![Said {
            prompt: Prompt::Choice,
            number: Some(1),
            file: "/prompts/choice-1".to_owned(),
        }]
    }

    fn notify(&mut self, _: Notice) -> bool {
        true
    }

    fn withdraw(&mut self, _: &str) {}

    fn publish(&mut self, _: Event) {}

    fn measure(&mut self, _: Measure<'_>) {}

    fn random(&mut self, bytes: &mut [u8]) -> bool {
        let mut outside = self.outside();
        bytes.fill_with(|| outside.dice.below(256) as u8);
        true
    }
}

pub(crate) struct World {
    pub(crate) seed: u64,
    pub(crate) engine: Engine,
    begin: Instant,
    outside: Arc<Mutex<Outside>>,
    /// Requests that are not answered.
    due: Arc<Mutex<Vec<u64>>>,
    asked: u64,
    calls: Vec<String>,
    /// Bridges that were killed.
    pub(crate) kills: u32,
}

impl World {
    pub(crate) fn new(seed: u64) -> World {
        let outside = Arc::new(Mutex::new(Outside {
            dice: Dice(seed),
            now_ms: 0,
            asterisk: Asterisk::new(seed),
            link: None,
            said: Vec::new(),
            lines: Vec::new(),
            tokens: Vec::new(),
            is_disk_full: false,
            log: crate::log::Log::new(seed),
        }));
        let begin = Instant::now();
        let now = now(begin, 0);
        World {
            seed,
            engine: engine(&outside, now, seed),
            begin,
            outside,
            due: Arc::default(),
            asked: 0,
            calls: Vec::new(),
            kills: 0,
        }
    }

    pub(crate) fn outside(&self) -> MutexGuard<'_, Outside> {
        self.outside.lock().expect("no panic")
    }

    fn now(&self) -> Now {
        now(self.begin, self.outside().now_ms)
    }

    pub(crate) fn below(&mut self, limit: u64) -> u64 {
        self.outside().dice.below(limit)
    }

    pub(crate) fn any_of(&mut self, all: &[&'static str]) -> &'static str {
        all[self.below(all.len() as u64) as usize]
    }

    pub(crate) fn any_expert(&mut self) -> String {
        self.any_of(&EXPERTS).to_owned()
    }

    pub(crate) fn any_call(&mut self) -> String {
        let calls = self.engine.live_calls();
        self.calls.extend(
            calls
                .into_iter()
                .filter(|call| !self.calls.contains(call))
                .collect::<Vec<_>>(),
        );
        if self.calls.is_empty() {
            return "sip-call-0000000000000000".to_owned();
        }
        let at = self.below(self.calls.len() as u64) as usize;
        self.calls[at].clone()
    }

    pub(crate) fn any_participant(&mut self, room: &str) -> String {
        let channels = self.outside().asterisk.members(room);
        if channels.is_empty() {
            return String::new();
        }
        let at = self.below(channels.len() as u64) as usize;
        format!("confbridge:{room}:{}", channels[at])
    }

    pub(crate) fn apply(&mut self, action: Action) {
        let now = self.now();
        self.engine.apply(action, now);
    }

    /// Makes a request whose answer is due.
    pub(crate) fn ask<T: 'static>(&mut self, command: impl FnOnce(Reply<T>) -> Command) {
        self.asked += 1;
        let (number, due) = (self.asked, self.due.clone());
        due.lock().expect("no panic").push(number);
        let reply = Reply::new(move |_| {
            due.lock()
                .expect("no panic")
                .retain(|asked| *asked != number);
        });
        self.apply(Action::Command(command(reply)));
    }

    /// Makes a request that is answered at once.
    pub(crate) fn answer<T: Send + 'static>(
        &mut self,
        command: impl FnOnce(Reply<T>) -> Command,
    ) -> Result<T, Refusal> {
        let (tell, told) = std::sync::mpsc::channel();
        let reply = Reply::new(move |result| tell.send(result).expect("it waits"));
        self.apply(Action::Command(command(reply)));
        told.try_recv().expect("an answer")
    }

    pub(crate) fn unanswered(&self) -> Vec<u64> {
        self.due.lock().expect("no panic").clone()
    }

    pub(crate) fn channels(&self) -> Vec<String> {
        self.outside().asterisk.channels.keys().cloned().collect()
    }

    pub(crate) fn tick(&mut self) {
        self.apply(Action::Tick);
    }

    /// Lets time pass, with every deadline in it.
    pub(crate) fn pass(&mut self, ms: u64) {
        let end_ms = self.outside().now_ms + ms;
        let mut turns = 0;
        loop {
            turns += 1;
            assert!(turns < 10_000, "seed {}: time does not go on", self.seed);
            let due = self.engine.next_due();
            let due = due.map(|due| due.saturating_duration_since(self.begin));
            let due_ms = due.map_or(u64::MAX, |due| due.as_nanos().div_ceil(1_000_000) as u64);
            let until_ms = due_ms.max(self.outside().now_ms).min(end_ms);
            {
                let outside = &mut *self.outside();
                outside.now_ms = until_ms;
                outside.asterisk.pass(until_ms);
            }
            if due_ms > end_ms {
                return self.deliver();
            }
            self.apply(Action::Time);
            self.deliver();
        }
    }

    /// Hands over the output of Asterisk and of the store.
    pub(crate) fn deliver(&mut self) {
        loop {
            let mut said = {
                let outside = &mut *self.outside();
                let out = std::mem::take(&mut outside.asterisk.out);
                if let (Some(number), false) = (outside.link, out.is_empty()) {
                    // The stream is cut anywhere.
                    let at = outside.dice.below(out.len() as u64 + 1) as usize;
                    let (a, b) = out.as_bytes().split_at(at);
                    outside.said.push((number, FromLink::Bytes(a.into())));
                    outside.said.push((number, FromLink::Bytes(b.into())));
                }
                std::mem::take(&mut outside.said)
            };
            let (tokens, done) = {
                let mut outside = self.outside();
                (std::mem::take(&mut outside.tokens), !outside.is_disk_full)
            };
            if said.is_empty() && tokens.is_empty() {
                return;
            }
            for (number, said) in said.drain(..) {
                self.apply(Action::Link(number, said));
            }
            for token in tokens {
                self.apply(Action::Stored(token, done));
            }
        }
    }

    /// Phones and terminals do something.
    pub(crate) fn phones(&mut self) {
        let outside = &mut *self.outside();
        outside.asterisk.act(&mut outside.dice);
    }

    /// An expert calls in.
    pub(crate) fn incoming(&mut self) {
        let outside = &mut *self.outside();
        outside.asterisk.incoming(&mut outside.dice);
    }

    /// A terminal dials in.
    pub(crate) fn dial_in(&mut self) {
        let h323_id = self.any_of(&["guardian-2", "guardian-2", "guardian-1", "stranger"]);
        let outside = &mut *self.outside();
        let unix_s = (BEGIN_MS + outside.now_ms) / 1_000;
        outside.asterisk.dial_in(h323_id, unix_s, &mut outside.dice);
    }

    /// Unix milliseconds.
    pub(crate) fn unix_ms(&self) -> u64 {
        BEGIN_MS + self.outside().now_ms
    }

    /// The rooms by the log and by the API, which are the same at any time.
    pub(crate) fn check_rooms(&mut self) {
        let rooms = self.answer(|reply| Command::Room(RoomCommand::List, reply));
        let shown = rooms.expect("a list").into_iter().map(|room| {
            let members = room.participants.into_iter();
            let members = members.map(|member| (member.id, member.muted));
            (room.call_id, members.collect())
        });
        let shown: crate::log::Shown = shown.collect();
        if self.outside().log.has_forgotten {
            return;
        }
        let logged = self.outside().log.rooms();
        assert_eq!(logged, shown, "seed {}: log and list", self.seed);
    }

    /// The rooms by the log and by Asterisk, which are the same once all was compared.
    pub(crate) fn check_conferences(&mut self) {
        let outside = self.outside();
        if outside.log.has_forgotten {
            return;
        }
        let mut held = crate::log::Shown::new();
        for (id, channel) in &outside.asterisk.channels {
            if let Some(room) = &channel.room {
                let members = held.entry(room.clone()).or_default();
                members.insert(format!("confbridge:{room}:{id}"), channel.is_muted);
            }
        }
        let mut logged = outside.log.rooms();
        logged.retain(|_, members| !members.is_empty());
        assert_eq!(logged, held, "seed {}: log and conferences", self.seed);
    }

    /// Asterisk falls silent, or speaks again.
    pub(crate) fn silence(&mut self) {
        let mut outside = self.outside();
        outside.asterisk.is_silent = !outside.asterisk.is_silent;
    }

    /// Asterisk goes away, or comes back.
    pub(crate) fn cut(&mut self, crashes: bool) {
        let outside = &mut *self.outside();
        let asterisk = &mut outside.asterisk;
        asterisk.is_up = !asterisk.is_up;
        if !asterisk.is_up {
            if let Some(number) = outside.link.take() {
                outside.said.push((number, FromLink::Closed(None)));
            }
            asterisk.out.clear();
            if crashes {
                asterisk.crash(outside.now_ms);
            }
        }
    }

    /// Channels stop ending, or end again.
    pub(crate) fn wedge(&mut self) {
        let mut outside = self.outside();
        outside.asterisk.is_wedged = !outside.asterisk.is_wedged;
    }

    /// The disk is full: nothing more is stored until the next process.
    pub(crate) fn disk(&mut self) {
        let mut outside = self.outside();
        outside.is_disk_full |= outside.dice.below(8) == 0;
    }

    /// The bridge is killed, and the next one starts on its files.
    pub(crate) fn kill(&mut self) {
        self.kills += 1;
        {
            let mut outside = self.outside();
            outside.link = None;
            outside.said.clear();
            outside.tokens.clear();
            outside.asterisk.out.clear();
            outside.log.has_forgotten |= outside.is_disk_full;
            outside.is_disk_full = false;
        }
        // No client of a killed bridge gets an answer.
        self.due.lock().expect("no panic").clear();
        let now = self.now();
        self.engine = engine(&self.outside, now, self.seed);
    }

    /// The records of the store.
    pub(crate) fn lines(&self) -> Vec<Line> {
        self.outside().lines.clone()
    }

    pub(crate) fn set_lines(&mut self, lines: Vec<Line>) {
        self.outside().lines = lines;
    }

    /// Calls without a decision, by the log.
    pub(crate) fn undecided(&self) -> Vec<String> {
        self.outside().log.undecided.clone()
    }

    /// Everything works again.
    pub(crate) fn recover(&mut self) {
        if !self.outside().asterisk.is_up {
            self.cut(false);
        }
        let mut outside = self.outside();
        outside.asterisk.is_silent = false;
        outside.asterisk.is_wedged = false;
    }
}

fn now(begin: Instant, now_ms: u64) -> Now {
    Now {
        at: begin + Duration::from_millis(now_ms),
        unix_ms: BEGIN_MS + now_ms,
    }
}

fn engine(outside: &Arc<Mutex<Outside>>, now: Now, seed: u64) -> Engine {
    let key = PrivateKey::from_seed("bridge-2026a", &[7; 32]).expect("a name");
    let registry = registry(&key);
    let aor = "sip:council@council.example";
    let gate = Gate::new("registry.yaml".into(), &registry, aor, key, now.at);
    let (mut ledger, mut live) = (Ledger::default(), Vec::new());
    let lines = outside.lock().expect("no panic").lines.clone();
    lines
        .into_iter()
        .for_each(|line| ledger.replay(line, &mut live));
    let token = |text| DialToken::parse(text).expect("a token");
    let secret = Secret::parse("secret").expect("a secret");
    let parts = Parts {
        settings: settings(seed),
        gate: gate.expect("a registry"),
        gateway: ife_ami::Config::new(token("bridge"), secret),
        ledger,
        live,
        shell: Box::new(Orders(outside.clone())),
    };
    Engine::new(parts, now)
}

fn settings(seed: u64) -> Settings {
    let guardian = Guardian {
        name: "guardian-1".to_owned(),
        peer: Some("guardian-peer".to_owned()),
        alias: None,
        public_key: None,
        section: None,
        h323_id: None,
    };
    let dials_in = Guardian {
        name: "guardian-2".to_owned(),
        peer: None,
        alias: None,
        public_key: Some(guardian_key().public_key().to_string()),
        section: Some("terminals".to_owned()),
        h323_id: None,
    };
    Settings {
        node: "node1".to_owned(),
        council: Council {
            backend: Backend::Room,
            mcu_peer: None,
            mcu_alias: None,
            join_s: 10,
            endpoint: String::new(),
        },
        default_room: RoomName::parse("council").expect("a room"),
        guardians: vec![guardian, dials_in],
        bandwidth_bps_max: 10_000_000,
        unknown_parties: UnknownParties::ALL[(seed % 3) as usize],
        admission: Duration::from_secs(300),
        limits: Limits {
            total_max: 20,
            council_max: 25,
            expert_max: 9,
            council_experts_max: 24,
            h323_legs_max: 60,
            experts_max: 3,
            join_s: 10,
            decision_s: 60,
            accept_key_s: 15,
            accept_page_s: 60,
            policy: Policy::default(),
        },
        sip_aor: DialToken::parse("kamailio").expect("a token"),
        witness_required: true,
        has_intake: false,
    }
}

/// The key of the guardian who dials in.
pub(crate) fn guardian_key() -> PrivateKey {
    PrivateKey::from_seed("guardian-2", &[9; 32]).expect("a name")
}

fn registry(council: &PrivateKey) -> String {
    let mut seed = 20;
    let experts = EXPERTS.map(|expert| {
        seed += 1;
        let key = PrivateKey::from_seed("k", &[seed; 32]).expect("a name");
        let hazards = if seed == 21 {
            "safety, ethics"
        } else {
            "safety"
        };
        format!(
            "  - {{id: {expert}, aors: [\"sip:{expert}\"], hazards: [{hazards}], \
             sources: [127.0.0.0/8], transports: [udp],\n     \
             quota: {{per_minute: 1000, concurrent: 9, max_call_s: 120}}, \
             signers: [{{kid: k{seed}, public_key: \"{}\", covers: [base]}}]}}\n",
            key.public_key()
        )
    });
    format!(
        "version: 1\nfreshness_s: 60\nflood: {{rate_per_s: 10, burst: 10}}\n\
         hazards: [{{name: safety}}, {{name: ethics}}]\n\
         councils:\n  - domain: council.example\n    aors: [\"sip:council@council.example\"]\n    \
         sources: [127.0.0.0/8]\n    transports: [udp]\n    \
         signers: [{{kid: bridge-2026a, public_key: \"{}\", covers: [base]}}]\nexperts:\n{}",
        council.public_key(),
        experts.concat()
    )
}
