//! An agent that takes the expert's part over a real socket: for tests and benchmarks of the
//! evidence server.
//!
//! `evidence_agent drain LINK`: takes all files, throws the bytes away once they are verified,
//! sends the receipt.
//! `evidence_agent ping LINK COUNT`: signed requests that are answered by signed messages, one
//! after the other; the first file must be small.
//! `evidence_agent many LINK...`: opens a channel by each link and keeps them until standard input
//! ends; then takes all files on all of them.
//!
//! One line of JSON has the measurements. Times are milliseconds.

#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "each command waits for one kind of output and lets the others pass"
)]

use std::{
    error::Error,
    io::Read,
    net::SocketAddr,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use ife_evidence::{Agent, AgentConfig, AgentOutput, Body, Datagram, Manifest, Now, Peer};
use ife_message::PrivateKey;
use reqwest::{Client, header};
use serde_json::{Value, json};
use tokio::{
    net::UdpSocket,
    sync::watch,
    task::{JoinSet, LocalSet},
    time::{timeout, timeout_at},
};

type Failure = Box<dyn Error>;

/// Nothing for so long is a failure.
const PATIENCE: Duration = Duration::from_secs(60);

#[expect(clippy::print_stdout, reason = "a program that tells what it measured")]
#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Failure> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = args.iter().map(String::as_str).collect();
    let measured = match words.as_slice() {
        ["drain", link] => drain(link).await?,
        ["ping", link, count] => ping(link, count.parse()?).await?,
        ["many", links @ ..] => many(links).await?,
        _ => {
            return Err("usage: evidence_agent drain LINK | ping LINK COUNT | many LINK...".into());
        }
    };
    println!("{measured}");
    Ok(())
}

/// One channel, its socket, and when the link was redeemed.
struct Channel {
    agent: Agent,
    socket: UdpSocket,
    address: SocketAddr,
    begun: Instant,
    buffer: Vec<u8>,
}

impl Channel {
    async fn open(link: &str) -> Result<Channel, Failure> {
        let begun = Instant::now();
        let (base, token) = link.split_once('#').ok_or("a link has a token")?;
        let client = Client::builder().no_proxy().build()?;
        let redeemed = client
            .post(format!("{base}/redeem"))
            .bearer_auth(token)
            .send()
            .await?
            .error_for_status()?;
        let cookie = redeemed.headers().get(header::SET_COOKIE).cloned();
        let cookie = cookie.ok_or("no cookie")?;
        let description: Value = serde_json::from_str(&redeemed.text().await?)?;
        let text = |name: &str| description[name].as_str().unwrap_or_default().to_owned();
        let socket = UdpSocket::bind("127.0.0.1:0").await?;
        let address = socket.local_addr()?;
        let (pending, offer) = Peer::offer(&[address], Instant::now())?;
        let answer = client
            .post(format!("{base}/offer"))
            .header(
                header::COOKIE,
                cookie.to_str()?.split(';').next().unwrap_or_default(),
            )
            .header(header::CONTENT_TYPE, "application/sdp")
            .body(offer)
            .send()
            .await?
            .error_for_status()?
            .text()
            .await?;
        let mut seed = [0; 32];
        getrandom::fill(&mut seed)?;
        let config = AgentConfig {
            session: text("session"),
            trace_id: text("trace_id"),
            agent: text("viewer"),
            bridge: text("bridge"),
            bridge_key: text("bridge_key").parse()?,
        };
        let key = PrivateKey::from_seed("agent", &seed)?;
        Ok(Channel {
            agent: Agent::new(&config, key, pending, &answer, now()?)?,
            socket,
            address,
            begun,
            buffer: vec![0; 65_536],
        })
    }

    /// The next output that is for the program, within [`PATIENCE`].
    async fn next(&mut self) -> Result<AgentOutput, Failure> {
        let output = timeout(PATIENCE, self.whenever()).await;
        match output.map_err(|_| "nothing happens any more")?? {
            AgentOutput::Failed(refused) => Err(refused.into()),
            AgentOutput::Closed => Err("the channel was closed".into()),
            AgentOutput::Finished {
                verified: false, ..
            } => Err("a file does not match".into()),
            output => Ok(output),
        }
    }

    async fn whenever(&mut self) -> Result<AgentOutput, Failure> {
        loop {
            let wake = match self.agent.poll()? {
                AgentOutput::Transmit(datagram) => {
                    // A datagram that the kernel does not take is lost, as datagrams are.
                    let _ = self
                        .socket
                        .try_send_to(&datagram.bytes, datagram.destination);
                    continue;
                }
                AgentOutput::Timeout(wake) => wake,
                output => return Ok(output),
            };
            let received = self.socket.recv_from(&mut self.buffer);
            match timeout_at(wake.into(), received).await {
                Ok(received) => {
                    let (len, source) = received?;
                    let datagram = Datagram {
                        source,
                        destination: self.address,
                        bytes: &self.buffer[..len],
                    };
                    self.agent.handle_datagram(datagram, Instant::now())?;
                }
                Err(_) => self.agent.handle_timeout(Instant::now())?,
            }
        }
    }

    async fn manifest(&mut self) -> Result<Manifest, Failure> {
        loop {
            if let AgentOutput::Manifest(manifest) = self.next().await? {
                return Ok(manifest);
            }
        }
    }

    /// Takes all files; gives their bytes, and when the first block was there.
    async fn take(&mut self) -> Result<(u64, Option<Duration>), Failure> {
        self.agent.request_all();
        let (mut first, mut taken) = (None, 0);
        loop {
            match self.next().await? {
                AgentOutput::Write { bytes, .. } => {
                    first.get_or_insert_with(|| self.begun.elapsed());
                    taken += bytes.len() as u64;
                }
                AgentOutput::Message(Body::ReceiptOk { .. }) => return Ok((taken, first)),
                _ => {}
            }
        }
    }
}

async fn drain(link: &str) -> Result<Value, Failure> {
    let mut channel = Channel::open(link).await?;
    let manifest = channel.manifest().await?;
    let asked = Instant::now();
    let (bytes, first) = channel.take().await?;
    let seconds = asked.elapsed().as_secs_f64();
    Ok(json!({
        "files": manifest.files().len(),
        "bytes": bytes,
        "seconds": seconds,
        "mib_per_s": bytes as f64 / f64::from(1 << 20) / seconds,
        "first_block_ms": first.unwrap_or_default().as_secs_f64() * 1e3,
    }))
}

async fn ping(link: &str, count: usize) -> Result<Value, Failure> {
    let mut channel = Channel::open(link).await?;
    let manifest = channel.manifest().await?;
    let file = manifest
        .files()
        .first()
        .ok_or("there is no file to ask for")?;
    // From the file's end: the answer is evidence.complete, and no byte.
    let (file, offset) = (file.id, file.size);
    let mut times = Vec::with_capacity(count);
    for _ in 0..count {
        let sent = Instant::now();
        channel.agent.say(&Body::Request { file, offset });
        while !matches!(channel.next().await?, AgentOutput::Complete { .. }) {}
        times.push(sent.elapsed().as_secs_f64() * 1e3);
    }
    times.sort_by(f64::total_cmp);
    let at = |share: f64| times.get((times.len() as f64 * share) as usize).copied();
    Ok(json!({"count": count, "p50_ms": at(0.5), "p95_ms": at(0.95), "p99_ms": at(0.99)}))
}

async fn many(links: &[&str]) -> Result<Value, Failure> {
    let mut channels = Vec::new();
    for link in links {
        let mut channel = Channel::open(link).await?;
        channel.manifest().await?;
        channels.push(channel);
    }
    let (tell, go) = watch::channel(false);
    let (local, mut all) = (LocalSet::new(), JoinSet::new());
    for channel in channels {
        all.spawn_local_on(keep_and_take(channel, go.clone()), &local);
    }
    let ended = tokio::task::spawn_blocking(|| std::io::stdin().read_to_end(&mut Vec::new()));
    local.run_until(ended).await??;
    tell.send(true)?;
    let mut verified = 0;
    while let Some(taken) = local.run_until(all.join_next()).await {
        taken??;
        verified += 1;
    }
    Ok(json!({"verified": verified}))
}

async fn keep_and_take(mut channel: Channel, mut go: watch::Receiver<bool>) -> Result<u64, String> {
    loop {
        tokio::select! {
            _ = go.wait_for(|go| *go) => break,
            output = channel.whenever() => match output {
                Ok(AgentOutput::Closed) => return Err("a channel was closed".to_owned()),
                Ok(_) => {}
                Err(error) => return Err(error.to_string()),
            },
        }
    }
    let taken = channel.take().await;
    taken
        .map(|(bytes, _)| bytes)
        .map_err(|error| error.to_string())
}

fn now() -> Result<Now, Failure> {
    let unix = SystemTime::now().duration_since(UNIX_EPOCH)?;
    Ok(Now {
        instant: Instant::now(),
        unix_ms: i64::try_from(unix.as_millis())?,
    })
}
