//! The exports, one file per C object. Each checks pointers, runs the work in the panic boundary
//! and writes outputs on success.

mod call;
mod overload;
mod policy;
mod registry;
mod signatures;
mod stats;
mod ticket;
mod verdict;
mod version;
mod witness;

pub use call::{ife_call_find, ife_call_release, ife_reply_check, ife_source_check};
pub use overload::ife_overload_reply;
pub use policy::{ife_policy_attach, ife_policy_close, ife_policy_open, ife_policy_tend};
pub use registry::{ife_policy_contacts, ife_policy_experts, ife_policy_reload};
pub use stats::{ife_policy_generation, ife_policy_stats, ife_policy_stats_reset};
pub use ticket::{ife_policy_begin, ife_ticket_settle, ife_ticket_wait};
pub use verdict::{ife_policy_check, ife_policy_explain};
pub use version::{ife_abi_version, ife_gate_name, ife_result_text, ife_version};
pub use witness::ife_witness_log;

use crate::abi;
use crate::plumbing::boundary;
use crate::plumbing::failure::{Failure, report};
use crate::plumbing::handle;
use crate::policy::Policy;

/// Runs an export's body on the policy of `handle`. A panic is noted and becomes `IFE_PANIC`.
fn on_policy(
    handle: *const abi::ife_policy,
    err: *mut abi::ife_error,
    body: impl FnOnce(&mut Policy) -> Result<(), Failure>,
) -> abi::ife_result {
    on_policy_or(handle, err, body, |_| Err(panicked()))
}

/// Like [`on_policy`], with another answer to a panic.
fn on_policy_or(
    handle: *const abi::ife_policy,
    err: *mut abi::ife_error,
    body: impl FnOnce(&mut Policy) -> Result<(), Failure>,
    after_panic: impl FnOnce(&mut Policy) -> Result<(), Failure>,
) -> abi::ife_result {
    let outcome = boundary::contain(|| {
        handle::with(handle, |policy| match boundary::contain(|| body(policy)) {
            Ok(outcome) => outcome,
            Err(panic) => {
                policy.note_panic(&panic.text);
                after_panic(policy)
            }
        })
    });
    // A panic that arrives here arose in the handling of another.
    contained_report(outcome.unwrap_or_else(|_| Err(panicked())), err)
}

/// Reports an outcome. Formatting an error may panic in theory; then the result code stands alone.
fn contained_report(outcome: Result<(), Failure>, err: *mut abi::ife_error) -> abi::ife_result {
    boundary::contain(|| report(outcome, err)).unwrap_or(abi::IFE_PANIC)
}

fn panicked() -> Failure {
    Failure::new(abi::IFE_PANIC, "internal error, contained")
}
