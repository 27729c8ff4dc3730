//! Files below `tile/` that the checkpoint does not require: earlier partial tiles and later tiles.

use std::collections::HashMap;
use std::fs;
use std::io;
use std::path::Path;

use crate::reader::{LogDir, LogError, Problem};
use crate::tile::{self, TILE_WIDTH, Tile, TileKind, level_len};

/// Largest depth of directories: `tile/<L>`, seven groups of digits, `.p`.
const DEPTH_MAX: usize = 10;
/// Largest number of names in the report.
const NAMED_MAX: usize = 8;

/// Files that the checkpoint does not require. Their presence is no error.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Strays {
    /// Partial tiles of earlier sizes; each is a prefix of its full tile.
    pub earlier_partials: u64,
    /// Tiles beyond the checkpoint: a writer is active, or the checkpoint is older than the tiles.
    pub beyond: u64,
    /// Names that are not tiles.
    pub unknown: u64,
    /// Some of the unknown names and of those beyond the checkpoint, at most eight.
    pub named: Vec<String>,
}

/// Walks `tile/`; earlier partial tiles must be prefixes of the verified tiles.
pub(super) fn check(dir: &LogDir, size: u64) -> Result<Strays, LogError> {
    let mut walk = Walk {
        dir,
        size,
        strays: Strays::default(),
    };
    walk.directory("tile", 0)?;
    Ok(walk.strays)
}

struct Walk<'d> {
    dir: &'d LogDir,
    size: u64,
    strays: Strays,
}

impl Walk<'_> {
    fn directory(&mut self, path: &str, depth: usize) -> Result<(), LogError> {
        let full = self.dir.path().join(path);
        let wrong = |error| LogError::new(&full, 0, Problem::Read(error));
        let entries = match fs::read_dir(&full) {
            // An empty log has no tiles, and a writer may remove partial tiles during the walk.
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            other => other.map_err(wrong)?,
        };
        // Earlier partials of each tile by width, to be compared together.
        let mut partials: HashMap<Tile, Vec<u16>> = HashMap::new();
        for entry in entries {
            let entry = entry.map_err(wrong)?;
            let name = entry.file_name();
            let path = format!("{path}/{}", name.to_string_lossy());
            if entry.file_type().map_err(wrong)?.is_dir() {
                if depth < DEPTH_MAX {
                    self.directory(&path, depth + 1)?;
                } else {
                    self.name(path);
                }
            } else if let Some(tile) = Tile::parse(&path) {
                self.tile(tile, path, &mut partials);
            } else {
                self.strays.unknown += 1;
                self.name(path);
            }
        }
        partials
            .iter()
            .try_for_each(|(tile, widths)| self.compare(tile, widths))
    }

    fn name(&mut self, path: String) {
        if self.strays.named.len() < NAMED_MAX {
            self.strays.named.push(path);
        }
    }

    fn tile(&mut self, tile: Tile, path: String, partials: &mut HashMap<Tile, Vec<u16>>) {
        let level = match tile.kind {
            TileKind::Hashes { level } => level,
            TileKind::Entries => 0,
        };
        let len = level_len(level, self.size);
        let start = tile.index.saturating_mul(TILE_WIDTH);
        let width = len.saturating_sub(start).min(TILE_WIDTH) as u16;
        if tile.width > width {
            self.strays.beyond += 1;
            self.name(path);
        } else if tile.width < width {
            // `width` is not 0, so this tile is verified.
            partials
                .entry(Tile { width, ..tile })
                .or_default()
                .push(tile.width);
        }
    }

    /// Compares earlier partials with the verified tile.
    fn compare(&mut self, tile: &Tile, widths: &[u16]) -> Result<(), LogError> {
        let whole = match tile.kind {
            TileKind::Hashes { .. } => self.dir.hashes(tile)?,
            TileKind::Entries => self.dir.entries(tile)?,
        };
        for width in widths {
            let partial = Tile {
                width: *width,
                ..*tile
            };
            let found = match self.dir.read(&partial) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                other => other.map_err(|error| self.wrong(&partial, 0, Problem::Read(error)))?,
            };
            let want = match tile.kind {
                TileKind::Hashes { .. } => &whole[..usize::from(*width) * 32],
                TileKind::Entries => &whole[..beginning(&whole, *width)],
            };
            if found != want {
                let same = found.iter().zip(want).take_while(|(a, b)| a == b).count();
                return Err(self.wrong(&partial, same as u64, Problem::Partial));
            }
            self.strays.earlier_partials += 1;
        }
        Ok(())
    }

    fn wrong(&self, tile: &Tile, offset: u64, problem: Problem) -> LogError {
        LogError::new(Path::join(self.dir.path(), tile.path()), offset, problem)
    }
}

/// Returns the size of a bundle's first `width` entries.
fn beginning(bundle: &[u8], width: u16) -> usize {
    let mut entries = tile::entries(bundle);
    entries.by_ref().take(usize::from(width)).for_each(drop);
    entries.offset()
}
