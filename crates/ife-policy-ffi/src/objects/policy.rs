//! `ife_policy`: opening, attaching and closing.
#![allow(unsafe_code)]

use super::{contained_report, on_policy, panicked};
use crate::abi;
use crate::options;
use crate::plumbing::failure::Failure;
use crate::plumbing::{boundary, handle, pointer};
use crate::policy::Policy;

/// See `if_policy.h`.
///
/// # Safety
/// `options`, `policy` and `err` are NULL or valid as the header requires.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ife_policy_open(
    options: *const abi::ife_options,
    policy: *mut *mut abi::ife_policy,
    err: *mut abi::ife_error,
) -> abi::ife_result {
    let outcome = boundary::contain(|| {
        pointer::check_output(policy, "policy")?;
        let (options, log) = options::read(options)?;
        let opened = Policy::open(options, log)?;
        let handle = handle::insert(Box::new(opened)).ok_or_else(|| {
            Failure::new(
                abi::IFE_INVALID_PARAMETER,
                "too many open handles in this process",
            )
        })?;
        pointer::write_optional(policy, handle);
        Ok(())
    });
    contained_report(outcome.unwrap_or_else(|_| Err(panicked())), err)
}

/// See `if_policy.h`.
///
/// # Safety
/// `err` is NULL or points at an `ife_error`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ife_policy_attach(
    policy: *mut abi::ife_policy,
    process_no: u32,
    err: *mut abi::ife_error,
) -> abi::ife_result {
    on_policy(policy, err, |policy| policy.attach(process_no))
}

/// See `if_policy.h`.
///
/// # Safety
/// `err` is NULL or points at an `ife_error`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ife_policy_tend(
    policy: *mut abi::ife_policy,
    err: *mut abi::ife_error,
) -> abi::ife_result {
    on_policy(policy, err, Policy::tend)
}

/// See `if_policy.h`.
///
/// # Safety
/// None: any value is safe.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ife_policy_close(policy: *mut abi::ife_policy) {
    // On any error the handle is closed and the process ends soon.
    let _ = boundary::contain(|| handle::remove(policy).map(|policy| policy.close()));
}
