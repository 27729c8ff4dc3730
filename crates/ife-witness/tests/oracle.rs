//! The log against other implementations of the same specifications.

mod logs;
#[path = "../../../tests/tools/src/oracle_verify.rs"]
mod oracle_verify;

use std::fs;
use std::io;

use ct_merkle::mem_backed_tree::MemoryBackedTree;
use ife_witness::checkpoint::{self, Checkpoint};
use ife_witness::merkle::{Frontier, Hash, leaf_hash, node_hash};
use ife_witness::note::{KeyKind, Note, SigningKey, VerifierKey};
use ife_witness::proof::{TileTree, verify_consistency, verify_inclusion};
use ife_witness::tile::{Tile, TileKind, TreeBuilder};
use logs::{LogWriter, Scratch, cosigner_key, log_key, log_of};
use sha2::Sha256;
use signed_note::{StandardSigner, StandardVerifier, Verifier as _, VerifierList};

const SIZES: [u64; 16] = [
    0, 1, 2, 3, 7, 255, 256, 257, 511, 512, 1000, 65_535, 65_536, 65_537, 66_000, 70_000,
];

/// Returns leaf `index` of the trees below.
fn leaf(index: u64) -> [u8; 8] {
    index.to_be_bytes()
}

/// Returns ct-merkle's tree in memory and this crate's root, at each of [`SIZES`].
fn each_size(mut check: impl FnMut(u64, Hash, &MemoryBackedTree<Sha256, [u8; 8]>)) {
    let (mut theirs, mut ours) = (MemoryBackedTree::<Sha256, [u8; 8]>::new(), Frontier::new());
    for size in SIZES {
        for index in ours.size()..size {
            theirs.push(leaf(index));
            ours.push(leaf_hash(&leaf(index)));
        }
        check(size, ours.root(), &theirs);
    }
}

/// Returns every file of a tree of `size` leaves.
fn tiles(size: u64) -> impl Fn(&Tile) -> io::Result<Vec<u8>> {
    let (mut builder, mut full) = (TreeBuilder::new(), Vec::new());
    for index in 0..size {
        builder
            .append(&leaf(index), leaf_hash(&leaf(index)), &mut full)
            .expect("short");
    }
    let mut files: std::collections::HashMap<_, _> = full
        .into_iter()
        .map(|file| (file.tile, file.bytes))
        .collect();
    files.extend(
        builder
            .partials()
            .map(|(tile, bytes)| (tile, bytes.to_vec())),
    );
    move |tile| {
        files
            .get(tile)
            .cloned()
            .ok_or_else(|| io::ErrorKind::NotFound.into())
    }
}

fn sample_indexes(size: u64) -> Vec<u64> {
    let mut all = vec![
        0,
        1,
        254,
        255,
        256,
        257,
        size / 2,
        size / 3,
        size.saturating_sub(2),
        size.saturating_sub(1),
    ];
    all.retain(|index| *index < size);
    all.sort_unstable();
    all.dedup();
    all
}

#[test]
fn roots_are_those_of_ct_merkle() {
    each_size(|size, root, theirs| {
        assert_eq!(theirs.root().as_bytes().as_slice(), root, "size {size}")
    });
}

#[test]
fn hashes_are_those_of_tlog_tiles() {
    for entry in [&b""[..], b"x", &[7; 1000]] {
        assert_eq!(tlog_tiles::record_hash(entry).0, leaf_hash(entry));
    }
    let (a, b) = (leaf_hash(b"a"), leaf_hash(b"b"));
    assert_eq!(
        tlog_tiles::node_hash(tlog_tiles::Hash(a), tlog_tiles::Hash(b)).0,
        node_hash(&a, &b)
    );
}

#[test]
fn inclusion_proofs_are_those_of_ct_merkle_and_pass_its_check_and_that_of_tlog_tiles() {
    each_size(|size, root, theirs| {
        let mut ours = TileTree::new(size, tiles(size));
        for index in sample_indexes(size) {
            let proof = ours.inclusion(index).expect("in the tree");
            let their_proof = theirs.prove_inclusion(index as usize);
            assert_eq!(
                proof.concat(),
                their_proof.as_bytes(),
                "entry {index} of {size}"
            );
            verify_inclusion(&leaf_hash(&leaf(index)), index, size, &proof, &root).expect("ours");
            theirs
                .root()
                .verify_inclusion(&leaf(index), index, &their_proof)
                .expect("ct-merkle");
            let record: Vec<_> = proof.iter().map(|hash| tlog_tiles::Hash(*hash)).collect();
            let hash = tlog_tiles::record_hash(&leaf(index));
            tlog_tiles::check_record(&record, size, tlog_tiles::Hash(root), index, hash)
                .expect("tlog_tiles");
        }
    });
}

#[test]
fn consistency_proofs_are_those_of_ct_merkle_and_pass_the_check_of_tlog_tiles() {
    let mut roots = std::collections::HashMap::new();
    each_size(|size, root, theirs| {
        roots.insert(size, root);
        let mut ours = TileTree::new(size, tiles(size));
        for old in SIZES.into_iter().filter(|old| (1..=size).contains(old)) {
            let proof = ours.consistency(old).expect("a beginning");
            verify_consistency(old, &roots[&old], size, &root, &proof).expect("ours");
            if old < size {
                let their_proof = theirs.prove_consistency((size - old) as usize);
                assert_eq!(proof.concat(), their_proof.as_bytes(), "{old} to {size}");
            }
            let tree: Vec<_> = proof.iter().map(|hash| tlog_tiles::Hash(*hash)).collect();
            let (new_hash, old_hash) = (tlog_tiles::Hash(root), tlog_tiles::Hash(roots[&old]));
            tlog_tiles::check_tree(&tree, size, new_hash, old, old_hash).expect("tlog_tiles");
        }
    });
}

#[test]
fn the_same_tiles_are_published_as_by_tlog_tiles() {
    for (old, new) in [
        (0, 1),
        (0, 255),
        (0, 256),
        (255, 257),
        (0, 70_000),
        (65_535, 65_536),
        (65_000, 70_000),
    ] {
        let mut theirs: Vec<String> = tlog_tiles::Tile::new_tiles(8, old, new)
            .iter()
            .map(|tile| tile.path().replacen("tile/8/", "tile/", 1))
            .collect();
        let (mut builder, mut full) = (TreeBuilder::new(), Vec::new());
        for index in 0..new {
            if index == old {
                full.clear();
            }
            builder
                .append(&leaf(index), leaf_hash(&leaf(index)), &mut full)
                .expect("short");
        }
        // `new_tiles` leaves out the partial tile of a level without new hashes.
        let grown = |tile: &Tile| match tile.kind {
            TileKind::Hashes { level } => old >> (8 * level) != new >> (8 * level),
            TileKind::Entries => false,
        };
        let partial = builder.partials().map(|(tile, _)| tile);
        let mut ours: Vec<_> = full
            .iter()
            .map(|file| file.tile)
            .chain(partial)
            .filter(grown)
            .map(|t| t.path())
            .collect();
        ours.sort();
        theirs.sort();
        assert_eq!(ours, theirs, "{old} to {new}");
    }
}

#[test]
fn checkpoints_read_the_same_there() {
    let scratch = Scratch::new("oracle-checkpoint");
    for size in [0, 1, 300] {
        let head = log_of(scratch.path(), size).head();
        let theirs =
            tlog_tiles::Checkpoint::new(&head.origin, size, tlog_tiles::Hash(head.root), "")
                .expect("well-formed");
        assert_eq!(theirs.to_bytes(), head.to_string().as_bytes());
        assert_eq!(
            Checkpoint::parse(&String::from_utf8(theirs.to_bytes()).expect("text")),
            Ok(head)
        );
    }
}

#[test]
fn notes_signed_here_verify_there_and_the_other_way_round() {
    let (ours, text) = (
        log_key(),
        "log.example/witness\n0\n47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\n",
    );
    let vkey = ours.verifier().to_string();
    let verifier = StandardVerifier::new(&vkey).expect("our key string");
    assert_eq!(
        (verifier.name(), verifier.key_id().to_be_bytes()),
        (ours.verifier().name(), ours.verifier().id())
    );

    let note = checkpoint::Checkpoint::parse(text)
        .expect("good")
        .sign(&ours, Some((&cosigner_key(), 1)))
        .expect("good");
    let theirs = signed_note::Note::from_bytes(note.as_bytes()).expect("our note");
    let (good, unknown) = theirs
        .verify(&VerifierList::new(vec![Box::new(verifier)]))
        .expect("our signature");
    assert_eq!((good.len(), unknown.len()), (1, 1));
    assert_eq!(theirs.to_bytes(), note.as_bytes());

    // The private key string of Go's sumdb/note, for a seed known to both sides.
    let seed = [42; 32];
    let key = SigningKey::from_seed("example.com/theirs", KeyKind::Log, &seed).expect("good name");
    let id = u32::from_be_bytes(key.verifier().id());
    let secret = base64::Engine::encode(
        &base64::engine::general_purpose::STANDARD,
        [&[1][..], &seed].concat(),
    );
    let signer = StandardSigner::new(&format!("PRIVATE+KEY+example.com/theirs+{id:08x}+{secret}"))
        .expect("a key");
    let mut theirs = signed_note::Note::new(text.as_bytes(), &[]).expect("a text");
    theirs.add_sigs(&[&signer]).expect("signed");
    let bytes = theirs.to_bytes();
    let verified = Note::parse(&bytes)
        .expect("their note")
        .verify(&[key.verifier().clone()]);
    assert_eq!(verified.expect("their signature").len(), 1);
    assert_eq!(
        ife_witness::note::sign(text, &[&key], 0)
            .expect("good")
            .as_bytes(),
        bytes,
        "Ed25519 signs the same everywhere"
    );
}

#[test]
fn whole_logs_pass_the_foreign_verifier() {
    let vkeys = format!("{}\n{}\n", log_key().verifier(), cosigner_key().verifier());
    for size in [0, 1, 255, 256, 257, 1000, 66_000] {
        let scratch = Scratch::new("oracle-log");
        let writer = log_of(scratch.path(), size);
        let verified = oracle_verify::verify(scratch.path(), &vkeys)
            .unwrap_or_else(|e| panic!("size {size}: {e}"));
        assert_eq!((verified.size, verified.signatures), (size, 2));
        assert_eq!(
            verified.root,
            tlog_tiles::Hash(writer.builder.root()).to_string()
        );
    }
}

#[test]
fn the_foreign_verifier_detects_errors() {
    let vkeys = format!("{}\n{}\n", log_key().verifier(), cosigner_key().verifier());
    let scratch = Scratch::new("oracle-wrong");
    log_of(scratch.path(), 600);
    for (file, at) in [
        ("tile/entries/001", 100),
        ("tile/0/000", 5000),
        ("tile/1/000.p/2", 40),
        ("checkpoint", 30),
    ] {
        let path = scratch.path().join(file);
        let good = fs::read(&path).expect("there");
        let mut bad = good.clone();
        bad[at] ^= 1;
        fs::write(&path, bad).expect("written");
        assert!(
            oracle_verify::verify(scratch.path(), &vkeys).is_err(),
            "{file}"
        );
        fs::write(&path, &good).expect("written");
    }
    for file in [
        "tile/entries/001",
        "tile/0/000",
        "tile/1/000.p/2",
        "checkpoint",
    ] {
        let path = scratch.path().join(file);
        let good = fs::read(&path).expect("there");
        for more in [&b"\0"[..], b"\0\0", b"\0\x02{}", b"\n", &[0; 32]] {
            fs::write(&path, [&good, more].concat()).expect("written");
            assert!(
                oracle_verify::verify(scratch.path(), &vkeys).is_err(),
                "{file} and {} bytes more",
                more.len()
            );
        }
        fs::write(&path, good).expect("written");
    }
    let stranger = SigningKey::from_seed(logs::ORIGIN, KeyKind::Log, &[99; 32]).expect("good name");
    let strange: &VerifierKey = stranger.verifier();
    assert!(oracle_verify::verify(scratch.path(), &format!("{strange}\n")).is_err());
    oracle_verify::verify(scratch.path(), &vkeys).expect("good again");
}

#[test]
fn a_log_resumed_many_times_is_the_same_log() {
    let (scratch, straight) = (
        Scratch::new("oracle-resumed"),
        Scratch::new("oracle-straight"),
    );
    let mut writer = LogWriter::new(scratch.path());
    for size in [1, 200, 256, 700, 701] {
        writer.grow(size);
        writer.publish();
        let read = |tile: &Tile| fs::read(scratch.path().join(tile.path()));
        writer.builder = TreeBuilder::resume(size, read).expect("what was written");
    }
    let expected = log_of(straight.path(), 701);
    assert_eq!(writer.head(), expected.head());
    for file in logs::files(straight.path()) {
        let name = file.strip_prefix(straight.path()).expect("below");
        assert_eq!(
            fs::read(scratch.path().join(name)).expect("there too"),
            fs::read(&file).expect("there"),
            "{}",
            name.display()
        );
    }
}
