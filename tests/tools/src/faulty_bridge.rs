//! A bridge that lies, for the browser tests: serves the expert's page and one session of the given
//! files, with one fault.
//!
//! usage: faulty_bridge HTTP_ADDRESS UDP_ADDRESS FAULT FILE...
//!
//! FAULT is one of `none`, `corrupt-once` (one byte of file 0 is wrong when first sent), `corrupt`
//! (each time), `wrong-signer` (not the key that the session description names), `replay` (the
//! manifest's message is sent twice), `other-binding` (messages made for another connection).

use std::{
    collections::VecDeque,
    fs,
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use axum::{
    Json, Router,
    extract::State,
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use ife_evidence::{
    Binding, Body, Datagram, FileHasher, Inbox, Link, Manifest, Outbox, Peer, PeerOutput, Redeemed,
    Sender, Token, frame::CHUNK_LEN_MAX, manifest::FileEntry, message::CallFacts,
    sender::SenderOutput,
};
use ife_message::PrivateKey;
use serde_json::{Value, json};
use tokio::{
    net::{TcpListener, UdpSocket},
    sync::mpsc,
};

const SESSION: &str = "faulty-bridge-session0";
const TRACE: &str = "trace-faulty-1";
const UTC: &str = "2026-01-02T03:04:05Z";
/// Byte of file 0 that is wrong.
const WRONG_AT: u64 = 300_000;

type Failure = Box<dyn std::error::Error + Send + Sync>;

struct Shared {
    link: Mutex<Link>,
    key: PrivateKey,
    udp: SocketAddr,
    peers: mpsc::Sender<(Peer, Instant)>,
}

#[tokio::main]
async fn main() -> Result<(), Failure> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [http, udp, fault, files @ ..] = arguments.as_slice() else {
        return Err("usage: faulty_bridge HTTP_ADDRESS UDP_ADDRESS FAULT FILE...".into());
    };
    let contents = files.iter().map(fs::read).collect::<Result<Vec<_>, _>>()?;
    let entries = files
        .iter()
        .zip(&contents)
        .map(|(path, bytes)| entry(path, bytes));
    let manifest = Manifest::new(entries.collect())?;

    let socket = UdpSocket::bind(udp.as_str()).await?;
    let (token, kept) = Token::new([7; 32]);
    let (peers, incoming) = mpsc::channel(4);
    let shared = Arc::new(Shared {
        link: Mutex::new(Link::new(kept, u64::MAX)),
        key: key(1)?,
        udp: socket.local_addr()?,
        peers,
    });
    let router = Router::new()
        .route(&format!("/e/{SESSION}/redeem"), post(redeem))
        .route(&format!("/e/{SESSION}/state"), get(state))
        .route(&format!("/e/{SESSION}/offer"), post(offer))
        .with_state(Arc::clone(&shared))
        .merge(ife_pages::expert::router());
    let listener = TcpListener::bind(http.as_str()).await?;
    eprintln!("http://{}/e/{SESSION}#{token}", listener.local_addr()?);
    tokio::spawn(async move { axum::serve(listener, router).await });
    Liar {
        socket,
        incoming,
        manifest,
        contents,
        fault: fault.clone(),
    }
    .run()
    .await
}

fn key(seed: u8) -> Result<PrivateKey, Failure> {
    Ok(PrivateKey::from_seed("faulty", &[seed; 32])?)
}

fn entry(path: &str, bytes: &[u8]) -> FileEntry {
    let mut hasher = FileHasher::new(bytes.len() as u64);
    hasher.update(bytes);
    let name = path.rsplit('/').next().unwrap_or(path);
    let media_type = match name.rsplit('.').next() {
        Some("png") => "image/png",
        Some("svg") => "image/svg+xml",
        Some("pdf") => "application/pdf",
        Some("md") => "text/markdown",
        Some("txt") => "text/plain",
        Some("wav") => "audio/wav",
        _ => "application/octet-stream",
    };
    hasher.finish(name, media_type)
}

fn description(shared: &Shared) -> Value {
    json!({
        "session": SESSION, "trace_id": TRACE, "call_id": "sip-call-0", "hazard": "safety",
        "council": "sip:council@council.example", "caller": "if://agent/guard",
        "call_state": "connected", "bridge_key": shared.key.public_key().to_string(),
        "witness": {"vkeys": []}, "ice_servers": [], "bridge": "if://service/bridge",
        "expert": "expert-safety", "viewer": "expert-safety",
    })
}

async fn redeem(State(shared): State<Arc<Shared>>, headers: HeaderMap) -> Response {
    let token = bearer(&headers).unwrap_or_default();
    let redeemed = shared
        .link
        .lock()
        .map(|mut link| link.redeem(token, [9; 32], 0));
    match redeemed {
        Ok(Redeemed::Now(cookie)) => {
            let cookie =
                format!("ife_evidence={cookie}; HttpOnly; SameSite=Strict; Path=/e/{SESSION}");
            ([(header::SET_COOKIE, cookie)], Json(description(&shared))).into_response()
        }
        Ok(Redeemed::Already) => StatusCode::CONFLICT.into_response(),
        Ok(Redeemed::No) | Err(_) => StatusCode::UNAUTHORIZED.into_response(),
    }
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    headers
        .get(header::AUTHORIZATION)?
        .to_str()
        .ok()?
        .strip_prefix("Bearer ")
}

fn admitted(shared: &Shared, headers: &HeaderMap) -> bool {
    let cookie = headers
        .get(header::COOKIE)
        .and_then(|value| value.to_str().ok());
    let Some(cookie) = cookie.and_then(|text| text.strip_prefix("ife_evidence=")) else {
        return false;
    };
    shared.link.lock().is_ok_and(|link| link.admits(cookie))
}

async fn state(State(shared): State<Arc<Shared>>, headers: HeaderMap) -> Response {
    if admitted(&shared, &headers) {
        Json(description(&shared)).into_response()
    } else {
        StatusCode::UNAUTHORIZED.into_response()
    }
}

async fn offer(State(shared): State<Arc<Shared>>, headers: HeaderMap, sdp: String) -> Response {
    if !admitted(&shared, &headers) {
        return StatusCode::UNAUTHORIZED.into_response();
    }
    let now = Instant::now();
    match Peer::accept(&sdp, &[shared.udp], now) {
        Ok((peer, answer)) => {
            // The receiving end lives as long as the program.
            let _ = shared.peers.send((peer, now)).await;
            (StatusCode::CREATED, answer).into_response()
        }
        Err(error) => (StatusCode::BAD_REQUEST, error.to_string()).into_response(),
    }
}

/// The one session, with its fault.
struct Liar {
    socket: UdpSocket,
    incoming: mpsc::Receiver<(Peer, Instant)>,
    manifest: Manifest,
    contents: Vec<Vec<u8>>,
    fault: String,
}

/// What belongs to one connection.
struct Connection {
    peer: Peer,
    inbox: Inbox,
    outbox: Outbox,
    sender: Sender,
    waiting: VecDeque<(bool, Vec<u8>)>,
    lied: bool,
}

impl Liar {
    async fn run(mut self) -> Result<(), Failure> {
        let mut connection: Option<Connection> = None;
        let mut wake = Instant::now();
        let mut datagram = vec![0; 2_000];
        loop {
            tokio::select! {
                Some((peer, _)) = self.incoming.recv() => connection = Some(self.connection(peer)?),
                Ok((len, source)) = self.socket.recv_from(&mut datagram) => {
                    if let Some(connection) = &mut connection {
                        let local = self.socket.local_addr()?;
                        let bytes = &datagram[..len];
                        let received = Datagram { source, destination: local, bytes };
                        // Bytes of an earlier connection are refused by this one.
                        let _ = connection.peer.handle_datagram(received, Instant::now());
                    }
                }
                () = tokio::time::sleep_until(wake.into()) => {
                    if let Some(connection) = &mut connection {
                        connection.peer.handle_timeout(Instant::now())?;
                    }
                }
            }
            wake = match &mut connection {
                Some(connection) => self.drive(connection).await?,
                None => Instant::now() + Duration::from_secs(1),
            };
        }
    }

    fn connection(&self, peer: Peer) -> Result<Connection, Failure> {
        let (offerer, answerer) = peer.fingerprints();
        let binding = Binding::new(SESSION, TRACE, offerer, answerer);
        let signed_for = match self.fault.as_str() {
            "other-binding" => Binding::new(SESSION, TRACE, answerer, offerer),
            _ => binding.clone(),
        };
        let key = match self.fault.as_str() {
            "wrong-signer" => key(2)?,
            _ => key(1)?,
        };
        Ok(Connection {
            inbox: Inbox::new(binding, None),
            outbox: Outbox::new(signed_for, key, "if://service/bridge", "expert-safety"),
            sender: Sender::new(self.manifest.clone(), CHUNK_LEN_MAX),
            waiting: VecDeque::new(),
            lied: false,
            peer,
        })
    }

    /// Everything that can be done now; answers when there is more to do.
    async fn drive(&self, connection: &mut Connection) -> Result<Instant, Failure> {
        loop {
            self.fill(connection)?;
            while let Some((binary, bytes)) = connection.waiting.front() {
                if !connection.peer.write(*binary, bytes)? {
                    break;
                }
                connection.waiting.pop_front();
            }
            match connection.peer.poll()? {
                // What still waits is written after the next datagram.
                PeerOutput::Timeout(at) => return Ok(at),
                PeerOutput::Connected | PeerOutput::Open | PeerOutput::Interrupted => {}
                PeerOutput::Transmit(datagram) => {
                    let Datagram {
                        destination, bytes, ..
                    } = datagram;
                    self.socket.send_to(&bytes, destination).await?;
                }
                PeerOutput::Message {
                    binary: false,
                    data,
                } => self.message(connection, &data)?,
                PeerOutput::Message { binary: true, .. } => {}
                PeerOutput::Closed => return Ok(Instant::now() + Duration::from_secs(1)),
            }
        }
    }

    fn fill(&self, connection: &mut Connection) -> Result<(), Failure> {
        while connection.waiting.len() < 8 {
            match connection.sender.poll() {
                Some(SenderOutput::Read { file, offset, len }) => {
                    let bytes = self.read(connection, file, offset, len);
                    if let Some(frame) = connection.sender.handle_read(file, offset, Ok(&bytes))? {
                        connection.waiting.push_back((true, frame));
                    }
                }
                Some(SenderOutput::Complete { file, size }) => {
                    self.say(connection, &Body::Complete { file, size })?
                }
                None => break,
            }
        }
        Ok(())
    }

    fn read(&self, connection: &mut Connection, file: u32, offset: u64, len: usize) -> Vec<u8> {
        // The manifest was checked against these very files, so they have its lengths.
        let start = offset as usize;
        let mut bytes = self.contents[file as usize][start..start + len].to_vec();
        let lies = match self.fault.as_str() {
            "corrupt" => true,
            "corrupt-once" => !connection.lied,
            _ => false,
        };
        if lies && file == 0 && (offset..offset + len as u64).contains(&WRONG_AT) {
            bytes[(WRONG_AT - offset) as usize] ^= 1;
            connection.lied = true;
        }
        bytes
    }

    fn message(&self, connection: &mut Connection, data: &[u8]) -> Result<(), Failure> {
        let body = match connection.inbox.open(data) {
            Ok(body) => body,
            Err(refused) => {
                eprintln!("refused: {refused}");
                return Ok(());
            }
        };
        match &body {
            Body::Hello { .. } => {
                let manifest = Body::Manifest {
                    files: self.manifest.files().to_vec(),
                    manifest_sha256: self.manifest.sha256().to_owned(),
                    call: CallFacts {
                        hazard: "safety".into(),
                        council: "sip:council@council.example".into(),
                        caller: "if://agent/guard".into(),
                    },
                };
                self.say(connection, &manifest)
            }
            Body::Receipt { files, .. } => {
                eprintln!("receipt: {}", serde_json::to_string(files)?);
                self.say(
                    connection,
                    &Body::ReceiptOk {
                        entry: "00".repeat(32),
                        index: None,
                    },
                )
            }
            Body::Error { code, text, .. } => {
                eprintln!("the page refuses: {code:?}: {text}");
                Ok(())
            }
            Body::Request { .. } | Body::Ack { .. } | Body::Pause { .. } | Body::Cancel { .. } => {
                Ok(connection.sender.handle_body(&body)?)
            }
            Body::Manifest { .. }
            | Body::Complete { .. }
            | Body::ReceiptOk { .. }
            | Body::State { .. }
            | Body::Agent { .. }
            | Body::Shown { .. }
            | Body::Taken { .. }
            | Body::NotTaken { .. } => Ok(()),
        }
    }

    fn say(&self, connection: &mut Connection, body: &Body) -> Result<(), Failure> {
        let bytes = connection.outbox.seal(body, UTC)?;
        if self.fault == "replay" && matches!(body, Body::Manifest { .. }) {
            connection.waiting.push_back((false, bytes.clone()));
        }
        connection.waiting.push_back((false, bytes));
        Ok(())
    }
}
