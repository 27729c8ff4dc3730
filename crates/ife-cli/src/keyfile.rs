//! Private keys on disk: read with a look at their permissions, written 0600 and never over another
//! file by accident.

use std::{
    fs,
    io::{self, Read},
    os::unix::fs::PermissionsExt,
    path::Path,
};

use ife_message::PrivateKey;
use ife_witness::aside::{self, Existing};
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

/// Writes a private key with mode 0600, durably, in one step: a full disk or a kill leaves no part
/// of it. Replaces an existing file only with `force`.
pub(crate) fn write(path: &Path, key: &PrivateKey, force: bool) -> Result<(), Failure> {
    let existing = if force {
        Existing::Replace
    } else {
        Existing::Keep
    };
    aside::write(path, key.to_file().as_bytes(), 0o600, existing).map_err(|error| {
        let failure = Failure::io(path, "write the private key", &error);
        if error.kind() == io::ErrorKind::AlreadyExists {
            failure.hint(
                "another key may be in there; choose another file, or say --force to \
             lose the old one",
            )
        } else {
            failure
        }
    })
}
