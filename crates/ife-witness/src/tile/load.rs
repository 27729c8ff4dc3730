//! Loading of tiles with checks of their lengths. All bytes from outside pass through here.

use std::io;

use thiserror::Error;

use super::{BundleError, TILE_LEN, Tile, bundle};

/// Reasons why a file does not match its tile name. Every message begins with the file.
#[derive(Debug, Error)]
pub enum TileError {
    /// Neither the file nor, for a partial tile, the full one could be read.
    #[error("{path}: cannot be read")]
    Load {
        /// Path below the log directory.
        path: String,
        /// The loader's error.
        source: io::Error,
    },
    /// A hash tile of the wrong length.
    #[error("{path}: offset {}: {len} bytes where {want} belong", len.min(want))]
    Length {
        /// Path below the log directory.
        path: String,
        /// Bytes found.
        len: usize,
        /// Bytes that the width requires.
        want: usize,
    },
    /// Bytes that are not a sequence of entries.
    #[error("{path}: {source}")]
    Bundle {
        /// Path below the log directory.
        path: String,
        /// Where and why.
        source: BundleError,
    },
    /// A bundle with too few or too many entries.
    #[error("{path}: offset {offset}: ends here with {found} entries where {want} belong")]
    Entries {
        /// Path below the log directory.
        path: String,
        /// End of the file, or its first surplus byte.
        offset: usize,
        /// Entries found, at most one more than expected.
        found: usize,
        /// Entries expected.
        want: usize,
    },
}

/// Loads the hashes of a tile, 32 bytes each; from the full tile if the partial one is missing.
///
/// # Errors
/// [`TileError::Load`], [`TileError::Length`].
pub fn load_hashes(
    mut load: impl FnMut(&Tile) -> io::Result<Vec<u8>>,
    tile: &Tile,
) -> Result<Vec<u8>, TileError> {
    let (mut bytes, is_full) = load_any(&mut load, tile)?;
    let len = bytes.len();
    let width_len = usize::from(tile.width) * 32;
    let want = if is_full { TILE_LEN } else { width_len };
    if len != want {
        return Err(TileError::Length {
            path: tile.path(),
            len,
            want,
        });
    }
    bytes.truncate(width_len);
    Ok(bytes)
}

/// Loads a bundle of exactly `tile.width` entries; from the full one if the partial one is missing.
///
/// # Errors
/// [`TileError::Load`], [`TileError::Bundle`], [`TileError::Entries`].
pub fn load_entries(
    mut load: impl FnMut(&Tile) -> io::Result<Vec<u8>>,
    tile: &Tile,
) -> Result<Vec<u8>, TileError> {
    let (mut bytes, is_full) = load_any(&mut load, tile)?;
    let want = usize::from(tile.width);
    let mut read = bundle::entries(&bytes);
    for found in 0..want {
        match read.next() {
            Some(Ok(_)) => {}
            Some(Err(source)) => {
                return Err(TileError::Bundle {
                    path: tile.path(),
                    source,
                });
            }
            None => {
                return Err(TileError::Entries {
                    path: tile.path(),
                    offset: bytes.len(),
                    found,
                    want,
                });
            }
        }
    }
    let len = read.offset();
    if len < bytes.len() && is_full == tile.is_full() {
        return Err(TileError::Entries {
            path: tile.path(),
            offset: len,
            found: want + 1,
            want,
        });
    }
    bytes.truncate(len);
    Ok(bytes)
}

/// Returns the file's bytes, and whether they are those of a full tile.
fn load_any(
    load: &mut impl FnMut(&Tile) -> io::Result<Vec<u8>>,
    tile: &Tile,
) -> Result<(Vec<u8>, bool), TileError> {
    match load(tile) {
        Ok(bytes) => return Ok((bytes, tile.is_full())),
        Err(error) if !tile.is_full() && error.kind() == io::ErrorKind::NotFound => {
            if let Ok(bytes) = load(&tile.to_full()) {
                return Ok((bytes, true));
            }
            Err(error)
        }
        Err(error) => Err(error),
    }
    .map_err(|source| TileError::Load {
        path: tile.path(),
        source,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tile::TileKind;

    const PARTIAL: Tile = Tile {
        kind: TileKind::Hashes { level: 0 },
        index: 0,
        width: 2,
    };
    const BUNDLE: Tile = Tile {
        kind: TileKind::Entries,
        index: 0,
        width: 2,
    };

    /// A loader with one file.
    fn only(path: &'static str, bytes: Vec<u8>) -> impl FnMut(&Tile) -> io::Result<Vec<u8>> {
        move |tile| {
            let known = tile.path() == path;
            known
                .then(|| bytes.clone())
                .ok_or_else(|| io::ErrorKind::NotFound.into())
        }
    }

    #[test]
    fn lengths_of_hash_tiles() {
        for (path, len, expected) in [
            ("tile/0/000.p/2", 64, None),
            ("tile/0/000", 8192, None),
            (
                "tile/0/000.p/2",
                63,
                Some("tile/0/000.p/2: offset 63: 63 bytes where 64 belong"),
            ),
            (
                "tile/0/000.p/2",
                8192,
                Some("tile/0/000.p/2: offset 64: 8192 bytes where 64 belong"),
            ),
            (
                "tile/0/000",
                64,
                Some("tile/0/000.p/2: offset 64: 64 bytes where 8192 belong"),
            ),
            ("tile/0/001", 64, Some("tile/0/000.p/2: cannot be read")),
        ] {
            let loaded = load_hashes(only(path, vec![1; len]), &PARTIAL);
            assert_eq!(
                loaded.as_ref().err().map(ToString::to_string).as_deref(),
                expected
            );
            assert!(loaded.is_err() || loaded.is_ok_and(|bytes| bytes.len() == 64));
        }
    }

    #[test]
    fn lengths_of_bundles() {
        for (path, bytes, expected) in [
            ("tile/entries/000.p/2", &b"\0\x01a\0\0"[..], None),
            ("tile/entries/000", b"\0\x01a\0\0\0\x01c", None),
            (
                "tile/entries/000.p/2",
                b"\0\x01a\0\0\0",
                Some("tile/entries/000.p/2: offset 5: ends here with 3 entries where 2 belong"),
            ),
            (
                "tile/entries/000.p/2",
                b"\0\x01a",
                Some("tile/entries/000.p/2: offset 3: ends here with 1 entries where 2 belong"),
            ),
            (
                "tile/entries/000.p/2",
                b"\0\x01a\0\x05a",
                Some(
                    "tile/entries/000.p/2: offset 3: the bundle ends inside entry 1 of the bundle",
                ),
            ),
        ] {
            let loaded = load_entries(only(path, bytes.to_vec()), &BUNDLE);
            assert_eq!(
                loaded.as_ref().err().map(ToString::to_string).as_deref(),
                expected
            );
            assert!(loaded.is_err() || loaded.is_ok_and(|bytes| bytes == b"\0\x01a\0\0"));
        }
    }
}
