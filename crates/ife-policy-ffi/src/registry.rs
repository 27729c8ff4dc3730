//! Registry images: compiled once by the process that loads the file, published as a file of the
//! state directory, mapped by every worker.

use std::io::{self, Read, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use ife_guard::registry::limits::FILE_LEN_MAX;
use ife_guard::{Image, Registry};

use crate::abi;
use crate::address::Address;
use crate::plumbing::failure::Failure;
use crate::plumbing::own::Own;
use crate::shared::Shared;
use crate::sys::{self, Lock, Map};

const LOCK: &str = "registry.lock";

/// A mapped image. `publish` checked it in full.
pub(crate) struct View {
    map: Map,
    generation: u64,
}

impl View {
    /// Maps the image with this number.
    fn open(dir: &Path, generation: u64) -> io::Result<Self> {
        let file = sys::open_to_inspect(&path(dir, generation))?;
        let metadata = file.metadata()?;
        if !metadata.is_file() {
            return Err(io::Error::new(
                io::ErrorKind::InvalidData,
                "it is not a regular file",
            ));
        }
        // The witness daemon's group may write to the directory, so an image must be the gate's
        // own.
        let is_ours = [0, sys::user_id()].contains(&metadata.uid()) && metadata.mode() & 0o022 == 0;
        if !is_ours {
            return Err(io::Error::new(
                io::ErrorKind::PermissionDenied,
                "it belongs to another user or others may write to it",
            ));
        }
        let len = usize::try_from(metadata.len())
            .map_err(|_| io::Error::from(io::ErrorKind::FileTooLarge))?;
        let map = Map::read_only(&file, len)?;
        Image::open_trusted(map.bytes())
            .map_err(|e| io::Error::new(io::ErrorKind::InvalidData, e))?;
        Ok(Self { map, generation })
    }

    pub(crate) fn generation(&self) -> u64 {
        self.generation
    }

    /// Returns the image; checks its header only.
    pub(crate) fn image(&self) -> Result<Image<'_>, Failure> {
        Image::open_trusted(self.map.bytes()).map_err(|e| {
            Failure::new(
                abi::IFE_STATE_FORMAT,
                format!("registry image {}: {e}", self.generation),
            )
        })
    }

    /// Returns the image in force if it is another one than this; `None` also when it cannot be
    /// mapped, and the old one stays in use.
    pub(crate) fn newer(&self, dir: &Path, shared: &Shared) -> Option<io::Result<Self>> {
        // The file may be replaced and unlinked between the two steps; then a newer one exists.
        const TRIES: u32 = 4;
        let mut last = None;
        for _ in 0..TRIES {
            let generation = shared.generation();
            if generation == self.generation {
                return None;
            }
            match Self::open(dir, generation) {
                Err(e) if e.kind() == io::ErrorKind::NotFound => last = Some(Err(e)),
                outcome => return Some(outcome),
            }
        }
        last
    }
}

/// Loads `registry_path`, puts it in force for all processes and returns it mapped. On any failure
/// the image in force stays.
///
/// `in_force`: the image mapped in this process, if any. One process loads at a time; others wait
/// for it for at most `wait`. The lock dies with its holder.
pub(crate) fn load(
    dir: &Path,
    registry_path: &Path,
    shared: &Shared,
    in_force: Option<&View>,
    own: &Own,
    unix_s: u64,
    wait: Duration,
) -> Result<View, Failure> {
    let lock_path = dir.join(LOCK);
    let lock_failure =
        |e| Failure::state_dir(format_args!("cannot lock {}", lock_path.display()), &e);
    let lock = sys::open_private(&lock_path).map_err(lock_failure)?;
    if !sys::lock_within(&lock, Lock::Exclusive, wait).map_err(lock_failure)? {
        return Err(Failure::new(
            abi::IFE_REGISTRY_BUSY,
            "another process is loading the registry",
        ));
    }
    let bytes = compile(registry_path, in_force, own)?;
    let generation = shared.generation() + 1;
    let failure = |e| {
        Failure::state_dir(
            format_args!("cannot write {}", path(dir, generation).display()),
            &e,
        )
    };
    let view = publish(dir, generation, &bytes).map_err(failure)?;
    drop(bytes);
    let experts = u64::from(view.image()?.expert_count());
    shared.publish(generation, experts, unix_s);
    sys::trim_heap();
    remove_unused(dir, shared);
    Ok(view)
}

/// Removes the files of images that no living process maps.
pub(crate) fn remove_unused(dir: &Path, shared: &Shared) {
    let current = shared.generation();
    let oldest = shared
        .counters()
        .oldest_mapped(sys::process_exists)
        .map_or(current, |oldest| oldest.min(current));
    let Ok(entries) = std::fs::read_dir(dir) else {
        return;
    };
    for entry in entries.flatten() {
        let name = entry.file_name();
        let number = name.to_str().and_then(|name| {
            name.strip_prefix("registry.")?
                .strip_suffix(".img")?
                .parse()
                .ok()
        });
        if number.is_some_and(|number: u64| number < oldest) {
            // A mapping outlives its name, and a file that stays costs only memory.
            let _ = std::fs::remove_file(entry.path());
        }
    }
}

fn compile(registry_path: &Path, in_force: Option<&View>, own: &Own) -> Result<Vec<u8>, Failure> {
    let invalid = |text: String| Failure::new(abi::IFE_REGISTRY_INVALID, text);
    let name = registry_path.display().to_string();
    let unreadable = |e| invalid(format!("{name}: cannot be read: {e}"));
    let file = sys::open_to_read(registry_path).map_err(unreadable)?;
    let metadata = file.metadata().map_err(unreadable)?;
    if !metadata.is_file() {
        return Err(invalid(format!("{name}: not a regular file")));
    }
    let mut yaml = String::new();
    file.take(FILE_LEN_MAX + 1)
        .read_to_string(&mut yaml)
        .map_err(unreadable)?;
    if yaml.len() as u64 > FILE_LEN_MAX {
        return Err(invalid(format!("{name}: longer than {FILE_LEN_MAX} bytes")));
    }
    let loaded = match in_force {
        // Keys in force were checked when they were loaded.
        Some(view) => ife_guard::registry::reload(&yaml, &name, &view.image()?.public_keys()),
        None => ife_guard::registry::load(&yaml, &name),
    };
    let registry = loaded.map_err(|e| invalid(e.to_string()))?;
    if let Some((expert, contact)) = own_contact(&registry, own) {
        return Err(invalid(format!(
            "{name}: expert {expert}: contact {contact} is this server's own address, and its \
             calls would come back here; give the address of the phone or of its proxy"
        )));
    }
    ife_guard::image::compile_for(&registry, |host| own.is_host(host.as_bytes()))
        .map_err(|e| invalid(format!("{name}: {e}")))
}

/// Returns the first expert whose contact is this server itself, and that contact.
fn own_contact<'r>(registry: &'r Registry, own: &Own) -> Option<(&'r str, &'r str)> {
    registry.experts.iter().find_map(|expert| {
        let contact = expert.contact.as_deref()?;
        let address = Address::of_uri(contact.as_bytes())?;
        own.is(&address).then_some((expert.id.as_str(), contact))
    })
}

/// Writes the image under another name, checks the file, and moves it into place.
fn publish(dir: &Path, generation: u64, bytes: &[u8]) -> io::Result<View> {
    let temporary = dir.join(format!("registry.{generation}.new"));
    let outcome = write_checked(&temporary, bytes).and_then(|map| {
        std::fs::rename(&temporary, path(dir, generation))?;
        Ok(View { map, generation })
    });
    if outcome.is_err() {
        // The first error is the one to return.
        let _ = std::fs::remove_file(&temporary);
    }
    outcome
}

fn write_checked(path: &Path, bytes: &[u8]) -> io::Result<Map> {
    match std::fs::remove_file(path) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(e),
        Ok(()) | Err(_) => {}
    }
    let mut file = sys::create_private(path)?;
    file.write_all(bytes)?;
    let map = Map::read_only(&file, bytes.len())?;
    Image::open(map.bytes()).map_err(|e| io::Error::new(io::ErrorKind::InvalidData, e))?;
    Ok(map)
}

fn path(dir: &Path, generation: u64) -> PathBuf {
    dir.join(format!("registry.{generation}.img"))
}
