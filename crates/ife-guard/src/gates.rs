//! The gates that need only the request, the policy and the time, in the order of the design.
//!
//! Each returns the input of later gates, or a [`Refusal`]. [`crate::decide`] stops at the first
//! refusal; [`crate::explain`] asks every gate.

mod claims;
mod refusal;

use ife_message::{AnySignature, LegacySignature, SignatureHeader, SignedFields, sign};
use sha2::{Digest, Sha256};

use crate::image::{Image, Party, PartyKind, SignerKey};
use crate::keys::KeyCache;
use crate::policy::Policy;
use crate::registry::{Status, Validity};
use crate::{Direction, Now, Request};

pub(crate) use claims::Claims;
pub(crate) use refusal::{Refusal, Side, Why};

/// Caller and callee.
#[derive(Clone, Copy)]
pub(crate) struct Parties<'i> {
    pub(crate) direction: Direction,
    pub(crate) expert: Party<'i>,
    /// The expert or the council, whichever calls.
    pub(crate) caller: Party<'i>,
}

/// Gate 2: one side is an expert, the other a council.
pub(crate) fn registry<'i>(image: &Image<'i>, claims: &Claims) -> Result<Parties<'i>, Refusal> {
    let (caller, callee) = (claims.caller?, claims.callee?);
    // The callee first: 404 reveals nothing that another From header would not.
    let Some(called) = image.party_of(&callee) else {
        return Err(match image.is_our_domain(callee.host()) {
            true => Refusal::new(404, "Not Found", Why::UnknownCallee),
            false => Refusal::new(403, "Callee Not Allowed", Why::UnknownCallee),
        });
    };
    let Some(calling) = image.party_of(&caller) else {
        return Err(Refusal::new(403, "Caller Not Allowed", Why::UnknownCaller));
    };
    match (calling.kind(), called.kind()) {
        (PartyKind::Council, PartyKind::Expert) => Ok(Parties {
            direction: Direction::ToExpert,
            expert: called,
            caller: calling,
        }),
        (PartyKind::Expert, PartyKind::Council) => Ok(Parties {
            direction: Direction::ToCouncil,
            expert: calling,
            caller: calling,
        }),
        (PartyKind::Expert, PartyKind::Expert) => Err(Refusal::new(
            403,
            "Callee Not Allowed",
            Why::SameSide(Side::Expert),
        )),
        (PartyKind::Council, PartyKind::Council) => Err(Refusal::new(
            403,
            "Callee Not Allowed",
            Why::SameSide(Side::Council),
        )),
    }
}

/// Gate 3: the expert, and the key that the signature names, are active and valid. Gate 7 refuses a
/// key that the caller does not have.
pub(crate) fn standing(parties: &Parties<'_>, claims: &Claims, now: Now) -> Result<(), Refusal> {
    let expert = &parties.expert;
    if let Some(lapse) = lapse(expert.status(), expert.validity(), now) {
        return Err(Refusal::new(403, "Expert Not Active", Why::Expert(lapse)));
    }
    let lapse = match claims.signature {
        Ok(Some(AnySignature::V1(header))) => parties
            .caller
            .signer(header.kid.as_str())
            .and_then(|key| lapse_of(&key, now)),
        // The legacy form names no key, so one valid key suffices.
        Ok(Some(AnySignature::Legacy(_))) => {
            let mut keys = parties
                .caller
                .signers()
                .filter(SignerKey::legacy)
                .map(|key| lapse_of(&key, now));
            let first = keys.next().flatten();
            if keys.any(|lapse| lapse.is_none()) {
                None
            } else {
                first
            }
        }
        Ok(None) | Err(_) => None,
    };
    match lapse {
        Some(lapse) => Err(Refusal::new(403, "Key Not Active", Why::Key(lapse))),
        None => Ok(()),
    }
}

/// Reasons why an expert or key does not count at the moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lapse {
    Status(Status),
    NotYet,
    NoLonger,
}

fn lapse_of(key: &SignerKey<'_>, now: Now) -> Option<Lapse> {
    lapse(key.status(), key.validity(), now)
}

fn lapse(status: Status, validity: Validity, now: Now) -> Option<Lapse> {
    if status != Status::Active {
        Some(Lapse::Status(status))
    } else if now.unix_s() < validity.not_before {
        Some(Lapse::NotYet)
    } else if now.unix_s() > validity.not_after {
        Some(Lapse::NoLonger)
    } else {
        None
    }
}

/// Gate 4: the hazard is known, and among the expert's.
pub(crate) fn hazard(
    image: &Image<'_>,
    parties: &Parties<'_>,
    claims: &Claims,
) -> Result<(), Refusal> {
    let hazard = claims.hazard?;
    let Some(index) = image.hazard(hazard.as_str()) else {
        return Err(Refusal::new(403, "Hazard Not Allowed", Why::UnknownHazard));
    };
    if parties.expert.takes_hazard(index) {
        Ok(())
    } else {
        Err(Refusal::new(403, "Hazard Not Allowed", Why::HazardNotTaken))
    }
}

/// Gate 5: the peer is in the caller's networks and uses a transport of the caller.
pub(crate) fn source(parties: &Parties<'_>, request: &Request<'_>) -> Result<(), Refusal> {
    let (caller, peer) = (&parties.caller, request.peer.ip());
    if !caller.calls_from(peer) {
        return Err(Refusal::new(
            403,
            "Source Not Allowed",
            Why::Network(crate::network::canonical(peer)),
        ));
    }
    if !caller.allows(request.transport) {
        return Err(Refusal::new(
            403,
            "Transport Not Allowed",
            Why::Transport(request.transport),
        ));
    }
    Ok(())
}

/// The facts that a verified signature proves.
#[derive(Clone, Copy)]
pub(crate) struct Proof<'i> {
    pub(crate) kid: &'i str,
    /// SHA-256 that identifies the signature in the replay table.
    pub(crate) replay_key: [u8; 32],
    /// When it was made, Unix seconds; `None` for the legacy form, which has no time.
    pub(crate) iat: Option<u64>,
}

/// Gate 7: a valid signature by a key of the caller, over all parts that the key must cover.
pub(crate) fn signature<'i>(
    parties: &Parties<'i>,
    claims: &Claims,
    request: &Request<'_>,
    keys: &mut KeyCache,
    now: Now,
) -> Result<Proof<'i>, Refusal> {
    match claims.signature? {
        None => Err(Refusal::new(428, "Signature Required", Why::Unsigned)),
        Some(AnySignature::V1(header)) => verify(parties, claims, request, &header, keys),
        Some(AnySignature::Legacy(legacy)) => verify_legacy(parties, claims, &legacy, keys, now),
    }
}

fn verify<'i>(
    parties: &Parties<'i>,
    claims: &Claims,
    request: &Request<'_>,
    header: &SignatureHeader,
    keys: &mut KeyCache,
) -> Result<Proof<'i>, Refusal> {
    let invalid = |why| Refusal::new(438, "Invalid Signature", why);
    let Some(signer) = parties.caller.signer(header.kid.as_str()) else {
        return Err(Refusal::new(437, "Unknown Key", Why::UnknownKey));
    };
    if !header.covered.includes(signer.covers()) {
        return Err(invalid(Why::Covers {
            required: signer.covers(),
            found: header.covered,
        }));
    }
    let (trace_id, hazard, caller, callee) = (
        claims.trace_id?,
        claims.hazard?,
        claims.caller?,
        claims.callee?,
    );
    let signs_body = header.covered.contains(ife_message::Part::Sdp);
    let fields = SignedFields {
        iat: header.iat,
        trace_id: &trace_id,
        hazard: &hazard,
        caller: &caller,
        callee: &callee,
        covered: header.covered,
        call_id: request.call_id,
        body_sha256: signs_body.then(|| Sha256::digest(request.body).into()),
    };
    sign::canonical_bytes(&header.kid, &fields, &mut keys.scratch)
        .map_err(|error| invalid(Why::Invalid(error)))?;
    keys.verify(&signer.public_key(), &header.sig)
        .ok_or_else(|| Refusal::internal(Why::BadKey))?
        .map_err(|bad| invalid(Why::Invalid(bad.into())))?;
    let replay_key = replay_key(
        "if-replay-v1",
        header.kid.as_bytes(),
        trace_id.as_str(),
        header.iat,
    );
    Ok(Proof {
        kid: signer.kid(),
        replay_key,
        iat: Some(header.iat),
    })
}

fn verify_legacy<'i>(
    parties: &Parties<'i>,
    claims: &Claims,
    legacy: &LegacySignature,
    keys: &mut KeyCache,
    now: Now,
) -> Result<Proof<'i>, Refusal> {
    let (trace_id, hazard) = (claims.trace_id?, claims.hazard?);
    sign::legacy_bytes(&hazard, parties.expert.id(), &trace_id, &mut keys.scratch);
    let mut candidates = 0;
    // At most LEGACY_SIGNERS_MAX of them.
    for signer in parties
        .caller
        .signers()
        .filter(|key| key.legacy() && lapse_of(key, now).is_none())
    {
        candidates += 1;
        let outcome = keys
            .verify(&signer.public_key(), &legacy.sig)
            .ok_or_else(|| Refusal::internal(Why::BadKey))?;
        if outcome.is_ok() {
            // By key, not by kid: a renamed key must not make its old signatures new.
            let replay_key = replay_key("if-legacy-v1", &signer.public_key(), trace_id.as_str(), 0);
            return Ok(Proof {
                kid: signer.kid(),
                replay_key,
                iat: None,
            });
        }
    }
    let why = if candidates == 0 {
        Why::LegacyNotAllowed
    } else {
        Why::LegacyInvalid
    };
    Err(Refusal::new(438, "Invalid Signature", why))
}

/// Returns the replay key. Neither a kid nor a trace id holds a line feed, and a key has a fixed
/// length, so no two signatures share the hashed bytes.
fn replay_key(form: &str, signer: &[u8], trace_id: &str, iat: u64) -> [u8; 32] {
    Sha256::new()
        .chain_update(form)
        .chain_update("\n")
        .chain_update(signer)
        .chain_update("\n")
        .chain_update(trace_id)
        .chain_update("\n")
        .chain_update(iat.to_le_bytes())
        .finalize()
        .into()
}

/// Gate 8: the signature was made within the window, before or after now.
pub(crate) fn freshness(policy: &Policy<'_>, iat: Option<u64>, now: Now) -> Result<(), Refusal> {
    let Some(iat) = iat else { return Ok(()) };
    let (age_s, window_s) = (now.unix_s().abs_diff(iat), policy.window_s());
    if age_s > u64::from(window_s) || iat < policy.iat_floor_s {
        let why = Why::Stale {
            age_s,
            early: iat > now.unix_s(),
            window_s,
        };
        return Err(Refusal::new(403, "Stale Date", why));
    }
    Ok(())
}
