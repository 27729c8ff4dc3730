//! Any bytes as the bodies of X-IF headers.

#![no_main]

#[path = "../checks/headers.rs"]
mod checks;

libfuzzer_sys::fuzz_target!(|data: &[u8]| checks::check(data));
