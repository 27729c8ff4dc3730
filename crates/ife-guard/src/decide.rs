//! The decision: ten gates in order, of which the first refusal ends it.

use std::fmt::Write;

use sha2::{Digest, Sha256};

use crate::gates::{self, Claims, Parties, Proof, Refusal, Why};
use crate::keys::KeyCache;
use crate::network::{canonical, flood_source};
use crate::policy::Policy;
use crate::state::{Begin, CallKey, CallLimits, Now, SETUP_LEASE_S, Sight, State, Token};
use crate::text::Text;
use crate::{Direction, Gate, Request, Verdict};

/// Seconds after which a caller may try again when a table is full.
const TABLE_FULL_RETRY_S: u32 = 5;

/// Decides on an INVITE outside a dialog.
///
/// Uses `state` from gate 6 on: a token is taken before any crypto; the signature is spent, and the
/// quota charged, only after it has verified. A rejection returns nothing that it spent. Costs
/// constant time besides one signature verification and, if the signature covers it, one SHA-256
/// over the body; allocates nothing.
#[must_use]
pub fn decide(
    policy: &Policy<'_>,
    request: &Request<'_>,
    state: &mut impl State,
    keys: &mut KeyCache,
    now: Now,
) -> Verdict {
    let mut verdict = Verdict::approved();
    let claims = Claims::of(request);
    if let Err((gate, refusal)) = run(policy, request, &claims, state, keys, now, &mut verdict) {
        verdict.reject(gate, refusal.code, refusal.reason, "");
        verdict.retry_after_s = refusal.retry_after_s;
        // Writing to a Text cannot fail.
        _ = write!(verdict.detail, "{}", refusal.why.of(&claims));
    }
    verdict
}

fn run(
    policy: &Policy<'_>,
    request: &Request<'_>,
    claims: &Claims,
    state: &mut impl State,
    keys: &mut KeyCache,
    now: Now,
    verdict: &mut Verdict,
) -> Result<(), (Gate, Refusal)> {
    let image = policy.image;
    note_claims(verdict, claims);
    dialog(request).map_err(|r| (Gate::Dialog, r))?;
    claims.check().map_err(|r| (Gate::Headers, r))?;
    let parties = gates::registry(image, claims).map_err(|r| (Gate::Registry, r))?;
    note_parties(verdict, &parties);
    gates::standing(&parties, claims, now).map_err(|r| (Gate::Standing, r))?;
    gates::hazard(image, &parties, claims).map_err(|r| (Gate::Hazard, r))?;
    gates::source(&parties, request).map_err(|r| (Gate::Source, r))?;
    flood(policy, request, state, now).map_err(|r| (Gate::Flood, r))?;
    let proof =
        gates::signature(&parties, claims, request, keys, now).map_err(|r| (Gate::Signature, r))?;
    verdict.kid = Text::of(proof.kid);
    gates::freshness(policy, proof.iat, now).map_err(|r| (Gate::Freshness, r))?;
    verdict.call_key = CallKey::new(request.call_id, request.from_tag);
    let sight = replay(policy, request, &verdict.call_key, &proof, state, now)
        .map_err(|r| (Gate::Replay, r))?;
    verdict.call_started =
        quota(&parties, &verdict.call_key, sight, state, now).map_err(|r| (Gate::Quota, r))?;
    if parties.direction == Direction::ToExpert {
        verdict.expert_contact = match (parties.expert.contact(), claims.callee) {
            (Some(contact), _) => Text::of(contact),
            // The address, not the Request-URI: the caller chooses its port and parameters, but not
            // the call's target.
            (None, Ok(callee)) => Text::of(callee.as_str()),
            (None, Err(_)) => Text::new(),
        };
    }
    Ok(())
}

fn note_claims(verdict: &mut Verdict, claims: &Claims) {
    if let Ok(trace_id) = &claims.trace_id {
        verdict.trace_id = Text::of(trace_id.as_str());
    }
    if let Ok(hazard) = &claims.hazard {
        verdict.hazard = Text::of(hazard.as_str());
    }
    if let Some(kid) = claims.kid() {
        verdict.kid = Text::of(kid.as_str());
    }
}

fn note_parties(verdict: &mut Verdict, parties: &Parties<'_>) {
    verdict.direction = Some(parties.direction);
    verdict.expert = Text::of(parties.expert.id());
    verdict.expert_number = parties.expert.number();
    verdict.max_call_s = parties.expert.quota().max_call_s;
}

/// A To-tag alone proves nothing: the shell has already searched the approved dialogs.
pub(crate) fn dialog(request: &Request<'_>) -> Result<(), Refusal> {
    if request.to_tag.is_empty() {
        Ok(())
    } else {
        Err(Refusal::new(
            481,
            "Call/Transaction Does Not Exist",
            Why::Dialog,
        ))
    }
}

/// Gate 6: a token of the source's bucket.
fn flood(
    policy: &Policy<'_>,
    request: &Request<'_>,
    state: &mut impl State,
    now: Now,
) -> Result<(), Refusal> {
    let flood = policy.image.flood();
    match state.take_token(
        flood_source(request.peer.ip()),
        flood.rate_per_s,
        flood.burst,
        now,
    ) {
        Token::Taken => Ok(()),
        Token::Empty { retry_after_s } => Err(Refusal::busy(
            "Too Many Requests",
            retry_after_s.max(1),
            Why::Flood,
        )),
        Token::TableFull => Err(Refusal::busy(
            "Service Unavailable",
            TABLE_FULL_RETRY_S,
            Why::FloodTableFull,
        )),
    }
}

/// Gate 9: the first sight of this signature, or the same attempt again.
fn replay(
    policy: &Policy<'_>,
    request: &Request<'_>,
    call: &CallKey,
    proof: &Proof<'_>,
    state: &mut impl State,
    now: Now,
) -> Result<Sight, Refusal> {
    let attempt = attempt(call, request);
    let sight = match proof.iat {
        // Fresh until iat + window, that second included.
        Some(iat) => {
            let expires_s = iat + u64::from(policy.window_s()) + 1;
            state.first_sight(&proof.replay_key, attempt, iat, expires_s, now)
        }
        None => state.legacy_first_sight(&proof.replay_key, attempt, now),
    };
    match sight {
        Sight::Fresh | Sight::SameAttempt => Ok(sight),
        Sight::Replayed => Err(Refusal::new(403, "Replayed Request", Why::Replayed)),
        Sight::BornLater => Err(Refusal::new(403, "Replayed Request", Why::BornLater)),
        Sight::TableFull => Err(Refusal::busy(
            "Service Unavailable",
            TABLE_FULL_RETRY_S,
            Why::ReplayTableFull,
        )),
        Sight::Unavailable => Err(Refusal::busy(
            "Service Unavailable",
            TABLE_FULL_RETRY_S,
            Why::StoreUnavailable,
        )),
    }
}

/// Returns a hash of Call-ID, From-tag and peer address, equal for the same attempt.
///
/// Not of the port: a resend after a challenge may come over a new connection, or over TCP because
/// it grew (RFC 3261 18.1.1). An attacker who can read the INVITE on its way from that address
/// could also send from its port.
fn attempt(call: &CallKey, request: &Request<'_>) -> u64 {
    let mut hash = Sha256::new()
        .chain_update(call.call_id)
        .chain_update(call.caller_tag);
    match canonical(request.peer.ip()) {
        std::net::IpAddr::V4(v4) => hash.update(v4.octets()),
        std::net::IpAddr::V6(v6) => hash.update(v6.octets()),
    }
    let digest: [u8; 32] = hash.finalize().into();
    u64::from_le_bytes(*digest.first_chunk().unwrap_or(&[0; 8]))
}

/// Gate 10: a slot of the expert. Returns true when this decision took it.
fn quota(
    parties: &Parties<'_>,
    call: &CallKey,
    sight: Sight,
    state: &mut impl State,
    now: Now,
) -> Result<bool, Refusal> {
    let quota = parties.expert.quota();
    let limits = CallLimits {
        // A repeated attempt, for example after a challenge, was charged at its first sight.
        per_minute: if sight == Sight::SameAttempt {
            0
        } else {
            quota.per_minute
        },
        concurrent: quota.concurrent,
        lease_s: SETUP_LEASE_S.min(quota.max_call_s),
        max_call_s: quota.max_call_s,
    };
    match state.begin_call(parties.expert.number(), call, limits, now) {
        Begin::Started => Ok(true),
        Begin::Already if sight == Sight::SameAttempt => Ok(false),
        // A new signature for a Call-ID in use would share its slot, and any number of calls could.
        Begin::Already => Err(Refusal::new(486, "Busy Here", Why::CallUnderWay)),
        Begin::TooManyPerMinute { retry_after_s } => Err(Refusal::busy(
            "Too Many Calls",
            retry_after_s.max(1),
            Why::PerMinute(quota.per_minute),
        )),
        Begin::TooManyConcurrent => Err(Refusal::new(
            486,
            "Busy Here",
            Why::Concurrent(quota.concurrent),
        )),
        Begin::TableFull => Err(Refusal::busy(
            "Service Unavailable",
            TABLE_FULL_RETRY_S,
            Why::CallTableFull,
        )),
    }
}
