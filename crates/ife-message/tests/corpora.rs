//! The fuzzers' corpora of this crate, replayed: tests/fuzz holds the checks and the inputs.

#[path = "../../../tests/fuzz/checks/aor.rs"]
mod aor;
#[path = "../../../tests/fuzz/checks/headers.rs"]
mod headers;
#[path = "../../../tests/fuzz/checks/ifmessage.rs"]
mod ifmessage;
#[path = "../../../tests/fuzz/checks/replay.rs"]
mod replay;
#[path = "../../../tests/fuzz/checks/signature.rs"]
mod signature;

use replay::replay;

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
