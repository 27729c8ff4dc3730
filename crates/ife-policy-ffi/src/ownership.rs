//! Giving files to the user of a server that starts as root and changes to another user later, so
//! that its workers can load a registry and restart.
//!
//! The directory may be writable for others, so no name is trusted: files are opened without
//! following links, and only regular files and directories of root, with one name, change owner.

use std::fs::File;
use std::io;
use std::os::fd::AsFd;
use std::os::unix::fs::{MetadataExt, fchown};
use std::path::{Path, PathBuf};

use crate::plumbing::failure::Failure;
use crate::sys;

/// Returns whether a name in the state directory or in `rings/` is the gate's.
fn is_ours(name: &str) -> bool {
    ["shared.bin", "shared.lock", "registry.lock"].contains(&name)
        || (name.starts_with("registry.") && name.ends_with(".img"))
}

fn is_our_ring(name: &str, producer: &str) -> bool {
    let number = name
        .strip_prefix(producer)
        .and_then(|rest| rest.strip_prefix('-')?.strip_suffix(".ring"));
    name == "doorbell" || number.is_some_and(|number| number.bytes().all(|b| b.is_ascii_digit()))
}

/// Gives the gate's files in `state_dir`, and `legacy`, to user and group `owner`.
pub(crate) fn give(
    state_dir: &Path,
    producer: &str,
    legacy: Option<&Path>,
    owner: (u32, u32),
) -> Result<(), Failure> {
    let rings = state_dir.join("rings");
    let mut paths = listed(state_dir, is_ours).map_err(failure(state_dir))?;
    paths.extend(listed(&rings, |name| is_our_ring(name, producer)).map_err(failure(&rings))?);
    paths.push(rings);
    paths.extend(legacy.map(Path::to_owned));
    for path in &paths {
        give_one(path, owner).map_err(failure(path))?;
    }
    Ok(())
}

fn failure(path: &Path) -> impl Fn(io::Error) -> Failure {
    move |e| {
        let what = format_args!("cannot give {} to the user to run as", path.display());
        Failure::state_dir(what, &e)
    }
}

/// Returns the paths in `dir` whose names are wanted; none if `dir` does not exist.
fn listed(dir: &Path, is_wanted: impl Fn(&str) -> bool) -> io::Result<Vec<PathBuf>> {
    let entries = match std::fs::read_dir(dir) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries?,
    };
    let names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    Ok(names
        .filter(|name| is_wanted(name))
        .map(|name| dir.join(name))
        .collect())
}

fn give_one(path: &Path, owner: (u32, u32)) -> io::Result<()> {
    let file = match sys::open_to_inspect(path) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(()),
        // The gate makes no links.
        Err(e) if e.raw_os_error() == Some(libc::ELOOP) => return Ok(()),
        file => file?,
    };
    let metadata = file.metadata()?;
    let is_single = metadata.is_dir() || (metadata.is_file() && metadata.nlink() == 1);
    if metadata.uid() != 0 || !is_single {
        return Ok(());
    }
    let gid = (!inherits_group(path)?).then_some(owner.1);
    fchown(file.as_fd(), Some(owner.0), gid)
}

/// Gives away a directory that was just made.
pub(crate) fn give_directory(path: &Path, owner: (u32, u32)) -> io::Result<()> {
    fchown(
        sys::open_to_inspect(path)?.as_fd(),
        Some(owner.0),
        Some(owner.1),
    )
}

/// Returns true for a directory with the set-group-ID bit, which sets the group of its files.
fn inherits_group(path: &Path) -> io::Result<bool> {
    let Some(parent) = path.parent() else {
        return Ok(false);
    };
    Ok(File::open(parent)?.metadata()?.mode() & libc::S_ISGID != 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_of_the_gate_and_of_its_own_rings_are_ours() {
        for name in [
            "shared.bin",
            "shared.lock",
            "registry.lock",
            "registry.12.img",
        ] {
            assert!(is_ours(name), "{name}");
        }
        for name in ["witnessd.json", "registry.12.new", "shared.bin.old", ""] {
            assert!(!is_ours(name), "{name}");
        }
        assert!(is_our_ring("kamailio-12.ring", "kamailio"));
        assert!(is_our_ring("doorbell", "kamailio"));
        for name in [
            "bridge-1.ring",
            "kamailio-1.ring.new",
            "kamailio-x.ring",
            "kamailio.ring",
        ] {
            assert!(!is_our_ring(name, "kamailio"), "{name}");
        }
    }

    #[test]
    fn what_is_not_of_root_or_has_two_names_or_is_a_link_stays() {
        let dir = PathBuf::from(format!("/dev/shm/ife-owner-{}", std::process::id()));
        let rings = dir.join("rings");
        std::fs::create_dir_all(&rings).expect("/dev/shm is writable");
        let outside = dir.join("outside");
        for name in ["shared.bin", "registry.lock", "registry.3.img", "outside"] {
            std::fs::write(dir.join(name), b"x").expect("written");
        }
        std::fs::write(rings.join("kamailio-1.ring"), b"x").expect("written");
        std::fs::hard_link(dir.join("registry.3.img"), dir.join("second")).expect("linked");
        std::os::unix::fs::symlink(&outside, dir.join("shared.lock")).expect("linked");
        let given = give(&dir, "kamailio", None, (65_534, 65_534));
        let owner = |path: &Path| std::fs::metadata(path).expect("there").uid();
        let owners = [
            "shared.bin",
            "registry.lock",
            "registry.3.img",
            "outside",
            "rings",
        ]
        .map(|name| owner(&dir.join(name)));
        let ring = owner(&rings.join("kamailio-1.ring"));
        let _ = std::fs::remove_dir_all(&dir);
        assert!(given.is_ok(), "{:?}", given.err().map(|e| e.text));
        if sys::user_and_group().0 == 0 {
            assert_eq!(owners, [65_534, 65_534, 0, 0, 65_534]);
            assert_eq!(ring, 65_534);
        }
    }
}
