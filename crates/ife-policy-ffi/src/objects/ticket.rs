//! `ife_ticket`: a decision that waits for the disk.
#![allow(unsafe_code)]

use std::time::Duration;

use ife_witness::ring::RecordEnd;

use super::verdict::to_c;
use super::{on_policy, on_policy_or};
use crate::abi;
use crate::check;
use crate::decision::Decision;
use crate::message::Message;
use crate::options::WITNESS_WAIT_MS_MAX;
use crate::plumbing::failure::Failure;
use crate::plumbing::pointer;
use crate::policy::Policy;
use crate::shared::calls::RingEntry;
use crate::waiting::{self, End, Ticket, Wait};

/// See `if_policy.h`.
///
/// # Safety
/// `msg`, `verdict`, `ticket` and `err` are NULL or valid as the header requires.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ife_policy_begin(
    policy: *mut abi::ife_policy,
    msg: *const abi::ife_message,
    verdict: *mut abi::ife_verdict,
    ticket: *mut abi::ife_ticket,
    err: *mut abi::ife_error,
) -> abi::ife_result {
    on_policy_or(
        policy,
        err,
        |policy| {
            pointer::check_output(verdict, "verdict")?;
            pointer::check_output(ticket, "ticket")?;
            let msg = Message::read(msg)?;
            let decision = check::check(policy, &msg, Wait::Elsewhere)?;
            pointer::write_optional(verdict, to_c(&decision));
            pointer::write_optional(ticket, ticket_to_c(decision.ticket));
            Ok(())
        },
        // As ife_policy_check: a verdict to reply with, and nothing to wait for.
        |policy| {
            let msg = Message::read(msg)?;
            let decision = check::internal_error(policy, &msg);
            pointer::write_optional(verdict, to_c(&decision));
            pointer::write_optional(ticket, ticket_to_c(None));
            Ok(())
        },
    )
}

/// See `if_policy.h`.
///
/// # Safety
/// `ticket` and `err` are NULL or valid as the header requires.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ife_ticket_wait(
    policy: *mut abi::ife_policy,
    ticket: *const abi::ife_ticket,
    timeout_ms: u32,
    err: *mut abi::ife_error,
) -> abi::ife_result {
    on_policy(policy, err, |policy| {
        let ticket = read(ticket)?;
        let timeout = Duration::from_millis(timeout_ms.min(WITNESS_WAIT_MS_MAX).into());
        if waiting::wait(policy, ticket, timeout) {
            Ok(())
        } else {
            let text = "the entry is not yet on disk";
            Err(Failure::new(abi::IFE_WITNESS_TIMEOUT, text))
        }
    })
}

/// See `if_policy.h`.
///
/// # Safety
/// `msg`, `ticket`, `begun`, `verdict` and `err` are NULL or valid as the header requires.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ife_ticket_settle(
    policy: *mut abi::ife_policy,
    ticket: *const abi::ife_ticket,
    msg: *const abi::ife_message,
    begun: *const abi::ife_verdict,
    give_up: u32,
    verdict: *mut abi::ife_verdict,
    err: *mut abi::ife_error,
) -> abi::ife_result {
    on_policy_or(
        policy,
        err,
        |policy| {
            pointer::check_output(verdict, "verdict")?;
            let begun = *pointer::reference(begun, "begun")?;
            let ticket = read(ticket)?;
            let msg = Message::read(msg)?;
            let end = if give_up == 0 {
                End::Over
            } else {
                End::GivenUp
            };
            let decision = waiting::settle(policy, &msg, ticket, end)?;
            pointer::write_optional(verdict, settled(policy, &begun, &decision));
            Ok(())
        },
        |policy| {
            let begun = *pointer::reference(begun, "begun")?;
            let msg = Message::read(msg)?;
            let decision = check::internal_error(policy, &msg);
            pointer::write_optional(verdict, settled(policy, &begun, &decision));
            Ok(())
        },
    )
}

/// Returns the final verdict, with the facts of the one that waited. A refusal has its target only
/// if shadow mode lets the call pass.
fn settled(policy: &Policy, begun: &abi::ife_verdict, decision: &Decision) -> abi::ife_verdict {
    if decision.verdict.approved {
        return abi::ife_verdict {
            witnessed: decision.witnessed,
            ..*begun
        };
    }
    let refused = to_c(decision);
    abi::ife_verdict {
        direction: begun.direction,
        expert: begun.expert,
        expert_contact: if policy.options.shadow {
            begun.expert_contact
        } else {
            refused.expert_contact
        },
        hazard: begun.hazard,
        trace_id: begun.trace_id,
        kid: begun.kid,
        ..refused
    }
}

fn ticket_to_c(ticket: Option<Ticket>) -> abi::ife_ticket {
    let Some(ticket) = ticket else {
        return abi::ife_ticket::default();
    };
    abi::ife_ticket {
        waits: 1,
        began: u32::from(ticket.began),
        process_no: u32::from(ticket.entry.worker),
        reserved: 0,
        epoch: ticket.entry.end.epoch,
        position: ticket.entry.end.position,
        log_size: ticket.log_size,
    }
}

fn read(ticket: *const abi::ife_ticket) -> Result<Ticket, Failure> {
    let ticket = pointer::reference(ticket, "ticket")?;
    let is_valid = ticket.waits == 1 && ticket.epoch != 0;
    let worker = u16::try_from(ticket.process_no).ok();
    let Some(worker) = worker.filter(|_| is_valid) else {
        return Err(Failure::invalid("ticket: nothing waits by it"));
    };
    Ok(Ticket {
        entry: RingEntry {
            worker,
            end: RecordEnd {
                epoch: ticket.epoch,
                position: ticket.position,
            },
        },
        log_size: ticket.log_size,
        began: ticket.began != 0,
    })
}
