//! Compile-time check that every export has the signature that the header declares. Never called.
#![allow(unsafe_code, dead_code)]

use crate::abi;

/// An array of functions has one type, so it compiles only if both signatures are the same.
macro_rules! same {
    ($($name:ident in $file:ident),* $(,)?) => {
        fn same_as_header() {
            $( let _ = [abi::$name, super::$file::$name]; )*
        }
    };
}

same! {
    ife_policy_open in policy,
    ife_policy_attach in policy,
    ife_policy_tend in policy,
    ife_policy_close in policy,
    ife_policy_check in verdict,
    ife_policy_begin in ticket,
    ife_ticket_wait in ticket,
    ife_ticket_settle in ticket,
    ife_policy_explain in verdict,
    ife_witness_log in witness,
    ife_call_find in call,
    ife_call_release in call,
    ife_reply_check in call,
    ife_source_check in call,
    ife_overload_reply in overload,
    ife_policy_reload in registry,
    ife_policy_experts in registry,
    ife_policy_contacts in registry,
    ife_policy_generation in stats,
    ife_policy_stats in stats,
    ife_policy_stats_reset in stats,
    ife_abi_version in version,
    ife_version in version,
    ife_result_text in version,
    ife_gate_name in version,
}
