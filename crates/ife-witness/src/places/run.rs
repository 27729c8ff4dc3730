//! A run's file: sorted pairs in pages. Each page has a checksum.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::Path;

use thiserror::Error;

/// A hash, and the offset of an entry in the block.
pub(super) type Pair = (u64, u32);

const PAGE: usize = 4096;
const PAIR: usize = 12;
const PAIRS_OF_PAGE: usize = 340;
const FIRST_AT: usize = PAIRS_OF_PAGE * PAIR;
const COUNT_AT: usize = FIRST_AT + 8;
const CHECKSUM_AT: usize = PAGE - 4;
const LAST_PAGE: u32 = 1 << 31;

/// Most pairs of a run: eight for each entry of a large block.
pub(super) const PAIRS_MAX: usize = 8 << 18;
/// Most places that one search of a run returns.
const FOUND_MAX: usize = 1 << 18;

/// A run that cannot be used.
#[derive(Debug, Error)]
pub enum Damaged {
    /// It cannot be read.
    #[error("it cannot be read: {0}")]
    Read(#[from] io::Error),
    /// A page is not as it was written.
    #[error("page {0} is damaged")]
    Page(u64),
}

/// The bytes of a run; `pairs` are in ascending order.
pub(super) fn encode(first: u64, pairs: &[Pair]) -> Vec<u8> {
    let pages = pairs.len().div_ceil(PAIRS_OF_PAGE).max(1);
    let mut bytes = vec![0; pages * PAGE];
    let mut chunks = pairs.chunks(PAIRS_OF_PAGE);
    for (number, page) in bytes.chunks_exact_mut(PAGE).enumerate() {
        let pairs = chunks.next().unwrap_or_default();
        for ((hash, offset), at) in pairs.iter().zip(page.chunks_exact_mut(PAIR)) {
            at[..8].copy_from_slice(&hash.to_be_bytes());
            at[8..].copy_from_slice(&offset.to_be_bytes());
        }
        let last = if number + 1 == pages { LAST_PAGE } else { 0 };
        // At most 340.
        let count = pairs.len() as u32 | last;
        page[FIRST_AT..COUNT_AT].copy_from_slice(&first.to_be_bytes());
        page[COUNT_AT..CHECKSUM_AT].copy_from_slice(&count.to_be_bytes());
        let checksum = crc32c::crc32c(&page[..CHECKSUM_AT]);
        page[CHECKSUM_AT..].copy_from_slice(&checksum.to_be_bytes());
    }
    bytes
}

/// Returns the offsets of a hash in the run of the block that begins at entry `first`.
pub(super) fn find(path: &Path, first: u64, hash: u64) -> Result<Vec<u32>, Damaged> {
    let file = File::open(path)?;
    let found = file.metadata()?;
    let pages = found.len() / PAGE as u64;
    let pages_max = PAIRS_MAX.div_ceil(PAIRS_OF_PAGE) as u64;
    if !found.is_file() || !found.len().is_multiple_of(PAGE as u64) || pages > pages_max {
        return Err(Damaged::Page(0));
    }
    let run = Run { file, first, pages };
    let mut page = run.first_page_with(hash)?;
    let mut offsets = Vec::new();
    while page < run.pages && offsets.len() < FOUND_MAX {
        let pairs = run.page(page)?;
        let begin = pairs.partition_point(|pair| pair.0 < hash);
        let end = pairs.partition_point(|pair| pair.0 <= hash);
        offsets.extend(pairs[begin..end].iter().map(|pair| pair.1));
        if end < pairs.len() {
            break;
        }
        page += 1;
    }
    Ok(offsets)
}

struct Run {
    file: File,
    first: u64,
    pages: u64,
}

impl Run {
    /// The first page whose last pair is not below the hash.
    fn first_page_with(&self, hash: u64) -> Result<u64, Damaged> {
        let (mut low, mut high) = (0, self.pages);
        if high == 0 {
            return Err(Damaged::Page(0));
        }
        while low < high {
            let middle = low + (high - low) / 2;
            let pairs = self.page(middle)?;
            match pairs.last() {
                Some(last) if last.0 < hash => low = middle + 1,
                Some(_) | None => high = middle,
            }
        }
        Ok(low)
    }

    fn page(&self, number: u64) -> Result<Vec<Pair>, Damaged> {
        let mut page = [0; PAGE];
        self.file.read_exact_at(&mut page, number * PAGE as u64)?;
        decode(&page, self.first, number + 1 == self.pages).ok_or(Damaged::Page(number))
    }
}

fn decode(page: &[u8; PAGE], first: u64, is_last: bool) -> Option<Vec<Pair>> {
    let (bytes, checksum) = page.split_last_chunk::<4>()?;
    let (bytes, count) = bytes.split_last_chunk::<4>()?;
    let (bytes, block) = bytes.split_last_chunk::<8>()?;
    let count = u32::from_be_bytes(*count);
    let is_whole = u32::from_be_bytes(*checksum) == crc32c::crc32c(&page[..CHECKSUM_AT])
        && u64::from_be_bytes(*block) == first
        && (count & LAST_PAGE != 0) == is_last;
    let pair = |bytes: &[u8]| {
        let (hash, offset) = bytes.split_first_chunk::<8>()?;
        let offset = u32::from_be_bytes(offset.try_into().ok()?);
        Some((u64::from_be_bytes(*hash), offset))
    };
    let pairs = bytes.chunks_exact(PAIR).take((count & !LAST_PAGE) as usize);
    is_whole.then(|| pairs.map_while(pair).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(name: &str, bytes: &[u8]) -> std::path::PathBuf {
        let path = std::env::temp_dir().join(format!("ife-run-{}-{name}", std::process::id()));
        std::fs::write(&path, bytes).expect("write");
        path
    }

    /// Three entries for each hash, over several pages.
    fn pairs() -> Vec<Pair> {
        (0..2_000_u32)
            .map(|offset| (u64::from(offset / 3) << 40, offset))
            .collect()
    }

    #[test]
    fn every_pair_is_found_across_pages() {
        let path = written("found", &encode(1 << 18, &pairs()));
        for hash in 0..667_u32 {
            let expected: Vec<u32> = (hash * 3..(hash * 3 + 3).min(2_000)).collect();
            let found = find(&path, 1 << 18, u64::from(hash) << 40).expect("whole");
            assert_eq!(found, expected);
        }
        for absent in [1, 5 << 39, u64::MAX] {
            assert_eq!(find(&path, 1 << 18, absent).expect("whole"), [0_u32; 0]);
        }
        std::fs::remove_file(path).expect("remove");
    }

    #[test]
    fn one_hash_may_fill_many_pages() {
        let same: Vec<Pair> = (0..1_000).map(|offset| (7, offset)).collect();
        let path = written("same", &encode(0, &same));
        assert_eq!(find(&path, 0, 7).expect("whole").len(), 1_000);
        assert!(find(&path, 0, 8).expect("whole").is_empty());
        std::fs::remove_file(path).expect("remove");
    }

    #[test]
    fn an_empty_block_has_a_page() {
        let path = written("empty", &encode(0, &[]));
        assert!(find(&path, 0, 7).expect("whole").is_empty());
        std::fs::remove_file(path).expect("remove");
    }

    #[test]
    fn damage_is_seen() {
        let whole = encode(1 << 18, &pairs());
        // In the last page.
        let hash = 666 << 40;
        let refused = |name: &str, bytes: &[u8], first| {
            let path = written(name, bytes);
            let found = find(&path, first, hash);
            std::fs::remove_file(path).expect("remove");
            assert!(found.is_err(), "{name}: {found:?}");
        };
        refused("of another block", &whole, 0);
        refused("cut", &whole[..whole.len() - PAGE], 1 << 18);
        refused("cut in a page", &whole[..whole.len() - 1], 1 << 18);
        refused("nothing", &[], 1 << 18);
        for page in 0..whole.len() / PAGE {
            let mut bytes = whole.clone();
            for bytes in bytes.chunks_exact_mut(PAGE) {
                bytes[page * 11] ^= 1;
            }
            refused("flipped", &bytes, 1 << 18);
        }
    }
}
