//! Atomic file writes: content is written and synced under a temporary name, then renamed.
//!
//! Neither a full disk nor a kill at any system call leaves part of a file under its name. The next
//! write of the file removes the temporary files of killed processes.

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, Write as _};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

/// The treatment of an existing file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Existing {
    /// It stays, and writing fails with [`io::ErrorKind::AlreadyExists`].
    Keep,
    /// It is replaced atomically and keeps its permissions.
    Replace,
}

/// Writes `bytes` to `path`, durably. A new file gets `mode`, regardless of the umask.
///
/// Opens and writes to anything but a plain file, such as `/dev/stdout` or a named pipe.
///
/// # Errors
/// A system call failed; `path` is unchanged.
pub fn write(path: &Path, bytes: &[u8], mode: u32, existing: Existing) -> io::Result<()> {
    let there = match fs::metadata(path) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => None,
        found => Some(found?),
    };
    let Some(there) = there else {
        return write_file(path, bytes, mode, existing);
    };
    match existing {
        Existing::Keep => Err(io::ErrorKind::AlreadyExists.into()),
        Existing::Replace if there.is_file() => {
            // Replaces the target of a symbolic link, not the link.
            let path = fs::canonicalize(path)?;
            write_file(&path, bytes, there.permissions().mode(), existing)
        }
        Existing::Replace => OpenOptions::new().write(true).open(path)?.write_all(bytes),
    }
}

fn write_file(path: &Path, bytes: &[u8], mode: u32, existing: Existing) -> io::Result<()> {
    sweep(path)?;
    let beside = beside(path, std::process::id());
    let write = || {
        let mut file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(mode)
            .open(&beside)?;
        file.set_permissions(Permissions::from_mode(mode))?;
        file.write_all(bytes)?;
        file.sync_all()?;
        match existing {
            Existing::Replace => fs::rename(&beside, path)?,
            // link(2) fails if the file was created meanwhile, where rename(2) would replace it.
            Existing::Keep => {
                fs::hard_link(&beside, path)?;
                fs::remove_file(&beside)?;
            }
        }
        File::open(parent_of(path))?.sync_all()
    };
    write().inspect_err(|_| {
        // If this fails, the next write sweeps the file up.
        let _ = fs::remove_file(&beside);
    })
}

/// Removes the temporary files that killed processes left beside `path`.
///
/// # Errors
/// A system call failed.
pub fn sweep(path: &Path) -> io::Result<()> {
    let Some(name) = path.file_name() else {
        return Ok(());
    };
    let mut prefix = name.to_owned();
    prefix.push(MARK);
    let dir = parent_of(path);
    let entries = match fs::read_dir(dir) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(()),
        entries => entries?,
    };
    for entry in entries {
        let name = entry?.file_name();
        if is_left_behind(&name, &prefix) {
            match fs::remove_file(dir.join(&name)) {
                Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(e),
                Ok(()) | Err(_) => {}
            }
        }
    }
    Ok(())
}

/// Separates a file's name from the process id of its writer.
const MARK: &str = ".new-";

/// Returns a name such as `witness.key.new-4711`.
fn beside(path: &Path, pid: u32) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(format!("{MARK}{pid}"));
    PathBuf::from(name)
}

/// Returns whether the process in the name has ended. Its own id belonged to an earlier one.
fn is_left_behind(name: &OsString, prefix: &OsString) -> bool {
    let pid = name
        .as_encoded_bytes()
        .strip_prefix(prefix.as_encoded_bytes());
    let pid = pid
        .and_then(|pid| std::str::from_utf8(pid).ok())
        .and_then(|pid| pid.parse::<u32>().ok());
    pid.is_some_and(|pid| {
        pid == std::process::id() || !Path::new("/proc").join(pid.to_string()).exists()
    })
}

/// Returns the directory that holds the name of `path`.
pub(crate) fn parent_of(path: &Path) -> &Path {
    path.parent()
        .filter(|dir| !dir.as_os_str().is_empty())
        .unwrap_or(Path::new("."))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A process id above the kernel's largest (PID_MAX_LIMIT, 2^22).
    const UNUSED_PID: u32 = 1 << 23;

    fn dir(name: &str) -> PathBuf {
        let name = format!("ife-witness-aside-{name}-{}", std::process::id());
        let dir = std::env::temp_dir().join(name);
        fs::create_dir_all(&dir).expect("make a directory");
        dir
    }

    fn names(dir: &Path) -> Vec<String> {
        let entries = fs::read_dir(dir).expect("list");
        let mut names: Vec<_> = entries
            .map(|e| e.expect("entry").file_name().into_string().expect("UTF-8"))
            .collect();
        names.sort();
        names
    }

    #[test]
    fn a_file_is_made_kept_or_replaced_and_nothing_stays_beside_it() {
        let dir = dir("write");
        let path = dir.join("key");
        fs::write(beside(&path, UNUSED_PID), "IFE-").expect("write");
        fs::write(dir.join("key.new-x"), "not ours").expect("write");
        fs::write(dir.join("other.new-1"), "another file's").expect("write");
        write(&path, b"one", 0o600, Existing::Keep).expect("made");
        let refused = write(&path, b"two", 0o600, Existing::Keep).expect_err("kept");
        assert_eq!(refused.kind(), io::ErrorKind::AlreadyExists);
        assert_eq!(fs::read(&path).expect("read"), b"one");
        write(&path, b"two", 0o644, Existing::Replace).expect("replaced");
        assert_eq!(fs::read(&path).expect("read"), b"two");
        let mode = fs::metadata(&path).expect("there").permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "its permissions stay");
        assert_eq!(names(&dir), ["key", "key.new-x", "other.new-1"]);
        fs::remove_dir_all(dir).expect("remove");
    }

    #[test]
    fn files_of_a_living_process_stay() {
        let dir = dir("living");
        let path = dir.join("key");
        fs::write(beside(&path, 1), "IFE-").expect("write");
        write(&path, b"one", 0o600, Existing::Keep).expect("made");
        assert_eq!(names(&dir), ["key", "key.new-1"]);
        fs::remove_dir_all(dir).expect("remove");
    }

    #[test]
    fn a_link_stays_a_link_and_a_device_a_device() {
        let dir = dir("link");
        let (link, file) = (dir.join("link"), dir.join("file"));
        write(&file, b"one", 0o600, Existing::Keep).expect("made");
        std::os::unix::fs::symlink("file", &link).expect("link");
        write(&link, b"two", 0o600, Existing::Replace).expect("replaced");
        assert_eq!(fs::read(&file).expect("read"), b"two");
        assert!(fs::symlink_metadata(&link).expect("there").is_symlink());
        write(Path::new("/dev/null"), b"x", 0o600, Existing::Replace).expect("taken");
        assert!(!fs::metadata("/dev/null").expect("there").is_file());
        fs::remove_dir_all(dir).expect("remove");
    }

    #[test]
    fn a_write_that_fails_leaves_the_file_as_it_was() {
        let dir = dir("fails");
        let path = dir.join("gone").join("key");
        write(&path, b"one", 0o600, Existing::Keep).expect_err("no directory");
        assert!(names(&dir).is_empty());
        fs::remove_dir_all(dir).expect("remove");
    }
}
