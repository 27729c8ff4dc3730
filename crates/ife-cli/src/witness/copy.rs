//! `ifectl witness copy`: a copy of the public log that verifies, made while the log grows.

use std::{fs, io, path::Path};

use ife_witness::{
    aside::{self, Existing},
    reader::{LogDir, LogError},
    tile::{Tile, TileKind, bundle_of, level_len, tile_of},
};
use serde_json::json;

use super::{PUBLIC_FILE, log_failure, needed_keys};
use crate::{Failure, Outcome, cli::LogArgs, output::Output, text};

/// Hashes or entries in a full tile.
const WIDTH: u64 = 256;

/// Copies all tiles of one checkpoint, then the checkpoint. Full tiles that are there already stay,
/// so that a copy is resumed and brought up to date at the cost of the new part.
pub(super) fn run(log: &LogArgs, to: &Path, out: &mut Output) -> Result<Outcome, Failure> {
    let dir = LogDir::new(&log.log);
    let keys = needed_keys(log)?;
    let failed = |error: LogError| log_failure(&dir, &error);
    let (note, head) = loop {
        let note = dir.note().map_err(failed)?;
        let head = dir.checkpoint(&keys).map_err(failed)?.checkpoint;
        // The note that is copied is the one that was verified.
        if dir.note().map_err(failed)? == note {
            break (note, head);
        }
    };
    let (mut copied, mut kept) = (0_u64, 0_u64);
    for tile in tiles(head.size) {
        let path = to.join(tile.path());
        if tile.is_full() && path.is_file() {
            kept += 1;
            continue;
        }
        // A partial tile that is gone has become full, and its beginning is the same.
        let bytes = match tile.kind {
            TileKind::Hashes { .. } => dir.hashes(&tile),
            TileKind::Entries => dir.entries(&tile),
        };
        let bytes = bytes.map_err(failed)?;
        write(&path, &bytes).map_err(|error| Failure::io(&path, "write it", &error))?;
        if tile.is_full() {
            remove_partials(&path).map_err(|error| Failure::io(&path, "tidy it", &error))?;
        }
        copied += 1;
    }
    let path = to.join("checkpoint");
    write(&path, &note).map_err(|error| Failure::io(&path, "write it", &error))?;
    if out.json() {
        out.value(&json!({"size": head.size, "copied": copied, "kept": kept}))?;
    } else {
        out.line(format!("entries    {}", text::grouped(head.size)))?;
        out.line(format!("files      {copied} copied, {kept} there before"))?;
    }
    Ok(Outcome::Yes)
}

/// All files of a log of this size, besides its checkpoint.
fn tiles(size: u64) -> impl Iterator<Item = Tile> {
    let bundles = (0..size.div_ceil(WIDTH)).filter_map(move |index| bundle_of(index * WIDTH, size));
    let hashes = (0..8_u8).flat_map(move |level| {
        let len = level_len(level, size);
        (0..len.div_ceil(WIDTH)).filter_map(move |index| tile_of(level, index * WIDTH, size))
    });
    bundles.chain(hashes)
}

/// A copy that is cut short holds whole files only.
fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    fs::create_dir_all(path.parent().unwrap_or(Path::new(".")))?;
    aside::write(path, bytes, PUBLIC_FILE, Existing::Replace)
}

/// Partial tiles whose full one is there.
fn remove_partials(full: &Path) -> io::Result<()> {
    let mut dir = full.as_os_str().to_owned();
    dir.push(".p");
    match fs::remove_dir_all(&dir) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => Err(e),
        Ok(()) | Err(_) => Ok(()),
    }
}
