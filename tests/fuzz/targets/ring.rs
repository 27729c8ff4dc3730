//! Any bytes in a ring's file, as a hostile or dying producer leaves them.

#![no_main]

use std::path::PathBuf;

#[path = "../checks/ring.rs"]
mod checks;

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let dir = PathBuf::from(format!("/dev/shm/ife-fuzz-ring-{}", std::process::id()));
    checks::check(data, &dir);
});
