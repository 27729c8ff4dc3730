//! RFC 6962 Merkle tree, incremental.
