//! The fuzzers' corpora of this crate, replayed: tests/fuzz holds the checks and the inputs.

use std::{fs, path::Path};

#[path = "../../../tests/fuzz/checks/aor.rs"]
mod aor;
#[path = "../../../tests/fuzz/checks/headers.rs"]
mod headers;
#[path = "../../../tests/fuzz/checks/ifmessage.rs"]
mod ifmessage;
#[path = "../../../tests/fuzz/checks/signature.rs"]
mod signature;

/// Runs `check` on each file of a corpus; there must be some.
fn replay(target: &str, check: impl Fn(&[u8])) {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fuzz/corpus");
    let mut files = 0;
    for entry in fs::read_dir(corpus.join(target)).expect("a corpus") {
        check(&fs::read(entry.expect("readable").path()).expect("readable"));
        files += 1;
    }
    assert!(files > 0);
}

#[test]
fn addresses_of_record() {
    replay("aor", aor::check);
}

#[test]
fn header_bodies() {
    replay("headers", headers::check);
}

#[test]
fn signature_bodies() {
    replay("signature", signature::check);
}

#[test]
fn ifmessages() {
    replay("ifmessage", ifmessage::check);
}
