//! Any bytes as an IFMessage.

#![no_main]

#[path = "../checks/ifmessage.rs"]
mod checks;

libfuzzer_sys::fuzz_target!(|data: &[u8]| checks::check(data));
