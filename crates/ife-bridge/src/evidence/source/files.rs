//! Files below roots. A path is resolved by the kernel beneath its root (openat2), so that neither
//! `..` nor a symbolic link leads out of it.

use std::{
    io,
    path::{Component, Path, PathBuf},
};

use cap_std::{
    ambient_authority,
    fs::{Dir, OpenOptions, OpenOptionsExt},
};

use super::Missing;
use crate::plain_file::{self, FileError, O_NONBLOCK};

/// Directories that files may be read from.
#[derive(Debug)]
pub(super) struct Roots(Vec<PathBuf>);

/// A file, by its root and its path beneath it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RootedFile {
    root: PathBuf,
    path: PathBuf,
}

impl Roots {
    /// The roots must be there and be directories.
    pub(super) fn new(roots: &[PathBuf]) -> Result<Roots, FileError> {
        for path in roots {
            Dir::open_ambient_dir(path, ambient_authority()).map_err(FileError::at(path))?;
        }
        Ok(Roots(roots.to_vec()))
    }

    /// The first root that has the file. An absolute path must begin with a root.
    pub(super) fn find(&self, name: &str) -> Result<RootedFile, Missing> {
        let path = Path::new(name);
        if name.contains('\0') || path.components().any(|part| part == Component::ParentDir) {
            return Err(Missing::new("not_allowed", "it leads upwards"));
        }
        let mut last = Missing::new("not_allowed", "it is below no root");
        for root in &self.0 {
            let beneath = match (path.is_absolute(), path.strip_prefix(root)) {
                (false, _) => path,
                (true, Ok(beneath)) => beneath,
                (true, Err(_)) => continue,
            };
            let place = RootedFile {
                root: root.clone(),
                path: beneath.to_owned(),
            };
            match place.open() {
                Ok(_) => return Ok(place),
                Err(error) => last = Missing::new(code_of(&error), error),
            }
        }
        Err(last)
    }
}

impl RootedFile {
    /// Opens it for reading; anything but a plain file is an error.
    pub(super) fn open(&self) -> io::Result<std::fs::File> {
        let root = Dir::open_ambient_dir(&self.root, ambient_authority())?;
        let not_a_file = || io::Error::new(io::ErrorKind::InvalidInput, "it is not a plain file");
        // Before it is opened: to open a device may do something.
        if !root.metadata(&self.path)?.is_file() {
            return Err(not_a_file());
        }
        let mut options = OpenOptions::new();
        options.read(true).custom_flags(O_NONBLOCK);
        let file = root.open_with(&self.path, &options)?.into_std();
        // And after: it may be another one by now.
        plain_file::check(&file)?;
        Ok(file)
    }
}

fn code_of(error: &io::Error) -> &'static str {
    let kind = error.kind();
    if matches!(kind, io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) {
        "not_found"
    } else if kind == io::ErrorKind::InvalidInput {
        "not_a_file"
    } else {
        // A path out of the root is "permission denied" to cap-std, as is a file that the bridge
        // may not read.
        "not_allowed"
    }
}
