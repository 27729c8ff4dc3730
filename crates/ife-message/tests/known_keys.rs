//! Known keys accept and refuse what `verify_strict` of ed25519-dalek accepts and refuses:
//! published vectors, points of small and mixed order, encodings that are not canonical, and
//! signatures by chance, whole and altered.
//!
//! `KNOWN_KEYS_SIGNATURES=10000000 KNOWN_KEYS_SEED=7` compares so many by that seed; `make prove
//! ONLY=known-keys` does.

use curve25519_dalek::constants::{ED25519_BASEPOINT_POINT, EIGHT_TORSION};
use curve25519_dalek::{EdwardsPoint, Scalar};
use ed25519_dalek::{Signature, Signer, SigningKey, VerifyingKey};
use ife_message::{KnownKey, PublicKey};
use sha2::{Digest, Sha512};

const SIGNATURES: u64 = 20_000;
/// Signatures by one key; making its table costs as much as some 15 of them.
const SIGNATURES_PER_KEY: u64 = 200;

/// A key, prepared for both verifiers.
struct Pair {
    strict: VerifyingKey,
    known: KnownKey,
}

impl Pair {
    /// Returns `None` for bytes that [`PublicKey`] refuses.
    fn new(bytes: &[u8; 32]) -> Option<Pair> {
        let key = PublicKey::from_bytes(bytes).ok()?;
        Some(Pair {
            strict: VerifyingKey::from_bytes(bytes).expect("a PublicKey is one of dalek's"),
            known: KnownKey::new(&key).expect("a PublicKey is a point"),
        })
    }

    /// Returns the answer of both.
    fn answer(&self, message: &[u8], sig: &[u8; 64]) -> bool {
        let strict = self
            .strict
            .verify_strict(message, &Signature::from_bytes(sig))
            .is_ok();
        let known = self.known.verify_strict(message, sig).is_ok();
        assert_eq!(
            known,
            strict,
            "known, strict; key {:02x?} message {message:02x?} signature {sig:02x?}",
            self.strict.to_bytes()
        );
        strict
    }
}

fn vectors(member: &str) -> Vec<serde_json::Value> {
    let all: serde_json::Value =
        serde_json::from_str(include_str!("known_keys/ed25519.json")).expect("JSON");
    all[member].as_array().expect("rows").clone()
}

fn bytes(row: &serde_json::Value, column: usize) -> Vec<u8> {
    let digits = row[column].as_str().expect("hexadecimal digits").as_bytes();
    digits
        .chunks(2)
        .map(|pair| {
            let pair = std::str::from_utf8(pair).expect("ASCII");
            u8::from_str_radix(pair, 16).expect("two digits")
        })
        .collect()
}

fn array<const N: usize>(row: &serde_json::Value, column: usize) -> Option<[u8; N]> {
    bytes(row, column).try_into().ok()
}

#[test]
fn wycheproof() {
    let (mut valid, mut invalid) = (0, 0);
    for row in vectors("wycheproof") {
        // A signature of another length cannot be asked about.
        let Some(sig) = array(&row, 2) else { continue };
        let key = Pair::new(&array(&row, 0).expect("32 bytes")).expect("a key");
        let expected = row[3].as_bool().expect("valid or not");
        assert_eq!(key.answer(&bytes(&row, 1), &sig), expected, "{row}");
        *(if expected { &mut valid } else { &mut invalid }) += 1;
    }
    // Twelve more signatures have another length than 64 bytes.
    assert_eq!((valid, invalid), (88, 51));
}

#[test]
fn cases_of_taming_the_many_eddsas() {
    let answers: Vec<_> = vectors("speccheck")
        .iter()
        .map(|row| {
            let key = Pair::new(&array(row, 0).expect("32 bytes"))?;
            Some(key.answer(&bytes(row, 1), &array(row, 2).expect("64 bytes")))
        })
        .collect();
    // 0, 1: A is of small order. 2: R is. 3: both of mixed order, the equation holds; 4, 5: only
    // that with the cofactor. 6, 7: S is not below the order. 8, 9: R of small order, written in
    // another way. 10, 11: A so.
    let (no, refused_key) = (Some(false), None);
    assert_eq!(
        answers,
        [
            refused_key,
            refused_key,
            no,
            Some(true),
            no,
            no,
            no,
            no,
            no,
            no,
            refused_key,
            refused_key
        ]
    );
}

/// k = SHA-512(R, A, message) modulo the order.
fn challenge(r: &[u8; 32], a: &[u8; 32], message: &[u8]) -> Scalar {
    let hash = Sha512::new()
        .chain_update(r)
        .chain_update(a)
        .chain_update(message);
    Scalar::from_bytes_mod_order_wide(&hash.finalize().into())
}

fn signature(r: &[u8; 32], s: &[u8; 32]) -> [u8; 64] {
    let mut sig = [0; 64];
    sig[..32].copy_from_slice(r);
    sig[32..].copy_from_slice(s);
    sig
}

/// All encodings of points of small order, canonical or not, with either sign.
fn small_order_encodings() -> Vec<[u8; 32]> {
    let mut all: Vec<[u8; 32]> = EIGHT_TORSION.map(|p| p.compress().to_bytes()).to_vec();
    // y = 0 and 1 also as p and p + 1, and -1 as it is.
    for low in [0xec, 0xed, 0xee] {
        let mut y = [0xff; 32];
        y[0] = low;
        all.push(y);
    }
    all.extend(all.clone().into_iter().map(|mut y| {
        y[31] ^= 0x80;
        y
    }));
    all
}

#[test]
fn points_of_small_and_mixed_order() {
    let (a, r) = (
        Scalar::from(0x0123_4567_89ab_cdef_u64),
        Scalar::from(97_u64),
    );
    let (mut accepted, mut small_r_solves) = (0, 0);
    for torsion_of_a in EIGHT_TORSION {
        let key_point = ED25519_BASEPOINT_POINT * a + torsion_of_a;
        let key_bytes = key_point.compress().to_bytes();
        let key = Pair::new(&key_bytes).expect("not of small order");
        for message in (0..24_u8).map(|n| [n; 3]) {
            for torsion_of_r in EIGHT_TORSION {
                for r in [r, Scalar::ZERO] {
                    let r_point = ED25519_BASEPOINT_POINT * r + torsion_of_r;
                    let r_bytes = r_point.compress().to_bytes();
                    let k = challenge(&r_bytes, &key_bytes, &message);
                    let s = r + k * a;
                    let answer = key.answer(&message, &signature(&r_bytes, s.as_bytes()));
                    let solves = ED25519_BASEPOINT_POINT * s - key_point * k == r_point;
                    assert_eq!(answer, solves && !r_point.is_small_order());
                    accepted += u32::from(answer);
                    small_r_solves += u32::from(solves && r_point.is_small_order());
                }
            }
            for r_bytes in small_order_encodings() {
                let k = challenge(&r_bytes, &key_bytes, &message);
                for s in [k * a, Scalar::ZERO, -Scalar::ONE] {
                    assert!(!key.answer(&message, &signature(&r_bytes, s.as_bytes())));
                }
            }
        }
    }
    assert!(
        accepted > 100 && small_r_solves > 100,
        "{accepted}, {small_r_solves}"
    );
}

#[test]
fn keys_of_small_order_or_not_canonical_are_no_known_keys() {
    for encoding in small_order_encodings() {
        assert!(Pair::new(&encoding).is_none(), "{encoding:02x?}");
    }
    // y = p + 2 to p + 18: other spellings of 2 to 18.
    for low in 0xef..=0xff {
        for high in [0x7f, 0xff] {
            let mut y = [0xff; 32];
            (y[0], y[31]) = (low, high);
            assert!(Pair::new(&y).is_none(), "{y:02x?}");
        }
    }
}

/// SplitMix64: a fixed sequence for a seed.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound as u64) as usize
    }

    fn bytes<const N: usize>(&mut self) -> [u8; N] {
        let mut out = [0; N];
        for chunk in out.chunks_mut(8) {
            chunk.copy_from_slice(&self.next().to_le_bytes()[..chunk.len()]);
        }
        out
    }
}

/// Ways to alter a signature; 0 leaves it as it is.
const ALTERATIONS: usize = 12;

fn alter(way: usize, random: &mut Random, message: &mut [u8; 220], sig: &mut [u8; 64]) {
    let (mut r, mut s): ([u8; 32], [u8; 32]) = (
        sig[..32].try_into().expect("32 bytes"),
        sig[32..].try_into().expect("32 bytes"),
    );
    match way {
        0 => {}
        1 => r[random.below(32)] ^= 1 << random.below(8),
        2 => s[random.below(32)] ^= 1 << random.below(8),
        3 => message[random.below(220)] ^= 1 << random.below(8),
        4 => r[31] ^= 0x80,
        5 => s = add_order(&s),
        6 => r = random.bytes(),
        7 => s = random.bytes(),
        8 => s = Scalar::from_bytes_mod_order(random.bytes()).to_bytes(),
        9 => s = (-scalar(&s)).to_bytes(),
        10 => {
            let encodings = small_order_encodings();
            r = encodings[random.below(encodings.len())];
        }
        _ => r = moved(&r, random),
    }
    *sig = signature(&r, &s);
}

fn scalar(s: &[u8; 32]) -> Scalar {
    Option::from(Scalar::from_canonical_bytes(*s)).expect("of a signature")
}

/// s + order: another spelling of the same scalar.
fn add_order(s: &[u8; 32]) -> [u8; 32] {
    let less_one = (-Scalar::ONE).to_bytes();
    let (mut out, mut carry) = (*s, 1);
    for (byte, of_order) in out.iter_mut().zip(less_one) {
        let sum = u16::from(*byte) + u16::from(of_order) + carry;
        *byte = sum as u8; // its low 8 bits
        carry = sum >> 8;
    }
    out
}

/// R plus a point of small order.
fn moved(r: &[u8; 32], random: &mut Random) -> [u8; 32] {
    let point: Option<EdwardsPoint> =
        curve25519_dalek::edwards::CompressedEdwardsY(*r).decompress();
    let point = point.expect("R of a signature") + EIGHT_TORSION[random.below(8)];
    point.compress().to_bytes()
}

/// Compares `count` signatures; returns how many were accepted.
fn compare(count: u64, seed: u64) -> u64 {
    let mut random = Random(seed);
    let mut accepted = 0;
    let mut done = 0;
    while done < count {
        let signer = SigningKey::from_bytes(&random.bytes());
        let key = Pair::new(&signer.verifying_key().to_bytes()).expect("a key");
        let of_this_key = SIGNATURES_PER_KEY.min(count - done);
        let (mut message, mut signed) = (random.bytes::<220>(), [0; 64]);
        for number in 0..of_this_key {
            if number % 4 == 0 {
                message = random.bytes();
                signed = signer.sign(&message).to_bytes();
            }
            let (mut message, mut sig) = (message, signed);
            // One in four is whole; the others in turns.
            let way = match number % 4 {
                0 => 0,
                _ => 1 + random.below(ALTERATIONS - 1),
            };
            alter(way, &mut random, &mut message, &mut sig);
            let answer = key.answer(&message, &sig);
            assert!(way != 0 || answer, "a whole signature is refused");
            accepted += u64::from(answer);
        }
        done += of_this_key;
    }
    accepted
}

fn setting(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |text| text.parse().expect("a number"))
}

#[test]
fn random_and_altered_signatures() {
    let count = setting("KNOWN_KEYS_SIGNATURES", SIGNATURES);
    let seed = setting("KNOWN_KEYS_SEED", 0x1fe);
    let threads = std::thread::available_parallelism().map_or(1, |n| n.get() as u64);
    let parts: Vec<_> = (0..threads)
        .map(|part| {
            let share = count / threads + u64::from(part < count % threads);
            std::thread::spawn(move || compare(share, seed.wrapping_add(part << 32)))
        })
        .collect();
    let accepted: u64 = parts
        .into_iter()
        .map(|part| part.join().expect("no disagreement"))
        .sum();
    eprintln!("seed {seed}: {count} signatures compared, {accepted} accepted, no disagreement");
    assert!(accepted >= count / 4 && accepted < count / 2);
}
