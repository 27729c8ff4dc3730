//! Where the entries of a trace or a call are: sorted files beside the log, in `index/`.
//!
//! Never trusted: what they name is read from the log, compared and proved there. A file that is
//! missing or damaged costs a search of its entries, and is made anew from them at any time.
//!
//! A run covers a block of 2^14 or 2^18 entries that begins at a multiple of that. It is the file
//! `index/<14 or 18>/<number of the block>` of pages of 4096 bytes, numbers big-endian:
//!
//! | bytes | are |
//! |---|---|
//! | 0 to 4079 | up to 340 pairs in ascending order: 8 bytes of hash, 4 of the entry's offset in the block |
//! | 4080 to 4087 | the block's first entry |
//! | 4088 to 4091 | number of pairs; the highest bit marks the last page |
//! | 4092 to 4095 | CRC32C of the bytes before |
//!
//! The hash is the first 8 bytes of SHA-256 over the member's name, a zero byte, and the member's
//! text as the entry's JSON has it.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use memchr::memmem;
use sha2::{Digest as _, Sha256};

use crate::aside::{self, Existing};
use crate::reader::{LogDir, LogError, Problem, entries};

mod run;

pub use run::Damaged;
use run::{PAIRS_MAX, Pair};

/// The members that are indexed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Member {
    /// `trace_id`.
    TraceId,
    /// `call_id`.
    CallId,
}

impl Member {
    const ALL: [Member; 2] = [Member::TraceId, Member::CallId];

    const fn name(self) -> &'static str {
        match self {
            Member::TraceId => "trace_id",
            Member::CallId => "call_id",
        }
    }

    /// What comes before the text in canonical JSON. In a text the quotes would be escaped.
    const fn before(self) -> &'static [u8] {
        match self {
            Member::TraceId => b"\"trace_id\":\"",
            Member::CallId => b"\"call_id\":\"",
        }
    }

    /// The hash of a text in JSON, without its quotes.
    fn hash(self, text: &[u8]) -> u64 {
        let mut sha = Sha256::new();
        sha.update(self.name());
        sha.update([0]);
        sha.update(text);
        let digest: [u8; 32] = sha.finalize().into();
        digest
            .iter()
            .take(8)
            .fold(0, |hash, byte| hash << 8 | u64::from(*byte))
    }
}

/// Entries that share a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Block {
    bits: u8,
    number: u64,
}

/// Entries of a block, as powers of 2; 16 of the small ones make a large one.
const SMALL: u8 = 14;
const LARGE: u8 = 18;

/// Mode of a new file.
const PUBLIC_FILE: u32 = 0o644;

impl Block {
    /// The small or the large block that holds an entry.
    fn of(bits: u8, index: u64) -> Block {
        Block {
            bits,
            number: index >> bits,
        }
    }

    /// The first entry.
    #[must_use]
    pub fn first(self) -> u64 {
        self.number << self.bits
    }

    /// The entry after the last.
    #[must_use]
    pub fn end(self) -> u64 {
        (self.number + 1) << self.bits
    }

    fn path(self, log: &Path) -> PathBuf {
        log.join(format!("index/{}/{}", self.bits, self.number))
    }

    /// The small blocks in it.
    fn parts(self) -> impl Iterator<Item = Block> {
        let first = self.number << (self.bits - SMALL);
        (first..first + (1 << (self.bits - SMALL))).map(|number| Block {
            bits: SMALL,
            number,
        })
    }
}

/// The block that holds entry `index` and whose file is there.
fn block_with(log: &Path, index: u64) -> Option<Block> {
    let blocks = [LARGE, SMALL].map(|bits| Block::of(bits, index));
    blocks.into_iter().find(|block| block.path(log).is_file())
}

/// Places that a run names, and the block that it covers.
pub type Candidates = (Block, Vec<u64>);

/// Returns the places below entry `end` that seem to have `text`, the oldest first, by the run of
/// the block that holds the entry before it; `None` if that block has no run.
///
/// An entry that has the text in this member is always among them, unless the file was altered.
///
/// # Errors
/// [`Damaged`]: the run cannot be read.
pub fn find(
    dir: &LogDir,
    end: u64,
    member: Member,
    text: &str,
) -> Option<Result<Candidates, Damaged>> {
    let block = block_with(dir.path(), end.checked_sub(1)?)?;
    // serde_json escapes as RFC 8785 section 3.2.2.2, which is how entries are written.
    let quoted = serde_json::Value::from(text).to_string();
    let hash = member.hash(&quoted.as_bytes()[1..quoted.len() - 1]);
    let found = run::find(&block.path(dir.path()), block.first(), hash);
    Some(found.map(|offsets| {
        let places = offsets
            .into_iter()
            .map(|offset| block.first() + u64::from(offset));
        (block, places.filter(|place| *place < end).collect())
    }))
}

/// Makes the next run that a log of `size` entries lacks, if there is one, and returns its block.
/// `from` is where the search for it begins, and moves on.
///
/// # Errors
/// [`LogError`]: an entry cannot be read, or the file cannot be written.
pub fn make_next(dir: &LogDir, size: u64, from: &mut u64) -> Result<Option<Block>, LogError> {
    let log = dir.path();
    loop {
        let large = Block::of(LARGE, *from);
        let small = Block::of(SMALL, *from);
        if large.path(log).is_file() {
            *from = large.end();
        } else if large.end() <= size {
            make(dir, size, large)?;
            large
                .parts()
                .for_each(|part| _ = fs::remove_file(part.path(log)));
            *from = large.end();
            return Ok(Some(large));
        } else if small.end() > size {
            return Ok(None);
        } else if small.path(log).is_file() {
            *from = small.end();
        } else {
            make(dir, size, small)?;
            *from = small.end();
            return Ok(Some(small));
        }
    }
}

/// Removes all runs.
///
/// # Errors
/// The file system's.
pub fn remove(dir: &LogDir) -> io::Result<()> {
    match fs::remove_dir_all(dir.path().join("index")) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

fn make(dir: &LogDir, size: u64, block: Block) -> Result<(), LogError> {
    let path = block.path(dir.path());
    let failed = |error| LogError::new(&path, 0, Problem::Read(error));
    let mut pairs = Vec::new();
    for indexed in entries(dir, size, block.first()..block.end()) {
        let indexed = indexed?;
        // A block holds 2^18 entries at most.
        let offset = u32::try_from(indexed.index - block.first()).unwrap_or(u32::MAX);
        take(&indexed.entry, offset, &mut pairs);
        if pairs.len() > PAIRS_MAX {
            let what = "its entries have more members than an index holds";
            return Err(failed(io::Error::other(what)));
        }
    }
    pairs.sort_unstable();
    pairs.dedup();
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent).map_err(failed)?;
    }
    let bytes = run::encode(block.first(), &pairs);
    aside::write(&path, &bytes, PUBLIC_FILE, Existing::Replace).map_err(failed)
}

/// Adds the pairs of an entry: of each place where a member's name is, at any depth.
fn take(entry: &[u8], offset: u32, pairs: &mut Vec<Pair>) {
    for member in Member::ALL {
        for at in memmem::find_iter(entry, member.before()) {
            let text = &entry[at + member.before().len()..];
            if let Some(end) = end_of_text(text) {
                pairs.push((member.hash(&text[..end]), offset));
            }
        }
    }
}

/// The place of the quote that ends a JSON text.
fn end_of_text(text: &[u8]) -> Option<usize> {
    let mut at = 0;
    loop {
        at += memchr::memchr2(b'"', b'\\', text.get(at..)?)?;
        if text[at] == b'"' {
            return Some(at);
        }
        at += 2;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_end_at_the_quote_that_is_not_escaped() {
        for (text, end) in [
            (r#"a","b"#, Some(1)),
            (r#"a\"b"}"#, Some(4)),
            (r#"a\\"}"#, Some(3)),
            (r#""#, None),
            (r#"a\"#, None),
            (r#"a\""#, None),
        ] {
            assert_eq!(end_of_text(text.as_bytes()), end, "{text}");
        }
    }

    #[test]
    fn members_are_found_and_their_likes_in_texts_are_not() {
        let mut pairs = Vec::new();
        let entry = br#"{"call_id":"c","detail":"\"trace_id\":\"no\"","trace_id":"t\"1"}"#;
        take(entry, 7, &mut pairs);
        let expected = [
            (Member::TraceId.hash(br#"t\"1"#), 7),
            (Member::CallId.hash(b"c"), 7),
        ];
        assert_eq!(pairs, expected);
        assert_ne!(Member::TraceId.hash(b"x"), Member::CallId.hash(b"x"));
    }
}
