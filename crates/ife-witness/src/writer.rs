//! Rings to WAL to tiles.
