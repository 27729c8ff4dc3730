//! The directory that files are received into: nothing is overwritten, and a file has its name only
//! when all of it was verified.

use std::{
    collections::HashSet,
    fs::{self, File, OpenOptions},
    io,
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
};

use ife_evidence::{FileEntry, Manifest};
use serde_json::{Value, json};

use crate::{Failure, text::harmless};

/// A file under way or received.
pub(super) struct Received {
    entry: FileEntry,
    path: PathBuf,
    /// Holds verified blocks until the file is whole.
    part: PathBuf,
    file: File,
    len: u64,
    verified: Option<bool>,
}

impl Received {
    fn is_verified(&self) -> bool {
        self.verified == Some(true)
    }

    pub(super) fn to_json(&self) -> Value {
        json!({
            "name": self.entry.name,
            "size": self.entry.size,
            "sha256": self.entry.sha256,
            "verified": self.is_verified(),
            "path": self.is_verified().then(|| self.path.display().to_string()),
        })
    }

    pub(super) fn to_line(&self) -> String {
        let size = self.entry.size;
        if self.is_verified() {
            let path = harmless(&self.path.display().to_string());
            format!("verified      {size:>12} bytes  {path}")
        } else {
            let name = harmless(&self.entry.name);
            format!("NOT VERIFIED  {size:>12} bytes  {name}: does not match the signed list")
        }
    }
}

/// The files of one session.
pub(super) struct Folder {
    dir: PathBuf,
    files: Vec<Received>,
}

impl Folder {
    /// Makes the directory if it is absent.
    pub(super) fn new(dir: &Path) -> Result<Folder, Failure> {
        fs::create_dir_all(dir).map_err(|error| Failure::io(dir, "make the directory", &error))?;
        Ok(Folder {
            dir: dir.to_owned(),
            files: Vec::new(),
        })
    }

    /// Makes room for the files of a manifest; a later connection brings the same one.
    pub(super) fn take(&mut self, manifest: &Manifest) -> Result<(), Failure> {
        if !self.files.is_empty() {
            let same = manifest
                .files()
                .iter()
                .eq(self.files.iter().map(|file| &file.entry));
            return if same {
                Ok(())
            } else {
                Err(Failure::no("the bridge offers other files than before"))
            };
        }
        let mut names = HashSet::new();
        for entry in manifest.files() {
            let path = self.dir.join(free_name(&entry.name, &mut names));
            if path.symlink_metadata().is_ok() {
                let shown = harmless(&path.display().to_string());
                return Err(Failure::no(format!("{shown}: exists already"))
                    .hint("files are not overwritten: choose another directory with --to"));
            }
            let part = self.dir.join(format!(".receiving-{}", entry.id));
            let file = OpenOptions::new()
                .read(true)
                .write(true)
                .create_new(true)
                .open(&part)
                .map_err(|error| Failure::io(&part, "make the file", &error))?;
            self.files.push(Received {
                entry: entry.clone(),
                path,
                part,
                file,
                len: 0,
                verified: None,
            });
        }
        Ok(())
    }

    fn file(&mut self, id: u32) -> Option<&mut Received> {
        self.files.get_mut(usize::try_from(id).ok()?)
    }

    pub(super) fn write(&mut self, id: u32, offset: u64, bytes: &[u8]) -> Result<(), Failure> {
        let Some(received) = self.file(id) else {
            return Ok(());
        };
        received
            .file
            .write_all_at(bytes, offset)
            .map_err(|error| Failure::io(&received.part, "write", &error))?;
        received.len = received.len.max(offset + bytes.len() as u64);
        Ok(())
    }

    /// The next block that an earlier connection has verified.
    pub(super) fn stored(
        &mut self,
        entry: &FileEntry,
        offset: u64,
    ) -> Result<Option<Vec<u8>>, Failure> {
        let Some(received) = self.file(entry.id) else {
            return Ok(None);
        };
        let len = entry.block_size.min(received.len.saturating_sub(offset));
        if len == 0 {
            return Ok(None);
        }
        // A block is at most 4 MiB: 8 GiB in 2,048 blocks.
        let mut block = vec![0; usize::try_from(len).unwrap_or(0)];
        received
            .file
            .read_exact_at(&mut block, offset)
            .map_err(|error| Failure::io(&received.part, "read", &error))?;
        Ok(Some(block))
    }

    /// Gives a verified file its name; removes one that does not match.
    pub(super) fn finish(&mut self, id: u32, verified: bool) -> Result<(), Failure> {
        let Some(received) = self.file(id).filter(|file| file.verified.is_none()) else {
            return Ok(());
        };
        if verified {
            received
                .file
                .sync_all()
                .and_then(|()| name(&received.part, &received.path))
                .map_err(|error| Failure::io(&received.path, "write", &error))?;
        }
        received.verified = Some(verified);
        Ok(())
    }

    /// Bytes of all files.
    pub(super) fn received(&self) -> u64 {
        self.files.iter().map(|file| file.len).sum()
    }

    pub(super) fn files(&self) -> impl Iterator<Item = &Received> {
        self.files.iter()
    }

    pub(super) fn all_verified(&self) -> bool {
        self.files.iter().all(Received::is_verified)
    }
}

impl Drop for Folder {
    /// A link opens once, so nothing can go on where this process stopped.
    fn drop(&mut self) {
        for file in self.files.iter().filter(|file| !file.is_verified()) {
            _ = fs::remove_file(&file.part);
        }
    }
}

/// Renames the file; the new name must be free.
fn name(part: &Path, path: &Path) -> io::Result<()> {
    // An empty file takes the name, and the rename replaces no other one. Not every file system
    // has links.
    File::create_new(path)?;
    fs::rename(part, path)
}

/// The name, or with a number before its extension when another file of the session has it.
fn free_name(name: &str, taken: &mut HashSet<String>) -> String {
    let (stem, extension) = match name.rsplit_once('.') {
        Some((stem, extension)) if !stem.is_empty() => (stem, format!(".{extension}")),
        Some(_) | None => (name, String::new()),
    };
    let mut free = name.to_owned();
    let mut number = 2;
    while !taken.insert(free.clone()) {
        free = format!("{stem} ({number}){extension}");
        number += 1;
    }
    free
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_of_one_name_get_numbers() {
        let mut taken = HashSet::new();
        let names = ["a.txt", "a.txt", "a (2).txt", ".x", ".x", "b", "b"];
        let free = names.map(|name| free_name(name, &mut taken));
        let expected = [
            "a.txt",
            "a (2).txt",
            "a (2) (2).txt",
            ".x",
            ".x (2)",
            "b",
            "b (2)",
        ];
        assert_eq!(free, expected);
    }
}
