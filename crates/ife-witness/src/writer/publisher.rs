//! The publisher: from durable entries to tiles, entry bundles and signed checkpoints.

use std::collections::VecDeque;

use crate::checkpoint::{Checkpoint, CheckpointError};
use crate::entry::leaf_hash;
use crate::note::SigningKey;
use crate::store::{Store, StoreError};
use crate::tile::{BundleError, TileFile, TreeBuilder};
use crate::wal::Closed;
use crate::wal::frame::{Frame, Kind, frames};

/// Size of pending full tiles from which they are written before their checkpoint, to bound memory.
const PENDING_BYTES_MAX: usize = 16 * 1024 * 1024;

/// The log's own keys.
pub struct Keys {
    /// Signs checkpoints; its name is the origin.
    pub log: SigningKey,
    /// Signs checkpoints with the time; the operator chooses its name.
    pub cosigner: SigningKey,
}

/// Reasons why tiles and checkpoints cannot be written. The process must end: see [`Store`].
#[derive(Debug, thiserror::Error)]
pub enum PublishError {
    /// A file operation failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A checkpoint cannot be signed.
    #[error("cannot sign the checkpoint")]
    Sign(#[from] CheckpointError),
    /// An entry does not fit a bundle.
    #[error("entry {index} does not fit into a bundle")]
    Bundle {
        /// The entry's index.
        index: u64,
        /// The bundle's error.
        source: BundleError,
    },
}

/// Owns the tree and the public files. Order on disk: private checkpoint, tiles, public checkpoint.
pub struct Publisher {
    store: Store,
    keys: Keys,
    builder: TreeBuilder,
    /// Full tiles that are not yet written.
    pending: Vec<TileFile>,
    pending_bytes: usize,
    published: u64,
    /// Closed WAL segments, kept until their entries are published.
    closed: VecDeque<Closed>,
}

impl Publisher {
    /// Creates a publisher from `builder`, whose size is that of the public checkpoint.
    #[must_use]
    pub fn new(store: Store, keys: Keys, builder: TreeBuilder) -> Self {
        let published = builder.size();
        Self {
            store,
            keys,
            builder,
            pending: Vec::new(),
            pending_bytes: 0,
            published,
            closed: VecDeque::new(),
        }
    }

    /// Returns the number of entries appended.
    pub fn size(&self) -> u64 {
        self.builder.size()
    }

    /// Returns the root over the entries appended.
    pub fn root(&self) -> [u8; 32] {
        self.builder.root()
    }

    /// Returns the size of the public checkpoint.
    pub fn published(&self) -> u64 {
        self.published
    }

    /// Appends a batch that is durable in the WAL.
    ///
    /// # Errors
    /// Tiles had to be written early, and that failed.
    pub fn append(&mut self, batch: &[u8]) -> Result<(), PublishError> {
        frames(batch).try_for_each(|frame| self.append_frame(&frame))
    }

    pub(crate) fn append_frame(&mut self, frame: &Frame<'_>) -> Result<(), PublishError> {
        if frame.kind != Kind::Entry {
            return Ok(());
        }
        // WAL and tree count the same entries; a difference is a bug.
        assert_eq!(
            frame.index,
            self.builder.size(),
            "the WAL's index is the tree's size"
        );
        let before = self.pending.len();
        self.builder
            .append(frame.payload, leaf_hash(frame.payload), &mut self.pending)
            .map_err(|source| PublishError::Bundle {
                index: frame.index,
                source,
            })?;
        self.pending_bytes += self.pending[before..]
            .iter()
            .map(|file| file.bytes.len())
            .sum::<usize>();
        if self.pending_bytes > PENDING_BYTES_MAX {
            self.publish_tiles()
        } else {
            Ok(())
        }
    }

    /// Returns whether enough is pending to publish a checkpoint early.
    pub fn is_backlogged(&self) -> bool {
        self.pending_bytes > PENDING_BYTES_MAX / 2
    }

    /// Registers a WAL segment for deletion after its entries are published.
    pub fn retire(&mut self, segment: Closed) {
        self.closed.push_back(segment);
    }

    /// Publishes a checkpoint of all entries at `unix_s`, if there are new ones or with `force`;
    /// then deletes retired segments.
    ///
    /// # Errors
    /// A file operation failed.
    pub fn publish(&mut self, unix_s: u64, force: bool) -> Result<(), PublishError> {
        let size = self.builder.size();
        if size == self.published && !force {
            return Ok(());
        }
        let origin = self.keys.log.verifier().name().to_owned();
        let checkpoint = Checkpoint {
            origin,
            size,
            root: self.builder.root(),
        };
        let note = checkpoint.sign(&self.keys.log, Some((&self.keys.cosigner, unix_s)))?;
        self.store
            .replace(&self.store.private_checkpoint(), note.as_bytes(), false)?;
        self.publish_tiles()?;
        let partials = self
            .builder
            .partials()
            .map(|(tile, bytes)| (tile.path(), bytes));
        self.store.write_public(partials)?;
        self.store
            .replace(&self.store.public_checkpoint(), note.as_bytes(), true)?;
        self.published = size;
        self.reclaim()
    }

    fn publish_tiles(&mut self) -> Result<(), PublishError> {
        self.store.write_public(
            self.pending
                .iter()
                .map(|file| (file.tile.path(), file.bytes.as_slice())),
        )?;
        // Readers with an older checkpoint load the full tile, whose prefix is the partial one.
        for file in &self.pending {
            self.store.remove_dir(&format!("{}.p", file.tile.path()))?;
        }
        self.pending.clear();
        self.pending_bytes = 0;
        Ok(())
    }

    fn reclaim(&mut self) -> Result<(), PublishError> {
        while let Some(segment) = self.closed.front()
            && segment.end <= self.published
        {
            self.store.remove(&segment.path)?;
            self.closed.pop_front();
        }
        Ok(())
    }
}
