//! The bridge's half of the transfers: which bytes go out next, within the window
//! (docs/evidence.md, 2.3).

use std::collections::VecDeque;

use crate::{
    WINDOW_LEN,
    frame::Frame,
    manifest::Manifest,
    message::{Body, ErrorCode, Refused},
};

/// Orders of the sender.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SenderOutput {
    /// Read `len` bytes of the file and hand them to [`Sender::handle_read`]. One read is under way
    /// at a time.
    Read {
        /// File id.
        file: u32,
        /// Offset of the first byte.
        offset: u64,
        /// Bytes; never 0.
        len: usize,
    },
    /// All bytes of the file were handed over: notify the peer.
    Complete {
        /// File id.
        file: u32,
        /// Its size.
        size: u64,
    },
}

#[derive(Debug, Clone, Copy, Default)]
struct Progress {
    sent: u64,
    acked: u64,
    /// The furthest that was ever sent: what was under way when a file was asked for anew arrives
    /// all the same.
    reached: u64,
}

/// Transfers of one session; a file's bytes pass through and are not kept.
#[derive(Debug)]
pub struct Sender {
    manifest: Manifest,
    progress: Vec<Progress>,
    queue: VecDeque<u32>,
    reading: Option<(u32, u64)>,
    chunk_len: u64,
}

impl Sender {
    /// Nothing is sent before it is asked for. `chunk_len` bytes of a file go into one frame, at
    /// most
    /// [`crate::frame::CHUNK_LEN_MAX`].
    pub fn new(manifest: Manifest, chunk_len: usize) -> Sender {
        Sender {
            progress: vec![Progress::default(); manifest.files().len()],
            manifest,
            queue: VecDeque::new(),
            reading: None,
            chunk_len: chunk_len as u64,
        }
    }

    /// The offered files.
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// Bytes of the file that the receiver has verified.
    pub fn acknowledged(&self, file: u32) -> u64 {
        self.index(file).map_or(0, |at| self.progress[at].acked)
    }

    /// Takes a request, an acknowledgement, a pause or a cancellation; other bodies are not for it
    /// and change nothing.
    pub fn handle_body(&mut self, body: &Body) -> Result<(), Refused> {
        match *body {
            Body::Request { file, offset } => self.start(file, offset),
            Body::Ack { file, offset } => self.acknowledge(file, offset),
            Body::Pause { file } | Body::Cancel { file } => {
                self.index(file)?;
                self.drop_from_queue(file);
                Ok(())
            }
            Body::Hello { .. }
            | Body::Manifest { .. }
            | Body::Complete { .. }
            | Body::Receipt { .. }
            | Body::ReceiptOk { .. }
            | Body::State { .. }
            | Body::Error { .. }
            | Body::Agent { .. }
            | Body::Shown { .. }
            | Body::Taken { .. }
            | Body::NotTaken { .. } => Ok(()),
        }
    }

    /// The bytes that were asked for by [`SenderOutput::Read`], or why they cannot be had. Gives
    /// the frame to send, or nothing when the peer has paused or moved on since.
    pub fn handle_read(
        &mut self,
        file: u32,
        offset: u64,
        bytes: Result<&[u8], &str>,
    ) -> Result<Option<Vec<u8>>, Refused> {
        let at = self.index(file)?;
        if self.reading.take() != Some((file, offset))
            || self.progress[at].sent != offset
            || self.queue.front() != Some(&file)
        {
            return Ok(None);
        }
        let data = match bytes {
            Ok(data) if !data.is_empty() => data,
            Ok(_) => return Err(self.give_up(file, "the file has become shorter")),
            Err(why) => return Err(self.give_up(file, why)),
        };
        let progress = &mut self.progress[at];
        progress.sent += data.len() as u64;
        progress.reached = progress.reached.max(progress.sent);
        Ok(Some(Frame { file, offset, data }.to_bytes()))
    }

    /// The next thing to do; `None` until something is handled.
    pub fn poll(&mut self) -> Option<SenderOutput> {
        if self.reading.is_some() {
            return None;
        }
        let file = *self.queue.front()?;
        let at = self.index(file).ok()?;
        let entry = &self.manifest.files()[at];
        let Progress { sent, acked, .. } = self.progress[at];
        if sent >= entry.size {
            self.queue.pop_front();
            return Some(SenderOutput::Complete {
                file,
                size: entry.size,
            });
        }
        let window = WINDOW_LEN.max(2 * entry.block_size);
        let block_end = (sent / entry.block_size + 1) * entry.block_size;
        let end = block_end.min(entry.size).min(sent + self.chunk_len);
        if end - acked > window {
            return None;
        }
        self.reading = Some((file, sent));
        Some(SenderOutput::Read {
            file,
            offset: sent,
            // At most a chunk, so it fits.
            len: (end - sent) as usize,
        })
    }

    fn start(&mut self, file: u32, offset: u64) -> Result<(), Refused> {
        let at = self.index(file)?;
        let entry = &self.manifest.files()[at];
        if offset > entry.size || (!offset.is_multiple_of(entry.block_size) && offset != entry.size)
        {
            return Err(Refused::about(
                file,
                ErrorCode::BadOffset,
                format!("offset {offset} is not the start of a block"),
            ));
        }
        let progress = &mut self.progress[at];
        (progress.sent, progress.acked) = (offset, offset);
        progress.reached = progress.reached.max(offset);
        if self.reading.is_some_and(|(reading, _)| reading == file) {
            self.reading = None;
        }
        if !self.queue.contains(&file) {
            self.queue.push_back(file);
        }
        Ok(())
    }

    fn acknowledge(&mut self, file: u32, offset: u64) -> Result<(), Refused> {
        let at = self.index(file)?;
        let progress = &mut self.progress[at];
        if offset > progress.reached {
            return Err(Refused::about(
                file,
                ErrorCode::BadOffset,
                format!("offset {offset} was not sent yet"),
            ));
        }
        progress.acked = progress.acked.max(offset);
        // What has arrived of before is not sent again.
        let entry = &self.manifest.files()[at];
        if offset.is_multiple_of(entry.block_size) || offset == entry.size {
            progress.sent = progress.sent.max(offset);
        }
        Ok(())
    }

    fn give_up(&mut self, file: u32, why: &str) -> Refused {
        self.drop_from_queue(file);
        Refused::about(file, ErrorCode::Unavailable, why)
    }

    fn drop_from_queue(&mut self, file: u32) {
        self.queue.retain(|queued| *queued != file);
    }

    fn index(&self, file: u32) -> Result<usize, Refused> {
        usize::try_from(file)
            .ok()
            .filter(|at| *at < self.progress.len())
            .ok_or_else(|| {
                Refused::about(
                    file,
                    ErrorCode::UnknownFile,
                    format!("no file {file} in the manifest"),
                )
            })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::FileHasher;

    const BLOCK: u64 = 262_144;

    fn sender(len: usize) -> Sender {
        let contents = vec![7; len];
        let mut hasher = FileHasher::new(len as u64);
        hasher.update(&contents);
        let entry = hasher.finish("file", "text/plain");
        let manifest = Manifest::new(vec![entry]).expect("it is a manifest");
        Sender::new(manifest, 65_536)
    }

    /// Sends until it has to wait; the offset after the last byte.
    fn send(sender: &mut Sender) -> u64 {
        let mut end = 0;
        while let Some(SenderOutput::Read { file, offset, len }) = sender.poll() {
            let read = sender.handle_read(file, offset, Ok(&vec![7; len]));
            assert!(read.is_ok_and(|frame| frame.is_some()));
            end = offset + len as u64;
        }
        end
    }

    #[test]
    fn what_was_under_way_when_a_file_is_asked_for_anew_counts_when_it_arrives() {
        let mut sender = sender(3_000_000);
        let ask = |offset| Body::Request { file: 0, offset };
        let acknowledge = |offset| Body::Ack { file: 0, offset };
        sender.handle_body(&ask(0)).expect("it is there");
        assert_eq!(send(&mut sender), WINDOW_LEN);
        sender.handle_body(&ask(0)).expect("it is there");
        sender
            .handle_body(&acknowledge(2 * BLOCK))
            .expect("it was sent before");
        let next = SenderOutput::Read {
            file: 0,
            offset: 2 * BLOCK,
            len: 65_536,
        };
        assert_eq!(sender.poll(), Some(next));
        let never = sender.handle_body(&acknowledge(WINDOW_LEN + BLOCK));
        assert_eq!(
            never.map_err(|refused| refused.code),
            Err(ErrorCode::BadOffset)
        );
    }
}
