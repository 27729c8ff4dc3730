//! Any bytes as addresses of record, against a second implementation.

#![no_main]

#[path = "../checks/aor.rs"]
mod checks;

libfuzzer_sys::fuzz_target!(|data: &[u8]| checks::check(data));
