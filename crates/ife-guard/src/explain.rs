//! Every gate's answer to one request, for a person: state is neither read nor changed.

use crate::decide::dialog;
use crate::gates::{self, Claims, Parties, Refusal};
use crate::keys::KeyCache;
use crate::policy::Policy;
use crate::state::Now;
use crate::{Gate, Request};

/// One gate's answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GateReport {
    /// The gate.
    pub gate: Gate,
    /// Its answer.
    pub outcome: Outcome,
    /// Private detail, without control characters.
    pub detail: String,
}

/// A gate's answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The gate passes the request.
    Pass,
    /// The gate refuses it.
    Refuse {
        /// SIP status.
        code: u16,
        /// Public reason.
        reason: &'static str,
    },
    /// Depends on the running proxy's state.
    Depends,
    /// An earlier gate left out the input that this one needs.
    Unasked,
}

impl Outcome {
    /// Returns true if the gate refuses.
    pub const fn is_refusal(self) -> bool {
        match self {
            Self::Refuse { .. } => true,
            Self::Pass | Self::Depends | Self::Unasked => false,
        }
    }

    /// Returns `pass`, `refuse`, `depends` or `unasked`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pass => "pass",
            Self::Refuse { .. } => "refuse",
            Self::Depends => "depends",
            Self::Unasked => "unasked",
        }
    }
}

/// Returns each gate's answer, in order, as far as it follows without the running proxy's state.
/// The first refusal is that of [`crate::decide`]. A request with a To-tag gets one report, because
/// these gates do not apply to it.
#[must_use]
pub fn explain(policy: &Policy<'_>, request: &Request<'_>, now: Now) -> Vec<GateReport> {
    if let Err(refusal) = dialog(request) {
        return vec![refused(Gate::Dialog, &refusal, &Claims::of(request))];
    }
    let image = policy.image;
    let claims = Claims::of(request);
    let headers = answer(
        Gate::Headers,
        claims.check().map(|()| "well-formed".to_owned()),
        &claims,
    );
    let parties = claims
        .caller
        .and(claims.callee)
        .map(|_| gates::registry(image, &claims));
    let (registry, parties) = match parties {
        Ok(Ok(parties)) => (found(&parties), parties),
        Ok(Err(refusal)) => {
            return without_parties(headers, refused(Gate::Registry, &refusal, &claims));
        }
        Err(_) => return without_parties(headers, unasked(Gate::Registry)),
    };
    let mut reports = vec![headers, registry];
    reports.extend(parties_and_source(policy, request, &claims, &parties, now));
    reports.extend(signed(policy, request, &claims, &parties, now));
    let quota = parties.expert.quota();
    let quota = format!(
        "{} calls a minute, {} at once",
        quota.per_minute, quota.concurrent
    );
    reports.push(depends(
        Gate::Replay,
        "passes once, and for the same attempt again within 32 s".to_owned(),
    ));
    reports.push(depends(Gate::Quota, quota));
    reports
}

fn found(parties: &Parties<'_>) -> GateReport {
    let (expert, caller) = (parties.expert.id(), parties.caller.id());
    pass(
        Gate::Registry,
        format!("{}: expert {expert}, caller {caller}", parties.direction),
    )
}

/// Gates 3 to 6.
fn parties_and_source(
    policy: &Policy<'_>,
    request: &Request<'_>,
    claims: &Claims,
    parties: &Parties<'_>,
    now: Now,
) -> [GateReport; 4] {
    let standing = gates::standing(parties, claims, now).map(|()| "active".to_owned());
    let hazard = match claims.hazard {
        Ok(hazard) => answer(
            Gate::Hazard,
            gates::hazard(policy.image, parties, claims).map(|()| hazard.to_string()),
            claims,
        ),
        Err(_) => unasked(Gate::Hazard),
    };
    let source = format!("{} over {}", request.peer.ip(), request.transport.as_str());
    let flood = policy.image.flood();
    [
        answer(Gate::Standing, standing, claims),
        hazard,
        answer(
            Gate::Source,
            gates::source(parties, request).map(|()| source),
            claims,
        ),
        depends(
            Gate::Flood,
            format!("{} a second, {} at once", flood.rate_per_s, flood.burst),
        ),
    ]
}

/// Gates 7 and 8.
fn signed(
    policy: &Policy<'_>,
    request: &Request<'_>,
    claims: &Claims,
    parties: &Parties<'_>,
    now: Now,
) -> [GateReport; 2] {
    let asked = claims.trace_id.is_ok()
        && claims.hazard.is_ok()
        && claims.signature.is_ok()
        && claims.call.is_ok();
    let proof =
        asked.then(|| gates::signature(parties, claims, request, &mut KeyCache::new(), now));
    let freshness = match freshness_of(claims, proof.as_ref()) {
        Some(iat) => answer(
            Gate::Freshness,
            gates::freshness(policy, iat, now).map(|()| age(iat, now)),
            claims,
        ),
        None => unasked(Gate::Freshness),
    };
    let signature = match proof {
        Some(proof) => answer(
            Gate::Signature,
            proof.map(|p| format!("valid, by key {}", p.kid)),
            claims,
        ),
        None => unasked(Gate::Signature),
    };
    [signature, freshness]
}

/// Returns the iat for gate 8: the header's even if unverified, none for a valid legacy signature.
fn freshness_of(
    claims: &Claims,
    proof: Option<&Result<gates::Proof<'_>, Refusal>>,
) -> Option<Option<u64>> {
    match (claims.iat(), proof) {
        (Some(iat), _) => Some(Some(iat)),
        (None, Some(Ok(proof))) => Some(proof.iat),
        (None, Some(Err(_)) | None) => None,
    }
}

fn age(iat: Option<u64>, now: Now) -> String {
    iat.map_or_else(
        || "the legacy form has no time".to_owned(),
        |iat| match now.unix_s().checked_sub(iat) {
            Some(age) => format!("signed {age} s ago"),
            None => format!("signed {} s in the future", iat - now.unix_s()),
        },
    )
}

fn without_parties(headers: GateReport, registry: GateReport) -> Vec<GateReport> {
    let later = Gate::DECIDED
        .into_iter()
        .filter(|gate| *gate > Gate::Registry);
    [headers, registry]
        .into_iter()
        .chain(later.map(unasked))
        .collect()
}

fn answer(gate: Gate, result: Result<String, Refusal>, claims: &Claims) -> GateReport {
    match result {
        Ok(detail) => pass(gate, detail),
        Err(refusal) => refused(gate, &refusal, claims),
    }
}

fn pass(gate: Gate, detail: String) -> GateReport {
    GateReport {
        gate,
        outcome: Outcome::Pass,
        detail,
    }
}

fn refused(gate: Gate, refusal: &Refusal, claims: &Claims) -> GateReport {
    let outcome = Outcome::Refuse {
        code: refusal.code,
        reason: refusal.reason,
    };
    GateReport {
        gate,
        outcome,
        detail: refusal.why.of(claims).to_string(),
    }
}

fn depends(gate: Gate, detail: String) -> GateReport {
    GateReport {
        gate,
        outcome: Outcome::Depends,
        detail,
    }
}

fn unasked(gate: Gate) -> GateReport {
    GateReport {
        gate,
        outcome: Outcome::Unasked,
        detail: String::new(),
    }
}
