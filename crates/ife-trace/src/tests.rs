//! Over a log that is made here, tile by tile, and then tampered with.

use std::{fs, path::Path, sync::Arc};

use ife_witness::{
    checkpoint::Checkpoint,
    merkle::leaf_hash,
    note::{KeyKind, SigningKey},
    places,
    reader::LogDir,
    tile::TreeBuilder,
};

use crate::{
    Log, Standing,
    index::{Member, Wanted, traces},
    record::Record,
    scan::{Scan, scan},
};

const NOW_NS: u64 = 1_790_000_000_000_000_000;
const ORIGIN: &str = "witness.example/test";

/// A log and who writes it.
struct Writer {
    dir: tempfile::TempDir,
    builder: TreeBuilder,
    key: SigningKey,
    cosigner: SigningKey,
    /// What each entry is; kept for a rewritten history.
    entries: Vec<Vec<u8>>,
}

impl Writer {
    fn new() -> Writer {
        let key = |kind, seed| SigningKey::from_seed(ORIGIN, kind, &[seed; 32]).expect("a key");
        Writer {
            dir: tempfile::tempdir().expect("a directory"),
            builder: TreeBuilder::new(),
            key: key(KeyKind::Log, 1),
            cosigner: key(KeyKind::Cosigner, 2),
            entries: Vec::new(),
        }
    }

    /// `count` more entries, each trace with two of them.
    fn log(&mut self, count: usize) {
        let mut full = Vec::new();
        for _ in 0..count {
            let number = self.entries.len();
            let event = if number.is_multiple_of(2) {
                "INVITE"
            } else {
                "APPROVED"
            };
            let id = number / 2;
            let entry = format!(
                r#"{{"call_id":"call-{id}","event":"{event}","expert":"ann@example","#,
            ) + &format!(
                r#""producer":"kamailio-1","time":"2026-01-01T00:00:00Z","trace_id":"trace-{id}"}}"#,
            );
            self.entries.push(entry.into_bytes());
            let entry = &self.entries[number];
            let append = self.builder.append(entry, leaf_hash(entry), &mut full);
            append.expect("short enough");
        }
        let partials = self.builder.partials();
        let files: Vec<_> = partials
            .map(|(tile, bytes)| (tile, bytes.to_vec()))
            .collect();
        for (tile, bytes) in full
            .into_iter()
            .map(|file| (file.tile, file.bytes))
            .chain(files)
        {
            let path = self.dir.path().join(tile.path());
            fs::create_dir_all(path.parent().expect("a tile's directory")).expect("made");
            fs::write(path, bytes).expect("written");
        }
        self.publish(Some(&self.cosigner));
    }

    fn publish(&self, cosigner: Option<&SigningKey>) {
        let checkpoint = Checkpoint {
            origin: ORIGIN.to_owned(),
            size: self.builder.size(),
            root: self.builder.root(),
        };
        let note = checkpoint.sign(&self.key, cosigner.map(|key| (key, 1_790_000_000)));
        fs::write(self.dir.path().join("checkpoint"), note.expect("signed")).expect("written");
    }

    fn view(&self) -> Log {
        let keys = format!("{}\n{}\n", self.key.verifier(), self.cosigner.verifier());
        Log::new(self.dir.path(), &keys).expect("two keys")
    }

    /// Replaces a text in a file of the log by one of the same length.
    fn tamper(&self, file: &str, from: &str, to: &str) {
        let path = self.dir.path().join(file);
        let bytes = fs::read(&path).expect("it is there");
        let text = String::from_utf8_lossy(&bytes);
        assert!(text.contains(from), "{file} holds {from}");
        let at = bytes
            .windows(from.len())
            .position(|window| window == from.as_bytes())
            .expect("it is there");
        let mut bytes = bytes;
        bytes[at..at + to.len()].copy_from_slice(to.as_bytes());
        fs::write(path, bytes).expect("written");
    }
}

fn problems(view: &Log, trace: &str) -> Vec<Option<String>> {
    let wanted = Wanted::exactly(Member::TraceId, trace);
    let story = view.story(&wanted, None, 0).expect("readable");
    let entries = story.entries.into_iter();
    entries.map(|entry| entry.problem).collect()
}

#[test]
fn a_log_is_followed_and_every_entry_checked() {
    let mut writer = Writer::new();
    writer.log(600);
    let view = writer.view();
    assert_eq!(view.state().standing(), Standing::Starting);
    view.step(NOW_NS);
    assert_eq!(view.state().standing(), Standing::Verified);
    assert_eq!(problems(&view, "trace-299"), [None, None]);
    assert_eq!(problems(&view, "trace-300"), [None; 0]);
    writer.log(10);
    view.step(NOW_NS);
    assert_eq!(view.state().standing(), Standing::Verified);
    assert_eq!(problems(&view, "trace-300"), [None, None]);
    let (proof, entry) = view.prove(601).expect("it is there");
    assert_eq!(entry, writer.entries[601]);
    assert!(proof.verify(&entry, view.keys()).is_ok());
}

#[test]
fn a_changed_entry_is_not_verified_and_raises_the_alarm() {
    let mut writer = Writer::new();
    writer.log(300);
    let view = writer.view();
    view.step(NOW_NS);
    // Trace 100 has the entries 200 and 201.
    writer.tamper(
        "tile/entries/000",
        "\"trace_id\":\"trace-100\"",
        "\"trace_id\":\"trace-1OO\"",
    );
    let found = problems(&view, "trace-100");
    assert!(
        found[0]
            .as_ref()
            .is_some_and(|why| why.contains("not the one that was signed")),
        "{found:?}"
    );
    assert_eq!(found[1], None);
    view.step(NOW_NS);
    assert_eq!(view.state().standing(), Standing::Mismatch);
    assert_eq!(view.state().alarms[0].index, Some(200));

    // A bridge that starts later sees it at once.
    let later = writer.view();
    later.step(NOW_NS);
    assert_eq!(later.state().standing(), Standing::Mismatch);
    assert_eq!(later.state().alarms.len(), 1);
}

#[test]
fn a_changed_hash_tile_helps_nobody() {
    let mut writer = Writer::new();
    writer.log(256 * 2);
    let view = writer.view();
    view.step(NOW_NS);
    let path = writer.dir.path().join("tile/0/000");
    let mut hashes = fs::read(&path).expect("it is there");
    hashes[40] ^= 1;
    fs::write(path, hashes).expect("written");
    let found = problems(&view, "trace-3");
    assert!(
        found[0]
            .as_ref()
            .is_some_and(|why| why.contains("hash tile is not what was signed")),
        "{found:?}"
    );
}

#[test]
fn a_rewritten_or_shortened_history_is_an_alarm_although_it_is_signed() {
    for (count, expected) in [(310, "history was rewritten"), (200, "its tail was cut")] {
        let mut writer = Writer::new();
        writer.log(300);
        let view = writer.view();
        view.step(NOW_NS);
        let mut other = Writer::new();
        other.entries.push(b"{}".to_vec());
        other.log(count);
        copy(other.dir.path(), writer.dir.path());
        view.step(NOW_NS);
        assert_eq!(view.state().standing(), Standing::Mismatch);
        let what = view.state().alarms[0].what.clone();
        assert!(what.contains(expected), "{what}");
        assert_eq!(view.head().expect("the old one").size, 300);
    }
}

fn copy(from: &Path, to: &Path) {
    for entry in fs::read_dir(from).expect("a directory") {
        let entry = entry.expect("an entry");
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            fs::create_dir_all(&target).expect("made");
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).expect("copied");
        }
    }
}

#[test]
fn a_checkpoint_that_not_all_keys_have_signed_is_not_believed() {
    let mut writer = Writer::new();
    writer.log(3);
    writer.publish(None);
    let view = writer.view();
    view.step(NOW_NS);
    assert_eq!(view.state().standing(), Standing::Unreadable);
    assert!(view.head().is_none());
    writer.publish(Some(&writer.cosigner));
    view.step(NOW_NS);
    assert_eq!(view.state().standing(), Standing::Verified);
}

#[test]
fn a_log_that_is_not_there_yet_is_waited_for() {
    let writer = Writer::new();
    let view = writer.view();
    view.step(NOW_NS);
    assert_eq!(view.state().standing(), Standing::Unreadable);
    let problem = view.state().problem.clone().unwrap_or_default();
    assert!(
        problem.contains("checkpoint: offset 0: cannot be read"),
        "{problem}"
    );
}

#[test]
fn old_entries_are_found_by_a_bounded_scan_that_says_how_far_it_went() {
    let mut writer = Writer::new();
    writer.log(1_000);
    let view = writer.view();
    view.step(NOW_NS);
    let head = view.head().expect("a checkpoint");
    let wanted = Wanted {
        text: Some("trace-1".to_owned()),
        member: Member::Any,
        is_prefix: true,
    };
    let scan = |before, wanted, enough| {
        let found = crate::scan(view.dir(), head.size, before, wanted, enough);
        found.expect("readable")
    };
    let all = scan(400, &wanted, usize::MAX);
    assert_eq!(all.down_to, 0);
    // 1, 10 to 19, 100 to 199, two entries each; newest first.
    assert_eq!(all.found.len(), 222);
    assert_eq!(all.found[0].index, 399);
    let few = scan(1_000, &wanted, 1);
    assert_eq!((few.found[0].index, few.down_to), (399, 256));
    let mut found = all.found;
    found.reverse();
    assert_eq!(traces(found.iter(), &wanted, 500).len(), 111);
}

#[test]
fn a_scan_reads_no_more_than_it_must_and_takes_no_part_of_a_text_for_the_whole() {
    let mut writer = Writer::new();
    writer.log(600);
    let quoting = serde_json::json!({"event": "BYE", "call_id": "a\"b", "detail": "call-7"});
    let record = Record::whole(0, quoting.to_string().as_bytes()).expect("an entry");
    for (text, is_there) in [("a\"b", true), ("a", false), ("call-7", false)] {
        let wanted = Wanted::exactly(Member::CallId, text);
        assert_eq!(wanted.is_in(&record), is_there, "{text}");
    }
    fs::remove_file(writer.dir.path().join("tile/entries/000")).expect("removed");
    let dir = LogDir::new(writer.dir.path());
    let wanted = Wanted::exactly(Member::TraceId, "trace-299");
    let newest = crate::scan(&dir, 600, 600, &wanted, 2).expect("readable");
    assert_eq!((newest.found.len(), newest.down_to), (2, 512));
    assert!(crate::scan(&dir, 600, 600, &wanted, 3).is_err());
}

#[test]
fn keys_that_are_none_are_refused() {
    for (text, expected) in [("", "no verifier key"), ("nonsense\n", "line 1")] {
        let error = Log::new(Path::new("log"), text).expect_err("no key");
        assert!(error.contains(expected), "{error}");
    }
}

#[test]
fn readers_share_the_view() {
    fn is_shared<T: Send + Sync>(_: &Arc<T>) {}
    is_shared(&Arc::new(Writer::new().view()));
}

/// Makes all runs that a log of `size` entries lacks; returns how far they go.
fn indexed(dir: &LogDir, size: u64) -> u64 {
    let mut from = 0;
    while places::make_next(dir, size, &mut from)
        .expect("made")
        .is_some()
    {}
    from
}

fn runs(dir: &LogDir, bits: u8) -> usize {
    fs::read_dir(dir.path().join(format!("index/{bits}"))).map_or(0, Iterator::count)
}

const SMALL: u64 = 1 << 14;
const LARGE: u64 = 1 << 18;

#[test]
fn an_index_finds_what_a_search_of_all_bundles_finds() {
    let mut writer = Writer::new();
    writer.log(3 * SMALL as usize + 100);
    let dir = LogDir::new(writer.dir.path());
    assert_eq!(indexed(&dir, 3 * SMALL + 100), 3 * SMALL);
    assert_eq!((runs(&dir, 14), runs(&dir, 18)), (3, 0));
    writer.log((LARGE - 2 * SMALL) as usize);
    let size = LARGE + SMALL + 100;
    assert_eq!(indexed(&dir, size), LARGE + SMALL);
    // The large one is in place of the small ones.
    assert_eq!((runs(&dir, 14), runs(&dir, 18)), (1, 1));
    assert_eq!(indexed(&dir, size), LARGE + SMALL);

    // As far as one search goes, then the next.
    let found = |wanted: &Wanted, mut before: u64| {
        let mut places = Vec::new();
        while before > 0 {
            let scan = scan(&dir, size, before, wanted, 10).expect("readable");
            places.extend(scan.found.iter().map(|record| record.index));
            before = scan.down_to;
        }
        places
    };
    let trace = |id: u64| Wanted::exactly(Member::TraceId, &format!("trace-{id}"));
    for id in [0, 1, 8_191, 100_000, LARGE / 2 - 1, LARGE / 2, size / 2 - 1] {
        assert_eq!(found(&trace(id), size), [2 * id + 1, 2 * id], "trace-{id}");
    }
    assert_eq!(found(&trace(size), size), [0_u64; 0]);
    let call = Wanted::exactly(Member::CallId, "call-77");
    assert_eq!(found(&call, size), [155, 154]);
    // Below an entry in the middle of the large one.
    assert_eq!(found(&trace(500), 1_001), [1_000]);
    assert_eq!(found(&trace(501), 1_002), [0_u64; 0]);

    // Damaged, of another block, and not there: the bundles have the answer.
    let path = dir.path().join("index/18/0");
    let whole = fs::read(&path).expect("a run");
    let damaged: Vec<u8> = whole.iter().map(|byte| byte ^ 1).collect();
    fs::write(&path, damaged).expect("written");
    assert_eq!(found(&trace(7), size), [15, 14]);
    fs::copy(dir.path().join("index/14/16"), &path).expect("copied");
    assert_eq!(found(&trace(7), size), [15, 14]);
    places::remove(&dir).expect("removed");
    assert_eq!(found(&trace(7), size), [15, 14]);
    places::remove(&dir).expect("nothing to remove");
}

#[test]
fn what_an_index_names_is_looked_at_in_the_log() {
    let mut writer = Writer::new();
    writer.log(600);
    let dir = LogDir::new(writer.dir.path());
    let wanted = Wanted::exactly(Member::TraceId, "trace-200");
    let mut scan = Scan::default();
    let lies: Vec<u64> = (0..1_000).collect();
    scan.places(&dir, 600, &wanted, &lies, 10)
        .expect("readable");
    assert_eq!(scan.found, []);
    let places: Vec<u64> = (0..600).collect();
    scan.places(&dir, 600, &wanted, &places, 10)
        .expect("readable");
    let found: Vec<u64> = scan.found.iter().map(|record| record.index).collect();
    assert_eq!(found, [401, 400]);
}
