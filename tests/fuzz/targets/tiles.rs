//! Any bytes as tiles and as entries of a log.

#![no_main]

use std::path::PathBuf;

#[path = "../checks/tiles.rs"]
mod checks;

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let dir = PathBuf::from(format!("/dev/shm/ife-fuzz-tiles-{}", std::process::id()));
    checks::check(data, &dir);
});
