//! Verifies a witness log by third-party crates only: `signed_note`, `tlog_tiles` and `ct-merkle`.
//! Uses nothing of this crate, so an error here cannot hide itself.
//!
//! ```text
//! oracle_verify LOG_DIR VKEY_FILE
//! ```
//!
//! Checks the signatures of the log and its cosigner, every tile and entry, the root again by a
//! tree in memory, and some proofs. Prints one line; exit code 1 on an error.

use std::error::Error;
use std::io::{ErrorKind, Write as _};
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use ct_merkle::mem_backed_tree::MemoryBackedTree;
use ct_merkle::{ConsistencyProof, InclusionProof, RootHash};
use sha2::Sha256;
use signed_note::{Note, StandardVerifier, Verifier, VerifierList, key_id};
use tlog_tiles::{
    Checkpoint, Error as TlogError, Hash, HashReader as _, Tile, TileHashReader, TileReader,
};

type Failure = Box<dyn Error>;

/// Result of a verification.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Verified {
    /// Entries in the log.
    pub(crate) size: u64,
    /// Root in base64.
    pub(crate) root: String,
    /// Keys that signed the checkpoint.
    pub(crate) signatures: usize,
}

#[allow(dead_code, reason = "tests/oracle.rs includes this file as a module")]
fn main() -> Result<(), Failure> {
    let args: Vec<_> = std::env::args_os().skip(1).collect();
    let [dir, vkeys] = args.as_slice() else {
        return Err("usage: oracle_verify LOG_DIR VKEY_FILE".into());
    };
    let verified = verify(Path::new(dir), &std::fs::read_to_string(vkeys)?)?;
    let Verified {
        size,
        root,
        signatures,
    } = verified;
    let line = format!(
        "{size} entries, root {root}, {signatures} signatures: \
         good by signed_note, tlog_tiles and ct-merkle"
    );
    Ok(writeln!(std::io::stdout(), "{line}")?)
}

/// Verifies the log in `dir`. The first verifier key is the log's, the others are cosigners'.
///
/// # Errors
/// The first error found.
pub(crate) fn verify(dir: &Path, vkeys: &str) -> Result<Verified, Failure> {
    let verifiers: Vec<_> = vkeys.lines().map(verifier).collect::<Result<_, _>>()?;
    let wanted = verifiers.len();
    let note = Note::from_bytes(&std::fs::read(dir.join("checkpoint"))?)?;
    let (signed, _) = note.verify(&VerifierList::new(verifiers))?;
    if signed.len() != wanted {
        return Err(format!("{} of {wanted} keys have signed", signed.len()).into());
    }
    let head = Checkpoint::from_bytes(note.text()).map_err(|error| error.to_string())?;
    if head.origin() != signed[0].name() || !head.extension().is_empty() {
        return Err(
            "the checkpoint's origin is not the log key's name, or it has extensions".into(),
        );
    }
    let entries = entries(dir, head.size())?;
    let tiles = Tiles {
        dir: dir.to_owned(),
    };
    if head.size() > 0 {
        by_tlog_tiles(&tiles, &head, &entries)?;
    }
    by_ct_merkle(&head, entries)?;
    Ok(Verified {
        size: head.size(),
        root: head.hash().to_string(),
        signatures: signed.len(),
    })
}

/// Adapts a cosigner's key to `signed_note`, which supports only plain Ed25519.
fn verifier(vkey: &str) -> Result<Box<dyn Verifier>, Failure> {
    let shape = || format!("not a verifier key: {vkey}");
    let (name, rest) = vkey.split_once('+').ok_or_else(shape)?;
    let (id, key) = rest.split_once('+').ok_or_else(shape)?;
    let mut key = BASE64.decode(key)?;
    if key.first() != Some(&4) {
        return Ok(Box::new(StandardVerifier::new(vkey)?));
    }
    let cosigner_id = key_id(name, &key);
    if id != format!("{cosigner_id:08x}") {
        return Err(shape().into());
    }
    key[0] = 1;
    let plain = format!("{name}+{:08x}+{}", key_id(name, &key), BASE64.encode(&key));
    Ok(Box::new(Cosigner {
        plain: StandardVerifier::new(&plain)?,
        id: cosigner_id,
    }))
}

/// `cosignature/v1` of C2SP tlog-cosignature.
struct Cosigner {
    plain: StandardVerifier,
    id: u32,
}

impl Verifier for Cosigner {
    fn name(&self) -> &str {
        self.plain.name()
    }

    fn key_id(&self) -> u32 {
        self.id
    }

    fn verify(&self, text: &[u8], signature: &[u8]) -> bool {
        let Some((time, signature)) = signature.split_first_chunk::<8>() else {
            return false;
        };
        let head = format!("cosignature/v1\ntime {}\n", u64::from_be_bytes(*time));
        self.plain
            .verify(&[head.as_bytes(), text].concat(), signature)
    }
}

/// Reads the log's files by the paths of C2SP tlog-tiles; the crate uses `tile/8/<L>/<N>`.
struct Tiles {
    dir: PathBuf,
}

fn read(dir: &Path, kind: &str, tile: &Tile) -> std::io::Result<Vec<u8>> {
    let path = tile.path();
    // "tile/8/<L>/<N>" or "tile/8/data/<N>".
    let number = path.splitn(4, '/').nth(3).unwrap_or_default().to_owned();
    let at = dir.join("tile").join(kind);
    match std::fs::read(at.join(&number)) {
        Err(error) if error.kind() == ErrorKind::NotFound && number.contains(".p/") => {
            std::fs::read(at.join(number.split(".p/").next().unwrap_or_default()))
        }
        other => other,
    }
}

impl TileReader for Tiles {
    fn height(&self) -> u8 {
        8
    }

    fn read_tiles(&self, tiles: &[Tile]) -> Result<Vec<Vec<u8>>, TlogError> {
        let one = |tile: &Tile| {
            let mut bytes = read(&self.dir, &tile.level().to_string(), tile)
                .map_err(|error| TlogError::InvalidInput(format!("{}: {error}", tile.path())))?;
            let wanted = 32 * tile.width() as usize;
            // A partial tile that is now full.
            if bytes.len() == 32 * 256 {
                bytes.truncate(wanted);
            }
            if bytes.len() != wanted {
                let what = format!("{}: {} bytes, not {wanted}", tile.path(), bytes.len());
                return Err(TlogError::InvalidInput(what));
            }
            Ok(bytes)
        };
        tiles.iter().map(one).collect()
    }

    fn save_tiles(&self, _: &[Tile], _: &[Vec<u8>]) {}
}

/// Returns all entries from the bundles.
fn entries(dir: &Path, size: u64) -> Result<Vec<Vec<u8>>, Failure> {
    let mut entries: Vec<Vec<u8>> = Vec::new();
    for index in 0..size.div_ceil(256) {
        let width = (size - index * 256).min(256) as u32;
        let bundle = read(dir, "entries", &Tile::new(8, 0, index, width, true))?;
        let mut rest = bundle.as_slice();
        for _ in 0..width {
            let (len, after) = rest.split_first_chunk::<2>().ok_or("a bundle ends early")?;
            let len = usize::from(u16::from_be_bytes(*len));
            let (entry, after) = after
                .split_at_checked(len)
                .ok_or("a bundle ends inside an entry")?;
            entries.push(entry.to_vec());
            rest = after;
        }
        // The full bundle, with more entries, may replace a partial one.
        if !rest.is_empty() && !is_rest_of_full(rest, 256 - width) {
            return Err(
                format!("bundle {index} has {} bytes after its entries", rest.len()).into(),
            );
        }
    }
    Ok(entries)
}

/// Returns whether `rest` is exactly `count` entries, at least one.
fn is_rest_of_full(mut rest: &[u8], count: u32) -> bool {
    for _ in 0..count {
        let Some((len, after)) = rest.split_first_chunk::<2>() else {
            return false;
        };
        let Some((_, after)) = after.split_at_checked(usize::from(u16::from_be_bytes(*len))) else {
            return false;
        };
        rest = after;
    }
    count > 0 && rest.is_empty()
}

/// Checks every leaf hash by tiles authenticated up to the signed root, then proofs.
fn by_tlog_tiles(tiles: &Tiles, head: &Checkpoint, entries: &[Vec<u8>]) -> Result<(), Failure> {
    let (size, root) = (head.size(), *head.hash());
    let reader = TileHashReader::new(size, root, tiles);
    for (tile, group) in entries.chunks(256).enumerate() {
        let first = tile as u64 * 256;
        let stored: Vec<_> = (first..first + group.len() as u64)
            .map(|n| tlog_tiles::stored_hash_index(0, n))
            .collect();
        let hashes = reader.read_hashes(&stored)?;
        let expected: Vec<Hash> = group
            .iter()
            .map(|entry| tlog_tiles::record_hash(entry))
            .collect();
        if hashes != expected {
            return Err(
                format!("entries {first} and following are not those of their tile").into(),
            );
        }
    }
    for index in samples(size) {
        let proof = tlog_tiles::prove_record(size, index, &reader)?;
        tlog_tiles::check_record(
            &proof,
            size,
            root,
            index,
            tlog_tiles::record_hash(&entries[index as usize]),
        )?;
    }
    Ok(())
}

/// Checks the root and the same samples by a tree in memory.
fn by_ct_merkle(head: &Checkpoint, entries: Vec<Vec<u8>>) -> Result<(), Failure> {
    let mut tree = MemoryBackedTree::<Sha256, Vec<u8>>::new();
    let half = entries.len() / 2;
    let mut old_root: Option<RootHash<Sha256>> = None;
    for (index, entry) in entries.into_iter().enumerate() {
        if index == half && half > 0 {
            old_root = Some(tree.root());
        }
        tree.push(entry);
    }
    let root = tree.root();
    if root.as_bytes().as_slice() != head.hash().0 {
        return Err("the entries do not have the signed root".into());
    }
    for index in samples(head.size()) {
        let proof: InclusionProof<Sha256> = tree.prove_inclusion(index as usize);
        let entry = tree.get(index as usize).ok_or("not in the tree")?;
        root.verify_inclusion(entry, index, &proof)
            .map_err(|error| format!("{error:?}"))?;
    }
    if let Some(old_root) = old_root {
        let added = (head.size() - old_root.num_leaves()) as usize;
        let proof: ConsistencyProof<Sha256> = tree.prove_consistency(added);
        root.verify_consistency(&old_root, &proof)
            .map_err(|error| format!("{error:?}"))?;
    }
    Ok(())
}

/// Returns sample indexes: both ends, both sides of tile borders, and a few between.
fn samples(size: u64) -> impl Iterator<Item = u64> {
    let between = (1..8).map(move |eighth| size / 8 * eighth);
    let mut all: Vec<u64> = [0, 255, 256, 511, 65_535, 65_536, size.saturating_sub(1)]
        .into_iter()
        .chain(between)
        .collect();
    all.retain(|index| *index < size);
    all.sort_unstable();
    all.dedup();
    all.into_iter()
}
