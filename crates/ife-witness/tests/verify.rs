//! `verify_log` accepts good logs and detects every change.

mod logs;

use std::fs;
use std::path::Path;

use ife_witness::checkpoint::{self, Checkpoint};
use ife_witness::merkle::empty_root;
use ife_witness::reader::{LogError, Problem};
use ife_witness::verify::{Options, Report, verify_log};
use logs::{LogWriter, Scratch, entry_bytes, files, gap_bytes, log_key, log_of, vkeys};

fn verify(dir: &Path) -> Result<Report, LogError> {
    verify_log(dir, &vkeys(), &Options::default(), |_| {})
}

fn verify_since(dir: &Path, since: &[Checkpoint]) -> Result<Report, LogError> {
    let options = Options {
        since: since.to_vec(),
        ..Options::default()
    };
    verify_log(dir, &vkeys(), &options, |_| {})
}

/// Returns the file name and offset in the error.
fn place(dir: &Path, error: &LogError) -> (String, u64) {
    let path = error.path.strip_prefix(dir).expect("a file of the log");
    (path.display().to_string(), error.offset)
}

#[test]
fn logs_of_every_shape_verify() {
    for size in [0, 1, 2, 3, 255, 256, 257, 511, 512, 513, 1000] {
        let scratch = Scratch::new("shape");
        let writer = log_of(scratch.path(), size);
        let report = verify(scratch.path()).unwrap_or_else(|e| panic!("size {size}: {e}"));
        assert_eq!((report.size, report.root), (size, writer.builder.root()));
        assert_eq!(report.producers, size.min(3));
        let times = report
            .signatures
            .iter()
            .filter_map(|signature| signature.time_s);
        assert_eq!(times.max(), Some(1_760_000_000 + size));
        assert_eq!(report.strays, ife_witness::verify::Strays::default());
    }
}

#[test]
fn three_levels_of_tiles_verify_with_any_number_of_threads() {
    let scratch = Scratch::new("levels");
    log_of(scratch.path(), 66_000);
    let mut reports = Vec::new();
    for threads in [0, 1, 2, 5] {
        let options = Options {
            threads,
            ..Options::default()
        };
        let mut last = 0;
        let report = verify_log(scratch.path(), &vkeys(), &options, |progress| {
            assert!(progress.done > last && progress.size == 66_000);
            last = progress.done;
        });
        assert_eq!(last, 66_000);
        reports.push(report.expect("a good log"));
    }
    assert!(reports.windows(2).all(|pair| pair[0] == pair[1]));

    // Each of them finds a wrong byte in the last bundle's tile too.
    let tile = scratch.path().join("tile/2/000.p/1");
    let mut bytes = fs::read(&tile).expect("a tile");
    bytes[31] ^= 1;
    fs::write(&tile, bytes).expect("written");
    for threads in [1, 2, 5] {
        let options = Options {
            threads,
            ..Options::default()
        };
        let error = verify_log(scratch.path(), &vkeys(), &options, |_| {}).expect_err("damaged");
        assert!(
            error
                .to_string()
                .ends_with("tile/2/000.p/1: offset 31: not the hash of entries 0 to 65535"),
            "{error}"
        );
    }
}

#[test]
fn every_flipped_byte_of_a_small_log_is_noticed() {
    let scratch = Scratch::new("flip");
    let mut writer = LogWriter::new(scratch.path());
    writer.grow(2);
    writer.publish();
    writer.grow(5);
    writer.publish();
    verify(scratch.path()).expect("good as written");
    let mut flips = 0;
    for file in files(scratch.path()) {
        let good = fs::read(&file).expect("readable");
        for at in 0..good.len() {
            for mask in [0x01, 0x20, 0x80, 0xff] {
                let mut bad = good.clone();
                bad[at] ^= mask;
                fs::write(&file, &bad).expect("written");
                assert!(
                    verify(scratch.path()).is_err(),
                    "{}: byte {at} ^ {mask:#x}",
                    file.display()
                );
                flips += 1;
            }
        }
        fs::write(&file, &good).expect("written");
    }
    assert!(flips > 5000, "only {flips} bytes were tried");
    verify(scratch.path()).expect("good again");
}

#[test]
fn flipped_bytes_across_full_tiles_are_noticed_with_file_and_offset() {
    let scratch = Scratch::new("flip-full");
    log_of(scratch.path(), 260);
    for file in files(scratch.path()) {
        let good = fs::read(&file).expect("readable");
        let name = file
            .strip_prefix(scratch.path())
            .expect("below")
            .display()
            .to_string();
        for at in (0..good.len()).step_by(31).chain([good.len() - 1]) {
            let mut bad = good.clone();
            bad[at] ^= 0x04;
            fs::write(&file, &bad).expect("written");
            let error = verify(scratch.path()).expect_err("damaged");
            let (found, offset) = place(scratch.path(), &error);
            // A changed entry shows in its bundle or tile; a changed hash at its offset.
            if name.starts_with("tile/entries/") {
                assert!(
                    found == name || found == name.replace("entries", "0"),
                    "{name} {at}: {error}"
                );
            } else if name == "checkpoint" {
                assert_eq!(found, name);
            } else {
                assert_eq!((found, offset), (name.clone(), at as u64));
            }
        }
        fs::write(&file, &good).expect("written");
    }
}

#[test]
fn every_cut_and_every_missing_file_is_noticed() {
    let scratch = Scratch::new("cut");
    log_of(scratch.path(), 257);
    for file in files(scratch.path()) {
        let good = fs::read(&file).expect("readable");
        let step = if good.len() > 2000 { 97 } else { 1 };
        for len in (0..good.len()).step_by(step) {
            fs::write(&file, &good[..len]).expect("written");
            assert!(
                verify(scratch.path()).is_err(),
                "{} cut to {len}",
                file.display()
            );
        }
        fs::write(&file, [&good[..], b"\0"].concat()).expect("written");
        assert!(
            verify(scratch.path()).is_err(),
            "{} with a byte more",
            file.display()
        );
        fs::remove_file(&file).expect("removed");
        let error = verify(scratch.path()).expect_err("missing");
        assert_eq!(error.path, file);
        assert!(matches!(error.problem, Problem::Read(_)), "{error}");
        fs::create_dir(&file).expect("a directory in its place");
        assert_eq!(verify(scratch.path()).expect_err("no file").path, file);
        fs::remove_dir(&file).expect("removed");
        fs::write(&file, &good).expect("written");
    }
    verify(scratch.path()).expect("good again");
}

#[test]
fn random_damage_is_an_error_and_never_a_panic() {
    let scratch = Scratch::new("damage");
    log_of(scratch.path(), 30);
    let all = files(scratch.path());
    let mut state = 0x9e37_79b9_7f4a_7c15u64;
    let mut random = move |below: usize| {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as usize % below
    };
    for _ in 0..3000 {
        let file = &all[random(all.len())];
        let good = fs::read(file).expect("readable");
        let mut bad = good.clone();
        let at = random(bad.len());
        match random(4) {
            0 => bad.truncate(at),
            1 => bad
                .splice(at..at, (0..=random(40)).map(|_| random(256) as u8))
                .for_each(drop),
            2 => bad
                .drain(at..(at + 1 + random(40)).min(good.len()))
                .for_each(drop),
            _ => bad[at..]
                .iter_mut()
                .take(1 + random(8))
                .for_each(|byte| *byte = random(256) as u8),
        }
        if bad != good {
            fs::write(file, &bad).expect("written");
            assert!(
                verify(scratch.path()).is_err(),
                "{} at {at}",
                file.display()
            );
            fs::write(file, &good).expect("written");
        }
    }
    verify(scratch.path()).expect("good again");
}

#[test]
fn a_cut_tail_with_its_old_checkpoint_shows_against_a_remembered_one() {
    let scratch = Scratch::new("tail");
    let mut writer = LogWriter::new(scratch.path());
    writer.grow(300);
    let old = writer.publish();
    writer.grow(400);
    let new = writer.publish();
    let seen = |note: &str| {
        checkpoint::open(note.as_bytes(), &vkeys())
            .expect("signed")
            .checkpoint
    };
    verify_since(scratch.path(), &[seen(&old), seen(&new)]).expect("grown only");

    // The old state is a valid log; only a verifier that remembers the new one detects it.
    fs::write(scratch.path().join("checkpoint"), &old).expect("rolled back");
    let report = verify(scratch.path()).expect("good by itself");
    assert_eq!(
        (report.strays.beyond, report.strays.named.len()),
        (2, 2),
        "the tiles beyond are counted"
    );
    let error = verify_since(scratch.path(), &[seen(&old), seen(&new)]).expect_err("it shrank");
    assert!(
        matches!(
            error.problem,
            Problem::Shrunk {
                before: 400,
                size: 300
            }
        ),
        "{error}"
    );
}

#[test]
fn rewritten_history_shows_against_a_remembered_checkpoint() {
    let scratch = Scratch::new("fork");
    log_of(scratch.path(), 10);
    let mut other = LogWriter::new(scratch.path());
    for index in [0, 1, 2, 9, 4, 5, 6, 7] {
        other.append(&entry_bytes(index));
    }
    let mut since = other.head();
    let error = verify_since(scratch.path(), &[since.clone()]).expect_err("another history");
    assert!(
        matches!(error.problem, Problem::Forked { size: 8 }),
        "{error}"
    );
    since.origin = "another.example/log".into();
    let error = verify_since(scratch.path(), &[since]).expect_err("another log");
    assert!(matches!(error.problem, Problem::Origin { .. }), "{error}");
    let empty = Checkpoint {
        origin: logs::ORIGIN.into(),
        size: 0,
        root: empty_root(),
    };
    verify_since(scratch.path(), &[empty]).expect("every log begins empty");
}

#[test]
fn every_given_key_must_have_signed() {
    let scratch = Scratch::new("unsigned");
    let writer = log_of(scratch.path(), 3);
    let note = writer.head().sign(&log_key(), None).expect("the log's key");
    fs::write(scratch.path().join("checkpoint"), note).expect("written");
    let error = verify(scratch.path()).expect_err("the cosigner is missing");
    assert!(
        matches!(&error.problem, Problem::Unsigned { name } if name == "log.example/cosigner"),
        "{error}"
    );
    let lenient = Options {
        allow_unsigned: true,
        ..Options::default()
    };
    verify_log(scratch.path(), &vkeys(), &lenient, |_| {}).expect("the log's signature will do");
    verify_log(scratch.path(), &vkeys()[..1], &Options::default(), |_| {})
        .expect("only the log's key is given");
    assert!(verify_log(scratch.path(), &vkeys()[1..], &lenient, |_| {}).is_err());
}

#[test]
fn sequence_numbers_that_do_not_follow_are_named_with_the_entry() {
    for (entries, expected) in [
        (
            vec![0, 3, 3],
            Some("entry 2: producer kamailio-0: seq 1 is there twice, 2 expected"),
        ),
        (
            vec![0, 6],
            Some("entry 1: producer kamailio-0: seq 1 to 1 are missing without a GAP entry"),
        ),
        (
            vec![3, 0],
            Some("entry 1: producer kamailio-0: seq 0 is there twice, 2 expected"),
        ),
        (vec![0, 1, 2, 5, 4, 3], None),
    ] {
        let scratch = Scratch::new("order");
        let mut writer = LogWriter::new(scratch.path());
        entries
            .iter()
            .for_each(|index| writer.append(&entry_bytes(*index)));
        writer.publish();
        match (verify(scratch.path()), expected) {
            (Ok(_), None) => {}
            (Err(error), Some(expected)) => {
                assert!(error.to_string().ends_with(expected), "{error}")
            }
            (result, expected) => panic!("{result:?} instead of {expected:?}"),
        }
    }
}

#[test]
fn a_gap_entry_explains_the_hole_after_it() {
    let scratch = Scratch::new("gap");
    let mut writer = LogWriter::new(scratch.path());
    writer.append(&entry_bytes(0));
    writer.append(&gap_bytes(0, "kamailio-0", 1, 4));
    writer.append(&entry_bytes(15));
    writer.publish();
    let report = verify(scratch.path()).expect("explained");
    assert_eq!((report.gaps, report.lost, report.producers), (1, 4, 2));
}

#[test]
fn entries_that_are_not_canonical_are_named_with_their_offset() {
    let good = String::from_utf8(entry_bytes(1)).expect("JSON");
    for bad in [
        good.replace("\":", "\": "),
        good.replace("\"v\":1", "\"v\":2"),
        "{}".into(),
        String::new(),
        good + " ",
    ] {
        let scratch = Scratch::new("canonical");
        let mut writer = LogWriter::new(scratch.path());
        writer.append(&entry_bytes(0));
        writer.append(bad.as_bytes());
        writer.publish();
        let error = verify(scratch.path()).expect_err("not canonical");
        let first = 2 + entry_bytes(0).len() as u64 + 2;
        assert_eq!(error.path, scratch.path().join("tile/entries/000.p/2"));
        assert!(
            error.offset >= first && matches!(error.problem, Problem::Entry { index: 1, .. }),
            "{error}"
        );
    }
}

#[test]
fn files_beside_the_log_are_counted_and_earlier_partials_compared() {
    let scratch = Scratch::new("strays");
    let mut writer = LogWriter::new(scratch.path());
    for size in [3, 100, 256, 300] {
        writer.grow(size);
        writer.publish();
    }
    fs::write(scratch.path().join("tile/0/000.tmp"), "").expect("written");
    let strays = verify(scratch.path()).expect("a good log").strays;
    assert_eq!(
        (strays.earlier_partials, strays.beyond, strays.unknown),
        (4, 0, 1)
    );
    assert_eq!(strays.named, ["tile/0/000.tmp"]);

    let partial = scratch.path().join("tile/entries/000.p/3");
    let mut bytes = fs::read(&partial).expect("there");
    bytes[40] ^= 1;
    fs::write(&partial, bytes).expect("written");
    let error = verify(scratch.path()).expect_err("another beginning");
    assert_eq!(
        place(scratch.path(), &error),
        ("tile/entries/000.p/3".into(), 40)
    );
}

#[test]
fn partials_may_be_gone_once_the_full_tile_is_there() {
    let scratch = Scratch::new("pruned");
    let mut writer = LogWriter::new(scratch.path());
    writer.grow(100);
    let note = writer.publish();
    writer.grow(256);
    writer.publish();
    fs::remove_dir_all(scratch.path().join("tile/0/000.p")).expect("pruned");
    fs::remove_dir_all(scratch.path().join("tile/entries/000.p")).expect("pruned");
    fs::write(scratch.path().join("checkpoint"), note).expect("a reader has the older checkpoint");
    assert_eq!(
        verify(scratch.path())
            .expect("full tiles begin with the partial ones")
            .size,
        100
    );
}

#[test]
fn a_pipe_in_place_of_a_file_does_not_hang() {
    let scratch = Scratch::new("pipe");
    log_of(scratch.path(), 2);
    let tile = scratch.path().join("tile/entries/000.p/2");
    fs::remove_file(&tile).expect("removed");
    let made = std::process::Command::new("mkfifo")
        .arg(&tile)
        .status()
        .expect("mkfifo runs");
    assert!(made.success());
    assert_eq!(verify(scratch.path()).expect_err("no file").path, tile);
}
