//! Any bytes as tiles and as entries of a log: tile paths have one spelling, bundles give their
//! entries or an error, and a log of any entries, signed by its key, verifies or is refused.

use std::fs;
use std::io;
use std::path::Path;

use ife_witness::checkpoint::Checkpoint;
use ife_witness::merkle::leaf_hash;
use ife_witness::note::{KeyKind, SigningKey};
use ife_witness::tile::{self, Tile, TileKind, TreeBuilder};
use ife_witness::verify::{self, verify_log};

const ORIGIN: &str = "log.example/witness";

/// `dir` is emptied and used for the log.
pub(crate) fn check(data: &[u8], dir: &Path) {
    paths(data);
    loads(data);
    log_of(data, dir).expect("the directory can be written");
}

fn paths(data: &[u8]) {
    if let Ok(text) = std::str::from_utf8(data)
        && let Some(tile) = Tile::parse(text)
    {
        assert_eq!(tile.path(), text);
    }
}

/// The bytes after the first are the file, the first is its width.
fn loads(data: &[u8]) {
    let Some((width, file)) = data.split_first() else {
        return;
    };
    for kind in [TileKind::Entries, TileKind::Hashes { level: 0 }] {
        let tile = Tile {
            kind,
            index: 0,
            width: u16::from(*width) + 1,
        };
        let load = |_: &Tile| -> io::Result<Vec<u8>> { Ok(file.to_vec()) };
        let loaded = match kind {
            TileKind::Entries => tile::load_entries(load, &tile),
            TileKind::Hashes { .. } => tile::load_hashes(load, &tile),
        };
        if let Ok(bytes) = loaded {
            assert!(file.starts_with(&bytes));
        }
    }
}

/// Lines are the entries of a log that its own key signed.
fn log_of(data: &[u8], dir: &Path) -> io::Result<()> {
    let _ = fs::remove_dir_all(dir);
    let mut builder = TreeBuilder::new();
    let mut full = Vec::new();
    let entries: Vec<&[u8]> = data.split(|b| *b == b'\n').take(300).collect();
    for entry in &entries {
        if builder.append(entry, leaf_hash(entry), &mut full).is_err() {
            return Ok(());
        }
    }
    let full = full.iter().map(|file| (file.tile, &file.bytes[..]));
    for (tile, bytes) in full.chain(builder.partials()) {
        let path = dir.join(tile.path());
        fs::create_dir_all(path.parent().unwrap_or(dir))?;
        fs::write(path, bytes)?;
    }
    let key = SigningKey::from_seed(ORIGIN, KeyKind::Log, &[11; 32]).expect("a name");
    let head = Checkpoint {
        origin: ORIGIN.into(),
        size: builder.size(),
        root: builder.root(),
    };
    let note = head.sign(&key, None).expect("the log's key");
    fs::write(dir.join("checkpoint"), note)?;
    let keys = [key.verifier().clone()];
    match verify_log(dir, &keys, &verify::Options::default(), |_| {}) {
        Ok(report) => assert_eq!(report.size, entries.len() as u64),
        Err(error) => assert!(!error.to_string().is_empty()),
    }
    Ok(())
}
