//! The fuzzer's corpus of the channel, replayed: tests/fuzz holds the check and the inputs.

use std::{fs, path::Path};

#[path = "../../../tests/fuzz/checks/channel.rs"]
mod channel;

#[test]
fn messages_of_the_channel() {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fuzz/corpus/channel");
    let mut files = 0;
    for entry in fs::read_dir(corpus).expect("a corpus") {
        channel::check(&fs::read(entry.expect("readable").path()).expect("readable"));
        files += 1;
    }
    assert!(files > 0);
}
