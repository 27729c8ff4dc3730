//! Carries out the orders of a session: datagrams, reads, witness entries, and the news for the
//! engine and the subscribers.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use ife_evidence::{
    Body, SessionOutput,
    message::{ErrorCode, ReceiptEntry, Refused},
};
use ife_witness::entry::{Event, Evidence};
use ife_words::hex;
use tokio::sync::mpsc;
use tracing::{debug, info, warn};

use super::{
    Settings, blocks,
    blocks::{Name, Wanted},
    case::{Case, Connection, LoggedLeaf},
    port::Port,
    source::Prepared,
};
use crate::{
    handle::{Command, EngineHandle},
    view::{EvidenceError, EvidenceState},
    witness::{Fact, Leaf, Witness},
};

/// Entries that a session may have in the log; a peer that makes more of them has no honest reason.
const ENTRIES_MAX: u32 = 1_000;
const WAKE_MIN: Duration = Duration::from_millis(1);

/// What work off the server's task has come to.
#[derive(Debug)]
pub(super) enum Done {
    /// Files of a call.
    Prepared { call_id: String, files: Prepared },
    /// A block for a connection.
    Block {
        session: Arc<str>,
        peer: u64,
        name: Name,
        result: Result<Vec<u8>, String>,
    },
    /// Entries of the log, before the session's channel opened.
    LogSize { session: Arc<str>, size: u64 },
}

/// What sessions share.
pub(super) struct World {
    pub(super) settings: Arc<Settings>,
    pub(super) port: Port,
    pub(super) witness: Witness,
    pub(super) engine: EngineHandle,
    pub(super) done: mpsc::UnboundedSender<Done>,
}

impl Case {
    /// Does all that the connection wants done, until it waits.
    pub(super) fn drive(&mut self, world: &mut World, now: Instant) {
        loop {
            let Some(connection) = &mut self.connection else {
                return;
            };
            let output = match connection.session.poll() {
                Ok(output) => output,
                Err(error) => {
                    debug!(session = %self.grant.session, "the connection ends: {error}");
                    return self.closed(world);
                }
            };
            match output {
                SessionOutput::Timeout(at) => {
                    // Never at once: the task that wakes it must get on.
                    connection.wake = at.max(now + WAKE_MIN);
                    return;
                }
                SessionOutput::Transmit(datagram) => {
                    let via = connection.via;
                    world.port.queue(datagram.destination, via, &datagram.bytes);
                }
                SessionOutput::Read { file, offset, len } => {
                    let wanted = Wanted { file, offset, len };
                    read(&self.grant.session, connection, wanted, world);
                }
                SessionOutput::Opened { public_key } => self.opened(public_key, world),
                SessionOutput::Sent { file } => self.sent(file, world),
                SessionOutput::Receipt { files, sha256 } => self.receipt(&files, &sha256, world),
                SessionOutput::Agent(id, message) => self.heard(id, message, now, world),
                SessionOutput::Shown(id) => self.shown(&id, world),
                SessionOutput::Failed(refused) => self.failed(&refused, world),
                SessionOutput::Interrupted => {
                    let give_up = now + world.settings.grace;
                    connection.give_up.get_or_insert(give_up);
                    debug!(session = %self.grant.session, "the browser is not connected");
                }
                SessionOutput::Connected => {
                    // Unless the call is over, which no connection outlives.
                    if !self.over && connection.peer.is_some() {
                        connection.give_up = None;
                    }
                }
                SessionOutput::Closed => return self.closed(world),
            }
        }
    }

    /// A block has come, or cannot be had.
    pub(super) fn on_block(&mut self, peer: u64, name: Name, result: Result<Vec<u8>, String>) {
        let Some(connection) = self.connection.as_mut().filter(|c| c.number == peer) else {
            return;
        };
        let Some(entry) = connection.files.manifest.file(name.0) else {
            return;
        };
        let block_size = entry.block_size;
        match result {
            Ok(block) => {
                connection.blocks.put(name, block);
                hand_over(connection, block_size);
            }
            Err(why) => {
                if let Some(failed) = connection.blocks.fail(name, block_size) {
                    let read = Err(why.as_str());
                    connection
                        .session
                        .handle_read(failed.file, failed.offset, read);
                }
            }
        }
    }

    fn opened(&mut self, public_key: String, world: &mut World) {
        let peer = self.peer_of(public_key);
        let Some(connection) = &mut self.connection else {
            return;
        };
        let manifest = &connection.files.manifest;
        let bytes: u64 = manifest.files().iter().map(|file| file.size).sum();
        let (number, sha256, key) = (
            connection.number,
            manifest.sha256().to_owned(),
            peer.public_key.clone(),
        );
        let said = Evidence {
            peer: Some(number),
            manifest: Some(&sha256),
            files: u32::try_from(manifest.files().len()).ok(),
            bytes: Some(bytes),
            key: Some(&key),
            ..Evidence::default()
        };
        connection.peer = Some(peer);
        if !self.over {
            connection.give_up = None;
        }
        // Messages that reached no peer.
        connection.session.say(&Body::State {
            call_state: self.call_state.clone(),
        });
        self.say_unshown();
        let leaf = self.record(Event::EvidenceOpen, said, "", world);
        self.manifested = leaf.map(|leaf| LoggedLeaf {
            leaf,
            from: self.log_size,
        });
        let viewer = self.grant.viewer_name();
        info!(call_id = %self.grant.about.call_id, viewer, "the evidence channel is open");
        self.tell_engine(Some(EvidenceState::Open), "open", Vec::new(), world);
        self.publish("datachannel_open", world);
    }

    fn sent(&mut self, file: u32, world: &mut World) {
        let Some(files) = self.connection.as_ref().map(|c| c.files.clone()) else {
            return;
        };
        let Some(entry) = files.manifest.file(file) else {
            return;
        };
        let said = Evidence {
            file: Some(file),
            size: Some(entry.size),
            sha256: Some(&entry.sha256),
            ..Evidence::default()
        };
        self.record(Event::EvidenceSent, said, "", world);
    }

    fn receipt(&mut self, files: &[ReceiptEntry], sha256: &str, world: &mut World) {
        let Some(connection) = &self.connection else {
            return;
        };
        let offered = connection.files.clone();
        let total = offered.manifest.files().len();
        let places = |verified: bool| -> Vec<u32> {
            let those = files.iter().filter(|file| file.verified == verified);
            those.map(|file| file.file).collect()
        };
        let (verified, failed) = (places(true), places(false));
        let said = Evidence {
            manifest: Some(offered.manifest.sha256()),
            verified: Some(&verified),
            failed: Some(&failed),
            receipt: Some(sha256),
            ..Evidence::default()
        };
        let is_whole = files.len() == total && files.iter().all(|file| file.verified);
        let leaf = self.record(Event::EvidenceVerified, said, "", world);
        self.receipted = leaf.map(|leaf| LoggedLeaf {
            leaf,
            from: self.log_size,
        });
        let count = files.iter().filter(|file| file.verified).count();
        let told = format!("receipt: {count} of {total} files verified");
        let state = if is_whole {
            EvidenceState::Verified
        } else {
            EvidenceState::Failed
        };
        self.tell_engine(Some(state), &told, Vec::new(), world);
        let entry = leaf.map_or_else(String::new, |leaf| hex::text(&leaf));
        self.say(&Body::ReceiptOk { entry, index: None });
    }

    fn failed(&mut self, refused: &Refused, world: &mut World) {
        let code = code_of(refused.code);
        let said = Evidence {
            file: refused.file,
            error: Some(code),
            ..Evidence::default()
        };
        self.record(Event::EvidenceFailed, said, &refused.text, world);
        let name = self.connection.as_ref().and_then(|connection| {
            let file = connection.files.manifest.file(refused.file?)?;
            Some(file.name.clone())
        });
        if let (ErrorCode::Unavailable, Some(name)) = (refused.code, name) {
            let error = EvidenceError {
                name,
                code: code.to_owned(),
            };
            self.tell_engine(None, "a file cannot be read any more", vec![error], world);
        }
    }

    /// Witnesses something about the session, in the name of its viewer. Gives the entry's leaf
    /// hash unless the ring had no room, or the session its share.
    pub(super) fn record(
        &mut self,
        event: Event,
        said: Evidence<'_>,
        detail: &str,
        world: &mut World,
    ) -> Option<Leaf> {
        self.entries += 1;
        let last = Evidence {
            error: Some("too_many_entries"),
            ..Evidence::default()
        };
        let (event, said, detail) = match self.entries {
            ..ENTRIES_MAX => (event, said, detail),
            ENTRIES_MAX => (
                Event::EvidenceFailed,
                last,
                "nothing more of this session is witnessed",
            ),
            _ => return None,
        };
        let said = Evidence {
            session: Some(&self.grant.session),
            ..said
        };
        let (about, (expert, guardian)) = (&self.grant.about, self.grant.viewer());
        let fact = Fact {
            trace_id: Some(&about.trace_id),
            call_id: Some(&about.call_id),
            hazard: Some(&about.hazard),
            expert,
            guardian,
            evidence: Some(&said),
            ..Fact::new(event, detail)
        };
        // No call depends on it, and losses are counted.
        world.witness.record(&fact, false).ok().flatten()
    }

    /// The connection is gone; the files stay for the next.
    pub(super) fn closed(&mut self, world: &mut World) {
        let Some(connection) = self.connection.take() else {
            return;
        };
        if connection.peer.is_some() {
            self.tell_engine(None, "channel closed", Vec::new(), world);
            self.publish("peer_disconnected", world);
        }
    }

    /// Ends the connection, and lets it send its last words.
    pub(super) fn hang_up(&mut self, world: &mut World, now: Instant) {
        if let Some(connection) = &mut self.connection {
            connection.session.close();
        }
        self.drive(world, now);
        self.closed(world);
    }

    pub(super) fn tell_engine(
        &mut self,
        state: Option<EvidenceState>,
        detail: &str,
        errors: Vec<EvidenceError>,
        world: &World,
    ) {
        if let Some(state) = state.filter(|state| *state != self.grant.state) {
            self.grant.state = state;
            if let Err(error) = self.grant.save(&world.settings.dir) {
                warn!("after a restart an older evidence_state is told: {error}");
            }
        }
        world.engine.tell(Command::Evidence {
            call_id: self.grant.about.call_id.clone(),
            guardian: self.grant.about.guardian.clone(),
            state,
            detail: detail.to_owned(),
            errors,
        });
    }

    pub(super) fn publish(&self, event: &str, world: &World) {
        self.publish_said(event, "", None, world);
    }
}

/// Has the blocks fetched that a read needs, and hands over those that are there.
fn read(session: &str, connection: &mut Connection, wanted: Wanted, world: &World) {
    let files = connection.files.clone();
    let Some(entry) = files.manifest.file(wanted.file) else {
        return;
    };
    for name in connection.blocks.want(wanted, entry) {
        let (done, files) = (world.done.clone(), files.clone());
        let (session, peer) = (Arc::from(session), connection.number);
        tokio::task::spawn_blocking(move || {
            let place = usize::try_from(name.0).ok();
            let source = place.and_then(|at| files.sources.get(at));
            let result = match (source, files.manifest.file(name.0)) {
                (Some(source), Some(entry)) => blocks::read(source, entry, name.1),
                (None, _) | (_, None) => Err("there is no such file".to_owned()),
            };
            // A server that has stopped needs no blocks.
            let _ = done.send(Done::Block {
                session,
                peer,
                name,
                result,
            });
        });
    }
    hand_over(connection, entry.block_size);
}

fn hand_over(connection: &mut Connection, block_size: u64) {
    if let Some((wanted, piece)) = connection.blocks.take(block_size) {
        connection
            .session
            .handle_read(wanted.file, wanted.offset, Ok(piece));
    }
}

fn code_of(code: ErrorCode) -> &'static str {
    match code {
        ErrorCode::BadSignature => "bad_signature",
        ErrorCode::BadSequence => "bad_sequence",
        ErrorCode::BadBinding => "bad_binding",
        ErrorCode::BadMessage => "bad_message",
        ErrorCode::UnknownFile => "unknown_file",
        ErrorCode::BadOffset => "bad_offset",
        ErrorCode::Unavailable => "unavailable",
        ErrorCode::TooFast => "too_fast",
    }
}
