//! Any bytes on the evidence channel.

#![no_main]

#[path = "../checks/channel.rs"]
mod checks;

libfuzzer_sys::fuzz_target!(|data: &[u8]| checks::check(data));
