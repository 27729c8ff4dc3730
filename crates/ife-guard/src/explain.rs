//! Every gate's answer to one request, for a person: nothing is taken, noted or charged.

use crate::decide::dialog;
use crate::gates::{self, Claims, Refusal};
use crate::policy::{KeyCache, Policy};
use crate::state::Now;
use crate::{Gate, Request};

/// One gate's answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GateReport {
    /// Which gate.
    pub gate: Gate,
    /// Its answer.
    pub outcome: Outcome,
    /// Private detail, without control characters.
    pub detail: String,
}

/// A gate's answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Lets the request pass.
    Pass,
    /// Refuses it.
    Refuse {
        /// SIP status.
        code: u16,
        /// Public reason.
        reason: &'static str,
    },
    /// Depends on what the running proxy has seen.
    Depends,
    /// Cannot be asked, because an earlier gate found nothing to ask about.
    Unasked,
}

impl Outcome {
    /// `pass`, `refuse`, `depends` or `unasked`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pass => "pass",
            Self::Refuse { .. } => "refuse",
            Self::Depends => "depends",
            Self::Unasked => "unasked",
        }
    }
}

/// What each gate says, in order, as far as it can be said without the running proxy's memory. The first refusal is the one that
/// [`crate::decide`] would give. A request with a To-tag gets one report: it is no matter of these gates.
#[must_use]
pub fn explain(policy: &Policy<'_>, request: &Request<'_>, now: Now) -> Vec<GateReport> {
    if let Err(refusal) = dialog(request) {
        return vec![refused(Gate::Dialog, &refusal, &Claims::of(request))];
    }
    let image = policy.image;
    let claims = Claims::of(request);
    let answer = |gate, result| answer(gate, result, &claims);
    let mut reports = vec![answer(
        Gate::Headers,
        claims.check().map(|()| "well-formed".to_owned()),
    )];
    let parties = match (
        claims.caller.and(claims.callee),
        gates::registry(image, &claims),
    ) {
        (Ok(_), Ok(parties)) => parties,
        (Ok(_), Err(refusal)) => {
            return without_parties(reports, refused(Gate::Registry, &refusal, &claims));
        }
        (Err(_), _) => return without_parties(reports, unasked(Gate::Registry)),
    };
    let (expert, caller) = (parties.expert.id(), parties.caller.id());
    reports.push(pass(
        Gate::Registry,
        format!(
            "{}: expert {expert}, caller {caller}",
            parties.direction.as_str()
        ),
    ));
    reports.push(answer(
        Gate::Standing,
        gates::standing(&parties, &claims, now).map(|()| "active".to_owned()),
    ));
    reports.push(match claims.hazard {
        Ok(hazard) => answer(
            Gate::Hazard,
            gates::hazard(image, &parties, &claims).map(|()| hazard.to_string()),
        ),
        Err(_) => unasked(Gate::Hazard),
    });
    let source = format!("{} over {}", request.peer.ip(), request.transport.as_str());
    reports.push(answer(
        Gate::Source,
        gates::source(&parties, request).map(|()| source),
    ));
    let flood = image.flood();
    reports.push(depends(
        Gate::Flood,
        format!("{} a second, {} at once", flood.rate_per_s, flood.burst),
    ));
    let asked = claims.trace_id.is_ok()
        && claims.hazard.is_ok()
        && claims.signature.is_ok()
        && claims.call.is_ok();
    let proof =
        asked.then(|| gates::signature(&parties, &claims, request, &mut KeyCache::new(), now));
    reports.push(match &proof {
        Some(proof) => answer(
            Gate::Signature,
            proof
                .as_ref()
                .map(|p| format!("valid, by key {}", p.kid))
                .map_err(|r| *r),
        ),
        None => unasked(Gate::Signature),
    });
    reports.push(match freshness_of(&claims, proof.as_ref()) {
        Some(iat) => answer(
            Gate::Freshness,
            gates::freshness(policy, iat, now).map(|()| age(iat, now)),
        ),
        None => unasked(Gate::Freshness),
    });
    reports.push(depends(
        Gate::Replay,
        "passes once, and for the same attempt again within 32 s".to_owned(),
    ));
    let quota = parties.expert.quota();
    reports.push(depends(
        Gate::Quota,
        format!(
            "{} calls a minute, {} at once",
            quota.per_minute, quota.concurrent
        ),
    ));
    reports
}

/// The iat to judge: that of the header even if its signature is wrong, none for a valid legacy signature.
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
        |iat| format!("signed {} s from now", now.unix_s().abs_diff(iat)),
    )
}

fn without_parties(mut reports: Vec<GateReport>, registry: GateReport) -> Vec<GateReport> {
    reports.push(registry);
    reports.extend(
        Gate::DECIDED
            .into_iter()
            .filter(|gate| *gate > Gate::Registry)
            .map(unasked),
    );
    reports
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
