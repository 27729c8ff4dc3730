//! Writes the files for the C tests of the ABI to the given directory: see `write_c_fixture`.

#[path = "../tests/support/mod.rs"]
mod support;

fn main() {
    let dir = std::env::args_os()
        .nth(1)
        .expect("usage: c_fixture DIRECTORY");
    support::write_c_fixture(dir.as_ref());
}
