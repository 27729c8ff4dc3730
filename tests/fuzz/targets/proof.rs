//! Any bytes as a proof.

#![no_main]

#[path = "../checks/proof.rs"]
mod checks;

libfuzzer_sys::fuzz_target!(|data: &[u8]| checks::check(data));
