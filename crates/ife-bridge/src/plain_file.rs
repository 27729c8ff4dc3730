//! Files that the configuration names: read whole, when they are plain files of a bounded length.

use std::{
    error::Error,
    fs::{File, OpenOptions},
    io::{self, Read},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

use thiserror::Error;

/// Longest key, token, secret or list of certificates, in bytes.
pub(crate) const KEY_LEN_MAX: u64 = 1 << 20;
/// `O_NONBLOCK` of Linux: to open a FIFO must not wait for a writer.
pub(crate) const O_NONBLOCK: i32 = 0o4000;

/// A file or directory that the configuration names cannot be used.
#[derive(Debug, Error)]
#[error("{path}: {source}")]
pub struct FileError {
    pub(crate) path: PathBuf,
    pub(crate) source: io::Error,
}

type Reason = Box<dyn Error + Send + Sync>;

impl FileError {
    /// Makes an error about this file of its reason.
    pub(crate) fn at<E: Into<Reason>>(path: &Path) -> impl Fn(E) -> FileError + '_ {
        |why| FileError {
            path: path.to_owned(),
            source: io::Error::other(why),
        }
    }
}

/// Reads a plain file of at most `len_max` bytes.
///
/// # Errors
/// The system's, and for anything but a plain file (a FIFO would never end, `/dev/zero` neither)
/// and for one that is longer.
pub(crate) fn read(path: &Path, len_max: u64) -> Result<Vec<u8>, FileError> {
    read_plain(path, len_max).map_err(|source| FileError {
        path: path.to_owned(),
        source,
    })
}

fn read_plain(path: &Path, len_max: u64) -> io::Result<Vec<u8>> {
    let file = OpenOptions::new()
        .read(true)
        .custom_flags(O_NONBLOCK)
        .open(path)?;
    check(&file)?;
    let mut bytes = Vec::new();
    file.take(len_max + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > len_max {
        return Err(invalid(format!("longer than {len_max} bytes")));
    }
    Ok(bytes)
}

/// The same for a text, in UTF-8.
pub(crate) fn read_text(path: &Path, len_max: u64) -> Result<String, FileError> {
    String::from_utf8(read(path, len_max)?).map_err(|error| {
        let at = error.utf8_error().valid_up_to();
        FileError::at(path)(format!("not UTF-8 at byte {at}"))
    })
}

/// Whether an open file is a plain one.
pub(crate) fn check(file: &File) -> io::Result<()> {
    if file.metadata()?.is_file() {
        Ok(())
    } else {
        Err(invalid("not a plain file".to_owned()))
    }
}

fn invalid(why: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, why)
}

#[cfg(test)]
mod tests {
    use std::{fs, process::Command};

    use super::*;

    #[test]
    fn what_never_ends_is_refused_and_not_waited_for() {
        let dir = tempfile::tempdir().expect("a directory");
        let fifo = dir.path().join("fifo");
        let made = Command::new("mkfifo").arg(&fifo).status();
        assert!(made.expect("coreutils").success());
        let long = dir.path().join("long");
        fs::write(&long, [b'x'; 65]).expect("there is room");
        for (path, why) in [
            (fifo.as_path(), "not a plain file"),
            (Path::new("/dev/zero"), "not a plain file"),
            (dir.path(), "not a plain file"),
            (&long, "longer than 64 bytes"),
        ] {
            let error = read(path, 64).expect_err("it cannot be read");
            assert_eq!(error.source.to_string(), why, "{}", path.display());
        }
        assert_eq!(read(&long, 65).expect("it fits").len(), 65);
    }

    #[test]
    fn a_text_is_utf8() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("text");
        fs::write(&path, b"ab\xff").expect("there is room");
        let error = read_text(&path, 64).expect_err("it is no text");
        assert_eq!(error.source.to_string(), "not UTF-8 at byte 2");
    }
}
