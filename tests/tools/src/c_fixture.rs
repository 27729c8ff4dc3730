//! Writes the files for the C tests of the ABI to the given directory: see `write_c_fixture`.

#[path = "../../../crates/ife-policy-ffi/tests/support/calls.rs"]
#[allow(
    dead_code,
    unreachable_pub,
    missing_docs,
    reason = "the tests of the crate need the rest"
)]
mod calls;

fn main() {
    let dir = std::env::args_os()
        .nth(1)
        .expect("usage: c_fixture DIRECTORY");
    calls::write_c_fixture(dir.as_ref());
}
