//! `ifectl evidence receive`: the expert's side of the evidence channel, without a browser.
//!
//! `link.rs` opens the link over HTTP, `channel.rs` drives the data channel over a socket,
//! `folder.rs` writes the files.

mod channel;
mod folder;
mod link;

use std::time::Duration;

use ife_evidence::{AgentOutput, Body, Manifest};
use serde_json::{Value, json};

use crate::{
    Failure, Outcome,
    bridge::wait_for,
    cli::{EvidenceArgs, EvidenceCommand, ReceiveArgs},
    output::Output,
    text::harmless,
};
use channel::Channel;
use folder::Folder;
use link::{Description, Link, Opened};

/// Connections that are made before the transfer is given up.
const CONNECTIONS_MAX: u32 = 6;
/// Pause before another connection.
const PAUSE: Duration = Duration::from_secs(2);

pub(crate) fn run(args: &EvidenceArgs, out: &mut Output) -> Result<Outcome, Failure> {
    match &args.command {
        EvidenceCommand::Receive(args) => wait_for(receive(args, out)),
    }
}

/// How a connection ended.
enum End {
    /// The bridge has confirmed the receipt, or offers no files.
    Received(Option<Receipt>),
    /// The connection was lost; another one goes on where it stopped.
    Lost(Failure),
}

/// The receipt's entry in the witness log.
struct Receipt {
    /// Its leaf hash, as `ifectl witness prove --witness-hash` takes it.
    entry: String,
    index: Option<u64>,
}

async fn receive(args: &ReceiveArgs, out: &mut Output) -> Result<Outcome, Failure> {
    let link = Link::read(&args.link, args.ca.as_deref())?;
    let to = args
        .to
        .clone()
        .unwrap_or_else(|| format!("evidence-{}", link.session()).into());
    // Before the link is opened, which it is once.
    let mut folder = Folder::new(&to)?;
    let (opened, description) = link.open().await?;
    for file in &description.evidence.unavailable {
        let (name, code) = (harmless(&file.name), harmless(&file.code));
        out.remark(format!("the bridge cannot offer {name}: {code}"));
    }
    let receipt = connections(&opened, &description, &mut folder, out).await?;
    report(&description, &folder, receipt.as_ref(), out)?;
    let all = folder.all_verified() && description.evidence.unavailable.is_empty();
    Ok(Outcome::of(all))
}

async fn connections(
    opened: &Opened,
    description: &Description,
    folder: &mut Folder,
    out: &mut Output,
) -> Result<Option<Receipt>, Failure> {
    for connection in 1.. {
        let lost = match Channel::open(opened, description).await {
            Ok(mut channel) => match transfer(&mut channel, folder, out).await? {
                End::Received(receipt) => return Ok(receipt),
                End::Lost(failure) => failure,
            },
            Err(failure) => failure,
        };
        if connection == CONNECTIONS_MAX || !lost.is_passing() {
            return Err(lost);
        }
        out.remark(format!("{lost}; connecting again"));
        tokio::time::sleep(PAUSE).await;
    }
    unreachable!("the loop returns at its last connection")
}

async fn transfer(
    channel: &mut Channel,
    folder: &mut Folder,
    out: &mut Output,
) -> Result<End, Failure> {
    let bar = out.progress("receiving", 0);
    loop {
        let output = match channel.next().await {
            Ok(output) => output,
            Err(failure) => return Ok(End::Lost(failure)),
        };
        match output {
            AgentOutput::Manifest(manifest) => {
                folder.take(&manifest)?;
                bar.set_length(manifest.files().iter().map(|file| file.size).sum());
                go_on(channel, &manifest, folder)?;
                bar.set_position(folder.received());
                if manifest.files().is_empty() {
                    return Ok(End::Received(None));
                }
            }
            AgentOutput::Write {
                file,
                offset,
                bytes,
            } => {
                folder.write(file, offset, &bytes)?;
                bar.set_position(folder.received());
            }
            AgentOutput::Finished { file, verified } => folder.finish(file, verified)?,
            AgentOutput::Message(Body::ReceiptOk { entry, index }) => {
                bar.finish_and_clear();
                let entry = format!("sha256:{entry}");
                return Ok(End::Received(Some(Receipt { entry, index })));
            }
            AgentOutput::Message(body) => {
                message(&body, out);
                if let Body::Agent { id: Some(id), .. } = body {
                    channel.say(&Body::Shown { id });
                }
            }
            AgentOutput::Failed(refused) => {
                out.remark(format!("the bridge: {}", harmless(&refused.text)));
            }
            AgentOutput::Closed => return Ok(End::Lost(channel.lost("the connection ended"))),
            AgentOutput::Complete { .. } | AgentOutput::Transmit(_) | AgentOutput::Timeout(_) => {}
        }
    }
}

/// Gives the agent the blocks of earlier connections, then asks for the rest.
fn go_on(channel: &mut Channel, manifest: &Manifest, folder: &mut Folder) -> Result<(), Failure> {
    for file in manifest.files() {
        let mut offset = 0;
        while let Some(block) = folder.stored(file, offset)? {
            if !channel.handle_stored(file.id, &block) {
                break;
            }
            offset += block.len() as u64;
        }
    }
    channel.request_all();
    Ok(())
}

fn message(body: &Body, out: &mut Output) {
    match body {
        Body::State { call_state } => out.remark(format!("call: {}", harmless(call_state))),
        Body::Agent { message, .. } => {
            let text = Value::Object(message.clone()).to_string();
            out.remark(format!("message: {}", harmless(&text)));
        }
        Body::Hello { .. }
        | Body::Manifest { .. }
        | Body::Request { .. }
        | Body::Ack { .. }
        | Body::Pause { .. }
        | Body::Cancel { .. }
        | Body::Complete { .. }
        | Body::Receipt { .. }
        | Body::ReceiptOk { .. }
        | Body::Shown { .. }
        | Body::Taken { .. }
        | Body::NotTaken { .. }
        | Body::Error { .. } => {}
    }
}

fn report(
    description: &Description,
    folder: &Folder,
    receipt: Option<&Receipt>,
    out: &mut Output,
) -> Result<(), Failure> {
    if out.json() {
        let unavailable: Vec<Value> = description
            .evidence
            .unavailable
            .iter()
            .map(|file| json!({"name": file.name, "code": file.code}))
            .collect();
        return out.value(&json!({
            "trace_id": description.trace_id,
            "call_id": description.call_id,
            "hazard": description.hazard,
            "files": folder.files().map(folder::Received::to_json).collect::<Vec<_>>(),
            "unavailable": unavailable,
            "receipt": receipt.map(|receipt| json!({
                "entry": receipt.entry,
                "index": receipt.index,
            })),
        }));
    }
    for file in folder.files() {
        out.line(file.to_line())?;
    }
    match receipt {
        Some(Receipt { entry, index }) => {
            let place = index.map_or_else(String::new, |index| format!(", entry {index}"));
            out.line(format!(
                "receipt in the witness log: {}{place}",
                harmless(entry)
            ))
        }
        None => out.line("the bridge offers no files"),
    }
}
