//! `ife_receipt`: one witnessed event.
#![allow(unsafe_code)]

use super::on_policy;
use crate::abi;
use crate::event;
use crate::message::Message;
use crate::plumbing::pointer;

/// See `if_policy.h`.
///
/// # Safety
/// `msg`, `event`, `detail`, `receipt` and `err` are NULL or valid as the header requires.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ife_witness_log(
    policy: *mut abi::ife_policy,
    msg: *const abi::ife_message,
    event: abi::ife_str,
    detail: abi::ife_str,
    receipt: *mut abi::ife_receipt,
    err: *mut abi::ife_error,
) -> abi::ife_result {
    on_policy(policy, err, |policy| {
        let msg = Message::read(msg)?;
        let (event, detail) = (
            pointer::bytes(event, "event")?,
            pointer::bytes(detail, "detail")?,
        );
        let entered = event::log(policy, &msg, event, detail)?;
        pointer::write_optional(
            receipt,
            abi::ife_receipt {
                seq: entered.seq,
                on_disk: 0,
                leaf_hash: entered.leaf_hash,
            },
        );
        Ok(())
    })
}
