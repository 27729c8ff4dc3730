//! Private keys on disk: read with a look at their permissions, written 0600 and never over another file by accident.

use std::{
    fs::{self, OpenOptions},
    io::{self, Read, Write},
    os::unix::fs::{OpenOptionsExt, PermissionsExt},
    path::Path,
};

use ife_message::PrivateKey;
use zeroize::Zeroizing;

use crate::{Exit, Failure, output::Output};

/// Longest private key file, in bytes; one has about 200.
const FILE_LEN_MAX: u64 = 4096;

/// Reads a private key; remarks on one that others may read.
pub(crate) fn read(path: &Path, out: &mut Output) -> Result<PrivateKey, Failure> {
    let fail = |error: io::Error| Failure::io(path, "read the private key", &error);
    let file = fs::File::open(path).map_err(fail)?;
    let mode = file.metadata().map_err(fail)?.permissions().mode();
    if mode & 0o077 != 0 {
        out.remark(format!(
            "{}: mode {:04o}: others may read this private key; chmod 600 it",
            path.display(),
            mode & 0o7777
        ));
    }
    let mut contents = Zeroizing::new(Vec::with_capacity(FILE_LEN_MAX as usize));
    file.take(FILE_LEN_MAX)
        .read_to_end(&mut contents)
        .map_err(fail)?;
    PrivateKey::parse_file(&contents).map_err(|error| {
        let what = format!("{}: {error}", path.display());
        Failure {
            exit: Exit::Io,
            what,
            hint: Some("it is not a key that `ifectl keygen` wrote, or it is damaged".to_owned()),
        }
    })
}

/// Writes a private key with mode 0600, durably, in one step: a full disk or a kill leaves no part of it. Replaces an existing
/// file only with `force`.
pub(crate) fn write(path: &Path, key: &PrivateKey, force: bool) -> Result<(), Failure> {
    let mut beside = path.as_os_str().to_owned();
    beside.push(format!(".new-{}", std::process::id()));
    let beside = Path::new(&beside);
    let written = write_new(beside, key).and_then(|()| {
        if force {
            fs::rename(beside, path)
        } else {
            // link(2) fails if the file exists, where rename(2) would replace it.
            fs::hard_link(beside, path).and_then(|()| fs::remove_file(beside))
        }
    });
    let dir = path.parent().filter(|dir| !dir.as_os_str().is_empty());
    let synced = written.and_then(|()| fs::File::open(dir.unwrap_or(Path::new(".")))?.sync_all());
    synced.map_err(|error| {
        // Whatever was written of it must not stay behind.
        _ = fs::remove_file(beside);
        let failure = Failure::io(path, "write the private key", &error);
        if error.kind() == io::ErrorKind::AlreadyExists {
            failure.hint("another key may be in there; choose another file, or say --force to lose the old one")
        } else {
            failure
        }
    })
}

fn write_new(path: &Path, key: &PrivateKey) -> io::Result<()> {
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)?;
    file.write_all(key.to_file().as_bytes())?;
    file.sync_all()
}
