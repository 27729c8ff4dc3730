//! Any bytes as a signed note and as keys.

#![no_main]

#[path = "../checks/checkpoint.rs"]
mod checks;

libfuzzer_sys::fuzz_target!(|data: &[u8]| checks::check(data));
