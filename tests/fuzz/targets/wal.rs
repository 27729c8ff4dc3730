//! Any change to the files of a log, as a dying disk or a hostile hand leaves them.

#![no_main]

use std::path::PathBuf;

#[path = "../checks/wal.rs"]
mod checks;

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let dir = PathBuf::from(format!("/dev/shm/ife-fuzz-wal-{}", std::process::id()));
    checks::check(data, &dir);
});
