//! The signed list of files: names, sizes, types, digests of whole files and of blocks
//! (docs/evidence.md, 2.2).

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use ife_message::json;
use ife_words::hex;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use thiserror::Error;

/// Most files of one session.
pub const FILES_MAX: usize = 64;
/// Most blocks of one file.
pub const FILE_BLOCKS_MAX: u64 = 2_048;
/// Most blocks of all files together: the manifest must fit one message.
pub const BLOCKS_MAX: usize = 4_096;
/// Smallest block, in bytes.
pub const BLOCK_LEN_MIN: u64 = 262_144;
/// Largest file, in bytes: blocks stay small enough to be verified in a browser's memory.
pub const FILE_LEN_MAX: u64 = 8 << 30;
const NAME_LEN_MAX: usize = 255;

/// A fault of a manifest, or of a file that was to enter one.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ManifestError {
    /// A limit of this module.
    #[error("{0}")]
    Limit(&'static str),
    /// A member of one entry.
    #[error("file {file}: {member} {why}")]
    Member {
        /// Place in the list.
        file: usize,
        /// Which member.
        member: &'static str,
        /// Its rule.
        why: &'static str,
    },
}

/// One file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileEntry {
    /// Its place in the list.
    pub id: u32,
    /// File name without a path.
    pub name: String,
    /// Media type (RFC 6838).
    pub media_type: String,
    /// Bytes.
    pub size: u64,
    /// SHA-256 of the whole, lower-case hex.
    pub sha256: String,
    /// Bytes of a block; the last may be shorter.
    pub block_size: u64,
    /// SHA-256 of each block, base64url.
    pub blocks: Vec<String>,
}

/// The smallest power of two of at least [`BLOCK_LEN_MIN`] by which a file of `size` bytes has at
/// most [`FILE_BLOCKS_MAX`] blocks.
pub fn block_size_for(size: u64) -> u64 {
    let mut block = BLOCK_LEN_MIN;
    while size.div_ceil(block) > FILE_BLOCKS_MAX {
        block *= 2;
    }
    block
}

/// Digests a file that is fed to it in pieces; memory does not grow with the file.
#[derive(Debug, Clone)]
pub struct FileHasher {
    block_size: u64,
    in_block: u64,
    size: u64,
    whole: Sha256,
    block: Sha256,
    blocks: Vec<String>,
}

impl FileHasher {
    /// For a file that will turn out to have `size` bytes.
    pub fn new(size: u64) -> FileHasher {
        FileHasher {
            block_size: block_size_for(size),
            in_block: 0,
            size: 0,
            whole: Sha256::new(),
            block: Sha256::new(),
            blocks: Vec::new(),
        }
    }

    /// Takes the next bytes.
    pub fn update(&mut self, mut bytes: &[u8]) {
        self.whole.update(bytes);
        self.size += bytes.len() as u64;
        while !bytes.is_empty() {
            let room = usize::try_from(self.block_size - self.in_block).unwrap_or(usize::MAX);
            let (now, later) = bytes.split_at(room.min(bytes.len()));
            self.block.update(now);
            self.in_block += now.len() as u64;
            if self.in_block == self.block_size {
                self.end_block();
            }
            bytes = later;
        }
    }

    fn end_block(&mut self) {
        let digest = std::mem::take(&mut self.block).finalize();
        self.blocks.push(URL_SAFE_NO_PAD.encode(digest));
        self.in_block = 0;
    }

    /// The entry. `id` is set by [`Manifest::new`].
    pub fn finish(mut self, name: &str, media_type: &str) -> FileEntry {
        if self.in_block > 0 {
            self.end_block();
        }
        FileEntry {
            id: 0,
            name: name.to_owned(),
            media_type: media_type.to_owned(),
            size: self.size,
            sha256: hex::text(&self.whole.finalize()),
            block_size: self.block_size,
            blocks: self.blocks,
        }
    }
}

/// The files of a session, checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Manifest {
    files: Vec<FileEntry>,
    sha256: String,
}

impl Manifest {
    /// Numbers the entries and checks them.
    pub fn new(mut files: Vec<FileEntry>) -> Result<Manifest, ManifestError> {
        for (id, file) in (0..).zip(&mut files) {
            file.id = id;
        }
        Manifest::check(files)
    }

    /// Takes entries that another program numbered.
    pub fn check(files: Vec<FileEntry>) -> Result<Manifest, ManifestError> {
        if files.len() > FILES_MAX {
            return Err(ManifestError::Limit("more than 64 files"));
        }
        if files.iter().map(|file| file.blocks.len()).sum::<usize>() > BLOCKS_MAX {
            return Err(ManifestError::Limit(
                "the files have more than 4,096 blocks together",
            ));
        }
        for (place, file) in files.iter().enumerate() {
            check_entry(place, file)?;
        }
        let canonical =
            json::canonical(&files).map_err(|_| ManifestError::Limit("a size is over 2^53 - 1"))?;
        let sha256 = hex::text(&Sha256::digest(canonical));
        Ok(Manifest { files, sha256 })
    }

    /// The entries, in order of their ids.
    pub fn files(&self) -> &[FileEntry] {
        &self.files
    }

    /// The entry with this id.
    pub fn file(&self, id: u32) -> Option<&FileEntry> {
        self.files.get(usize::try_from(id).ok()?)
    }

    /// SHA-256 of the canonical list, lower-case hex: the hash that the receipt names.
    pub fn sha256(&self) -> &str {
        &self.sha256
    }
}

fn check_entry(place: usize, file: &FileEntry) -> Result<(), ManifestError> {
    let wrong = |member, why| {
        Err(ManifestError::Member {
            file: place,
            member,
            why,
        })
    };
    if usize::try_from(file.id) != Ok(place) {
        return wrong("id", "must be its place in the list");
    }
    if !is_file_name(&file.name) {
        return wrong(
            "name",
            "must be 1 to 255 bytes without a path and without control characters",
        );
    }
    if !is_media_type(&file.media_type) {
        return wrong("media_type", "must be a media type such as application/pdf");
    }
    if file.size > FILE_LEN_MAX {
        return wrong("size", "must be at most 8 GiB");
    }
    if file.block_size != block_size_for(file.size) {
        return wrong("block_size", "does not follow from the size");
    }
    if file.blocks.len() as u64 != file.size.div_ceil(file.block_size) {
        return wrong("blocks", "are not as many as the size asks for");
    }
    if file.blocks.iter().any(|block| digest_of(block).is_none()) {
        return wrong("blocks", "must be base64url SHA-256 digests");
    }
    if file.sha256.len() != 64
        || !file
            .sha256
            .bytes()
            .all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
    {
        return wrong("sha256", "must be 64 lower-case hex digits");
    }
    Ok(())
}

/// A name that no file system takes for a path or for something to hide.
pub fn is_file_name(name: &str) -> bool {
    (1..=NAME_LEN_MAX).contains(&name.len())
        && name != "."
        && name != ".."
        && !name
            .chars()
            .any(|c| c.is_control() || matches!(c, '/' | '\\'))
}

fn is_media_type(text: &str) -> bool {
    let token = |part: &str| {
        !part.is_empty()
            && part
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b"!#$&-^_.+".contains(&b))
    };
    text.len() <= 127
        && text
            .split_once('/')
            .is_some_and(|(kind, sub)| token(kind) && token(sub))
}

/// The digest of a block, from its text.
pub(crate) fn digest_of(block: &str) -> Option<[u8; 32]> {
    URL_SAFE_NO_PAD.decode(block).ok()?.try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(len: usize) -> FileEntry {
        let mut hasher = FileHasher::new(len as u64);
        hasher.update(&vec![9; len]);
        hasher.finish("report.pdf", "application/pdf")
    }

    #[test]
    fn block_size_grows_so_that_blocks_stay_few() {
        let cases = [
            (0, 262_144),
            (1 << 29, 262_144),
            ((1 << 29) + 1, 524_288),
            (8 << 30, 4 << 20),
        ];
        for (size, block) in cases {
            assert_eq!(block_size_for(size), block, "size {size}");
        }
    }

    #[test]
    fn digests_do_not_depend_on_how_the_file_was_cut() {
        let bytes: Vec<u8> = (0..700_001u32).map(|n| n as u8).collect();
        let entries: Vec<_> = [1, 4_096, 262_144, 700_001]
            .map(|cut| {
                let mut hasher = FileHasher::new(bytes.len() as u64);
                bytes.chunks(cut).for_each(|piece| hasher.update(piece));
                hasher.finish("a", "text/plain")
            })
            .into();
        assert!(entries.windows(2).all(|pair| pair[0] == pair[1]));
        assert_eq!(entries[0].blocks.len(), 3);
        assert_eq!(
            digest_of(&entries[0].blocks[2]),
            Some(Sha256::digest(&bytes[524_288..]).into())
        );
    }

    #[test]
    fn an_empty_file_has_no_block() {
        let manifest = Manifest::new(vec![entry(0)]).expect("an empty file is evidence too");
        assert!(manifest.files()[0].blocks.is_empty());
    }

    #[test]
    fn entries_that_lie_are_refused() {
        type Change = fn(&mut FileEntry);
        let cases: [(&str, Change); 9] = [
            ("id", |file| file.id = 1),
            ("name", |file| file.name = "../etc/passwd".into()),
            ("name", |file| file.name = "..".into()),
            ("name", |file| file.name = "a\u{202e}\n".into()),
            ("media_type", |file| {
                file.media_type = "text/html; charset=utf-8".into()
            }),
            ("size", |file| file.size = FILE_LEN_MAX + 1),
            ("block_size", |file| file.block_size = 1),
            ("blocks", |file| file.blocks.clear()),
            ("sha256", |file| file.sha256.make_ascii_uppercase()),
        ];
        for (member, change) in cases {
            let mut file = entry(10);
            change(&mut file);
            let error = Manifest::check(vec![file]).expect_err(member);
            assert!(
                matches!(error, ManifestError::Member { member: at, .. } if at == member),
                "{error}"
            );
        }
    }

    #[test]
    fn too_many_files_are_refused() {
        assert_eq!(
            Manifest::new(vec![entry(1); 65]),
            Err(ManifestError::Limit("more than 64 files"))
        );
    }
}
