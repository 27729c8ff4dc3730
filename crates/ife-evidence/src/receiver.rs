//! The expert's half of the transfers: nothing leaves it that was not verified against the manifest
//! (docs/evidence.md, 2.3).

use std::collections::VecDeque;

use ife_words::hex;
use sha2::{Digest, Sha256};

use crate::{
    frame::Frame,
    manifest::{FileEntry, Manifest, digest_of},
    message::{Body, ErrorCode, ReceiptEntry, Refused},
};

/// Orders of the receiver.
#[derive(Debug, Clone, PartialEq)]
pub enum ReceiverOutput {
    /// A verified block: store it.
    Write {
        /// File id.
        file: u32,
        /// Offset of the first byte.
        offset: u64,
        /// The bytes.
        bytes: Vec<u8>,
    },
    /// Send this.
    Send(Body),
    /// Every byte of the file was verified, or it failed twice at one block.
    Finished {
        /// File id.
        file: u32,
        /// Which of the two.
        verified: bool,
    },
}

#[derive(Debug)]
struct Incoming {
    verified: u64,
    block: Vec<u8>,
    whole: Sha256,
    asked_again_at: Option<u64>,
    outcome: Option<bool>,
}

/// Transfers of one session into this peer. Memory is one block per file under way.
#[derive(Debug)]
pub struct Receiver {
    manifest: Manifest,
    files: Vec<Incoming>,
    outputs: VecDeque<ReceiverOutput>,
}

impl Receiver {
    /// For a manifest whose message was opened by an [`crate::Inbox`].
    pub fn new(manifest: Manifest) -> Receiver {
        let incoming = |_: &FileEntry| Incoming {
            verified: 0,
            block: Vec::new(),
            whole: Sha256::new(),
            asked_again_at: None,
            outcome: None,
        };
        Receiver {
            files: manifest.files().iter().map(incoming).collect(),
            manifest,
            outputs: VecDeque::new(),
        }
    }

    /// Takes the next block that an earlier connection has stored, and returns whether it is still
    /// what the manifest lists. Feed a file's blocks in order, before [`Receiver::request_all`],
    /// until one is missing or is refused.
    pub fn handle_stored(&mut self, file: u32, block: &[u8]) -> bool {
        let Some((at, entry)) = self.entry(file) else {
            return false;
        };
        let (offset, size, number) = (
            self.files[at].verified,
            entry.size,
            self.files[at].verified / entry.block_size,
        );
        let fits = offset < size && block.len() as u64 == entry.block_size.min(size - offset);
        if !fits || !matches_block(entry, number, block) {
            return false;
        }
        self.accept(at, block);
        if self.files[at].verified == size {
            self.finish(at);
        }
        true
    }

    /// Asks for every file that is not complete.
    pub fn request_all(&mut self) {
        for (file, incoming) in self.manifest.files().iter().zip(&self.files) {
            if incoming.outcome.is_none() {
                let body = Body::Request {
                    file: file.id,
                    offset: incoming.verified,
                };
                self.outputs.push_back(ReceiverOutput::Send(body));
            }
        }
    }

    /// Whether every file has an outcome.
    pub fn is_finished(&self) -> bool {
        self.files.iter().all(|incoming| incoming.outcome.is_some())
    }

    /// A binary message.
    pub fn handle_frame(&mut self, frame: Frame<'_>) -> Result<(), Refused> {
        let Some((at, entry)) = self.entry(frame.file) else {
            return Err(Refused::about(
                frame.file,
                ErrorCode::UnknownFile,
                format!("no file {} in the manifest", frame.file),
            ));
        };
        let (size, block_size) = (entry.size, entry.block_size);
        let incoming = &mut self.files[at];
        if incoming.outcome.is_some() {
            return Ok(());
        }
        let expected = incoming.verified + incoming.block.len() as u64;
        let block_len = block_size.min(size - incoming.verified);
        let room = block_len - incoming.block.len() as u64;
        if frame.offset != expected || frame.data.len() as u64 > room {
            // Bytes of before a new request are still on their way: not an error, not for us.
            return Ok(());
        }
        incoming.block.extend_from_slice(frame.data);
        if frame.data.len() as u64 == room {
            self.end_block(at);
        }
        Ok(())
    }

    /// The sender reports that all was sent; an empty file is finished by this alone.
    pub fn handle_complete(&mut self, file: u32) {
        if let Some((at, FileEntry { size: 0, .. })) = self.entry(file) {
            self.finish(at);
        }
    }

    /// The next thing to do.
    pub fn poll(&mut self) -> Option<ReceiverOutput> {
        self.outputs.pop_front()
    }

    /// The receipt of what has an outcome.
    pub fn receipt(&self) -> Body {
        let files = self.manifest.files().iter().zip(&self.files);
        let entry = |(file, incoming): (&FileEntry, &Incoming)| {
            Some(ReceiptEntry {
                file: file.id,
                size: incoming.verified,
                sha256: hex::text(&incoming.whole.clone().finalize()),
                verified: incoming.outcome?,
            })
        };
        Body::Receipt {
            manifest_sha256: self.manifest.sha256().to_owned(),
            files: files.filter_map(entry).collect(),
        }
    }

    fn entry(&self, file: u32) -> Option<(usize, &FileEntry)> {
        let at = usize::try_from(file).ok()?;
        Some((at, self.manifest.files().get(at)?))
    }

    fn end_block(&mut self, at: usize) {
        let entry = &self.manifest.files()[at];
        let bytes = std::mem::take(&mut self.files[at].block);
        let (file, size, offset) = (entry.id, entry.size, self.files[at].verified);
        if !matches_block(entry, offset / entry.block_size, &bytes) {
            return self.mismatch(at, offset);
        }
        self.accept(at, &bytes);
        let verified = self.files[at].verified;
        self.outputs.push_back(ReceiverOutput::Write {
            file,
            offset,
            bytes,
        });
        let ack = Body::Ack {
            file,
            offset: verified,
        };
        self.outputs.push_back(ReceiverOutput::Send(ack));
        if verified == size {
            self.finish(at);
        }
    }

    fn accept(&mut self, at: usize, block: &[u8]) {
        let incoming = &mut self.files[at];
        incoming.whole.update(block);
        incoming.verified += block.len() as u64;
    }

    fn mismatch(&mut self, at: usize, offset: u64) {
        let incoming = &mut self.files[at];
        let file = self.manifest.files()[at].id;
        if incoming.asked_again_at == Some(offset) {
            incoming.outcome = Some(false);
            self.outputs
                .push_back(ReceiverOutput::Send(Body::Cancel { file }));
            self.outputs.push_back(ReceiverOutput::Finished {
                file,
                verified: false,
            });
        } else {
            incoming.asked_again_at = Some(offset);
            self.outputs
                .push_back(ReceiverOutput::Send(Body::Request { file, offset }));
        }
    }

    fn finish(&mut self, at: usize) {
        let entry = &self.manifest.files()[at];
        let incoming = &mut self.files[at];
        if incoming.outcome.is_some() {
            return;
        }
        let verified = hex::text(&incoming.whole.clone().finalize()) == entry.sha256;
        incoming.outcome = Some(verified);
        let file = entry.id;
        self.outputs
            .push_back(ReceiverOutput::Finished { file, verified });
    }
}

fn matches_block(entry: &FileEntry, number: u64, bytes: &[u8]) -> bool {
    let listed = usize::try_from(number)
        .ok()
        .and_then(|at| entry.blocks.get(at));
    listed.and_then(|block| digest_of(block)) == Some(Sha256::digest(bytes).into())
}
