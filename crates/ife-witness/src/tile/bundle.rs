//! Entry bundles: a two-byte big-endian length before each entry (C2SP tlog-tiles, "Log entries").

use thiserror::Error;

use super::ENTRY_LEN_MAX;

/// Reasons why bytes are not an entry bundle; `offset` counts bytes from the bundle's start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum BundleError {
    /// The file ends inside a length or an entry.
    #[error("offset {offset}: the bundle ends inside entry {entry} of the bundle")]
    Cut {
        /// Offset of the incomplete entry's length.
        offset: usize,
        /// Entry of the bundle, from 0.
        entry: usize,
    },
    /// An entry longer than a two-byte length can express.
    #[error("an entry of {len} bytes cannot be bundled, the most is 65535")]
    TooLong {
        /// Bytes in the entry.
        len: usize,
    },
}

/// Appends one entry to a bundle.
pub(super) fn push(bundle: &mut Vec<u8>, entry: &[u8]) -> Result<(), BundleError> {
    let too_long = BundleError::TooLong { len: entry.len() };
    if entry.len() > ENTRY_LEN_MAX {
        return Err(too_long);
    }
    let len = u16::try_from(entry.len()).map_err(|_| too_long)?;
    bundle.extend_from_slice(&len.to_be_bytes());
    bundle.extend_from_slice(entry);
    Ok(())
}

/// Returns the entries of a bundle with the offset of each entry's first byte.
#[must_use]
pub fn entries(bundle: &[u8]) -> BundleEntries<'_> {
    BundleEntries {
        bundle,
        at: 0,
        entry: 0,
    }
}

/// Iterator over a bundle: `(offset of the entry's first byte, entry)`; ends after the first error.
#[derive(Debug, Clone)]
pub struct BundleEntries<'a> {
    bundle: &'a [u8],
    at: usize,
    entry: usize,
}

impl BundleEntries<'_> {
    /// Returns the bytes consumed; after `n` entries, the length of a bundle of width `n`.
    pub fn offset(&self) -> usize {
        self.at
    }
}

impl<'a> Iterator for BundleEntries<'a> {
    type Item = Result<(usize, &'a [u8]), BundleError>;

    fn next(&mut self) -> Option<Self::Item> {
        let rest = self.bundle.get(self.at..).filter(|rest| !rest.is_empty())?;
        let found = rest
            .split_first_chunk::<2>()
            .and_then(|(len, rest)| rest.get(..usize::from(u16::from_be_bytes(*len))));
        let Some(entry) = found else {
            let error = BundleError::Cut {
                offset: self.at,
                entry: self.entry,
            };
            self.at = self.bundle.len();
            return Some(Err(error));
        };
        let start = self.at + 2;
        self.at = start + entry.len();
        self.entry += 1;
        Some(Ok((start, entry)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pushed_entries_are_read() {
        let mut bundle = Vec::new();
        let long = vec![b'x'; ENTRY_LEN_MAX];
        for entry in [&b"one"[..], b"", &long] {
            push(&mut bundle, entry).expect("short enough");
        }
        assert_eq!(&bundle[..5], b"\x00\x03one");
        let read: Vec<_> = entries(&bundle).map(|e| e.expect("whole")).collect();
        assert_eq!(read, [(2, &b"one"[..]), (7, b""), (9, &long[..])]);
    }

    #[test]
    fn too_long_an_entry_is_refused_and_leaves_the_bundle_alone() {
        let mut bundle = vec![1];
        assert_eq!(
            push(&mut bundle, &vec![0; 65_536]),
            Err(BundleError::TooLong { len: 65_536 })
        );
        assert_eq!(bundle, [1]);
    }

    #[test]
    fn a_cut_is_an_error_with_its_offset_and_ends_the_iteration() {
        let bundle = b"\x00\x01a\x00\x05abc";
        let read: Vec<_> = entries(bundle).collect();
        assert_eq!(
            read,
            [
                Ok((2, &b"a"[..])),
                Err(BundleError::Cut {
                    offset: 3,
                    entry: 1
                })
            ]
        );
        assert_eq!(
            entries(b"\x00").collect::<Vec<_>>(),
            [Err(BundleError::Cut {
                offset: 0,
                entry: 0
            })]
        );
    }
}
