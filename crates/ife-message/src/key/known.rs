//! Verification by keys whose multiples are kept in a table: half the work of [`PublicKey`].
//!
//! S B - k A is a sum of table entries, one per digit of S and of k, without a doubling. The result
//! is the same group element that `verify_strict` of ed25519-dalek compares with R, so that both
//! accept and refuse the same signatures; `tests/known_keys.rs` compares them.

use std::fmt;
use std::hint::black_box;
use std::sync::LazyLock;

use curve25519_dalek::Scalar;
use curve25519_dalek::constants::{ED25519_BASEPOINT_COMPRESSED, EIGHT_TORSION};
use sha2::{Digest, Sha512};

use super::point::{Affine, Point, to_affine};
use super::{BadSignature, PublicKey};

/// Bits of a digit: of k for the table of a key, of S for that of B.
const KEY_DIGIT_BITS: usize = 5;
const BASE_DIGIT_BITS: usize = 6;
/// Most digits of a scalar: those of 5 bits.
const DIGITS_MAX: usize = 51;

/// The parts that all keys share.
struct Base {
    multiples: Multiples<BASE_DIGIT_BITS>,
    /// The canonical encodings of the points of small order.
    small_order: [[u8; 32]; 8],
}

static BASE: LazyLock<Option<Base>> = LazyLock::new(|| {
    Some(Base {
        multiples: Multiples::of(Point::decompress(&ED25519_BASEPOINT_COMPRESSED.to_bytes())?),
        small_order: EIGHT_TORSION.map(|point| point.compress().to_bytes()),
    })
});

/// Builds the table of the base point (172 KiB, about 1 ms), which otherwise the first
/// [`KnownKey`] builds. A process that calls it before it forks shares the pages with its children.
pub fn prepare() {
    LazyLock::force(&BASE);
}

/// A public key with the table of its multiples.
pub struct KnownKey {
    bytes: [u8; 32],
    negated: Multiples<KEY_DIGIT_BITS>,
    base: &'static Base,
}

impl KnownKey {
    /// Memory of one key, bytes.
    pub const SIZE: usize = size_of::<KnownKey>() + Multiples::<KEY_DIGIT_BITS>::SIZE;

    /// Builds the table of `key`, which takes as long as some 15 verifications. `None` for a key
    /// that is no point, which a `PublicKey` never is.
    pub fn new(key: &PublicKey) -> Option<KnownKey> {
        let bytes = key.to_bytes();
        Some(KnownKey {
            bytes,
            negated: Multiples::of(Point::decompress(&bytes)?.negated()),
            base: BASE.as_ref()?,
        })
    }

    /// Returns the 32 bytes.
    pub fn to_bytes(&self) -> [u8; 32] {
        self.bytes
    }

    /// Verifies as [`PublicKey::verify_strict`] does. Allocates nothing.
    pub fn verify_strict(&self, message: &[u8], sig: &[u8; 64]) -> Result<(), BadSignature> {
        let (r, s) = halves(sig);
        let s = Option::<Scalar>::from(Scalar::from_canonical_bytes(s)).ok_or(BadSignature)?;
        let hash = Sha512::new()
            .chain_update(r)
            .chain_update(self.bytes)
            .chain_update(message)
            .finalize();
        let k = Scalar::from_bytes_mod_order_wide(&hash.into());
        let k = Multiples::<KEY_DIGIT_BITS>::digits(k.as_bytes());
        let s = Multiples::<BASE_DIGIT_BITS>::digits(s.as_bytes());
        black_box(self.negated.touch(&k) ^ self.base.multiples.touch(&s));
        let minus_ka = self.negated.add_to(Point::IDENTITY, &k);
        let expected = self.base.multiples.add_to(minus_ka, &s).compress();
        // `expected` is canonical, so an R that equals it decodes to that very point, and its order
        // is seen by its encoding. A `PublicKey` is of no small order.
        if expected == r && !self.base.small_order.contains(&expected) {
            Ok(())
        } else {
            Err(BadSignature)
        }
    }
}

impl fmt::Debug for KnownKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KnownKey").finish_non_exhaustive()
    }
}

fn halves(sig: &[u8; 64]) -> ([u8; 32], [u8; 32]) {
    let (mut r, mut s) = ([0; 32], [0; 32]);
    r.copy_from_slice(&sig[..32]);
    s.copy_from_slice(&sig[32..]);
    (r, s)
}

/// The multiples of a point that signed digits of `BITS` bits select: row i has 1 to 2^(BITS-1)
/// times 2^(BITS i) P.
struct Multiples<const BITS: usize>(Box<[Affine]>);

impl<const BITS: usize> Multiples<BITS> {
    /// Digits of a scalar, which is below 2^253: the highest one takes the last carry.
    const ROWS: usize = 253 / BITS + 1;
    const ROW: usize = 1 << (BITS - 1);
    const SIZE: usize = Self::ROWS * Self::ROW * size_of::<Affine>();

    fn of(point: Point) -> Self {
        let mut points = Vec::with_capacity(Self::ROWS * Self::ROW);
        let mut unit = point;
        for _ in 0..Self::ROWS {
            let mut multiple = unit;
            for _ in 1..Self::ROW {
                points.push(multiple);
                multiple = multiple.plus(&unit);
            }
            points.push(multiple);
            // The last of the row is half of the next row's first.
            unit = multiple.plus(&multiple);
        }
        Self(to_affine(&points))
    }

    /// Returns the signed digits of a scalar, the lowest first.
    #[inline]
    fn digits(scalar: &[u8; 32]) -> [i16; DIGITS_MAX] {
        let (half, mask) = (1 << (BITS - 1), (1 << BITS) - 1);
        let mut carry = 0;
        std::array::from_fn(|number| {
            let value = (bits_from(scalar, number * BITS) & mask) + carry;
            carry = i16::from(value > half);
            value - (carry << BITS)
        })
    }

    /// Returns the multiples that the digits select, each with its sign.
    #[inline]
    fn selected(
        &self,
        digits: &[i16; DIGITS_MAX],
    ) -> impl Iterator<Item = (&Affine, bool)> + use<'_, BITS> {
        let rows = self.0.chunks_exact(Self::ROW);
        rows.zip(*digits).filter_map(|(row, digit)| {
            let index = usize::from(digit.unsigned_abs()); // at most ROW
            Some((row.get(index.wrapping_sub(1))?, digit < 0))
        })
    }

    /// Reads each selected multiple, and returns a number made of all. In a worker the table has
    /// left the caches since the last call: this way the processor waits for all lines at once, and
    /// not for each in its addition.
    #[inline]
    fn touch(&self, digits: &[i16; DIGITS_MAX]) -> u64 {
        self.selected(digits)
            .fold(0, |all, (multiple, _)| all ^ multiple.touch())
    }

    /// Adds to `sum` the multiples that the digits select.
    #[inline]
    fn add_to(&self, sum: Point, digits: &[i16; DIGITS_MAX]) -> Point {
        self.selected(digits)
            .fold(sum, |sum, (multiple, is_negative)| {
                sum.plus_affine(multiple, is_negative)
            })
    }
}

/// Returns 9 or more bits of `scalar` from bit `from` on, as many as a digit has; zeros follow.
#[inline(always)]
fn bits_from(scalar: &[u8; 32], from: usize) -> i16 {
    let byte = |index: usize| u16::from(scalar.get(index).copied().unwrap_or(0));
    let at = from / 8;
    // A digit's bits and those that the shift drops are below the sign: 7 + 6 at most.
    ((byte(at) | byte(at + 1) << 8) >> (from % 8)) as i16
}

#[cfg(test)]
mod tests {
    use curve25519_dalek::constants::ED25519_BASEPOINT_POINT;

    use super::*;

    /// Scalars with long carries, and the greatest there is.
    fn scalars() -> Vec<Scalar> {
        let mut scalars: Vec<_> = (0..200_u64).map(Scalar::from).collect();
        scalars.extend((1..200_u64).map(|n| -Scalar::from(n)));
        for fill in [0x0f, 0x10, 0x55, 0xaa, 0x84, 0x21, 0x42, 0x08, 0xf7, 0xff] {
            scalars.push(Scalar::from_bytes_mod_order([fill; 32]));
            let mut low = [fill; 32];
            low[31] = 0x0f;
            scalars.push(Scalar::from_bytes_mod_order(low));
        }
        scalars
    }

    #[test]
    fn multiples_are_those_of_dalek_for_every_digit_and_carry() {
        let small = EIGHT_TORSION[1];
        for base in [
            ED25519_BASEPOINT_POINT,
            ED25519_BASEPOINT_POINT + small,
            small,
        ] {
            let point = Point::decompress(&base.compress().to_bytes()).expect("a point");
            let (five, six) = (Multiples::<5>::of(point), Multiples::<6>::of(point));
            for scalar in scalars() {
                let expected = (base * scalar).compress().to_bytes();
                let of_five =
                    five.add_to(Point::IDENTITY, &Multiples::<5>::digits(scalar.as_bytes()));
                let of_six =
                    six.add_to(Point::IDENTITY, &Multiples::<6>::digits(scalar.as_bytes()));
                assert_eq!(of_five.compress(), expected, "{scalar:?}");
                assert_eq!(of_six.compress(), expected, "{scalar:?}");
            }
        }
    }

    #[test]
    fn the_documented_sizes_are_right() {
        assert_eq!(Multiples::<KEY_DIGIT_BITS>::SIZE, 102 * 1024);
        assert_eq!(Multiples::<BASE_DIGIT_BITS>::SIZE, 172 * 1024);
    }
}
