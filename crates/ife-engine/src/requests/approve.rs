//! The gate without a call.

use ife_guard::Gate;
use ife_message::{Hazard, TraceId};

use crate::{
    command::{Approval, ApproveExternalCall, ExpertInfo},
    context::Context,
    gate::Question,
    refusal::Refusal,
    shell::Measure,
};

/// Answers whether a call to an expert would be approved.
pub(crate) fn approve(
    cx: &mut Context,
    request: &ApproveExternalCall,
) -> Result<Approval, Refusal> {
    let hazard = Hazard::parse(request.hazard.as_bytes())
        .map_err(|_| Refusal::field("hazard", "must be 1 to 32 of [a-z0-9_-]"))?;
    if request.signature.is_some() && request.trace_id.is_none() {
        return Err(Refusal::field(
            "trace_id",
            "is needed with a signature, which covers it",
        ));
    }
    let trace_id = request
        .trace_id
        .clone()
        .unwrap_or_else(|| cx.new_trace_id());
    let trace_id = TraceId::parse(trace_id.as_bytes())
        .map_err(|_| Refusal::field("trace_id", "must be 8 to 128 of [A-Za-z0-9._:-]"))?;
    let question = Question {
        expert: &request.expert_id,
        hazard: &hazard,
        trace_id: &trace_id,
        iat_min: 0,
        signature: request.signature.as_deref(),
    };
    let refused = match cx.gate.ask(&question, cx.now) {
        Err(refused) => Some((refused.gate, refused.reason)),
        Ok(_) if !cx.gate.has_room(&request.expert_id, cx.now) => {
            Some((Gate::Quota, "Expert Quota Exceeded".to_owned()))
        }
        Ok(_) => None,
    };
    let approved = refused.is_none();
    cx.shell.measure(Measure::Decision { approved });
    let (gate, reason) = refused.unzip();
    Ok(Approval {
        approved,
        reason: reason.unwrap_or_else(|| "OK".to_owned()),
        gate: gate.map(|gate| gate.as_str().to_owned()),
        expert_info: expert_info(cx, &request.expert_id),
    })
}

fn expert_info(cx: &Context, id: &str) -> Option<ExpertInfo> {
    cx.gate.expert(id).map(|expert| ExpertInfo {
        expert_id: expert.id.clone(),
        name: expert.name.clone(),
        hazards: cx.gate.hazards_of(id),
        status: expert.status.as_str().to_owned(),
    })
}
