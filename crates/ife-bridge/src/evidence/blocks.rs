//! A connection's bytes: whole blocks are read off the runtime's threads and checked against the
//! manifest, one ahead of the block being sent.

use std::io::{Read, Seek, SeekFrom};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use ife_evidence::FileEntry;
use sha2::{Digest, Sha256};

use super::source::Source;

/// A block's name: file and number.
pub(super) type Name = (u32, u64);

/// Two blocks of one file at most.
#[derive(Debug, Default)]
pub(super) struct Blocks {
    held: Vec<(Name, Vec<u8>)>,
    coming: Vec<Name>,
    /// The reads that the session waits for.
    wanted: Option<Wanted>,
}

/// A piece of a file that the session has asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Wanted {
    pub(super) file: u32,
    pub(super) offset: u64,
    pub(super) len: usize,
}

impl Blocks {
    /// Notes a read of the session; gives the blocks to be fetched for it.
    pub(super) fn want(&mut self, wanted: Wanted, entry: &FileEntry) -> Vec<Name> {
        self.wanted = Some(wanted);
        let number = wanted.offset / entry.block_size;
        let last = (entry.blocks.len() as u64).saturating_sub(1);
        let needed = [number, (number + 1).min(last)].map(|number| (wanted.file, number));
        self.held.retain(|(name, _)| needed.contains(name));
        let mut missing = Vec::new();
        for name in needed {
            let is_there = self.held.iter().any(|(held, _)| *held == name);
            if !is_there && !self.coming.contains(&name) && !missing.contains(&name) {
                missing.push(name);
            }
        }
        self.coming.extend(&missing);
        missing
    }

    /// The piece that the session waits for, once its block is there.
    pub(super) fn take(&mut self, block_size: u64) -> Option<(Wanted, &[u8])> {
        let wanted = self.wanted?;
        let name = (wanted.file, wanted.offset / block_size);
        let (_, block) = self.held.iter().find(|(held, _)| *held == name)?;
        // A block is at most 4 MiB.
        let start = (wanted.offset % block_size) as usize;
        let piece = block.get(start..start + wanted.len)?;
        self.wanted = None;
        Some((wanted, piece))
    }

    /// A block has come. One that is not needed any more is dropped when the next is asked for.
    pub(super) fn put(&mut self, name: Name, block: Vec<u8>) {
        self.coming.retain(|coming| *coming != name);
        self.held.push((name, block));
    }

    /// A block cannot be had. Gives the read that fails by it.
    pub(super) fn fail(&mut self, name: Name, block_size: u64) -> Option<Wanted> {
        self.coming.retain(|coming| *coming != name);
        self.wanted
            .take_if(|wanted| (wanted.file, wanted.offset / block_size) == name)
    }
}

/// Reads one block; an error when it differs from the manifest.
pub(super) fn read(source: &Source, entry: &FileEntry, number: u64) -> Result<Vec<u8>, String> {
    let wording = |error: std::io::Error| format!("the file cannot be read: {}", error.kind());
    let offset = number * entry.block_size;
    let len = entry.block_size.min(entry.size.saturating_sub(offset));
    let (mut file, _) = source.open().map_err(wording)?;
    file.seek(SeekFrom::Start(offset)).map_err(wording)?;
    // A block is at most 4 MiB.
    let mut block = Vec::with_capacity(len as usize);
    file.take(len).read_to_end(&mut block).map_err(wording)?;
    let listed = usize::try_from(number)
        .ok()
        .and_then(|at| entry.blocks.get(at));
    if listed != Some(&URL_SAFE_NO_PAD.encode(Sha256::digest(&block))) {
        return Err("the file has changed since it was offered".to_owned());
    }
    Ok(block)
}

#[cfg(test)]
mod tests {
    use super::*;
    use ife_evidence::FileHasher;

    fn entry(len: usize) -> FileEntry {
        let mut hasher = FileHasher::new(len as u64);
        hasher.update(&vec![9; len]);
        hasher.finish("a", "text/plain")
    }

    fn wanted(offset: u64) -> Wanted {
        Wanted {
            file: 0,
            offset,
            len: 10,
        }
    }

    #[test]
    fn blocks_are_fetched_once_and_one_ahead() {
        let (mut blocks, entry) = (Blocks::default(), entry(600_000));
        assert_eq!(blocks.want(wanted(0), &entry), [(0, 0), (0, 1)]);
        assert!(blocks.take(entry.block_size).is_none(), "not there yet");
        blocks.put((0, 0), vec![1; 262_144]);
        assert_eq!(
            blocks
                .take(entry.block_size)
                .map(|(at, piece)| (at.offset, piece.len())),
            Some((0, 10))
        );
        assert_eq!(blocks.want(wanted(10), &entry), []);
        blocks.put((0, 1), vec![2; 262_144]);
        assert_eq!(blocks.want(wanted(262_144), &entry), [(0, 2)]);
        assert_eq!(blocks.held.len(), 1, "what was sent is dropped");
        assert_eq!(
            blocks.take(entry.block_size).map(|(_, piece)| piece[0]),
            Some(2)
        );
    }

    #[test]
    fn a_block_that_fails_fails_its_reader_alone() {
        let (mut blocks, entry) = (Blocks::default(), entry(600_000));
        blocks.want(wanted(0), &entry);
        assert_eq!(blocks.fail((0, 1), entry.block_size), None);
        assert_eq!(blocks.fail((0, 0), entry.block_size), Some(wanted(0)));
        assert_eq!(
            blocks.want(wanted(0), &entry),
            [(0, 0), (0, 1)],
            "it may be tried again"
        );
    }
}
