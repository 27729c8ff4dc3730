//! A bridge's session and an agent, joined by a simulated network: real ICE, DTLS and SCTP, no
//! socket and no clock.

use std::{
    net::SocketAddr,
    time::{Duration, Instant},
};

use ife_evidence::{
    Agent, AgentConfig, AgentOutput, Body, Datagram, FileHasher, Manifest, Now, Peer, Session,
    SessionConfig, SessionOutput, message::CallFacts, message::ErrorCode,
};
use ife_message::PrivateKey;

const BRIDGE: &str = "192.0.2.1:4000";
const AGENT: &str = "192.0.2.2:5000";

fn address(text: &str) -> SocketAddr {
    text.parse().expect("it is an address")
}

fn key(seed: u8) -> PrivateKey {
    PrivateKey::from_seed("bridge-key", &[seed; 32]).expect("the name is a name")
}

fn contents(len: usize) -> Vec<u8> {
    (0..len as u64)
        .map(|n| (n.wrapping_mul(0x9e37_79b9) >> 7) as u8)
        .collect()
}

fn manifest(files: &[Vec<u8>]) -> Manifest {
    let entry = |bytes: &Vec<u8>| {
        let mut hasher = FileHasher::new(bytes.len() as u64);
        hasher.update(bytes);
        hasher.finish("evidence.bin", "application/octet-stream")
    };
    Manifest::new(files.iter().map(entry).collect()).expect("the manifest is within limits")
}

/// Both ends, the datagrams between them, and their reports.
struct World {
    session: Session,
    agent: Agent,
    now: Now,
    files: Vec<Vec<u8>>,
    corrupt_reads: usize,
    stored: Vec<Vec<u8>>,
    finished: Vec<(u32, bool)>,
    receipt: Option<Vec<bool>>,
    failures: Vec<ErrorCode>,
    agent_messages: Vec<String>,
    session_closed: bool,
    stop_after: usize,
}

fn config_of(files: &[Vec<u8>]) -> SessionConfig {
    SessionConfig {
        session: "session-1".into(),
        trace_id: "trace-0001".into(),
        bridge: "if://service/bridge".into(),
        viewer: "if://expert/safety".into(),
        call: CallFacts {
            hazard: "safety".into(),
            ..CallFacts::default()
        },
        manifest: manifest(files),
    }
}

fn borrowed(datagram: &Datagram) -> Datagram<&[u8]> {
    Datagram {
        source: datagram.source,
        destination: datagram.destination,
        bytes: &datagram.bytes,
    }
}

impl World {
    fn new(files: Vec<Vec<u8>>, signer: u8, trusted: u8) -> World {
        let now = Now {
            instant: Instant::now(),
            unix_ms: 1_790_000_000_000,
        };
        let (pending, offer) =
            Peer::offer(&[address(AGENT)], now.instant).expect("the agent can offer");
        let (session, answer) = Session::accept(
            config_of(&files),
            key(signer),
            &offer,
            &[address(BRIDGE)],
            now,
        )
        .expect("the bridge answers");
        let config = AgentConfig {
            session: "session-1".into(),
            trace_id: "trace-0001".into(),
            agent: "if://expert/safety".into(),
            bridge: "if://service/bridge".into(),
            bridge_key: key(trusted).public_key(),
        };
        let agent =
            Agent::new(&config, key(9), pending, &answer, now).expect("the answer fits the offer");
        World {
            session,
            agent,
            now,
            stored: files.iter().map(|_| Vec::new()).collect(),
            files,
            corrupt_reads: 0,
            finished: Vec::new(),
            receipt: None,
            failures: Vec::new(),
            agent_messages: Vec::new(),
            session_closed: false,
            stop_after: usize::MAX,
        }
    }

    /// Runs until nothing but time-outs is left for a while, or `done`.
    fn run_until(&mut self, done: impl Fn(&World) -> bool) {
        for _ in 0..20_000 {
            if done(self) {
                return;
            }
            self.drain_session();
            self.drain_agent();
            self.now.instant += Duration::from_millis(5);
            // A dead connection refuses time; its outputs have reported it.
            let _ = self.session.handle_timeout(self.now.instant);
            let _ = self.agent.handle_timeout(self.now.instant);
        }
        panic!(
            "the world did not come to an end: finished {:?}, failures {:?}",
            self.finished, self.failures
        );
    }

    fn drain_session(&mut self) {
        loop {
            match self.session.poll().expect("the session is healthy") {
                SessionOutput::Transmit(datagram) => {
                    // UDP may lose it; a closed peer takes none.
                    let _ = self
                        .agent
                        .handle_datagram(borrowed(&datagram), self.now.instant);
                }
                SessionOutput::Read { file, offset, len } => {
                    let start = offset as usize;
                    let mut bytes = self.files[file as usize][start..start + len].to_vec();
                    if self.corrupt_reads > 0 {
                        self.corrupt_reads -= 1;
                        bytes[0] ^= 1;
                    }
                    self.session.handle_read(file, offset, Ok(&bytes));
                }
                SessionOutput::Receipt { files, .. } => {
                    self.receipt = Some(files.iter().map(|entry| entry.verified).collect())
                }
                SessionOutput::Agent(_, message) => {
                    self.agent_messages.push(message["text"].to_string())
                }
                SessionOutput::Failed(refused) => self.failures.push(refused.code),
                SessionOutput::Closed => self.session_closed = true,
                SessionOutput::Opened { .. }
                | SessionOutput::Sent { .. }
                | SessionOutput::Shown(_)
                | SessionOutput::Interrupted
                | SessionOutput::Connected => {}
                SessionOutput::Timeout(_) => return,
            }
        }
    }

    fn drain_agent(&mut self) {
        loop {
            match self.agent.poll().expect("the agent is healthy") {
                AgentOutput::Transmit(datagram) => {
                    let _ = self
                        .session
                        .handle_datagram(borrowed(&datagram), self.now.instant);
                }
                AgentOutput::Manifest(_) => {
                    for (file, bytes) in (0..).zip(&self.stored) {
                        bytes
                            .chunks(262_144)
                            .all(|block| self.agent.handle_stored(file, block));
                    }
                    self.agent.request_all();
                }
                AgentOutput::Write {
                    file,
                    offset,
                    bytes,
                } => {
                    let stored = &mut self.stored[file as usize];
                    assert_eq!(stored.len() as u64, offset, "blocks come in order");
                    stored.extend(bytes);
                    if stored.len() >= self.stop_after {
                        return;
                    }
                }
                AgentOutput::Finished { file, verified } => self.finished.push((file, verified)),
                AgentOutput::Failed(refused) => self.failures.push(refused.code),
                AgentOutput::Complete { .. } | AgentOutput::Message(_) | AgentOutput::Closed => {}
                AgentOutput::Timeout(_) => return,
            }
        }
    }
}

#[test]
fn files_arrive_verified_and_the_receipt_comes_back() {
    let files = vec![
        contents(700_001),
        Vec::new(),
        contents(262_144),
        contents(1),
    ];
    let mut world = World::new(files.clone(), 1, 1);
    world.run_until(|world| world.receipt.is_some());
    assert_eq!(world.stored, files);
    assert_eq!(world.receipt, Some(vec![true; 4]));
    assert_eq!(world.failures, []);
}

#[test]
fn a_block_that_was_corrupted_once_is_asked_for_again() {
    let files = vec![contents(600_000)];
    let mut world = World::new(files.clone(), 1, 1);
    world.corrupt_reads = 1;
    world.run_until(|world| world.receipt.is_some());
    assert_eq!((world.stored, world.receipt), (files, Some(vec![true])));
}

#[test]
fn a_file_that_stays_corrupt_is_reported_and_nothing_of_it_is_stored() {
    let mut world = World::new(vec![contents(200_000)], 1, 1);
    world.corrupt_reads = usize::MAX;
    world.run_until(|world| world.receipt.is_some());
    assert_eq!(
        (world.stored, world.receipt),
        (vec![vec![]], Some(vec![false]))
    );
}

#[test]
fn a_manifest_by_another_signer_is_refused() {
    let mut world = World::new(vec![contents(10)], 1, 2);
    world.run_until(|world| world.failures.contains(&ErrorCode::BadSignature));
    assert!(world.stored[0].is_empty() && world.finished.is_empty());
}

#[test]
fn a_transfer_goes_on_in_a_new_connection_where_the_old_one_ended() {
    let files = vec![contents(1_500_000)];
    let mut first = World::new(files.clone(), 1, 1);
    first.stop_after = 524_288;
    first.run_until(|world| world.stored[0].len() >= 524_288);
    let mut second = World::new(files.clone(), 1, 1);
    second.stored = first.stored;
    second.run_until(|world| world.receipt.is_some());
    assert_eq!((second.stored, second.receipt), (files, Some(vec![true])));
}

#[test]
fn a_stored_block_that_changed_on_disk_is_fetched_again() {
    let files = vec![contents(524_288)];
    let mut world = World::new(files.clone(), 1, 1);
    let mut stored = files[0][..262_144].to_vec();
    stored[5] ^= 1;
    assert!(!ife_evidence::Receiver::new(manifest(&files)).handle_stored(0, &stored));
    world.run_until(|world| world.receipt.is_some());
    assert_eq!(world.receipt, Some(vec![true]));
}

#[test]
fn agent_messages_reach_the_application_after_verification() {
    let mut world = World::new(vec![contents(1)], 1, 1);
    world.run_until(|world| world.receipt.is_some());
    let message = serde_json::json!({"text": "the premise is wrong"});
    world.agent.say(&Body::Agent {
        id: Some("m-1".to_owned()),
        message: message.as_object().cloned().expect("an object"),
    });
    world.run_until(|world| !world.agent_messages.is_empty());
    assert_eq!(world.agent_messages, ["\"the premise is wrong\""]);
}

#[test]
fn a_peer_that_keeps_sending_nonsense_is_cut_off() {
    let mut world = World::new(vec![contents(1)], 1, 1);
    world.run_until(|world| world.receipt.is_some());
    for _ in 0..3 {
        world.agent.say(&Body::State {
            call_state: "connected".into(),
        });
    }
    world.run_until(|world| world.session_closed);
    assert!(
        world
            .failures
            .iter()
            .filter(|code| **code == ErrorCode::BadMessage)
            .count()
            >= 3
    );
}

#[test]
fn fingerprints_of_other_hash_functions_do_not_matter() {
    let now = Instant::now();
    let (_, good) = Peer::offer(&[address(AGENT)], now).expect("the agent can offer");
    let more = good.replace(
        "a=fingerprint:",
        "a=fingerprint:sha-512 00:11\r\na=fingerprint:",
    );
    let (plain, _) = Peer::accept(&good, &[address(BRIDGE)], now).expect("it is an offer");
    let (peer, _) = Peer::accept(&more, &[address(BRIDGE)], now).expect("it is an offer");
    assert_eq!(peer.fingerprints().0, plain.fingerprints().0);
}

#[test]
fn offers_that_are_none_are_refused_with_what_is_wrong() {
    let now = Instant::now();
    let (_, good) = Peer::offer(&[address(AGENT)], now).expect("the agent can offer");
    let second = format!("{good}a=fingerprint:sha-256 00:11\r\n");
    let cases = [
        (String::new(), "no a=fingerprint line"),
        (
            good.replace("sha-256", "sha-512"),
            "no a=fingerprint line with sha-256",
        ),
        ("a".repeat(65_537), "65537 bytes are more than 65536"),
        (second, "two different a=fingerprint lines"),
        (good.replace("m=application", "m=audio"), ""),
    ];
    for (offer, text) in cases {
        let error = Peer::accept(&offer, &[address(BRIDGE)], now)
            .expect_err("it is no offer")
            .to_string();
        assert!(error.contains(text), "{error}");
    }
}

#[test]
fn a_peer_must_take_frames_and_manifest() {
    let now = Now {
        instant: Instant::now(),
        unix_ms: 1_790_000_000_000,
    };
    let (_, offer) = Peer::offer(&[address(AGENT)], now.instant).expect("the agent can offer");
    let said = offer
        .lines()
        .find(|line| line.starts_with("a=max-message-size:"))
        .expect("str0m says it");
    let cases = [
        (16_384, ""),
        (16_383, "says 16383 and chunks need 16384"),
        (1_000, "says 1000 and the manifest needs"),
    ];
    for (takes, text) in cases {
        let offer = offer.replace(said, &format!("a=max-message-size:{takes}"));
        let config = config_of(&[contents(1_000)]);
        let refused = Session::accept(config, key(1), &offer, &[address(BRIDGE)], now)
            .err()
            .map(|error| error.to_string());
        assert_eq!(refused.is_some(), !text.is_empty(), "{takes}");
        assert!(refused.unwrap_or_default().contains(text), "{takes}");
    }
}
