//! Tile paths and bytes (C2SP tlog-tiles).
