//! The fuzzer's corpus of messages, replayed through the C ABI.

#[path = "../../../tests/fuzz/checks/replay.rs"]
mod replay;
mod support;

use support::arbitrary::Subject;

#[test]
fn messages() {
    let mut subject = Subject::new("corpora");
    replay::replay("abi", |data| subject.check(data));
}
