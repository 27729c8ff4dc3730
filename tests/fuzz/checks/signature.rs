//! Any bytes as the body of X-IF-Signature: what parses has one spelling, and its 64 bytes are
//! those that a second decoder of base64 finds.

use ife_message::{AnySignature, LegacySignature, SignatureHeader};

const STANDARD: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
const URL_SAFE: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// Round trip, and agreement with [`decode`].
pub(crate) fn check(data: &[u8]) {
    let text: Vec<u8> = String::from_utf8_lossy(data)
        .trim_matches([' ', '\t'])
        .bytes()
        .collect();
    match AnySignature::parse(data) {
        Ok(AnySignature::V1(header)) => {
            assert_eq!(header.to_string().as_bytes(), text);
            assert_eq!(SignatureHeader::parse(&text).ok(), Some(header));
            let sig = text.rsplit(|&b| b == b'=').next().unwrap_or_default();
            assert_eq!(decode(URL_SAFE, sig), Some(header.sig.to_vec()));
        }
        Ok(AnySignature::Legacy(legacy)) => {
            assert_eq!(LegacySignature::parse(&text).ok(), Some(legacy));
            let value = text.strip_prefix(b"ed25519:").unwrap_or(&text);
            let bytes = if value.len() == 128 {
                hex(value)
            } else {
                decode(STANDARD, value.strip_suffix(b"==").unwrap_or(value))
            };
            assert_eq!(bytes, Some(legacy.sig.to_vec()));
        }
        Err(_) => {}
    }
}

/// Base64 without padding, whose unused bits are zero (RFC 4648 3.5), a bit at a time.
fn decode(alphabet: &[u8; 64], text: &[u8]) -> Option<Vec<u8>> {
    let mut bits = Vec::new();
    for byte in text {
        let value = alphabet.iter().position(|c| c == byte)?;
        bits.extend((0..6).rev().map(|i| value >> i & 1));
    }
    let whole = bits.len() / 8 * 8;
    if bits.len() - whole >= 6 || bits[whole..].contains(&1) {
        return None;
    }
    let byte = |chunk: &[usize]| chunk.iter().fold(0, |n, bit| n << 1 | *bit as u8);
    Some(bits[..whole].chunks(8).map(byte).collect())
}

fn hex(text: &[u8]) -> Option<Vec<u8>> {
    text.chunks(2)
        .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok())
        .collect()
}
