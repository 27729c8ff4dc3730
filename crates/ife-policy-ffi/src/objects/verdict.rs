//! `ife_verdict`: the gate.
#![allow(unsafe_code)]

use ife_guard::{Direction, GateReport, Outcome, Policy as Rules, explain};
use serde_json::json;

use super::{on_policy, on_policy_or};
use crate::abi;
use crate::check;
use crate::decision::Decision;
use crate::message::Message;
use crate::plumbing::{pointer, text};
use crate::scope;
use crate::sys;
use crate::waiting::Wait;

/// See `if_policy.h`.
///
/// # Safety
/// `msg`, `verdict` and `err` are NULL or valid as the header requires.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ife_policy_check(
    policy: *mut abi::ife_policy,
    msg: *const abi::ife_message,
    verdict: *mut abi::ife_verdict,
    err: *mut abi::ife_error,
) -> abi::ife_result {
    on_policy_or(
        policy,
        err,
        |policy| {
            pointer::check_output(verdict, "verdict")?;
            let msg = Message::read(msg)?;
            let decision = check::check(policy, &msg, Wait::Here)?;
            pointer::write_optional(verdict, to_c(&decision));
            Ok(())
        },
        // The caller gets a verdict with which it can reply: a refusal by gate "internal".
        |policy| {
            let msg = Message::read(msg)?;
            let decision = check::internal_error(policy, &msg);
            pointer::write_optional(verdict, to_c(&decision));
            Ok(())
        },
    )
}

/// See `if_policy.h`.
///
/// # Safety
/// `msg`, `out_len` and `err` are NULL or valid as the header requires; `buf` has room for
/// `buf_len` bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ife_policy_explain(
    policy: *const abi::ife_policy,
    msg: *const abi::ife_message,
    buf: *mut core::ffi::c_char,
    buf_len: usize,
    out_len: *mut usize,
    err: *mut abi::ife_error,
) -> abi::ife_result {
    on_policy(policy, err, |policy| {
        let msg = Message::read(msg)?;
        let request = msg.request()?;
        let now = sys::now().0;
        policy.follow_registry(now);
        let image = policy.registry.image()?;
        // A request with a To-tag may belong to an approved dialog: no scope excludes it.
        if msg.to_tag.is_empty() && !scope::is_for_gate(policy, &image, &msg) {
            return Err(scope::not_for_gate());
        }
        let rules = Rules {
            image: &image,
            freshness_s: policy.options.freshness_s,
            iat_floor_s: 0,
        };
        let reports: Vec<_> = explain(&rules, &request, now)
            .iter()
            .map(report_json)
            .collect();
        pointer::write_text(&json!(reports).to_string(), buf, buf_len, out_len)
    })
}

fn report_json(report: &GateReport) -> serde_json::Value {
    let mut object = json!({
        "gate": report.gate.as_str(),
        "number": report.gate.number(),
        "outcome": report.outcome.as_str(),
        "detail": report.detail,
    });
    if let Outcome::Refuse { code, reason } = report.outcome {
        object["code"] = code.into();
        object["reason"] = reason.into();
    }
    object
}

pub(super) fn to_c(decision: &Decision) -> abi::ife_verdict {
    let verdict = &decision.verdict;
    let mut out = abi::ife_verdict {
        approved: u32::from(verdict.approved),
        gate: if decision.in_dialog {
            abi::IFE_GATE_DIALOG
        } else {
            u32::from(verdict.gate.number())
        },
        code: u32::from(verdict.code),
        retry_after_s: verdict.retry_after_s,
        direction: Direction::number(verdict.direction).into(),
        witnessed: decision.witnessed,
        seq: decision.seq,
        leaf_hash: decision.leaf_hash,
        ..Default::default()
    };
    text::fill(&mut out.reason, verdict.reason);
    text::fill(&mut out.detail, &verdict.detail);
    text::fill(&mut out.expert, &verdict.expert);
    text::fill(&mut out.expert_contact, &verdict.expert_contact);
    text::fill(&mut out.hazard, &verdict.hazard);
    text::fill(&mut out.trace_id, &verdict.trace_id);
    text::fill(&mut out.kid, &verdict.kid);
    if let Some(hop) = decision.next_hop {
        let transport = hop.transport.as_str();
        text::fill(
            &mut out.next_hop,
            &format!("sip:{};transport={transport}", hop.address),
        );
    }
    out
}
