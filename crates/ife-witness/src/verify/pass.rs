//! One pass over the log: bundles in order, sequence check, tree, comparison of full tiles.

use std::sync::mpsc;

use super::bundle::{self, Checked};
use super::order::Order;
use super::{Options, Progress};
use crate::checkpoint::Checkpoint;
use crate::reader::{LogDir, LogError, Problem};
use crate::tile::{HashTree, TILE_WIDTH, Tile, TileKind, bundle_of};

/// Bundles that a thread may be ahead of the comparison.
const AHEAD: usize = 16;

/// Totals of the pass.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Sums {
    pub(super) entry_bytes: u64,
    pub(super) producers: u64,
    pub(super) gaps: u64,
    pub(super) lost: u64,
}

/// Verifies everything that `head` covers.
pub(super) fn run(
    dir: &LogDir,
    head: &Checkpoint,
    options: &Options,
    progress: &mut impl FnMut(Progress),
) -> Result<Sums, LogError> {
    let mut pass = Pass::new(dir, head, options);
    pass.compare_remembered()?;
    let bundles = head.size.div_ceil(TILE_WIDTH);
    // `bundle` is below the number of bundles, so its first entry is in the log.
    let tile = |bundle: u64| bundle_of(bundle * TILE_WIDTH, head.size);
    let mut step = |checked: Checked| {
        pass.take(&checked)?;
        progress(Progress {
            done: pass.tree.size(),
            size: head.size,
        });
        Ok(())
    };
    let threads = options.threads.clamp(1, 64);
    if threads == 1 {
        for tile in (0..bundles).filter_map(tile) {
            step(bundle::check(dir, tile)?)?;
        }
    } else {
        std::thread::scope(|scope| {
            let queues: Vec<_> = (0..threads)
                .map(|thread| {
                    let (sender, receiver) = mpsc::sync_channel(AHEAD);
                    scope.spawn(move || {
                        for tile in (thread as u64..bundles).step_by(threads).filter_map(tile) {
                            // After an error the receiver is dropped.
                            if sender.send(bundle::check(dir, tile)).is_err() {
                                return;
                            }
                        }
                    });
                    receiver
                })
                .collect();
            // Thread t takes every n-th bundle, so reading the queues in turn restores the order.
            queues
                .iter()
                .cycle()
                .map_while(|queue| queue.recv().ok())
                .try_for_each(|checked| step(checked?))
        })?;
    }
    pass.finish()
}

struct Pass<'a> {
    dir: &'a LogDir,
    head: &'a Checkpoint,
    /// Remembered checkpoints, the largest first: the next one due is the last.
    since: Vec<&'a Checkpoint>,
    tree: HashTree,
    order: Order,
    entry_bytes: u64,
    /// Buffer for the tile on disk.
    file: Vec<u8>,
}

impl<'a> Pass<'a> {
    fn new(dir: &'a LogDir, head: &'a Checkpoint, options: &'a Options) -> Self {
        let mut since: Vec<_> = options.since.iter().collect();
        since.sort_by_key(|old| std::cmp::Reverse(old.size));
        let (tree, order) = (HashTree::new(), Order::default());
        Self {
            dir,
            head,
            since,
            tree,
            order,
            entry_bytes: 0,
            file: Vec::new(),
        }
    }

    fn take(&mut self, bundle: &Checked) -> Result<(), LogError> {
        self.entry_bytes += bundle.entry_bytes();
        for (index, (leaf, offset, facts)) in (bundle.first()..).zip(bundle.entries()) {
            self.order.take(&facts).map_err(|what| {
                let path = self.dir.path().join(bundle.tile.path());
                LogError::new(path, offset as u64, Problem::Order { index, what })
            })?;
            let (dir, file, mut compared) = (self.dir, &mut self.file, Ok(()));
            self.tree.append(leaf, |tile, hashes| {
                if compared.is_ok() {
                    compared = compare(dir, file, tile, hashes);
                }
            });
            compared?;
            self.compare_remembered()?;
        }
        Ok(())
    }

    /// Compares the root with the remembered checkpoints of the current size.
    fn compare_remembered(&mut self) -> Result<(), LogError> {
        while let Some(old) = self.since.pop_if(|old| old.size == self.tree.size()) {
            if old.root != self.tree.root() {
                let problem = Problem::Forked { size: old.size };
                return Err(LogError::new(self.dir.checkpoint_path(), 0, problem));
            }
        }
        Ok(())
    }

    /// Compares the partial tiles and the root.
    fn finish(mut self) -> Result<Sums, LogError> {
        for (tile, hashes) in self.tree.partials() {
            self.file = self.dir.hashes(&tile)?;
            compare_bytes(self.dir, &self.file, tile, hashes)?;
        }
        if self.tree.root() != self.head.root {
            return Err(LogError::new(self.dir.checkpoint_path(), 0, Problem::Root));
        }
        Ok(Sums {
            entry_bytes: self.entry_bytes,
            producers: self.order.producers(),
            gaps: self.order.gaps(),
            lost: self.order.lost(),
        })
    }
}

/// Compares a full tile with its file.
fn compare(dir: &LogDir, file: &mut Vec<u8>, tile: Tile, hashes: &[u8]) -> Result<(), LogError> {
    let path = || dir.path().join(tile.path());
    dir.read_into(&tile, file)
        .map_err(|error| LogError::new(path(), 0, Problem::Read(error)))?;
    if file.len() != hashes.len() {
        let (len, want) = (file.len(), hashes.len());
        return Err(LogError::new(
            path(),
            len.min(want) as u64,
            Problem::Length { len, want },
        ));
    }
    compare_bytes(dir, file, tile, hashes)
}

/// Compares hashes; the error names the first that differs and its entries.
fn compare_bytes(dir: &LogDir, file: &[u8], tile: Tile, hashes: &[u8]) -> Result<(), LogError> {
    if file == hashes {
        return Ok(());
    }
    let differs = file
        .iter()
        .zip(hashes)
        .position(|(a, b)| a != b)
        .unwrap_or(file.len().min(hashes.len()));
    let level = match tile.kind {
        TileKind::Hashes { level } => u32::from(level),
        TileKind::Entries => 0,
    };
    // Both are within the log's size, so neither overflows.
    let span = 1u64 << (8 * level);
    let first = (tile.index * TILE_WIDTH + differs as u64 / 32) * span;
    let problem = Problem::Hash {
        first,
        last: first + (span - 1),
    };
    Err(LogError::new(
        dir.path().join(tile.path()),
        differs as u64,
        problem,
    ))
}
