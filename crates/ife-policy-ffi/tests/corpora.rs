//! The fuzzer's corpus of messages, replayed through the C ABI.

use std::{fs, path::Path};

mod support;

use support::arbitrary::Subject;

#[test]
fn messages() {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fuzz/corpus/abi");
    let mut subject = Subject::new("corpora");
    let mut files = 0;
    for entry in fs::read_dir(corpus).expect("a corpus") {
        subject.check(&fs::read(entry.expect("readable").path()).expect("readable"));
        files += 1;
    }
    assert!(files > 0);
}
