//! Tiles and entry bundles of C2SP tlog-tiles: names, widths, bytes, and the writer's builder.
//!
//! Pure: names are relative paths, bytes are slices; no file is opened.

use std::fmt;

use crate::merkle::SIZE_MAX;

mod builder;
mod bundle;
mod load;

pub use self::builder::{HashTree, ResumeError, TileFile, TreeBuilder};
pub use self::bundle::{BundleEntries, BundleError, entries};
pub use self::load::{TileError, load_entries, load_hashes};

/// Hashes in a full tile and entries in a full bundle.
pub const TILE_WIDTH: u64 = 256;
/// Bytes in a full hash tile.
pub const TILE_LEN: usize = 256 * 32;
/// Largest entry in a bundle, in bytes: its length field has two bytes.
pub const ENTRY_LEN_MAX: usize = 65_535;
/// Levels of a tree of [`SIZE_MAX`] leaves.
pub const LEVELS_MAX: u8 = 8;

/// The content of a tile.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TileKind {
    /// Hashes of the nodes of height `8 * level`.
    Hashes {
        /// 0 for leaf hashes.
        level: u8,
    },
    /// Entries, each preceded by its two-byte big-endian length.
    Entries,
}

/// One tile or entry bundle: the `index`-th of its kind, `width` hashes or entries wide.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Tile {
    /// Hashes of a level, or entries.
    pub kind: TileKind,
    /// Position among the tiles of its kind, from 0.
    pub index: u64,
    /// 1 to 256; less than 256 is a partial tile.
    pub width: u16,
}

impl Tile {
    /// Returns a full tile.
    #[must_use]
    pub fn full(kind: TileKind, index: u64) -> Self {
        Self {
            kind,
            index,
            width: 256,
        }
    }

    /// Returns true for a tile of 256 hashes or entries.
    pub fn is_full(&self) -> bool {
        self.width == 256
    }

    /// Returns the full tile of this index.
    pub fn to_full(self) -> Self {
        Self { width: 256, ..self }
    }

    /// Returns the relative path: `tile/<L>/<N>[.p/<W>]` or `tile/entries/<N>[.p/<W>]`.
    pub fn path(&self) -> String {
        self.to_string()
    }

    /// Parses the output of [`path`](Self::path), and nothing else.
    #[must_use]
    pub fn parse(path: &str) -> Option<Self> {
        let (kind, rest) = path.strip_prefix("tile/")?.split_once('/')?;
        let kind = match kind {
            "entries" => TileKind::Entries,
            level => TileKind::Hashes {
                level: level.parse().ok().filter(|l| *l < LEVELS_MAX)?,
            },
        };
        let (number, width) = match rest.split_once(".p/") {
            Some((number, width)) => (number, width.parse().ok().filter(|w| (1..256).contains(w))?),
            None => (rest, 256),
        };
        let mut index: u64 = 0;
        for group in number.split('/') {
            let digits = group.strip_prefix('x').unwrap_or(group);
            if digits.len() != 3 {
                return None;
            }
            index = index.checked_mul(1000)?.checked_add(digits.parse().ok()?)?;
        }
        let tile = Self { kind, index, width };
        // Rejects other spellings: `+1`, missing or needless `x`, needless groups of zeros.
        (tile.path() == path).then_some(tile)
    }
}

impl fmt::Display for Tile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.kind {
            TileKind::Hashes { level } => write!(f, "tile/{level}/")?,
            TileKind::Entries => f.write_str("tile/entries/")?,
        }
        let mut unit = 1;
        while self.index / unit >= 1000 {
            unit *= 1000;
        }
        while unit > 1 {
            write!(f, "x{:03}/", self.index / unit % 1000)?;
            unit /= 1000;
        }
        write!(f, "{:03}", self.index % 1000)?;
        if !self.is_full() {
            write!(f, ".p/{}", self.width)?;
        }
        Ok(())
    }
}

/// Returns the nodes at a level of tiles in a tree of `size` leaves: `floor(size / 256^level)`.
#[must_use]
pub fn level_len(level: u8, size: u64) -> u64 {
    size.checked_shr(u32::from(level) * 8).unwrap_or(0)
}

/// Returns the width of the partial tile at a level in a tree of `size` leaves, 0 if there is none.
#[must_use]
pub fn partial_width(level: u8, size: u64) -> u16 {
    // At most 255, which fits.
    (level_len(level, size) % TILE_WIDTH) as u16
}

/// Returns the tile with node `index` of `level` in a tree of `size` leaves; `None` if absent.
#[must_use]
pub fn tile_of(level: u8, index: u64, size: u64) -> Option<Tile> {
    in_tile(TileKind::Hashes { level }, index, level_len(level, size))
}

/// Returns the bundle with entry `index` in a tree of `size` leaves; `None` if there is none.
#[must_use]
pub fn bundle_of(index: u64, size: u64) -> Option<Tile> {
    in_tile(TileKind::Entries, index, size)
}

fn in_tile(kind: TileKind, index: u64, len: u64) -> Option<Tile> {
    if index >= len {
        return None;
    }
    let tile = index / TILE_WIDTH;
    let width = (len - tile * TILE_WIDTH).min(TILE_WIDTH) as u16;
    Some(Tile {
        kind,
        index: tile,
        width,
    })
}

/// Returns every partial tile of a tree of `size` leaves, the entry bundle first.
pub fn partials(size: u64) -> impl Iterator<Item = Tile> {
    let hashes = (0..LEVELS_MAX).map(move |level| (TileKind::Hashes { level }, level));
    std::iter::once((TileKind::Entries, 0))
        .chain(hashes)
        .filter_map(move |(kind, level)| {
            let width = partial_width(level, size.min(SIZE_MAX));
            let index = level_len(level, size) / TILE_WIDTH;
            (width > 0).then_some(Tile { kind, index, width })
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    const LEVEL_0: TileKind = TileKind::Hashes { level: 0 };

    #[test]
    fn paths_are_those_of_the_specification() {
        for (tile, path) in [
            (Tile::full(LEVEL_0, 0), "tile/0/000"),
            (
                Tile::full(TileKind::Hashes { level: 3 }, 1_234_067),
                "tile/3/x001/x234/067",
            ),
            (
                Tile {
                    kind: TileKind::Hashes { level: 1 },
                    index: 0,
                    width: 1,
                },
                "tile/1/000.p/1",
            ),
            (
                Tile {
                    kind: TileKind::Entries,
                    index: 1000,
                    width: 112,
                },
                "tile/entries/x001/000.p/112",
            ),
            (Tile::full(TileKind::Entries, 999), "tile/entries/999"),
        ] {
            assert_eq!(tile.path(), path);
            assert_eq!(Tile::parse(path), Some(tile));
        }
    }

    #[test]
    fn other_spellings_are_refused() {
        for path in [
            "tile/0/0",
            "tile/0/x000/000",
            "tile/00/000",
            "tile/8/000",
            "tile/0/001.p/0",
            "tile/0/001.p/256",
            "tile/0/001.p/01",
            "tile/0/x001",
            "tile/0/001/002",
            "tile/0/+01",
            "tile/entries/",
            "tile/0/000/",
            "/tile/0/000",
            "tile/0/000.p/+1",
            "tile/0/x999/x999/x999/x999/x999/x999/x999/999",
        ] {
            assert_eq!(Tile::parse(path), None, "{path}");
        }
    }

    #[test]
    fn partials_of_the_sizes_that_the_specification_names() {
        let paths = |size| partials(size).map(|t| t.path()).collect::<Vec<_>>();
        assert_eq!(paths(0), [""; 0]);
        assert_eq!(paths(256), ["tile/1/000.p/1"]);
        assert_eq!(
            paths(70_000),
            [
                "tile/entries/273.p/112",
                "tile/0/273.p/112",
                "tile/1/001.p/17",
                "tile/2/000.p/1"
            ]
        );
    }

    #[test]
    fn tiles_of_nodes() {
        assert_eq!(
            tile_of(0, 69_999, 70_000).map(|t| t.path()).as_deref(),
            Some("tile/0/273.p/112")
        );
        assert_eq!(
            tile_of(0, 0, 70_000).map(|t| t.path()).as_deref(),
            Some("tile/0/000")
        );
        assert_eq!(
            tile_of(1, 272, 70_000).map(|t| t.path()).as_deref(),
            Some("tile/1/001.p/17")
        );
        assert_eq!(tile_of(1, 273, 70_000), None);
        assert_eq!(bundle_of(70_000, 70_000), None);
    }
}
