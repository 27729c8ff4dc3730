//! The fuzzer's corpus of the registry, replayed: tests/fuzz holds the check and the inputs.

use std::{fs, path::Path};

#[path = "../../../tests/fuzz/checks/registry.rs"]
mod registry;

#[test]
fn registries() {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fuzz/corpus/registry");
    let mut files = 0;
    for entry in fs::read_dir(corpus).expect("a corpus") {
        registry::check(&fs::read(entry.expect("readable").path()).expect("readable"));
        files += 1;
    }
    assert!(files > 0);
}
