//! Any bytes as signatures: round trip, and a second decoder of base64.

#![no_main]

#[path = "../checks/signature.rs"]
mod checks;

libfuzzer_sys::fuzz_target!(|data: &[u8]| checks::check(data));
