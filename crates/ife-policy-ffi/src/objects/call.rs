//! `ife_call`: the facts about an approved call.
#![allow(unsafe_code)]

use std::net::IpAddr;

use ife_guard::{Direction, network::canonical};

use super::on_policy;
use crate::abi;
use crate::dialog;
use crate::event;
use crate::message::Message;
use crate::plumbing::failure::Failure;
use crate::plumbing::{pointer, text};
use crate::scope;
use crate::source;
use crate::sys;

/// See `if_policy.h`.
///
/// # Safety
/// `call_id` and `call` are NULL or valid as the header requires.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ife_call_find(
    policy: *const abi::ife_policy,
    call_id: abi::ife_str,
    call: *mut abi::ife_call,
) -> abi::ife_result {
    on_policy(policy, std::ptr::null_mut(), |policy| {
        pointer::check_output(call, "call")?;
        let call_id = pointer::bytes(call_id, "call_id")?;
        let now_s = sys::now().0.mono_ms / 1000;
        let found = policy.shared.calls().find_call_id(call_id, now_s);
        let (_, found) = found
            .ok_or_else(|| Failure::new(abi::IFE_NOT_FOUND, "no approved call has this Call-ID"))?;
        let mut out = abi::ife_call {
            direction: Direction::number(found.direction).into(),
            connected: u32::from(found.connected),
            leaf_hash: found.leaf_hash,
            ..Default::default()
        };
        text::fill(&mut out.expert, &found.expert);
        text::fill(&mut out.hazard, &found.hazard);
        text::fill(&mut out.trace_id, &found.trace_id);
        text::fill(&mut out.kid, &found.kid);
        pointer::write_optional(call, out);
        Ok(())
    })
}

/// See `if_policy.h`.
///
/// # Safety
/// `msg`, `via_ip` and `err` are NULL or valid as the header requires.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ife_reply_check(
    policy: *const abi::ife_policy,
    msg: *const abi::ife_message,
    via_ip: abi::ife_str,
    err: *mut abi::ife_error,
) -> abi::ife_result {
    on_policy(policy, err, |policy| {
        let msg = Message::read(msg)?;
        // A name is not looked up.
        let via = pointer::utf8(via_ip, "via_ip")?.parse();
        let now_s = sys::now().0.mono_ms / 1000;
        let may_pass = if via_ip.ptr.is_null() {
            dialog::may_answer(policy, &msg, now_s)
        } else {
            via.is_ok_and(|via| dialog::may_reply(policy, &msg, via, now_s))
        };
        if may_pass {
            Ok(())
        } else if policy
            .shared
            .calls()
            .find_call_id(msg.call_id, now_s)
            .is_none()
            && !scope::is_for_gate(policy, &policy.registry.image()?, &msg)
        {
            Err(scope::not_for_gate())
        } else {
            Err(Failure::new(
                abi::IFE_NOT_FOUND,
                "the reply belongs to no approved dialog, or does not go to its other side",
            ))
        }
    })
}

/// See `if_policy.h`.
///
/// # Safety
/// `peer_ip` and `err` are NULL or valid as the header requires.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ife_source_check(
    policy: *mut abi::ife_policy,
    peer_ip: abi::ife_str,
    err: *mut abi::ife_error,
) -> abi::ife_result {
    on_policy(policy, err, |policy| {
        let ip: IpAddr = pointer::utf8(peer_ip, "peer_ip")?
            .parse()
            .map_err(|_| Failure::invalid("peer_ip: not an IP address"))?;
        if source::is_known(policy, canonical(ip), sys::now().0)? {
            Ok(())
        } else {
            Err(Failure::new(
                abi::IFE_NOT_FOUND,
                "the address is that of no party of the registry and of no call under way",
            ))
        }
    })
}

/// See `if_policy.h`.
///
/// # Safety
/// `call_id` and `err` are NULL or valid as the header requires.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ife_call_release(
    policy: *mut abi::ife_policy,
    call_id: abi::ife_str,
    err: *mut abi::ife_error,
) -> abi::ife_result {
    on_policy(policy, err, |policy| {
        let call_id = pointer::bytes(call_id, "call_id")?;
        event::release(policy, call_id).map(|_| ())
    })
}
