//! Replays a fuzzer's corpus without the fuzzer, for the tests of the crates.

use std::{fs, path::Path};

/// Runs `check` on each file of a target's corpus; there must be some.
pub(super) fn replay(target: &str, mut check: impl FnMut(&[u8])) {
    // Tests run in their crate's directory, two below the root.
    let corpus = Path::new("../../tests/fuzz/corpus").join(target);
    let mut files = 0;
    for entry in fs::read_dir(corpus).expect("a corpus") {
        check(&fs::read(entry.expect("readable").path()).expect("readable"));
        files += 1;
    }
    assert!(files > 0);
}
