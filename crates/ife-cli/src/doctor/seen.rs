//! The result of a look at a file: it is not there, it may not be read, or it is here.

use std::{io, path::Path};

/// A fact about a file or a part of the host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Seen<T> {
    /// It is not on this host.
    Absent,
    /// It is there, and why it could not be read.
    Unreadable(String),
    /// It was read.
    Here(T),
}

impl<T> Seen<T> {
    /// The outcome of a look at `path`.
    pub(super) fn of(path: &Path, result: io::Result<T>) -> Seen<T> {
        match result {
            Ok(value) => Seen::Here(value),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Seen::Absent,
            Err(error) => Seen::Unreadable(format!("{}: {error}", path.display())),
        }
    }

    pub(super) fn here(&self) -> Option<&T> {
        match self {
            Seen::Here(value) => Some(value),
            Seen::Absent | Seen::Unreadable(_) => None,
        }
    }
}

/// What to do about a file that this user may not read.
pub(super) const AS_ROOT: &str = "run `ifectl doctor` as root";
