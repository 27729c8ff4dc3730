//! Any text as a registry, any bytes as its image.

#![no_main]

#[path = "../checks/registry.rs"]
mod checks;

libfuzzer_sys::fuzz_target!(|data: &[u8]| checks::check(data));
