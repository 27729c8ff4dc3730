//! A bridge between a made-up Asterisk and a real store and ring, without Kamailio, experts or a
//! council.

use std::{fs, path::PathBuf, sync::Arc, time::Duration};

use ife_bridge::{
    config::Config,
    engine::{Engine, Signal},
    handle::{
        Command, EngineHandle, Escalation, InitiateCall, RoomCommand, Submission, Terminated,
    },
    metrics::Metrics,
    refusal::Refusal,
    view::{CallDetail, CallState, CallView, Event, Health, RoomView},
};
use ife_engine::decisions::DecisionView;
use ife_message::{IfMessage, PrivateKey};
use ife_witness::ring::Consumer;
use tokio::{sync::mpsc, task::JoinHandle, time::timeout};

use crate::asterisk::Asterisk;

const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) struct Bed {
    pub(crate) asterisk: Asterisk,
    pub(crate) handle: EngineHandle,
    pub(crate) metrics: Arc<Metrics>,
    dir: tempfile::TempDir,
    state: tempfile::TempDir,
    settings: String,
    tell: mpsc::Sender<Signal>,
    engine: JoinHandle<()>,
}

impl Bed {
    /// With lines that are added to the configuration's `calls` and at its end.
    pub(crate) async fn new(calls: &str, more: &str) -> Bed {
        Bed::with("", calls, more).await
    }

    /// With a line of the configuration's `council`, which replaces the guardians if it names them.
    pub(crate) async fn council(line: &str) -> Bed {
        Bed::with(line, "", "").await
    }

    async fn with(council: &str, calls: &str, more: &str) -> Bed {
        let guardian_key = PrivateKey::from_seed("guardian-2", &[9; 32]).expect("a name");
        let guardians = format!(
            "guardians: [{{name: guardian-1, peer: guardian-peer, alias: guardian}}, \
             {{name: guardian-2, section: terminals, public_key: \"{}\"}}]",
            guardian_key.public_key()
        );
        let council = match council {
            "" => guardians,
            line if line.starts_with("guardians") => line.to_owned(),
            line => format!("{guardians}, {line}"),
        };
        let asterisk = Asterisk::start().await;
        let dir = tempfile::tempdir().expect("a directory");
        // Rings must be on tmpfs.
        let state = tempfile::tempdir_in("/dev/shm").expect("tmpfs");
        let key = PrivateKey::from_seed("bridge-2026a", &[7; 32]).expect("a name");
        fs::write(dir.path().join("key"), key.to_file().as_bytes()).expect("there is room");
        fs::write(dir.path().join("secret"), "secret\n").expect("there is room");
        fs::write(dir.path().join("registry.yaml"), registry(&key)).expect("there is room");
        let settings = format!(
            "node: node1\nstate_dir: {}\nstore_dir: store\nregistry: registry.yaml\n\
             witness: best_effort\n\
             ami: {{address: \"{}\", username: bridge, secret_file: secret}}\n\
             council: {{aor: \"sip:council@council.example\", signing_key: key, \
             backend: confbridge, {council}}}\n\
             calls: {{expert_max: 9, {calls}}}\nlisten: {{unix: bridge.sock}}\n{more}\n",
            state.path().display(),
            asterisk.address
        );
        let (engine, handle, metrics, tell) = start(&dir, &settings);
        let bed = Bed {
            asterisk,
            handle,
            metrics,
            dir,
            state,
            settings,
            tell,
            engine,
        };
        bed.in_sight().await;
        bed
    }

    /// Kills the bridge and starts another one on the same files.
    pub(crate) async fn restart(&mut self, keep_store: bool) {
        if !self.engine.is_finished() {
            self.stop().await;
        }
        if !keep_store {
            fs::remove_dir_all(self.dir.path().join("store")).expect("it is there");
        }
        (self.engine, self.handle, self.metrics, self.tell) = start(&self.dir, &self.settings);
    }

    /// Kills the bridge.
    pub(crate) async fn stop(&mut self) {
        self.engine.abort();
        // It was ordered to end, and this is how that is seen.
        let _ = (&mut self.engine).await;
    }

    /// Waits until the parts are so.
    pub(crate) async fn until_health(&self, is_so: impl Fn(&Health) -> bool) {
        let wait = async {
            while !is_so(&self.handle.ask(Command::Health).await.expect("it answers")) {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        timeout(PATIENCE, wait).await.expect("the parts become so");
    }

    /// Waits until Asterisk has so many channels.
    pub(crate) async fn until_channels(&self, count: usize) {
        let wait = async {
            while self.asterisk.world().channels.len() != count {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        timeout(PATIENCE, wait).await.expect("channels end");
    }

    pub(crate) async fn in_sight(&self) {
        let mut waited = 0;
        while !self
            .handle
            .ask(Command::Health)
            .await
            .expect("it answers")
            .ami
        {
            waited += 1;
            assert!(waited < 2_000, "Asterisk is never in sight");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    pub(crate) fn registry(&self) -> PathBuf {
        self.dir.path().join("registry.yaml")
    }

    pub(crate) async fn reload(&self) {
        let reload = Signal::Reload { agents_taken: true };
        self.tell.send(reload).await.expect("it lives");
    }

    pub(crate) async fn escalate(
        &self,
        message: IfMessage,
        wait: bool,
    ) -> Result<CallView, Refusal> {
        let escalation = Escalation::of(&message).expect("an escalation");
        let asked = self.handle.ask(|reply| Command::Escalate {
            escalation: Box::new(escalation),
            wait,
            resume: None,
            reply,
        });
        timeout(PATIENCE, asked).await.expect("it answers")
    }

    pub(crate) async fn initiate(&self, expert: &str, hazard: &str) -> Result<CallView, Refusal> {
        let request = InitiateCall {
            expert_id: expert.to_owned(),
            hazard_type: hazard.to_owned(),
            evidence_files: Vec::new(),
            conversation_id: None,
            trace_id: None,
            reason: None,
            question: None,
            options: Vec::new(),
        };
        let asked = self.handle.ask(|reply| Command::Initiate(request, reply));
        timeout(PATIENCE, asked).await.expect("it answers")
    }

    pub(crate) async fn terminate(&self, call_id: &str) -> Terminated {
        let call_id = call_id.to_owned();
        let asked = self.handle.ask(|reply| Command::Terminate(call_id, reply));
        timeout(PATIENCE, asked)
            .await
            .expect("it answers")
            .expect("it is always answered")
    }

    pub(crate) async fn show(&self, call_id: &str) -> Result<CallDetail, Refusal> {
        let call_id = call_id.to_owned();
        self.handle.ask(|reply| Command::Call(call_id, reply)).await
    }

    pub(crate) async fn decide(&self, submission: Submission) -> Result<DecisionView, Refusal> {
        let asked = self.handle.ask(|reply| Command::Decide(submission, reply));
        timeout(PATIENCE, asked).await.expect("it answers")
    }

    pub(crate) async fn room(&self, command: RoomCommand) -> Result<Vec<RoomView>, Refusal> {
        self.handle.ask(|reply| Command::Room(command, reply)).await
    }

    /// Waits until the call is in that state.
    pub(crate) async fn until(&self, call_id: &str, state: CallState) -> CallView {
        let is_there = |view: &CallView| view.sip_call_state == state;
        self.until_view(call_id, is_there).await
    }

    /// Waits until the call's H.323 leg is in that state.
    pub(crate) async fn until_h323(&self, call_id: &str, state: CallState) -> CallView {
        self.until_view(call_id, |view| view.h323_state == state)
            .await
    }

    pub(crate) async fn until_view(
        &self,
        call_id: &str,
        is_there: impl Fn(&CallView) -> bool,
    ) -> CallView {
        let mut events = self.handle.subscribe();
        let wait = async {
            loop {
                if let Ok(detail) = self.show(call_id).await
                    && is_there(&detail.call)
                {
                    return detail.call;
                }
                // A look now and then: an event may have come between the look and the
                // subscription.
                let _ = timeout(Duration::from_millis(200), events.recv()).await;
            }
        };
        let waited = timeout(PATIENCE, wait).await;
        match waited {
            Ok(view) => view,
            Err(_) => panic!("{call_id} never became so: {:#?}", self.show(call_id).await),
        }
    }

    /// Waits for a room with so many participants.
    pub(crate) async fn room_of(&self, room: &str, count: u32) -> RoomView {
        let mut events = self.handle.subscribe();
        let wait = async {
            loop {
                if let Ok(mut rooms) = self.room(RoomCommand::Show(room.to_owned())).await
                    && let Some(view) = rooms.pop()
                    && view.participant_count == count
                {
                    return view;
                }
                let _: Result<Result<Event, _>, _> =
                    timeout(Duration::from_millis(200), events.recv()).await;
            }
        };
        timeout(PATIENCE, wait).await.expect("the room fills")
    }

    /// Waits until there is no room.
    pub(crate) async fn no_rooms(&self) {
        let wait = async {
            while !self
                .room(RoomCommand::List)
                .await
                .expect("a list")
                .is_empty()
            {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        timeout(PATIENCE, wait).await.expect("rooms end");
    }

    /// Everything that was witnessed, as JSON.
    pub(crate) fn witnessed(&self) -> Vec<serde_json::Value> {
        let rings = self.state.path().join("rings");
        let mut consumer = Consumer::open(&rings, "bridge-node1").expect("the ring is there");
        let (mut entries, mut bytes) = (Vec::new(), Vec::new());
        while consumer.read(&mut bytes).expect("no damage").is_some() {
            entries.push(serde_json::from_slice(&bytes).expect("JSON"));
            bytes.clear();
        }
        entries
    }

    /// Names of the events of one trace.
    pub(crate) fn story(&self, trace_id: &str) -> Vec<String> {
        let all = self.witnessed();
        let of_trace = all.iter().filter(|entry| entry["trace_id"] == trace_id);
        of_trace
            .map(|entry| entry["event"].as_str().expect("a name").to_owned())
            .collect()
    }
}

fn start(
    dir: &tempfile::TempDir,
    settings: &str,
) -> (
    JoinHandle<()>,
    EngineHandle,
    Arc<Metrics>,
    mpsc::Sender<Signal>,
) {
    let path = dir.path().join("bridge.yaml");
    fs::write(&path, settings).expect("there is room");
    let config = Config::load(&path).expect("a good configuration");
    let metrics = Arc::new(Metrics::default());
    let (tell, signals) = mpsc::channel(8);
    let (engine, handle) = Engine::new(&config, metrics.clone(), signals).expect("it starts");
    (tokio::spawn(engine.run(|| {})), handle, metrics, tell)
}

/// Experts for safety, in order: busy, a, b. For ethics: declines. For security: rings. For legal,
/// no expert. For watch, in order: rings, next. For order and silence: a phone whose channel ends
/// after its Local channel, and one whose end is never reported.
fn registry(council: &PrivateKey) -> String {
    let mut seed = 20;
    let mut expert = |user: &str, hazards: &str| {
        seed += 1;
        let key = PrivateKey::from_seed("k", &[seed; 32])
            .expect("a name")
            .public_key();
        format!(
            "  - {{id: {user}@external.advisor, name: Expert {user}, \
             aors: [\"sip:{user}@external.advisor\"], hazards: [{hazards}], \
             sources: [127.0.0.0/8],\n     transports: [udp], acceptance: none, \
             quota: {{per_minute: 100, concurrent: 5}}, \
             signers: [{{kid: k{seed}, public_key: \"{key}\", covers: [base]}}]}}\n"
        )
    };
    let experts = [
        expert("busy", "safety"),
        expert("a", "safety, privacy"),
        expert("b", "safety"),
        expert("declines", "ethics"),
        expert("rings", "security, watch"),
        expert("next", "watch"),
        expert("late", "order"),
        expert("silent", "silence"),
        expert("refuses", "choice"),
        expert("passes", "choice"),
        expert("machine", "choice"),
    ];
    format!(
        "version: 1\nfreshness_s: 60\nflood: {{rate_per_s: 10, burst: 10}}\n\
         hazards: [{{name: safety}}, {{name: ethics}}, {{name: security}}, {{name: privacy}}, \
         {{name: legal}}, {{name: order}}, {{name: silence}}, {{name: watch}}, {{name: choice}}]\n\
         councils:\n  - domain: council.example\n    \
         aors: [\"sip:council@council.example\"]\n    sources: [127.0.0.0/8]\n    \
         transports: [udp]\n    signers: [{{kid: bridge-2026a, public_key: \"{}\", covers: [base]}}]\n\
         experts:\n{}",
        council.public_key(),
        experts.concat()
    )
}

pub(crate) fn message(id: &str, hazard: &str) -> IfMessage {
    let value = serde_json::json!({
        "id": id, "timestamp": "2026-09-21T14:13:20Z", "level": 1, "source": "if://agent/guard",
        "destination": "if://service/bridge", "performative": "escalate",
        "traceId": format!("trace-of-{id}"),
        "payload": {"hazards": [hazard]}
    });
    serde_json::from_value(value).expect("it is a message")
}

pub(crate) fn escalation(id: &str, hazard: &str) -> Escalation {
    Escalation::of(&message(id, hazard)).expect("it is an escalation")
}
