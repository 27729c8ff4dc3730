//! Start-up checks and recovery.
