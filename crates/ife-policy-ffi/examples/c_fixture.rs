//! Writes what the C tests of the ABI need to a directory on tmpfs: a registry, and calls signed so that they are fresh for a minute.
//!
//! `calls.txt` and `narrow.txt`: one call a line, tab-separated: Call-ID, From-tag, trace id, callee, hazard, signature.

use std::fs;
use std::path::PathBuf;

#[path = "../tests/support/mod.rs"]
mod support;

use support::{EXPERT, NARROW_EXPERT, SignedCall, registry_yaml};

/// A replay table refuses what was signed before it was made, which the tests do after this.
const IAT_OFFSET_S: i64 = 45;

fn main() {
    let dir = PathBuf::from(
        std::env::args_os()
            .nth(1)
            .expect("usage: c_fixture DIRECTORY"),
    );
    write_fixture(&dir);
}

fn write_fixture(dir: &std::path::Path) {
    fs::create_dir_all(dir).expect("the directory can be made");
    fs::write(dir.join("registry.yaml"), registry_yaml(0)).expect("writable");
    for (file, expert, count) in [("calls.txt", EXPERT, 200), ("narrow.txt", NARROW_EXPERT, 8)] {
        let line = |n| {
            let call = SignedCall::new(n, expert, IAT_OFFSET_S);
            let fields = [
                &call.call_id,
                &call.from_tag,
                &call.trace_id,
                &call.callee,
                call.hazard,
                &call.signature,
            ];
            fields.map(|field: &str| field.to_owned()).join("\t") + "\n"
        };
        // Numbers that do not repeat: a call id is one call.
        let first = if expert == EXPERT { 0 } else { 1000 };
        let text: String = (first..first + count).map(line).collect();
        fs::write(dir.join(file), text).expect("writable");
    }
}
