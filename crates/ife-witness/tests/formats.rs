//! The worked example in docs/formats.md is the crate's output.

mod logs;

use std::fs;
use std::path::Path;

use ife_witness::entry::{self, Entry, Event};
use ife_witness::merkle::leaf_hash;
use ife_witness::reader::LogDir;
use logs::{LogWriter, Scratch, cosigner_key, log_key, vkeys};

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Two entries of one call.
fn example_entries() -> Vec<Vec<u8>> {
    let call = |seq, event, approved| {
        let mut entry = Entry::new(
            1_767_323_045_000_000_000 + seq,
            "sip-1",
            "kamailio-3",
            1_767_323_000_000,
            seq,
            event,
        );
        entry.trace_id = Some(b"6c1c4f0e-77aa-4e6c-9a52-3f0f6d1c2b9a");
        entry.call_id = Some(b"a84b4c76e66710@192.0.2.10");
        entry.approved = approved;
        let mut bytes = Vec::new();
        entry::encode(&entry, &mut bytes).expect("numbers in range");
        bytes
    };
    vec![
        call(0, Event::Invite, None),
        call(1, Event::Approved, Some(true)),
    ]
}

#[test]
fn the_worked_example_is_the_output() {
    let scratch = Scratch::new("formats");
    let mut writer = LogWriter::new(scratch.path());
    let entries = example_entries();
    entries.iter().for_each(|entry| writer.append(entry));
    let note = writer.publish();
    let (proof, _) = LogDir::new(scratch.path())
        .prove(1, &vkeys())
        .expect("in the log");
    let bundle = fs::read(scratch.path().join("tile/entries/000.p/2")).expect("written");
    let tile = fs::read(scratch.path().join("tile/0/000.p/2")).expect("written");

    let mut expected = vec![
        format!("{}\n{}\n", log_key().verifier(), cosigner_key().verifier()),
        note,
        proof.to_string(),
    ];
    expected.extend(
        entries
            .iter()
            .map(|entry| String::from_utf8_lossy(entry).into_owned() + "\n"),
    );
    let facts = [
        ("leaf 0", hex(&leaf_hash(&entries[0]))),
        ("leaf 1", hex(&leaf_hash(&entries[1]))),
        ("root", hex(&writer.builder.root())),
        ("bundle begins", hex(&bundle[..6])),
        ("bundle bytes", bundle.len().to_string()),
        ("tile bytes", tile.len().to_string()),
    ];
    let facts: Vec<_> = facts
        .iter()
        .map(|(name, value)| format!("{name}: {value}"))
        .collect();
    expected.push(facts.join("\n") + "\n");

    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/formats.md");
    let document = fs::read_to_string(path).expect("docs/formats.md");
    for block in expected {
        assert!(
            document.contains(&block),
            "docs/formats.md lacks:\n\n{block}"
        );
    }
}
