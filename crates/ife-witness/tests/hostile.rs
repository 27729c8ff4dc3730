//! Random damage to all parsed input gives an error or the correct result, never a panic.

mod logs;

use ife_witness::checkpoint::{self, Checkpoint};
use ife_witness::note::{Note, VerifierKey};
use ife_witness::proof::TlogProof;
use ife_witness::reader::LogDir;
use ife_witness::tile::{self, Tile};
use logs::{Scratch, entry_bytes, log_key, log_of, vkeys};

/// A generator with a printed seed, to repeat a failing test.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % limit.max(1)
    }

    /// Makes one to three changes: bytes changed, inserted, removed, repeated or moved.
    fn damage(&mut self, good: &[u8]) -> Vec<u8> {
        let mut bad = good.to_vec();
        for _ in 0..=self.below(3) {
            let (at, to) = (self.below(bad.len()), self.below(bad.len()));
            let (from, to) = (at.min(to), at.max(to).min(at.min(to) + 40));
            match self.below(6) {
                _ if bad.is_empty() => bad.push(b'\n'),
                0 => bad[at] = self.below(256) as u8,
                1 => bad.insert(at, b"\n+ =\x00\xe2A09/"[self.below(10)]),
                2 => drop(bad.drain(from..to)),
                3 => bad.extend_from_within(from..to),
                4 => bad.swap(from, to),
                _ => bad.truncate(at),
            }
        }
        bad
    }
}

#[test]
fn a_damaged_checkpoint_never_states_anything_else() {
    let scratch = Scratch::new("hostile-checkpoint");
    let head = log_of(scratch.path(), 300).head();
    let good = LogDir::new(scratch.path()).note().expect("written");
    let (mut random, mut opened) = (Random(1), 0);
    for _ in 0..20_000 {
        let bad = random.damage(&good);
        let _ = checkpoint::open_unverified(&bad);
        if let Ok(signed) = checkpoint::open(&bad, &vkeys()) {
            assert_eq!(
                signed.checkpoint,
                head,
                "{:?}",
                String::from_utf8_lossy(&bad)
            );
            opened += 1;
        }
    }
    // Repeated or removed signature lines leave the signed text unchanged.
    assert!((1..20_000).contains(&opened), "{opened} opened");
}

#[test]
fn a_damaged_proof_never_proves_another_entry() {
    let scratch = Scratch::new("hostile-proof");
    log_of(scratch.path(), 300);
    let (proof, entry) = LogDir::new(scratch.path())
        .prove(77, &vkeys())
        .expect("in the log");
    let good = proof.to_string().into_bytes();
    let mut random = Random(2);
    for _ in 0..20_000 {
        let Ok(read) = TlogProof::parse(&random.damage(&good)) else {
            continue;
        };
        assert_eq!(
            TlogProof::parse(read.to_string().as_bytes()).ok().as_ref(),
            Some(&read),
            "reads back"
        );
        assert!(read.verify(&entry_bytes(78), &vkeys()).is_err());
        assert!(read.index == 77 || read.verify(&entry, &vkeys()).is_err());
    }
}

#[test]
fn damaged_keys_are_refused_or_read_back() {
    let good = log_key().verifier().to_string();
    let mut random = Random(3);
    for _ in 0..20_000 {
        let bad = random.damage(good.as_bytes());
        let text = String::from_utf8_lossy(&bad);
        if let Ok(key) = VerifierKey::parse(&text) {
            assert_eq!(key.to_string(), text);
            assert_eq!(text, good, "the key id binds name and key");
        }
        let _ = VerifierKey::parse_file(&text);
    }
}

#[test]
fn damaged_paths_bundles_notes_and_texts_do_not_panic() {
    let mut bundle = Vec::new();
    for index in 0..20 {
        let entry = entry_bytes(index);
        bundle.extend_from_slice(&(entry.len() as u16).to_be_bytes());
        bundle.extend_from_slice(&entry);
    }
    let mut random = Random(4);
    for _ in 0..20_000 {
        let path = random.damage(b"tile/entries/x001/x234/067.p/112");
        if let Some(tile) = std::str::from_utf8(&path).ok().and_then(Tile::parse) {
            assert_eq!(tile.path().as_bytes(), path);
        }
        let bad = random.damage(&bundle);
        let total: usize = tile::entries(&bad)
            .filter_map(Result::ok)
            .map(|(_, entry)| entry.len() + 2)
            .sum();
        assert!(total <= bad.len());
        let _ = Checkpoint::parse(&String::from_utf8_lossy(
            &random.damage(b"a/b\n12\n47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\n"),
        ));
        let _ = Note::parse(&random.damage("a\n\n\u{2014} b AAAAAAAA\n".as_bytes()));
    }
}
