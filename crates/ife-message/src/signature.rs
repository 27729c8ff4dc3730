//! X-IF-Signature: `v=1;kid=<key id>;iat=<unix s>;c=<covered parts>;sig=<base64url, 64 bytes>`, and
//! its legacy form.
//!
//! There is one spelling: these five parameters, each once, in this order, without spaces; `c` is
//! `base` and then distinct parts joined by commas; `sig` is 86 characters of base64url without
//! padding. A second spelling of the same signature does not parse.

use std::fmt;

use base64::{
    Engine,
    engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE_NO_PAD},
};
use ife_words::hex;

use crate::{
    header::{self, Fault, HeaderError, SIGNATURE},
    ids::Kid,
};

/// Longest body of X-IF-Signature, in bytes.
pub const SIGNATURE_LEN_MAX: usize = 256;

/// A part of the call that a signature may cover beyond the base.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Part {
    /// `cid`: the Call-ID.
    CallId,
    /// `sdp`: SHA-256 of the body.
    Sdp,
}

impl Part {
    /// Returns the name in the `c` parameter.
    pub fn as_str(self) -> &'static str {
        match self {
            Part::CallId => "cid",
            Part::Sdp => "sdp",
        }
    }
}

/// The covered parts: `base`, then up to two further parts in the signer's order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Covered {
    parts: [Option<Part>; 2],
}

impl Covered {
    /// `base`: kid, iat, trace id, hazard, caller and callee.
    pub const BASE: Covered = Covered {
        parts: [None, None],
    };
    /// `base,cid`.
    pub const BASE_CID: Covered = Covered {
        parts: [Some(Part::CallId), None],
    };
    /// `base,cid,sdp`.
    pub const BASE_CID_SDP: Covered = Covered {
        parts: [Some(Part::CallId), Some(Part::Sdp)],
    };

    /// Parses the value of `c`.
    pub fn parse(text: &[u8]) -> Result<Covered, HeaderError> {
        let fault = HeaderError {
            what: SIGNATURE,
            fault: Fault::Covered,
        };
        let mut names = text.split(|&b| b == b',');
        if names.next() != Some(b"base".as_slice()) {
            return Err(fault);
        }
        let mut covered = Covered::BASE;
        for name in names {
            let part = match name {
                b"cid" => Part::CallId,
                b"sdp" => Part::Sdp,
                _ => return Err(fault),
            };
            covered = covered.with(part).ok_or(fault)?;
        }
        Ok(covered)
    }

    /// Returns these parts and one more at the end; `None` if it is already covered.
    pub fn with(mut self, part: Part) -> Option<Covered> {
        if self.contains(part) {
            return None;
        }
        // There are two parts, and this one is absent, so a slot is free.
        *self.parts.iter_mut().find(|slot| slot.is_none())? = Some(part);
        Some(self)
    }

    /// Returns whether this part is covered.
    pub fn contains(self, part: Part) -> bool {
        self.parts.contains(&Some(part))
    }

    /// Returns whether all parts of `required` are covered, in any order.
    pub fn includes(self, required: Covered) -> bool {
        required.parts().all(|part| self.contains(part))
    }

    /// Returns the parts beyond the base, in the signer's order.
    pub fn parts(self) -> impl Iterator<Item = Part> {
        self.parts.into_iter().flatten()
    }
}

impl fmt::Display for Covered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("base")?;
        self.parts()
            .try_for_each(|part| write!(f, ",{}", part.as_str()))
    }
}

impl std::str::FromStr for Covered {
    type Err = HeaderError;
    fn from_str(text: &str) -> Result<Self, HeaderError> {
        Covered::parse(text.as_bytes())
    }
}

/// A parsed X-IF-Signature of version 1. `Display` writes the one spelling that parses back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SignatureHeader {
    /// Key id of the signer.
    pub kid: Kid,
    /// Time of signing, Unix seconds; below 10^12.
    pub iat: u64,
    /// The covered parts.
    pub covered: Covered,
    /// The Ed25519 signature, not yet verified.
    pub sig: [u8; 64],
}

impl SignatureHeader {
    /// Parses a header body. Nothing is verified.
    pub fn parse(body: &[u8]) -> Result<SignatureHeader, HeaderError> {
        Self::parse_value(signature_token(body)?)
    }

    fn parse_value(value: &[u8]) -> Result<SignatureHeader, HeaderError> {
        let fail = |fault| HeaderError {
            what: SIGNATURE,
            fault,
        };
        let rest = value.strip_prefix(b"v=1;").ok_or(fail(Fault::Version))?;
        let (kid, rest) = parameter(rest, "kid")?;
        let (iat, rest) = parameter(rest, "iat")?;
        let (covered, rest) = parameter(rest, "c")?;
        let sig = rest
            .strip_prefix(b"sig=")
            .ok_or(fail(Fault::Parameter("sig")))?;
        Ok(SignatureHeader {
            kid: Kid::parse(kid)?,
            iat: parse_iat(iat).ok_or(fail(Fault::IssuedAt))?,
            covered: Covered::parse(covered)?,
            sig: decode_base64(&URL_SAFE_NO_PAD, sig).ok_or(fail(Fault::Encoding))?,
        })
    }
}

impl fmt::Display for SignatureHeader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let SignatureHeader {
            kid,
            iat,
            covered,
            sig,
        } = self;
        let mut text = [0; 86];
        // 64 bytes are 86 characters without padding.
        let len = URL_SAFE_NO_PAD
            .encode_slice(sig, &mut text)
            .map_err(|_| fmt::Error)?;
        let sig = std::str::from_utf8(&text[..len]).map_err(|_| fmt::Error)?;
        write!(f, "v=1;kid={kid};iat={iat};c={covered};sig={sig}")
    }
}

/// A signature of the earlier contract: 128 hex digits, or `ed25519:` and hex or standard base64,
/// over hazard + expert id + trace id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LegacySignature {
    /// The Ed25519 signature, not yet verified.
    pub sig: [u8; 64],
}

impl LegacySignature {
    /// Parses a header body. Nothing is verified.
    pub fn parse(body: &[u8]) -> Result<LegacySignature, HeaderError> {
        Self::parse_value(signature_token(body)?)
    }

    fn parse_value(value: &[u8]) -> Result<LegacySignature, HeaderError> {
        let sig = match value.strip_prefix(b"ed25519:") {
            None => hex::decode(value),
            Some(text) => match text.len() {
                128 => hex::decode(text),
                88 => decode_base64(&STANDARD, text),
                _ => decode_base64(&STANDARD_NO_PAD, text),
            },
        };
        sig.map(|sig| LegacySignature { sig }).ok_or(HeaderError {
            what: SIGNATURE,
            fault: Fault::Encoding,
        })
    }
}

/// Either form of X-IF-Signature.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AnySignature {
    /// `v=1;...`
    V1(SignatureHeader),
    /// The earlier contract's form, without a key id and not bound to the call.
    Legacy(LegacySignature),
}

impl AnySignature {
    /// Parses a header body: version 1 if it begins with `v=`, else the legacy form.
    pub fn parse(body: &[u8]) -> Result<AnySignature, HeaderError> {
        let value = signature_token(body)?;
        if value.starts_with(b"v=") {
            SignatureHeader::parse_value(value).map(AnySignature::V1)
        } else {
            LegacySignature::parse_value(value).map(AnySignature::Legacy)
        }
    }
}

fn signature_token(body: &[u8]) -> Result<&[u8], HeaderError> {
    header::token(SIGNATURE, body, 1, SIGNATURE_LEN_MAX, |b| {
        b.is_ascii_graphic()
    })
}

/// Returns the value of `name=value;` at the start of `text`, and the text after it.
fn parameter<'a>(text: &'a [u8], name: &'static str) -> Result<(&'a [u8], &'a [u8]), HeaderError> {
    let find = || {
        let value = text.strip_prefix(name.as_bytes())?.strip_prefix(b"=")?;
        let end = value.iter().position(|&b| b == b';')?;
        Some((&value[..end], &value[end + 1..]))
    };
    find().ok_or(HeaderError {
        what: SIGNATURE,
        fault: Fault::Parameter(name),
    })
}

/// Parses 1 to 12 decimal digits without a leading zero.
fn parse_iat(digits: &[u8]) -> Option<u64> {
    let leading_zero = digits.len() > 1 && digits[0] == b'0';
    if leading_zero || !(1..=12).contains(&digits.len()) || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    Some(digits.iter().fold(0, |n, d| n * 10 + u64::from(d - b'0')))
}

/// Decodes exactly 64 bytes: the engines refuse wrong padding and stray trailing bits.
fn decode_base64(engine: &impl Engine, text: &[u8]) -> Option<[u8; 64]> {
    // decode_slice needs room for its estimate, which is up to 2 bytes above the result.
    let mut out = [0; 66];
    if text.len() > 88 || engine.decode_slice(text, &mut out).ok()? != 64 {
        return None;
    }
    out.first_chunk().copied()
}
