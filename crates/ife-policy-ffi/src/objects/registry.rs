//! The registry: reload and listing.
#![allow(unsafe_code)]

use ife_guard::image::Party;
use serde_json::json;

use super::on_policy;
use crate::abi;
use crate::plumbing::pointer;
use crate::policy::Policy;
use crate::shared::quota::Limit;
use crate::sys;

/// See `if_policy.h`.
///
/// # Safety
/// `generation` and `err` are NULL or valid as the header requires.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ife_policy_reload(
    policy: *mut abi::ife_policy,
    generation: *mut u64,
    err: *mut abi::ife_error,
) -> abi::ife_result {
    on_policy(policy, err, |policy| {
        let loaded = policy.reload()?;
        pointer::write_optional(generation, loaded);
        Ok(())
    })
}

/// See `if_policy.h`.
///
/// # Safety
/// `out_len` and `err` are NULL or valid as the header requires; `buf` has room for `buf_len`
/// bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ife_policy_experts(
    policy: *const abi::ife_policy,
    offset: u32,
    limit: u32,
    buf: *mut core::ffi::c_char,
    buf_len: usize,
    out_len: *mut usize,
    err: *mut abi::ife_error,
) -> abi::ife_result {
    on_policy(policy, err, |policy| {
        let now = sys::now().0;
        policy.follow_registry(now);
        let image = policy.registry.image()?;
        let names: Vec<_> = image.hazards().collect();
        let end = offset.saturating_add(limit).min(image.expert_count());
        let experts: Vec<_> = (offset..end)
            .filter_map(|index| image.expert_at(index))
            .map(|expert| expert_json(policy, &expert, &names, now.mono_ms / 1000))
            .collect();
        pointer::write_text(&json!(experts).to_string(), buf, buf_len, out_len)
    })
}

/// See `ife_policy_contacts` in `if_policy.h`.
///
/// # Safety
/// `out_len` and `err` are NULL or valid as the header requires; `buf` has room for `buf_len`
/// bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ife_policy_contacts(
    policy: *const abi::ife_policy,
    offset: u32,
    limit: u32,
    buf: *mut core::ffi::c_char,
    buf_len: usize,
    out_len: *mut usize,
    err: *mut abi::ife_error,
) -> abi::ife_result {
    on_policy(policy, err, |policy| {
        let now = sys::now().0;
        policy.follow_registry(now);
        let image = policy.registry.image()?;
        let end = offset.saturating_add(limit).min(image.expert_count());
        let mut contacts = String::new();
        for expert in (offset..end).filter_map(|index| image.expert_at(index)) {
            contacts.push_str(expert.contact().unwrap_or_default());
            contacts.push('\n');
        }
        pointer::write_text(&contacts, buf, buf_len, out_len)
    })
}

fn expert_json(
    policy: &Policy,
    expert: &Party<'_>,
    hazard_names: &[&str],
    now_s: u64,
) -> serde_json::Value {
    let hazards: Vec<_> = expert
        .hazards()
        .filter_map(|index| hazard_names.get(usize::from(index)))
        .collect();
    json!({
        "id": expert.id(),
        "name": expert.name(),
        "status": expert.status().as_str(),
        "hazards": hazards,
        "active_calls": policy.shared.quota().held(expert.number(), Limit::Concurrent, now_s),
    })
}
