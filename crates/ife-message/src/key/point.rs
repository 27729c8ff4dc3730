//! Points of edwards25519 (RFC 8032 section 5.1): -x^2 + y^2 = 1 + d x^2 y^2.
//!
//! The addition formulas (Hisil, Wong, Carter, Dawson 2008, for a = -1) are complete: they hold for
//! every pair of points of the curve, of any order. Not constant in time: for public data only.

use super::field::{
    self, Loose, ONE, ROOT_OF_MINUS_ONE, Tight, ZERO, add, carry, invert, mul, negate, relax,
    root_power, small, square, sub, times,
};

/// d = -121665/121666.
const D: Tight = times(&negate(&small(121_665)), &invert(&small(121_666)));
const D2: Tight = carry(&add(&D, &D));

/// A point in extended coordinates: x = X/Z, y = Y/Z, T = XY/Z.
#[derive(Clone, Copy)]
pub(super) struct Point {
    x: Tight,
    y: Tight,
    z: Tight,
    t: Tight,
}

/// A point made ready to be added: y + x, y - x and 2dxy. It fills two cache lines.
#[derive(Clone, Copy)]
#[repr(align(64))]
pub(super) struct Affine {
    plus: Tight,
    minus: Tight,
    xy2d: Tight,
}

impl Affine {
    /// Reads both cache lines.
    #[inline(always)]
    pub(super) fn touch(&self) -> u64 {
        self.plus.0[0] ^ self.minus.0[0] ^ self.xy2d.0[0]
    }
}

impl Point {
    /// The neutral element.
    pub(super) const IDENTITY: Point = Point {
        x: ZERO,
        y: ONE,
        z: ONE,
        t: ZERO,
    };

    /// Returns the point with this encoding. A y of 2^255 - 19 or above is not refused.
    pub(super) fn decompress(bytes: &[u8; 32]) -> Option<Point> {
        let y = field::from_bytes(bytes);
        let y2 = square(&y, 1);
        let u = carry(&sub(&y2, &ONE));
        let v = carry(&add(&times(&y2, &D), &ONE));
        let v3 = times(&square(&v, 1), &v);
        let v7 = times(&square(&v3, 1), &v);
        let mut x = times(&times(&u, &v3), &root_power(&times(&u, &v7)));
        let check = field::to_bytes(&times(&v, &square(&x, 1)));
        if check == field::to_bytes(&negate(&u)) && check != [0; 32] {
            x = times(&x, &ROOT_OF_MINUS_ONE);
        } else if check != field::to_bytes(&u) {
            return None;
        }
        if field::is_odd(&x) != (bytes[31] >> 7 == 1) {
            x = negate(&x);
        }
        let t = times(&x, &y);
        Some(Point { x, y, z: ONE, t })
    }

    /// Returns the encoding, with y below 2^255 - 19.
    pub(super) fn compress(&self) -> [u8; 32] {
        let z = invert(&self.z);
        let mut bytes = field::to_bytes(&times(&self.y, &z));
        bytes[31] |= u8::from(field::is_odd(&times(&self.x, &z))) << 7;
        bytes
    }

    pub(super) fn negated(&self) -> Point {
        Point {
            x: negate(&self.x),
            t: negate(&self.t),
            ..*self
        }
    }

    pub(super) fn plus(&self, other: &Point) -> Point {
        let a = mul(&sub(&self.y, &self.x), &sub(&other.y, &other.x));
        let b = mul(&add(&self.y, &self.x), &add(&other.y, &other.x));
        let c = times(&times(&self.t, &other.t), &D2);
        let z = times(&self.z, &other.z);
        let d = carry(&add(&z, &z));
        Self::complete(&a, &b, &add(&d, &c), &sub(&d, &c))
    }

    /// Adds `other`, or subtracts it. Seven multiplications and no branch on the sign, which is as
    /// good as random and would be mispredicted every other time.
    #[inline(always)]
    pub(super) fn plus_affine(&self, other: &Affine, is_negative: bool) -> Point {
        let (plus, minus) = ordered(&other.plus, &other.minus, is_negative);
        let a = mul(&sub(&self.y, &self.x), &relax(minus));
        let b = mul(&add(&self.y, &self.x), &relax(plus));
        let c = times(&self.t, &other.xy2d);
        let d = carry(&add(&self.z, &self.z));
        let (sum, difference) = (add(&d, &c), sub(&d, &c));
        let (g, f) = ordered(&sum, &difference, is_negative);
        Self::complete(&a, &b, g, f)
    }

    #[inline(always)]
    fn complete(a: &Tight, b: &Tight, g: &Loose, f: &Loose) -> Point {
        let (e, h) = (sub(b, a), add(b, a));
        Point {
            x: mul(&e, f),
            y: mul(g, &h),
            z: mul(f, g),
            t: mul(&e, &h),
        }
    }
}

#[inline(always)]
fn ordered<T>(first: T, second: T, is_swapped: bool) -> (T, T) {
    if is_swapped {
        (second, first)
    } else {
        (first, second)
    }
}

/// Makes points ready to be added. One inversion serves all: each is a product of the others'
/// inverses.
pub(super) fn to_affine(points: &[Point]) -> Box<[Affine]> {
    let mut product = ONE;
    let before: Vec<Tight> = points
        .iter()
        .map(|point| {
            let so_far = product;
            product = times(&product, &point.z);
            so_far
        })
        .collect();
    let mut inverse = invert(&product);
    let mut out: Vec<Affine> = points
        .iter()
        .zip(&before)
        .rev()
        .map(|(point, before)| {
            let z = times(&inverse, before);
            inverse = times(&inverse, &point.z);
            let (x, y) = (times(&point.x, &z), times(&point.y, &z));
            Affine {
                plus: carry(&add(&y, &x)),
                minus: carry(&sub(&y, &x)),
                xy2d: times(&times(&x, &y), &D2),
            }
        })
        .collect();
    out.reverse();
    out.into_boxed_slice()
}

#[cfg(test)]
mod tests {
    use curve25519_dalek::{constants::EIGHT_TORSION, edwards::CompressedEdwardsY};

    use super::*;

    fn same(ours: &Point, theirs: &curve25519_dalek::EdwardsPoint) {
        assert_eq!(ours.compress(), theirs.compress().to_bytes());
    }

    #[test]
    fn encodings_are_decoded_as_dalek_decodes_them() {
        for n in 0..4000_u32 {
            let mut bytes = [0; 32];
            bytes[..4].copy_from_slice(&n.wrapping_mul(0x9e37_79b9).to_le_bytes());
            bytes[28..].copy_from_slice(&n.wrapping_mul(0x85eb_ca6b).to_le_bytes());
            // Half of them near the modulus, canonical or not.
            if n % 2 == 0 {
                bytes = [0xff; 32];
                bytes[0] = n.to_le_bytes()[0];
                bytes[31] = if n % 4 == 0 { 0x7f } else { 0xff };
            }
            let theirs = CompressedEdwardsY(bytes).decompress();
            match (Point::decompress(&bytes), theirs) {
                (Some(ours), Some(theirs)) => same(&ours, &theirs),
                (None, None) => {}
                (ours, theirs) => panic!("{bytes:02x?}: {} {theirs:?}", ours.is_some()),
            }
        }
    }

    #[test]
    fn sums_are_those_of_dalek_for_points_of_every_order() {
        let base = curve25519_dalek::constants::ED25519_BASEPOINT_POINT;
        let mut theirs: Vec<_> = EIGHT_TORSION.to_vec();
        theirs.extend(EIGHT_TORSION.iter().map(|small| small + base));
        theirs.extend(EIGHT_TORSION.iter().map(|small| small - base));
        let ours: Vec<_> = theirs
            .iter()
            .map(|point| Point::decompress(&point.compress().to_bytes()).expect("a point"))
            .collect();
        let ready = to_affine(&ours);
        for (a, their_a) in ours.iter().zip(&theirs) {
            same(&a.negated(), &-their_a);
            for ((b, b_ready), their_b) in ours.iter().zip(&ready).zip(&theirs) {
                // Z other than 1.
                let (c, their_c) = (a.plus(b), their_a + their_b);
                same(&c, &their_c);
                same(&c.plus_affine(b_ready, false), &(their_c + their_b));
                same(&c.plus_affine(b_ready, true), &(their_c - their_b));
                same(&Point::IDENTITY.plus_affine(b_ready, true), &-their_b);
            }
        }
    }
}
