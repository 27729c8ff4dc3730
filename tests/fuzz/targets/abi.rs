//! Any bytes as the members of messages, through the C ABI.

#![no_main]

use std::cell::RefCell;

#[path = "../../../crates/ife-policy-ffi/tests/support/mod.rs"]
mod support;

use support::arbitrary::Subject;

thread_local! {
    static SUBJECT: RefCell<Option<Subject>> = const { RefCell::new(None) };
}

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    SUBJECT.with_borrow_mut(|subject| {
        subject
            .get_or_insert_with(|| Subject::new("fuzz"))
            .check(data);
    });
});
