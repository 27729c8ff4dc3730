//! RFC 6962 Merkle hashing, and an append-only tree that keeps O(log n) hashes.
//!
//! Pure: no file, no clock. Heights count from the leaves: a node of height `h` spans `2^h` leaves.

use sha2::{Digest, Sha256};

/// A SHA-256 hash: of a leaf, of an inner node, or of a whole tree.
pub type Hash = [u8; 32];

/// Largest tree size, and so a bound on entry indexes: half the span of eight levels of tiles.
pub const SIZE_MAX: u64 = 1 << 63;

/// Returns the hash of a leaf: `SHA-256(0x00 || entry)` (RFC 6962 section 2.1).
#[must_use]
pub fn leaf_hash(entry: &[u8]) -> Hash {
    let mut hasher = Sha256::new();
    hasher.update([0x00]);
    hasher.update(entry);
    hasher.finalize().into()
}

/// Returns the hash of an inner node: `SHA-256(0x01 || left || right)` (RFC 6962 section 2.1).
#[must_use]
pub fn node_hash(left: &Hash, right: &Hash) -> Hash {
    let mut block = [0u8; 65];
    block[0] = 0x01;
    block[1..33].copy_from_slice(left);
    block[33..].copy_from_slice(right);
    Sha256::digest(block).into()
}

/// Returns the root of the tree without leaves: `SHA-256("")`.
#[must_use]
pub fn empty_root() -> Hash {
    Sha256::digest([]).into()
}

/// Returns the root of the tree over `leaves` (leaf hashes, or the roots of equal, full subtrees).
#[must_use]
pub fn root_of(leaves: &[Hash]) -> Hash {
    let mut frontier = Frontier::new();
    for leaf in leaves {
        frontier.push(*leaf);
    }
    frontier.root()
}

/// The roots of a tree's full subtrees, the largest first: one for each set bit of the size.
///
/// Pushing costs one node hash on average, the root at most 63.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Frontier {
    size: u64,
    nodes: Vec<Hash>,
}

impl Frontier {
    /// Returns the frontier of the empty tree.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Returns the frontier of `size` leaves from its nodes; `None` unless one per set bit.
    #[must_use]
    pub fn from_nodes(size: u64, nodes: Vec<Hash>) -> Option<Self> {
        (size <= SIZE_MAX && nodes.len() == size.count_ones() as usize)
            .then_some(Self { size, nodes })
    }

    /// Returns the number of leaves.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Returns the subtree roots, largest first.
    pub fn nodes(&self) -> &[Hash] {
        &self.nodes
    }

    /// Appends a leaf hash.
    pub fn push(&mut self, leaf: Hash) {
        self.push_with(leaf, |_, _| {});
    }

    /// Appends a leaf hash; calls `completed` with height, from 1, and hash of each node that it
    /// completes above the leaf, lowest first.
    pub fn push_with(&mut self, leaf: Hash, mut completed: impl FnMut(u32, &Hash)) {
        let mut node = leaf;
        // As in a binary increment, each trailing one bit merges two subtrees of that height.
        for height in 0..self.size.trailing_ones() {
            if let Some(left) = self.nodes.pop() {
                node = node_hash(&left, &node);
                completed(height + 1, &node);
            }
        }
        self.nodes.push(node);
        self.size += 1;
    }

    /// Returns the root of the tree (RFC 6962 section 2.1).
    pub fn root(&self) -> Hash {
        let mut from_right = self.nodes.iter().rev();
        match from_right.next() {
            None => empty_root(),
            Some(last) => from_right.fold(*last, |right, left| node_hash(left, &right)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 6962 section 2.1 to the letter: split at the largest power of two below n.
    fn by_definition(leaves: &[Hash]) -> Hash {
        match leaves {
            [] => empty_root(),
            [leaf] => *leaf,
            _ => {
                let split = leaves.len().next_power_of_two() / 2;
                node_hash(
                    &by_definition(&leaves[..split]),
                    &by_definition(&leaves[split..]),
                )
            }
        }
    }

    fn leaves(count: u32) -> Vec<Hash> {
        (0..count).map(|i| leaf_hash(&i.to_be_bytes())).collect()
    }

    #[test]
    fn root_matches_the_definition_at_every_size() {
        let leaves = leaves(260);
        let mut frontier = Frontier::new();
        assert_eq!(frontier.root(), by_definition(&[]));
        for (i, leaf) in leaves.iter().enumerate() {
            frontier.push(*leaf);
            assert_eq!(
                frontier.root(),
                by_definition(&leaves[..=i]),
                "size {}",
                i + 1
            );
        }
    }

    #[test]
    fn completed_nodes_are_the_subtree_roots() {
        let leaves = leaves(64);
        let mut frontier = Frontier::new();
        for (i, leaf) in leaves.iter().enumerate() {
            frontier.push_with(*leaf, |height, node| {
                let start = i + 1 - (1 << height);
                assert_eq!(*node, by_definition(&leaves[start..=i]));
            });
        }
    }

    #[test]
    fn from_nodes_wants_one_node_per_set_bit() {
        assert!(Frontier::from_nodes(5, vec![[0; 32]; 2]).is_some());
        assert!(Frontier::from_nodes(5, vec![[0; 32]; 3]).is_none());
        assert!(Frontier::from_nodes(0, Vec::new()).is_some());
    }

    #[test]
    fn known_hashes() {
        // The first vectors of RFC 6962's reference implementation.
        let hex = |h: Hash| h.iter().map(|b| format!("{b:02x}")).collect::<String>();
        assert_eq!(
            hex(empty_root()),
            "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
        );
        assert_eq!(
            hex(leaf_hash(b"")),
            "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d"
        );
    }
}
