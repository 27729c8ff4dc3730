//! `libife_policy.so`: the C ABI of `if_policy.h`, by which a SIP server asks the gate.
//! It never starts a thread, opens a socket, handles a signal, writes to a terminal, or lets a
//! panic reach its caller.

pub mod abi;
mod address;
mod admit;
mod check;
mod decision;
mod dialog;
mod event;
mod message;
mod objects;
mod options;
mod overload;
mod ownership;
mod plumbing;
mod policy;
mod registry;
mod scope;
mod sdp;
mod shared;
mod source;
mod state;
mod sys;
mod waiting;
mod witness;

#[cfg(test)]
extern crate self as ife_policy;
#[cfg(test)]
mod tests;

pub use objects::{
    ife_abi_version, ife_call_find, ife_call_release, ife_gate_name, ife_overload_reply,
    ife_policy_attach, ife_policy_begin, ife_policy_check, ife_policy_close, ife_policy_contacts,
    ife_policy_experts, ife_policy_explain, ife_policy_generation, ife_policy_open,
    ife_policy_reload, ife_policy_stats, ife_policy_stats_reset, ife_policy_tend, ife_reply_check,
    ife_result_text, ife_source_check, ife_ticket_settle, ife_ticket_wait, ife_version,
    ife_witness_log,
};
