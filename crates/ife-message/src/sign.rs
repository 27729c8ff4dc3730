//! The bytes that an X-IF-Signature signs; signing and verifying.

use std::io::Write;

use ife_words::hex;

use crate::{
    aor::Aor,
    ids::{Hazard, Kid, TraceId},
    key::{BadSignature, PrivateKey, PublicKey},
    signature::{Covered, Part, SignatureHeader},
};

/// First line of the signed bytes of version 1.
const CONTEXT: &[u8] = b"if-escalate-v1\n";
/// Longest Call-ID that can be covered, in bytes.
pub const CALL_ID_LEN_MAX: usize = 512;

/// Latest `iat` that a header can carry: 12 digits.
pub const IAT_MAX: u64 = 999_999_999_999;

/// The fields that a signature of version 1 may cover, beside the key id of its signer.
#[derive(Debug, Clone, Copy)]
pub struct SignedFields<'a> {
    /// Time of signing, Unix seconds.
    pub iat: u64,
    /// Value of X-IF-Trace-ID.
    pub trace_id: &'a TraceId,
    /// Value of X-IF-Hazard.
    pub hazard: &'a Hazard,
    /// Address in the From header.
    pub caller: &'a Aor,
    /// Address of the Request-URI.
    pub callee: &'a Aor,
    /// The covered ones of the following, in order.
    pub covered: Covered,
    /// Call-ID; used only if covered.
    pub call_id: &'a [u8],
    /// SHA-256 of the body as sent; used only if covered.
    pub body_sha256: Option<[u8; 32]>,
}

/// Reasons why there are no signed bytes, or why a signature over them is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SignError {
    /// `cid` is covered, and the Call-ID is empty, over [`CALL_ID_LEN_MAX`], or holds a byte other
    /// than visible ASCII. A line break in it would make one signature valid for two different
    /// calls.
    #[error("the Call-ID cannot be signed")]
    CallId,
    /// `sdp` is covered and the hash of the body is missing.
    #[error("the body is covered but its hash is missing")]
    BodyHash,
    /// The name of the private key is not a key id.
    #[error("the name of the key is not a key id: 1 to 64 of [A-Za-z0-9._-]")]
    Kid,
    /// `iat` is 10^12 or above, which no header can carry.
    #[error("iat is not a time in Unix seconds")]
    IssuedAt,
    /// The signature does not verify.
    #[error(transparent)]
    BadSignature(#[from] BadSignature),
}

/// Returns whether a Call-ID can be covered.
pub fn is_call_id(call_id: &[u8]) -> bool {
    (1..=CALL_ID_LEN_MAX).contains(&call_id.len()) && call_id.iter().all(u8::is_ascii_graphic)
}

/// Replaces the contents of `out` by the signed bytes; on an error `out` is left empty.
pub fn canonical_bytes(
    kid: &Kid,
    fields: &SignedFields<'_>,
    out: &mut Vec<u8>,
) -> Result<(), SignError> {
    out.clear();
    if fields.iat > IAT_MAX {
        return Err(SignError::IssuedAt);
    }
    if fields.covered.contains(Part::CallId) && !is_call_id(fields.call_id) {
        return Err(SignError::CallId);
    }
    if fields.covered.contains(Part::Sdp) && fields.body_sha256.is_none() {
        return Err(SignError::BodyHash);
    }
    out.extend_from_slice(CONTEXT);
    line(out, kid.as_bytes());
    // Writing to a Vec cannot fail.
    _ = writeln!(out, "{}", fields.iat);
    line(out, fields.trace_id.as_bytes());
    line(out, fields.hazard.as_bytes());
    line(out, fields.caller.as_bytes());
    line(out, fields.callee.as_bytes());
    for part in fields.covered.parts() {
        match part {
            Part::CallId => line(out, fields.call_id),
            Part::Sdp => line(
                out,
                &hex::digits_of_32(&fields.body_sha256.unwrap_or_default()),
            ),
        }
    }
    Ok(())
}

fn line(out: &mut Vec<u8>, text: &[u8]) {
    out.extend_from_slice(text);
    out.push(b'\n');
}

/// Verifies a signature over `fields`. `scratch` holds the signed bytes afterwards.
pub fn verify(
    key: &PublicKey,
    kid: &Kid,
    fields: &SignedFields<'_>,
    sig: &[u8; 64],
    scratch: &mut Vec<u8>,
) -> Result<(), SignError> {
    canonical_bytes(kid, fields, scratch)?;
    Ok(key.verify_strict(scratch, sig)?)
}

/// Signs a call; the name of the key becomes the kid.
pub fn sign(key: &PrivateKey, fields: &SignedFields<'_>) -> Result<SignatureHeader, SignError> {
    let kid = Kid::parse(key.name().as_bytes()).map_err(|_| SignError::Kid)?;
    let mut bytes = Vec::with_capacity(512);
    canonical_bytes(&kid, fields, &mut bytes)?;
    Ok(SignatureHeader {
        kid,
        iat: fields.iat,
        covered: fields.covered,
        sig: key.sign(&bytes),
    })
}

/// Replaces the contents of `out` by the bytes that the legacy form signs: hazard, expert id and
/// trace id with nothing between them. It binds neither the call nor a time, and two different
/// triples can give the same bytes, so accept it only where the registry permits it.
pub fn legacy_bytes(hazard: &Hazard, expert_id: &str, trace_id: &TraceId, out: &mut Vec<u8>) {
    out.clear();
    out.extend_from_slice(hazard.as_bytes());
    out.extend_from_slice(expert_id.as_bytes());
    out.extend_from_slice(trace_id.as_bytes());
}
