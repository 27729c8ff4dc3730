//! Any bytes as a proof: a proof file reads back, and of all proofs of a small tree the true one
//! alone is accepted.

use ife_witness::merkle::{Hash, leaf_hash, root_of};
use ife_witness::proof::{TlogProof, verify_consistency, verify_inclusion};

/// Leaves of the largest tree.
const LEAVES_MAX: u8 = 40;

/// The bytes as a file; and as numbers and changed hashes of a proof.
pub(crate) fn check(data: &[u8]) {
    if let Ok(proof) = TlogProof::parse(data) {
        assert_eq!(
            TlogProof::parse(proof.to_string().as_bytes()).ok(),
            Some(proof)
        );
    }
    let Some(([size, at, claimed_size, claimed_at], changes)) = data.split_first_chunk() else {
        return;
    };
    let size = usize::from(size % LEAVES_MAX) + 1;
    let leaves: Vec<Hash> = (0..size).map(|n| leaf_hash(&[n as u8])).collect();
    let at = usize::from(*at) % size;
    let claim = (u64::from(*claimed_at), u64::from(*claimed_size));
    inclusion(&leaves, at, claim, changes);
    consistency(&leaves, at, claim, changes);
}

fn inclusion(leaves: &[Hash], at: usize, (claimed_at, size): (u64, u64), changes: &[u8]) {
    let truth = path(at, leaves);
    let proof = changed(&truth, changes);
    let root = root_of(leaves);
    let whole = leaves.len() as u64;
    verify_inclusion(&leaves[at], at as u64, whole, &truth, &root).expect("the true proof");
    if verify_inclusion(&leaves[at], at as u64, whole, &proof, &root).is_ok() {
        assert_eq!(proof, truth);
    }
    // Of another size the same hashes may prove the leaf; at another place never.
    if verify_inclusion(&leaves[at], claimed_at, whole, &proof, &root).is_ok() {
        assert_eq!(claimed_at, at as u64);
    }
    let _ = verify_inclusion(&leaves[at], claimed_at, size, &proof, &root);
}

fn consistency(leaves: &[Hash], old: usize, claim: (u64, u64), changes: &[u8]) {
    let truth = if old == 0 {
        Vec::new()
    } else {
        subproof(old, leaves, true)
    };
    let (old_root, root) = (root_of(&leaves[..old]), root_of(leaves));
    let (old, whole) = (old as u64, leaves.len() as u64);
    verify_consistency(old, &old_root, whole, &root, &truth).expect("the true proof");
    let proof = changed(&truth, changes);
    if verify_consistency(old, &old_root, whole, &root, &proof).is_ok() {
        assert_eq!(proof, truth);
    }
    let _ = verify_consistency(claim.0, &old_root, claim.1, &root, &proof);
}

/// Pairs of place and value, as long as there are hashes; a lone last byte cuts or lengthens the
/// proof.
fn changed(truth: &[Hash], changes: &[u8]) -> Vec<Hash> {
    let mut proof = truth.to_vec();
    let pairs = changes.chunks_exact(2);
    match pairs.remainder() {
        [] => {}
        [n] if n & 1 == 0 => drop(proof.pop()),
        _ => proof.push([1; 32]),
    }
    for pair in pairs {
        let bytes = proof.len() * 32;
        if bytes > 0 {
            let at = usize::from(pair[0]) % bytes;
            proof[at / 32][at % 32] ^= pair[1];
        }
    }
    proof
}

/// RFC 6962, 2.1.1, as it is written there.
fn path(at: usize, leaves: &[Hash]) -> Vec<Hash> {
    if leaves.len() == 1 {
        return Vec::new();
    }
    let (left, right) = leaves.split_at(split(leaves.len()));
    let (mut proof, sibling) = if at < left.len() {
        (path(at, left), right)
    } else {
        (path(at - left.len(), right), left)
    };
    proof.push(root_of(sibling));
    proof
}

/// RFC 6962, 2.1.2, as it is written there.
fn subproof(old: usize, leaves: &[Hash], known: bool) -> Vec<Hash> {
    if old == leaves.len() {
        return if known {
            Vec::new()
        } else {
            vec![root_of(leaves)]
        };
    }
    let (left, right) = leaves.split_at(split(leaves.len()));
    let (mut proof, other) = if old <= left.len() {
        (subproof(old, left, known), right)
    } else {
        (subproof(old - left.len(), right, false), left)
    };
    proof.push(root_of(other));
    proof
}

/// The largest power of two below `len`.
fn split(len: usize) -> usize {
    len.next_power_of_two() / 2
}
