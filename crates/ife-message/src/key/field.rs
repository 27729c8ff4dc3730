//! Arithmetic modulo 2^255 - 19, by the formally verified routines of fiat-crypto.
//!
//! A sum or difference is [`Loose`] and may only be multiplied or carried; a product is [`Tight`].
//! The types keep every input within the bounds that the routines were verified for.

use fiat_crypto::curve25519_64 as fiat;

pub(super) type Tight = fiat::fiat_25519_tight_field_element;
pub(super) type Loose = fiat::fiat_25519_loose_field_element;

pub(super) const ZERO: Tight = small(0);
pub(super) const ONE: Tight = small(1);

/// Returns a small number. `n` is below 2^51.
pub(super) const fn small(n: u64) -> Tight {
    fiat::fiat_25519_tight_field_element([n, 0, 0, 0, 0])
}

/// Returns the number of the lower 255 bits, little-endian; it may exceed the modulus.
pub(super) fn from_bytes(bytes: &[u8; 32]) -> Tight {
    let mut low = *bytes;
    low[31] &= 0x7f;
    let mut out = ZERO;
    fiat::fiat_25519_from_bytes(&mut out, &low);
    out
}

/// Returns the one encoding below the modulus.
pub(super) fn to_bytes(a: &Tight) -> [u8; 32] {
    let mut out = [0; 32];
    fiat::fiat_25519_to_bytes(&mut out, a);
    out
}

pub(super) fn is_odd(a: &Tight) -> bool {
    to_bytes(a)[0] & 1 == 1
}

#[inline(always)]
pub(super) const fn relax(a: &Tight) -> Loose {
    fiat::fiat_25519_loose_field_element(a.0)
}

#[inline(always)]
pub(super) const fn carry(a: &Loose) -> Tight {
    let mut out = ZERO;
    fiat::fiat_25519_carry(&mut out, a);
    out
}

#[inline(always)]
pub(super) const fn add(a: &Tight, b: &Tight) -> Loose {
    let mut out = relax(&ZERO);
    fiat::fiat_25519_add(&mut out, a, b);
    out
}

#[inline(always)]
pub(super) const fn sub(a: &Tight, b: &Tight) -> Loose {
    let mut out = relax(&ZERO);
    fiat::fiat_25519_sub(&mut out, a, b);
    out
}

pub(super) const fn negate(a: &Tight) -> Tight {
    carry(&sub(&ZERO, a))
}

#[inline(always)]
pub(super) const fn mul(a: &Loose, b: &Loose) -> Tight {
    let mut out = ZERO;
    fiat::fiat_25519_carry_mul(&mut out, a, b);
    out
}

/// Multiplies two products.
#[inline(always)]
pub(super) const fn times(a: &Tight, b: &Tight) -> Tight {
    mul(&relax(a), &relax(b))
}

/// Squares `count` times.
pub(super) const fn square(a: &Tight, count: u32) -> Tight {
    let mut out = *a;
    let mut done = 0;
    while done < count {
        let base = relax(&out);
        fiat::fiat_25519_carry_square(&mut out, &base);
        done += 1;
    }
    out
}

/// Returns `a` to the power of 2^250 - 1 and `a` to the power of 11.
const fn powers(a: &Tight) -> (Tight, Tight) {
    let a2 = square(a, 1);
    let a9 = times(a, &square(&a2, 2));
    let a11 = times(&a2, &a9);
    // From here on, `xN` is `a` to the power of 2^N - 1.
    let x5 = times(&a9, &square(&a11, 1));
    let x10 = times(&square(&x5, 5), &x5);
    let x20 = times(&square(&x10, 10), &x10);
    let x40 = times(&square(&x20, 20), &x20);
    let x50 = times(&square(&x40, 10), &x10);
    let x100 = times(&square(&x50, 50), &x50);
    let x200 = times(&square(&x100, 100), &x100);
    (times(&square(&x200, 50), &x50), a11)
}

/// Returns 1/a by Fermat, `a` to the power of 2^255 - 21; 0 for 0.
pub(super) const fn invert(a: &Tight) -> Tight {
    let (x250, a11) = powers(a);
    times(&square(&x250, 5), &a11)
}

/// Returns `a` to the power of 2^252 - 3, the candidate for a root (RFC 8032 section 5.1.3).
pub(super) const fn root_power(a: &Tight) -> Tight {
    times(&square(&powers(a).0, 2), a)
}

/// A square root of -1: 2 to the power of 2^253 - 5.
pub(super) const ROOT_OF_MINUS_ONE: Tight = times(&square(&powers(&small(2)).0, 3), &small(8));

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_root_of_minus_one_is_one() {
        let square = times(&ROOT_OF_MINUS_ONE, &ROOT_OF_MINUS_ONE);
        assert_eq!(to_bytes(&square), to_bytes(&negate(&ONE)));
    }

    #[test]
    fn a_number_times_its_inverse_is_one() {
        for n in [1, 2, 19, 121_665, 1 << 50] {
            let n = small(n);
            assert_eq!(to_bytes(&times(&n, &invert(&n))), to_bytes(&ONE));
        }
        assert_eq!(to_bytes(&invert(&ZERO)), [0; 32]);
    }
}
